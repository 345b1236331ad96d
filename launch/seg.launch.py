# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Segmentation of live sensors, or of a recording with optional sensor faults."""

import os
from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_prefix
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    LogInfo,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from anymodal_seg_ros.bundle import read_description
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.modalities import MODALITIES, decoding_for, gathered_decoding
from anymodal_seg_ros.pipeline import build_encoders
from anymodal_seg_ros.resources import resource_path
from anymodal_seg_ros.ros import launch_arguments as check
from anymodal_seg_ros.ros.launch_arguments import Argument
from anymodal_seg_ros.ros.launch_endings import ends_with
from anymodal_seg_ros.ros.params import bundle_path

PACKAGE = 'anymodal_seg_ros'
NODE = 'anymodal_seg'
INJECTOR = 'fault_injector'
DISTROS_WITH_FASTRTPS = ('humble', 'iron', 'jazzy')
START_TIMEOUT_S = 300.0
"""A node that fails ends the launch, so a player waits for a slow machine and nothing else."""


ARGUMENTS = (
    Argument(name='params_file', default='', parse=check.parameters,
             text='YAML with parameters of the node; empty: config/anymodal_seg.yaml'),
    Argument(name='use_sim_time', default='false', parse=check.truth,
             text='Take the time from /clock; always true when a bag is played'),
    Argument(name='namespace', default='', parse=check.namespace,
             text='Namespace of all nodes and relative topics'),
    *(one.argument for one in check.TOPICS),
    check.BUNDLE,
    Argument(name='device', default='auto', parse=check.device,
             text='Where the network runs: auto, cpu or cuda'),
    Argument(name='bag', default='', parse=check.recording,
             text='Recording (rosbag2, mcap or sqlite3) to play; empty: live sensors'),
    check.BAG_RATE,
    check.LOOP,
    check.FAULTS_FILE,
    Argument(name='live_faults', default='false', parse=check.truth,
             text='Start the fault injector without a schedule too, to set faults by hand'),
    check.RVIZ,
    Argument(name='log_level', default='info',
             parse=check.choice('debug', 'info', 'warn', 'error', 'fatal'),
             text='Log level of the nodes: debug, info, warn, error or fatal'),
)


def generate_launch_description() -> LaunchDescription:
    """Arguments first, so that ``--show-args`` lists them; the rest depends on their values."""
    declared = [DeclareLaunchArgument(one.name, default_value=one.default, description=one.text)
                for one in ARGUMENTS]
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
    texts = {one.name: LaunchConfiguration(one.name).perform(context) for one in ARGUMENTS}
    values = check.parsed(ARGUMENTS, texts)
    values['sim_time'] = bool(values['bag']) or values['use_sim_time']
    values['injects'] = bool(values['faults_file'].faults) or values['live_faults']
    processes = {'segmentation_node': _segmentation(values, texts['params_file'])}
    if values['injects']:
        _require_raw_inputs(values['params_file'], texts['params_file'])
        processes['fault_injector_node'] = _injector(values, texts['faults_file'])
    if values['bag']:
        processes['bag_player_node'] = _player(values)
    # Registered before a process could end.
    endings = [ends_with(process, name) for name, process in processes.items()]
    return [*endings, *processes.values(), *(_rviz(values) if values['rviz'] else ())]


def _rviz(values: dict[str, Any]) -> list:
    """Beside the nodes: it may be absent or be closed, and they go on."""
    try:
        get_package_prefix('rviz2')
    except PackageNotFoundError:
        return [LogInfo(msg='rviz:=true: there is no package rviz2 here; going on without it')]
    return [Node(
        package='rviz2', executable='rviz2', namespace=values['namespace'],
        arguments=['-d', str(resource_path('rviz') / 'anymodal_seg.rviz')],
        parameters=[{'use_sim_time': values['sim_time']}],
        remappings=_remappings(values))]


def _node(values: dict[str, Any], executable: str, name: str, parameters: list,
          remappings: list) -> Node:
    return Node(
        package=PACKAGE, executable=executable, name=name, namespace=values['namespace'],
        output='screen', emulate_tty=True, parameters=parameters, remappings=remappings,
        ros_arguments=['--log-level', values['log_level']])


def _segmentation(values: dict[str, Any], params_file: str) -> Node:
    params_file = params_file or str(resource_path('config') / 'anymodal_seg.yaml')
    overrides = {'use_sim_time': values['sim_time'], 'model.device': values['device']}
    if values['bundle']:
        overrides['bundle'] = values['bundle']
    if values['bag']:
        overrides['extrinsics_bag'] = values['bag']
    return _node(values, 'segmentation_node', NODE, [params_file, overrides], _remappings(values))


def _remappings(values: dict[str, Any]) -> list:
    return [(one.argument.default, values[one.argument.name]) for one in check.TOPICS]


def _injector(values: dict[str, Any], faults_file: str) -> Node:
    parameters = {'use_sim_time': values['sim_time'], 'faults_file': faults_file,
                  **_decoding(values)}
    # Live sensors do not wait, and are not to be kept from other listeners.
    if values['bag']:
        parameters['wait_for_node'] = NODE
    for one in check.TOPICS:
        parameters[f'outputs.{one.injector_key}'] = values[one.argument.name]
        parameters[f'inputs.{one.injector_key}'] = _injected(values, one.argument.name)
    return _node(values, 'fault_injector_node', INJECTOR, [parameters], [])


def _decoding(values: dict[str, Any]) -> dict[str, Any]:
    """The injector reads messages as the node does: by its parameters, else by its bundle."""
    params = {key: value for table in values['params_file'] for key, value in table.items()}
    bundle = read_description(bundle_path(values['bundle'] or str(params.get('bundle', ''))))
    decoding = decoding_for(build_encoders(bundle), gathered_decoding(params, 'inputs.{}.'))
    # A bundle's JSON may have whole numbers, which the parameters are not.
    return {f'{name}_{key}': float(value) if type(value) is int else value
            for name, settings in decoding.items() for key, value in settings.items()
            if key in [setting.name for setting in MODALITIES[name].decoder_settings]}


def _require_raw_inputs(params: list[dict[str, Any]], params_file: str) -> None:
    """Another form has another topic: the injector would relay what nobody listens to."""
    for table in params:
        for name, row in MODALITIES.items():
            key, plain = f'inputs.{name}.form', next(iter(row.forms))
            if (form := table.get(key, plain)) != plain:
                raise ConfigError(f'faults_file needs raw topics, but params_file:={params_file} '
                                  f'has {form!r} for {key}; start fault_injector_node by itself')


def _injected(values: dict[str, Any], argument: str) -> str:
    """Where the injector listens: ``raw/`` before the topic, or behind a leading slash."""
    topic = values[argument]
    return f'/raw{topic}' if topic.startswith('/') else f'raw/{topic}'


def _player(values: dict[str, Any]) -> Node:
    """Recorded topics go to the topics of the arguments, or to the injector before them."""
    remappings = []
    for one in check.TOPICS:
        name, given = one.argument.name, values[one.argument.name]
        target = _injected(values, name) if values['injects'] else given
        recorded = {f'/{one.argument.default}', given if given.startswith('/') else ''}
        remappings += [(source, target) for source in sorted(recorded - {'', target})]
    parameters = {
        'bag': values['bag'], 'rate': values['bag_rate'], 'loop': values['loop'],
        'exclude_topics': ['/clock', '/ground_truth/label'], 'finish_delay_s': 1.0,
        'wait_for_subscribers_s': START_TIMEOUT_S,
        'wait_for_node': INJECTOR if values['injects'] else NODE}
    return _node(values, 'bag_player_node', 'bag_player', [parameters], remappings)
