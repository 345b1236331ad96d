# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Judges a sensor's samples by the checks of its modality and its own past. Health layer."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.health.checks import Check, Verdict, checks_of
from anymodal_seg_ros.health.health_config import HealthConfig
from anymodal_seg_ros.health.measures import Numbers, signature
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.samples import Payload, Sample

BASELINE_WEIGHT = 0.02
MAX_INTERVAL_S = 5.0
RELEARN_COUNT = 20
"""After so many images in a row of one other size that size is the sensor's own."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a sample's content says."""

    reason: str = ''
    """Why it is withheld; '' when it is not."""
    immediate: bool = False
    """Whether it alone changes the state."""


class Baseline:
    """What is usual: a mean of the first clean samples that turns into a slow moving mean, so
    that it follows a scene and not an outage. Numbers that are NaN are left out one by one."""

    def __init__(self, min_count: int) -> None:
        self.min_count = min_count
        self._count = 0
        self._means: dict[str, npt.NDArray[np.float64]] = {}

    @property
    def usual(self) -> Numbers:
        """The means; empty until enough samples were seen."""
        return self._means if self._count >= self.min_count else {}

    def learn(self, numbers: Numbers) -> None:
        self._count += 1
        weight = max(1.0 / self._count, BASELINE_WEIGHT)
        for name, value in numbers.items():
            mean = self._means.get(name, value)
            mixed = np.where(np.isnan(mean), value, mean + weight * (value - mean))
            self._means[name] = np.where(np.isnan(value), mean, mixed)


class Debounce:
    """Evidence that needs several samples to begin and several without it to end."""

    def __init__(self, config: HealthConfig, enter_count: int) -> None:
        self._given_enter_count = enter_count
        self._row = 0
        self._clean_row = 0
        self._window: deque[bool] = deque()
        self.active = False
        self.reconfigure(config)

    def reconfigure(self, config: HealthConfig) -> None:
        """Count by other numbers; the evidence so far stays."""
        self._config = config
        self._enter_count = self._given_enter_count or config.enter_count
        self._window = deque(self._window, maxlen=config.enter_window)

    def add(self, bad: bool) -> None:
        self._row = self._row + 1 if bad else 0
        self._clean_row = 0 if bad else self._clean_row + 1
        self._window.append(bad)
        total = max(self._config.enter_total, self._enter_count)
        if bad and (self._row >= self._enter_count or sum(self._window) >= total):
            self.active = True
        elif self._clean_row >= self._config.exit_count:
            self.active = False


class ContentJudge:
    """The memory that content checks need: the sample before, what is usual, what is debounced."""

    def __init__(self, modality: str, config: HealthConfig) -> None:
        self._modality = modality
        self._is_cloud = (modality in MODALITIES
                          and MODALITIES[modality].payload is Payload.CLOUD)
        self._config = config
        row = checks_of(modality)
        self._measure = row.measure if row else None
        self._checks = _checks_of(modality, config)
        self._speaking: dict[str, bool] = {}
        self._reported: dict[str, Debounce] = {}
        self._size_hw = config.size_hw
        self._odd_size_hw: tuple[int, int] | None = None
        self._odd_row = 0
        self._forget_usual()
        self._signature = 0
        self._repeats = 0
        self._stamp_ns: int | None = None
        self._lively_ns: int | None = None
        self._tilts: deque[npt.NDArray[np.float64]] = deque(maxlen=3)

    def reconfigure(self, config: HealthConfig) -> None:
        """Judge by other thresholds what comes from now on.

        What is usual and what is debounced stay. A check that is switched off forgets its
        evidence, and another size than the learnt one makes everything learnt useless.
        """
        self._config = config
        self._checks = _checks_of(self._modality, config)
        if config.size_hw not in (None, self._size_hw):
            self._size_hw = config.size_hw
            self._forget_usual()
            return
        self._baseline.min_count = config.baseline_count
        before = self._reported
        self._reported = {
            check.reason: before.get(check.reason, Debounce(config, check.enter_count))
            for check in self._checks}
        for debounce in self._reported.values():
            debounce.reconfigure(config)
        self._speaking = {
            reason: self._speaking.get(reason, False) for reason in self._reported}

    def judge(self, sample: Sample) -> Finding:
        """Judge the next sample in order of arrival."""
        reason = self.mismatch(sample)
        self._follow_size(sample, reason)
        if reason or self._measure is None:
            return Finding(reason)
        numbers = self._with_history(sample, self._measure(sample.data, self._interval_s(sample)))
        self._stamp_ns = sample.stamp_ns
        finding = Finding()
        clean = True
        for check in self._checks:
            active = self._speaking.get(check.reason, False)
            verdict = check.judge(numbers, self._baseline.usual, self._config, active)
            self._speaking[check.reason] = verdict is not Verdict.CLEAN
            clean = clean and verdict is Verdict.CLEAN
            if verdict is Verdict.WITHHELD and not finding.reason:
                finding = Finding(check.reason, check.immediate)
            elif not finding.reason:
                self._reported[check.reason].add(verdict is Verdict.REPORTED)
        if clean:
            self._baseline.learn(numbers)
            self._learn_size(sample)
        return finding

    def reported(self) -> list[str]:
        """Reason codes of debounced evidence that leaves the samples usable."""
        return [reason for reason, debounce in self._reported.items() if debounce.active]

    def mismatch(self, sample: Sample) -> str:
        """``wrong_frame`` or ``wrong_size`` when ``judge`` would withhold it for that, else ''.

        Changes nothing.
        """
        if self._config.frame_id and sample.frame_id != self._config.frame_id:
            return 'wrong_frame'
        size_hw = self._image_size(sample)
        if size_hw is None or self._may_have_size(size_hw):
            return ''
        return 'wrong_size'

    def _may_have_size(self, size_hw: tuple[int, int]) -> bool:
        if min(size_hw) == 0:
            return False
        if self._size_hw is None or size_hw == self._size_hw:
            return True
        return (self._config.size_hw is None and size_hw == self._odd_size_hw
                and self._odd_row >= RELEARN_COUNT)

    def _follow_size(self, sample: Sample, reason: str) -> None:
        """A driver that was set to another size for good is to be learnt anew."""
        size_hw = self._image_size(sample)
        if reason == 'wrong_size':
            self._odd_row = self._odd_row + 1 if size_hw == self._odd_size_hw else 1
            self._odd_size_hw = size_hw
            return
        self._odd_row = 0
        if not reason and self._size_hw is not None and size_hw not in (None, self._size_hw):
            self._size_hw = size_hw
            self._forget_usual()

    def _forget_usual(self) -> None:
        self._baseline = Baseline(self._config.baseline_count)
        self._speaking = {}
        self._reported = {
            check.reason: Debounce(self._config, check.enter_count) for check in self._checks}

    def _image_size(self, sample: Sample) -> tuple[int, int] | None:
        if self._is_cloud or sample.data.ndim < 2:
            return None
        return sample.data.shape[0], sample.data.shape[1]

    def _learn_size(self, sample: Sample) -> None:
        if self._size_hw is None:
            self._size_hw = self._image_size(sample)

    def _interval_s(self, sample: Sample) -> float:
        if self._stamp_ns is None:
            return math.nan
        interval_s = (sample.stamp_ns - self._stamp_ns) / 1e9
        return interval_s if 0 < interval_s <= MAX_INTERVAL_S else math.nan

    def _with_history(self, sample: Sample, numbers: Numbers) -> Numbers:
        history = {'repeats': self._count_repeats(sample)}
        if 'rate_hz' in numbers:
            history['silent_s'] = self._silent_s(sample.stamp_ns, float(numbers['rate_hz']))
        if 'tilt' in numbers:
            history['tilt_step'] = self._tilt_step(numbers['tilt'])
        added = {name: np.asarray(value, np.float64) for name, value in history.items()}
        return {**numbers, **added}

    def _count_repeats(self, sample: Sample) -> float:
        seen = signature(sample.data)
        self._repeats = self._repeats + 1 if seen and seen == self._signature else 0
        self._signature = seen
        return self._repeats

    def _silent_s(self, stamp_ns: int, rate_hz: float) -> float:
        if self._lively_ns is None or not rate_hz <= self._config.event_silence_hz:
            self._lively_ns = stamp_ns
        return (stamp_ns - self._lively_ns) / 1e9

    def _tilt_step(self, tilt_deg: npt.NDArray[np.float64]) -> float:
        self._tilts.append(tilt_deg)
        if len(self._tilts) < 3:
            return math.nan
        first, second, third = self._tilts
        return float(np.abs(first - 2 * second + third).max())


def _checks_of(modality: str, config: HealthConfig) -> tuple[Check, ...]:
    """The checks of a modality that are not switched off, in the order of the table."""
    row = checks_of(modality)
    checks = row.checks if row else ()
    return tuple(check for check in checks if check.reason not in config.skip_checks)
