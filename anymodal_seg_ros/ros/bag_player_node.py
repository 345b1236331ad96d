# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Replay of a recording without rosbag2: serialized bytes to publishers, and /clock. Layer: ros.

Three threads: one reads ahead, one publishes at the recorded pace, the executor answers
parameter requests and notices the end.
"""

from __future__ import annotations

import sys

from anymodal_seg_ros.stopping import NODE_STOPPED, run_main

if __name__ == '__main__':
    sys.exit(run_main('anymodal_seg_ros.ros.bag_player_node', NODE_STOPPED))

import math
import threading
import time
from collections.abc import Collection, Sequence
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidHandle
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock as ClockMessage

from anymodal_seg_ros.bags import BagInfo, bag_info, read_bag
from anymodal_seg_ros.bags.read_ahead import ReadAhead
from anymodal_seg_ros.errors import BagError, ConfigError
from anymodal_seg_ros.ranges import Range
from anymodal_seg_ros.ros.conversions import ns_to_stamp
from anymodal_seg_ros.ros.declaration import Spec, declare
from anymodal_seg_ros.ros.lifetime import EXIT_FAILED, Finished, OwningNode, run_node
from anymodal_seg_ros.ros.listeners import is_heard, listener_name
from anymodal_seg_ros.ros.message_types import is_installed, message_class

NS_PER_S = 1_000_000_000
END_POLL_S = 0.05
SUBSCRIBER_POLL_S = 0.02
SETTLE_S = 1.0
"""Who listens to one topic listens to its others within this time, or does not want them."""
JOIN_TIMEOUT_S = 2.0
CLOCK_LEAD_S = 0.2
"""Wall time for which /clock stands at the start before the first message, so that subscribers
know the time when that arrives."""

PARAMETERS = (
    Spec(name='bag', default='', text='rosbag2 folder, .mcap or .db3 file to play'),
    Spec(name='rate', default=1.0, range=Range(0.01, 100.0), text='Recorded seconds per second'),
    Spec(name='loop', default=False,
         text='Start again at the end; /clock jumps back to the start with it'),
    Spec(name='start_offset_s', default=0.0, range=Range(0.0, 1e9),
         text='Seconds of the recording to skip; latched topics are played all the same'),
    Spec(name='finish_delay_s', default=0.0, range=Range(0.0, 3600.0),
         text='Recorded seconds for which /clock runs on after the last message; none in a loop'),
    Spec(name='wait_for_subscribers_s', default=0.0, range=Range(0.0, 3600.0),
         text='How long to wait, before starting, until wait_for_topics have a subscriber'),
    Spec(name='wait_for_node', default='',
         text='Name of the node that is to be that subscriber; empty means whoever comes'),
    Spec(name='clock_rate_hz', default=100.0, range=Range(100.0, 1000.0),
         text='Messages on /clock per second of wall time, besides one with every message'),
    Spec(name='reliability', default='reliable', choices=('reliable', 'best_effort'),
         text='QoS reliability of the played topics'),
    Spec(name='depth', default=10, range=Range(1, 10_000), text='QoS depth of the played topics'),
    Spec(name='prefetch', default=64, range=Range(1, 10_000),
         text='Messages that are read ahead and kept in memory, up to 256 MiB'),
    Spec(name='topics', default=[''], text='Recorded topics to play; empty means all'),
    Spec(name='exclude_topics', default=['/clock'], text='Recorded topics not to play'),
    Spec(name='latched_topics', default=['/tf_static'],
         text='Recorded topics to offer to late subscribers'),
    Spec(name='wait_for_topics', default=[''],
         text='Recorded topics that need a subscriber before the start; empty means all that are '
              f'played, not latched, and listened to within {SETTLE_S:g} s of one another'),
)
TOPIC_LISTS = ('topics', 'exclude_topics', 'latched_topics', 'wait_for_topics')


def main(args: Sequence[str] | None = None) -> int:
    """Entry point; 0 at the end of the recording, 2 for a bad parameter or recording."""
    return run_node(BagPlayer, args)


class BagPlayer(OwningNode):
    """Plays as soon as it is built; raises ``Finished`` out of a timer when the end is reached.

    Raises:
        ConfigError: a parameter is refused.
        BagError: the recording cannot be opened or has nothing to play.
    """

    def __init__(self) -> None:
        super().__init__('bag_player')
        self._settings = declare(self, PARAMETERS, ())
        self._lists = {name: frozenset(filter(None, self._settings[name]))
                       for name in TOPIC_LISTS}
        if not self._settings['bag']:
            raise ConfigError("bag is ''; the path of a recording is needed")
        self._path: str = self._settings['bag']
        self._info = bag_info(self._path)
        offset_s = self._settings['start_offset_s']
        if offset_s > self._info.duration_s:
            raise ConfigError(f'start_offset_s is {offset_s}; {self._path} lasts '
                              f'{self._info.duration_s:.3f} s')
        self._topics = self._playable_topics(self._info)
        self._clock_publisher = self.create_publisher(ClockMessage, '/clock', 10)
        self._publishers_by_topic = {topic: self._publisher_for(topic) for topic in self._topics}
        self._stop = threading.Event()
        self._done = threading.Event()
        self._exit_code = EXIT_FAILED
        self._clock_ns = 0
        self._num_published = 0
        self._max_lateness_s = 0.0
        self.create_timer(END_POLL_S, self._end_when_done,
                          clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._player = threading.Thread(target=self._play, name='bag_player', daemon=True)
        self._player.start()
        self.closing.callback(self._stop_playing)

    def _stop_playing(self) -> None:
        self._stop.set()
        self._player.join(JOIN_TIMEOUT_S)

    def _playable_topics(self, info: BagInfo) -> tuple[str, ...]:
        for name in ('topics', 'wait_for_topics'):
            unknown = sorted(self._lists[name] - set(info.topics))
            if unknown:
                raise ConfigError(f'{name} has {", ".join(unknown)}; recorded are '
                                  f'{", ".join(info.topics) or "none"}')
        wanted = [topic for topic in info.topics
                  if (not self._lists['topics'] or topic in self._lists['topics'])
                  and topic not in self._lists['exclude_topics']]
        missing = [topic for topic in wanted if not is_installed(info.types[topic])]
        if missing:
            self.get_logger().warning('not played, for their message types are not installed: '
                                      + ', '.join(f'{t} ({info.types[t]})' for t in missing))
        playable = tuple(topic for topic in wanted if topic not in missing)
        if not any(info.counts[topic] for topic in playable):
            raise BagError(f'{self._path}: nothing to play')
        return playable

    def _publisher_for(self, topic: str) -> Publisher[Any]:
        latched = topic in self._lists['latched_topics']
        reliable = latched or self._settings['reliability'] == 'reliable'
        profile = QoSProfile(
            history=HistoryPolicy.KEEP_LAST, depth=self._settings['depth'],
            reliability=(ReliabilityPolicy.RELIABLE if reliable
                         else ReliabilityPolicy.BEST_EFFORT),
            durability=(DurabilityPolicy.TRANSIENT_LOCAL if latched
                        else DurabilityPolicy.VOLATILE))
        return self.create_publisher(message_class(self._info.types[topic]), topic, profile)

    def _end_when_done(self) -> None:
        if self._done.is_set():
            raise Finished(self._exit_code)

    def _play(self) -> None:
        try:
            self._wait_for_subscribers()
            while not self._stop.is_set():
                self._play_once()
                if not self._settings['loop']:
                    break
            self._exit_code = 0
        except BagError as error:
            self.get_logger().error(str(error))
        except (InvalidHandle, RuntimeError):
            # Publishing fails so when ROS was shut down from outside.
            if self.context.ok():
                raise
            self._exit_code = 0
        finally:
            self.get_logger().info(
                f'played {self._num_published} messages of {self._path}, at most '
                f'{self._max_lateness_s * 1e3:.1f} ms late')
            self._done.set()

    def _wait_for_subscribers(self) -> None:
        """Return when all is heard, when time is up, or when told to stop."""
        timeout_s = self._settings['wait_for_subscribers_s']
        if not timeout_s:
            return
        played = set(self._topics)
        named = self._lists['wait_for_topics'] & played
        wanted = named or played - self._lists['latched_topics']
        lonely = self._lonely(wanted)
        if lonely:
            self.get_logger().info(f'waiting up to {timeout_s:g} s for {self._awaited(lonely)}')
        start_s = time.monotonic()
        settling_s = start_s if len(lonely) < len(wanted) else math.inf
        while lonely and not self._stop.wait(SUBSCRIBER_POLL_S):
            now_s = time.monotonic()
            if now_s >= start_s + timeout_s:
                self.get_logger().warning(
                    f'starting after {timeout_s:g} s without {self._awaited(lonely)}')
                return
            if not named and now_s >= settling_s + SETTLE_S:
                self.get_logger().info(f'starting without {self._awaited(lonely)}')
                return
            before, lonely = lonely, self._lonely(wanted)
            if len(lonely) < len(before):
                settling_s = now_s

    def _lonely(self, wanted: Collection[str]) -> list[str]:
        """Recorded topics that are still to be heard, by the names they are played on."""
        publishers = (self._publishers_by_topic[topic] for topic in sorted(wanted))
        by = listener_name(self, self._settings['wait_for_node'])
        return [one.topic_name for one in publishers if not is_heard(self, one, by)]

    def _awaited(self, topics: Sequence[str]) -> str:
        by = listener_name(self, self._settings['wait_for_node'])
        return f'{by or "a subscriber"} on {", ".join(topics)}'

    def _play_once(self) -> None:
        """Publish the recording once; the reader thread ends with it."""
        start_ns = self._info.start_ns + round(self._settings['start_offset_s'] * NS_PER_S)
        self._clock_ns = start_ns
        self._play_latched_before(start_ns)
        ahead = ReadAhead(
            read_bag(self._path, self._topics, self._settings['start_offset_s']),
            self._settings['prefetch'])
        timeline = _Timeline(start_ns, time.monotonic() + CLOCK_LEAD_S, self._settings['rate'])
        try:
            self._run_clock_until(timeline, start_ns)
            for message in ahead:
                if not self._run_clock_until(timeline, message.recorded_ns):
                    return
                lateness_s = time.monotonic() - timeline.wall_s(message.recorded_ns)
                self._max_lateness_s = max(self._max_lateness_s, lateness_s)
                self._publish_clock(message.recorded_ns)
                self._publishers_by_topic[message.topic].publish(message.cdr)
                self._num_published += 1
        finally:
            ahead.stop()
        if self._settings['loop']:
            # Silence under a running clock would be that of every sensor.
            return
        delay_ns = round(self._settings['finish_delay_s'] * NS_PER_S)
        self._run_clock_until(timeline, max(self._clock_ns, start_ns) + delay_ns)

    def _play_latched_before(self, start_ns: int) -> None:
        latched = [t for t in self._topics if t in self._lists['latched_topics']]
        if not latched or start_ns == self._info.start_ns:
            return
        for message in read_bag(self._path, latched):
            if message.recorded_ns >= start_ns:
                return
            self._publishers_by_topic[message.topic].publish(message.cdr)
            self._num_published += 1

    def _run_clock_until(self, timeline: _Timeline, target_ns: int) -> bool:
        """Wait for the moment of ``target_ns`` with /clock running; False when to stop."""
        period_s = 1.0 / self._settings['clock_rate_hz']
        while True:
            now_s = time.monotonic()
            remaining_s = timeline.wall_s(target_ns) - now_s
            if remaining_s <= 0:
                return not self._stop.is_set()
            self._publish_clock(timeline.recorded_ns(now_s))
            if self._stop.wait(min(remaining_s, period_s)):
                return False

    def _publish_clock(self, time_ns: int) -> None:
        self._clock_ns = max(self._clock_ns, time_ns)
        self._clock_publisher.publish(ClockMessage(clock=ns_to_stamp(self._clock_ns)))


class _Timeline:
    """Recorded time against the steady clock."""

    def __init__(self, start_ns: int, start_s: float, rate: float) -> None:
        self._start_ns = start_ns
        self._start_s = start_s
        self._rate = rate

    def wall_s(self, recorded_ns: int) -> float:
        return self._start_s + (recorded_ns - self._start_ns) / NS_PER_S / self._rate

    def recorded_ns(self, wall_s: float) -> int:
        return self._start_ns + round((wall_s - self._start_s) * self._rate * NS_PER_S)
