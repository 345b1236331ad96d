# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A tiny network and a batch for the training methods."""

import pytest
import torch

from anymodal_seg_ros.models import build_model
from training.batch import Batch

MODALITIES = ('rgb', 'depth', 'lidar', 'event')
NUM_CLASSES = 5


def build(seed=0, **settings):
    torch.manual_seed(seed)
    return build_model('m_segformer', {
        'backbone': 'b0', 'head_dim': 16, 'num_classes': NUM_CLASSES, 'drop_path': 0.0,
        'modalities': MODALITIES, **settings})


def batch_of(present=None, size=64, seed=0, labels=None):
    generator = torch.Generator().manual_seed(seed)
    images = {name: torch.randint(0, 256, (2, 3, size, size), generator=generator,
                                  dtype=torch.uint8) for name in MODALITIES}
    if labels is None:
        labels = torch.randint(0, NUM_CLASSES, (2, size // 8, size // 8), generator=generator)
        labels = labels.repeat_interleave(8, 1).repeat_interleave(8, 2)
    everything = torch.ones(2, len(MODALITIES), dtype=torch.bool)
    present = everything if present is None else torch.tensor(present, dtype=torch.bool)
    seen = {name: images[name] for i, name in enumerate(MODALITIES) if present[:, i].any()}
    return Batch(images=seen, labels=labels, present=present, teacher_images=images,
                 available=everything, source=torch.zeros(2, dtype=torch.int64),
                 end=2)


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def make_network():
    return build


@pytest.fixture
def make_batch():
    return batch_of
