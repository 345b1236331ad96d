# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Records topics to a recording without rosbag2: bytes go to disk as they arrive. Layer: ros."""

from __future__ import annotations

import sys

from anymodal_seg_ros.stopping import NODE_STOPPED, run_main

if __name__ == '__main__':
    sys.exit(run_main('anymodal_seg_ros.ros.bag_recorder_node', NODE_STOPPED))

from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path

from rclpy.clock import Clock, ClockType
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from anymodal_seg_ros.bags import BagWriter
from anymodal_seg_ros.errors import BagError, ConfigError
from anymodal_seg_ros.ranges import Range
from anymodal_seg_ros.ros.declaration import Spec, declare
from anymodal_seg_ros.ros.lifetime import OwningNode, run_node
from anymodal_seg_ros.ros.message_types import is_installed, message_class
from anymodal_seg_ros.unfinished import put_aside

PARAMETERS = (
    Spec(name='bag', default='', text='Folder of the new recording; it must not exist'),
    Spec(name='storage', default='mcap', choices=('mcap', 'sqlite3'), text='Storage format'),
    Spec(name='topics', default=[''],
         text="What to record, each as 'topic type', for example '/label sensor_msgs/msg/Image'"),
    Spec(name='latched_topics', default=[''],
         text='Those of them that are offered to late subscribers (transient local)'),
    Spec(name='depth', default=100, range=Range(1, 10_000), text='QoS depth of the subscriptions'),
)
MAX_HELD = 100
"""Messages kept while the clock does not run yet; more are dropped."""
CLOCK_POLL_S = 0.01
SAVE_EVERY_S = 1.0
"""A kill loses no older message, also when none follows or the clock stands still."""


def main(args: Sequence[str] | None = None) -> int:
    """Entry point; 0 after SIGINT or SIGTERM, which complete the recording, 1 on a full disk."""
    return run_node(BagRecorder, args)


class BagRecorder(OwningNode):
    """Recorded time is the node's clock, so with ``use_sim_time`` it is the replay's.

    What arrives before that clock runs is recorded under its first time.

    Raises:
        ConfigError: a topic is not given as ``'topic type'`` or its type is not installed.
        BagError: the recording cannot be created.
    """

    ends_by = (BagError,)

    def __init__(self, **node_options: object) -> None:
        super().__init__('bag_recorder', **node_options)
        settings = declare(self, PARAMETERS, ())
        if not settings['bag']:
            raise ConfigError("bag is ''; the path of the new recording is needed")
        wanted = [self._topic_and_type(entry) for entry in settings['topics'] if entry]
        if not wanted:
            raise ConfigError('topics is empty; name at least one topic and its type')
        topics = [topic for topic, _ in wanted]
        for topic in topics:
            if topics.count(topic) > 1:
                raise ConfigError(f'topics has {topic} twice; each topic once is allowed')
        latched = frozenset(self.resolve_topic_name(entry)
                            for entry in settings['latched_topics'] if entry)
        for topic in sorted(latched - set(topics)):
            raise ConfigError(f'latched_topics has {topic}; topics has {", ".join(topics)}')
        self._counts: Counter[str] = Counter()
        self._held: deque[tuple[str, str, bytes]] = deque()
        self._num_overflowed = 0
        self._clock_timer = self.create_timer(
            CLOCK_POLL_S, self._await_clock, clock=Clock(clock_type=ClockType.STEADY_TIME))
        aside = put_aside(Path(settings['bag']))
        self._writer = BagWriter(settings['bag'], settings['storage'])
        self.closing.callback(self._report)
        self.closing.enter_context(self._writer)
        if aside is not None:
            self.get_logger().warning(
                f'an earlier recorder was killed; what it recorded is now {aside}')
        self.create_timer(SAVE_EVERY_S, self._writer.save,
                          clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.closing.callback(self._write_what_waits)
        for topic, msgtype in wanted:
            self.create_subscription(
                message_class(msgtype), topic, self._callback(topic, msgtype),
                _qos(settings['depth'], topic in latched), raw=True)

    def _write_what_waits(self) -> None:
        if self._held:
            self.get_logger().warning(
                f'the clock never ran: {len(self._held)} messages are recorded under its time, 0')
            self._write_held(self._now_ns())
        if self._num_overflowed:
            self.get_logger().warning(
                f'{self._num_overflowed} messages that came before the clock ran are not recorded')

    def _report(self) -> None:
        for topic, count in sorted(self._counts.items()):
            self.get_logger().info(f'recorded {count} messages of {topic}')

    def _topic_and_type(self, entry: str) -> tuple[str, str]:
        topic, _, msgtype = entry.partition(' ')
        if not msgtype:
            raise ConfigError(f"topics has {entry!r}; 'topic type' is needed")
        if not is_installed(msgtype):
            raise ConfigError(f'topics has {entry!r}, but {msgtype} is not installed')
        return self.resolve_topic_name(topic), msgtype

    def _callback(self, topic: str, msgtype: str) -> Callable[[bytes], None]:
        def record(cdr: bytes) -> None:
            now_ns = self._now_ns()
            if now_ns == 0:
                self._hold(topic, msgtype, cdr)
                return
            self._write_held(now_ns)
            self._write(topic, msgtype, cdr, now_ns)

        return record

    def _write(self, topic: str, msgtype: str, cdr: bytes, now_ns: int) -> None:
        self._writer.write_cdr(topic, msgtype, cdr, now_ns)
        self._counts[topic] += 1

    def _hold(self, topic: str, msgtype: str, cdr: bytes) -> None:
        # The first ones are kept: latched messages come once, and at the start.
        if len(self._held) < MAX_HELD:
            self._held.append((topic, msgtype, cdr))
            return
        self._num_overflowed += 1
        if self._num_overflowed == 1:
            self.get_logger().warning(
                f'the clock does not run and {MAX_HELD} messages are held: more are dropped')

    def _write_held(self, now_ns: int) -> None:
        while self._held:
            self._write(*self._held.popleft(), now_ns)

    def _await_clock(self) -> None:
        now_ns = self._now_ns()
        if now_ns:
            self._write_held(now_ns)
            self._clock_timer.cancel()

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def _qos(depth: int, latched: bool) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE)
