# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a sensor fault is: one row of the table of faults. Corruption layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.ranges import Range
from anymodal_seg_ros.samples import Payload

Data: TypeAlias = npt.NDArray[Any]
ContentFunction: TypeAlias = Callable[[Data, float, np.random.Generator], Data]

SEVERITY_RANGE = Range(0.001, 1.0)
"""Nothing at all is no fault."""


def check_severity(severity: float) -> float:
    """Returns ``severity`` as a float; raises ConfigError outside ``SEVERITY_RANGE``."""
    SEVERITY_RANGE.check('severity', severity)
    return float(severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way in which a sensor fails."""

    kind: str
    """``'content'`` changes what was measured, ``'stream'`` when and whether it arrives,
    ``'bytes'`` the raw payload of a message."""
    description: str
    severity: str
    """What a severity means, up to 1."""
    functions: Mapping[Payload, ContentFunction] = field(default_factory=dict)
    """By what it changes, for the kinds ``'content'`` and ``'bytes'``."""
    is_static: bool = False
    """True where the same place stays affected while the fault lasts (dirt on a lens), so that
    every sample must be given a generator of the same seed."""

    @property
    def modalities(self) -> tuple[str, ...]:
        """The sensors that it may befall: those with a payload that it changes; stream faults
        befall all."""
        return tuple(name for name, row in MODALITIES.items()
                     if self.kind == 'stream' or row.payload in self.functions)

    def apply(self, data: Data, severity: float, rng: np.random.Generator, modality: str) -> Data:
        """A corrupted copy of ``data``; the input is left as it was.

        Args:
            data: in the form of ``Sample.data`` for a content fault (same dtype comes back, and
                the same shape for images); uint8 [N] for a bytes fault.
            severity: in ``SEVERITY_RANGE``.
            rng: the only source of chance; equal generators give equal results.
            modality: one of ``modalities``; the forms of two payloads can look alike.

        Raises:
            ConfigError: a stream fault, a modality it does not apply to, or a bad severity.
        """
        row = MODALITIES.get(modality)
        function = self.functions.get(row.payload) if row else None
        if function is None:
            allowed = (', '.join(self.modalities) if self.functions
                       else 'none: it acts on the stream')
            raise ConfigError(f'fault {self.description!r} has no content for {modality!r}; '
                              f'allowed: {allowed}')
        return function(data, check_severity(severity), rng)
