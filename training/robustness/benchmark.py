# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the robustness benchmarks: a separable network encodes each sensor of a frame once as it
is, and once for each way in which it is degraded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from torch import Tensor

from anymodal_seg_ros.corruption import DELIVER_FAILURES
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.inference.precision import exact_float32
from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.models import DROP, ZERO, modality_subsets
from anymodal_seg_ros.models.network import Subset
from training.datasets import Frame, FrameSource
from training.frame_batches import Workers, read_batches
from training.robustness.degradation import Float32, failed, generator, noisy, without_elements
from training.robustness.protocol import (
    EMM,
    FAILURES,
    NM,
    NM_LEVELS,
    RMM,
    RMM_RATES,
    BenchmarkConfig,
)
from training.robustness.result import RobustnessScores
from training.scoring import SubsetScores
from training.subset_network import Encoded, SubsetNetwork

Run = TypeVar('Run')
Image = TypeVar('Image')


def run_benchmark(
    network: SubsetNetwork, frames: FrameSource, sensors: Sequence[str], label_space: LabelSpace,
    short_side_px: int, config: BenchmarkConfig, *, indices: Sequence[int],
    on_frame: Callable[[], None] = lambda: None,
) -> RobustnessScores:
    """Score frames under the benchmarks of ``config``.

    A frame that lacks a sensor takes part in EMM with the combinations that it has, and in
    nothing else. What the network knows beyond ``sensors`` is missing throughout; as zeros it can
    be so in EMM alone.

    Args:
        sensors: those of the network that the data set has, in the network's order.
        indices: which frames.
        on_frame: called after each frame.

    Raises:
        ConfigError: a frame cannot be read, no frame has all sensors or labels, no failure is one
            of these sensors, or missing mode 'zero' is asked for with other benchmarks than EMM
            and without a sensor of the network.
    """
    _check_zeros(network, sensors, config)
    with exact_float32(), Workers(config.workers) as workers:
        total = _Sum(network, tuple(sensors), config, label_space, workers)
        for batch in read_batches(frames, indices, short_side_px, workers,
                                  batch_size=config.batch_size, label_size=config.label_size):
            total.add(batch)
            for _ in batch:
                on_frame()
    return total.finished()


def _check_zeros(network: SubsetNetwork, sensors: Sequence[str], config: BenchmarkConfig) -> None:
    lacking = [name for name in network.modalities if name not in sensors]
    others = [name for name in config.benchmarks if name != EMM]
    # EMM would put zeros in their place, the others leave them out: no row of such figures.
    if ZERO in config.missing_modes and lacking and others:
        raise ConfigError(f'missing mode {ZERO!r} without {", ".join(lacking)} of the network; '
                          f'allowed with benchmark {", ".join(others)}: {DROP}')


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Batch:
    """Frames that have all sensors, encoded as they are."""

    frames: Sequence[Frame]
    truths: Sequence[Tensor]
    encoded: Encoded


class _Sum:
    """Adds up batches."""

    def __init__(self, network: SubsetNetwork, sensors: Subset, config: BenchmarkConfig,
                 label_space: LabelSpace, workers: Workers) -> None:
        self._network = network
        self._sensors = sensors
        self._config = config
        self._label_space = label_space
        self._workers = workers
        wanted = config.benchmarks
        self._subsets = modality_subsets(sensors) if EMM in wanted else [sensors]
        self._emm = {mode: SubsetScores(label_space=label_space, missing_mode=mode)
                     for mode in config.missing_modes}
        self._rmm = {rate: self._scores() for rate in RMM_RATES if RMM in wanted}
        self._nm = {level: self._scores() for level in NM_LEVELS if NM in wanted}
        self._failures = {
            name: {severity: self._scores() for severity in config.severities}
            for name, (sensor, _, _) in DELIVER_FAILURES.items()
            if FAILURES in wanted and sensor in sensors}
        if FAILURES in wanted and not self._failures:
            struck = dict.fromkeys(sensor for sensor, _, _ in DELIVER_FAILURES.values())
            raise ConfigError(f'benchmark {FAILURES} needs one of the sensors '
                              f'{", ".join(struck)}; here are {", ".join(sensors)}')

    def finished(self) -> RobustnessScores:
        """What was found."""
        if any(self._sensors not in scores.matrices for scores in self._emm.values()):
            raise ConfigError(f'no frame has all of {", ".join(self._sensors)}; name the '
                              'modalities to score with')
        if any(self._sensors not in scores.scored() for scores in self._emm.values()):
            raise ConfigError(f'no frame with all of {", ".join(self._sensors)} has a labelled '
                              'pixel; there is nothing to score')
        return RobustnessScores(
            label_space=self._label_space, sensors=self._sensors, config=self._config,
            precision=self._network.precision, emm=self._emm, rmm=self._rmm, nm=self._nm,
            failures=self._failures)

    def add(self, frames: Sequence[Frame]) -> None:
        """Run all benchmarks on frames of one size with the same sensors."""
        present = [name for name in self._sensors if name in frames[0].images]
        subsets = [subset for subset in self._subsets if set(subset) <= set(present)]
        if not subsets:
            return
        encoded = self._network.encode(
            {name: [frame.images[name] for frame in frames] for name in present})
        batch = _Batch(frames=frames, encoded=encoded,
                       truths=[self._network.truth_of(frame) for frame in frames])
        for missing, scores in self._emm.items():
            logits = self._network.logits_of_subsets(
                encoded, subsets, missing, frames[0].size_hw)
            for subset, logits_BKhw in logits.items():
                self._count([(scores, subset)], batch, logits_BKhw)
        if self._sensors in subsets:
            self._add_rmm(batch)
            self._add_nm(batch)
            self._add_failures(batch)

    def _add_rmm(self, batch: _Batch) -> None:
        if not self._rmm:
            return
        # Without a struck sensor all rates are the same run.
        self._count([(scores, self._sensors) for scores in self._rmm.values()], batch,
                    self._network.logits(batch.encoded))
        normalized = self._normalized(batch)

        def degraded(run: tuple[float, Subset], modality: str, sample: int) -> Float32:
            rate, struck = run
            rng = generator(self._config.seed, RMM, rate, '+'.join(struck),
                            batch.frames[sample].id, modality)
            return without_elements(normalized[modality, sample], rate, rng)

        runs = {(rate, struck): struck for rate in self._rmm
                for struck in modality_subsets(self._sensors) if struck != self._sensors}
        for (rate, struck), x in self._degraded(runs, batch, degraded):
            whole = tuple(name for name in self._sensors if name not in struck)
            logits_BKhw = self._logits_with(batch, self._network.encode_normalized(x))
            self._count([(self._rmm[rate], whole)], batch, logits_BKhw)

    def _add_nm(self, batch: _Batch) -> None:
        if not self._nm:
            return
        normalized = self._normalized(batch)

        def degraded(level: str, modality: str, sample: int) -> Float32:
            rng = generator(self._config.seed, NM, level, batch.frames[sample].id, modality)
            return noisy(normalized[modality, sample], modality, NM_LEVELS[level], rng)

        runs = dict.fromkeys(self._nm, self._sensors)
        for level, x in self._degraded(runs, batch, degraded):
            logits_BKhw = self._network.logits(self._network.encode_normalized(x))
            self._count([(self._nm[level], self._sensors)], batch, logits_BKhw)

    def _add_failures(self, batch: _Batch) -> None:
        def degraded(run: tuple[str, float], modality: str, sample: int) -> npt.NDArray[np.uint8]:
            failure, severity = run
            frame = batch.frames[sample]
            rng = generator(self._config.seed, FAILURES, failure, severity, frame.id)
            return failed(frame.images[modality], failure, severity, rng)

        runs = {(failure, severity): (DELIVER_FAILURES[failure][0],)
                for failure, table in self._failures.items() for severity in table}
        for (failure, severity), images in self._degraded(runs, batch, degraded):
            logits_BKhw = self._logits_with(batch, self._network.encode(images))
            self._count([(self._failures[failure][severity], self._sensors)], batch, logits_BKhw)

    def _normalized(self, batch: _Batch) -> dict[tuple[str, int], Float32]:
        keys = [(name, i) for name in self._sensors for i in range(len(batch.frames))]
        images = self._workers.map(
            lambda key: self._network.normalized(key[0], batch.frames[key[1]].images[key[0]]),
            keys)
        return dict(zip(keys, images, strict=True))

    def _degraded(
        self, runs: Mapping[Run, Subset], batch: _Batch,
        degraded: Callable[[Run, str, int], Image],
    ) -> Iterator[tuple[Run, dict[str, list[Image]]]]:
        """The degraded images of each run's struck sensors, made ahead by the workers."""
        samples = range(len(batch.frames))
        images = self._workers.map(
            lambda job: degraded(*job),
            ((run, name, i) for run, struck in runs.items() for name in struck for i in samples))
        for run, struck in runs.items():
            yield run, {name: [next(images) for _ in samples] for name in struck}

    def _logits_with(self, batch: _Batch, degraded: Encoded) -> Tensor:
        """Logits where the degraded sensors take the place of the clean ones."""
        return self._network.logits(self._network.replaced(batch.encoded, degraded))

    def _count(self, tables: Sequence[tuple[SubsetScores, Subset]], batch: _Batch,
               logits_BKhw: Tensor) -> None:
        for frame, counts in zip(batch.frames, self._network.counts(logits_BKhw, batch.truths),
                                 strict=True):
            for scores, subset in tables:
                scores.add(subset, frame.condition, counts)

    def _scores(self) -> SubsetScores:
        return SubsetScores(label_space=self._label_space)
