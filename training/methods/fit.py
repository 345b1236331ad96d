# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a method can train a network."""

from __future__ import annotations

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models import ABILITIES, MODELS
from training.methods.base import Method


def check_ability(name: str, method: type[Method], model: str) -> None:
    """Raises ConfigError where method ``name`` needs what network ``model`` does not offer."""
    for need in method.NEEDS:
        if need not in MODELS[model].abilities:
            able = [other for other, row in MODELS.items() if need in row.abilities]
            raise ConfigError(f'method {name} needs {need} ({ABILITIES[need]}), which network '
                              f'{model!r} does not offer; allowed: {", ".join(able)}')
