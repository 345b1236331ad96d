# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A drive with a thermal camera becomes a data set, a network, and is labelled by it."""

import re

import pytest
import torch

from anymodal_seg_ros import segment_bag
from anymodal_seg_ros.bundle.weights import load_bundle
from anymodal_seg_ros.resources import resource_path
from anymodal_seg_ros.sim.drive_bag import write_bag
from anymodal_seg_ros.sim.simulator import SimConfig
from anymodal_seg_ros.sim.vehicle import ALL_SENSORS
from training import train as train_command
from training.extract_bag import main as extract

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

DEBUG = resource_path('config') / 'training' / 'debug.yaml'
LOW, HIGH = '26315', '32315'


@pytest.fixture(scope='module')
def drive(tmp_path_factory):
    path = tmp_path_factory.mktemp('drive') / 'street'
    write_bag(path, SimConfig(seed=5, sensors=ALL_SENSORS, width_px=96, height_px=96,
                              event_width_px=96, event_height_px=96, duration_s=2.0))
    return path


def rows_of(out):
    """Sensor to (read, used, dropped) of a summary's table."""
    return {name: (int(read), int(used), dropped) for name, read, used, dropped in re.findall(
        r'^(\w+) +/\S+ +(\d+) +(\d+) *(.*)$', out, re.MULTILINE)}


def test_from_recording_to_bundle_and_back(drive, tmp_path, capsys):
    torch.set_num_threads(1)
    assert extract([str(drive), '--output', str(tmp_path / 'data'), '--split', 'train',
                    '--every', '2', '--short-side-px', '64', '--thermal-low', LOW,
                    '--thermal-high', HIGH]) == 0
    assert train_command.main([
        '--recipe', str(DEBUG), '--threads', '1', 'data.name=recorded', 'data.hold_out=0.2',
        'epochs=1', f'data.root={tmp_path / "data"}', f'output={tmp_path / "run"}']) == 0
    bundle, _ = load_bundle(tmp_path / 'run' / 'bundle')
    assert bundle.modalities == ALL_SENSORS
    assert bundle.encoders['thermal'] == {'low': float(LOW), 'high': float(HIGH)}

    faults = tmp_path / 'faults.yaml'
    faults.write_text('faults: [{name: gone, modality: thermal, fault: drop, start_s: 1.0, '
                      'end_s: .inf}]\n')
    capsys.readouterr()
    label = ['--bundle', str(tmp_path / 'run' / 'bundle'), '--num-threads', '1']
    assert segment_bag.main([str(drive), '--out', str(tmp_path / 'well'), *label]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert set(rows) == set(ALL_SENSORS)
    assert all(used >= read - 2 for read, used, _ in rows.values()), rows
    assert segment_bag.main([str(drive), '--out', str(tmp_path / 'failing'), *label,
                             '--faults', str(faults)]) == 0
    failing = rows_of(capsys.readouterr().out)
    assert failing['thermal'][1] <= 11
    assert failing['rgb'][1] == rows['rgb'][1]
