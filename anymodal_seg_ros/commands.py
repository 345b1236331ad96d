# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The installed commands. Each imports what it runs only when signals cannot hurt any more."""

from __future__ import annotations

from anymodal_seg_ros.stopping import COMMAND_STOPPED, NODE_STOPPED, run_main


def segmentation_node() -> int:
    return run_main('anymodal_seg_ros.ros.segmentation_node', NODE_STOPPED)


def fault_injector_node() -> int:
    return run_main('anymodal_seg_ros.ros.fault_injector_node', NODE_STOPPED)


def bag_player_node() -> int:
    return run_main('anymodal_seg_ros.ros.bag_player_node', NODE_STOPPED)


def bag_recorder_node() -> int:
    return run_main('anymodal_seg_ros.ros.bag_recorder_node', NODE_STOPPED)


def segment_bag() -> int:
    return run_main('anymodal_seg_ros.segment_bag', COMMAND_STOPPED)


def simulate_street() -> int:
    return run_main('anymodal_seg_ros.sim.__main__', COMMAND_STOPPED)
