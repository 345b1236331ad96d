# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What training commands write and others read: captions, guides, tables, results."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import yaml

from anymodal_seg_ros.documents import read_yaml
from anymodal_seg_ros.models.segrgbx.clip_sizes import CLIP_SIZES
from anymodal_seg_ros.models.segrgbx.clip_tower import ModalityClip
from anymodal_seg_ros.resources import resource_path
from fuzzing.inputs import broken_json, broken_yaml, read_file, read_in
from fuzzing.mutation import damaged, pick
from fuzzing.target import Read, Target
from training.ma_clip.captions import read_captions
from training.ma_clip.config import MaClipConfig
from training.ma_clip.guide import write_guide
from training.settings import read_section
from training.tables.latency import LATENCY_FILE, Latency, read_latency
from training.tables.result import read_results
from training.tables.table import TableConfig

Rng = np.random.Generator


def targets(folder: Path) -> Iterator[Target]:
    """All readers of them. ``folder`` is as for ``files.targets``."""
    captions = {'format_version': 1, 'source': 'people', 'captions': {
        split: {f'sun/{split}/a/{i:06d}': 'a driving scene with road' for i in range(5)}
        for split in ('train', 'val')}}
    yield Target(name='captions', weight=1, prepare=lambda rng: read_file(
        folder / 'captions.json', broken_json(rng, captions),
        lambda path: read_captions(path, 'train')))
    yield _guide_target(folder / 'guide')
    yield _yaml_target(folder / 'ma_clip.yaml', 'captioned recipe', MaClipConfig.from_yaml,
                       'ma_clip/streets.yaml')
    yield _yaml_target(folder / 'table.yaml', 'table', _read_table, 'tables/networks.yaml')
    yield _result_target(folder / 'results')
    latency = asdict(Latency(host='a bench', precision='fp32', size_px=64, rows={
        'a': {'4': [1.0, 2.0], '2': [0.5], '1': [3]}}))
    yield Target(name='latency', weight=1, prepare=lambda rng: read_in(
        folder / 'latency', {LATENCY_FILE: broken_json(rng, latency)}, _shown))


def _yaml_target(path: Path, name: str, read: object, shipped: str) -> Target:
    text = (resource_path('config') / 'training' / shipped).read_text(encoding='utf-8')
    data = yaml.safe_load(text)
    return Target(name=name, weight=1, prepare=lambda rng: read_file(
        path, broken_yaml(rng, data, text), read))


def _guide_target(root: Path) -> Target:
    """One of its files is damaged; the others are right."""
    tower = ModalityClip(CLIP_SIZES['tiny'], ('depth',), 2)
    write_guide(root, tower, {})
    stored = {str(path.relative_to(root)): path.read_bytes() for path in root.glob('**/*')
              if path.suffix in ('.json', '.safetensors') and path.name != 'guide.json'}

    def prepare(rng: Rng) -> Read:
        name = pick(rng, sorted(stored))
        data = stored[name]
        broken = (broken_json(rng, json.loads(data)) if name.endswith('.json')
                  else damaged(rng, data))
        return read_in(root, {**stored, name: broken}, tower.load_pretrained)

    return Target(name='guide', weight=1, prepare=prepare)


def _read_table(path: Path) -> TableConfig:
    return read_section(TableConfig, '', read_yaml(path))


def _result_target(root: Path) -> Target:
    shipped = Path(__file__).resolve().parents[2] / 'docs' / 'results' / 'networks'
    data = json.loads((shipped / 'm_segformer-0.json').read_text(encoding='utf-8'))

    def read(folder: Path) -> None:
        for result in read_results(folder, 'm_segformer'):
            assert result.all_sensors >= 0

    return Target(name='result', weight=1, prepare=lambda rng: read_in(
        root, {'m_segformer-0.json': broken_json(rng, data)}, read))


def _shown(folder: Path) -> None:
    latency = read_latency(folder)
    assert latency is not None
    for row in latency.rows:
        latency.cell(row)
