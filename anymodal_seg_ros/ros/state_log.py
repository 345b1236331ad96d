# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The log's lines about the states of sensors. Layer: ros."""

from __future__ import annotations

from collections.abc import Iterable

from rclpy.impl.rcutils_logger import RcutilsLogger

from anymodal_seg_ros.health import Transition
from anymodal_seg_ros.samples import HealthState

HOLD_NS = 400_000_000
"""How long the loss of a sensor waits for that of the others: where all fall silent, it is what
plays or relays them."""
RESTART_REASONS = ('reset', 'clock_jump')


class StateLog:
    """Says what differs from what it said last, one line for all sensors that change alike.

    A restart is one line: that sensors wait after it is no news, and that they are then what they
    were before is none either.
    """

    def __init__(self, logger: RcutilsLogger) -> None:
        self._logger = logger
        self._said: dict[str, tuple[HealthState, str]] = {}
        self._held: dict[str, Transition] = {}
        self._held_until_ns = 0

    def restart(self, why: str) -> None:
        """Everything begins anew; who fell silent just before did so because of it."""
        self._held.clear()
        self._logger.info(f'restart: {why}')

    def write(self, transitions: Iterable[Transition], steady_ns: int) -> None:
        """Take in what changed; to be called often, also with nothing."""
        due = []
        has_jumped = False
        for change in transitions:
            if change.reason in RESTART_REASONS:
                has_jumped = has_jumped or change.reason == 'clock_jump'
            elif change.old is not HealthState.WAITING or change.new is not HealthState.WAITING:
                due += self._take(change, steady_ns)
        if has_jumped:
            self.restart('the clock jumped')
        if self._held and steady_ns >= self._held_until_ns:
            due += self._held.values()
            self._held = {}
        self._write(due)

    def _take(self, change: Transition, steady_ns: int) -> list[Transition]:
        """What is to be said now."""
        held = self._held.pop(change.modality, None)
        due = [held] if held is not None else []
        if change.new is not HealthState.LOST:
            return [*due, change]
        if not self._held:
            self._held_until_ns = steady_ns + HOLD_NS
        self._held[change.modality] = change
        return due

    def _write(self, changes: Iterable[Transition]) -> None:
        lines: dict[str, list[str]] = {}
        for change in changes:
            old = self._said.get(change.modality, (change.old, ''))
            new = change.new, change.reason
            if old != new:
                self._said[change.modality] = new
                text = f'{old[0].value} -> {new[0].value} ({new[1]})'
                lines.setdefault(text, []).append(change.modality)
        for text, modalities in lines.items():
            self._logger.info(f'{", ".join(modalities)}: {text}')
