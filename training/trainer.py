# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop: one network, one data set, one recipe."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from tqdm import tqdm  # type: ignore[import-untyped]

from anymodal_seg_ros.errors import AnymodalError
from anymodal_seg_ros.models import MSegFormer
from training.average import WeightAverage
from training.batches import Batch, BatchMaker, stream
from training.checkpoint import load_checkpoint, save_checkpoint
from training.config import OptimConfig, TrainConfig
from training.datasets import FrameCache
from training.schedule import rate_factor, run_progress

logger = logging.getLogger(__name__)

LOSS_SMOOTHING = 0.98


class DivergedError(AnymodalError):
    """The loss is no longer a number."""


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """How a run ended."""

    finished: bool
    """False when it was stopped before its end; the checkpoint continues it."""
    steps: int
    samples: int
    elapsed_s: float
    state: dict[str, Tensor]
    """The averaged weights."""


class Trainer:
    """Trains ``model`` on ``frames``.

    Args:
        config: the recipe.
        model: on the CPU; moved to the device.
        loss: (logits, labels) to a scalar.
        frames: decoded frames at training size.
        checkpoint_path: where the run is saved and resumed from.
        clock: seconds, steady.
        on_epoch: called with the epoch's number and the averaged weights' module state.
    """

    def __init__(
        self,
        config: TrainConfig,
        model: MSegFormer,
        loss: nn.Module,
        frames: FrameCache,
        checkpoint_path: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_epoch: Callable[[int, dict[str, Tensor]], None] | None = None,
        show_progress: bool = False,
    ) -> None:
        self.config = config
        self.fabric = Fabric(
            accelerator=config.device if config.device != 'auto' else _accelerator(),
            devices=1, precision=resolve_precision(config.precision, config.device))  # type: ignore[arg-type]
        self.fabric.launch()
        self._raw_model = model
        self._model, self._optimizer = self.fabric.setup(
            model, build_optimizer(model, config.optim))
        self._loss = self.fabric.to_device(loss)
        self._average = WeightAverage(model, config.optim.ema)
        self._maker = BatchMaker(frames, config, model.config.modalities,
                                 self.fabric.global_rank, self.fabric.world_size)
        self._frames_per_epoch = len(frames)
        self._total_samples = max(round(config.epochs * len(frames)), 1)
        self._checkpoint_path = checkpoint_path
        self._clock = clock
        self._on_epoch = on_epoch
        self._show_progress = show_progress
        self._samples = 0
        self._steps = 0
        self._elapsed_before_s = 0.0
        self._smooth_loss = math.nan
        self._begun = clock()
        self._saved_at = self._begun

    def resume(self) -> None:
        """Continue from the checkpoint; raises ConfigError when it does not fit the recipe."""
        state = load_checkpoint(self._checkpoint_path, self.config.to_dict())
        self._raw_model.load_state_dict(state['model'])
        self._average.load(state['average'])
        self._optimizer.load_state_dict(state['optimizer'])
        self._samples = int(state['progress']['samples'])
        self._steps = int(state['progress']['steps'])
        self._elapsed_before_s = float(state['progress']['elapsed_s'])

    def save(self) -> None:
        """Write the checkpoint."""
        save_checkpoint(self._checkpoint_path, {
            'model': self._raw_model.state_dict(),
            'average': self._average.state,
            'optimizer': self._optimizer.state_dict(),
            'progress': {'samples': self._samples, 'steps': self._steps,
                         'elapsed_s': self.elapsed_s()},
            'recipe': self.config.to_dict(),
        })
        self._saved_at = self._clock()

    def fit(self, should_stop: Callable[[], bool] = lambda: False) -> RunResult:
        """Train to the end of the schedule, or until ``should_stop`` says so between two steps.

        Raises:
            DivergedError: the loss is not finite.
        """
        self._begun = self._clock()
        self._saved_at = self._begun
        self._model.train()
        epoch = self._samples // self._frames_per_epoch
        batches = stream(self._maker, self.config, self._samples, self._progress)
        with tqdm(total=self._total_samples, initial=self._samples, unit='img',
                  disable=not self._show_progress, smoothing=0.05) as bar:
            for batch in batches:
                loss = self._step(batch)
                self._report(bar, batch, loss)
                self._samples = batch.end
                self._checkpoint_when_due()
                if self._samples // self._frames_per_epoch > epoch:
                    epoch = self._samples // self._frames_per_epoch
                    if self._on_epoch is not None:
                        self._on_epoch(epoch, self._average.state)
                        self._model.train()
                if should_stop():
                    batches.close()  # type: ignore[attr-defined]
                    break
        finished = self._progress(self._samples) >= 1.0
        self.save()
        return RunResult(finished=finished, steps=self._steps, samples=self._samples,
                         elapsed_s=self.elapsed_s(), state=self._average.state)

    def elapsed_s(self) -> float:
        """Seconds trained so far, earlier parts of a resumed run included."""
        return self._elapsed_before_s + self._clock() - self._begun

    def _progress(self, samples: int) -> float:
        return run_progress(samples, self._total_samples, self.elapsed_s(),
                            self.config.max_minutes)

    def _step(self, batch: Batch) -> float:
        # Dropout of a step must not depend on whether the run was resumed before it.
        torch.manual_seed(self.config.seed * 1_000_003 + self._steps * 64
                          + self.fabric.global_rank)
        self._set_rate()
        images = self.fabric.to_device(batch.images)
        logits_BKHW = self._model(images, batch.present)
        loss = self._loss(logits_BKHW, self.fabric.to_device(batch.labels))
        value = float(loss.detach())
        if not math.isfinite(value):
            raise DivergedError(
                f'the loss is {value} at step {self._steps}; lower optim.lr '
                f'({self.config.optim.lr}) or use precision fp32. '
                f'Last checkpoint: {self._checkpoint_path}')
        self._optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        self.fabric.clip_gradients(self._model, self._optimizer,
                                   max_norm=self.config.optim.clip_norm,
                                   error_if_nonfinite=False)
        self._optimizer.step()
        self._steps += 1
        self._average.update(self._raw_model, self._steps)
        return value

    def _set_rate(self) -> None:
        factor = rate_factor(self._progress(self._samples), self.config.optim)
        for group in self._optimizer.param_groups:
            group['lr'] = self.config.optim.lr * factor

    def _report(self, bar: Any, batch: Batch, loss: float) -> None:  # noqa: ANN401
        keep = LOSS_SMOOTHING if math.isfinite(self._smooth_loss) else 0.0
        previous = self._smooth_loss if keep else 0.0
        self._smooth_loss = keep * previous + (1 - keep) * loss
        bar.update(batch.end - self._samples)
        bar.set_postfix(loss=f'{self._smooth_loss:.3f}',
                        lr=f'{self._optimizer.param_groups[0]["lr"]:.1e}',
                        done=f'{100 * self._progress(batch.end):.1f}%', refresh=False)

    def _checkpoint_when_due(self) -> None:
        minutes = self.config.checkpoint_minutes
        if minutes and self._clock() - self._saved_at >= 60 * minutes:
            self.save()


def build_optimizer(model: nn.Module, config: OptimConfig) -> torch.optim.Optimizer:
    """AdamW that leaves 1-D weights (norms, biases) undecayed."""
    weights = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {'params': [p for p in weights if p.ndim > 1], 'weight_decay': config.weight_decay},
        {'params': [p for p in weights if p.ndim <= 1], 'weight_decay': 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.lr, betas=(0.9, 0.999), fused=True)


def resolve_precision(precision: str, device: str) -> str:
    """Fabric's name for a precision; 'auto' takes bfloat16 where the hardware computes it."""
    if precision == 'fp32':
        return '32-true'
    if precision == 'bf16':
        return 'bf16-mixed'
    if device == 'cuda' or (device == 'auto' and torch.cuda.is_available()):
        return 'bf16-mixed' if torch.cuda.is_bf16_supported() else '16-mixed'
    return 'bf16-mixed' if _cpu_computes_bf16() else '32-true'


def _cpu_computes_bf16() -> bool:
    get_capabilities = getattr(torch.cpu, 'get_capabilities', dict)
    capabilities: dict[str, Any] = get_capabilities()
    return bool(capabilities.get('avx512_bf16') or capabilities.get('amx_bf16'))


def _accelerator() -> str:
    return 'cuda' if torch.cuda.is_available() else 'cpu'
