# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Named options of the distillation losses: one error for a name that is none of them."""

from __future__ import annotations

from collections.abc import Sequence

from anymodal_seg_ros.errors import ConfigError


def check_choice(option: str, value: str, allowed: Sequence[str]) -> None:
    """Raises ConfigError unless ``value`` is one of ``allowed``."""
    if value not in allowed:
        raise ConfigError(f'{option} {value!r}; allowed: {", ".join(allowed)}')
