# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: T201
"""Times a training step of RobustSeg: packed and vectorised against looped, in one run.

Student update with all terms (cross-entropy, logits, cross-modal prototypes, IFV), MiT-B0,
batch 4, four sensors, of which the student has 10 of 16: forward of the frozen teacher and the
student, backward, AdamW. All get the same weights, inputs and optimizer, and must give the same
losses and gradients; they take turns, so that other load meets all. Exits with 1 above the
allowed share.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from robustseg_steps import looped, packed
from robustseg_steps.batch import MODALITIES, NUM_CLASSES, WEIGHTS, StepBatch, make_batch
from segmenter import host
from torch import Tensor

from anymodal_seg_ros.models import build_model
from anymodal_seg_ros.models.m_segformer import MSegFormer
from training.allocator import keep_freed_memory

ALLOWED_SHARE = 0.6
Losses = Callable[[MSegFormer, MSegFormer, StepBatch], dict[str, Tensor]]
WAYS: dict[str, Losses] = {
    'packed': packed.losses,
    'looped': looped.losses,
    'looped, published head': looped.losses_with_published_head,
}


def make_network(seed: int) -> MSegFormer:
    """MiT-B0; without its random parts, so that both ways compute the same."""
    torch.manual_seed(seed)
    model = build_model('m_segformer', {
        'backbone': 'b0', 'num_classes': NUM_CLASSES, 'modalities': MODALITIES,
        'drop_path': 0.0})
    model.head.dropout.p = 0.0
    return model


def total_of(terms: dict[str, Tensor]) -> Tensor:
    """The weighted sum."""
    return torch.stack([WEIGHTS[name] * term for name, term in terms.items()]).sum()


def check_equal(student: MSegFormer, teacher: MSegFormer, batch: StepBatch) -> dict[str, float]:
    """The terms, after all ways gave the same ones and the same gradients."""
    results = []
    for way in WAYS.values():
        model = copy.deepcopy(student)
        terms = way(model, teacher, batch)
        total_of(terms).backward()
        results.append((terms, {n: p.grad for n, p in model.named_parameters()}))
    (ours, our_grads), *others = results
    for theirs, their_grads in others:
        for name in ours:
            torch.testing.assert_close(ours[name], theirs[name], rtol=1e-4, atol=1e-7)
        largest = max(float(grad.norm()) for grad in their_grads.values())
        for name, grad in their_grads.items():
            error = float((our_grads[name] - grad).norm())
            if error > 1e-3 * float(grad.norm()) + 1e-6 * largest:
                raise SystemExit(f'gradients of {name} differ by {error:.2e}')
    return {name: float(term.detach()) for name, term in ours.items()}


class Stepper:
    """A student that is trained one way."""

    def __init__(
        self, way: Losses, student: MSegFormer, teacher: MSegFormer, batch: StepBatch
    ) -> None:
        self.way, self.teacher, self.batch = way, teacher, batch
        self.student = copy.deepcopy(student)
        self.optimizer = torch.optim.AdamW(self.student.parameters(), lr=6e-5, fused=True)

    def step(self) -> tuple[float, float]:
        """Wall and processor seconds of one step."""
        start, cpu_start = time.perf_counter(), time.process_time()
        self.optimizer.zero_grad(set_to_none=True)
        total_of(self.way(self.student, self.teacher, self.batch)).backward()
        self.optimizer.step()
        return time.perf_counter() - start, time.process_time() - cpu_start


def steps() -> dict[str, Callable[[], object]]:
    """A step as training takes it, of small images."""
    batch = make_batch(128)
    student, teacher = make_network(0).train(), make_network(1).eval().requires_grad_(False)
    return {'packed, 128 px': Stepper(packed.losses, student, teacher, batch).step}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--repeats', type=int, default=10)
    parser.add_argument('--size-px', type=int, default=256)
    parser.add_argument('--threads', type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    # As in training; without it page faults cost each way a sixth, by chance more or less.
    keep_freed_memory()
    batch = make_batch(args.size_px)
    student, teacher = make_network(0).train(), make_network(1).eval().requires_grad_(False)
    terms = check_equal(student, teacher, batch)
    print(f'MiT-B0, batch {len(batch.labels_BHW)}, {args.size_px} px; {host()}')
    print('equal losses:', ', '.join(f'{name} {value:.4f}' for name, value in terms.items()))
    steppers = {name: Stepper(way, student, teacher, batch) for name, way in WAYS.items()}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for repeat in range(args.repeats + 1):
        for name, stepper in steppers.items():
            taken = stepper.step()
            if repeat:
                times[name].append(taken)
    print(f'{"step":<24}{"median_ms":>10}{"least":>8}{"most":>8}{"cpu_ms":>9}{"least":>8}')
    for name, pairs in times.items():
        wall, cpu = ([1e3 * seconds for seconds in column] for column in zip(*pairs, strict=True))
        print(f'{name:<24}{median(wall):>10.0f}{min(wall):>8.0f}{max(wall):>8.0f}'
              f'{median(cpu):>9.0f}{min(cpu):>8.0f}')
    shares = {}
    for name in list(WAYS)[1:]:
        shares[name], share_cpu = (
            median(pair[column] for pair in times['packed'])
            / median(pair[column] for pair in times[name]) for column in (0, 1))
        print(f'packed takes {100 * shares[name]:.0f} % of {name} '
              f'({100 * share_cpu:.0f} % in processor time)')
    print(f'allowed: {100 * ALLOWED_SHARE:.0f} % of looped')
    return 0 if shares['looped'] <= ALLOWED_SHARE else 1


if __name__ == '__main__':
    sys.exit(main())
