# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How the states of health look. Layer: demo."""

from __future__ import annotations

from collections.abc import Mapping

STATE_COLORS: Mapping[str, str] = {
    'waiting': '#c9ced6',
    'ok': '#009e73',
    'degraded': '#e69f00',
    'lost': '#d55e00',
    'probation': '#56b4e9',
    'disabled': '#8a8f98',
}
"""Those of Okabe and Ito, which the colour-blind tell apart, and greys."""
