# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Number formats of a network, and which of them the hardware has. Layer: inference; torch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from anymodal_seg_ros import limits
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.inference.segmenter import AUTO_PRECISION, PRECISION_NAMES

PRECISIONS = dict(zip(PRECISION_NAMES, (torch.float32, torch.bfloat16, torch.float16),
                      strict=True))
CPUINFO = Path('/proc/cpuinfo')
BFLOAT16_FLAGS = frozenset({'avx512_bf16', 'amx_bf16', 'bf16'})
"""Of the CPUs that multiply bfloat16 in hardware; the last is Arm's."""


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """The dtype the network runs in; 'auto' is the fastest that the device has natively.

    Raises:
        ConfigError: unknown, or one the device would only emulate slowly.
    """
    if name == AUTO_PRECISION:
        return _fastest_precision(device)
    limits.one_of('precision', name, (AUTO_PRECISION, *PRECISIONS))
    if name == 'fp16' and device.type == 'cpu':
        raise ConfigError.of('precision', name, 'auto, fp32, bf16 on a CPU (fp16 needs CUDA)')
    return PRECISIONS[name]


def precision_name(dtype: torch.dtype) -> str:
    """'fp32', 'bf16' or 'fp16'."""
    return next(name for name, known in PRECISIONS.items() if known == dtype)


def has_native_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware (AVX512-BF16, AMX or Arm BF16)."""
    # oneDNN also says yes to plain AVX512, where it emulates and is slower than float32.
    try:
        text = CPUINFO.read_text(encoding='utf-8')
    except OSError:
        return False
    match = re.search(r'^(?:flags|Features)\s*:(.*)$', text, re.MULTILINE)
    return match is not None and not BFLOAT16_FLAGS.isdisjoint(match[1].split())


def _fastest_precision(device: torch.device) -> torch.dtype:
    if device.type == 'cuda':
        native = torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.bfloat16 if native else torch.float16
    return torch.bfloat16 if has_native_bfloat16() else torch.float32


@contextmanager
def exact_float32() -> Iterator[None]:
    """Convolutions on a GPU in real float32, by the same kernel every time."""
    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark
    cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = False, True, False
    try:
        yield
    finally:
        cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = before
