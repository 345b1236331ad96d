# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Simulated streets as a data set in DELIVER's folder layout. Simulation."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.labels import UNLABELLED
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.ranges import Range, check_config
from anymodal_seg_ros.sim.failures import FAILURES
from anymodal_seg_ros.sim.parallel import worker_processes
from anymodal_seg_ros.sim.simulator import SimConfig, Simulator
from anymodal_seg_ros.sim.street import STREET_KINDS
from anymodal_seg_ros.sim.vehicle import (
    SENSOR_NAMES,
    SensorSpec,
    chosen_sensors,
    load_sensors,
)
from anymodal_seg_ros.sim.weather import WEATHERS
from anymodal_seg_ros.unfinished import whole_folder, write_errors

SPLITS = ('train', 'val', 'test')
FOLDERS: Mapping[str, tuple[str, str]] = {
    'rgb': ('img', 'rgb'),
    'depth': ('depth', 'depth'),
    'lidar': ('lidar', 'lidar'),
    'event': ('event', 'event'),
    'thermal': ('thermal', 'thermal'),
    'label': ('semantic', 'semantic'),
}
"""Folder and file suffix of each modality and of the labels."""
Frames = Annotated[int, Range(0, 10**6)]
Pixels = Annotated[int, Range(32, 2048)]
_SCENE_S = 7.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetConfig:
    """What to write; equal configurations give equal files.

    Raises:
        ConfigError: a value is outside what is allowed.
    """

    num_train: Frames = 2000
    num_val: Frames = 300
    num_test: Frames = 300
    """Frames in each split."""
    size_px: Pixels = 256
    """Height and width of the images written."""
    camera_px: Pixels = 512
    """Height and width of the simulated cameras, from which the encoders make the images."""
    frames_per_scene: Annotated[int, Range(1, 60)] = 6
    failure_share: Annotated[float, Range(0.0, 1.0)] = 0.15
    """Share of scenes with one of DELIVER's failures."""
    seed: Annotated[int, Range(0, 10**6)] = 0
    sensors: tuple[str, ...] = SENSOR_NAMES
    """Of ``ALL_SENSORS``, rgb among them; kept in that order."""
    ORDER: ClassVar[tuple[tuple[str, str], ...]] = (('size_px', 'camera_px'),)

    def __post_init__(self) -> None:
        check_config(self)
        object.__setattr__(self, 'sensors', chosen_sensors(self.sensors))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One short drive of the data set."""

    split: str
    number: int
    seed: int
    street: str
    condition: str
    failure: str
    speed_m_s: float
    frames: tuple[int, ...]
    """Camera frames to write."""

    @property
    def name(self) -> str:
        """Folder name in DELIVER's manner: the failure is a suffix."""
        place = f'MAP_{STREET_KINDS.index(self.street) + 1}_point{self.number}'
        return f'{place}_{self.failure}' if self.failure else place

    def path(self, root: Path, modality: str, frame: int) -> Path:
        """Where an image of this scene lies."""
        folder, suffix = FOLDERS[modality]
        return (root / folder / self.condition / self.split / self.name
                / f'{frame:06d}_{suffix}_front.png')


def scenes(config: DatasetConfig) -> list[Scene]:
    """The drives of a data set. No two have the same street."""
    planned = []
    for split_index, split in enumerate(SPLITS):
        left = int(getattr(config, f'num_{split}'))
        number = 0
        while left > 0:
            planned.append(_scene(config, split, split_index, number,
                                  min(left, config.frames_per_scene)))
            left -= config.frames_per_scene
            number += 1
    return planned


def _scene(config: DatasetConfig, split: str, split_index: int, number: int,
           num_frames: int) -> Scene:
    seed = (config.seed * len(SPLITS) + split_index) * 1_000_000 + number
    rng = np.random.default_rng([seed, 505])
    failure = ''
    if rng.random() < config.failure_share:
        failure = tuple(FAILURES)[int(rng.integers(len(FAILURES)))]
    # One frame in each equal stretch of the drive, so that no two look alike.
    stretch = _SCENE_S * 10.0 / num_frames
    frames = tuple(int(k * stretch + rng.uniform(0, .7) * stretch) for k in range(num_frames))
    return Scene(split=split, number=number, seed=seed,
                 street=STREET_KINDS[int(rng.integers(len(STREET_KINDS)))],
                 condition=tuple(WEATHERS)[number % len(WEATHERS)], failure=failure,
                 speed_m_s=float(rng.uniform(6.0, 10.0)), frames=tuple(sorted(set(frames))))


def render(scene: Scene, config: DatasetConfig
           ) -> Iterator[tuple[int, dict[str, npt.NDArray[np.uint8]]]]:
    """Frame numbers and images of a scene: encoded uint8 [h, w, 3] by modality, and ``label``
    uint8 [h, w] of class ids."""
    sensors = _sensors()
    simulator = Simulator(SimConfig(
        seed=scene.seed, sensors=config.sensors, street=scene.street, condition=scene.condition,
        failure=scene.failure, width_px=config.camera_px, height_px=config.camera_px,
        event_width_px=config.camera_px, event_height_px=config.camera_px,
        duration_s=_SCENE_S + .5, speed_m_s=scene.speed_m_s, num_threads=1), sensors)
    rig = simulator.rig()
    encoders = {name: MODALITIES[name].build_encoder(settings)
                for name, settings in _encoder_settings(config, sensors).items()}
    size_hw = (config.size_px, config.size_px)
    centers = ((np.arange(config.size_px) + .5) * config.camera_px / config.size_px).astype(int)
    for frame in scene.frames:
        images = {}
        for name, encoder in encoders.items():
            output = simulator.measure(name, frame)
            images[name] = encoder.encode(output.sample.data, rig, size_hw)
            if output.labels is not None:
                images['label'] = output.labels[centers[:, None], centers]
        yield frame, images


def _sensors() -> Mapping[str, SensorSpec]:
    """The vehicle's sensors, but no events older than those the encoder looks at."""
    sensors = dict(load_sensors())
    event = sensors['event']
    window_ms = min(float(MODALITIES['event'].default_settings()['window_ms']),
                    event.options['window_ms'])
    steps = max(1, round(event.options['substeps'] * window_ms / event.options['window_ms']))
    sensors['event'] = replace(
        event, options={**event.options, 'window_ms': window_ms, 'substeps': float(steps)})
    return sensors


def _encoder_settings(config: DatasetConfig,
                      sensors: Mapping[str, SensorSpec]) -> dict[str, dict[str, Any]]:
    """The defaults, but of what the sensor was told to make of its counts."""
    return {name: {**MODALITIES[name].default_settings(),
                   **{key: sensors[name].options[key] for key in MODALITIES[name].shared_settings
                      if key in sensors[name].options}}
            for name in config.sensors}


def write_deliver_dataset(root: str | Path, config: DatasetConfig, workers: int = 0,
                          progress: Callable[[int], None] | None = None) -> None:
    """Render all scenes into ``root`` with ``workers`` processes (0 takes all cores).

    ``root/<folder>/<condition>/<split>/<scene>/<frame>_<suffix>_front.png``; depth, LiDAR and
    event images are what the encoders give with their default settings, thermal images with the
    range of counts of the sensor; a label is stored as id + 1, 0 where unlabelled.
    ``root/dataset.json`` says how it was made. ``progress`` is told the number of frames that were
    written since it was called last.

    Raises:
        ConfigError: ``workers`` is negative.
        WriteError: ``root`` is not empty, the disk is full, or it cannot be written at all.
    """
    root = Path(root)
    if workers < 0:
        raise ConfigError.of('workers', workers, '0 and more')
    with whole_folder(root) as folder, write_errors(root):
        folder.mkdir()
        _write_scenes(folder, config, workers, progress)


def _write_scenes(root: Path, config: DatasetConfig, workers: int,
                  progress: Callable[[int], None] | None) -> None:
    planned = scenes(config)
    workers = min(workers or os.cpu_count() or 1, max(1, len(planned)))
    if workers == 1:
        for scene in planned:
            _report(progress, _write_scene(root, scene, config))
    else:
        with worker_processes(workers) as pool:
            jobs = [pool.submit(_write_scene, root, scene, config) for scene in planned]
            for job in as_completed(jobs):
                _report(progress, job.result())
    (root / 'dataset.json').write_text(
        json.dumps(_description(config, planned), indent=2) + '\n', encoding='utf-8')


def _report(progress: Callable[[int], None] | None, count: int) -> None:
    if progress is not None:
        progress(count)


def _write_scene(root: Path, scene: Scene, config: DatasetConfig) -> int:
    cv2.setNumThreads(1)
    count = 0
    for frame, images in render(scene, config):
        for name, image in images.items():
            path = scene.path(root, name, frame)
            path.parent.mkdir(parents=True, exist_ok=True)
            if name == 'label':
                stored = np.where(image == UNLABELLED, 0, image + np.uint8(1)).astype(np.uint8)
                image = np.repeat(stored[..., None], 3, axis=2)
            _, png = cv2.imencode('.png', image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 3])
            path.write_bytes(png.tobytes())
        count += 1
    return count


def _description(config: DatasetConfig, planned: list[Scene]) -> dict[str, Any]:
    streets: dict[str, int] = dict.fromkeys(SPLITS, 0)
    frames: dict[str, int] = dict.fromkeys(SPLITS, 0)
    for scene in planned:
        streets[scene.split] += 1
        frames[scene.split] += len(scene.frames)
    return {
        'name': 'simulated_street',
        'layout': 'deliver',
        'label_space': 'deliver',
        'label_offset': 1,
        'image_size_hw': [config.size_px, config.size_px],
        'encoders': _encoder_settings(config, _sensors()),
        # Its sensors are those that have an encoder.
        'generator': {key: value for key, value in asdict(config).items() if key != 'sensors'},
        'scenes': streets,
        'frames': frames,
    }
