# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Contact sheets and class statistics, to look at what the simulation makes. Simulation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.labels import LabelSpace, load_label_space
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.sim.simulator import SimConfig, Simulator
from anymodal_seg_ros.sim.street import STREET_KINDS
from anymodal_seg_ros.sim.vehicle import SENSOR_NAMES
from anymodal_seg_ros.sim.weather import WEATHERS
from anymodal_seg_ros.unfinished import write_whole


def write_contact_sheet(path: str | Path, seed: int = 0, size_px: int = 256,
                        frame: int = 20, sensors: tuple[str, ...] = SENSOR_NAMES) -> None:
    """A PNG with a row for each condition: the sensors as the encoders give them to the network,
    and the true labels. Street kinds take turns.

    Raises:
        ConfigError: ``frame`` is negative.
        WriteError: the file cannot be written.
    """
    if frame < 0:
        raise ConfigError.of('frame', frame, '0 and more')
    configs = [SimConfig(seed=seed + row, sensors=sensors,
                         street=STREET_KINDS[row % len(STREET_KINDS)], condition=condition,
                         width_px=2 * size_px, height_px=2 * size_px,
                         event_width_px=2 * size_px, event_height_px=2 * size_px)
               for row, condition in enumerate(WEATHERS)]
    space = load_label_space('deliver')
    sheet = np.concatenate([contact_row(config, frame, size_px, space) for config in configs])
    encoded, png = cv2.imencode('.png', sheet[..., ::-1])
    assert encoded
    write_whole(path, png.tobytes())


def contact_row(config: SimConfig, frame: int, size_px: int,
                space: LabelSpace) -> npt.NDArray[np.uint8]:
    """uint8 [size, (M + 1) * size, 3]: the M encoded sensors and the coloured labels."""
    simulator = Simulator(config)
    rig = simulator.rig()
    tiles = []
    labels = np.zeros((size_px, size_px), np.uint8)
    for name in config.sensors:
        output = simulator.measure(name, frame)
        encoder = MODALITIES[name].build_encoder({})
        tiles.append(encoder.encode(output.sample.data, rig, (size_px, size_px)))
        if output.labels is not None:
            labels = cv2.resize(output.labels, (size_px, size_px),
                                interpolation=cv2.INTER_NEAREST).astype(np.uint8)
    return np.concatenate([*tiles, space.palette()[labels]], axis=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassShare:
    """How much of a class there is."""

    name: str
    pixels: float
    """Share of all pixels, 0..1."""
    frames: float
    """Share of the frames in which it has at least a thousandth of the pixels."""


def class_shares(seeds: Sequence[int], size_px: int = 128,
                 frames_per_street: int = 2) -> list[ClassShare]:
    """Statistics of the true labels over streets of all kinds, in the order of class ids."""
    space = load_label_space('deliver')
    pixels = np.zeros(space.num_classes)
    frames = np.zeros(space.num_classes)
    count = 0
    for number, seed in enumerate(seeds):
        simulator = Simulator(SimConfig(
            seed=seed, street=STREET_KINDS[number % len(STREET_KINDS)], width_px=size_px,
            height_px=size_px, duration_s=8.0))
        rng = np.random.default_rng([seed, 606])
        for index in rng.integers(0, 80, frames_per_street).tolist():
            found = np.bincount(simulator.labels(index).ravel(), minlength=space.num_classes)
            share = found[:space.num_classes] / size_px ** 2
            pixels += share
            frames += share >= .001
            count += 1
    return [ClassShare(name=name, pixels=float(p / count), frames=float(f / count))
            for name, p, f in zip(space.class_names, pixels, frames, strict=True)]
