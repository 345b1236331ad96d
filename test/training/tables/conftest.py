# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A stored result, and commands that train and score nothing."""

import json
import sys

import pytest

from anymodal_seg_ros.resources import resource_path
from training.tables import training
from training.tables.result import Result

FAKE = '''
import json, os, shutil, sys, time
from pathlib import Path
changes = dict(word.split('=', 1) for word in sys.argv[1:] if '=' in word)
run = Path(changes['output'])
with Path(sys.argv[1]).open('a') as journal:
    journal.write(json.dumps([run.name, changes, '--resume' in sys.argv,
                              os.environ['OMP_NUM_THREADS']]) + '\\n')
if run.name in sys.argv[3].split(','):
    sys.exit('error: no such luck')
run.mkdir(parents=True, exist_ok=True)
(run / 'bundle').mkdir()
description = json.loads(Path(sys.argv[2]).read_text())
from training.train_config import TrainConfig
recipe = TrainConfig.from_yaml(sys.argv[sys.argv.index('--recipe') + 1],
                               tuple(f'{k}={v}' for k, v in changes.items()))
description['provenance'] = {
    'recipe': recipe.to_dict(), 'steps': 225, 'samples': 1800, 'minutes': 2.5,
    'revision': 'abcdef',
    'host': {'machine': 'x86_64', 'processor': 'a bench', 'gpu': '', 'processes': 1,
             'threads': 1, 'cores': 2}, 'versions': {'torch': '9.9'}}
(run / 'bundle' / 'bundle.json').write_text(json.dumps(description))
(run / 'scores.json').write_text(json.dumps({
    'emm_average_skip': 40.0 + recipe.seed,
    'subsets': {'rgb+depth+lidar+event': {'miou': 60.0}, 'lidar+event': {'miou': 6.0}},
    'network': 'torch 9.9 on cpu, bf16, 1 threads',
    'data': {'split': 'val', 'scored_frames': 100, 'sha256': 'abc'}}))
'''


class Trainings:
    """What the command in place of train.py was asked for."""

    def __init__(self, folder, monkeypatch):
        self._journal = folder / 'journal'
        script = folder / 'fake.py'
        script.write_text(FAKE)
        bundle = resource_path('bundles') / 'default' / 'bundle.json'
        self._arguments = [sys.executable, str(script), str(self._journal), str(bundle)]
        self._monkeypatch = monkeypatch
        self.failing()

    def failing(self, *names):
        """These runs end with an error."""
        self._monkeypatch.setattr(training, 'TRAIN', (*self._arguments, ','.join(names) or '-'))

    def begun(self):
        """[name, overrides, whether resumed, threads] of each, in order; forgotten then."""
        if not self._journal.exists():
            return []
        lines = self._journal.read_text().splitlines()
        self._journal.unlink()
        return [json.loads(line) for line in lines]


@pytest.fixture
def trainings(tmp_path_factory, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', str(resource_path('config').parent))
    return Trainings(tmp_path_factory.mktemp('fake'), monkeypatch)


@pytest.fixture
def make_result():
    def make(row='hpd', seed=0, emm=50.0, full=59.0, weak=30.0, **changes):
        values = {
            'recipe': 'ladder/hpd.yaml', 'recipe_sha256': 'a', 'data_sha256': 'b', 'split': 'val',
            'frames': 100, 'steps': 225, 'samples': 1800, 'minutes': 2.5, 'host': 'a bench',
            'precision': 'bf16', 'revision': 'c', 'parameters': 3_720_000, 'macs': 10**9,
            'subsets': {'lidar+event': weak, 'rgb+depth+lidar+event': full, 'rgb': 41.0}}
        return Result(row=row, seed=seed, emm=emm, **{**values, **changes})

    return make
