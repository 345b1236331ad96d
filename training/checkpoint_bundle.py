# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The bundle of a checkpoint, also of a run that is not finished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from anymodal_seg_ros import limits
from anymodal_seg_ros.bundle import Bundle, read_description
from anymodal_seg_ros.bundle.weights import save_bundle
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import is_dir
from training.checkpoint import read_checkpoint
from training.output_folder import AVERAGE, BUNDLE_FOLDER, WEIGHTS, checkpoint_of

DESCRIPTION = 'bundle'
"""The checkpoint's entry that describes its network."""


def export(source: Path, output: Path, *, weights: str = AVERAGE) -> dict[str, Any]:
    """Write the bundle of a checkpoint; an older bundle at ``output`` is replaced.

    Args:
        source: a run folder, or a checkpoint.
        output: bundle folder.
        weights: 'average' (what a finished run exports) or 'last' (those of the last step).

    Returns:
        The run's recipe.

    Raises:
        ConfigError: no checkpoint, or one that does not say what network it is of.
        BundleError: the weights do not fit, or ``output`` exists and is no bundle.
        WriteError: ``output`` cannot be written.
    """
    limits.one_of('weights', weights, WEIGHTS)
    path = checkpoint_of(source)
    state = read_checkpoint(path)
    bundle = _described(state, path)
    progress = state['progress']
    provenance = {name: value for name, value in bundle.provenance.items() if name != 'scores'}
    provenance.update(
        recipe=state['recipe'], steps=progress['steps'], samples=progress['samples'],
        minutes=round(progress['elapsed_s'] / 60, 2), weights=weights)
    save_bundle(output, replace(bundle, provenance=provenance), state[WEIGHTS[weights]])
    recipe: dict[str, Any] = state['recipe']
    return recipe


def _described(state: Mapping[str, Any], path: Path) -> Bundle:
    """What network a checkpoint is of: as it says itself, else as the run's bundle does."""
    description = state.get(DESCRIPTION)
    if description is None:
        beside = path.parent / BUNDLE_FOLDER
        if not is_dir(beside):
            raise ConfigError(f'{path} has no entry {DESCRIPTION!r} that describes its network, '
                              f'and there is no bundle at {beside}')
        return read_description(beside)
    if isinstance(description, dict):
        # Those of the first version did not name it.
        description = {'format_version': 1, **description}
    try:
        return Bundle.from_dict(description)
    except (ConfigError, TypeError) as error:
        raise ConfigError(f'{path}: its entry {DESCRIPTION!r} is incomplete or wrong: {error}'
                          ) from None
