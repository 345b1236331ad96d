# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A simulated street: recorded first, then replayed through the segmentation node."""

import atexit
import subprocess
import sys
import tempfile
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import exists
from anymodal_seg_ros.resources import resource_path
from anymodal_seg_ros.ros import launch_arguments as check
from anymodal_seg_ros.ros.launch_arguments import Argument
from anymodal_seg_ros.ros.launch_endings import check_exit
from anymodal_seg_ros.sim.vehicle import SENSOR_NAMES, chosen_sensors


def _new_folder(text: str) -> str:
    if text and exists(Path(text)):
        raise ConfigError('it exists and is not overwritten; replay.launch.py plays it')
    return text


def _sensors(text: str) -> tuple[str, ...]:
    return chosen_sensors(text.split())


STREET = (
    Argument(name='seed', default='1', parse=check.whole_number,
             text='Seed of the street; the same seed gives the same recording'),
    Argument(name='street', default='straight',
             parse=check.choice('straight', 'curve', 'crossing'),
             text='Kind of street: straight, curve or crossing'),
    Argument(name='condition', default='sun',
             parse=check.choice('sun', 'cloud', 'fog', 'rain', 'night'),
             text='Weather and light: sun, cloud, fog, rain or night'),
    Argument(name='duration', default='30', parse=check.number(0.1),
             text='Seconds to drive'),
    Argument(name='sensors', default=' '.join(SENSOR_NAMES), parse=_sensors,
             text='Names with spaces between them: rgb and any of depth, lidar, event, thermal'),
)
REPLAY = check.replay_arguments(resource_path('config') / 'faults' / 'none.yaml')
BAG = Argument(name='bag', default='', parse=_new_folder,
               text='Folder to record the street to; empty: a temporary one')
ARGUMENTS = (*STREET, *REPLAY, BAG)


def generate_launch_description() -> LaunchDescription:
    """All other arguments are those of ``seg.launch.py``."""
    declared = [DeclareLaunchArgument(one.name, default_value=one.default, description=one.text)
                for one in ARGUMENTS]
    return LaunchDescription([*declared, OpaqueFunction(function=_record_and_replay)])


def _record_and_replay(context: LaunchContext) -> list:
    texts = {one.name: LaunchConfiguration(one.name).perform(context) for one in ARGUMENTS}
    # Also what is for the replay alone: nobody waits for a street to be told of a typing error.
    bag = check.parsed(ARGUMENTS, texts)['bag'] or _temporary_bag()
    options = [part for one in STREET for part in (f'--{one.name}', *texts[one.name].split())]
    record = ExecuteProcess(
        cmd=[sys.executable, '-m', 'anymodal_seg_ros.sim', 'bag', bag, *options],
        output='screen', emulate_tty=True)
    replay = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(Path(__file__).resolve().parent / 'seg.launch.py')),
        launch_arguments=[('bag', bag), *((one.name, LaunchConfiguration(one.name))
                                          for one in REPLAY)])

    def when_recorded(event: ProcessExited, context: LaunchContext) -> list:
        if context.is_shutdown:
            return []
        check_exit(event, 'recording the street')
        return [replay]

    # Registered before the process could end.
    return [RegisterEventHandler(OnProcessExit(target_action=record, on_exit=when_recorded)),
            record]


def _temporary_bag() -> str:
    """A folder that is gone when the launch is: a street takes megabytes for each second.

    SIGTERM ends a launch before anything of its own could tidy up, so another process does: its
    input ends when the launch does, in whatever way.
    """
    folder = tempfile.mkdtemp(prefix='anymodal_street_')
    remover = subprocess.Popen(['sh', '-c', 'cat; rm -rf -- "$0"', folder],
                               stdin=subprocess.PIPE, start_new_session=True)
    # Where the launch can end in order, it ends after its folder.
    atexit.register(remover.communicate)
    return str(Path(folder) / 'bag')
