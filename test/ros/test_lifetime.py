# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How nodes end: signals, bad parameters, errors in callbacks."""

import signal

import pytest

pytestmark = pytest.mark.slow

NODE = '''
import gc
import sys
import threading

from std_msgs.msg import String

from anymodal_seg_ros.errors import BagError, ConfigError
from anymodal_seg_ros.ros.lifetime import Finished, OwningNode, run_node


class Example(OwningNode):
    ends_by = (BagError,)

    def __init__(self):
        super().__init__('example')
        self.closing.callback(self.close)
        mode = self.declare_parameter('mode', 'spin').value
        self.declare_parameter('rate', 1.0)
        if mode == 'refuse':
            raise ConfigError('mode is refuse;\\n spin allowed')
        if mode == 'disguise':
            print('constructing', flush=True)
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                raise RuntimeError('error in a compiled library') from None
        if mode == 'swallow':
            self.swallow()
        if mode == 'half':
            # As where a signal falls between the two lists that rclpy keeps of a subscription.
            self.create_subscription(String, 'note', print, 1)
            self._Node__waitables.clear()
        if mode in ('hang', 'half'):
            print('constructing', flush=True)
            threading.Event().wait()
        if mode in ('finish', 'fail', 'defect'):
            self.create_timer(0.01, getattr(self, mode))
        print('ready', flush=True)

    def swallow(self):
        class Swallowing:
            def __del__(self):
                print('constructing', flush=True)
                threading.Event().wait()
        Swallowing()

    def finish(self):
        print(gc.get_freeze_count(), 'are spared,', len(gc.get_objects()), 'are not', flush=True)
        raise Finished(7)

    def fail(self):
        raise BagError('torn')

    def defect(self):
        print('again', flush=True)
        raise ZeroDivisionError('defect')

    def close(self):
        threading.Event().wait(0.3)
        print('destroyed', flush=True)


if __name__ == '__main__':
    sys.exit(run_node(Example))
'''


@pytest.fixture()
def start_example(start_node, tmp_path):
    (tmp_path / 'examples').mkdir()
    (tmp_path / 'examples' / 'example_node.py').write_text(NODE)

    def start(mode='spin', arguments=(), params=None):
        return start_node('examples.example_node', params={'mode': mode, **(params or {})},
                          arguments=arguments)
    return start


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_a_node_cleanly(start_example, wait_until, number):
    node = start_example()
    wait_until(lambda: 'ready' in node.output)
    node.stop(number)
    assert node.output.count('destroyed') == 1


def test_a_second_signal_does_not_disturb_the_clean_up(start_example, wait_until):
    node = start_example()
    wait_until(lambda: 'ready' in node.output)
    node.process.send_signal(signal.SIGINT)
    node.process.send_signal(signal.SIGTERM)
    wait_until(lambda: not node.is_running)
    node.stop()
    assert 'destroyed' in node.output


@pytest.mark.parametrize(('mode', 'number'), [
    ('hang', signal.SIGINT), ('hang', signal.SIGTERM), ('half', signal.SIGINT)])
def test_a_signal_interrupts_the_constructor(start_example, wait_until, mode, number):
    node = start_example(mode)
    wait_until(lambda: 'constructing' in node.output)
    node.stop(number)
    assert 'ready' not in node.output
    assert node.output.count('destroyed') == 1, 'what it had acquired is given back'


@pytest.mark.parametrize('mode', ['disguise', 'swallow'])
def test_an_interruption_that_a_library_disguises_or_swallows(start_example, wait_until, mode):
    node = start_example(mode)
    wait_until(lambda: 'constructing' in node.output)
    node.stop()
    assert 'KeyboardInterrupt' not in node.output
    assert 'compiled library' not in node.output


def test_a_callback_can_end_the_node(start_example):
    node = start_example('finish')
    assert node.wait() == 7
    assert 'destroyed' in node.output


def test_a_search_for_garbage_does_not_go_through_all_that_was_built(start_example):
    """It would hold up every callback for a tenth of a second or more."""
    node = start_example('finish')
    assert node.wait() == 7
    spared, _, looked_through = node.output.partition(' are spared, ')
    num_spared = int(spared.split()[-1])
    assert num_spared > 20 * int(looked_through.split()[0])


@pytest.mark.parametrize(('mode', 'params', 'arguments', 'words'), [
    ('refuse', {}, [], 'mode is refuse; spin allowed'),
    ('spin', {'rate': 'fast'}, [], "'rate'"),
    ('spin', {}, ['--ros-args', '-p', 'no-assignment', '--'], 'no-assignment'),
    ('spin', {}, ['--ros-args', '--params-file', 'none.yaml', '--'], 'none.yaml'),
])
def test_bad_parameters_cost_one_line_and_exit_code_2(start_example, mode, params, arguments,
                                                      words):
    node = start_example(mode, arguments, params)
    assert node.wait() == 2
    [line] = [line for line in node.output.splitlines() if line.startswith('example_node: ')]
    assert words in line
    assert 'Traceback' not in node.output


def test_an_error_in_a_callback_is_one_line_and_exit_code_1(start_example):
    node = start_example('fail')
    assert node.wait() == 1
    assert 'example_node: torn' in node.output.splitlines()
    assert 'destroyed' in node.output
    assert 'Traceback' not in node.output


def test_a_defect_in_a_callback_is_logged_once_and_the_node_goes_on(start_example, wait_until):
    node = start_example('defect')
    wait_until(lambda: node.output.count('again') >= 5)
    node.process.send_signal(signal.SIGINT)
    assert node.wait() == 0
    assert node.output.count('Traceback') == 1
    assert 'a defect, please report it; it costs what was being done: defect: ' in node.output
    assert 'defects, by what they were met in: defect ' in node.output
    assert 'destroyed' in node.output
