# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Networks of any number of sensors and frames in memory for them."""

import numpy as np
import pytest
import torch

from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.models import build_model
from training.datasets import Frame
from training.subset_network import subset_network

SENSORS = ('rgb', 'depth', 'lidar', 'event')
SPACE = LabelSpace('five', tuple('abcde'), ((0, 0, 0),) * 5)
LABEL_PX = 48
IMAGE_PX = 40


class MemoryFrames:
    """Frames that depend on their index alone; ``lacking`` maps an index to absent sensors."""

    def __init__(self, count, sensors=SENSORS, lacking=None, image_px=IMAGE_PX):
        self.sensors = sensors
        self.count = count
        self.lacking = lacking or {}
        self.image_px = image_px

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        rng = np.random.default_rng(index)
        shape = (self.image_px, self.image_px, 3)
        labels = rng.integers(0, 4, (LABEL_PX, LABEL_PX), np.uint8)
        labels[:2] = 255
        images = {name: rng.integers(0, 256, shape, np.uint8) for name in self.sensors}
        return Frame(id=f'street/{index}', condition='night' if index % 2 else 'sun',
                     failure='normal', labels=labels,
                     images={name: image for name, image in images.items()
                             if name not in self.lacking.get(index, ())})

    def describe(self):
        return {'frames': self.count}


def make_network(sensors=SENSORS, **settings):
    torch.manual_seed(3)
    model = build_model('m_segformer', {
        'backbone': 'b0', 'head_dim': 16, 'num_classes': SPACE.num_classes,
        'modalities': list(sensors), **settings})
    # A fresh network is nearly blind: statistics of real inputs let its labels depend on them.
    model.head.norm.momentum = None
    rng = np.random.default_rng(0)
    noise = torch.from_numpy(rng.integers(0, 256, (len(sensors), 4, 3, 32, 32), np.uint8))
    with torch.no_grad():
        for sensor, images in zip(sensors, noise, strict=True):
            model.eval().head.norm.train()
            model({sensor: images})
    model.head.classifier.weight.data.mul_(10.0)
    return subset_network(model)


@pytest.fixture(scope='session')
def space():
    return SPACE


@pytest.fixture(scope='session')
def memory_frames():
    return MemoryFrames


@pytest.fixture(scope='session')
def networks():
    """Sensors and settings to a network, each made once."""
    made = {}

    def get(sensors=SENSORS, **settings):
        key = sensors, tuple(sorted(settings.items()))
        if key not in made:
            made[key] = make_network(sensors, **settings)
        return made[key]

    return get


@pytest.fixture(scope='session')
def network(networks):
    return networks()
