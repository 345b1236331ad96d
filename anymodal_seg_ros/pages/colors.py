# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Colours of scores: a scale whose lightness rises and needs no hue. Layer: pages."""

from __future__ import annotations

import math
from collections.abc import Sequence

from anymodal_seg_ros.pages.libraries import load_library

SCALE = 'viridis'
"""Of matplotlib; made for the colour-blind."""
NOT_MEASURED = '#80868e'
DARK_TEXT, LIGHT_TEXT = '#000000', '#ffffff'
_EQUAL_CONTRAST = math.sqrt(1.05 * 0.05) - 0.05
"""Luminance on which black and white stand out alike (WCAG 2)."""


def color_of(value: float, low: float, high: float) -> str:
    """The colour ('#rrggbb') of a value on a scale from ``low`` to ``high``; grey for NaN."""
    if not math.isfinite(value):
        return NOT_MEASURED
    share = min(max((value - low) / max(high - low, 1e-9), 0.0), 1.0)
    scale = load_library('matplotlib').colormaps[SCALE]
    return str(load_library('matplotlib.colors').to_hex(scale(share)))


def text_on(color: str) -> str:
    """The one of dark and light text that stands out more."""
    return DARK_TEXT if luminance(color) > _EQUAL_CONTRAST else LIGHT_TEXT


def luminance(color: str) -> float:
    """Relative luminance of an sRGB colour, 0 to 1 (WCAG 2)."""
    red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4
                        for v in (int(color[i:i + 2], 16) / 255 for i in (1, 3, 5)))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def scale_limits(values: Sequence[float]) -> tuple[float, float]:
    """Round limits around finite scores in percent, at least 20 apart and within 0 to 100, so
    that small differences do not look large."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return 0.0, 100.0
    low, high = 5 * math.floor(min(finite) / 5), 5 * math.ceil(max(finite) / 5)
    while high - low < 20:
        low, high = max(low - 5, 0), min(high + 5, 100)
    return float(low), float(high)
