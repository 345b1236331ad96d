# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The teacher's own optimiser steps, where a method lets it learn from the student."""

from __future__ import annotations

from typing import Any

from lightning_fabric import Fabric

from anymodal_seg_ros.models.network import Network
from training.batch import Batch
from training.devices import any_process
from training.methods.base import Method, StudentNetwork, weighted_total
from training.methods.feedback import FeedbackLoop, trainable_parameters
from training.methods.robustseg import RobustSeg
from training.optimizer import build_optimizer, scales_gradients
from training.train_config import OptimConfig


class TeacherSteps:
    """With an optimiser of their own, whose rate follows the student's schedule. Does nothing for
    methods whose teacher stays as it is."""

    def __init__(self, method: Method, fabric: Fabric, optim: OptimConfig) -> None:
        self._fabric = fabric
        self._max_norm = optim.clip_norm
        self._loop: FeedbackLoop | None = None
        self.teacher: Network | None = None
        options = method.feedback
        if options is None or not isinstance(method, RobustSeg):
            return
        parameters = trainable_parameters(method.teacher, options)
        for parameter in parameters:
            parameter.requires_grad_(True)
        self._network, self._optimizer = fabric.setup(
            StudentNetwork(method.teacher, with_features=True), build_optimizer(
                parameters, lr=options.lr, weight_decay=optim.weight_decay,
                fused=not scales_gradients(fabric)))
        self._loop = FeedbackLoop(self._network, method, options)
        self.teacher = method.teacher

    @property
    def names(self) -> tuple[str, ...]:
        """Of the loss terms."""
        return tuple(self._loop.weights) if self._loop is not None else ()

    def step(self, student: Network, batch: Batch, step: int, rate_factor: float
             ) -> dict[str, float]:
        """One step of the teacher where one is due; its unweighted terms.

        Where gradients are accumulated, ``batch`` is the last of the student's step.
        """
        if self._loop is None or step % self._loop.options.every:
            return {}
        # All processes take the step or none.
        if any_process(self._fabric, not self._loop.is_due(batch)):
            return {}
        for group in self._optimizer.param_groups:
            group['lr'] = self._loop.options.lr * rate_factor
        self._optimizer.zero_grad(set_to_none=True)
        total, values = weighted_total(self._loop(student, batch), self._loop.weights)
        self._fabric.backward(total)
        self._fabric.clip_gradients(self._network, self._optimizer, max_norm=self._max_norm,
                                    error_if_nonfinite=False)
        self._optimizer.step()
        return {name: value for name, value in values.items() if name != 'total'}

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        if self.teacher is None:
            return {}
        return {'model': self.teacher.state_dict(), 'optimizer': self._optimizer.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """Inverse of ``state``."""
        if self.teacher is not None:
            self.teacher.load_state_dict(state['model'])
            self._optimizer.load_state_dict(state['optimizer'])
