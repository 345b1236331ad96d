# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Colours of scores: a scale that rises in lightness, so that it reads without hue."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

Color = tuple[int, int, int]

SCALE: Sequence[Color] = (
    (48, 24, 92), (56, 62, 138), (42, 104, 147), (30, 143, 138), (66, 178, 112), (142, 206, 82),
    (246, 229, 96),
)
"""Low to high, equally spaced; relative luminance rises throughout."""
NOT_MEASURED: Color = (128, 134, 142)
DARK_TEXT, LIGHT_TEXT = (0, 0, 0), (255, 255, 255)


def color_of(value: float, low: float, high: float) -> Color:
    """The colour of a value on a scale from ``low`` to ``high``; grey for NaN."""
    if not math.isfinite(value):
        return NOT_MEASURED
    share = min(max((value - low) / max(high - low, 1e-9), 0.0), 1.0)
    positions = np.linspace(0.0, 1.0, len(SCALE))
    red, green, blue = (round(float(np.interp(share, positions, channel)))
                        for channel in zip(*SCALE, strict=True))
    return red, green, blue


def text_on(color: Color) -> Color:
    """The one of dark and light text that stands out more."""
    return max((DARK_TEXT, LIGHT_TEXT), key=lambda text: contrast(text, color))


def contrast(a: Color, b: Color) -> float:
    """Contrast ratio of two sRGB colours, 1 to 21 (WCAG 2)."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def luminance(color: Color) -> float:
    """Relative luminance of an sRGB colour, 0 to 1 (WCAG 2)."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4
              for v in (channel / 255 for channel in color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def css(color: Color) -> str:
    """As CSS and SVG write it."""
    return '#{:02x}{:02x}{:02x}'.format(*color)


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
