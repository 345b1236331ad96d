# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The folder of a run: what is in it by name, and whether a run may have it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import exists, is_dir, is_file
from anymodal_seg_ros.unfinished import unfinished_path

RECIPE_FILE = 'recipe.yaml'
CHECKPOINT_FILE = 'checkpoint.pt'
SCORES_FILE = 'scores.json'
SAMPLES_FOLDER = 'samples'
BUNDLE_FOLDER = 'bundle'
TEACHER_FOLDER = 'teacher_bundle'
AVERAGE = 'average'
WEIGHTS: Mapping[str, str] = {AVERAGE: 'average', 'last': 'model'}
"""Those that a bundle can be made of: the run's averaged ones and those of its last step, to the
entry of the checkpoint."""
BEFORE_THE_FIRST_STEP = (
    RECIPE_FILE, *(unfinished_path(Path(name)).name for name in (RECIPE_FILE, CHECKPOINT_FILE)))
"""What a run that was killed before its first checkpoint leaves."""


def prepared_folder(run: Path, *, resume: bool, result: str = BUNDLE_FOLDER) -> Path:
    """The folder of a run, which is made.

    Args:
        run: as the recipe names it.
        resume: whether a run is to go on that is there.
        result: what is in the folder when the run is at its end.

    Raises:
        ConfigError: it holds something else, or not what is to be resumed; or it cannot be made.
    """
    unfinished = is_file(run / CHECKPOINT_FILE) and not is_dir(run / result)
    if resume and not is_file(run / CHECKPOINT_FILE):
        raise ConfigError(f'{run} has no {CHECKPOINT_FILE} to resume from')
    if not resume and unfinished:
        raise ConfigError(f'{run} holds an unfinished run; continue it with --resume, or remove '
                          'it to start anew')
    if not resume and exists(run) and (not is_dir(run) or any(
            path.name not in BEFORE_THE_FIRST_STEP for path in run.iterdir())):
        raise ConfigError(f'{run} exists; name a new folder as output, or remove it')
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f'cannot write output {run}: {error.strerror}') from None
    return run


def checkpoint_of(source: Path) -> Path:
    """The checkpoint in the folder of a run, or the one that ``source`` itself is.

    Raises:
        ConfigError: there is none.
    """
    path = source / CHECKPOINT_FILE if is_dir(source) else source
    if not is_file(path):
        raise ConfigError(f'no checkpoint at {path}')
    return path
