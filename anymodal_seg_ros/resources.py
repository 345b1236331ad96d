# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where installed data lies: config, launch files, the default bundle."""

from __future__ import annotations

import sys
from pathlib import Path

from anymodal_seg_ros.errors import ConfigError

PACKAGE = 'anymodal_seg_ros'


def resource_path(folder: str) -> Path:
    """The folder ``config``, ``launch``, ``bundles`` or ``rviz`` of this installation.

    A source checkout (also a symlink install) is looked at first, then the ``share`` folder of
    the prefix the package was installed into (colcon workspace or virtual environment).

    Raises:
        ConfigError: the folder is in neither place.
    """
    package_dir = Path(__file__).resolve().parent
    prefixes = [*package_dir.parents, Path(sys.prefix)]
    candidates = [prefix / 'share' / PACKAGE / folder for prefix in prefixes]
    # Beside an installed package lie other packages, among them one named launch.
    if (package_dir.parent / 'package.xml').is_file():
        candidates.insert(0, package_dir.parent / folder)
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise ConfigError(f'{folder!r} of {PACKAGE} is not installed; looked in {candidates[0]} '
                      f'and in share/{PACKAGE} of {sys.prefix}')
