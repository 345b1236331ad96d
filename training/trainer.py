# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop: one student, one method, one data set, one recipe."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from lightning_fabric import Fabric
from torch import Tensor, nn

from anymodal_seg_ros.errors import AnymodalError, ConfigError, WriteError
from anymodal_seg_ros.models import FEATURES
from anymodal_seg_ros.models.abilities import GuidedNetwork
from anymodal_seg_ros.models.network import Network
from training.average import WeightAverage
from training.batch import Batch
from training.batch_maker import BatchMaker, stream
from training.checkpoint import load_checkpoint, restoring, save_checkpoint, weights_hashes
from training.datasets import JoinedFrames
from training.devices import any_process
from training.guidance import guidance_of_frames
from training.journal import Journal
from training.learning_rate import rate_factor, run_progress
from training.methods import METHODS
from training.methods.base import Method, StudentNetwork, run_network, weighted_total
from training.optimizer import build_optimizer, scales_gradients
from training.output_folder import CHECKPOINT_FILE
from training.progress import ProgressBar
from training.teacher_steps import TeacherSteps
from training.term_gradients import gradient_names, term_gradients
from training.train_config import TrainConfig


class DivergedError(AnymodalError):
    """A loss term is no longer a number."""


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """How a run ended."""

    finished: bool
    """False when it was stopped before its end; the checkpoint continues it."""
    steps: int
    samples: int
    elapsed_s: float
    state: dict[str, Tensor]
    """The averaged weights of the student."""
    teacher: Network | None
    """The teacher where it learnt too."""


class Trainer:
    """Trains ``model`` by ``method`` on ``frames``.

    Args:
        config: the recipe.
        model: the student, on the CPU; moved to the device.
        method: what it is trained for; holds the teacher.
        frames: decoded frames at training size, of the data sets that the recipe names.
        run: folder of the curves and of the checkpoint.
        fabric: device, precision and processes.
        bundle: the bundle to be, as plain data for the checkpoint (``Bundle.to_dict``).
        clock: seconds, steady.
        on_epoch: called in the first process with the epoch's number and the averaged weights;
            returns scores for the log.

    Raises:
        ConfigError: a time limit together with several processes.
    """

    def __init__(
        self,
        config: TrainConfig,
        model: Network,
        method: Method,
        frames: JoinedFrames,
        run: Path,
        *,
        fabric: Fabric,
        bundle: dict[str, Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_epoch: Callable[[int, dict[str, Tensor]], Mapping[str, float]] | None = None,
        show_progress: bool = False,
    ) -> None:
        if fabric.world_size > 1 and config.max_minutes:
            raise ConfigError(f'max_minutes {config.max_minutes} needs one process, because '
                              'clocks differ; with several, set epochs and max_minutes 0')
        self.config = config
        # Read now: what lies there when the run is saved may be another bundle.
        self._origins = weights_hashes(config.to_dict())
        self.fabric = fabric
        self._raw_model = model
        self._frames = frames
        method.to(fabric.device)
        self._method = method
        method.autocast = fabric.autocast
        self._own_parameters = method.own_parameters()
        if fabric.world_size > 1 and fabric.device.type == 'cuda':
            nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        self._network, self._optimizer = fabric.setup(
            StudentNetwork(model, with_features=FEATURES in METHODS[config.method.name].needs),
            build_optimizer(
                [*model.parameters(), *self._own_parameters], lr=config.optim.lr,
                weight_decay=config.optim.weight_decay, fused=not scales_gradients(fabric)))
        self._teacher_steps = TeacherSteps(method, fabric, config.optim)
        self._average = WeightAverage(model, config.optim.ema)
        self._maker = BatchMaker(
            frames, config, model.config, with_teacher=method.teacher is not None,
            rank=fabric.global_rank, world_size=fabric.world_size)
        self._samples_per_epoch = self._maker.sampler.samples_per_epoch
        self._total_samples = max(round(config.epochs * self._samples_per_epoch), 1)
        self._run = run
        self._bundle = bundle
        self._clock = clock
        self._on_epoch = on_epoch
        self._show_progress = show_progress and fabric.is_global_zero
        self._samples = 0
        self._steps = 0
        self._elapsed_before_s = 0.0
        self._begun = clock()
        self._saved_at = self._begun
        self._journal_state: dict[str, Any] | None = None
        self._saved_steps: int | None = None

    @property
    def checkpoint_path(self) -> Path:
        """Where the run is saved and resumed from."""
        return self._run / CHECKPOINT_FILE

    def resume(self) -> None:
        """Continue from the checkpoint; raises ConfigError when it does not fit the recipe."""
        state = load_checkpoint(self.checkpoint_path, self.config.to_dict(),
                                self._raw_model.state_dict(), self._origins)
        if state['world_size'] != self.fabric.world_size:
            raise ConfigError(f'{self.checkpoint_path} is of {state["world_size"]} processes, '
                              f'this run of {self.fabric.world_size}; samples would come twice '
                              'or never')
        with restoring(self.checkpoint_path):
            self._raw_model.load_state_dict(state['model'])
            self.fabric.strategy.precision.load_state_dict(state['precision'])
            self._average.load(state['average'])
            self._optimizer.load_state_dict(state['optimizer'])
            self._method.load_training_state(state['method'])
            self._teacher_steps.load(state['teacher'])
            self._samples = int(state['progress']['samples'])
            self._steps = self._saved_steps = int(state['progress']['steps'])
            self._elapsed_before_s = float(state['progress']['elapsed_s'])
            self._journal_state = state['progress']['journal']

    def save(self, journal: Journal | None) -> None:
        """Write the checkpoint; the first process alone does."""
        self._saved_at = self._clock()
        if not self.fabric.is_global_zero:
            return
        save_checkpoint(self.checkpoint_path, {
            'model': self._raw_model.state_dict(),
            'average': self._average.state,
            'optimizer': self._optimizer.state_dict(),
            'method': self._method.training_state(),
            'teacher': self._teacher_steps.state(),
            'progress': {'samples': self._samples, 'steps': self._steps,
                         'elapsed_s': self.elapsed_s(),
                         'journal': journal.state() if journal else None},
            'recipe': self.config.to_dict(),
            'origins': self._origins,
            'bundle': self._bundle,
            'world_size': self.fabric.world_size,
            'precision': self.fabric.strategy.precision.state_dict(),
        })
        self._saved_steps = self._steps

    def fit(self, should_stop: Callable[[], bool] = lambda: False) -> RunResult:
        """Train to the end of the schedule, or until ``should_stop`` says so between two steps.

        Raises:
            DivergedError: a loss term is not finite.
            WriteError: the disk is full; names the last checkpoint that is whole.
        """
        try:
            return self._train(should_stop)
        except WriteError as error:
            last = ('there is no checkpoint yet' if self._saved_steps is None else
                    f'{self.checkpoint_path} of step {self._saved_steps} is whole, and --resume '
                    'continues from it')
            raise WriteError(f'{error}; {last}') from None

    def _train(self, should_stop: Callable[[], bool]) -> RunResult:
        self._begun = self._clock()
        if self._steps == 0:
            self.save(None)
        if isinstance(self._raw_model, GuidedNetwork):
            self._maker.guidance = guidance_of_frames(
                self._raw_model, self._frames, show_progress=self._show_progress)
        self._network.train()
        self._method.train()
        batches = stream(self._maker, self.config, self._samples, self._progress)
        bar = ProgressBar(self._total_samples, self._samples, shown=self._show_progress)
        with self._open_journal() as journal, bar:
            for group in _groups(batches, self.config.optim.accumulate):
                epoch = self._samples // self._samples_per_epoch
                values, gradients = self._step(group)
                self._samples = group[-1].end
                journal.add(self._steps, self._samples, self.elapsed_s(), self._rate(),
                            {**values, **gradients})
                bar.update(self._samples, values, self._rate(),
                           self._progress(self._samples), self.elapsed_s())
                self._report_epoch(epoch, journal)
                self._checkpoint_when_due(journal)
                if any_process(self.fabric, should_stop()):
                    batches.close()  # type: ignore[attr-defined]
                    break
            finished = self._progress(self._samples) >= 1.0
            self.save(journal)
        return RunResult(
            finished=finished, steps=self._steps, samples=self._samples,
            elapsed_s=self.elapsed_s(), state=self._average.state,
            teacher=self._teacher_steps.teacher)

    def elapsed_s(self) -> float:
        """Seconds trained so far, earlier parts of a resumed run included."""
        return self._elapsed_before_s + self._clock() - self._begun

    def _open_journal(self) -> Journal:
        names = ('total', *self._method.weights, *self._teacher_steps.names)
        if self.config.gradient_steps:
            names += gradient_names(self._method.weights)
        folder = self._run if self.fabric.is_global_zero else None
        journal = Journal(folder, names, self.config.log_steps, self._steps)
        if self._journal_state is not None:
            journal.load(self._journal_state)
        return journal

    def _progress(self, samples: int) -> float:
        return run_progress(samples, self._total_samples, self.elapsed_s(),
                            self.config.max_minutes)

    def _step(self, group: list[Batch]) -> tuple[dict[str, float], dict[str, float]]:
        """Mean loss terms, and the pull of each on the first batch where that is due."""
        # Randomness of a step must not depend on whether the run was resumed before it.
        torch.manual_seed(self.config.seed * 1_000_003 + self._steps * 64
                          + self.fabric.global_rank)
        progress = self._progress(self._samples)
        self._method.begin_step(progress)
        factor = rate_factor(progress, self.config.optim)
        for rate_group in self._optimizer.param_groups:
            rate_group['lr'] = self.config.optim.lr * factor
        self._optimizer.zero_grad(set_to_none=True)
        values: dict[str, float] = {}
        gradients: dict[str, float] = {}
        for i, batch in enumerate(group):
            batch = self._on_device(batch)
            with self.fabric.no_backward_sync(self._network, enabled=i < len(group) - 1):
                logits_BKhw, features = run_network(
                    self._network, batch.images, batch.present, batch.guidance)
                terms = self._method(logits_BKhw, features, batch)
                total, batch_values = weighted_total(terms, self._method.weights)
                self._check(batch_values)
                if not i and self._measures_gradients():
                    gradients = term_gradients(terms, self._method.weights, self._learning())
                self.fabric.backward(total / len(group))
            for name, value in batch_values.items():
                values[name] = values.get(name, 0.0) + value / len(group)
        self._average_own_gradients()
        norm = self.fabric.clip_gradients(self._network, self._optimizer,
                                          max_norm=self.config.optim.clip_norm,
                                          error_if_nonfinite=False)
        if not scales_gradients(self.fabric) and norm is not None:
            # Scaled gradients may overflow; the scaler then skips the step by itself.
            self._check({'gradient norm': float(norm)})
        self._optimizer.step()
        teacher_values = self._teacher_steps.step(self._raw_model, batch, self._steps, factor)
        self._check(teacher_values)
        self._steps += 1
        self._average.update(self._raw_model, self._steps)
        return {**values, **teacher_values}, gradients

    def _measures_gradients(self) -> bool:
        """Whether this step does; the first process alone, which writes the figures."""
        every = self.config.gradient_steps
        return bool(every) and self.fabric.is_global_zero and self._steps % every == 0

    def _learning(self) -> list[nn.Parameter]:
        return [p for p in self._raw_model.parameters() if p.requires_grad]

    def _on_device(self, batch: Batch) -> Batch:
        to_device = self.fabric.to_device
        return replace(batch, images=to_device(batch.images), labels=to_device(batch.labels),
                       teacher_images=to_device(batch.teacher_images),
                       guidance=to_device(batch.guidance))

    def _check(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if not math.isfinite(value):
                raise DivergedError(
                    f'{name!r} is {value} at step {self._steps}; lower optim.lr '
                    f'({self.config.optim.lr}) or use precision fp32. A checkpoint of an earlier '
                    f'step, where there is one, is {self.checkpoint_path}')

    def _average_own_gradients(self) -> None:
        """Parameters of the method are outside the wrapped network and averaged by hand."""
        if self.fabric.world_size > 1:
            for parameter in self._own_parameters:
                if parameter.grad is not None:
                    torch.distributed.all_reduce(parameter.grad)
                    parameter.grad /= self.fabric.world_size

    def _rate(self) -> float:
        return float(self._optimizer.param_groups[0]['lr'])

    def _checkpoint_when_due(self, journal: Journal) -> None:
        minutes, steps = self.config.checkpoint_minutes, self.config.checkpoint_steps
        by_clock = bool(minutes) and self._clock() - self._saved_at >= 60 * minutes
        if by_clock or (steps and self._steps % steps == 0):
            self.save(journal)

    def _report_epoch(self, before: int, journal: Journal) -> None:
        epoch = self._samples // self._samples_per_epoch
        if epoch > before and self._on_epoch is not None and self.fabric.is_global_zero:
            journal.add_scores(self._steps, self._on_epoch(epoch, self._average.state))


def _groups(batches: Iterator[Batch], size: int) -> Iterator[list[Batch]]:
    while group := list(islice(batches, size)):
        yield group
