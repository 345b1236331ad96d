# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weights of MiT encoders from local files, strictly. Layer: models; torch only.

Three layouts are read: the original one of ImageNet's weights (``mit_b0.pth``), that of Hugging
Face (``nvidia/mit-b0``: a folder or file with ``model.safetensors`` or ``pytorch_model.bin``), and
a bundle of a network here, or its ``weights.safetensors``, with one encoder and one stem.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import is_file
from anymodal_seg_ros.models.mit import MixTransformer
from anymodal_seg_ros.models.state import check_state
from anymodal_seg_ros.models.torch_file import READ_ERRORS, load_torch_file

FILES = ('model.safetensors', 'pytorch_model.bin', 'weights.safetensors')

ORIGINAL_RULES = (
    (r'patch_embed1\.(proj|norm)\.', r'stem.\1.'),
    (r'patch_embed(\d)\.(proj|norm)\.', r'stages.\1.patch_embed.\2.'),
    (r'block(\d)\.(\d+)\.norm(\d)\.', r'stages.\1.blocks.\2.norm\3.'),
    (r'block(\d)\.(\d+)\.attn\.(q|kv|proj)\.', r'stages.\1.blocks.\2.attention.\3.'),
    (r'block(\d)\.(\d+)\.attn\.sr\.', r'stages.\1.blocks.\2.attention.reduce.'),
    (r'block(\d)\.(\d+)\.attn\.norm\.', r'stages.\1.blocks.\2.attention.reduce_norm.'),
    (r'block(\d)\.(\d+)\.mlp\.(fc1|fc2)\.', r'stages.\1.blocks.\2.ffn.\3.'),
    (r'block(\d)\.(\d+)\.mlp\.dwconv\.dwconv\.', r'stages.\1.blocks.\2.ffn.dwconv.'),
    (r'norm(\d)\.', r'stages.\1.norm.'),
)
"""Full-prefix patterns of the original names; stages count from 1."""

HF_RULES = (
    (r'patch_embeddings\.0\.proj\.', 'stem.proj.'),
    (r'patch_embeddings\.0\.layer_norm\.', 'stem.norm.'),
    (r'patch_embeddings\.(\d)\.proj\.', r'stages.\1.patch_embed.proj.'),
    (r'patch_embeddings\.(\d)\.layer_norm\.', r'stages.\1.patch_embed.norm.'),
    (r'block\.(\d)\.(\d+)\.layer_norm_(\d)\.', r'stages.\1.blocks.\2.norm\3.'),
    (r'block\.(\d)\.(\d+)\.attention\.self\.query\.', r'stages.\1.blocks.\2.attention.q.'),
    (r'block\.(\d)\.(\d+)\.attention\.self\.(key|value)\.', r'stages.\1.blocks.\2.attention.\3.'),
    (r'block\.(\d)\.(\d+)\.attention\.output\.dense\.', r'stages.\1.blocks.\2.attention.proj.'),
    (r'block\.(\d)\.(\d+)\.attention\.self\.sr\.', r'stages.\1.blocks.\2.attention.reduce.'),
    (
        r'block\.(\d)\.(\d+)\.attention\.self\.layer_norm\.',
        r'stages.\1.blocks.\2.attention.reduce_norm.',
    ),
    (r'block\.(\d)\.(\d+)\.mlp\.dense(1|2)\.', r'stages.\1.blocks.\2.ffn.fc\3.'),
    (r'block\.(\d)\.(\d+)\.mlp\.dwconv\.dwconv\.', r'stages.\1.blocks.\2.ffn.dwconv.'),
    (r'layer_norm\.(\d)\.', r'stages.\1.norm.'),
)
"""Full-prefix patterns of the Hugging Face names, below ``segformer.encoder.``; from 0."""

ORIGINAL_CLASSIFIER = ('head.weight', 'head.bias')
HF_CLASSIFIER = ('classifier.weight', 'classifier.bias')
HF_PREFIX = 'segformer.encoder.'
OWN_PREFIX, OWN_STEM = 'encoder.', r'stems\.\w+\.'


def load_encoder_weights(encoder: nn.Module, path: str | Path) -> None:
    """Load an encoder's weights into a MixTransformer, or into every one that a module holds.

    Every stem gets a copy of the file's one stem. The ImageNet classifier, and of a bundle all but
    the encoder, is left out. Any other missing or unexpected name is an error.

    Raises:
        ConfigError: no such file, unreadable, or names or shapes that do not fit.
    """
    path = _weights_file(Path(path))
    state = _read(path)
    converted = _converted(state)
    for part in encoder.modules():
        if isinstance(part, MixTransformer):
            _load(part, path, converted)


def _load(encoder: MixTransformer, path: Path, converted: Mapping[str, Tensor]) -> None:
    loaded = {}
    for name, value in converted.items():
        if name.startswith('stem.'):
            loaded.update({f'stems.{s}.{name[5:]}': value for s in encoder.stems})
        else:
            loaded[name] = value
    check_state(f'the file of encoder weights {path}', encoder.state_dict(), loaded)
    encoder.load_state_dict(loaded)


def _weights_file(path: Path) -> Path:
    if is_file(path):
        return path
    for name in FILES:
        if is_file(path / name):
            return path / name
    raise ConfigError(
        f'no encoder weights at {path}; allowed: a .pth, .bin or .safetensors file '
        f'or a folder with {" or ".join(FILES)}'
    )


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix == '.safetensors':
        return _read_safetensors(path)
    try:
        state = load_torch_file(path)
    except ConfigError as error:
        raise ConfigError(f'encoder weights: {error}') from None
    if isinstance(state, dict) and isinstance(state.get('state_dict'), dict):
        state = state['state_dict']
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ConfigError(f'encoder weights {path}: not a table of names and tensors')
    return state


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, *READ_ERRORS) as error:
        raise ConfigError(f'encoder weights: {path} cannot be read: {error}') from None


def _converted(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """With the encoder's own names, but for its stem."""
    if any('patch_embeddings.' in name for name in state):
        return _from_hugging_face(state)
    if any(name.startswith(OWN_PREFIX) for name in state):
        return _from_own(state)
    return _from_original(state)


def _from_own(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    encoder = {
        name.removeprefix(OWN_PREFIX): value
        for name, value in state.items()
        if name.startswith(OWN_PREFIX)
    }
    stems = {match[0] for name in encoder if (match := re.match(OWN_STEM, name))}
    # Of several no one is the encoder's; they keep their names, which then fit nowhere.
    [stem] = stems if len(stems) == 1 else ['']
    return {
        f'stem.{name.removeprefix(stem)}' if stem and name.startswith(stem) else name: value
        for name, value in encoder.items()
    }


def _from_original(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        _renamed(name, ORIGINAL_RULES, 1): value
        for name, value in state.items()
        if name not in ORIGINAL_CLASSIFIER
    }


def _from_hugging_face(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    converted = {
        _renamed(name.removeprefix(HF_PREFIX), HF_RULES, 0): value
        for name, value in state.items()
        if name not in HF_CLASSIFIER
    }
    for name in [name for name in converted if '.attention.key.' in name]:
        value_name = name.replace('.key.', '.value.')
        if value_name in converted:
            kv = torch.cat([converted.pop(name), converted.pop(value_name)])
            converted[name.replace('.key.', '.kv.')] = kv
    return converted


def _renamed(name: str, rules: tuple[tuple[str, str], ...], first_stage: int) -> str:
    """The encoder's own name, or the name as it is where no rule fits."""
    for pattern, replacement in rules:
        match = re.match(pattern, name)
        if match:
            renamed = match.expand(replacement) + name[match.end() :]
            return re.sub(
                r'^stages\.(\d)', lambda m: f'stages.{int(m[1]) - first_stage}', renamed
            )
    return name
