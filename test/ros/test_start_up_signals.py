# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A signal that falls into the start of a node or command ends it at once and quietly."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from anymodal_seg_ros.bags import TOPICS, BagWriter, image_message

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / 'config' / 'training' / 'debug.yaml'
# From the first heavy import to the first spin, in this order.
MILESTONES = ('| cv2', '| torch._C', '| torch.nn', '| rclpy.node', 'warmed up')


def announcing_imports(log_path):
    """Python writes a line with each module's name when it has been imported."""
    return {'PYTHONPROFILEIMPORTTIME': '1', 'ROS_LOG_DIR': str(log_path)}


def seen(output, milestone):
    return any(line.split('|')[-1].strip() == milestone.strip('| ')
               if milestone.startswith('|') else milestone in line
               for line in output.splitlines())


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('milestone', MILESTONES)
def test_the_segmentation_node(start_node, wait_until, tmp_path, tiny_bundle, milestone, number):
    node = start_node('segmentation_node', {'bundle': str(tiny_bundle)},
                      env=announcing_imports(tmp_path))
    wait_until(lambda: seen(node.output, milestone), what=milestone)
    node.process.send_signal(number)
    # A terminal and a launch each send one.
    node.process.send_signal(signal.SIGINT)
    node.stop(number)
    assert 'KeyboardInterrupt' not in node.output


def write_frame(root):
    """A data set of one frame in DELIVER's layout: what is wrong with one would end the command
    before it imports anything heavy."""
    for folder, suffix in (('img', 'rgb'), ('semantic', 'semantic')):
        path = root / folder / 'sun' / 'train' / 'street' / f'0_{suffix}_front.png'
        path.parent.mkdir(parents=True)
        assert cv2.imwrite(str(path), np.ones((64, 64, 3), np.uint8))


def write_drive(path):
    """A recording of one image, for the same reason."""
    with BagWriter(path) as writer:
        image = np.zeros((64, 64, 3), np.uint8)
        writer.write(TOPICS['rgb'], image_message(10**18, 'camera', image, 'rgb8'), 10**18)


@pytest.mark.parametrize(('command', 'milestone'), [
    (['-m', 'anymodal_seg_ros.segment_bag', 'bag', '--out', 'out'], '| cv2'),
    (['-m', 'anymodal_seg_ros.segment_bag', 'drive', '--out', 'out'], '| torch.nn'),
    (['-m', 'anymodal_seg_ros.sim', 'bag', 'street'], '| numpy'),
    (['-m', 'anymodal_seg_ros.demo'], '| torch._C'),
    ([str(ROOT / 'training' / 'train.py'), '--recipe', str(RECIPE), 'output=out', 'data.root=.',
      'data.modalities=[rgb]', 'data.score_split=none'], '| torch.nn'),
    ([str(ROOT / 'training' / 'evaluate.py'), str(ROOT / 'bundles' / 'default'), '--data', '.',
      '--split', 'train', '--modalities', 'rgb'], '| torch.nn'),
    ([str(ROOT / 'training' / 'extract_bag.py'), 'bag'], '| numpy'),
])
def test_commands(tmp_path, monkeypatch, wait_until, command, milestone):
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    write_frame(tmp_path)
    write_drive(tmp_path / 'drive')
    log_path = tmp_path / 'log'
    with log_path.open('w') as log:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT,
            env={**os.environ, **announcing_imports(tmp_path)})
    wait_until(lambda: seen(log_path.read_text(), milestone), what=milestone)
    process.send_signal(signal.SIGINT)
    assert process.wait(20.0) == 130
    assert 'Traceback' not in log_path.read_text()
    assert not (tmp_path / 'street').exists()
