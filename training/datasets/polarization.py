# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Polarisation as images in 0..255 units: angle (AoLP) and degree (DoLP) of linear polarisation.

AoLP is an angle phi in [-90, 90] degrees, stored as (sin phi, cos phi, sin phi) with -1 as 1, 0 as
128 and 1 as 255; (0, 0, 0) is no measurement, as for every sensor. A mirrored scene has the angle
-phi: its sine changes sign, its cosine does not. DoLP is 0..1 as 0..255, three times.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from training.datasets.frames import Image

Float32 = npt.NDArray[np.float32]
AOLP_ZERO = 128.0
_AOLP_UNIT = 127.0
_SINE_CHANNELS = (0, 2)


def encode_aolp(sine: Float32, cosine: Float32) -> Float32:
    """float32 [H, W, 3] of sine and cosine [H, W]; beyond -1 and 1 (interpolation) is clipped."""
    stacked = np.stack([sine, cosine, sine], axis=2).astype(np.float32)
    image: Float32 = np.clip(stacked, -1.0, 1.0) * np.float32(_AOLP_UNIT) + np.float32(AOLP_ZERO)
    return image


def encode_dolp(degree: Float32) -> Float32:
    """float32 [H, W, 3] of a degree [H, W]; beyond 0 and 1 is clipped."""
    level = np.clip(degree, 0.0, 1.0).astype(np.float32) * np.float32(255.0)
    return np.repeat(level[:, :, None], 3, axis=2)


def mirror_aolp(image: Image) -> Image:
    """A mirrored copy of an encoded AoLP image: columns turned around and the sine negated."""
    mirrored: Image = image[:, ::-1].copy()
    for channel in _SINE_CHANNELS:
        sine = mirrored[:, :, channel]
        measured = mirrored.any(axis=2)
        sine[measured] = 2 * AOLP_ZERO - sine[measured]
    return mirrored


def polarization_of(angles: tuple[Float32, Float32, Float32, Float32]
                    ) -> tuple[Float32, Float32, Float32]:
    """Sine and cosine of AoLP, and DoLP, each [H, W], behind polarisers at 0, 45, 90, 135 degrees.

    Stokes parameters S0 = (I0 + I45 + I90 + I135) / 2, S1 = I0 - I90, S2 = I45 - I135;
    AoLP = atan2(S2, S1) / 2 and DoLP = sqrt(S1^2 + S2^2) / S0, 0 where there is no light.
    """
    i0, i45, i90, i135 = angles
    s0 = (i0 + i45 + i90 + i135) / np.float32(2.0)
    s1, s2 = i0 - i90, i45 - i135
    phi = np.arctan2(s2, s1) / np.float32(2.0)
    degree: Float32 = np.divide(np.hypot(s1, s2), s0, out=np.zeros_like(s0), where=s0 > 0)
    return np.sin(phi), np.cos(phi), degree
