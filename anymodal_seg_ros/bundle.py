# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The deployable folder: weights, network, encoders, label space, provenance. Layer: bundle.

A bundle is ``bundle.json`` and ``weights.safetensors`` in one folder: data, never code. Nothing
of it is trusted before it is checked, and nothing is allocated for weights that do not fit.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from anymodal_seg_ros.documents import parse_json
from anymodal_seg_ros.errors import BundleError, ConfigError
from anymodal_seg_ros.existence import exists, is_dir, is_file
from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.models import MISSING_MODES, MODELS, build_model
from anymodal_seg_ros.unfinished import left_over, whole_folder, write_errors

FORMAT_VERSION = 1
CONFIG_FILE = 'bundle.json'
WEIGHTS_FILE = 'weights.safetensors'
MAX_CONFIG_BYTES = 1 << 20
MAX_HEADER_BYTES = 16 << 20
MAX_WEIGHTS_BYTES = 1 << 30
ITEM_BYTES = {'F16': 2, 'BF16': 2, 'F32': 4}
FROM_DATASET = {'source': 'dataset'}
"""Stands for an encoder's settings where a data set's authors encoded the images: such a bundle
is for training and evaluation, and no node can run it."""
KEYS = {
    'format_version',
    'model',
    'encoders',
    'label_space',
    'short_side_px',
    'missing_mode',
    'provenance',
    'weights_sha256',
}


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """Everything about a trained network but its weights. Raises ConfigError when inconsistent."""

    model_name: str
    model_config: Mapping[str, Any]
    """Plain data; settings left out are filled in with their defaults."""
    encoders: Mapping[str, Mapping[str, Any]]
    """Encoder settings of exactly the modalities of the network, or ``FROM_DATASET``."""
    label_space: LabelSpace
    short_side_px: int
    """Size of the shorter side of the network's input; the aspect is the camera's."""
    missing_mode: str = 'drop'
    """'drop': an absent modality is left out of the mean; 'zero': an input of zeros, after
    normalisation, takes its place."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """How it came about: recipe, seed, data, scores. JSON data."""

    def __post_init__(self) -> None:
        if not isinstance(self.model_name, str) or self.model_name not in MODELS:
            raise ConfigError(f'model {self.model_name!r}; allowed: {", ".join(MODELS)}')
        if not isinstance(self.model_config, Mapping):
            raise ConfigError(f'model config {self.model_config!r}; allowed: a table')
        config = MODELS[self.model_name].config.from_dict(self.model_config)
        object.__setattr__(self, 'model_config', config.to_dict())
        if config.num_classes != self.label_space.num_classes:
            raise ConfigError(
                f'the network has {config.num_classes} classes but label space '
                f'{self.label_space.name!r} has {self.label_space.num_classes}'
            )
        settings = self.encoders
        if (
            not isinstance(settings, Mapping)
            or set(settings) != set(config.modalities)
            or not all(isinstance(value, Mapping) for value in settings.values())
        ):
            raise ConfigError(
                f'encoders {settings!r}; allowed: one table of settings for each of '
                f'{", ".join(config.modalities)}'
            )
        side = self.short_side_px
        if isinstance(side, bool) or not isinstance(side, int) or not 32 <= side <= 4096:
            raise ConfigError(f'short_side_px {side!r}; allowed: an integer from 32 to 4096')
        if self.missing_mode not in MISSING_MODES:
            raise ConfigError(f'missing_mode {self.missing_mode!r}; allowed: {MISSING_MODES}')
        if not isinstance(self.provenance, Mapping):
            raise ConfigError(f'provenance {self.provenance!r}; allowed: a table')

    @property
    def modalities(self) -> tuple[str, ...]:
        """The network's modalities, in its order."""
        return tuple(self.model_config['modalities'])


def save_bundle(path: str | Path, bundle: Bundle, state_dict: Mapping[str, Tensor]) -> None:
    """Write a bundle folder at once or not at all; an older bundle at ``path`` is replaced.

    Weights are stored as float16; running statistics and normalisation stay float32.

    Raises:
        BundleError: weights that are not of this network, not finite or too large for float16;
            data that JSON cannot hold; or ``path`` exists and is no bundle.
        WriteError: the disk is full, or the folder cannot be written at all.
    """
    path = Path(path).resolve()
    if exists(path) and not is_file(path / CONFIG_FILE):
        raise BundleError(f'{path} exists and is no bundle; it is not overwritten')
    weights = save(_stored_weights(bundle, state_dict))
    text = _config_text(bundle, hashlib.sha256(weights).hexdigest())
    with whole_folder(path, replace=True) as folder, write_errors(path):
        folder.mkdir()
        (folder / WEIGHTS_FILE).write_bytes(weights)
        (folder / CONFIG_FILE).write_text(text, encoding='utf-8')


def load_bundle(
    path: str | Path, *, max_weights_bytes: int = MAX_WEIGHTS_BYTES
) -> tuple[Bundle, dict[str, Tensor]]:
    """Read and check a bundle folder; the state dict fits the network strictly.

    Raises:
        BundleError: anything missing, unknown, oversized, inconsistent or altered; the message
            names the file and what is allowed.
    """
    path = Path(path)
    if not is_dir(path):
        raise BundleError(f'no bundle folder at {path}{left_over(path)}')
    bundle, sha256 = _load_config(path)
    file = path / WEIGHTS_FILE
    with _open_inside(path, WEIGHTS_FILE, max_weights_bytes) as stream:
        expected = _expected_shapes(bundle)
        _check_header(file, stream, expected)
        stream.seek(0)
        data = stream.read(max_weights_bytes + 1)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise BundleError(f'{file}: its SHA-256 is not the one in {CONFIG_FILE}; it was altered')
    try:
        state = load(data)
    except SafetensorError as error:
        raise BundleError(f'{file}: {error}') from None
    for name, value in state.items():
        if not torch.isfinite(value).all():
            raise BundleError(f'{file}: {name} has values that are not finite')
    state.update(_counters(bundle))
    return bundle, state


def _meta_state(bundle: Bundle) -> dict[str, Tensor]:
    with torch.device('meta'):
        return build_model(bundle.model_name, bundle.model_config).state_dict()


def _expected_shapes(bundle: Bundle) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all stored tensors. Integer counters are not stored."""
    state = _meta_state(bundle)
    return {k: tuple(v.shape) for k, v in state.items() if v.dtype.is_floating_point}


def _counters(bundle: Bundle) -> dict[str, Tensor]:
    state = _meta_state(bundle)
    return {
        name: torch.zeros(value.shape, dtype=value.dtype)
        for name, value in state.items()
        if not value.dtype.is_floating_point
    }


def _stored_weights(bundle: Bundle, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    with torch.device('meta'):
        model = build_model(bundle.model_name, bundle.model_config)
    half = {name for name, _ in model.named_parameters()}
    expected = _expected_shapes(bundle)
    given = {k: v for k, v in state_dict.items() if v.dtype.is_floating_point}
    _check_names('the state dict', expected, given)
    stored = {}
    for name, shape in expected.items():
        value = given[name].detach().cpu()
        if tuple(value.shape) != shape:
            raise BundleError(f'{name} is {tuple(value.shape)}; the network has {shape}')
        value = value.to(torch.float16 if name in half else torch.float32).contiguous()
        if not torch.isfinite(value).all():
            raise BundleError(f'{name} is not finite or exceeds the range of float16')
        stored[name] = value.clone()
    return stored


def _config_text(bundle: Bundle, sha256: str) -> str:
    data = {
        'format_version': FORMAT_VERSION,
        'model': {'name': bundle.model_name, 'config': dict(bundle.model_config)},
        'encoders': {name: dict(value) for name, value in bundle.encoders.items()},
        'label_space': bundle.label_space.to_dict(),
        'short_side_px': bundle.short_side_px,
        'missing_mode': bundle.missing_mode,
        'provenance': dict(bundle.provenance),
        'weights_sha256': sha256,
    }
    try:
        text = json.dumps(data, indent=2, allow_nan=False) + '\n'
    except (TypeError, ValueError) as error:
        raise BundleError(f'{CONFIG_FILE} cannot be written: {error}') from None
    if len(text.encode()) > MAX_CONFIG_BYTES:
        raise BundleError(f'{CONFIG_FILE} has {len(text)} bytes; at most {MAX_CONFIG_BYTES}')
    return text


def _open_inside(folder: Path, name: str, max_bytes: int) -> BinaryIO:
    """Open a regular file of limited size that really lies in the folder."""
    file = folder / name
    try:
        if file.resolve(strict=True).parent != folder.resolve(strict=True):
            raise BundleError(f'{file} is a link out of the bundle; it must lie in the folder')
        # Opening a named pipe would wait for whoever writes into it.
        if not is_file(file):
            raise BundleError(f'{file} is no regular file')
        stream = file.open('rb')
    except FileNotFoundError:
        inner = folder / 'bundle'
        hint = f'; the bundle of this run is {inner}' if is_file(inner / name) else ''
        raise BundleError(f'{file} is missing{hint}') from None
    except (OSError, RuntimeError) as error:
        raise BundleError(f'{file} cannot be opened: {error}') from None
    status = os.fstat(stream.fileno())
    if not stat.S_ISREG(status.st_mode) or status.st_size > max_bytes:
        stream.close()
        raise BundleError(f'{file} has {status.st_size} bytes; allowed: at most {max_bytes}')
    return stream


def _load_config(folder: Path) -> tuple[Bundle, str]:
    file = folder / CONFIG_FILE
    with _open_inside(folder, CONFIG_FILE, MAX_CONFIG_BYTES) as stream:
        data = _parse_json(file, stream.read(MAX_CONFIG_BYTES + 1))
    _check_keys(file, 'bundle', data, KEYS)
    if data['format_version'] != FORMAT_VERSION:
        raise BundleError(
            f'{file}: format_version {data["format_version"]!r}; allowed: {FORMAT_VERSION}'
        )
    model, sha256 = data['model'], data['weights_sha256']
    _check_keys(file, 'model', model, {'name', 'config'})
    if not isinstance(sha256, str):
        raise BundleError(f'{file}: weights_sha256 {sha256!r}; allowed: 64 hexadecimal digits')
    try:
        bundle = Bundle(
            model_name=model['name'],
            model_config=model['config'],
            encoders=data['encoders'],
            label_space=LabelSpace.from_dict(data['label_space']),
            short_side_px=data['short_side_px'],
            missing_mode=data['missing_mode'],
            provenance=data['provenance'],
        )
    except (ConfigError, TypeError) as error:
        raise BundleError(f'{file}: {error}') from None
    # A default that changes in a later version must not change an old bundle.
    _check_keys(file, 'model config', model['config'], set(bundle.model_config))
    return bundle, sha256


def _parse_json(file: Path, data: bytes) -> Any:  # noqa: ANN401  # whatever JSON holds
    try:
        return parse_json(data, str(file), refuse_constants=True)
    except ConfigError as error:
        raise BundleError(str(error)) from None


def _check_keys(file: Path, what: str, table: object, allowed: set[str]) -> None:
    if not isinstance(table, dict) or set(table) != allowed:
        found = sorted(table) if isinstance(table, dict) else repr(table)
        raise BundleError(f'{file}: {what} must have exactly {sorted(allowed)}, not {found}')


def _check_names(
    where: object, expected: Mapping[str, object], found: Mapping[str, object]
) -> None:
    missing, unknown = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if missing or unknown:
        raise BundleError(
            f'{where} does not fit the network: {len(missing)} missing {missing[:3]}, '
            f'{len(unknown)} unknown {unknown[:3]}'
        )


def _check_header(file: Path, stream: BinaryIO, expected: Mapping[str, tuple[int, ...]]) -> None:
    """Check names, types, shapes and extents from the header alone."""
    size = os.fstat(stream.fileno()).st_size
    length = int.from_bytes(stream.read(8), 'little')
    if size < 8 or not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
        raise BundleError(
            f'{file} with {size} bytes claims a header of {length}; it is truncated or no '
            f'safetensors file (header at most {MAX_HEADER_BYTES})'
        )
    header = _parse_json(file, stream.read(length))
    if not isinstance(header, dict):
        raise BundleError(f'{file}: the header is not a table')
    header.pop('__metadata__', None)
    _check_names(file, expected, header)
    spans = [_checked_span(file, name, header[name], expected[name]) for name in expected]
    end = 0
    for start, stop in sorted(spans):
        if start != end:
            raise BundleError(f'{file}: tensors overlap or leave gaps at byte {start}')
        end = stop
    if 8 + length + end != size:
        raise BundleError(f'{file} has {size} bytes but its header describes {8 + length + end}')


def _checked_span(
    file: Path, name: str, entry: object, shape: tuple[int, ...]
) -> tuple[int, int]:
    if not isinstance(entry, dict) or set(entry) != {'dtype', 'shape', 'data_offsets'}:
        raise BundleError(f'{file}: {name} is described by {entry!r}')
    dtype, offsets = entry['dtype'], entry['data_offsets']
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        raise BundleError(f'{file}: {name} is {dtype!r}; allowed: {", ".join(ITEM_BYTES)}')
    if entry['shape'] != list(shape):
        raise BundleError(f'{file}: {name} is {entry["shape"]}; the network has {list(shape)}')
    valid = isinstance(offsets, list) and [type(v) for v in offsets] == [int, int]
    num_bytes = ITEM_BYTES[dtype] * torch.Size(shape).numel()
    if not valid or offsets[0] < 0 or offsets[1] - offsets[0] != num_bytes:
        raise BundleError(f'{file}: {name} lies at {offsets!r}; it has {num_bytes} bytes')
    return offsets[0], offsets[1]
