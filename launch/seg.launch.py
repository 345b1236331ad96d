# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Segmentation of live sensors, or of a recording with optional sensor faults."""

import os
from pathlib import Path

import yaml
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.resources import resource_path

PACKAGE = 'anymodal_seg_ros'
INPUTS = {
    'camera_topic': 'camera/image',
    'camera_info_topic': 'camera/camera_info',
    'depth_topic': 'depth/image',
    'depth_info_topic': 'depth/camera_info',
    'lidar_topic': 'lidar/points',
    'events_topic': 'events',
}
INJECTOR_OUTPUTS = {
    'camera_topic': 'rgb',
    'camera_info_topic': 'rgb_info',
    'depth_topic': 'depth',
    'depth_info_topic': 'depth_info',
    'lidar_topic': 'lidar',
    'events_topic': 'event',
}
DISTROS_WITH_FASTRTPS = ('humble', 'iron', 'jazzy')
ARGUMENTS = (
    ('params_file', '', 'YAML with parameters of the node; empty: config/anymodal_seg.yaml'),
    ('use_sim_time', 'false', 'Take the time from /clock; always true when a bag is played'),
    ('namespace', '', 'Namespace of all nodes and relative topics'),
    ('camera_topic', INPUTS['camera_topic'], 'Camera image (Image, or CompressedImage by params)'),
    ('camera_info_topic', INPUTS['camera_info_topic'], 'CameraInfo of the camera'),
    ('depth_topic', INPUTS['depth_topic'], 'Depth image (32FC1 in m or 16UC1 in mm, or by params)'),
    ('depth_info_topic', INPUTS['depth_info_topic'], 'CameraInfo of the depth camera'),
    ('lidar_topic', INPUTS['lidar_topic'], 'LiDAR scan (PointCloud2)'),
    ('events_topic', INPUTS['events_topic'], 'Events (PointCloud2 with x, y, t, pol)'),
    ('bundle', '', 'Folder of the network to run; empty: the one that is installed'),
    ('device', 'auto', 'Where the network runs: auto, cpu or cuda'),
    ('bag', '', 'Recording (rosbag2, mcap or sqlite3) to play; empty: live sensors'),
    ('bag_rate', '1.0', 'Speed of the recording, 1.0 is real time'),
    ('loop', 'false', 'Play the recording again and again'),
    ('faults_file', '', 'YAML schedule of sensor faults to inject; empty: none'),
    ('rviz', 'false', 'Open RViz with the layout of this package'),
    ('log_level', 'info', 'Log level of the nodes: debug, info, warn, error'),
)


def generate_launch_description() -> LaunchDescription:
    """Arguments first, so that ``--show-args`` lists them; the rest depends on their values."""
    declared = [DeclareLaunchArgument(name, default_value=default, description=text)
                for name, default, text in ARGUMENTS]
    return LaunchDescription(
        [*declared, *_transport(), *_threads(), OpaqueFunction(function=_start)])


def _transport() -> list:
    """Default Fast DDS loses camera-sized best-effort messages; a profile of the user's stays."""
    names = ['FASTDDS_DEFAULT_PROFILES_FILE']
    if os.environ.get('ROS_DISTRO') in DISTROS_WITH_FASTRTPS:
        names.append('FASTRTPS_DEFAULT_PROFILES_FILE')
    if any(os.environ.get(name) for name in (*names, 'FASTRTPS_DEFAULT_PROFILES_FILE')):
        return []
    profile = str(resource_path('config') / 'fastdds_shm.xml')
    return [SetEnvironmentVariable(name, profile) for name in names]


def _threads() -> list:
    """Threads that spin while they wait take the cores from the processes beside them."""
    if 'OMP_WAIT_POLICY' in os.environ:
        return []
    return [SetEnvironmentVariable('OMP_WAIT_POLICY', 'PASSIVE')]


def _start(context: LaunchContext) -> list:
    values = {name: LaunchConfiguration(name).perform(context) for name, _, _ in ARGUMENTS}
    values['sim_time'] = bool(values['bag']) or _is_true(values['use_sim_time'])
    actions = [_segmentation(values)]
    if values['faults_file']:
        _require_raw_inputs(values['params_file'])
        actions.append(_injector(values))
    if values['bag']:
        player = _player(values)
        actions += [player, RegisterEventHandler(OnProcessExit(
            target_action=player, on_exit=[EmitEvent(event=Shutdown(reason='bag is over'))]))]
    if _is_true(values['rviz']):
        actions.append(Node(
            package='rviz2', executable='rviz2', namespace=values['namespace'],
            arguments=['-d', str(resource_path('rviz') / 'anymodal_seg.rviz')],
            parameters=[{'use_sim_time': values['sim_time']}]))
    return actions


def _node(values: dict, executable: str, name: str, parameters: list, remappings: list) -> Node:
    return Node(
        package=PACKAGE, executable=executable, name=name, namespace=values['namespace'],
        output='screen', emulate_tty=True, parameters=parameters, remappings=remappings,
        ros_arguments=['--log-level', values['log_level']])


def _segmentation(values: dict) -> Node:
    params_file = values['params_file'] or str(resource_path('config') / 'anymodal_seg.yaml')
    overrides = {'use_sim_time': values['sim_time'], 'model.device': values['device']}
    if values['bundle']:
        overrides['bundle'] = values['bundle']
    if values['bag']:
        overrides['extrinsics_bag'] = values['bag']
    return _node(values, 'segmentation_node', 'anymodal_seg', [params_file, overrides],
                 [(topic, values[argument]) for argument, topic in INPUTS.items()])


def _injector(values: dict) -> Node:
    parameters = {'use_sim_time': values['sim_time'], 'faults_file': values['faults_file']}
    for argument, key in INJECTOR_OUTPUTS.items():
        parameters[f'outputs.{key}'] = values[argument]
        parameters[f'inputs.{key}'] = _injected(values, argument)
    return _node(values, 'fault_injector_node', 'fault_injector', [parameters], [])


def _require_raw_inputs(params_file: str) -> None:
    """Another form has another topic: the injector would relay what nobody listens to."""
    if not params_file:
        return
    for node in (yaml.safe_load(Path(params_file).read_text(encoding='utf-8')) or {}).values():
        for sensor, given in node.get('ros__parameters', {}).get('inputs', {}).items():
            form = given.get('transport', given.get('type', 'raw'))
            if form not in ('raw', 'cloud'):
                raise ConfigError(f'faults_file needs raw topics, but {params_file} has '
                                  f'{form!r} for {sensor}; start fault_injector_node by itself')


def _injected(values: dict, argument: str) -> str:
    """Where the injector listens: ``raw/`` before the topic, or behind a leading slash."""
    topic = values[argument]
    return f'/raw{topic}' if topic.startswith('/') else f'raw/{topic}'


def _player(values: dict) -> Node:
    """Recorded topics go to the topics of the arguments, or to the injector before them."""
    remappings = []
    for argument, topic in INPUTS.items():
        target = _injected(values, argument) if values['faults_file'] else values[argument]
        recorded = {f'/{topic}', values[argument] if values[argument].startswith('/') else ''}
        remappings += [(source, target) for source in sorted(recorded - {'', target})]
    parameters = {
        'bag': values['bag'], 'rate': float(values['bag_rate']), 'loop': _is_true(values['loop']),
        'exclude_topics': ['/clock', '/ground_truth/label'], 'wait_for_subscribers_s': 60.0,
        'finish_delay_s': 1.0}
    return _node(values, 'bag_player_node', 'bag_player', [parameters], remappings)


def _is_true(text: str) -> bool:
    return text.strip().lower() in ('true', '1', 'yes', 'on')

