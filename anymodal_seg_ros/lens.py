# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lens distortion, its inverse and where it stops being one to one. Below geometry; numpy only.

Coordinates are normalised: x / z and y / z in the optical frame.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]

DISTORTION_LENGTHS: Mapping[str, tuple[int, ...]] = {
    'plumb_bob': (4, 5),
    'rational_polynomial': (8, 12, 14),
    'equidistant': (4,),
}
"""Numbers of coefficients that each distortion model may have."""
_TILT = slice(12, 14)
# Beyond 88 degrees off axis a perspective pixel says nothing; the search for fold-back ends there.
_MAX_RADIUS = math.tan(math.radians(88.0))


def distort(xy: Float64Array, model: str, D: Float64Array) -> Float64Array:
    """Distorted normalised coordinates [N, 2] (OpenCV's calib3d and fisheye models).

    ``D`` is k1 k2 p1 p2 [k3 [k4 k5 k6 [s1 s2 s3 s4 [tau_x tau_y]]]]: radial, tangential, thin
    prism, and the tilt of the sensor in radians; k1 k2 k3 k4 for ``equidistant``.
    """
    x, y = xy[:, 0], xy[:, 1]
    r2 = x * x + y * y
    if model == 'equidistant':
        r = np.sqrt(r2)
        theta = np.arctan(r)
        t2 = theta * theta
        theta_d = theta * (1 + t2 * (D[0] + t2 * (D[1] + t2 * (D[2] + t2 * D[3]))))
        scale = np.where(r > 1e-9, theta_d / np.maximum(r, 1e-9), 1.0)
        return xy * scale[:, None]
    k3 = D[4] if D.size > 4 else 0.0
    radial = 1 + r2 * (D[0] + r2 * (D[1] + r2 * k3))
    if D.size > 5:
        radial = radial / (1 + r2 * (D[5] + r2 * (D[6] + r2 * D[7])))
    p1, p2 = D[2], D[3]
    cross = 2 * x * y
    distorted = np.stack([x * radial + p1 * cross + p2 * (r2 + 2 * x * x),
                          y * radial + p2 * cross + p1 * (r2 + 2 * y * y)], axis=1)
    if D.size > 8:
        distorted += np.stack([r2 * (D[8] + r2 * D[9]), r2 * (D[10] + r2 * D[11])], axis=1)
    if D.size > 12:
        distorted = _mapped(_tilt(*D[_TILT]), distorted)
    return distorted


def _tilt(tau_x_rad: float, tau_y_rad: float) -> Float64Array:
    """Homography [3, 3] from the plane across the axis to that of a tilted sensor."""
    cos_x, sin_x = math.cos(tau_x_rad), math.sin(tau_x_rad)
    cos_y, sin_y = math.cos(tau_y_rad), math.sin(tau_y_rad)
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, cos_x, sin_x], [0.0, -sin_x, cos_x]])
    about_y = np.array([[cos_y, 0.0, -sin_y], [0.0, 1.0, 0.0], [sin_y, 0.0, cos_y]])
    tilted: Float64Array = about_y @ about_x
    onto_sensor = np.array([[tilted[2, 2], 0.0, -tilted[0, 2]],
                            [0.0, tilted[2, 2], -tilted[1, 2]],
                            [0.0, 0.0, 1.0]])
    homography: Float64Array = onto_sensor @ tilted
    return homography


def _mapped(homography: Float64Array, xy: Float64Array) -> Float64Array:
    xyw = xy @ homography[:, :2].T + homography[:, 2]
    # What lies beyond the horizon of the homography is nowhere.
    return xyw[:, :2] / np.where(xyw[:, 2:] > 0.0, xyw[:, 2:], np.nan)


@lru_cache(maxsize=64)
def valid_radius(model: str, D: tuple[float, ...]) -> float:
    """Largest undistorted radius (tangent of the angle off axis) up to which a point farther
    out always lands farther out in the image, in every direction."""
    angles = np.linspace(0.0, math.atan(_MAX_RADIUS), 1024)
    azimuths = np.linspace(0.0, 2 * math.pi, 48, endpoint=False)
    radius = np.tan(angles)
    grid = radius[:, None, None] * np.stack([np.cos(azimuths), np.sin(azimuths)], axis=-1)
    with np.errstate(all='ignore'):
        mapped = distort(grid.reshape(-1, 2), model, np.array(D)).reshape(grid.shape)
        outward = (mapped[1:] * grid[1:]).sum(axis=-1) > 0.0
        growing = np.diff(np.linalg.norm(mapped, axis=-1), axis=0) > 0.0
    folded = ~(outward & growing).all(axis=1)
    return float(radius[int(np.argmax(folded))]) if folded.any() else _MAX_RADIUS


def undistort(xy: Float64Array, model: str, D: Float64Array) -> Float64Array:
    """Inverse of :func:`distort`: radial start from a table, then Newton in two dimensions.

    NaN for what no direction within ``valid_radius`` is mapped to.
    """
    with np.errstate(all='ignore'):
        return _undistort(xy, model, D)


def _undistort(xy: Float64Array, model: str, D: Float64Array) -> Float64Array:
    limit = valid_radius(model, tuple(D.tolist()))
    table = np.tan(np.linspace(0.0, math.atan(limit), 2048))
    line = np.stack([table, np.zeros_like(table)], axis=1)
    symmetric, upright = D.copy(), xy
    if model != 'equidistant':
        symmetric[2:4] = 0.0
        symmetric[8:] = 0.0
        if D.size > 12:
            upright = _mapped(np.linalg.inv(_tilt(*D[_TILT])).astype(np.float64), xy)
    mapped = np.maximum.accumulate(distort(line, model, symmetric)[:, 0])
    radius = np.hypot(upright[:, 0], upright[:, 1])
    start = np.interp(radius, mapped, table) / np.maximum(radius, 1e-12)
    guess = upright * start[:, None]
    step = 1e-6
    along_x, along_y = np.array([step, 0.0]), np.array([0.0, step])
    for _ in range(6):
        error = distort(guess, model, D) - xy
        j_x = (distort(guess + along_x, model, D) - xy - error) / step
        j_y = (distort(guess + along_y, model, D) - xy - error) / step
        determinant = j_x[:, 0] * j_y[:, 1] - j_y[:, 0] * j_x[:, 1]
        determinant = np.where(np.abs(determinant) < 1e-9, 1e-9, determinant)
        guess = guess - np.stack(
            [error[:, 0] * j_y[:, 1] - error[:, 1] * j_y[:, 0],
             error[:, 1] * j_x[:, 0] - error[:, 0] * j_x[:, 1]], axis=1) / determinant[:, None]
        if float(np.abs(error).max(initial=0.0)) < 1e-10:
            break
    residual = np.abs(distort(guess, model, D) - xy).max(axis=1)
    guess[~((residual < 1e-6) & (np.hypot(guess[:, 0], guess[:, 1]) <= limit))] = np.nan
    return guess
