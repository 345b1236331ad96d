# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Some of a data set's frames as a data set, and frames that are held out of training."""

from __future__ import annotations

import hashlib
from typing import Any

from anymodal_seg_ros.errors import ConfigError
from training.datasets.frames import Frame, FrameSource

COUNTS = ('conditions', 'failures', 'labelled_frames', 'recordings')
"""What a description says of the whole that is not so of a part."""


class PartOfFrames:
    """Consecutive frames of a data set.

    Args:
        source: the data set.
        indices: which frames.
        name: what its description gives as the split.
    """

    def __init__(self, source: FrameSource, indices: range, name: str) -> None:
        self._source = source
        self._indices = indices
        self._name = name

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Frame:
        return self._source[self._indices[index]]

    def describe(self) -> dict[str, Any]:
        """The source's description without counts, and which frames these are."""
        whole = self._source.describe()
        first, last = self._indices[0], self._indices[-1]
        return {
            **{key: value for key, value in whole.items() if key not in COUNTS},
            'split': self._name,
            'frames': len(self),
            'part': {'of': whole['split'], 'frames': whole['frames'], 'first': first,
                     'last': last},
            'sha256': hashlib.sha256(f'{whole["sha256"]} {first} {last}'.encode()).hexdigest(),
        }


def hold_out(source: FrameSource, share: float, name: str) -> tuple[FrameSource, FrameSource]:
    """The first frames, and the last ``share`` of them as split ``name``: in a recording
    neighbours are nearly alike, so that frames drawn from all over would be known already.

    Raises:
        ConfigError: one of the two would have no frame.
    """
    total = len(source)
    num_held = round(share * total)
    if not 0 < num_held < total:
        raise ConfigError(f'data.hold_out {share:g} of {total} training frames is {num_held}; '
                          'needed: at least one, and one that is left')
    begin = total - num_held
    return (PartOfFrames(source, range(begin), source.describe()['split']),
            PartOfFrames(source, range(begin, total), name))


def spread(length: int, wanted: int) -> list[int]:
    """``wanted`` indices spread evenly over ``length``; all of them for 0."""
    if not 0 < wanted < length:
        return list(range(length))
    return [i * length // wanted for i in range(wanted)]
