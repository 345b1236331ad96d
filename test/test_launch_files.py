# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Launch files: arguments, processes and remappings, without ROS's launch and with it."""

import importlib.util
import json
import os
import py_compile
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest
import yaml

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.modalities import MODALITIES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
NAMES = ('seg', 'sim', 'replay')
ENDINGS = 'anymodal_seg_ros.ros.launch_endings'
SEG_ARGUMENTS = [
    'params_file', 'use_sim_time', 'namespace',
    *(f'{row.argument}_{topic}' for name, row in MODALITIES.items()
      for topic in (('topic',) if name == 'lidar' else ('topic', 'info_topic'))),
    'bundle', 'device', 'bag', 'bag_rate', 'loop', 'faults_file', 'live_faults', 'rviz',
    'log_level']
FAULTS = str(ROOT / 'config' / 'faults' / 'every_sensor.yaml')
NO_FAULTS = str(ROOT / 'config' / 'faults' / 'none.yaml')
BUNDLE = str(ROOT / 'bundles' / 'default')
BAG = str(ROOT / 'config')
"""A path that exists: what is in it the player finds."""


STREET_IS_THERE = """
import sys
import test_launch_files
sys.modules.update(test_launch_files.stub_modules())
print(test_launch_files.load('sim')._temporary_bag(), flush=True)
sys.stdin.read()
"""


class Recorded:
    """Stands for every class of launch and launch_ros; remembers how it was built."""

    def __init__(self, *args, **kwargs):
        self.args = args
        self.__dict__.update(kwargs)


class LaunchConfiguration(Recorded):
    def perform(self, context):
        return context[self.args[0]]


class Context(dict):
    is_shutdown = False


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
    # What they import of launch is to be the stubs, in this test alone.
    monkeypatch.setitem(sys.modules, ENDINGS, None)
    monkeypatch.delitem(sys.modules, ENDINGS)
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(ROOT))
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
    defaults = {a.args[0]: a.default_value for a in kinds(actions, 'DeclareLaunchArgument')}
    assert set(values) <= set(defaults)
    [opaque] = kinds(actions, 'OpaqueFunction')
    return opaque.function(Context({**defaults, **values}))


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
        [include] = handler.args[0].on_exit(types.SimpleNamespace(returncode=0), Context())
        with pytest.raises(RuntimeError, match=r'recording the street failed \(exit code 2\)'):
            handler.args[0].on_exit(types.SimpleNamespace(returncode=2), Context())
    else:
        [include] = kinds(actions, 'IncludeLaunchDescription')
    assert include.args[0].args[0] == str(ROOT / 'launch' / 'seg.launch.py')
    passed = [key for key, _ in include.launch_arguments]
    assert 'bag' in passed
    assert set(passed) <= set(SEG_ARGUMENTS)


def test_sim_records_with_its_own_command_line(stubbed):
    from anymodal_seg_ros.sim.__main__ import _parser
    [record] = kinds(started('sim', seed='5', duration='3', bag='/new/street'), 'ExecuteProcess')
    assert record.cmd[1:4] == ['-m', 'anymodal_seg_ros.sim', 'bag']
    options = _parser().parse_args(record.cmd[3:])
    assert (options.seed, options.duration, str(options.path)) == (5, 3.0, '/new/street')


@pytest.mark.parametrize('number', [None, signal.SIGTERM, signal.SIGKILL])
def test_the_temporary_street_goes_with_the_launch(tmp_path, number):
    """The launch is a process of its own here: it must be able to die."""
    launch = subprocess.Popen(
        [sys.executable, '-c', STREET_IS_THERE], env={**os.environ, 'TMPDIR': str(tmp_path),
                                                      'PYTHONPATH': os.pathsep.join(sys.path)},
        cwd=ROOT / 'test', stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    street = Path(launch.stdout.readline().strip()).parent
    assert street.parent == tmp_path and street.is_dir()
    if number:
        launch.send_signal(number)
    # Its output ends with the last process that holds it, which is the remover.
    launch.communicate()
    assert launch.returncode == -(number or 0)
    assert not street.exists()


def test_live_sensors_start_the_node_alone(stubbed):
    found = nodes(started('seg', camera_topic='/zed/image', device='cpu', bundle=BUNDLE,
                          namespace='car', log_level='warn'))
    assert set(found) == {'segmentation_node'}
    node = found['segmentation_node']
    assert (node.package, node.name, node.namespace) == ('anymodal_seg_ros', 'anymodal_seg', 'car')
    assert ('camera/image', '/zed/image') in node.remappings
    assert ('lidar/points', 'lidar/points') in node.remappings
    assert node.parameters[0] == str(ROOT / 'config' / 'anymodal_seg.yaml')
    assert merged(node) == {'use_sim_time': False, 'model.device': 'cpu', 'bundle': BUNDLE}
    assert node.ros_arguments == ['--log-level', 'warn']


def test_a_bag_is_played_in_sim_time_and_ends_the_launch(stubbed):
    actions = started('seg', bag=BAG, bag_rate='2', loop='true')
    found = nodes(actions)
    assert set(found) == {'segmentation_node', 'bag_player_node'}
    assert merged(found['segmentation_node'])['use_sim_time'] is True
    assert merged(found['segmentation_node'])['extrinsics_bag'] == BAG
    player = merged(found['bag_player_node'])
    assert (player['bag'], player['rate'], player['loop']) == (BAG, 2.0, True)
    assert ('/camera/image', 'camera/image') in found['bag_player_node'].remappings
    assert player['wait_for_node'] == 'anymodal_seg'


def endings(actions):
    """What each node's end does, by executable."""
    assert type(actions[0]).__name__ == 'RegisterEventHandler', 'before a process can end'
    return {handler.args[0].target_action.executable: handler.args[0].on_exit
            for handler in kinds(actions, 'RegisterEventHandler')}


def test_each_node_ends_the_launch_and_fails_it_if_it_failed(stubbed):
    actions = started('seg', bag=BAG, faults_file=FAULTS, rviz='true')
    found = endings(actions)
    assert set(found) == {'segmentation_node', 'fault_injector_node', 'bag_player_node'}
    for executable, on_exit in found.items():
        # 0, or a signal that came before Python could listen.
        for returncode in (0, -signal.SIGINT, -signal.SIGTERM):
            [ending] = on_exit(types.SimpleNamespace(returncode=returncode), Context())
            assert type(ending.event).__name__ == 'Shutdown'
        for returncode in (1, 2, -signal.SIGSEGV):
            with pytest.raises(RuntimeError, match=f'{executable} failed .exit code {returncode}'):
                on_exit(types.SimpleNamespace(returncode=returncode), Context())
        late = Context()
        late.is_shutdown = True
        assert on_exit(types.SimpleNamespace(returncode=1), late) == [], 'it ends already'


def test_faults_go_between_player_and_node(stubbed):
    found = nodes(started('seg', bag=BAG, faults_file=FAULTS, lidar_topic='/top/points'))
    remaps = dict(found['bag_player_node'].remappings)
    injector = merged(found['fault_injector_node'])
    node = dict(found['segmentation_node'].remappings)
    assert remaps['/camera/image'] == injector['inputs.rgb'] == 'raw/camera/image'
    assert injector['outputs.rgb'] == node['camera/image'] == 'camera/image'
    assert remaps['/top/points'] == injector['inputs.lidar'] == '/raw/top/points'
    assert injector['outputs.lidar'] == node['lidar/points'] == '/top/points'
    assert remaps['/events/camera_info'] == injector['inputs.event_info']
    assert injector['faults_file'] == FAULTS
    assert merged(found['bag_player_node'])['wait_for_node'] == 'fault_injector'
    assert injector['wait_for_node'] == 'anymodal_seg'


def test_the_injector_measures_depth_in_the_node_s_unit(stubbed, tmp_path):
    params = tmp_path / 'params.yaml'
    params.write_text('/**: {ros__parameters: {inputs: {depth: {unit_m: 0.00025}}}}')
    found = nodes(started('seg', faults_file=FAULTS, params_file=str(params)))
    assert merged(found['fault_injector_node'])['depth_unit_m'] == 0.00025


def bundle_with(path, **encoders):
    """The description of the bundle that ships, with other settings of encoders."""
    description = json.loads((Path(BUNDLE) / 'bundle.json').read_text())
    for name, settings in encoders.items():
        description['encoders'][name] |= settings
    path.mkdir()
    (path / 'bundle.json').write_text(json.dumps(description))
    return str(path)


def test_the_injector_reads_by_the_settings_of_the_node_s_bundle(stubbed, tmp_path):
    bundle = bundle_with(tmp_path / 'bundle', lidar={'intensity_scale': 255})
    params = tmp_path / 'params.yaml'

    def scale(text, **values):
        params.write_text(f'/**: {{ros__parameters: {{{text}}}}}')
        found = nodes(started('seg', faults_file=FAULTS, params_file=str(params), **values))
        return merged(found['fault_injector_node']).get('lidar_intensity_scale')

    by_bundle = scale('', bundle=bundle)
    assert (by_bundle, type(by_bundle)) == (255.0, float)
    assert scale(f'bundle: {bundle}') == 255.0
    assert scale('inputs: {lidar: {intensity_scale: 100.0}}', bundle=bundle) == 100.0
    assert scale('inputs: {lidar: {intensity_scale: 0.0}}', bundle=bundle) == 255.0
    assert scale(f'bundle: {bundle}', bundle=BUNDLE) == 0.0


@pytest.mark.parametrize('inputs', ['[1]', 'x', '{depth: 3}', '{rgb: [raw], 7: {8: 9}}', '~'])
def test_parameters_of_another_form_are_for_the_node_to_judge(stubbed, tmp_path, inputs):
    params = tmp_path / 'params.yaml'
    params.write_text(f'/**: {{ros__parameters: {{inputs: {inputs}}}}}')
    assert 'fault_injector_node' in nodes(started('seg', faults_file=FAULTS,
                                                  params_file=str(params)))


def test_a_schedule_without_faults_needs_no_injector(stubbed):
    found = nodes(started('seg', bag=BAG, faults_file=NO_FAULTS))
    assert set(found) == {'segmentation_node', 'bag_player_node'}
    assert ('/camera/image', 'camera/image') in found['bag_player_node'].remappings
    by_hand = nodes(started('seg', faults_file=NO_FAULTS, live_faults='true'))
    assert set(by_hand) == {'segmentation_node', 'fault_injector_node'}
    assert 'wait_for_node' not in merged(by_hand['fault_injector_node']), 'sensors do not wait'


@pytest.mark.parametrize(('name', 'argument', 'value', 'words'), [
    ('seg', 'params_file', '/nope.yaml', 'No such file'),
    ('seg', 'params_file', str(ROOT / 'config' / 'faults' / 'none.yaml'), 'ros__parameters'),
    ('seg', 'params_file', str(ROOT / 'docs' / 'demo.jpg'), 'not YAML'),
    ('seg', 'use_sim_time', 'ja', 'allowed: true, false'),
    ('seg', 'loop', 'maybe', 'allowed: true, false'),
    ('seg', 'rviz', '', 'allowed: true, false'),
    ('seg', 'namespace', 'my car', 'namespace'),
    ('seg', 'camera_topic', 'my topic', 'topic name'),
    ('seg', 'events_info_topic', '', 'topic name'),
    ('seg', 'bundle', '/nope', 'no bundle'),
    ('seg', 'device', 'gpu', 'allowed: auto, cpu, cuda'),
    ('seg', 'bag', '/nope', 'no such recording'),
    ('seg', 'bag_rate', 'fast', 'allowed: a number from 0.01 to 100'),
    ('seg', 'bag_rate', '0', 'allowed: a number from 0.01 to 100'),
    ('seg', 'bag_rate', 'nan', 'allowed: a number from 0.01 to 100'),
    ('seg', 'faults_file', '/nope.yaml', 'No such file'),
    ('seg', 'faults_file', str(ROOT / 'config' / 'anymodal_seg.yaml'), 'anymodal_seg.yaml'),
    ('seg', 'log_level', 'loud', 'allowed: debug, info, warn'),
    ('sim', 'seed', '-1', 'allowed: a whole number'),
    ('sim', 'street', 'hill', 'allowed: straight, curve, crossing'),
    ('sim', 'condition', 'hail', 'allowed: sun, cloud, fog, rain, night'),
    ('sim', 'duration', 'inf', 'allowed: a number from'),
    ('sim', 'bag', str(ROOT), 'exists'),
    ('sim', 'bundle', '/nope', 'no bundle'),
    ('sim', 'bag_rate', 'fast', 'allowed: a number'),
    ('sim', 'faults_file', '/nope.yaml', 'No such file'),
])
def test_what_is_wrong_with_an_argument_is_said_before_anything_starts(
        stubbed, name, argument, value, words):
    with pytest.raises(ConfigError) as caught:
        started(name, **{argument: value})
    assert str(caught.value).startswith(f'{argument}:={value}: ')
    assert words in str(caught.value) and '\n' not in str(caught.value)


@pytest.mark.parametrize(('text', 'value'), [
    ('true', True), ('True', True), ('1', True), ('on', True), ('false', False), ('0', False)])
def test_truths_as_ros_users_write_them(stubbed, text, value):
    node = nodes(started('seg', use_sim_time=text))['segmentation_node']
    assert merged(node)['use_sim_time'] is value


def test_streets_and_weathers_are_those_of_the_simulator(stubbed):
    from anymodal_seg_ros.sim.street import STREET_KINDS
    from anymodal_seg_ros.sim.weather import WEATHERS
    for name, known in (('street', STREET_KINDS), ('condition', WEATHERS)):
        for word in known:
            assert started('sim', **{name: word})
        [text] = [a.description for a in kinds(described('sim'), 'DeclareLaunchArgument')
                  if a.args[0] == name]
        assert all(word in text for word in known)


def test_parameters_are_declared_by_the_nodes(stubbed):
    """A parameter that a node does not know would be ignored without a word."""
    pytest.importorskip('rclpy')
    from anymodal_seg_ros.ros import bag_player_node, fault_injector_node
    from anymodal_seg_ros.ros.params import parameter_specs
    found = nodes(started('seg', bag=BAG, faults_file=FAULTS, bundle=BUNDLE))
    known = {
        'bag_player_node': [*(s.name for s in bag_player_node.PARAMETERS),
                            *bag_player_node.TOPIC_LISTS],
        'fault_injector_node': [s.name for s in fault_injector_node.PARAMETERS],
        'segmentation_node': [s.name for s in parameter_specs()],
    }
    for executable, names in known.items():
        assert set(merged(found[executable])) <= {*names, 'use_sim_time'}


def test_rviz_opens_the_layout_of_this_package(stubbed):
    stubbed.setattr('ament_index_python.packages.get_package_prefix', lambda name: '/opt/ros')
    rviz = nodes(started('seg', rviz='true', namespace='car', camera_topic='/zed/image'))['rviz2']
    layout = Path(rviz.arguments[1])
    displays = yaml.safe_load(layout.read_text())['Visualization Manager']['Displays']
    topics = [d['Topic']['Value'] for d in displays if 'Topic' in d]
    assert 'anymodal_seg/overlay' in topics and 'camera/image' in topics
    assert not any(topic.startswith('/') for topic in topics), 'none would be in the namespace'
    assert rviz.namespace == 'car' and ('camera/image', '/zed/image') in rviz.remappings


def test_without_rviz_the_nodes_go_on(stubbed):
    actions = started('seg', rviz='true')
    assert set(nodes(actions)) == {'segmentation_node'}
    [said] = kinds(actions, 'LogInfo')
    assert 'no package rviz2' in said.msg


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
    ({'inputs': {'rgb': {'form': 'compressed'}}}, "'compressed' for inputs.rgb.form"),
    ({'inputs': {'event': {'form': 'frame'}}}, "'frame' for inputs.event.form"),
    ({'inputs': {'depth.form': 'compressed'}}, "'compressed' for inputs.depth.form"),
    ({'inputs.depth.form': 'compressed'}, "'compressed' for inputs.depth.form"),
])
def test_faults_of_compressed_inputs_are_refused(stubbed, tmp_path, inputs, problem):
    params = tmp_path / 'params.yaml'
    params.write_text(yaml.safe_dump({'car': {'anymodal_seg': {'ros__parameters': inputs}}}))
    with pytest.raises(ConfigError, match=problem):
        started('seg', faults_file=FAULTS, params_file=str(params))
    assert 'fault_injector_node' not in nodes(started('seg', params_file=str(params)))


def test_default_parameters_allow_faults(stubbed):
    params = str(ROOT / 'config' / 'anymodal_seg.yaml')
    assert 'fault_injector_node' in nodes(
        started('seg', faults_file=FAULTS, params_file=params))
