# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node's subscriptions: which message type on which topic, with which quality of service."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions, QoSPolicyKind
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo

from anymodal_seg_ros.health.statistics import RollingMedian
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.ros.conversions import RosMessage
from anymodal_seg_ros.ros.declaration import overrides
from anymodal_seg_ros.ros.message_types import message_class
from anymodal_seg_ros.ros.qos import fallback_qos, has_best_effort_publisher, input_qos

OnMessage = Callable[[str, RosMessage], None]
OnLost = Callable[[str, int], None]
"""(modality, how many messages were lost, or late for having been sent again)"""
LATE_NS = 200_000_000
"""On the way for so much longer than usual means that a message was lost and sent again."""
RECENT_DELAYS = 51
MAX_PUBLISHERS = 16
"""Of so many at once the numbering is followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedQos:
    """Quality of service of one input, by name as in ``qos.QOS_NAMES``."""

    name: str
    depth: int


class AdaptiveSubscription:
    """One subscription that can be switched off and on, and that adapts to its publishers.

    With ``BEST_AVAILABLE`` it asks for every message, and for what arrives once a publisher
    appears that cannot give that. ``adapt`` is to be called now and then.
    """

    def __init__(
        self,
        node: Node,
        modality: str,
        topic: str,
        message_type: type[Any],
        qos: NamedQos,
        on_message: OnMessage,
        on_lost: OnLost | None = None,
    ) -> None:
        self.modality = modality
        self.topic = topic
        self.message_type = message_type
        self.num_received = 0
        self.events: Counter[str] = Counter()
        """Transport events: ``messages_lost``, ``messages_late``, ``messages_missed`` and
        ``incompatible_qos``. Missed is what its publisher numbered and the node never saw: lost,
        or overwritten in the queue before the node could take it."""
        self.qos_in_use = qos.name
        self._node = node
        self._qos = qos
        self._on_message = on_message
        self._on_lost = on_lost
        self._delays = RollingMedian(RECENT_DELAYS)
        self._last_numbers: OrderedDict[bytes, int] = OrderedDict()
        self._is_numbered = True
        self._subscription: Subscription[Any] | None = None
        self._declared = False
        self._wants_fallback = False

    @property
    def num_missed(self) -> int | None:
        """Messages that their publishers numbered and the node never saw; None once one came
        without a number."""
        return self.events['messages_missed'] if self._is_numbered else None

    @property
    def num_overwritten(self) -> int:
        """Messages that arrived and that the node was too busy to take in."""
        return max(self.events['messages_missed'] - self.events['messages_lost'], 0)

    @property
    def active(self) -> bool:
        return self._subscription is not None

    def set_active(self, active: bool) -> None:
        if active == self.active:
            return
        if active:
            self._subscribe()
        elif self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
            self._last_numbers.clear()

    def adapt(self) -> None:
        """Subscribe anew where a publisher turned out to offer less than was asked for."""
        if self._wants_fallback and self.active:
            self._wants_fallback = False
            self.set_active(False)
            self.set_active(True)

    @property
    def profile(self) -> QoSProfile | None:
        """What is asked for now; None while it is switched off."""
        return None if self._subscription is None else self._subscription.qos_profile

    def num_publishers(self) -> int:
        return int(self._node.count_publishers(self.topic))

    def _profile(self) -> QoSProfile:
        if self._adapts() and has_best_effort_publisher(self._node, self.topic):
            self.qos_in_use = 'BEST_EFFORT'
            return fallback_qos(self._qos.depth)
        self.qos_in_use = 'RELIABLE' if self._adapts() else self._qos.name
        return input_qos(self._qos.name, self._qos.depth)

    def _adapts(self) -> bool:
        """Not where the user named a reliability in ``qos_overrides``."""
        override = f'qos_overrides.{self.topic}.subscription.reliability'
        return self._qos.name == 'BEST_AVAILABLE' and override not in overrides(self._node)

    def _subscribe(self) -> None:
        kinds = [QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH]
        if not (self._declared and self._adapts()):
            kinds.append(QoSPolicyKind.RELIABILITY)
        self._declared = True
        options = QoSOverridingOptions(kinds)
        callbacks = SubscriptionEventCallbacks(
            incompatible_qos=self._on_incompatible, message_lost=self._on_message_lost
        )
        try:
            self._subscription = self._create(callbacks, options)
        except UnsupportedEventTypeError:
            self._subscription = self._create(None, options)

    def _create(
        self, callbacks: SubscriptionEventCallbacks | None, options: QoSOverridingOptions
    ) -> Subscription[Any]:
        return self._node.create_subscription(
            self.message_type,
            self.topic,
            self._receive,
            self._profile(),
            event_callbacks=callbacks,
            qos_overriding_options=options,
        )

    def _receive(self, msg: RosMessage, info: Mapping[str, Any]) -> None:
        self.num_received += 1
        self._judge_delay(info)
        self._look_for_gap(info)
        self._on_message(self.modality, msg)

    def _judge_delay(self, info: Mapping[str, Any]) -> None:
        """Compared with the usual, for the clocks of two machines differ."""
        sent_ns, received_ns = info['source_timestamp'], info['received_timestamp']
        # Not every middleware says both.
        if sent_ns <= 0 or received_ns <= 0:
            return
        usual_ns = self._delays.median
        if usual_ns is not None and received_ns - sent_ns > usual_ns + LATE_NS:
            self._note_lost('messages_late', 1)
        self._delays.add(received_ns - sent_ns)

    def _look_for_gap(self, info: Mapping[str, Any]) -> None:
        number, publisher = info.get('publication_sequence_number'), info.get('publisher_gid')
        # Older releases of rclpy do not say both, and not every middleware numbers messages.
        self._is_numbered &= number is not None and publisher is not None
        if number is None or publisher is None:
            return
        key = bytes(publisher['data'])
        last = self._last_numbers.pop(key, number - 1)
        self.events['messages_missed'] += max(number - last - 1, 0)
        self._last_numbers[key] = max(number, last)
        if len(self._last_numbers) > MAX_PUBLISHERS:
            self._last_numbers.popitem(last=False)

    def _on_message_lost(self, info: Any) -> None:  # noqa: ANN401 - not the same type in all releases
        self._note_lost('messages_lost', info.total_count_change)

    def _note_lost(self, event: str, number: int) -> None:
        self.events[event] += number
        if self._on_lost is not None:
            self._on_lost(self.modality, number)

    def _on_incompatible(self, info: Any) -> None:  # noqa: ANN401
        self.events['incompatible_qos'] += 1
        self._wants_fallback = self._adapts() and self.qos_in_use != 'BEST_EFFORT'
        if not self._wants_fallback:
            self._node.get_logger().warning(
                f'a publisher on {self.topic} offers less than the QoS {self.qos_in_use} '
                f'asks for; set inputs.{self.modality}.qos'
            )


def build_inputs(
    node: Node,
    forms: Mapping[str, str],
    qos: Mapping[str, NamedQos],
    on_message: OnMessage,
    on_lost: OnLost,
) -> dict[str, AdaptiveSubscription]:
    """One input for each modality of ``forms`` (modality to a key of its row's ``forms``).

    Raises:
        ConfigError: the messages of a form are not installed.
    """
    inputs = {}
    for modality, name in forms.items():
        row = MODALITIES[modality]
        form = row.forms[name]
        topic = node.resolve_topic_name(row.topic) + form.topic_suffix
        inputs[modality] = AdaptiveSubscription(
            node, modality, topic, message_class(form.message_type), qos[modality], on_message,
            on_lost)
    return inputs


def build_camera_info_inputs(
    node: Node, modalities: tuple[str, ...], on_message: OnMessage
) -> dict[str, AdaptiveSubscription]:
    """One camera info input for each camera-like modality."""
    qos = NamedQos(name='BEST_AVAILABLE', depth=2)
    return {
        name: AdaptiveSubscription(
            node, name, node.resolve_topic_name(MODALITIES[name].camera_info_topic), CameraInfo,
            qos, on_message)
        for name in modalities if MODALITIES[name].is_camera_plane
    }
