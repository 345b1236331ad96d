# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Damaged text as bytes, and inputs as files of less than ``MAX_INPUT_BYTES``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fuzzing.mutation import altered, altered_text, damaged
from fuzzing.target import MAX_INPUT_BYTES, Read

Rng = np.random.Generator


def read_file(path: Path, data: bytes, read: Callable[[Path], object]) -> Read:
    path.write_bytes(data[:MAX_INPUT_BYTES - 1])
    return lambda: read(path)


def read_in(root: Path, files: dict[str, bytes], read: Callable[[Path], object]) -> Read:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data[:MAX_INPUT_BYTES - 1])
    return lambda: read(root)


def broken_yaml(rng: Rng, data: Any, text: str) -> bytes:  # noqa: ANN401 - what YAML holds
    kind = rng.random()
    if kind < 0.4:
        return dumped(altered(rng, data)).encode('utf-8', 'surrogatepass')
    if kind < 0.85:
        return altered_text(rng, text).encode('utf-8', 'surrogatepass')
    if kind < 0.99:
        return damaged(rng, text.encode())
    return (text * 10_000).encode()[:MAX_INPUT_BYTES - 1]


def dumped(data: Any) -> str:  # noqa: ANN401
    """As JSON, which YAML reads too, and much faster to write."""
    try:
        return json.dumps(data)
    except (TypeError, ValueError):
        return repr(data)


def broken_json(rng: Rng, data: Any) -> bytes:  # noqa: ANN401
    if rng.random() < 0.6:
        return dumped(altered(rng, data)).encode('utf-8', 'surrogatepass')
    text = json.dumps(data, indent=1)
    if rng.random() < 0.5:
        return altered_text(rng, text).encode('utf-8', 'surrogatepass')
    return damaged(rng, text.encode())
