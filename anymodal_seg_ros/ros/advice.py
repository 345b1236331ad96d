# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What to do about an input that does not come as it should, said once. Layer: ros."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import NamedTuple

from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy
from rclpy.utilities import get_rmw_implementation_identifier

from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.resources import resource_path
from anymodal_seg_ros.ros.inputs import AdaptiveSubscription
from anymodal_seg_ros.ros.message_types import type_name
from anymodal_seg_ros.ros.silence import publisher_names, why_silent
from anymodal_seg_ros.samples import HealthReport

CLOCK_TYPE = 'rosgraph_msgs/msg/Clock'
LASTING_NS = 2_000_000_000
OVERWRITTEN_WINDOW_NS = 60_000_000_000
OVERWRITTEN_SHARE = 0.1
MIN_OVERWRITTEN = 20
"""Of the messages of the last minute; a burst at the start says nothing of an hour later, and an
hour without loss hides none that begins."""


class _Counted(NamedTuple):
    """Messages of an input since its start, at one time."""

    steady_ns: int
    num_received: int
    num_overwritten: int


class Advisor:
    """Warns in the node's log; each sensor's each trouble once, and again if its cause changes.

    Args:
        inputs, camera_infos: by modality.
    """

    def __init__(
        self,
        node: Node,
        inputs: Mapping[str, AdaptiveSubscription],
        camera_infos: Mapping[str, AdaptiveSubscription],
    ) -> None:
        self._node = node
        self._inputs = inputs
        self._camera_infos = camera_infos
        self._said: set[str] = set()
        self._causes: dict[str, tuple[str, int]] = {}
        """By topic: why it is silent, and since when that is so."""
        self._has_told_remedy = False
        self._counted: dict[str, deque[_Counted]] = defaultdict(deque)
        """By topic: the counts of the last minute, the oldest first."""

    def look(self, reports: Mapping[str, HealthReport]) -> dict[str, str]:
        """Warn of what is new; returns, by modality, why nothing is received."""
        causes = {}
        for modality, report in reports.items():
            if report.reason == 'never_received':
                source = self._inputs[modality]
                causes[modality] = f'on {source.topic}: {self._why_silent(source)}'
                self._say_if_lasting(source.topic, f'{modality}: nothing received '
                                                   f'{causes[modality]}')
            elif report.reason == 'no_camera_info' and modality in self._camera_infos:
                self._look_for_camera_info(self._camera_infos[modality])
            elif report.reason == 'transport_loss':
                self._tell_of_loss(self._inputs[modality])
        for source in self._inputs.values():
            self._tell_of_overwriting(source)
        return causes

    def miss_clock(self) -> None:
        """Simulated time has not begun."""
        why = why_silent(self._node, '/clock', CLOCK_TYPE, None)
        self._say_if_lasting('/clock', f'use_sim_time is true, but no time has come on /clock: '
                                       f'{why}')

    def tell_of_unsteady_clock(self) -> None:
        """Simulated time is set back again and again."""
        names = publisher_names(self._node, '/clock')
        self._say(f'the time on /clock jumps back and forth, so nothing can be labelled; it comes '
                  f'from {names}: stop all but one, or set use_sim_time to false')

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._node.get_logger().warning(text)

    def _say_if_lasting(self, topic: str, text: str) -> None:
        """While nodes come and go the cause changes: it must be the same for a while."""
        steady_ns = time.monotonic_ns()
        known, since_ns = self._causes.get(topic, ('', 0))
        if text != known:
            self._causes[topic] = text, steady_ns
        elif steady_ns - since_ns >= LASTING_NS:
            self._say(text)

    def _why_silent(self, source: AdaptiveSubscription) -> str:
        taken = {one.topic for one in self._inputs.values()}
        why = why_silent(self._node, source.topic, type_name(source.message_type), source.profile,
                         taken)
        return why + self._other_form(source)

    def _other_form(self, source: AdaptiveSubscription) -> str:
        """The sensor may speak in a form that the parameters do not name."""
        modality = source.modality
        row = MODALITIES[modality]
        for name, form in row.forms.items():
            topic = self._node.resolve_topic_name(row.topic) + form.topic_suffix
            if form.message_type != type_name(source.message_type) and any(
                    info.topic_type == form.message_type
                    for info in self._node.get_publishers_info_by_topic(topic)):
                return f'; for {topic} set inputs.{modality}.form to {name}'
        return ''

    def _look_for_camera_info(self, source: AdaptiveSubscription) -> None:
        if not source.num_received:
            why = why_silent(
                self._node, source.topic, type_name(source.message_type), source.profile)
            self._say_if_lasting(
                source.topic, f'{source.modality}: no CameraInfo on {source.topic}: {why}')

    def _tell_of_loss(self, source: AdaptiveSubscription) -> None:
        text = (f'{source.modality}: messages on {source.topic} are lost on their way, or sent '
                'again and late; the sensor itself speaks')
        if text not in self._said and not self._has_told_remedy:
            self._has_told_remedy = True
            self._said.add(text)
            text += f'. {self._remedy(source)}'
        self._say(text)

    def _tell_of_overwriting(self, source: AdaptiveSubscription) -> None:
        steady_ns, counted = time.monotonic_ns(), self._counted[source.topic]
        counted.append(_Counted(steady_ns, source.num_received, source.num_overwritten))
        while counted[0].steady_ns < steady_ns - OVERWRITTEN_WINDOW_NS:
            counted.popleft()
        num_received = counted[-1].num_received - counted[0].num_received
        num_overwritten = counted[-1].num_overwritten - counted[0].num_overwritten
        if num_overwritten < max(MIN_OVERWRITTEN, OVERWRITTEN_SHARE * num_received):
            return
        self._say(f'{source.modality}: of the messages on {source.topic} many are overwritten '
                  'before this node takes them in: what comes in is more than it can decode in '
                  'time. Send fewer, smaller or raw images (PNG depth costs most), or free '
                  f'processor time; inputs.{source.modality}.qos_depth helps against bursts alone')

    def _remedy(self, source: AdaptiveSubscription) -> str:
        remedy = 'Enlarge the network buffers or send compressed images'
        if 'fastrtps' in get_rmw_implementation_identifier():
            profile = resource_path('config') / 'fastdds_shm.xml'
            remedy = ('On one machine, start what publishes it with '
                      f'FASTDDS_DEFAULT_PROFILES_FILE={profile} '
                      '(FASTRTPS_DEFAULT_PROFILES_FILE before Fast DDS 3); between machines, '
                      'enlarge the network buffers or send compressed images')
        offered = [info.qos_profile.reliability
                   for info in self._node.get_publishers_info_by_topic(source.topic)]
        profile_in_use = source.profile
        if (profile_in_use is not None and ReliabilityPolicy.RELIABLE in offered
                and profile_in_use.reliability is not ReliabilityPolicy.RELIABLE):
            remedy += f'; with inputs.{source.modality}.qos RELIABLE lost ones are sent again'
        return f'{remedy}. docs/node.md has more'
