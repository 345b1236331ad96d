# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A bundle with its tensors: saved whole or not at all, loaded once every check has passed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from anymodal_seg_ros.bundle.description import Bundle
from anymodal_seg_ros.bundle.folder import (
    CONFIG_FILE,
    WEIGHTS_FILE,
    content_of,
    open_inside,
    read_signed,
    signed_text,
)
from anymodal_seg_ros.bundle.tensors import check_header, check_names, decoded, read_header
from anymodal_seg_ros.errors import BundleError
from anymodal_seg_ros.existence import exists, is_file
from anymodal_seg_ros.models import build_model
from anymodal_seg_ros.unfinished import whole_folder, write_errors

MAX_WEIGHTS_BYTES = 1 << 30


def save_bundle(
    path: str | Path, bundle: Bundle, state_dict: Mapping[str, Tensor],
    artefacts: Mapping[str, bytes] | None = None,
) -> None:
    """Write a bundle folder at once or not at all; an older bundle at ``path`` is replaced.

    Weights are stored as float16; running statistics and normalisation stay float32.

    Args:
        path: the folder.
        bundle: what to write.
        state_dict: weights of its network.
        artefacts: name to content of exactly those that the bundle declares.

    Raises:
        BundleError: weights that are not of this network, not finite or too large for float16;
            artefacts that are not the declared ones; data that JSON cannot hold; or ``path``
            exists and is no bundle.
        WriteError: the disk is full, or the folder cannot be written at all.
    """
    path = Path(path).resolve()
    if exists(path) and not is_file(path / CONFIG_FILE):
        raise BundleError(f'{path} exists and is no bundle; it is not overwritten')
    files = _artefact_files(bundle, artefacts or {})
    weights = save(_stored_weights(bundle, state_dict))
    text = signed_text(bundle, hashlib.sha256(weights).hexdigest())
    with whole_folder(path, replace=True) as folder, write_errors(path):
        folder.mkdir()
        for name, data in {WEIGHTS_FILE: weights, **files}.items():
            (folder / name).write_bytes(data)
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
    bundle, sha256 = read_signed(path)
    file = path / WEIGHTS_FILE
    with open_inside(path, WEIGHTS_FILE, max_weights_bytes) as stream:
        size = os.fstat(stream.fileno()).st_size
        check_header(file, read_header(file, stream, size), size, _expected_shapes(bundle))
        stream.seek(0)
        data = content_of(stream)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise BundleError(f'{file}: its SHA-256 is not the one in {CONFIG_FILE}; it was altered')
    state = decoded(file, data)
    state.update(_counters(bundle))
    return bundle, state


def _artefact_files(bundle: Bundle, given: Mapping[str, bytes]) -> dict[str, bytes]:
    declared = {artefact.name: artefact for artefact in bundle.artefacts}
    if set(given) != set(declared):
        raise BundleError(f'artefacts {sorted(given)} were given; declared: {sorted(declared)}')
    for name, artefact in declared.items():
        if not artefact.fits(given[name]):
            raise BundleError(f'artefact {name!r} is not of the declared size and SHA-256')
    return {artefact.file: given[name] for name, artefact in declared.items()}


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
    half = {name for name, value in model.state_dict(keep_vars=True).items()
            if isinstance(value, nn.Parameter)}
    expected = _expected_shapes(bundle)
    given = {k: v for k, v in state_dict.items() if v.dtype.is_floating_point}
    check_names('the state dict', expected, given)
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
