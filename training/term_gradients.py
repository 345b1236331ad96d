# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How hard each loss term pulls at the student, and whether along with the supervised one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from training.methods.base import SUPERVISED, Terms


def gradient_names(terms: Iterable[str]) -> tuple[str, ...]:
    """What ``term_gradients`` may give for these terms."""
    names = tuple(terms)
    return (*(f'gradient/{name}' for name in names),
            *(f'cosine/{name}' for name in names if name != SUPERVISED))


def term_gradients(
    terms: Terms, weights: Mapping[str, float], parameters: Sequence[nn.Parameter]
) -> dict[str, float]:
    """Of each term the norm of its weighted gradient over all parameters (``gradient/kl``), and
    its cosine to the supervised term's (``cosine/kl``), which is left out where either is 0.

    One backward pass for each term; the graph stays, and no ``grad`` is touched. A parameter that
    a term does not reach counts as 0. In fp16 small gradients may vanish: nothing scales them.
    """
    supervised_N = _gradient(terms[SUPERVISED] * weights[SUPERVISED], parameters)
    norms = {SUPERVISED: supervised_N.norm()}
    cosines = {}
    for name, term in terms.items():
        if name != SUPERVISED:
            gradient_N = _gradient(term * weights[name], parameters)
            norms[name] = gradient_N.norm()
            cosines[name] = torch.dot(gradient_N, supervised_N) / (
                norms[name] * norms[SUPERVISED])
    found = {f'gradient/{name}': float(norm) for name, norm in norms.items()}
    return found | {f'cosine/{name}': float(cosine) for name, cosine in cosines.items()
                    if norms[name] and norms[SUPERVISED]}


def _gradient(term: Tensor, parameters: Sequence[nn.Parameter]) -> Tensor:
    """float32 [N] over all parameters, one after the other."""
    if not term.requires_grad:
        return torch.zeros(sum(p.numel() for p in parameters), device=term.device)
    found = torch.autograd.grad(term, parameters, retain_graph=True, materialize_grads=True)
    return torch.cat([gradient.float().flatten() for gradient in found])
