# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The colour scale reads without hue, and what is written on it can be read."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymodal_seg_ros.pages.colors import (
    NOT_MEASURED,
    color_of,
    luminance,
    scale_limits,
    text_on,
)

SHARES = np.linspace(0, 1, 101)


def contrast(a, b):
    """Contrast ratio of two colours, 1 to 21 (WCAG 2)."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_lightness_rises_all_along_the_scale():
    lightness = [luminance(color_of(share, 0, 1)) for share in SHARES]
    assert all(a < b for a, b in pairwise(lightness))


def test_numbers_stand_out_from_every_colour():
    colors = [color_of(share, 0, 1) for share in SHARES] + [NOT_MEASURED]
    assert min(contrast(color, text_on(color)) for color in colors) >= 4.5


def test_ends_and_what_lies_beyond_them():
    assert color_of(20, 20, 70) == color_of(-5, 20, 70) == '#440154'
    assert color_of(70, 20, 70) == color_of(99, 20, 70) == '#fde725'
    assert color_of(math.nan, 0, 1) == NOT_MEASURED


def test_luminance_of_black_white_and_middle_grey():
    assert luminance('#000000') == 0
    assert luminance('#ffffff') == pytest.approx(1)
    assert contrast('#000000', '#ffffff') == pytest.approx(21)
    assert luminance('#bcbcbc') == pytest.approx(0.5029, abs=1e-4)


@given(st.lists(st.floats(0, 100) | st.just(math.nan)))
def test_limits_enclose_the_scores_and_are_not_narrow(values):
    low, high = scale_limits(values)
    assert low >= 0 and high <= 100 and high - low >= 20
    assert all(low <= value <= high for value in values if math.isfinite(value))
