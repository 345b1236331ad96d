# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Captions as CLIP's text tower sees them: once for each text, before the training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from anymodal_seg_ros import limits
from anymodal_seg_ros.documents import read_json
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import is_file
from anymodal_seg_ros.models.safetensors_file import read_tensors
from anymodal_seg_ros.models.segrgbx.clip_folder import (
    CONFIG_FILE,
    DEFAULT_DIM,
    MAX_CONFIG_BYTES,
    PROJECTION,
    WEIGHTS_FILE,
    WHOLE,
)
from anymodal_seg_ros.models.segrgbx.clip_sizes import ACTIVATIONS
from anymodal_seg_ros.models.segrgbx.clip_tower import library

NUMBERS: Mapping[str, tuple[int, int]] = {
    'vocab_size': (49408, 1 << 20),
    'hidden_size': (512, 4096),
    'intermediate_size': (2048, 16384),
    'num_hidden_layers': (12, 64),
    'num_attention_heads': (8, 64),
    'max_position_embeddings': (77, 4096),
    'bos_token_id': (49406, 1 << 20),
    'eos_token_id': (49407, 1 << 20),
}
"""Key of a text config to what it is where it is left out, and the most that is allowed."""
TOKENIZER_FILES = ('tokenizer.json', 'vocab.json')
"""One of them is needed."""
LOGIT_SCALE = 'logit_scale'
BATCH = 256


def embed_texts(folder: Path, texts: Sequence[str], device: torch.device) -> Tensor:
    """float32 [T, D] of unit length, on the CPU; long texts are cut as CLIP cuts them.

    Raises:
        ConfigError: the folder has no text tower or no tokenizer, or they do not fit.
    """
    if not any(is_file(folder / name) for name in TOKENIZER_FILES):
        raise ConfigError(f'{folder} has no tokenizer; put {" or ".join(TOKENIZER_FILES)} of that '
                          'CLIP there, and what lies beside it')
    config = _text_config(folder)
    batches = _tokenized(folder, texts, config['max_position_embeddings'])
    highest = max(int(ids_BT.max()) for ids_BT, _ in batches)
    if highest >= config['vocab_size']:
        raise ConfigError(f'{folder}: its tokenizer gives token {highest}; the text tower has '
                          f'{config["vocab_size"]}')
    model = _text_tower(folder, config).to(device)
    parts = []
    with torch.inference_mode():
        for ids_BT, mask_BT in tqdm(batches, desc='embedding captions', unit='batch',
                                    disable=len(batches) == 1):
            vectors = model(input_ids=ids_BT.to(device),
                            attention_mask=mask_BT.to(device)).text_embeds
            parts.append(F.normalize(vectors, dim=-1).cpu())
    return torch.cat(parts).clone()


def read_logit_scale(folder: Path) -> float:
    """What CLIP multiplies cosines by; raises ConfigError."""
    stored = read_tensors(folder / WEIGHTS_FILE, {LOGIT_SCALE: ()})
    scale = math.exp(min(float(stored[LOGIT_SCALE]), 100.0))
    # Its authors keep it from growing beyond 100.
    limits.number(f'{folder}: exp({LOGIT_SCALE})', scale, 1e-3, 101)
    return scale


def _tokenized(folder: Path, texts: Sequence[str], length: int) -> list[tuple[Tensor, Tensor]]:
    """Tokens and their mask, int64 [B, T] each, of batches of texts."""
    transformers = library('transformers')
    try:
        tokenizer = transformers.CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)
        found = [tokenizer(list(texts[begin:begin + BATCH]), padding=True, truncation=True,
                           max_length=length, return_tensors='pt')
                 for begin in range(0, len(texts), BATCH)]
    except Exception as error:  # noqa: BLE001 - nothing more special comes from its Rust part
        raise ConfigError(f'{folder}: its tokenizer cannot be used: {error}') from None
    return [(batch.input_ids, batch.attention_mask) for batch in found]


def _text_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG_FILE
    data = read_json(path, MAX_CONFIG_BYTES)
    limits.table(str(path), data)
    if data.get('model_type') != WHOLE or not isinstance(data.get('text_config'), Mapping):
        raise ConfigError(f'{path} is of no whole CLIP: it has no text tower, which training '
                          'needs')
    text = data['text_config']
    config: dict[str, Any] = {}
    for key, (default, most) in NUMBERS.items():
        config[key] = text.get(key, default)
        limits.whole(f'{path}: text_config.{key}', config[key], int(not key.endswith('_id')), most)
    if config['hidden_size'] % config['num_attention_heads']:
        raise ConfigError.of(f'{path}: text_config.hidden_size', config['hidden_size'],
                             f'multiples of num_attention_heads, {config["num_attention_heads"]}')
    config['hidden_act'] = text.get('hidden_act', ACTIVATIONS[0])
    limits.one_of(f'{path}: text_config.hidden_act', config['hidden_act'], ACTIVATIONS)
    config[PROJECTION] = data.get(PROJECTION, DEFAULT_DIM)
    limits.whole(f'{path}: {PROJECTION}', config[PROJECTION], 1, 4096)
    return config


def _text_tower(folder: Path, config: Mapping[str, Any]) -> nn.Module:
    transformers = library('transformers')

    def build() -> nn.Module:
        model: nn.Module = transformers.CLIPTextModelWithProjection(
            transformers.CLIPTextConfig(**config))
        return model

    with torch.device('meta'):
        shapes = {name: tuple(value.shape) for name, value in build().state_dict().items()}
    # A config may claim any size: what the file holds is looked at before memory is taken.
    weights = read_tensors(folder / WEIGHTS_FILE, shapes)
    model = build()
    model.load_state_dict(weights)
    return model.eval().requires_grad_(False)
