# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Content faults of event batches (structured [N] of EVENT_DTYPE) and event frames (uint8
[H, W, 3])."""

from __future__ import annotations

import numpy as np

from anymodal_seg_ros.corruption.fault import Data

MAX_COARSENING = 4
POOLING_NS = 1_000_000
STORM_EVENTS = 100_000
STORM_FACTOR = 10


def thin(events: Data, severity: float, rng: np.random.Generator) -> Data:
    """Black: each event (or frame pixel) is lost with probability ``severity``."""
    if events.ndim == 3:
        return np.where(rng.random((*events.shape[:2], 1)) >= severity, events, np.uint8(0))
    return events[rng.random(len(events)) >= severity]


def coarsen(events: Data, severity: float, rng: np.random.Generator) -> Data:
    """Pixels of 2 x 2 up to 4 x 4; one event for each of them, polarity and millisecond."""
    factor = max(round(1 + (MAX_COARSENING - 1) * severity), 2)
    if events.ndim == 3:
        height, width = events.shape[:2]
        small = events[::factor, ::factor]
        return small.repeat(factor, axis=0).repeat(factor, axis=1)[:height, :width].copy()
    if not len(events):
        return events.copy()
    coarse = events.copy()
    for axis in ('x', 'y'):
        limit = int(events[axis].max())
        coarse[axis] = np.minimum(events[axis] // factor * factor + factor // 2, limit)
    slot = (coarse['t_ns'] - coarse['t_ns'].min()) // POOLING_NS
    pixel = coarse['y'].astype(np.int64) * 65536 + coarse['x']
    key = (slot * 2 + coarse['polarity']) * 2**32 + pixel
    _, first = np.unique(key, return_index=True)
    return coarse[np.sort(first)]


def storm(events: Data, severity: float, rng: np.random.Generator) -> Data:
    """severity * max(100 000, 10 N) random events more; in a frame, a share of the pixels lit.

    An empty batch carries neither time nor image size, so it stays empty.
    """
    if events.ndim == 3:
        return _light_pixels(events, severity, rng)
    return _with_random(events, round(severity * max(STORM_EVENTS, STORM_FACTOR * len(events))),
                        rng)


def event_noise(events: Data, severity: float, rng: np.random.Generator) -> Data:
    """severity * N random events more, and as many polarities guessed; in a frame, half that
    share of the pixels lit."""
    if events.ndim == 3:
        return _light_pixels(events, severity / 2, rng)
    guessed = events.copy()
    unsure = rng.random(len(events)) < severity
    guessed['polarity'][unsure] = rng.random(int(unsure.sum())) < 0.5
    return _with_random(guessed, round(severity * len(events)), rng)


def _light_pixels(frame: Data, share: float, rng: np.random.Generator) -> Data:
    lit = rng.random((*frame.shape[:2], 1)) < share
    values = rng.integers(0, 2, frame.shape, np.uint8) * np.uint8(255)
    return np.where(lit, values, frame)


def _with_random(events: Data, num_more: int, rng: np.random.Generator) -> Data:
    if not len(events):
        return events.copy()
    more = np.empty(num_more, events.dtype)
    for axis in ('x', 'y'):
        more[axis] = rng.integers(0, int(events[axis].max()) + 1, num_more)
    more['t_ns'] = rng.integers(
        int(events['t_ns'].min()), int(events['t_ns'].max()) + 1, num_more)
    more['polarity'] = rng.random(num_more) < 0.5
    merged = np.concatenate([events, more])
    return merged[np.argsort(merged['t_ns'], kind='stable')]
