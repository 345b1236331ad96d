# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Node processes are ended whatever happens, and their failures name the cause."""

import os

import pytest

from anymodal_seg_ros.demo.processes import ProcessError, Processes

pytestmark = pytest.mark.slow


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_leaving_the_context_by_an_error_ends_every_process(tmp_path):
    with pytest.raises(RuntimeError, match='play'), Processes(tmp_path) as nodes:
        nodes.start_node('recorder', 'bag_recorder_node', {
            'bag': tmp_path / 'bag', 'topics': ['/label sensor_msgs/msg/Image']})
        pid = nodes._running['recorder'].pid
        assert is_alive(pid)
        raise RuntimeError('the play is off')
    assert not is_alive(pid)


def test_bad_parameter_is_reported_with_the_log(tmp_path):
    with Processes(tmp_path) as nodes:
        nodes.start_node('recorder', 'bag_recorder_node', {'bag': tmp_path / 'bag',
                                                           'topics': ['/label nonsense/msg/No']})
        with pytest.raises(ProcessError, match=r'(?s)exit code 2.*nonsense/msg/No'):
            nodes.wait_for_line('recorder', 'ready', timeout_s=30.0)


def test_node_that_never_says_the_word_is_given_up(tmp_path):
    with Processes(tmp_path) as nodes:
        nodes.start_node('recorder', 'bag_recorder_node', {
            'bag': tmp_path / 'bag', 'topics': ['/label sensor_msgs/msg/Image']})
        with pytest.raises(ProcessError, match='did not say'):
            nodes.wait_for_line('recorder', 'a word', timeout_s=1.0)
