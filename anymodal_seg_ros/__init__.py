# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Semantic segmentation for a vehicle that must keep seeing when sensors fail.

Importing this package loads neither torch nor rclpy.
"""

__version__ = '0.1.0'
