# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Print what guidance costs, and what is lost where that of an earlier frame is used.

    python benchmarks/guidance.py BUNDLE --data DATA --ages 1 2 5 10 20

Frames are those of a split in the data set's order, in which neighbours should follow each other.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from segmenter import host
from torch import Tensor

from anymodal_seg_ros.bundle import read_description
from anymodal_seg_ros.inference.precision import exact_float32
from anymodal_seg_ros.inference.torch_backend import TorchSegmenter
from anymodal_seg_ros.metrics import ConfusionMatrix
from anymodal_seg_ros.modalities import network_size
from anymodal_seg_ros.models.abilities import GuidedNetwork
from training.datasets import resize_frame
from training.scored_frames import open_frames
from training.subset_network import subset_network


def timed_ms(call: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """What a call gives, and its time."""
    start = time.perf_counter()
    found = call()
    found.cpu()
    return found, (time.perf_counter() - start) * 1e3


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('bundle', type=Path)
    parser.add_argument('--data', type=Path, required=True)
    parser.add_argument('--split', default='val')
    parser.add_argument('--frames', type=int, default=0, help='the first so many; 0: all')
    parser.add_argument('--ages', type=int, nargs='+', default=[1, 2, 5, 10, 20])
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--precision', default='fp32')
    args = parser.parse_args()

    bundle = read_description(args.bundle)
    frames, _, sensors = open_frames(bundle, args.data, args.split)
    segmenter = TorchSegmenter.from_bundle(
        args.bundle, device=args.device, precision=args.precision, num_threads=0,
        guidance_frames=1)
    network = segmenter.network
    if not isinstance(network, GuidedNetwork):
        sys.exit(f'network {bundle.model_name!r} has no guidance')
    scorer = subset_network(network)
    ages = [0, *args.ages]
    scores = {age: ConfusionMatrix(bundle.label_space.num_classes) for age in ages}
    changed = dict.fromkeys(ages, 0.0)
    guide_ms, rest_ms, kept = [], [], []
    number = min(args.frames or len(frames), len(frames))
    for index in range(number):
        frame = frames[index]
        size_hw = network_size(frame.size_hw, bundle.short_side_px)
        frame = resize_frame(frame, size_hw, labels_too=False)
        x = scorer.encode({name: [image] for name, image in frame.images.items()})
        truth = scorer.truth_of(frame)
        with exact_float32():
            guidance, spent_ms = timed_ms(lambda x=x: network.guide_normalized(x))
            guide_ms.append(spent_ms)
            kept = [guidance, *kept[:max(ages)]]
            own = None
            for age in ages:
                used = kept[min(age, index)]
                logits, spent_ms = timed_ms(
                    lambda x=x, used=used: network.logits_of_normalized(x, None, used))
                rest_ms.append(spent_ms)
                labels = logits.argmax(1)
                own = labels if own is None else own
                changed[age] += float((labels != own).float().mean()) / number
                scores[age].add(scorer.counts(logits, [truth])[0])
    print(f'{args.bundle}: {bundle.model_name}, {number} frames of {args.data} {args.split}, '
          f'{", ".join(sensors)}; {segmenter.description}; {host()}')
    print(f'guidance {np.median(guide_ms):.1f} ms, the rest {np.median(rest_ms):.1f} ms (median)')
    print('age_frames  miou   labels_changed_percent')
    for age in ages:
        print(f'{age:10}  {100 * scores[age].miou():5.2f}  {100 * changed[age]:8.2f}')


if __name__ == '__main__':
    main()
