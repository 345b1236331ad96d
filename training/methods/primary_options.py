# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of the choice of primary modalities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.ranges import Range
from training.settings import OneOf, check_settings

POLICIES = ('topk', 'threshold', 'fixed', 'per_sample')


@dataclass(frozen=True, kw_only=True)
class PrimaryOptions:
    """How primary modalities are chosen."""

    policy: Annotated[str, OneOf(POLICIES)] = 'topk'
    """'topk' and 'threshold' go by the running mean of the teacher's scores, 'per_sample' takes
    each sample's own top k, 'fixed' takes ``names``."""
    count: Annotated[int, Range(0, 16)] = 0
    """k of 'topk' and 'per_sample'; 0 means half of the modalities, rounded up."""
    threshold: Annotated[float | None, Range(-1, 1)] = None
    """Least score of 'threshold'; none means 0.5."""
    names: tuple[str, ...] = ()
    """Those of 'fixed'."""

    def __post_init__(self) -> None:
        check_settings('method.options.primary', self)
        self._check_use('count', bool(self.count), ('topk', 'per_sample'))
        self._check_use('threshold', self.threshold is not None, ('threshold',))
        self._check_use('names', bool(self.names), ('fixed',))

    def _check_use(self, name: str, given: bool, policies: tuple[str, ...]) -> None:
        if given and self.policy not in policies:
            raise ConfigError(f'primary.{name} {getattr(self, name)!r} does nothing with policy '
                              f'{self.policy!r}; allowed with {", ".join(policies)}')
