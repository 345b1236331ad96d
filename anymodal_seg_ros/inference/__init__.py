# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Running a bundle. A backend is a file in this folder and a row in ``BACKENDS``.

Rows name module and class, so that a backend's library is imported only when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import cast

from anymodal_seg_ros import limits
from anymodal_seg_ros.inference.segmenter import GUIDANCE_RANGE, THREAD_RANGE, Segmenter
from anymodal_seg_ros.models import modality_subsets

BACKENDS = {
    'torch': ('anymodal_seg_ros.inference.torch_backend', 'TorchSegmenter'),
}


def build_segmenter(
    bundle_path: str | Path,
    backend: str = 'torch',
    device: str = 'auto',
    precision: str = 'auto',
    num_threads: int = 0,
    guidance_frames: int = 1,
) -> Segmenter:
    """Load a bundle folder into a backend.

    Args:
        bundle_path: folder with ``bundle.json`` and ``weights.safetensors``.
        backend: a row of ``BACKENDS``.
        device: 'auto', 'cpu', 'cuda' or 'cuda:<index>'.
        precision: 'auto' (the fastest that the device has natively), 'fp32', 'bf16' or 'fp16'.
        num_threads: CPU threads for the network; 0 leaves the library's choice.
        guidance_frames: how many frames the guidance serves of a network that has one.

    Raises:
        ConfigError: an argument that is not allowed, or a device that is not there.
        BundleError: the bundle is missing or damaged.
    """
    limits.one_of('backend', backend, BACKENDS)
    module, name = BACKENDS[backend]
    segmenter = getattr(import_module(module), name).from_bundle(
        bundle_path, device=device, precision=precision, num_threads=num_threads,
        guidance_frames=guidance_frames,
    )
    return cast(Segmenter, segmenter)


__all__ = ['BACKENDS', 'GUIDANCE_RANGE', 'THREAD_RANGE', 'Segmenter', 'build_segmenter',
           'modality_subsets']
