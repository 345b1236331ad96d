# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras out of ``sensor_msgs/CameraInfo``, judged when they come. Above geometry; numpy only."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.geometry import CameraModel, camera_problem
from anymodal_seg_ros.lens import DISTORTION_LENGTHS, Float64Array

WIDEST_SIDE_BY_FOCAL = 20.0
"""A side of so many focal lengths is seen under 168 degrees by a lens without distortion."""
LONGEST_FOCAL_BY_SIDE = 1000.0
LARGEST_FOCAL_RATIO = 10.0
FARTHEST_CENTRE = 2.0
"""The centre lies at most so many sides, or focal lengths, from the middle of the image."""
LEAST_COVERAGE = 0.1
"""Of an image, what a lens model has to reach."""
_COVERAGE_GRID = 8
_MOST_COEFFICIENTS = 64
_PERSPECTIVE, _FISHEYE, _NONE = 'plumb_bob', 'equidistant', 'none'

MODEL_NAMES: Mapping[str, str] = {
    '': _PERSPECTIVE,
    'plumb_bob': _PERSPECTIVE,
    'rational_polynomial': _PERSPECTIVE,
    'radtan': _PERSPECTIVE,
    'brown_conrady': _PERSPECTIVE,
    'equidistant': _FISHEYE,
    'fisheye': _FISHEYE,
    'kannala_brandt': _FISHEYE,
    'kannala_brandt4': _FISHEYE,
    'none': _NONE,
    'pinhole': _NONE,
}
"""What a ``distortion_model`` means: OpenCV's calib3d model, whose kind the number of
coefficients tells, OpenCV's fisheye model, or no distortion."""
SUBSTITUTES: Mapping[str, str] = {
    **dict.fromkeys(
        ('thin_prism_fisheye', 'fisheye_polynomial', 'fisheyepolynomial', 'ftheta', 'f_theta',
         'omnidirectional', 'omni', 'mei', 'unified', 'double_sphere', 'eucm', 'fov', 'atan',
         'ocam', 'scaramuzza'),
        'equidistant, 4 coefficients'),
    **dict.fromkeys(('inverse_brown_conrady', 'modified_brown_conrady', 'division', 'polynomial'),
                    'plumb_bob, 5 coefficients'),
}
"""Models that are not known here, and what to calibrate such a lens as."""


class CameraInfoMessage(Protocol):
    """What is read of a ``sensor_msgs/CameraInfo``, from rclpy or rosbags."""

    width: int
    height: int
    distortion_model: str
    d: Any
    k: Any
    p: Any
    binning_x: int
    binning_y: int
    roi: Any


def read_camera_info(msg: CameraInfoMessage) -> CameraModel:
    """The camera of the images that go with ``msg``.

    ``k`` and ``d`` are of the full resolution ``width`` x ``height``; the image is the region of
    interest, binned, as in ROS's image_geometry. Where ``k`` is zero and ``p`` is not, the image
    is taken to be rectified: ``p`` without distortion. ``roi.do_rectify`` concerns images that
    others rectify, and changes nothing.

    Raises:
        BadMessageError: uncalibrated, not finite, of a model that is not known, or absurd. The
            field is width, height, k, p, d, distortion_model, roi or binning_x.
    """
    if len(msg.d) > _MOST_COEFFICIENTS:
        raise BadMessageError('d', f'{len(msg.d)} values; no lens model has so many')
    roi = msg.roi
    return _camera(
        (int(msg.width), int(msg.height)), str(msg.distortion_model), _floats(msg.d),
        _floats(msg.k), _floats(msg.p), (int(msg.binning_x), int(msg.binning_y)),
        (int(roi.x_offset), int(roi.y_offset), int(roi.width), int(roi.height)))


def fit_to_image(camera: CameraModel, width_px: int, height_px: int) -> CameraModel | None:
    """``camera`` for images of this size, rescaled where need be.

    None where the aspects differ by more than the rounding of sides to whole pixels.
    """
    if (camera.width_px, camera.height_px) == (width_px, height_px):
        return camera
    difference = abs(width_px * camera.height_px - height_px * camera.width_px)
    if difference > max(width_px + height_px, camera.width_px + camera.height_px):
        return None
    return camera.resized(width_px, height_px)


def _floats(values: Any) -> tuple[float, ...]:  # noqa: ANN401 - list, array or ndarray
    return tuple(np.asarray(values, dtype=np.float64).reshape(-1).tolist())


@lru_cache(maxsize=64)
def _camera(
    size: tuple[int, int], model: str, d: tuple[float, ...], k: tuple[float, ...],
    p: tuple[float, ...], binning: tuple[int, int], roi: tuple[int, int, int, int],
) -> CameraModel:
    """Cached: drivers send the same calibration with every image."""
    name, matrix, columns = 'k', k, 3
    if k and k[0] == 0.0 and p and p[0] != 0.0:
        name, matrix, columns = 'p', p, 4
    if not any((*k, *p)):
        raise BadMessageError('k', 'uncalibrated: k and p are zero')
    if len(matrix) != 3 * columns:
        raise BadMessageError(name, f'{len(matrix)} values; {3 * columns} are needed')
    K = np.array(matrix).reshape(3, columns)[:, :3]
    family, D = ('plumb_bob', np.zeros(0)) if name == 'p' else _lens(model, d)
    problem = camera_problem(*size, K, family, D) or _implausible(*size, K)
    if problem is not None:
        raise BadMessageError(name if problem[0] == 'K' else problem[0].lower(), problem[1])
    camera = _binned_region(size, K, family, D, binning, roi)
    rays = camera.resized(_COVERAGE_GRID, _COVERAGE_GRID).ray_directions()
    if np.isfinite(rays[..., 0]).mean() < LEAST_COVERAGE:
        raise BadMessageError('d', f'{list(d)}; such a lens reaches less than '
                                   f'{LEAST_COVERAGE:.0%} of the image')
    return camera


def _lens(model: str, d: tuple[float, ...]) -> tuple[str, Float64Array]:
    """The lens model's name here and its coefficients; zeros at the end may be left out or not."""
    asked = model.strip().lower().replace('-', '_').replace(' ', '_')
    family = MODEL_NAMES.get(asked)
    if family is None:
        raise BadMessageError('distortion_model', _unknown_model(model, asked))
    if not any(d):
        return (_PERSPECTIVE if family == _NONE else family), np.zeros(0)
    if family == _NONE:
        raise BadMessageError('d', f'{list(d)}; {model} has no distortion: calibrate as '
                                   'plumb_bob, or leave the coefficients away')
    lengths = DISTORTION_LENGTHS[family]
    if family == _PERSPECTIVE:
        lengths += DISTORTION_LENGTHS['rational_polynomial']
    fitting = [n for n in lengths if len(d) == n or (len(d) > n and not any(d[n:]))]
    if not fitting:
        raise BadMessageError('d', f'{len(d)} values; {model or _PERSPECTIVE} has '
                                   f'{", ".join(map(str, lengths))}, or none')
    num = len(d) if len(d) in DISTORTION_LENGTHS[family] else fitting[0]
    is_long = num not in DISTORTION_LENGTHS[family]
    return ('rational_polynomial' if is_long else family), np.array(d[:num])


def _unknown_model(model: str, asked: str) -> str:
    shown = f'{model[:40]!r}'
    substitute = SUBSTITUTES.get(asked)
    if substitute is not None:
        return f'{shown} is not known here; calibrate the lens as {substitute}'
    return f'{shown}; allowed: {", ".join(name or repr(name) for name in MODEL_NAMES)}'


def _implausible(width_px: int, height_px: int, K: Float64Array) -> tuple[str, str] | None:
    """As ``camera_problem``: a field of view or a centre that no camera has."""
    side = max(width_px, height_px)
    focal_x, focal_y = float(K[0, 0]), float(K[1, 1])
    if not all(side / WIDEST_SIDE_BY_FOCAL <= focal <= side * LONGEST_FOCAL_BY_SIDE
               for focal in (focal_x, focal_y)):
        return 'K', (f'focal lengths {focal_x:g}, {focal_y:g} px; allowed: '
                     f'{side / WIDEST_SIDE_BY_FOCAL:g} to {side * LONGEST_FOCAL_BY_SIDE:g} for '
                     f'{width_px}x{height_px}')
    if max(focal_x, focal_y) > LARGEST_FOCAL_RATIO * min(focal_x, focal_y):
        return 'K', (f'focal lengths {focal_x:g}, {focal_y:g} px; allowed: a ratio of up to '
                     f'{LARGEST_FOCAL_RATIO:g}')
    if abs(K[0, 1]) > focal_x or K[1, 0] != 0.0:
        return 'K', f'skew {K[0, 1]:g}, {K[1, 0]:g}; allowed: less than the focal length, and 0'
    for axis, size_px, focal in ((0, width_px, focal_x), (1, height_px, focal_y)):
        offset = abs(float(K[axis, 2]) - (size_px - 1) / 2.0)
        if offset > FARTHEST_CENTRE * max(side, focal):
            return 'K', (f'centre {K[0, 2]:g}, {K[1, 2]:g} px, too far from an image of '
                         f'{width_px}x{height_px}')
    return None


def _binned_region(
    size: tuple[int, int], K: Float64Array, model: str, D: Float64Array,
    binning: tuple[int, int], roi: tuple[int, int, int, int],
) -> CameraModel:
    left, top, width_px, height_px = roi
    width_px, height_px = width_px or size[0] - left, height_px or size[1] - top
    if left + width_px > size[0] or top + height_px > size[1] or min(width_px, height_px) < 1:
        raise BadMessageError('roi', f'{width_px}x{height_px} at ({left}, {top}); it must lie '
                                     f'in the image of {size[0]}x{size[1]}')
    step_x, step_y = max(binning[0], 1), max(binning[1], 1)
    if step_x > width_px or step_y > height_px:
        raise BadMessageError('binning_x', f'{step_x}x{step_y}; the image has only '
                                           f'{width_px}x{height_px} pixels')
    width_px, height_px = width_px // step_x, height_px // step_y
    reduced = K.copy()
    reduced[:2, 2] -= (left, top)
    reduced[0] /= step_x
    reduced[1] /= step_y
    problem = camera_problem(width_px, height_px, reduced, model, D)
    if problem is not None:
        raise BadMessageError('roi', f'with binning {step_x}x{step_y}: {problem[1]}')
    return CameraModel(width_px=width_px, height_px=height_px, K=reduced,
                       distortion_model=model, D=D)
