# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Real processes: a run that is killed at a random step, and two processes that share a run."""

import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from anymodal_seg_ros.bundle import WEIGHTS_FILE
from anymodal_seg_ros.resources import resource_path
from training.checkpoint import read_checkpoint

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
RECIPE = resource_path('config') / 'training' / 'debug.yaml'
OPTIONS = ['val_epochs=0', 'deterministic=true', 'epochs=6', 'checkpoint_steps=1',
           'stages=[{until: 1.0, crop_px: 32, batch: 2}]']
ENVIRONMENT = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}


def arguments(data, run, *extra):
    return [str(ROOT / 'training' / 'train.py'), '--recipe', str(RECIPE), '--threads', '1',
            f'data.root={data}', f'output={run}', *OPTIONS, *extra]


def rows(run):
    path = run / 'metrics.csv'
    if not path.is_file():
        return []
    with path.open(newline='') as file:
        return [{k: v for k, v in row.items() if k != 'elapsed_s'} for row in csv.DictReader(file)]


def start(command):
    return subprocess.Popen([sys.executable, *command], env=ENVIRONMENT, cwd='/',
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


@pytest.mark.timeout(300)
def test_a_run_killed_at_a_random_step_ends_as_if_it_had_not_been(deliver_root, tmp_path):
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    straight = start(arguments(deliver_root, whole))
    process = start(arguments(deliver_root, killed))
    deadly_step = random.Random(0).randint(2, 12)
    while len(rows(killed)) < deadly_step:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (killed / 'bundle').exists()
    resumed = start([*arguments(deliver_root, killed), '--resume'])
    for run in (straight, resumed):
        _, error = run.communicate()
        assert run.returncode == 0, error
    weights = [load_file(run / 'bundle' / WEIGHTS_FILE) for run in (whole, killed)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert rows(killed) == rows(whole) and len(rows(whole)) == 18


@pytest.mark.timeout(300)
def test_two_processes_train_one_network(deliver_root, tmp_path):
    """Other crops and sensors on each, one set of weights; the method's own parameters too."""
    script = tmp_path / 'two.py'
    script.write_text(TWO, encoding='utf-8')
    launch = ['-m', 'torch.distributed.run', '--nproc-per-node', '2', '--master-port', '0',
              '--rdzv-backend', 'c10d', '--rdzv-endpoint', 'localhost:0']
    process = start([*launch, str(script), str(deliver_root), str(tmp_path)])
    _, error = process.communicate()
    assert process.returncode == 0, error
    first, second = (torch.load(tmp_path / f'rank{rank}.pt', weights_only=True)
                     for rank in range(2))
    for part in ('student', 'teacher', 'projection', 'bank', 'scores'):
        for name, value in first[part].items():
            # Each process's own crops since the last step, which began with the first one's.
            if 'running_' in name:
                continue
            torch.testing.assert_close(value, second[part][name], rtol=0, atol=0, msg=name,
                                       equal_nan=True)
    assert first['steps'] == second['steps'] == 3 and first['samples'] == 12
    assert not torch.equal(first['present'], second['present'])
    assert read_checkpoint(tmp_path / 'run' / 'checkpoint.pt')['progress']['steps'] == 3
    assert len(rows(tmp_path / 'run')) == 3


TWO = '''
import sys
from pathlib import Path
import torch
from anymodal_seg_ros.models import build_model
from training.train_config import TrainConfig
from training.datasets import DeliverDataset, FrameCache, JoinedFrames
from training.devices import make_fabric
from training.losses import build_loss
from training.methods import METHODS
from training.trainer import Trainer

torch.set_num_threads(1)
data, folder = Path(sys.argv[1]), Path(sys.argv[2])
config = TrainConfig.from_dict({
    'epochs': 2, 'precision': 'fp32', 'device': 'cpu', 'class_weights': 'none', 'log_steps': 1,
    'data': {'short_side_px': 32}, 'stages': [{'until': 1.0, 'crop_px': 32, 'batch': 2}],
    'method': {'name': 'robustseg', 'teacher': 'bundle'}, 'optim': {'lr': 1.0e-2}})
torch.manual_seed(0)
student = build_model('m_segformer', {'head_dim': 16, 'stem': 'per_modality'})
teacher = build_model('m_segformer', {'backbone': 'b1', 'head_dim': 16})
method = METHODS['robustseg'].build(build_loss('ce'), student, teacher, {
    'prototypes': 'ema', 'feedback': {'lr': 1.0e-2}})
fabric = make_fabric('cpu', 'fp32', find_unused=True)
run = folder / 'run'
run.mkdir(exist_ok=True)
trainer = Trainer(config, student, method,
                  JoinedFrames([FrameCache(DeliverDataset(data, 'train'))]), run, fabric=fabric)
present = torch.stack([trainer._maker.make(p, config.stages[0]).present for p in (0, 4, 8)])
result = trainer.fit()
torch.save({'student': student.state_dict(), 'projection': method.projection.state_dict(),
            'bank': method.bank.state_dict(), 'teacher': method.teacher.state_dict(),
            'scores': method.selection.state_dict(),
            'steps': result.steps, 'samples': result.samples, 'present': present},
           folder / f'rank{fabric.global_rank}.pt')
'''
