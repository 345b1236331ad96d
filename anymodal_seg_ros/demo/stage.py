# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The street that the play drives through: by day, then by night, in one recording."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from anymodal_seg_ros import __version__
from anymodal_seg_ros.sim import SimConfig, write_bag

START_NS = 1_750_000_000_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The drive, scene after scene; equal stages give equal recordings."""

    day_s: float = 22.5
    night_s: float = 13.5
    size_px: int = 512
    seed: int = 900_001
    """Far from those of any data set, so that the streets are new to the network."""

    def scenes(self) -> tuple[SimConfig, SimConfig]:
        """A sunny straight street and a crossing by night, right after it."""
        night_ns = START_NS + round(self.day_s * 1e9)
        size = {'width_px': self.size_px, 'height_px': self.size_px}
        return (
            SimConfig(seed=self.seed, street='curve', condition='sun', start_ns=START_NS,
                      duration_s=self.day_s, **size),
            SimConfig(seed=self.seed + 1, street='crossing', condition='night', start_ns=night_ns,
                      duration_s=self.night_s, **size),
        )


def build_stage(stage: Stage, folder: Path) -> Path:
    """The recording of the drive, made with a progress bar unless an equal one is there."""
    scenes: Sequence[SimConfig] = stage.scenes()
    key = json.dumps([__version__, *(asdict(scene) for scene in scenes)], sort_keys=True)
    path = folder / f'street-{hashlib.sha256(key.encode()).hexdigest()[:12]}'
    if not path.exists():
        unfinished = folder / 'street-unfinished'
        shutil.rmtree(unfinished, ignore_errors=True)
        write_bag(unfinished, scenes, progress=True)
        unfinished.rename(path)
    return path
