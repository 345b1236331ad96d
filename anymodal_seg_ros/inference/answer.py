# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a network's logits to labels and confidence. Layer: inference; torch.

Whoever publishes labels and whoever scores them comes through here.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

_WHOLE_PX = 2 * 1024 * 1024
_STRIP_PX = 128 * 1024
"""An answer of more pixels than the first is made in strips of so many, for its logits would fill
the memory."""
Finish = Callable[[Tensor], Tensor]
"""Takes maps [B, C, H, W] at the answer's size to uint8 [B, H, W]."""
Remap = Callable[[Tensor], Tensor]
"""Takes logits [B, K, H, W] to logits [B, J, H, W] of other classes."""


def labels_at(
    logits_BKhw: Tensor, out_hw: tuple[int, int], remap: Remap | None = None
) -> Tensor:
    """int64 [B, H, W]: the argmax of the logits upsampled bilinearly to ``out_hw`` in one step; of
    those that ``remap`` makes of them, where it is given."""
    finish = _labels if remap is None else lambda x: _labels(remap(x))
    return _upsampled(_classes_last(logits_BKhw), out_hw, finish).long()


def answer_at(
    logits_1Khw: Tensor, out_hw: tuple[int, int], input_hw: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Labels and confidence, both uint8 [H, W], of a batch of one.

    The labels are those of ``labels_at``. The confidence is the largest softmax probability at
    the network's input size ``input_hw``, or at ``out_hw`` where that is smaller, and is upsampled
    from there: a softmax at 512x512 takes as long as a sensor does, and at a quarter of the pixels
    it looks the same.
    """
    logits_1Khw = _classes_last(logits_1Khw)
    inner_hw = (min(out_hw[0], input_hw[0]), min(out_hw[1], input_hw[1]))
    logits_1KHW = _upsample(logits_1Khw, inner_hw)
    if inner_hw == tuple(out_hw):
        top_1HW, labels_1HW = logits_1KHW.max(dim=1)
        labels_1HW = labels_1HW.to(torch.uint8)
    else:
        top_1HW, labels_1HW = logits_1KHW.amax(dim=1), _upsampled(logits_1Khw, out_hw, _labels)
    confidence_1HW = (top_1HW - logits_1KHW.logsumexp(dim=1)).exp()
    return labels_1HW[0], _upsampled(confidence_1HW[:, None], out_hw, _byte)[0]


def _labels(logits_BKHW: Tensor) -> Tensor:
    return logits_BKHW.max(dim=1)[1].to(torch.uint8)


def _byte(confidence_B1HW: Tensor) -> Tensor:
    return (confidence_B1HW[:, 0] * 255.0).round().to(torch.uint8)


def _upsampled(x_BChw: Tensor, out_hw: tuple[int, int], finish: Finish) -> Tensor:
    height, width = out_hw
    if height * width <= _WHOLE_PX:
        return finish(_upsample(x_BChw, out_hw))
    # In one piece from the start: pieces between the strips' logits would keep their memory apart.
    answer_BHW = torch.empty((x_BChw.shape[0], height, width), dtype=torch.uint8,
                             device=x_BChw.device)
    step = max(1, _STRIP_PX // width)
    for first in range(0, height, step):
        end = min(first + step, height)
        strip_BChW = _rows(x_BChw, first, end, height)
        answer_BHW[:, first:end] = finish(_upsample(strip_BChW, (end - first, width)))
    return answer_BHW


def _rows(x_BChw: Tensor, first: int, end: int, height: int) -> Tensor:
    """Rows ``first`` to ``end`` of the maps upsampled to ``height`` rows, as F.interpolate has
    them: the centre of row 0 lies half a row below the border."""
    rows = torch.arange(first, end, dtype=torch.float64, device=x_BChw.device)
    position = ((rows + 0.5) * (x_BChw.shape[2] / height) - 0.5).clamp(0, x_BChw.shape[2] - 1)
    above = position.long()
    below = (above + 1).clamp(max=x_BChw.shape[2] - 1)
    share = (position - above).to(x_BChw.dtype)[:, None]
    return _classes_last(torch.lerp(x_BChw[:, :, above], x_BChw[:, :, below], share))


def _classes_last(logits_BKhw: Tensor) -> Tensor:
    # The maximum over the classes then reads memory in order.
    return logits_BKhw.float().contiguous(memory_format=torch.channels_last)


def _upsample(x_BCHW: Tensor, size_hw: tuple[int, int]) -> Tensor:
    if tuple(x_BCHW.shape[2:]) == tuple(size_hw):
        return x_BCHW
    return F.interpolate(x_BCHW, size=size_hw, mode='bilinear', align_corners=False)
