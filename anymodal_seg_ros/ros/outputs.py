# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node publishes for each label image; the costly forms only while somebody listens."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from sensor_msgs.msg import Image, PointCloud2

from anymodal_seg_ros.geometry import rasterize_nearest, transform_points
from anymodal_seg_ros.labels import UNLABELLED, LabelSpace
from anymodal_seg_ros.modalities.plane import sampling_step, sensor_camera
from anymodal_seg_ros.ros.conversions import (
    LABEL_INFO_TYPE,
    image_to_message,
    label_info_message,
    semantic_cloud_to_message,
    semantic_points,
)
from anymodal_seg_ros.ros.qos import LATCHED, OUTPUT
from anymodal_seg_ros.ros.view import View
from anymodal_seg_ros.session import Labelled


class OutputPublishers:
    """Publishers of label images and their views. ``publish`` is called by one thread.

    ``~/label`` always goes out; ``~/confidence``, ``~/label_color``, ``~/overlay`` and
    ``~/semantic_points`` are computed only while they have subscribers, and rest while one of
    these holds them up (``View``). All carry the set's
    stamp and the reference camera's frame. ``~/label_info`` goes out, latched, with the first
    label image and its header, and again for another frame or after the time was set back.
    """

    def __init__(self, node: Node, space: LabelSpace, overlay_alpha: float) -> None:
        self._space = space
        self._palette = space.palette()
        self.overlay_alpha = overlay_alpha
        self._label = node.create_publisher(Image, '~/label', OUTPUT)
        self._confidence = View(node.create_publisher(Image, '~/confidence', OUTPUT))
        self._color = View(node.create_publisher(Image, '~/label_color', OUTPUT))
        self._overlay = View(node.create_publisher(Image, '~/overlay', OUTPUT))
        self._points = View(node.create_publisher(PointCloud2, '~/semantic_points', OUTPUT))
        self._fusion = node.create_publisher(DiagnosticArray, '~/fusion_info', OUTPUT)
        self._label_info = node.create_publisher(LABEL_INFO_TYPE, '~/label_info', LATCHED)
        self._info_header: tuple[int, str] | None = None

    def publish_label(self, done: Labelled) -> None:
        """The label image; to be sent before anything that takes time."""
        stamp_ns, frame = done.prediction.stamp_ns, done.rig.camera_frame
        self._label.publish(image_to_message(done.prediction.labels, 'mono8', stamp_ns, frame))
        self._publish_info(stamp_ns, frame)

    def _publish_info(self, stamp_ns: int, frame: str) -> None:
        if self._info_header is not None:
            since_ns, known_frame = self._info_header
            if frame == known_frame and stamp_ns >= since_ns:
                return
        self._info_header = stamp_ns, frame
        self._label_info.publish(label_info_message(self._space, stamp_ns, frame))

    def publish_fusion_info(self, message: DiagnosticArray) -> None:
        self._fusion.publish(message)

    def num_skipped_views(self) -> int:
        """How many were not made because sending one before took too long."""
        views = (self._confidence, self._color, self._overlay, self._points)
        return sum(view.num_skipped for view in views)

    def publish_views(self, done: Labelled) -> None:
        """Everything that somebody subscribes to besides the label image."""
        stamp_ns, frame = done.prediction.stamp_ns, done.rig.camera_frame
        labels = done.prediction.labels
        if self._confidence.is_wanted():
            confidence = done.prediction.confidence
            self._confidence.publish(image_to_message(confidence, 'mono8', stamp_ns, frame))
        if self._color.is_wanted():
            self._color.publish(image_to_message(self._palette[labels], 'rgb8', stamp_ns, frame))
        if self._overlay.is_wanted():
            image = overlay(done, self._palette, self.overlay_alpha)
            self._overlay.publish(image_to_message(image, 'rgb8', stamp_ns, frame))
        if self._points.is_wanted():
            cloud = labelled_cloud(done, self._palette)
            if cloud is not None:
                self._points.publish(semantic_cloud_to_message(cloud, stamp_ns, frame))


def overlay(
    done: Labelled, palette: npt.NDArray[np.uint8], alpha: float
) -> npt.NDArray[np.uint8]:
    """Label colours over the camera image; over the first other picture when it is absent."""
    labels = done.prediction.labels
    color = palette[labels]
    height, width = labels.shape
    rgb = done.sample_set.samples.get('rgb')
    if rgb is None:
        return np.asarray(cv2.convertScaleAbs(color, alpha=alpha), np.uint8)
    image = rgb.data
    if image.shape[:2] != labels.shape:
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    mixed = cv2.addWeighted(color, alpha, image, 1.0 - alpha, 0.0)
    unlabelled = labels == UNLABELLED
    if unlabelled.any():
        mixed[unlabelled] = image[unlabelled]
    return np.asarray(mixed, np.uint8)


def labelled_cloud(
    done: Labelled, palette: npt.NDArray[np.uint8]
) -> npt.NDArray[np.void] | None:
    """``SEMANTIC_POINT`` in the camera's frame, or None when the set has neither source.

    With a scan: [N], the points that the camera sees. Without one, from depth: [H, W], one point
    for each label pixel, NaN where there is no return.
    """
    samples, rig, labels = done.sample_set.samples, done.rig, done.prediction.labels
    if 'lidar' in samples:
        points = transform_points(rig.extrinsic('lidar'), samples['lidar'].data[:, :3])
        uv, in_view = rig.camera.project(points)
        return semantic_points(points[in_view], labels[_pixels(uv[in_view], labels)], palette)
    if 'depth' not in samples:
        return None
    depth_m = samples['depth'].data
    height, width = depth_m.shape
    step = sampling_step((height, width), labels.shape)
    camera = sensor_camera(rig, 'depth', (height, width))
    directions = camera.ray_directions(np.arange(0, width, step), np.arange(0, height, step))
    depth_m = depth_m[::step, ::step]
    seen = np.isfinite(depth_m)
    rays: npt.NDArray[Any] = directions[seen]
    points = transform_points(rig.extrinsic('depth'), rays * depth_m[seen][:, None])
    uv, in_view = rig.camera.project(points)
    points, uv = points[in_view], uv[in_view]
    organised = rasterize_nearest(uv, points[:, 2], points, labels.shape, np.nan)
    return semantic_points(organised, labels, palette)


def _pixels(
    uv: npt.NDArray[Any], labels: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Row and column of the pixel that holds each ``uv``, inside ``labels``."""
    u, v = np.floor(uv + 0.5).astype(np.intp).T
    return v.clip(0, labels.shape[0] - 1), u.clip(0, labels.shape[1] - 1)
