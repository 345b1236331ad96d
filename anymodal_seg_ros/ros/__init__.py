# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS 2 nodes: the only folder that imports rclpy and message packages."""
