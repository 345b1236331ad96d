# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How figures are written."""

from __future__ import annotations


def percent(value: float | None) -> str:
    """One digit after the point; a dash for what was not measured."""
    return '–' if value is None or value != value else f'{value:.1f}'


def change(value: float | None) -> str:
    """A difference with its sign; none where it rounds to zero."""
    if value is None or value != value:
        return '–'
    said = f'{value:+.1f}'
    return '0.0' if said[1:] == '0.0' else said.replace('-', '−')


def duration(seconds: float) -> str:
    """'2 h 05 min', '12 min' or '40 s'."""
    if seconds < 120:
        return f'{seconds:.0f} s'
    minutes = round(seconds / 60)
    return f'{minutes // 60} h {minutes % 60:02d} min' if minutes >= 60 else f'{minutes} min'
