# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights of one form of a network into another. Layer: models; torch only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from anymodal_seg_ros.errors import ConfigError

NEW_PARTS = ('adapters.', 'scores.')
"""Parts that a state may lack: with the initial values that they keep they change nothing."""

SHARED_NAMES = (
    (r'encoder\.\w+\.stems\.(\w+)\.', r'encoder.stems.\1.'),
    (r'encoder\.\w+\.stems\.\w+\.', 'encoder.stems.shared.'),
    (r'encoder\.\w+\.stages\.', 'encoder.stages.'),
    (r'encoder\.stems\.\w+\.', 'encoder.stems.shared.'),
)
"""A modality's own weights and, best first, the shared ones that they may be copied from."""


def load_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load the weights of a network that may have shared more, so that both answer the same.

    A stem or an encoder for each modality gets a copy of the shared one. Adapters and reliability
    scores keep their initial values if the state has none. Everything else must fit exactly.

    Raises:
        ConfigError: a missing or unexpected name, or another shape.
    """
    wanted = model.state_dict()
    chosen, used = {}, set()
    for name, initial in wanted.items():
        source = next((n for n in _names(name) if n in state), None)
        if source is not None:
            chosen[name] = state[source]
            used.add(source)
        else:
            part = next((p for p in NEW_PARTS if name.startswith(p)), None)
            if part is not None and not any(n.startswith(part) for n in state):
                chosen[name] = initial
    unused = {name: value for name, value in state.items() if name not in used}
    check_state('the state', wanted, {**chosen, **unused})
    model.load_state_dict(chosen)


def _names(name: str) -> Iterator[str]:
    yield name
    for pattern, shared in SHARED_NAMES:
        match = re.match(pattern, name)
        if match:
            yield match.expand(shared) + name[match.end() :]


def check_state(what: str, wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    """Raise ConfigError unless names and shapes are the same."""
    problems = []
    missing, unexpected = sorted(set(wanted) - set(given)), sorted(set(given) - set(wanted))
    if missing:
        problems.append(f'missing {len(missing)}: {", ".join(missing[:5])}')
    if unexpected:
        problems.append(f'unexpected {len(unexpected)}: {", ".join(unexpected[:5])}')
    if not problems:
        problems = [
            f'{name} is {tuple(given[name].shape)}, not {tuple(wanted[name].shape)}'
            for name in wanted
            if given[name].shape != wanted[name].shape
        ][:5]
    if problems:
        raise ConfigError(f'{what} does not fit the network: {"; ".join(problems)}')
