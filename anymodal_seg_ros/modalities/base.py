# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What decoders and encoders of all sensors have in common. numpy only."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.geometry import Rig

Uint8Array = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]
Settings = dict[str, Any]


class Decoder(Protocol):
    """Reads the messages of one sensor, and may keep what it learns of that sensor.

    Settings are keyword arguments, wrong ones a ``ConfigError``. One thread at a time. A decoder
    for which each message stands alone inherits all but ``decode``.
    """

    def decode(self, msg: Any) -> npt.NDArray[Any]:  # noqa: ANN401 - one of many message classes
        """A message of one of the modality's types (rclpy's or rosbags') to ``Sample.data``'s
        form; raises ``BadMessageError``. The result may share the message's memory: do not
        write to it."""

    def gather(self, data: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What stands for the sensor in a set once ``data``, decoded and found good, has come:
        the data themselves, or together with those before them. Read-only."""
        return data

    def restart(self) -> None:
        """Time began anew: forget what was gathered. What is known of the sensor stays."""
        return

    def known(self) -> Mapping[str, Any]:
        """What the sensor's data are taken for, by name, for diagnostics and reports."""
        return {}


class Encoder(Protocol):
    """Turns one sensor's data into the network's input on the reference camera's plane.

    Implementations are frozen keyword-only dataclasses whose init fields are the settings, plain
    JSON values validated in ``__post_init__`` with ``ConfigError``. They hold no state that
    changes an answer, and may be called from one thread at a time.
    """

    channel_names: ClassVar[tuple[str, str, str]]

    def encode(self, data: npt.NDArray[Any], rig: Rig, size_hw: tuple[int, int]) -> Uint8Array:
        """Data in ``Sample.data``'s form to uint8 [h, w, 3] at network size ``size_hw``.

        All three channels are 0 where depth, LiDAR and events have nothing.
        """

    def settings(self) -> Settings:
        """The settings that build this encoder again."""


def settings_of(encoder: Any) -> Settings:  # noqa: ANN401 - any dataclass
    """The init fields of an encoder, which are its settings."""
    return {item.name: getattr(encoder, item.name) for item in fields(encoder) if item.init}


def linear_level(value: Float32Array, low: float, high: float) -> Float32Array:
    """1..255 (still float32, rounded) for low..high; 0 stays free for "no return"."""
    scaled = (value - np.float32(low)) * np.float32(254.0 / (high - low))
    level: Float32Array = np.rint(np.clip(scaled, 0.0, 254.0) + np.float32(1.0))
    return level


def logarithmic_level(value: Float32Array, low: float, high: float) -> Float32Array:
    """As :func:`linear_level`, of the logarithm: equal steps are equal ratios."""
    clipped = np.clip(value, np.float32(low), np.float32(high))
    return linear_level(np.log(clipped), math.log(low), math.log(high))


Value = TypeVar('Value')


class LastBuilt(Generic[Value]):
    """Keeps what was computed for the latest rig and sizes; a rig rarely changes.

    Rigs are immutable, so identity is enough to know one again.
    """

    def __init__(self) -> None:
        self._entry: tuple[Rig, tuple[int, ...], Value] | None = None

    def get(self, rig: Rig, sizes: tuple[int, ...], build: Callable[[], Value]) -> Value:
        """The kept value where ``rig`` and ``sizes`` are the latest ones, else ``build()``."""
        entry = self._entry
        if entry is None or entry[0] is not rig or entry[1] != sizes:
            entry = (rig, sizes, build())
            self._entry = entry
        return entry[2]
