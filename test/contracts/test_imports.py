# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Imports go one way: a part may import itself, what lies below it, and nothing else."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = 'anymodal_seg_ros'

GROUND = {'stopping', 'errors', 'existence', 'defects', 'ranges', 'limits', 'documents',
          'samples', 'resources', 'labels', 'lens', 'smooth', 'geometry', 'calibration', 'metrics',
          'unfinished', '__init__'}
BELOW_HEALTH = GROUND | {'modalities', 'intrinsics', 'extrinsics', 'placement', 'corruption'}
BELOW_BUNDLE = BELOW_HEALTH | {'sync', 'health', 'models'}
BELOW_PIPELINE = BELOW_BUNDLE | {'bundle', 'inference'}
BELOW_SIM = BELOW_PIPELINE | {'pipeline', 'bags'}
ALLOWED = {
    **dict.fromkeys(GROUND, GROUND),
    'modalities': GROUND,
    'intrinsics': GROUND | {'modalities'},
    'extrinsics': GROUND | {'modalities', 'intrinsics'},
    'placement': GROUND | {'modalities', 'intrinsics'},
    'corruption': GROUND | {'modalities'},
    'sync': BELOW_HEALTH,
    'health': BELOW_HEALTH,
    'models': BELOW_HEALTH,
    'bundle': BELOW_BUNDLE,
    'inference': BELOW_BUNDLE | {'bundle'},
    'pipeline': BELOW_PIPELINE,
    'session': BELOW_PIPELINE | {'pipeline'},
    'bags': BELOW_PIPELINE | {'pipeline'},
    'bag_summary': BELOW_SIM,
    'segment_bag': BELOW_SIM | {'session', 'bag_summary'},
    'sim': BELOW_SIM,
    'ros': BELOW_SIM | {'session', 'segment_bag', 'sim'},
    'demo': BELOW_SIM | {'session', 'segment_bag', 'sim', 'pages'},
    'pages': GROUND,
    'commands': {'stopping'},
}
ROS = {'rclpy', 'cv_bridge', 'message_filters', 'sensor_msgs_py', 'tf2_ros', 'launch',
       'launch_ros', 'ament_index_python', 'rcl_interfaces', 'builtin_interfaces'}
TORCH = {'torch', 'safetensors', 'lightning_fabric'}
DRAWING = {'matplotlib', 'jinja2', 'markupsafe'}
MAY_USE_TORCH = {'models', 'bundle', 'inference'}


def source_files():
    return sorted((ROOT / PACKAGE).rglob('*.py')) + sorted((ROOT / 'training').rglob('*.py'))


def part_of(module):
    """The first level below the package: 'anymodal_seg_ros.sync.sync_config' is in 'sync'."""
    parts = module.split('.')
    return parts[1] if len(parts) > 1 else '__init__'


def imported_modules(path):
    """Every module that a file imports anywhere, as absolute names."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{path}: relative import'
            yield node.module
            if node.module == PACKAGE:
                yield from (f'{PACKAGE}.{alias.name}' for alias in node.names
                            if not alias.name.startswith('__'))


def owner(path):
    relative = path.relative_to(ROOT)
    return 'training' if relative.parts[0] == 'training' else Path(relative.parts[1]).stem


@pytest.mark.parametrize('path', source_files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_file_imports_only_what_lies_below_it(path):
    part = owner(path)
    for module in imported_modules(path):
        top = module.split('.')[0]
        if top == 'training':
            assert part == 'training', f'{path} imports {module}: nothing imports training'
        elif top == PACKAGE:
            imported = part_of(module)
            if part == 'training':
                assert imported != 'ros', f'{path} imports {module}'
            else:
                assert imported == part or imported in ALLOWED[part], f'{path} imports {module}'
        elif top in ROS or top.endswith('_msgs'):
            assert part == 'ros', f'{path} imports {module}: only ros may'
        elif top in TORCH:
            assert part in MAY_USE_TORCH | {'training'}, f'{path} imports {module}'
        elif top in DRAWING:
            assert part == 'pages', f'{path} imports {module}: only pages may'
        elif top == 'open3d':
            assert part == 'sim', f'{path} imports {module}: only sim may'


def test_every_part_of_the_package_has_a_row():
    parts = {owner(path) for path in source_files()} - {'training'}
    assert parts <= set(ALLOWED), f'no row for {parts - set(ALLOWED)}'


def test_rows_form_no_cycle():
    for part, below in ALLOWED.items():
        for lower in below - GROUND:
            assert part not in ALLOWED[lower], f'{part} and {lower} may import each other'


@pytest.mark.parametrize('module', [
    'samples', 'labels', 'geometry', 'intrinsics', 'metrics', 'modalities', 'corruption',
    'sync', 'health', 'models', 'bundle', 'inference', 'pipeline', 'pages.charts',
])
def test_core_loads_neither_torch_nor_ros(module):
    code = (f'import sys, {PACKAGE}.{module}; '
            "print([m for m in ('torch', 'rclpy', 'open3d', 'matplotlib', 'jinja2') "
            'if m in sys.modules])')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT,
                          check=True)
    assert done.stdout.strip() == '[]'


def names_below(path, seen):
    """The top names of what a benchmark imports, itself or through its neighbours."""
    for module in imported_modules(path):
        file = ROOT / 'benchmarks' / (module.replace('.', '/') + '.py')
        if file.is_file() and file not in seen:
            seen.add(file)
            yield from names_below(file, seen)
        yield module.split('.')[0]
    # ``from package import module`` names a neighbour, too.
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        for alias in node.names if isinstance(node, ast.ImportFrom) else ():
            file = ROOT / 'benchmarks' / node.module.replace('.', '/') / f'{alias.name}.py'
            if file.is_file() and file not in seen:
                seen.add(file)
                yield from names_below(file, seen)


@pytest.mark.parametrize('path', sorted((ROOT / 'benchmarks').glob('*.py')), ids=lambda p: p.name)
def test_benchmarks_find_training_which_is_not_installed(path):
    """Whoever calls a script by its path has the script's folder on the path, and that alone."""
    finds = 'sys.path.insert(0, str(Path(__file__).resolve().parents[1]))' in path.read_text()
    assert finds == ('training' in names_below(path, {path}))
