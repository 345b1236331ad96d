# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Print how long one prediction takes, by number of sensors and precision."""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import platform
import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from anymodal_seg_ros.bundle import Bundle
from anymodal_seg_ros.documents import parse_yaml
from anymodal_seg_ros.inference.torch_backend import TorchSegmenter
from anymodal_seg_ros.labels import load_label_space
from anymodal_seg_ros.models import DEFAULT_MODEL, MODELS, build_model


def host() -> str:
    """Processor, cores and PyTorch in words."""
    try:
        match = re.search(r'^model name\s*:\s*(.*)$', Path('/proc/cpuinfo').read_text(), re.M)
    except OSError:
        match = None
    name = match[1] if match else platform.processor()
    return f'{name}, {torch.get_num_threads()} threads, torch {torch.__version__}'


def build_segmenters(
    model_name: str, settings: Mapping[str, Any], size_px: int, device: str,
    precisions: Sequence[str],
) -> dict[str, TorchSegmenter]:
    """Of one network with random weights, by precision."""
    torch.manual_seed(0)
    model = build_model(model_name, settings)
    bundle = Bundle(
        model_name=model_name,
        model_config=model.config.to_dict(),
        encoders={modality: {} for modality in model.config.modalities},
        label_space=load_label_space('deliver'),
        short_side_px=size_px,
    )
    return {precision: TorchSegmenter(bundle, model.state_dict(), device=device,
                                      precision=precision)
            for precision in precisions}


def images_of(
    segmenter: TorchSegmenter, num_sensors: int, size_px: int
) -> dict[str, npt.NDArray[np.uint8]]:
    """Of the first sensors of the network."""
    rng = np.random.default_rng(0)
    return {
        modality: rng.integers(0, 256, (size_px, size_px, 3), np.uint8)
        for modality in segmenter.bundle.modalities[:num_sensors]
    }


def steps() -> dict[str, Callable[[], object]]:
    """A prediction by each number of sensors."""
    segmenter = build_segmenters(DEFAULT_MODEL, {}, 256, 'cpu', ['fp32'])['fp32']
    return {f'{num_sensors} sensors': partial(
                segmenter.predict, images_of(segmenter, num_sensors, 256), (512, 512))
            for num_sensors in range(1, 5)}


def latency_ms(
    segmenter: TorchSegmenter, num_sensors: int, size_px: int, out_px: int, repeats: int
) -> tuple[float, float, float]:
    """Median, 95th percentile, and the least CPU time, which other processes sway little."""
    images = images_of(segmenter, num_sensors, size_px)
    times, cpu_times = [], []
    for _ in range(repeats + 3):
        start, cpu_start = time.perf_counter(), time.process_time()
        segmenter.predict(images, (out_px, out_px))
        cpu_times.append((time.process_time() - cpu_start) * 1e3)
        times.append((time.perf_counter() - start) * 1e3)
    times = times[3:]
    return float(np.median(times)), float(np.percentile(times, 95)), min(cpu_times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', default=DEFAULT_MODEL, choices=MODELS)
    parser.add_argument('--settings', default='{}', metavar='{backbone: b2}',
                        help='of the network, as a table')
    parser.add_argument('--size-px', type=int, default=256)
    parser.add_argument('--out-px', type=int, default=512)
    parser.add_argument('--repeats', type=int, default=30)
    parser.add_argument('--threads', type=int, default=0)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--precisions', nargs='+', default=['fp32', 'bf16'])
    args = parser.parse_args()

    if args.threads:
        torch.set_num_threads(args.threads)
    segmenters = build_segmenters(args.model, parse_yaml(args.settings, '--settings'),
                                  args.size_px, args.device, args.precisions)
    print(f'{args.model} {args.settings}, {args.size_px} px in, {args.out_px} px out; {host()}')
    print('precision  sensors  median_ms  p95_ms  cpu_ms  rate_hz')
    for precision, segmenter in segmenters.items():
        for num_sensors in range(1, 5):
            median, p95, cpu = latency_ms(
                segmenter, num_sensors, args.size_px, args.out_px, args.repeats
            )
            print(
                f'{precision:9}  {num_sensors:7}  {median:9.1f}  {p95:6.1f}  {cpu:6.1f}  '
                f'{1e3 / median:7.1f}'
            )


if __name__ == '__main__':
    main()
