# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where a run computes: device, number format and processes. ``torchrun`` starts several."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.inference.precision import has_native_bfloat16

WAIT = timedelta(hours=2)
"""The other processes wait while the first one validates."""
PRECISIONS = {'fp32': '32-true', 'bf16': 'bf16-mixed', 'fp16': '16-mixed'}


def make_fabric(device: str = 'auto', precision: str = 'auto', *,
                find_unused: bool = False) -> Fabric:
    """A launched Fabric for this process; one code path for one process and for many.

    Args:
        device: 'auto' (CUDA where there is one), 'cpu' or 'cuda'.
        precision: 'auto', 'fp32', 'bf16' or 'fp16'.
        find_unused: some steps may leave parameters without gradient.

    Raises:
        ConfigError: a device that is not there, or fp16 on a CPU.
    """
    on_cuda = device == 'cuda' or (device == 'auto' and torch.cuda.is_available())
    if device == 'cuda' and not torch.cuda.is_available():
        raise ConfigError("device 'cuda': this PyTorch finds no CUDA GPU; allowed here: auto, cpu")
    if precision == 'fp16' and not on_cuda:
        raise ConfigError("precision 'fp16' needs CUDA; allowed on a CPU: auto, fp32, bf16")
    world = int(os.environ.get('WORLD_SIZE', '1'))
    local = int(os.environ.get('LOCAL_WORLD_SIZE', '1'))
    strategy: Any = 'auto'
    if world > 1:
        strategy = DDPStrategy(process_group_backend='nccl' if on_cuda else 'gloo',
                               timeout=WAIT, find_unused_parameters=find_unused)
    fabric = Fabric(accelerator='cuda' if on_cuda else 'cpu', devices=local,
                    num_nodes=world // local, strategy=strategy,
                    precision=resolve_precision(precision, on_cuda))  # type: ignore[arg-type]
    fabric.launch()
    return fabric


def resolve_precision(precision: str, on_cuda: bool) -> str:
    """Fabric's name for a precision; 'auto' takes bfloat16 where the hardware computes it."""
    if precision != 'auto':
        return PRECISIONS[precision]
    if on_cuda:
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return 'bf16-mixed' if native else '16-mixed'
    return 'bf16-mixed' if has_native_bfloat16() else '32-true'


def make_deterministic() -> None:
    """Only operations that give the same bits each time."""
    os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
