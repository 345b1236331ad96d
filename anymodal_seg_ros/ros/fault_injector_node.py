# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A relay between sensor drivers and their consumers that makes sensors fail. Layer: ros.

Messages pass as serialized bytes; only one that a fault changes is decoded. A topic is listened
to once its output is, so that who waits for a listener waits for the whole chain.
"""

from __future__ import annotations

import sys

from anymodal_seg_ros.stopping import NODE_STOPPED, run_main

if __name__ == '__main__':
    sys.exit(run_main('anymodal_seg_ros.ros.fault_injector_node', NODE_STOPPED))

import heapq
import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import count
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType, JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from anymodal_seg_ros.bags import MAX_STAMP_NS, WRITABLE, FaultRelay, FaultTransition, Relayed
from anymodal_seg_ros.corruption import FAULTS, SEVERITY_RANGE, FaultSchedule, ScheduledFault
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.intrinsics import CAMERAS
from anymodal_seg_ros.modalities import MODALITIES, Decoding, check_decoding, gathered_decoding
from anymodal_seg_ros.ranges import Range
from anymodal_seg_ros.ros.conversions import header
from anymodal_seg_ros.ros.declaration import Spec, declare
from anymodal_seg_ros.ros.lifetime import OwningNode, run_node
from anymodal_seg_ros.ros.listeners import is_heard, listener_name
from anymodal_seg_ros.ros.message_types import message_class

RELEASE_PERIOD_S = 0.005
LISTENER_POLL_S = 0.02
STATE_DEPTH = 100
INPUT_PREFIX = 'raw/'


def _topic_specs() -> Iterable[Spec]:
    for modality, row in MODALITIES.items():
        yield Spec(name=f'inputs.{modality}', default=INPUT_PREFIX + row.topic,
                   text=f'Topic of the {modality} sensor')
        yield Spec(name=f'outputs.{modality}', default=row.topic,
                   text=f'Topic on which {modality} is passed on')
        # A message that a fault changes is written anew.
        types = tuple(kind for kind in row.message_types if kind in WRITABLE[row.payload])
        yield Spec(name=f'types.{modality}', default=types[0], choices=types,
                   text=f'Message type of {modality}')
    for modality in CAMERAS:
        topic = MODALITIES[modality].camera_info_topic
        yield Spec(name=f'inputs.{modality}_info', default=INPUT_PREFIX + topic,
                   text=f'CameraInfo topic of the {modality} sensor')
        yield Spec(name=f'outputs.{modality}_info', default=topic,
                   text=f'Topic on which the CameraInfo of {modality} is passed on; it is silent '
                        'while its camera is dropped')


_LIVE = 'holds from the next message on'


def _live_specs() -> Iterable[Spec]:
    for modality in MODALITIES:
        allowed = [name for name, row in FAULTS.items() if modality in row.modalities]
        yield Spec(name=f'live.{modality}.fault', default='', choices=('', *allowed),
                   effect=_LIVE,
                   text=f'Fault of {modality} from now on, empty for none')
        yield Spec(name=f'live.{modality}.severity', default=1.0, range=SEVERITY_RANGE,
                   effect=_LIVE, text='Severity of that fault')


PARAMETERS = (
    Spec(name='faults_file', default='', text='YAML schedule of faults; empty means none'),
    Spec(name='start_stamp_ns', default=-1, range=Range(0, MAX_STAMP_NS, also=-1),
         text='Zero of the schedule, as a header stamp; -1 means the first stamp that arrives'),
    Spec(name='reliability', default='reliable', choices=('reliable', 'best_effort'),
         text='QoS reliability of all relayed topics, in and out'),
    Spec(name='depth', default=10, range=Range(1, 10_000), text='QoS depth of all relayed topics'),
    *(Spec(name=f'{modality}_{setting.name}', default=setting.default, range=setting.range,
           text=f'{setting.text_without_bundle}; for faults that change it')
      for modality, row in MODALITIES.items() for setting in row.decoder_settings),
    Spec(name='wait_for_node', default='',
         text='An input is listened to once this node listens to its output; empty means whoever '
              'comes'),
    *_topic_specs(),
    *_live_specs(),
)


def main(args: Sequence[str] | None = None) -> int:
    """Entry point; 2 for a bad parameter or schedule."""
    return run_node(FaultInjector, args)


class FaultInjector(OwningNode):
    """See the module. Publishes ``~/state``, one status for each fault that begins or ends.

    Raises:
        ConfigError: a parameter or the schedule is refused.
    """

    def __init__(self) -> None:
        super().__init__('fault_injector')
        settings = declare(self, PARAMETERS, ('inputs', 'outputs', 'types', 'live'))
        start_stamp_ns = settings['start_stamp_ns']
        schedule = (FaultSchedule.from_yaml(settings['faults_file'])
                    if settings['faults_file'] else FaultSchedule())
        self._relay = FaultRelay(schedule, None if start_stamp_ns < 0 else start_stamp_ns,
                                 _decoding(settings))
        self._held: list[tuple[int, int, Publisher[Any], bytes]] = []
        self._order = count()
        self._unheard: dict[Publisher[Any], Callable[[], object]] = {}
        self._state = self.create_publisher(DiagnosticArray, '~/state', QoSProfile(
            history=HistoryPolicy.KEEP_LAST, depth=STATE_DEPTH,
            reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL))
        self._live = {m: (settings[f'live.{m}.fault'], settings[f'live.{m}.severity'])
                      for m in MODALITIES}
        self._relay.set_live(live_faults(self._live))
        self.add_on_set_parameters_callback(self._set_live)
        self._release_timer = self.create_timer(RELEASE_PERIOD_S, self._release,
                                                clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._release_timer.cancel()
        self._jump_handle = self.get_clock().create_jump_callback(
            JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1),
                          on_clock_change=True),
            post_callback=self.guard.wrap('clock jump', self._on_jump_back))
        self._connect(settings)
        for fault in schedule.faults:
            self.get_logger().info(f'{fault.name}: {fault.fault} of {fault.modality} from '
                                   f'{fault.start_s} s to {fault.end_s} s, '
                                   f'severity {fault.severity}')

    def _connect(self, settings: dict[str, Any]) -> None:
        profile = QoSProfile(
            history=HistoryPolicy.KEEP_LAST, depth=settings['depth'],
            reliability=(ReliabilityPolicy.RELIABLE if settings['reliability'] == 'reliable'
                         else ReliabilityPolicy.BEST_EFFORT),
            durability=DurabilityPolicy.VOLATILE)
        routes = [(modality, modality, settings[f'types.{modality}']) for modality in MODALITIES]
        routes += [(f'{m}_info', m, 'sensor_msgs/msg/CameraInfo') for m in CAMERAS]
        for key, modality, msgtype in routes:
            source, target = settings[f'inputs.{key}'], settings[f'outputs.{key}']
            if self.resolve_topic_name(source) == self.resolve_topic_name(target):
                raise ConfigError(f'inputs.{key} and outputs.{key} are both {target!r}; '
                                  'two different topics are needed')
            publisher = self.create_publisher(message_class(msgtype), target, profile)
            callback = (self._info_callback(modality, publisher) if key != modality
                        else self._sensor_callback(modality, msgtype, publisher))
            self._unheard[publisher] = partial(
                self.create_subscription, message_class(msgtype), source, callback, profile,
                raw=True)
        self._listener = listener_name(self, settings['wait_for_node'])
        self.create_timer(LISTENER_POLL_S, self._listen_where_heard,
                          clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _listen_where_heard(self) -> None:
        for publisher, listen in list(self._unheard.items()):
            if is_heard(self, publisher, self._listener):
                del self._unheard[publisher]
                listen()

    def _sensor_callback(self, modality: str, msgtype: str,
                         publisher: Publisher[Any]) -> Callable[[bytes], None]:
        def on_message(cdr: bytes) -> None:
            relayed = [Relayed(cdr=cdr, delay_ns=0)]
            with self.guard.watch(modality):
                relayed = self._relay.relay(modality, msgtype, cdr)
                self._report()
            self._pass_on(relayed, publisher)
        return on_message

    def _info_callback(self, modality: str,
                       publisher: Publisher[Any]) -> Callable[[bytes], None]:
        def on_message(cdr: bytes) -> None:
            self._pass_on(self._relay.relay_info(modality, cdr), publisher)
        return on_message

    def _pass_on(self, relayed: list[Relayed], publisher: Publisher[Any]) -> None:
        for item in relayed:
            if item.delay_ns <= 0:
                publisher.publish(item.cdr)
                continue
            due_ns = self.get_clock().now().nanoseconds + item.delay_ns
            heapq.heappush(self._held, (due_ns, next(self._order), publisher, item.cdr))
            self._release_timer.reset()

    def _release(self) -> None:
        """Publish what has been held back long enough in the node's clock."""
        now_ns = self.get_clock().now().nanoseconds
        while self._held and self._held[0][0] <= now_ns:
            _, _, publisher, cdr = heapq.heappop(self._held)
            publisher.publish(cdr)
        if not self._held:
            self._release_timer.cancel()

    def _on_jump_back(self, jump: TimeJump) -> None:
        """Held messages belong to the run before, and would be due at its times."""
        if self._held:
            self.get_logger().info(f'the clock was set back: {len(self._held)} held messages '
                                   'are dropped')
        self._held.clear()
        self._release_timer.cancel()

    def _report(self) -> None:
        stamp_ns = self._relay.newest_stamp_ns
        if stamp_ns is None:
            stamp_ns = self.get_clock().now().nanoseconds
        for transition in self._relay.update(stamp_ns):
            self._state.publish(state_message(transition))
            word = 'begins' if transition.active else 'ends'
            self.get_logger().info(f'{transition.fault.name} {word}')

    def _set_live(self, parameters: list[Parameter[Any]]) -> SetParametersResult:
        live = dict(self._live)
        for parameter in parameters:
            area, _, rest = parameter.name.partition('.')
            if area == 'live':
                modality, _, key = rest.partition('.')
                fault, severity = live[modality]
                live[modality] = ((parameter.value, severity) if key == 'fault'
                                  else (fault, parameter.value))
        try:
            faults = live_faults(live)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._live = live
        self._relay.set_live(faults)
        self._report()
        return SetParametersResult(successful=True)


def _decoding(settings: dict[str, Any]) -> Decoding:
    decoding = gathered_decoding(settings, '{}_')
    check_decoding(decoding, '{}_')
    return decoding


def live_faults(live: dict[str, tuple[str, float]]) -> list[ScheduledFault]:
    """The faults of modality to (fault, severity); raises ConfigError for what is not allowed."""
    return [ScheduledFault(name=f'live_{modality}_{fault}', modality=modality, fault=fault,
                           start_s=0.0, end_s=math.inf, severity=severity)
            for modality, (fault, severity) in live.items() if fault]


def state_message(transition: FaultTransition) -> DiagnosticArray:
    """One status: WARN while the fault is active, OK when it has ended."""
    fault = transition.fault
    values = {'modality': fault.modality, 'fault': fault.fault,
              'severity': f'{fault.severity:g}', 'active': str(transition.active).lower()}
    status = DiagnosticStatus(
        level=DiagnosticStatus.WARN if transition.active else DiagnosticStatus.OK,
        name=fault.name, message=f'{fault.fault} of {fault.modality}',
        hardware_id='fault_injector',
        values=[KeyValue(key=key, value=value) for key, value in values.items()])
    return DiagnosticArray(header=header(transition.stamp_ns, ''), status=[status])
