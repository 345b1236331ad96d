# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether one sensor's good samples can be encoded. Health layer."""

from __future__ import annotations

from anymodal_seg_ros.health.content import Debounce
from anymodal_seg_ros.health.health_config import HealthConfig


class Encodings:
    """Debounced as other evidence is that leaves the samples in use: only the next one tells
    whether the encoder still fails."""

    def __init__(self, config: HealthConfig) -> None:
        self._debounce = Debounce(config, 0)
        self._newest_failure = ''

    @property
    def failure(self) -> str:
        """Text of the newest failure while it is so; else ''."""
        return self._newest_failure if self._debounce.active else ''

    def reconfigure(self, config: HealthConfig) -> None:
        """Judge by other thresholds what comes from now on."""
        self._debounce.reconfigure(config)

    def add(self, failure: str) -> None:
        """What became of one sample: the text of the error, or ''."""
        self._newest_failure = failure or self._newest_failure
        self._debounce.add(bool(failure))
