# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether one sensor's good samples can be encoded. Health layer."""

from __future__ import annotations

from collections import deque

from anymodal_seg_ros.health.config import HealthConfig


class Encodings:
    """Debounced as bad samples are: so many failures in a row, or among the last ones, begin it.

    It ends with ``exit_count`` successes in a row. The samples stay in use meanwhile, since only
    the next one tells whether the encoder still fails.
    """

    def __init__(self, config: HealthConfig) -> None:
        self._config = config
        self.failure = ''
        """Text of the newest failure while it is so; else ''."""
        self._has_failed = False
        self._row = 0
        self._recent: deque[bool] = deque(maxlen=config.enter_window)

    def reconfigure(self, config: HealthConfig) -> None:
        """Judge by other thresholds what comes from now on."""
        self._config = config
        self._recent = deque(self._recent, maxlen=config.enter_window)

    def add(self, failure: str) -> None:
        """What became of one sample: the text of the error, or ''."""
        config = self._config
        self._row = self._row + 1 if bool(failure) == self._has_failed else 1
        self._has_failed = bool(failure)
        self._recent.append(self._has_failed)
        if not failure:
            self.failure = '' if self._row >= config.exit_count else self.failure
        elif (self.failure or self._row >= config.enter_count
              or sum(self._recent) >= config.enter_total):
            self.failure = failure
