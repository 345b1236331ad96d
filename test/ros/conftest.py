# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Real nodes in processes of their own, on a ROS domain that no other run uses.

``ros_domain``  the private domain's id, with the environment set for this process and children
``start_node``  start ``python -m anymodal_seg_ros.ros.<module>``; ended by SIGINT, exit code 0
``probe``       a node in the test's process that publishes, subscribes and spins with a deadline
"""

import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile

ROOT = Path(__file__).resolve().parents[2]
NUM_DOMAINS = 100
STOP_TIMEOUT_S = 20.0
# A loaded machine takes twenty seconds to start a node; what has not come by then hangs.
HANGS_AFTER_S = 60.0


def _reserve_domain():
    """(id, open lock file) of a domain in 1..100 that nobody uses."""
    for i in range(NUM_DOMAINS):
        domain_id = 1 + (os.getpid() + i) % NUM_DOMAINS
        path = Path(tempfile.gettempdir()) / f'anymodal_seg_ros_domain_{domain_id}.lock'
        try:
            lock = path.open('w')
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
            try:
                # The first participant of a domain listens here.
                port.bind(('127.0.0.1', 7410 + 250 * domain_id))
            except OSError:
                lock.close()
                continue
        return domain_id, lock
    pytest.fail('no ROS domain is free')


@pytest.fixture(scope='session')
def _session_domain():
    domain_id, lock = _reserve_domain()
    with lock:
        yield domain_id


@pytest.fixture()
def ros_domain(_session_domain, monkeypatch, tmp_path):
    profile = str(ROOT / 'config' / 'fastdds_shm.xml')
    monkeypatch.setenv('ROS_DOMAIN_ID', str(_session_domain))
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    # The older name as well would cost a warning of every node.
    monkeypatch.delenv('FASTRTPS_DEFAULT_PROFILES_FILE', raising=False)
    monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', profile)
    monkeypatch.setenv('ROS_LOG_DIR', str(tmp_path / 'ros_log'))
    monkeypatch.setenv('PYTHONUNBUFFERED', '1')
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(
        [str(ROOT)] + [p for p in [os.environ.get('PYTHONPATH')] if p]))
    return _session_domain


class NodeProcess:
    """A running ``python -m <module>``; its output goes to a file."""

    def __init__(self, module, arguments, log_path, cwd):
        self.module = module
        self.log_path = log_path
        with log_path.open('w') as log:
            self.process = subprocess.Popen(
                [sys.executable, '-m', module, *arguments], stdout=log,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=cwd,
                # A shell's background job would ignore SIGINT, and so would its children.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))

    @property
    def output(self):
        return self.log_path.read_text(errors='replace')

    @property
    def is_running(self):
        return self.process.poll() is None

    def wait(self, timeout_s=STOP_TIMEOUT_S):
        """The exit code, when it ends by itself."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f'{self.module} did not end in {timeout_s} s:\n{self.output}')

    def stop(self, signal_number=signal.SIGINT, exit_code=0, timeout_s=STOP_TIMEOUT_S):
        """Signal it and assert its exit code."""
        if self.is_running:
            self.process.send_signal(signal_number)
        found = self.wait(timeout_s)
        assert found == exit_code, f'{self.module} ended with {found}:\n{self.output}'
        assert 'Traceback' not in self.output, self.output

    def kill(self):
        """Unplug it: no clean-up whatever, but for its shared memory, which would stay."""
        if self.is_running:
            segments = _shared_memory_of(self.process.pid)
            self.process.kill()
            self.process.wait(STOP_TIMEOUT_S)
            for segment in segments:
                _remove_unless_locked(segment)


def _shared_memory_of(pid):
    """The segments of Fast DDS that a process has mapped, its own and others'."""
    with suppress(OSError):
        maps = Path(f'/proc/{pid}/maps').read_text(errors='replace')
        return [Path(name) for name in set(re.findall(r'/dev/shm/fastdds_[0-9a-f]{16}', maps))]
    return []


def _remove_unless_locked(segment):
    """Its owner holds a lock on the file beside it as long as it lives."""
    lock = segment.with_name(f'{segment.name}_el')
    with suppress(OSError), lock.open('ab') as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        segment.unlink(missing_ok=True)
        lock.unlink(missing_ok=True)


@pytest.fixture()
def start_node(ros_domain, tmp_path):
    """``start_node('segmentation_node', params={...}, remaps={...}, arguments=[...])``.

    Nodes that still run when the test ends are stopped by SIGINT and must exit with 0.
    """
    nodes = []

    def start(module, params=None, remaps=None, arguments=(), env=None):
        if '.' not in module:
            module = f'anymodal_seg_ros.ros.{module}'
        ros_args = []
        for name, value in (params or {}).items():
            ros_args += ['-p', f'{name}:={json.dumps(value)}']
        for source, target in (remaps or {}).items():
            ros_args += ['-r', f'{source}:={target}']
        log_path = tmp_path / f'{len(nodes)}_{module.rpartition(".")[2]}.log'
        with pytest.MonkeyPatch.context() as patch:
            for name, value in (env or {}).items():
                patch.setenv(name, value)
            node = NodeProcess(module, [*arguments, '--ros-args', *ros_args], log_path, tmp_path)
        nodes.append(node)
        return node

    yield start
    running = [node for node in nodes if node.is_running]
    for node in running:
        node.process.send_signal(signal.SIGINT)
    try:
        for node in running:
            node.stop()
    finally:
        for node in nodes:
            node.kill()


class Probe:
    """A node of the test's own; everything happens in ``spin_until``, on the test's thread."""

    def __init__(self, domain_id, name):
        self.context = Context()
        rclpy.init(context=self.context, domain_id=domain_id)
        self.node = rclpy.create_node(name, context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def subscribe(self, msg_type, topic, qos=10, **kwargs):
        """A list that fills with the messages while spinning."""
        received = []
        self.node.create_subscription(msg_type, topic, received.append, qos, **kwargs)
        return received

    def publisher(self, msg_type, topic, qos=10):
        if isinstance(qos, int):
            qos = QoSProfile(depth=qos)
        return self.node.create_publisher(msg_type, topic, qos)

    def spin_until(self, predicate, timeout_s=HANGS_AFTER_S, what=None):
        """Spin until ``predicate()`` is true; fails after ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        while not predicate():
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0:
                pytest.fail(f'not within {timeout_s} s: {what or predicate}')
            self.executor.spin_once(timeout_sec=min(0.05, remaining_s))

    def spin_for(self, duration_s):
        """Spin for a while: only for asserting that something does *not* arrive."""
        end = time.monotonic() + duration_s
        while (remaining_s := end - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=remaining_s)

    def has_node(self, name):
        return name in self.node.get_node_names()

    def set_parameters(self, node_name, values, timeout_s=HANGS_AFTER_S):
        """Results of setting dynamic parameters of another node."""
        from rcl_interfaces.srv import SetParameters
        from rclpy.parameter import Parameter
        client = self.node.create_client(SetParameters, f'{node_name}/set_parameters')
        self.spin_until(client.service_is_ready, timeout_s, f'{node_name}/set_parameters')
        parameters = [Parameter(name, value=value).to_parameter_msg()
                      for name, value in values.items()]
        future = client.call_async(SetParameters.Request(parameters=parameters))
        self.spin_until(future.done, timeout_s, f'answer of {node_name}')
        self.node.destroy_client(client)
        return future.result().results

    def close(self):
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture()
def probe(ros_domain):
    probe = Probe(ros_domain, f'probe_{os.getpid()}')
    yield probe
    probe.close()


@pytest.fixture()
def wait_until():
    """``wait_until(predicate, timeout_s)`` without a node, polling with a deadline."""
    def wait(predicate, timeout_s=HANGS_AFTER_S, what=None):
        deadline = time.monotonic() + timeout_s
        pause = threading.Event()
        while not predicate():
            if time.monotonic() > deadline:
                pytest.fail(f'not within {timeout_s} s: {what or predicate}')
            pause.wait(0.02)
    return wait
