# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a recipe is said before anything heavy is imported."""

import subprocess
import sys
from pathlib import Path

import pytest

from anymodal_seg_ros.resources import resource_path

ROOT = Path(__file__).resolve().parents[2]
DEBUG = resource_path('config') / 'training' / 'debug.yaml'
HEAVY = ('torch', 'lightning_fabric', 'safetensors', 'matplotlib')
COMMAND = f"""
import sys
from training.train import main
status = main(sys.argv[1:])
print(status, [name for name in {HEAVY} if name in sys.modules])
"""


def answer(*arguments):
    """The first line of standard output and the last of standard error, in a new interpreter."""
    done = subprocess.run([sys.executable, '-c', COMMAND, *arguments], capture_output=True,
                          text=True, cwd=ROOT, check=True)
    return done.stdout.strip(), done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(('override', 'named'), [
    ('optim.rl=1', "unknown key 'rl'"),
    ('epochs=many', "epochs 'many'"),
    ('model=unet', "model 'unet'"),
    ('model_config={backbone: b9}', "backbone 'b9'; allowed: b0"),
    ('loss=dice', "loss 'dice'; allowed: ce"),
    ('method={name: distil}', "method.name 'distil'; allowed: supervised"),
    ('method={name: anyseg, teacher: x, options: {mda: 1}}', "unknown key 'mda'"),
    ('data.name=cityscapes', "data.name 'cityscapes'; allowed: deliver"),
])
def test_a_wrong_value_is_named_without_the_heavy_imports(override, named):
    status, error = answer('--recipe', str(DEBUG), override)
    assert error.startswith('error: ') and named in error
    assert status == '1 []'


def test_so_is_a_missing_recipe(tmp_path):
    status, error = answer('--recipe', str(tmp_path / 'gone.yaml'))
    assert 'gone.yaml' in error
    assert status == '1 []'
