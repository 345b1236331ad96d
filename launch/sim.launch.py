# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A simulated street: recorded first, then replayed through the segmentation node."""

import sys
import tempfile
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from anymodal_seg_ros.resources import resource_path

FAULTS = str(resource_path('config') / 'faults' / 'none.yaml')
STREET = (
    ('seed', '1', 'Seed of the street; the same seed gives the same recording'),
    ('street', 'straight', 'Kind of street: straight, curve or crossing'),
    ('condition', 'sun', 'Weather and light: sun, cloud, fog, rain or night'),
    ('duration', '30', 'Seconds to drive'),
)
REPLAY = (
    ('faults_file', FAULTS, 'YAML schedule of sensor faults to inject'),
    ('bag_rate', '1.0', 'Speed of the replay, 1.0 is real time'),
    ('loop', 'false', 'Drive the street again and again'),
    ('bundle', '', 'Folder of the network to run; empty: the one that is installed'),
    ('rviz', 'false', 'Open RViz with the layout of this package'),
)
ARGUMENTS = (*STREET, *REPLAY,
             ('bag', '', 'Folder to record the street to; empty: a temporary one'))


def generate_launch_description() -> LaunchDescription:
    """All other arguments are those of ``seg.launch.py``."""
    declared = [DeclareLaunchArgument(name, default_value=default, description=text)
                for name, default, text in ARGUMENTS]
    return LaunchDescription([*declared, OpaqueFunction(function=_record_and_replay)])


def _record_and_replay(context: LaunchContext) -> list:
    bag = LaunchConfiguration('bag').perform(context)
    bag = bag or str(Path(tempfile.mkdtemp(prefix='anymodal_street_')) / 'bag')
    options = [part for name, _, _ in STREET
               for part in (f'--{name}', LaunchConfiguration(name).perform(context))]
    record = ExecuteProcess(
        cmd=[sys.executable, '-m', 'anymodal_seg_ros.sim', 'bag', bag, *options],
        output='screen', emulate_tty=True)
    replay = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(Path(__file__).resolve().parent / 'seg.launch.py')),
        launch_arguments=[('bag', bag), *((name, LaunchConfiguration(name))
                                          for name, _, _ in REPLAY)])

    def when_recorded(event: ProcessExited, context: LaunchContext) -> list:
        if event.returncode == 0:
            return [replay]
        return [LogInfo(msg=f'the street was not recorded (exit code {event.returncode})')]

    return [record,
            RegisterEventHandler(OnProcessExit(target_action=record, on_exit=when_recorded))]
