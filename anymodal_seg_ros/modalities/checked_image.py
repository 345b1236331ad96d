# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is known of a compressed image before it is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from anymodal_seg_ros.modalities.base import Uint8Array


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedImage:
    """A compressed image that holds together as far as can be told without decoding it."""

    height: int
    width: int
    unpacked_bytes: int
    """What a decoder writes until the image is there."""
    file: Uint8Array
    """What to decode, uint8 [N]."""
