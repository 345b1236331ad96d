# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights: bundles, checkpoints, encoders of others."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ros_streams.tiny_bundle import write_tiny_bundle
from safetensors.torch import save as save_safetensors

from anymodal_seg_ros.bundle import CONFIG_FILE, WEIGHTS_FILE, Artefact
from anymodal_seg_ros.bundle.tensors import load_tensors
from anymodal_seg_ros.bundle.weights import load_bundle
from anymodal_seg_ros.inference import build_segmenter
from anymodal_seg_ros.models.mit import MixTransformer
from anymodal_seg_ros.models.mit_sizes import BACKBONES
from anymodal_seg_ros.models.weights import load_encoder_weights
from anymodal_seg_ros.resources import resource_path
from fuzzing.inputs import broken_json, dumped, read_file, read_in
from fuzzing.mutation import altered, damaged, pick
from fuzzing.target import Read, Target
from training.checkpoint import KEYS, load_checkpoint, read_checkpoint
from training.train_config import TrainConfig

Rng = np.random.Generator
NUMBERS = (0.0, -0.0, 6e-8, 65504.0, -65504.0, np.inf, np.nan, 1.0)
TENSORS = (torch.zeros(0), torch.zeros(3, dtype=torch.float64), torch.tensor(1.0),
           torch.full((3,), torch.nan), torch.zeros(3, dtype=torch.bool), torch.zeros(4),
           torch.zeros(3, dtype=torch.complex64), torch.zeros(1).expand(3))


def targets(folder: Path) -> Iterator[Target]:
    """All readers of weights. ``folder`` is as for ``files.targets``."""
    yield from _bundle_targets(folder)
    yield _checkpoint_target(folder)
    yield _resumed_target(folder)
    yield _encoder_target(folder)


def _bundle_targets(folder: Path) -> Iterator[Target]:
    root = write_tiny_bundle(folder / 'bundle')
    words = save_safetensors({'road': torch.ones(3), 'sky': torch.zeros(2, 2).half()})
    declared = _declared(words)
    data = {**json.loads((root / CONFIG_FILE).read_text(encoding='utf-8')),
            'artefacts': [declared.to_dict()]}
    text = json.dumps(data, indent=2)
    weights = (root / WEIGHTS_FILE).read_bytes()
    length = int.from_bytes(weights[:8], 'little')
    header, few = weights[:8 + length], folder / 'few'
    few.mkdir()
    (few / CONFIG_FILE).write_text(text, encoding='utf-8')

    def description(rng: Rng) -> Read:
        files = {CONFIG_FILE: broken_json(rng, data), declared.file: words}
        if rng.random() < 0.3:
            broken = damaged(rng, words) or b'x'
            told = declared if rng.random() < 0.2 else _declared(broken)
            files = {CONFIG_FILE: json.dumps({**data, 'artefacts': [told.to_dict()]}).encode(),
                     declared.file: broken}
        return read_in(root, files, _read_with_artefacts)

    def tensors(rng: Rng) -> Read:
        """The header alone is read before it is believed; what it describes is left out."""
        table = json.loads(header[8:])
        if rng.random() < 0.6:
            changed = dumped(altered(rng, table)).encode('utf-8', 'surrogatepass')
            broken = len(changed).to_bytes(8, 'little') + changed
        else:
            broken = damaged(rng, header)
        return read_in(few, {WEIGHTS_FILE: broken + bytes(int(rng.integers(100)))}, load_bundle)

    yield Target(name='bundle', weight=1, prepare=description)
    yield Target(name='bundle weights', weight=1, prepare=tensors)
    yield _whole_bundle_target(folder / 'whole', json.loads(text), weights)


def _declared(data: bytes) -> Artefact:
    return Artefact.of(data, name='words', kind='text_embeddings', ending='.safetensors')


def _read_with_artefacts(root: Path) -> None:
    bundle, _ = load_bundle(root)
    for artefact in bundle.artefacts:
        load_tensors(root, artefact)


def _whole_bundle_target(root: Path, data: dict[str, Any], weights: bytes) -> Target:
    """All tensors with the right hash: of other types, and with other numbers in them. These are
    larger than other inputs, as no network is that small."""
    length = int.from_bytes(weights[:8], 'little')
    root.mkdir()

    def prepare(rng: Rng) -> Read:
        table = json.loads(weights[8:8 + length])
        body = bytearray(weights[8 + length:])
        if rng.random() < 0.7:
            for _ in range(int(rng.integers(1, 30))):
                at = 2 * int(rng.integers(len(body) // 2))
                body[at:at + 2] = np.float16(pick(rng, NUMBERS)).tobytes()
        else:
            entry = table[pick(rng, [name for name in table if name != '__metadata__'])]
            entry['dtype'] = pick(rng, ('F16', 'F32', 'BF16', 'I16', 'U8', 'BOOL', 'F8_E4M3', 'x'))
        header = json.dumps(table).encode()
        whole = len(header).to_bytes(8, 'little') + header + bytes(body)
        told = {**data, 'weights_sha256': hashlib.sha256(whole).hexdigest()}
        (root / WEIGHTS_FILE).write_bytes(whole)
        (root / CONFIG_FILE).write_text(json.dumps(told), encoding='utf-8')
        return lambda: build_segmenter(root, device='cpu', precision='fp32')

    return Target(name='bundle tensors', weight=1, prepare=prepare)


def _checkpoint_target(folder: Path) -> Target:
    network = {'a': torch.ones(3, 4)}
    state: dict[str, Any] = {
        **{key: {} for key in KEYS}, 'model': network, 'average': network,
        'progress': {'samples': 8, 'steps': 1, 'elapsed_s': 0.5},
        'recipe': {'seed': 1, 'data': {'root': 'x'}}}
    stream = io.BytesIO()
    torch.save(state, stream)
    stored = stream.getvalue()
    return Target(name='checkpoint', weight=2, prepare=lambda rng: read_file(
        folder / 'checkpoint.pt', damaged(rng, stored), read_checkpoint))


def _resumed_target(folder: Path) -> Target:
    """What is in a checkpoint, rather than its bytes: the archive around it is right."""
    recipe = TrainConfig.from_yaml(
        resource_path('config') / 'training' / 'debug.yaml').to_dict()
    network = {'head.weight': torch.ones(3, 4), 'head.bias': torch.zeros(3)}
    state: dict[str, Any] = {
        **{key: {} for key in KEYS}, 'model': network, 'average': network, 'world_size': 1,
        'progress': {'samples': 8, 'steps': 1, 'elapsed_s': 0.5}, 'recipe': recipe,
        'origins': {'teacher': 'a' * 64}}
    path = folder / 'resumed.pt'

    def prepare(rng: Rng) -> Read:
        changed = altered(rng, state)
        for key in ('model', 'average'):
            if isinstance(changed, dict) and isinstance(changed.get(key), dict) and (
                    rng.random() < 0.3):
                changed[key]['head.bias'] = pick(rng, TENSORS)
        torch.save(changed, path)
        return lambda: load_checkpoint(path, recipe, network, {'teacher': 'a' * 64})

    return Target(name='resumed run', weight=2, prepare=prepare)


def _encoder_target(folder: Path) -> Target:
    encoder = MixTransformer(BACKBONES['b0'])
    state = {f'block1.{i}.norm1.weight': torch.ones(4) for i in range(3)}
    stream = io.BytesIO()
    torch.save(state, stream)
    stored = [('.pth', stream.getvalue()), ('.safetensors', save_safetensors(state))]

    def prepare(rng: Rng) -> Read:
        suffix, data = pick(rng, stored)
        return read_file(folder / f'encoder{suffix}', damaged(rng, data),
                          lambda path: load_encoder_weights(encoder, path))

    return Target(name='encoder weights', weight=2, prepare=prepare)
