# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files are read by the readers that check them, and by no others."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = 'anymodal_seg_ros/documents.py'
TORCH_FILE = 'anymodal_seg_ros/models/torch_file.py'
ARRAYS = 'training/datasets/files.py'
DOORS = {
    'yaml': {DOCUMENTS},
    'json.loads': {DOCUMENTS},
    'csv.reader': {DOCUMENTS},
    'torch.load': {TORCH_FILE},
    'pickle': {TORCH_FILE},
    'zipfile.ZipFile': {TORCH_FILE, ARRAYS},
    'safetensors.torch.load': {'anymodal_seg_ros/bundle/tensors.py'},
    'safetensors.torch.load_file': {'anymodal_seg_ros/models/weights.py'},
    'safetensors.safe_open': {'anymodal_seg_ros/models/safetensors_file.py'},
    'numpy.lib.format': {ARRAYS},
    'numpy.fromfile': {ARRAYS},
    'cv2.imdecode': {'anymodal_seg_ros/modalities/compressed.py'},
    'cv2.VideoCapture': {'anymodal_seg_ros/demo/pictures.py'},
    'apsw.Connection': {'anymodal_seg_ros/bags/sqlite_file.py'},
    # It reads nothing but what matplotlib has just drawn for it.
    'xml': {'anymodal_seg_ros/pages/drawing.py'},
}
"""A library's reader, or all of a library, and the files that may use it."""
NOWHERE = (
    'json.load', 'json.JSONDecoder', 'csv.DictReader', 'torch.jit.load',
    'numpy.load', 'numpy.loadtxt', 'numpy.genfromtxt', 'numpy.memmap', 'cv2.imread',
    'cv2.imreadmulti', 'cv2.imdecodemulti', 'cv2.FileStorage', 'tarfile',
    'shutil.unpack_archive', 'marshal', 'shelve', 'sqlite3.connect', 'configparser',
    'tomllib', 'ruamel', 'gzip', 'bz2', 'lzma', 'ast.literal_eval', 'joblib', 'dill',
    'cloudpickle')
WRITERS = {'yaml.safe_dump'}


def source_files():
    folders = ('anymodal_seg_ros', 'training', 'launch', 'scripts')
    return [ROOT / 'setup.py', *sorted(p for f in folders for p in (ROOT / f).rglob('*.py'))]


def used_names(tree):
    """Full name and line of everything that is used of an imported module."""
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition('.')[0]
                modules[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                modules[alias.asname or alias.name] = f'{node.module}.{alias.name}'
                yield f'{node.module}.{alias.name}', node.lineno
    for node in ast.walk(tree):
        parts, inner = [], node
        while isinstance(inner, ast.Attribute):
            parts.insert(0, inner.attr)
            inner = inner.value
        if parts and isinstance(inner, ast.Name) and inner.id in modules:
            yield '.'.join([modules[inner.id], *parts]), node.lineno


def strays(source, file):
    closed = [*NOWHERE, *(door for door, files in DOORS.items() if file not in files)]
    return [f'{file}:{line}: {name}' for name, line in used_names(ast.parse(source))
            if name not in WRITERS and any(is_of(name, door) for door in closed)]


def is_of(name, door):
    return name == door or name.startswith(f'{door}.')


@pytest.mark.parametrize('path', source_files(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_files_are_read_by_the_readers_that_check_them(path):
    found = strays(path.read_text(encoding='utf-8'), path.relative_to(ROOT).as_posix())
    assert not found, 'use the reader of this package; see DOORS'


MAY_ASK_PATHS = {'anymodal_seg_ros/existence.py', 'anymodal_seg_ros/resources.py', 'setup.py',
                 'scripts'}
"""The package's own folders have names that a file can have."""


@pytest.mark.parametrize('path', source_files(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_whether_a_file_is_there_is_asked_by_what_stands_any_name(path):
    file = path.relative_to(ROOT)
    if {file.as_posix(), file.parts[0]} & MAY_ASK_PATHS:
        return
    asked = [f'{file}:{node.lineno}' for node in ast.walk(ast.parse(path.read_text()))
             if isinstance(node, ast.Attribute) and node.attr in ('exists', 'is_file', 'is_dir')]
    assert not asked, 'use anymodal_seg_ros.existence'


@pytest.mark.parametrize('source', [
    'import yaml\nyaml.safe_load(text)', 'from yaml import safe_load',
    'import json\njson.loads(x)', 'import json as j\nj.load(x)',
    'from json import loads as read', 'import numpy as np\nnp.load(x)',
    'import torch\ntorch.load(x)', 'import cv2\ncv2.imread(x)', 'import pickle\npickle.loads(x)',
    'import safetensors.torch\nsafetensors.torch.load_file(x)', 'import tarfile\ntarfile.open(x)',
    'def f():\n    from zipfile import ZipFile', 'import csv\nreader = csv.DictReader',
    'import numpy.lib.format as form\nform.read_array(x)'])
def test_a_stray_reader_is_found(source):
    assert strays(source, 'training/new.py')


def test_writing_is_free_and_every_door_is_where_it_is_said():
    assert not strays('import json, yaml\njson.dumps(x)\nyaml.safe_dump(x)', 'training/new.py')
    used = {(file.relative_to(ROOT).as_posix(), name) for file in source_files()
            for name, _ in used_names(ast.parse(file.read_text(encoding='utf-8')))}
    for door, files in DOORS.items():
        for file in files:
            assert any(user == file and is_of(name, door) for user, name in used), (
                f'{file} does not use {door}')
