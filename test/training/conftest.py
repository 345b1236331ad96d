# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A tiny data set in DELIVER's layout, written anew for each session."""

import json

import cv2
import numpy as np
import pytest

FOLDERS = {'img': 'rgb', 'depth': 'depth', 'lidar': 'lidar', 'event': 'event'}
SCENES = (('sun', 'MAP_1_point1'), ('night', 'MAP_2_point7_motionblur'))
SIZE = 64


def write_png(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def write_deliver(root, frames_per_scene=3, size=SIZE, splits=('train', 'val')):
    """Coloured bands whose colour in every map tells the class, in stored labels 1 to 25."""
    rng = np.random.default_rng(0)
    for split in splits:
        for condition, scene in SCENES:
            for frame in range(frames_per_scene):
                ids = rng.permutation(25)[:4]
                labels = np.repeat(ids, size // 4)[:, None].repeat(size, 1).astype(np.uint8)
                for folder, suffix in FOLDERS.items():
                    image = np.stack([labels * 9, 255 - labels * 9, labels * 4], -1)
                    write_png(root / folder / condition / split / scene
                              / f'{frame:06d}_{suffix}_front.png', image)
                stored = np.zeros((size, size, 4), np.uint8)
                stored[:, :, 2] = labels + 1
                stored[0, :, 2] = 0
                stored[1, :, 2] = 255
                write_png(root / 'semantic' / condition / split / scene
                          / f'{frame:06d}_semantic_front.png', stored)
    (root / 'dataset.json').write_text(json.dumps({'name': 'bands'}), encoding='utf-8')
    return root


@pytest.fixture(scope='session')
def deliver_root(tmp_path_factory):
    return write_deliver(tmp_path_factory.mktemp('img_rgb') / 'rainy_img')
