# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training methods. A new one is its settings and its file in this folder, and a row in
``METHODS``.

Rows hold the settings and name the class, so that a recipe is read without torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models import ABILITIES, FEATURES, MODELS
from training.methods.anyseg_options import AnySegOptions
from training.methods.equiseg_options import EquiSegOptions
from training.methods.robustseg_options import RobustSegOptions
from training.methods.segrgbx_options import SegRgbXOptions
from training.settings import NoSettings, read_section

if TYPE_CHECKING:
    from torch import nn

    from anymodal_seg_ros.models.network import Network
    from training.datasets import ClassSets
    from training.methods.base import Method


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodRow:
    """A method by its settings and by the name of its class."""

    options: type[Any]
    """A frozen settings class."""
    module: str
    method: str
    needs: tuple[str, ...] = ()
    """Abilities that student and teacher must have."""
    needs_teacher: bool = False
    own_classes: bool = False
    """Whether it learns from data sets with labels in classes of their own (``ClassSets``); its
    loss against them is then its own too."""

    def check_network(self, name: str, model: str) -> None:
        """Raises ConfigError where this method, called ``name``, needs what network ``model``
        does not offer."""
        for need in self.needs:
            if need not in MODELS[model].abilities:
                able = [other for other, row in MODELS.items() if need in row.abilities]
                raise ConfigError(f'method {name} needs {need} ({ABILITIES[need]}), which network '
                                  f'{model!r} does not offer; allowed: {", ".join(able)}')

    def build(
        self, criterion: nn.Module, student: Network, teacher: Network | None = None,
        options: Mapping[str, Any] | None = None, class_sets: Sequence[ClassSets | None] = (),
    ) -> Method:
        """The method on its networks; imports torch.

        Args:
            criterion: see ``Method``, as for ``student`` and ``teacher``.
            options: plain data of the settings.
            class_sets: of each data set, for methods that take them.

        Raises:
            ConfigError: an option that is unknown or not allowed.
        """
        settings = read_section(self.options, 'method.options', options or {})
        arguments = (criterion, student, teacher, settings)
        method = getattr(import_module(self.module), self.method)
        built: Method = method(*arguments, class_sets) if self.own_classes else method(*arguments)
        return built


METHODS: Mapping[str, MethodRow] = {
    'supervised': MethodRow(
        options=NoSettings, module='training.methods.supervised', method='Supervised'),
    'anyseg': MethodRow(
        options=AnySegOptions, module='training.methods.anyseg', method='AnySeg',
        needs=(FEATURES,), needs_teacher=True),
    'robustseg': MethodRow(
        options=RobustSegOptions, module='training.methods.robustseg', method='RobustSeg',
        needs=(FEATURES,), needs_teacher=True),
    'equiseg': MethodRow(
        options=EquiSegOptions, module='training.methods.equiseg', method='EquiSeg',
        needs=(FEATURES,)),
    'segrgbx': MethodRow(
        options=SegRgbXOptions, module='training.methods.segrgbx', method='SegRgbX',
        own_classes=True),
}

__all__ = ['METHODS', 'MethodRow']
