# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The training of adapters: one sensor's pairs a step, both towers frozen."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import is_file
from anymodal_seg_ros.models.segrgbx.clip_tower import ModalityClip
from anymodal_seg_ros.models.state import check_state
from anymodal_seg_ros.models.torch_file import load_torch_file
from training.checkpoint import restoring, save_checkpoint
from training.journal import Journal
from training.learning_rate import rate_factor
from training.ma_clip.config import CAMERA, MaClipConfig
from training.ma_clip.contrastive import scene_loss
from training.ma_clip.pairs import PairBatch, PairMaker
from training.optimizer import build_optimizer, scales_gradients
from training.output_folder import CHECKPOINT_FILE
from training.progress import ProgressBar
from training.train_config import OptimConfig
from training.trainer import DivergedError

SENSOR, TOTAL = 'sensor', 'total'
PLACES = ('output', 'clip', 'device', 'cache', 'workers', 'checkpoint_minutes', 'checkpoint_steps',
          'score_split', 'score_frames', 'log_steps')
"""Keys that change no weight."""
PLACES_OF_SETS = ('root', 'captions')
KEYS = ('adapters', 'optimizer', 'precision', 'progress', 'recipe', 'captions_sha256')


class MaClipTrainer:
    """Trains the adapters of ``tower``.

    Args:
        config: the recipe.
        tower: on the CPU; moved to the device.
        texts_UD: unit vectors of the texts that captions name.
        scale: what cosines are multiplied by; stays as it is.
        pairs: makes the batches.
        run: folder of the curves and of the checkpoint.
        fabric: device and precision, of one process.
        captions_sha256: of the texts; a resumed run must have the same.
        clock: seconds, steady.

    Raises:
        ConfigError: several processes.
    """

    def __init__(
        self, config: MaClipConfig, tower: ModalityClip, texts_UD: Tensor, scale: float,
        pairs: PairMaker, run: Path, *, fabric: Fabric, captions_sha256: str = '',
        clock: Callable[[], float] = time.monotonic, show_progress: bool = False,
    ) -> None:
        if fabric.world_size > 1:
            raise ConfigError.of('the number of processes', fabric.world_size,
                                 '1: the wrong answers of a step are those of its own batch')
        self._config, self._tower, self._scale, self._pairs = config, tower, scale, pairs
        self._fabric = fabric
        self._texts_UD = texts_UD.to(fabric.device)
        self._captions_sha256 = captions_sha256
        self._rates = OptimConfig(lr=config.lr, warmup=config.warmup, schedule='cosine')
        tower.learn(on=True)
        self._network, self._optimizer = fabric.setup(tower, build_optimizer(
            tower.adapter_parameters(), lr=config.lr, weight_decay=config.weight_decay,
            fused=not scales_gradients(fabric)))
        self._run, self._clock, self._show_progress = run, clock, show_progress
        self.total_steps = max(round(config.epochs * pairs.steps_per_epoch), 1)
        self.steps = 0
        self._elapsed_before_s = 0.0
        self._begun = self._saved_at = clock()
        self._journal_state: dict[str, Any] | None = None

    @property
    def checkpoint_path(self) -> Path:
        """Where the run is saved and resumed from."""
        return self._run / CHECKPOINT_FILE

    def elapsed_s(self) -> float:
        """Seconds trained so far, earlier parts of a resumed run included."""
        return self._elapsed_before_s + self._clock() - self._begun

    def fit(self, should_stop: Callable[[], bool] = lambda: False) -> bool:
        """Train to the end, or until ``should_stop`` says so between two steps; whether it ended.

        Raises:
            DivergedError: the loss is not finite.
            WriteError: the disk is full.
        """
        self._begun = self._clock()
        batch_size = self._config.batch
        if self.steps == 0:
            self.save(None)
        bar = ProgressBar(self.total_steps * batch_size, self.steps * batch_size,
                          shown=self._show_progress)
        with self._open_journal() as journal, bar:
            for batch in self._pairs.stream(self.steps, self.total_steps):
                values = self._step(batch)
                samples, rate = self.steps * batch_size, self._optimizer.param_groups[0]['lr']
                journal.add(self.steps, samples, self.elapsed_s(), rate, values)
                bar.update(samples, values, rate, self.steps / self.total_steps, self.elapsed_s())
                if self._checkpoint_is_due():
                    self.save(journal)
                if should_stop():
                    break
            self.save(journal)
        self._tower.learn(on=False)
        return self.steps >= self.total_steps

    def save(self, journal: Journal | None) -> None:
        """Write the checkpoint; raises WriteError."""
        self._saved_at = self._clock()
        save_checkpoint(self.checkpoint_path, {
            'adapters': _adapters(self._tower.state_dict()),
            'optimizer': self._optimizer.state_dict(),
            'precision': self._fabric.strategy.precision.state_dict(),
            'progress': {'steps': self.steps, 'elapsed_s': self.elapsed_s(),
                         'journal': journal.state() if journal else None},
            'recipe': self._config.to_dict(),
            'captions_sha256': self._captions_sha256,
        })

    def resume(self) -> None:
        """Continue from the checkpoint; raises ConfigError when it does not fit the recipe."""
        path = self.checkpoint_path
        if not is_file(path):
            raise ConfigError(f'no checkpoint at {path}')
        state = load_torch_file(path)
        if not isinstance(state, dict) or any(key not in state for key in KEYS):
            raise ConfigError(f'{path} is no checkpoint of MA-CLIP; needed: {", ".join(KEYS)}')
        own = self._tower.state_dict()
        with restoring(path):
            before, now = _compared(state['recipe']), _compared(self._config.to_dict())
            for key, value in {**now, 'captions_sha256': self._captions_sha256}.items():
                was = {**before, 'captions_sha256': state['captions_sha256']}.get(key)
                if was != value:
                    raise ConfigError(f'{path} is of another run: {key} was {was!r}, '
                                      f'now {value!r}')
            check_state(str(path), _adapters(own), state['adapters'])
            self._tower.load_state_dict({**own, **state['adapters']})
            self._optimizer.load_state_dict(state['optimizer'])
            self._fabric.strategy.precision.load_state_dict(state['precision'])
            self.steps = int(state['progress']['steps'])
            self._elapsed_before_s = float(state['progress']['elapsed_s'])
            self._journal_state = state['progress']['journal']

    def _step(self, batch: PairBatch) -> dict[str, float]:
        # Randomness of a step must not depend on whether the run was resumed before it.
        torch.manual_seed(self._config.seed * 1_000_003 + self.steps)
        factor = rate_factor(self.steps / self.total_steps, self._rates)
        for group in self._optimizer.param_groups:
            group['lr'] = self._config.lr * factor
        self._optimizer.zero_grad(set_to_none=True)
        caption_B = batch.caption_B.to(self._fabric.device)
        images = torch.cat(list(batch.images.values())).to(self._fabric.device)
        camera_BD, sensor_BD = self._network(images, batch.modality).chunk(2)
        terms = scene_loss(
            {CAMERA: camera_BD, SENSOR: sensor_BD}, self._texts_UD[caption_B], caption_B,
            self._scale, literal=self._config.literal,
            false_negatives=self._config.false_negatives)
        values = {name: float(term.detach()) for name, term in terms.items()}
        self._fabric.backward(terms[TOTAL])
        norm = self._fabric.clip_gradients(self._network, self._optimizer,
                                           max_norm=self._config.clip_norm,
                                           error_if_nonfinite=False)
        if not scales_gradients(self._fabric) and norm is not None:
            # Scaled gradients may overflow; the scaler then skips the step by itself.
            values['gradient norm'] = float(norm)
        self._check(values)
        self._optimizer.step()
        self.steps += 1
        return {**values, batch.modality: values[TOTAL]}

    def _check(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            if not math.isfinite(value):
                raise DivergedError(f'{name!r} is {value} at step {self.steps}; lower lr '
                                    f'({self._config.lr}) or use precision fp32')

    def _open_journal(self) -> Journal:
        names = (TOTAL, *(() if self._config.literal else (CAMERA, SENSOR)),
                 *self._pairs.modalities)
        journal = Journal(self._run, names, self._config.log_steps, self.steps)
        if self._journal_state is not None:
            journal.load(self._journal_state)
        return journal

    def _checkpoint_is_due(self) -> bool:
        minutes, steps = self._config.checkpoint_minutes, self._config.checkpoint_steps
        by_clock = bool(minutes) and self._clock() - self._saved_at >= 60 * minutes
        return by_clock or bool(steps and self.steps % steps == 0)


def _adapters(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if name.startswith('adapters.')}


def _compared(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Without what changes no weight."""
    sets = [{key: value for key, value in each.items() if key not in PLACES_OF_SETS}
            for each in recipe['sets']]
    return {**{key: value for key, value in recipe.items() if key not in PLACES}, 'sets': sets}
