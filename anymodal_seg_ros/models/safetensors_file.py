# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of tensors that others made, read by name. Layer: models; torch only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import is_file

FLOATS = ('F16', 'BF16', 'F32')


def check_tensors(path: Path, wanted: Mapping[str, tuple[int, ...]]) -> None:
    """Raises ConfigError unless the file says it has these tensors; none of them is read."""
    with _opened(path, wanted):
        pass


def read_tensors(path: Path, wanted: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """float32 tensors of these names and shapes; what else is in the file is not read.

    Raises:
        ConfigError: no such file, or damaged; a tensor is missing, of another shape, no float, or
            not finite. It names the file and the tensor.
    """
    with _opened(path, wanted) as file:
        tensors = {name: file.get_tensor(name).float() for name in wanted}
    for name, value in tensors.items():
        if not torch.isfinite(value).all():
            raise ConfigError(f'{path}: {name} has values that are not finite')
    return tensors


@contextmanager
def _opened(path: Path, wanted: Mapping[str, tuple[int, ...]]) -> Iterator[Any]:
    """The file, of which names, shapes and types are looked at before memory is taken for it."""
    if not is_file(path):
        raise ConfigError(f'no file {path}')
    try:
        with safe_open(path, framework='pt') as file:
            missing = sorted(set(wanted) - set(file.keys()))
            if missing:
                raise ConfigError(f'{path} has no {missing[0]}; {len(missing)} of {len(wanted)} '
                                  'tensors are missing')
            for name, shape in wanted.items():
                kept = file.get_slice(name)
                if tuple(kept.get_shape()) != shape or kept.get_dtype() not in FLOATS:
                    raise ConfigError(
                        f'{path}: {name} is {kept.get_dtype()} {list(kept.get_shape())}; '
                        f'allowed: {", ".join(FLOATS)} {list(shape)}')
            yield file
    except (SafetensorError, OSError) as error:
        raise ConfigError(f'{path} cannot be read: {error}') from None
