# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files: tables in YAML and JSON, data sets."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import yaml

from anymodal_seg_ros.corruption import FaultSchedule
from anymodal_seg_ros.labels import load_label_space
from anymodal_seg_ros.resources import resource_path
from anymodal_seg_ros.ros.launch_arguments import parameters
from anymodal_seg_ros.sim.vehicle import load_sensors
from fuzzing.inputs import broken_json, broken_yaml, dumped, read_file, read_in
from fuzzing.mutation import (
    HOSTILE_TEXTS,
    HOSTILE_VALUES,
    altered_text,
    damaged,
    pick,
    with_checksums,
)
from fuzzing.target import Read, Target
from training.datasets import DATASETS, load_label_map
from training.datasets.files import LabelTable, read_array, read_labels, read_list
from training.extraction.job import splits_from_yaml
from training.extraction.label_codes import load_label_codes
from training.report.run_folder import read_run
from training.train_config import TrainConfig

Rng = np.random.Generator


def targets(folder: Path) -> Iterator[Target]:
    """All readers of files. ``folder`` is an empty one for their inputs, best in memory."""
    yield from _tables(folder)
    yield from _datasets(folder)


# Tables


def _tables(folder: Path) -> Iterator[Target]:
    config = resource_path('config')
    readers: dict[str, tuple[Path, str, Callable[[Path], object]]] = {
        'label space': (config / 'labels', 'deliver.yaml', load_label_space),
        'fault schedule': (config / 'faults', 'every_sensor.yaml', FaultSchedule.from_yaml),
        'recipe': (config / 'training', 'debug.yaml', TrainConfig.from_yaml),
        'vehicle sensors': (config / 'sensors', 'sim.yaml', load_sensors),
        'label map': (config / 'label_maps', 'cityscapes-to-deliver.yaml', load_label_map),
        'label codes': (config / 'label_maps', 'carla-0.9.14.yaml', load_label_codes),
        'parameter file': (config, 'anymodal_seg.yaml', lambda path: parameters(str(path))),
    }
    for name, (place, file, read) in readers.items():
        text = (place / file).read_text(encoding='utf-8')
        yield _yaml_target(folder, name, text, read)
    yield _override_target()
    splits = yaml.safe_dump({f'drive_{i}': 'train' for i in range(9)})
    yield _yaml_target(folder, 'splits', splits, splits_from_yaml)


def _override_target() -> Target:
    recipe = resource_path('config') / 'training' / 'debug.yaml'
    keys = ('seed', 'output', 'data.root', 'data.workers', 'optim.lr', 'optim', 'method.name',
            'method.options.kernel', 'model.backbone', 'stages', 'stages.0', 'dropout', 'x', '')
    taken = ('seed=3', 'output=out', 'data.root=data', 'data.workers=0', 'device=cpu')

    def prepare(rng: Rng) -> Read:
        given = []
        for _ in range(int(rng.integers(1, 5))):
            if rng.random() < 0.7:
                given.append(pick(rng, taken))
                continue
            value = dumped(pick(rng, HOSTILE_VALUES)) if rng.random() < 0.5 else str(
                pick(rng, HOSTILE_TEXTS))
            text = f'{pick(rng, keys)}={value}'
            given.append(altered_text(rng, text) if rng.random() < 0.2 else text)
        return lambda: TrainConfig.from_yaml(recipe, tuple(given))

    return Target(name='override', weight=2, prepare=prepare)


def _yaml_target(folder: Path, name: str, text: str, read: Callable[[Path], object]) -> Target:
    path = folder / f'{name.replace(" ", "_")}.yaml'
    data = yaml.safe_load(text)

    def prepare(rng: Rng) -> Read:
        return read_file(path, broken_yaml(rng, data, text), read)

    return Target(name=name, weight=2, prepare=prepare)


# Data sets


def _datasets(folder: Path) -> Iterator[Target]:
    names = [f'img/rec_{i:03d}.png' for i in range(20)]
    listed = '\n'.join(names).encode()
    yield Target(name='data set list', weight=2, prepare=lambda rng: read_file(
        folder / 'list.txt', damaged(rng, listed * int(rng.choice([1, 1, 1, 100]))), read_list))
    yield _array_target(folder)
    yield _label_target(folder)
    yield _recorded_target(folder)
    yield _manifest_target(folder / 'manifest')
    yield _run_target(folder)


def _array_target(folder: Path) -> Target:
    rng = np.random.default_rng(5)
    stored = []
    for array in (rng.random((8, 12), np.float32), rng.integers(0, 9, (8, 12)),
                  np.zeros((200, 100)), np.array([{'a': 1}], dtype=object)):
        plain, packed = io.BytesIO(), io.BytesIO()
        np.save(plain, array, allow_pickle=True)
        np.savez_compressed(packed, array)
        stored += [('.npy', plain.getvalue()), ('.npz', packed.getvalue())]
    bomb = io.BytesIO()
    np.savez_compressed(bomb, np.zeros((8000, 8000), np.uint8))
    stored.append(('.npz', bomb.getvalue()))

    def prepare(rng: Rng) -> Read:
        suffix, data = stored[-1] if rng.random() < 0.002 else pick(rng, stored[:-1])
        broken = damaged(rng, data, pick(rng, stored)[1]) if rng.random() < 0.97 else data
        return read_file(folder / f'array{suffix}', broken, read_array)

    return Target(name='array', weight=3, prepare=prepare)


def _label_target(folder: Path) -> Target:
    rng = np.random.default_rng(6)
    table = LabelTable.plain(25)
    stored = [cv2.imencode('.png', rng.integers(0, 25, size).astype(np.uint8))[1].tobytes()
              for size in ((8, 12), (8, 12, 3), (8, 12, 4))]

    def prepare(rng: Rng) -> Read:
        data = pick(rng, stored)
        if rng.random() < 0.3:
            data = data[:24] + bytes([int(rng.choice([1, 2, 4, 8, 16])),
                                      int(rng.choice([0, 2, 3, 4, 6]))]) + data[26:]
        broken = damaged(rng, data, pick(rng, stored)) if rng.random() < 0.8 else data
        return read_file(folder / 'labels.png', with_checksums(broken)
                          if rng.random() < 0.7 else broken,
                          lambda path: read_labels(path, table))

    return Target(name='label image', weight=3, prepare=prepare)


def _recorded_target(folder: Path) -> Target:
    root = folder / 'recorded'
    png = cv2.imencode('.png', np.ones((8, 12, 3), np.uint8))[1].tobytes()
    files = {f'a/{name}/000000.png': png for name in ('rgb', 'depth', 'label')}
    read_in(root, files, lambda path: None)
    data = {'layout': 'recorded', 'format_version': 1, 'modalities': ['rgb', 'depth'],
            'recordings': {'a': {'split': 'train', 'condition': 'sun'}},
            'label_space': load_label_space('cityscapes').to_dict()}
    line = {'id': 'a/000000', 'label': {'stamp_ns': 1, 'dt_ns': 0},
            'members': {'rgb': {'stamp_ns': 1}, 'depth': {'stamp_ns': 1}}}

    def read(path: Path) -> object:
        return DATASETS['recorded'](path, 'train')[0]

    def prepare(rng: Rng) -> Read:
        changed = broken_json(rng, data) if rng.random() < 0.5 else json.dumps(data).encode()
        lines = b'\n'.join(broken_json(rng, line) if rng.random() < 0.3
                           else json.dumps(line).encode() for _ in range(3))
        return read_in(root, {'dataset.json': changed, 'a/frames.jsonl': lines}, read)

    return Target(name='recorded data set', weight=3, prepare=prepare)


def _manifest_target(root: Path) -> Target:
    png = cv2.imencode('.png', np.ones((8, 12, 3), np.uint8))[1].tobytes()
    read_in(root, {f'{place}/sun/train/MAP_1_point1/000000_{name}_front.png': png
                   for place, name in (('img', 'rgb'), ('semantic', 'semantic'))},
            lambda path: None)
    manifest = json.dumps({'name': 'streets', 'frames': 9, 'classes': ['a', 'b']})

    def prepare(rng: Rng) -> Read:
        changed = altered_text(rng, manifest).encode('utf-8', 'surrogatepass')
        return read_in(root, {'dataset.json': changed},
                       lambda path: DATASETS['deliver'](path, 'train', ['rgb']).describe())

    return Target(name='data set manifest', weight=1, prepare=prepare)


def _run_target(folder: Path) -> Target:
    recipe = (resource_path('config') / 'training' / 'debug.yaml').read_text(encoding='utf-8')
    metrics = 'step,samples,elapsed_s,lr,loss\n' + ''.join(
        f'{i},{8 * i},{i / 2},0.001,{1 / (i + 1)}\n' for i in range(9))
    scores = {'subsets': {'rgb': {'miou': 1.0, 'frames': 2}}, 'missing_mode': 'drop'}

    def prepare(rng: Rng) -> Read:
        return read_in(folder / 'run', {
            'recipe.yaml': broken_yaml(rng, yaml.safe_load(recipe), recipe)
            if rng.random() < 0.3 else b'seed: 1\n',
            'metrics.csv': damaged(rng, metrics.encode()),
            'scores.json': broken_json(rng, scores),
            'robustness.json': broken_json(rng, scores),
            'bundle/bundle.json': broken_json(rng, {'label_space': load_label_space(
                'mfnet').to_dict(), 'provenance': scores})}, read_run)

    return Target(name='training run', weight=1, prepare=prepare)
