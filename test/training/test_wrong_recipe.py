# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a recipe, or with a command's arguments, is said before anything heavy is
imported."""

import subprocess
import sys
from pathlib import Path

import pytest

from anymodal_seg_ros.resources import resource_path

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = str(resource_path('bundles') / 'default')
DEBUG = resource_path('config') / 'training' / 'debug.yaml'
HEAVY = ('torch', 'lightning_fabric', 'safetensors', 'matplotlib')
CODE = f"""
import importlib, sys
status = importlib.import_module(sys.argv[1]).main(sys.argv[2:])
print(status, [name for name in {HEAVY} if name in sys.modules])
"""


def answer(*arguments, command='train'):
    """Exit status with heavy modules, and the last line of standard error, of a new process."""
    done = subprocess.run([sys.executable, '-c', CODE, f'training.{command}', *arguments],
                          capture_output=True, text=True, cwd=ROOT, check=True)
    return done.stdout.splitlines()[-1], done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(('override', 'named'), [
    ('optim.rl=1', "unknown key 'rl'"),
    ('epochs=many', "epochs is 'many'"),
    ('model=unet', "model is 'unet'"),
    ('model_config={backbone: b9}', "backbone is 'b9'; allowed: b0"),
    ('loss=dice', "loss is 'dice'; allowed: ce"),
    ('method={name: distil}', "method.name is 'distil'; allowed: supervised"),
    ('method={name: anyseg, teacher: x, options: {mda: 1}}', "unknown key 'mda'"),
    ('data.options.hha=true', "data.options: unknown key 'hha'; allowed: depth_folder"),
    ('data.options.depth_folder=raw', "data.options.depth_folder is 'raw'; allowed: auto, hha"),
    ('data.name=cityscapes', "data.name is 'cityscapes'; allowed: deliver"),
])
def test_a_wrong_value_is_named_without_the_heavy_imports(override, named):
    status, error = answer('--recipe', str(DEBUG), override)
    assert error.startswith('error: ') and named in error
    assert status == '1 []'


@pytest.mark.parametrize(('changes', 'named'), [
    (['data.root=.'], 'names no output'),
    (['output={run}'], 'names no data'),
    (['output={run}', 'data.root=nowhere'], 'no folder nowhere'),
    (['output={run}', 'data.root=.'], 'was read as data set'),
    (['output={run}', 'data.root=.', '--resume'], 'no checkpoint.pt to resume from'),
    (['output={run}', 'data.root=.', 'method={name: anyseg, teacher: nowhere}'], 'nowhere'),
    (['output={run}', 'data.root=.', 'method.init=nowhere'], 'nowhere'),
    (['output={run}', 'data.root=.', 'pretrained=nowhere.pth'], 'nowhere.pth'),
])
def test_so_is_what_the_recipe_s_files_lack(tmp_path, changes, named):
    status, error = answer('--recipe', str(DEBUG),
                           *(change.replace('{run}', str(tmp_path / 'run')) for change in changes))
    assert error.startswith('error: ') and named in error
    assert status == '1 []'


def test_so_is_a_missing_recipe(tmp_path):
    status, error = answer('--recipe', str(tmp_path / 'gone.yaml'))
    assert 'gone.yaml' in error
    assert status == '1 []'


@pytest.mark.parametrize(('command', 'arguments', 'named'), [
    ('compare', ['ladder', '--rows', 'top'], "row is 'top'; allowed: camera, teacher"),
    ('compare', ['ladder', '--print', '--results', 'nowhere'], 'no result in nowhere'),
    ('compare', ['ladder', '--output', '/proc/nowhere', '--data', '.'], '/proc/nowhere/camera'),
    ('evaluate', ['nowhere', '--data', '.'], 'nowhere'),
    ('evaluate', [BUNDLE, '--data', 'nowhere'], 'no folder nowhere'),
    ('evaluate', [BUNDLE, '--data', '.', '--benchmark', 'emm,rrm'], "'rrm'"),
    ('evaluate', [BUNDLE, '--data', '.', '--option', 'hha'], 'write KEY=VALUE'),
    ('evaluate', [BUNDLE, '--bag', '.', '--split', 'test'], '--split needs --data'),
    ('evaluate', [BUNDLE, '--bag', '.', '--faults', 'gone.yaml'], 'gone.yaml'),
    ('export', ['nowhere', '--output', 'out'], 'no checkpoint at nowhere'),
    ('extract_bag', ['nowhere', '--output', 'out', '--split', 'train'], 'nowhere'),
    ('extract_bag', ['.', '--output', 'out', '--split', 'train', '--topics', 'x'], "--topics 'x'"),
])
def test_so_is_a_wrong_argument_of_other_commands(command, arguments, named):
    status, error = answer(*arguments, command=command)
    assert error.startswith('error: ') and named in error
    assert status == '1 []'
