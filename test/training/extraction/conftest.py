# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings to extract: a simulated street, and small ones with any label images."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from anymodal_seg_ros import bags
from anymodal_seg_ros.geometry import CameraModel
from anymodal_seg_ros.sim.drive_bag import write_bag
from anymodal_seg_ros.sim.simulator import SimConfig
from training.extract_bag import main

SIZE_PX = 96
START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000
CAMERA = CameraModel.from_fov(64, 48, 90.0)


@pytest.fixture(scope='session')
def drive(tmp_path_factory):
    """1.6 s of a simulated street with its truth."""
    path = tmp_path_factory.mktemp('drives') / 'street'
    write_bag(path, SimConfig(
        seed=5, street='straight', width_px=SIZE_PX, height_px=SIZE_PX, event_width_px=SIZE_PX,
        event_height_px=SIZE_PX, duration_s=1.6, start_ns=START_NS))
    return path


def write_recording(path, num_frames=12, labels=None, label_offset_ns=0, cameras=True, skip=()):
    """Noise of a camera, a depth camera and a LiDAR at 10 Hz.

    ``labels(i)`` gives (array, encoding), a ready message, or None for frame ``i``.
    """
    rng = np.random.default_rng(1)
    with bags.BagWriter(path) as writer:
        writer.write('/tf_static', bags.tf_static_message(
            [('camera', 'lidar', (0, -0.2, 0), (0.5, -0.5, 0.5, -0.5))]), START_NS)
        for i in range(num_frames):
            stamp_ns = START_NS + i * PERIOD_NS
            rgb = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
            depth = rng.random((48, 64), dtype=np.float32) * 30 + 1
            points = np.float32([40, 40, 4, 1]) * rng.random((3000, 4), dtype=np.float32)
            points[:, :3] -= np.float32([20, 20, 2])
            written = {
                'rgb': bags.image_message(stamp_ns, 'camera', rgb, 'rgb8'),
                'depth': bags.image_message(stamp_ns, 'camera', depth, '32FC1'),
                'lidar': bags.cloud_message(stamp_ns - 7_000_000, 'lidar', points)}
            if cameras:
                written = {'rgb_info': bags.camera_info_message(stamp_ns, 'camera', CAMERA),
                           **written}
            label = labels(i) if labels is not None else None
            if isinstance(label, tuple):
                label = bags.image_message(stamp_ns + label_offset_ns, 'camera', *label)
            if label is not None:
                written['label'] = label
            for key, message in written.items():
                if key not in skip:
                    writer.write(bags.TOPICS[key], message, stamp_ns + 5_000_000)
    return path


def label_bands(i):
    """Class ids 0..24 in columns, 255 in the rest; differs from frame to frame."""
    columns = (np.arange(64) + i) % 64
    return np.broadcast_to(np.where(columns < 25, columns, 255).astype(np.uint8), (48, 64))


@pytest.fixture(scope='session')
def labelled(tmp_path_factory):
    """1.2 s of noise with mono8 class ids."""
    path = tmp_path_factory.mktemp('recordings') / 'noise'
    return write_recording(path, labels=lambda i: (label_bands(i), 'mono8'))


@pytest.fixture(scope='session')
def other(tmp_path_factory):
    """0.6 s of noise with mono8 class ids."""
    path = tmp_path_factory.mktemp('recordings') / 'other'
    return write_recording(path, num_frames=6, labels=lambda i: (label_bands(i), 'mono8'))


@pytest.fixture(scope='session')
def stored(labelled, tmp_path_factory):
    """``labelled``, extracted as training frames of 32 px; do not write to it."""
    root = tmp_path_factory.mktemp('stored') / 'data'
    assert main([str(labelled), '--output', str(root), '--split', 'train', '--short-side-px',
                 '32']) == 0
    return root


@pytest.fixture()
def data(stored, tmp_path):
    """A copy of ``stored`` where ``extract`` writes."""
    return Path(shutil.copytree(stored, tmp_path / 'data'))


@pytest.fixture()
def extract(tmp_path, capsys):
    """Runs the command with small images into ``tmp_path / 'data'``; gives that folder.

    With ``fails`` gives its one line of error instead.
    """
    def run(*arguments, fails=False, split=('--split', 'train'), output=tmp_path / 'data',
            size=('--short-side-px', '32')):
        code = main([str(a) for a in (*arguments, '--output', output, *split, *size)])
        captured = capsys.readouterr()
        run.out = captured.out
        errors = [line for line in captured.err.splitlines() if line.startswith('error: ')]
        assert code == (1 if fails else 0), captured.err
        if not fails:
            return output
        assert len(errors) == 1, captured.err
        return errors[0]

    return run


@pytest.fixture()
def record():
    """Makes a recording: ``write_recording``."""
    return write_recording


@pytest.fixture(scope='session')
def bands():
    """Makes the label image of frame i: ``label_bands``."""
    return label_bands
