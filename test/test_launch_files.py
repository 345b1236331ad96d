# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Launch files: arguments, processes and remappings, without ROS's launch and with it."""

import importlib.util
import py_compile
import sys
import types
from pathlib import Path

import pytest
import yaml

from anymodal_seg_ros.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]
NAMES = ('seg', 'sim', 'replay')
SEG_ARGUMENTS = [
    'params_file', 'use_sim_time', 'namespace', 'camera_topic', 'camera_info_topic',
    'depth_topic', 'depth_info_topic', 'lidar_topic', 'events_topic', 'bundle', 'device', 'bag',
    'bag_rate', 'loop', 'faults_file', 'rviz', 'log_level']


class Recorded:
    """Stands for every class of launch and launch_ros; remembers how it was built."""

    def __init__(self, *args, **kwargs):
        self.args = args
        self.__dict__.update(kwargs)


class LaunchConfiguration(Recorded):
    def perform(self, context):
        return context[self.args[0]]


def stub_modules():
    modules = {}
    for path, names in {
        'launch': ['LaunchContext', 'LaunchDescription'],
        'launch.actions': ['DeclareLaunchArgument', 'EmitEvent', 'ExecuteProcess',
                           'IncludeLaunchDescription', 'LogInfo', 'OpaqueFunction',
                           'RegisterEventHandler', 'SetEnvironmentVariable'],
        'launch.event_handlers': ['OnProcessExit'],
        'launch.events': ['Shutdown'],
        'launch.events.process': ['ProcessExited'],
        'launch.launch_description_sources': ['PythonLaunchDescriptionSource'],
        'launch.substitutions': [],
        'launch_ros': [],
        'launch_ros.actions': ['Node'],
    }.items():
        module = types.ModuleType(path)
        for name in names:
            setattr(module, name, type(name, (Recorded,), {}))
        modules[path] = module
    modules['launch.substitutions'].LaunchConfiguration = LaunchConfiguration
    return modules


def load(name):
    spec = importlib.util.spec_from_file_location(
        f'{name}_launch', ROOT / 'launch' / f'{name}.launch.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture()
def stubbed(monkeypatch):
    for name, module in stub_modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    for name in ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE', 'ROS_DISTRO'):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def kinds(actions, kind):
    return [action for action in actions if type(action).__name__ == kind]


def described(name):
    [actions] = load(name).generate_launch_description().args
    return actions


def started(name, **values):
    """The actions that start with these arguments, the others at their defaults."""
    actions = described(name)
    context = {a.args[0]: a.default_value for a in kinds(actions, 'DeclareLaunchArgument')}
    assert set(values) <= set(context)
    [opaque] = kinds(actions, 'OpaqueFunction')
    return opaque.function({**context, **values})


def nodes(actions):
    return {node.executable: node for node in kinds(actions, 'Node')}


def merged(node):
    return {key: value for table in node.parameters if isinstance(table, dict)
            for key, value in table.items()}


@pytest.mark.parametrize('name', NAMES)
def test_compiles(name, tmp_path):
    py_compile.compile(str(ROOT / 'launch' / f'{name}.launch.py'),
                       cfile=str(tmp_path / 'out.pyc'), doraise=True)


@pytest.mark.parametrize('name', NAMES)
def test_every_argument_is_described(stubbed, name):
    declared = kinds(described(name), 'DeclareLaunchArgument')
    assert declared
    for argument in declared:
        assert len(argument.description) > 10
        assert argument.default_value is not None or name == 'replay'
    if name == 'seg':
        assert [argument.args[0] for argument in declared] == SEG_ARGUMENTS


@pytest.mark.parametrize('name', ['sim', 'replay'])
def test_arguments_passed_on_are_those_of_seg(stubbed, name):
    actions = described(name)
    if name == 'sim':
        [handler] = kinds(started('sim'), 'RegisterEventHandler')
        [include] = handler.args[0].on_exit(types.SimpleNamespace(returncode=0), {})
        [failed] = handler.args[0].on_exit(types.SimpleNamespace(returncode=2), {})
        assert 'exit code 2' in failed.msg
    else:
        [include] = kinds(actions, 'IncludeLaunchDescription')
    assert include.args[0].args[0] == str(ROOT / 'launch' / 'seg.launch.py')
    passed = [key for key, _ in include.launch_arguments]
    assert 'bag' in passed
    assert set(passed) <= set(SEG_ARGUMENTS)


def test_sim_records_with_its_own_command_line(stubbed):
    from anymodal_seg_ros.sim.__main__ import _parser
    [record] = kinds(started('sim', seed='5', duration='3', bag='/tmp/street'), 'ExecuteProcess')
    assert record.cmd[1:4] == ['-m', 'anymodal_seg_ros.sim', 'bag']
    options = _parser().parse_args(record.cmd[3:])
    assert (options.seed, options.duration, str(options.path)) == (5, 3.0, '/tmp/street')


def test_live_sensors_start_the_node_alone(stubbed):
    found = nodes(started('seg', camera_topic='/zed/image', device='cpu', bundle='/b',
                          namespace='car', log_level='warn'))
    assert set(found) == {'segmentation_node'}
    node = found['segmentation_node']
    assert (node.package, node.name, node.namespace) == ('anymodal_seg_ros', 'anymodal_seg', 'car')
    assert ('camera/image', '/zed/image') in node.remappings
    assert ('lidar/points', 'lidar/points') in node.remappings
    assert node.parameters[0] == str(ROOT / 'config' / 'anymodal_seg.yaml')
    assert merged(node) == {'use_sim_time': False, 'model.device': 'cpu', 'bundle': '/b'}
    assert node.ros_arguments == ['--log-level', 'warn']


def test_a_bag_is_played_in_sim_time_and_ends_the_launch(stubbed):
    actions = started('seg', bag='/data/bag', bag_rate='2', loop='true')
    found = nodes(actions)
    assert set(found) == {'segmentation_node', 'bag_player_node'}
    assert merged(found['segmentation_node'])['use_sim_time'] is True
    assert merged(found['segmentation_node'])['extrinsics_bag'] == '/data/bag'
    player = merged(found['bag_player_node'])
    assert (player['bag'], player['rate'], player['loop']) == ('/data/bag', 2.0, True)
    assert ('/camera/image', 'camera/image') in found['bag_player_node'].remappings
    [handler] = kinds(actions, 'RegisterEventHandler')
    assert handler.args[0].target_action is found['bag_player_node']
    assert type(handler.args[0].on_exit[0]).__name__ == 'EmitEvent'


def test_faults_go_between_player_and_node(stubbed):
    found = nodes(started('seg', bag='/data/bag', faults_file='/f.yaml',
                          lidar_topic='/top/points'))
    remaps = dict(found['bag_player_node'].remappings)
    injector = merged(found['fault_injector_node'])
    node = dict(found['segmentation_node'].remappings)
    assert remaps['/camera/image'] == injector['inputs.rgb'] == 'raw/camera/image'
    assert injector['outputs.rgb'] == node['camera/image'] == 'camera/image'
    assert remaps['/top/points'] == injector['inputs.lidar'] == '/raw/top/points'
    assert injector['outputs.lidar'] == node['lidar/points'] == '/top/points'
    assert injector['faults_file'] == '/f.yaml'


def test_parameters_are_declared_by_the_nodes(stubbed):
    """A parameter that a node does not know would be ignored without a word."""
    pytest.importorskip('rclpy')
    from anymodal_seg_ros.ros import bag_player_node, fault_injector_node
    from anymodal_seg_ros.ros.params import parameter_specs
    found = nodes(started('seg', bag='/b', faults_file='/f', bundle='/x'))
    known = {
        'bag_player_node': [*(s.name for s in bag_player_node.PARAMETERS),
                            *bag_player_node.TOPIC_LISTS],
        'fault_injector_node': [s.name for s in fault_injector_node.PARAMETERS],
        'segmentation_node': [s.name for s in parameter_specs()],
    }
    for executable, names in known.items():
        assert set(merged(found[executable])) <= {*names, 'use_sim_time'}


def test_rviz_opens_the_layout_of_this_package(stubbed):
    rviz = nodes(started('seg', rviz='true'))['rviz2']
    layout = Path(rviz.arguments[1])
    displays = yaml.safe_load(layout.read_text())['Visualization Manager']['Displays']
    assert '/anymodal_seg/overlay' in [d['Topic']['Value'] for d in displays if 'Topic' in d]


@pytest.mark.parametrize(('environment', 'names'), [
    ({}, ['FASTDDS_DEFAULT_PROFILES_FILE']),
    ({'ROS_DISTRO': 'jazzy'}, ['FASTDDS_DEFAULT_PROFILES_FILE',
                               'FASTRTPS_DEFAULT_PROFILES_FILE']),
    ({'FASTDDS_DEFAULT_PROFILES_FILE': '/mine.xml'}, []),
    ({'FASTRTPS_DEFAULT_PROFILES_FILE': '/mine.xml'}, []),
])
def test_transport_profile_unless_the_user_has_one(stubbed, environment, names):
    for name, value in environment.items():
        stubbed.setenv(name, value)
    found = [action for action in kinds(described('seg'), 'SetEnvironmentVariable')
             if action.args[0] != 'OMP_WAIT_POLICY']
    assert [action.args[0] for action in found] == names
    assert all(Path(action.args[1]).name == 'fastdds_shm.xml' for action in found)


def test_threads_do_not_spin_unless_the_user_says_so(stubbed):
    def policies():
        return [action.args[1] for action in kinds(described('seg'), 'SetEnvironmentVariable')
                if action.args[0] == 'OMP_WAIT_POLICY']

    stubbed.delenv('OMP_WAIT_POLICY', raising=False)
    assert policies() == ['PASSIVE']
    stubbed.setenv('OMP_WAIT_POLICY', 'ACTIVE')
    assert policies() == []


@pytest.mark.parametrize('name', NAMES)
def test_with_ros_launch(name):
    """Needs a ROS 2 distribution."""
    pytest.importorskip('launch_ros')
    description = load(name).generate_launch_description()
    assert description.get_launch_arguments()


@pytest.mark.parametrize(('inputs', 'problem'), [
    ({'rgb': {'transport': 'compressed'}}, "'compressed' for rgb"),
    ({'event': {'type': 'frame'}}, "'frame' for event"),
])
def test_faults_of_compressed_inputs_are_refused(stubbed, tmp_path, inputs, problem):
    params = tmp_path / 'params.yaml'
    params.write_text(yaml.safe_dump({'/**': {'ros__parameters': {'inputs': inputs}}}))
    with pytest.raises(ConfigError, match=problem):
        started('seg', faults_file='faults.yaml', params_file=str(params))
    assert 'fault_injector_node' not in nodes(started('seg', params_file=str(params)))


def test_default_parameters_allow_faults(stubbed):
    params = str(ROOT / 'config' / 'anymodal_seg.yaml')
    assert 'fault_injector_node' in nodes(
        started('seg', faults_file='faults.yaml', params_file=params))
