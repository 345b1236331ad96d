# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A recording with injected sensor faults through the segmentation node."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from anymodal_seg_ros.resources import resource_path
from anymodal_seg_ros.ros.launch_arguments import Argument, replay_arguments

ARGUMENTS = (
    Argument(name='bag', default=None,
             text='Recording (rosbag2, mcap or sqlite3) to play'),
    *replay_arguments(resource_path('config') / 'faults' / 'every_sensor.yaml'),
)


def generate_launch_description() -> LaunchDescription:
    """All other arguments are those of ``seg.launch.py``, which checks them all."""
    declared = [DeclareLaunchArgument(one.name, default_value=one.default, description=one.text)
                for one in ARGUMENTS]
    seg = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(Path(__file__).resolve().parent / 'seg.launch.py')),
        launch_arguments=[(one.name, LaunchConfiguration(one.name)) for one in ARGUMENTS])
    return LaunchDescription([*declared, seg])
