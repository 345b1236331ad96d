# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A recording with injected sensor faults through the segmentation node."""

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from anymodal_seg_ros.resources import resource_path

FAULTS = str(resource_path('config') / 'faults' / 'every_sensor.yaml')
ARGUMENTS = (
    ('bag', None, 'Recording (rosbag2, mcap or sqlite3) to play'),
    ('faults_file', FAULTS, 'YAML schedule of sensor faults to inject'),
    ('bag_rate', '1.0', 'Speed of the recording, 1.0 is real time'),
    ('loop', 'false', 'Play the recording again and again'),
    ('bundle', '', 'Folder of the network to run; empty: the one that is installed'),
    ('rviz', 'false', 'Open RViz with the layout of this package'),
)


def generate_launch_description() -> LaunchDescription:
    """All other arguments are those of ``seg.launch.py``, which checks them all."""
    declared = [DeclareLaunchArgument(name, default_value=default, description=text)
                for name, default, text in ARGUMENTS]
    seg = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(Path(__file__).resolve().parent / 'seg.launch.py')),
        launch_arguments=[(name, LaunchConfiguration(name)) for name, _, _ in ARGUMENTS])
    return LaunchDescription([*declared, seg])
