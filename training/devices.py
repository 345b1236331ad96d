# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where a run computes: device, number format and processes. ``torchrun`` starts several."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

import torch
import torch.distributed
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.inference.precision import CPUINFO, resolve_precision

WAIT = timedelta(hours=2)
"""The other processes wait while the first one validates."""
FabricPrecision = Literal['32-true', 'bf16-mixed', '16-mixed']
PRECISIONS: Mapping[torch.dtype, FabricPrecision] = {
    torch.float32: '32-true', torch.bfloat16: 'bf16-mixed', torch.float16: '16-mixed'}


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
    accelerator = 'cuda' if on_cuda else 'cpu'
    chosen = fabric_precision(precision, torch.device(accelerator))
    world = int(os.environ.get('WORLD_SIZE', '1'))
    local = int(os.environ.get('LOCAL_WORLD_SIZE', '1'))
    strategy: Any = 'auto'
    if world > 1:
        strategy = DDPStrategy(process_group_backend='nccl' if on_cuda else 'gloo',
                               timeout=WAIT, find_unused_parameters=find_unused)
    fabric = Fabric(accelerator=accelerator, devices=local,
                    num_nodes=world // local, strategy=strategy, precision=chosen)
    fabric.launch()
    return fabric


def fabric_precision(name: str, device: torch.device) -> FabricPrecision:
    """Fabric's name for a precision, chosen as on the vehicle."""
    return PRECISIONS[resolve_precision(name, device)]


def any_process(fabric: Fabric, asks: bool) -> bool:
    """Whether this process or another one does."""
    if fabric.world_size == 1:
        return asks
    asking = torch.tensor(float(asks), device=fabric.device)
    torch.distributed.all_reduce(asking)
    return bool(asking)


def processor() -> str:
    """The model of this machine's processor, as far as the system says it."""
    try:
        text = CPUINFO.read_text(encoding='utf-8')
    except OSError:
        text = ''
    match = re.search(r'^model name\s*:\s*(.*)$', text, re.MULTILINE)
    return match[1] if match else platform.processor() or platform.machine()


def make_deterministic() -> None:
    """Only operations that give the same bits each time."""
    os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
