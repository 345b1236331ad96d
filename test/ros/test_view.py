# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A view rests after a message that took long to send, and only then."""

import pytest

from anymodal_seg_ros.ros.view import View


class Publisher:
    """Takes as long to send as it is told, by a clock of its own."""

    def __init__(self):
        self.now_s, self.takes_s, self.num_subscriptions, self.sent = 100.0, 0.0, 1, []

    def get_subscription_count(self):
        return self.num_subscriptions

    def publish(self, message):
        self.now_s += self.takes_s
        self.sent.append(message)


@pytest.fixture()
def publisher():
    return Publisher()


@pytest.fixture()
def view(publisher):
    return View(publisher, lambda: publisher.now_s)


def test_it_is_wanted_by_subscribers_alone(view, publisher):
    assert view.is_wanted()
    publisher.num_subscriptions = 0
    assert not view.is_wanted()
    assert view.num_skipped == 0


@pytest.mark.parametrize('takes_s', [0.0, 0.019])
def test_quick_messages_follow_one_another(view, publisher, takes_s):
    publisher.takes_s = takes_s
    for number in range(5):
        assert view.is_wanted()
        view.publish(number)
    assert publisher.sent == [0, 1, 2, 3, 4]
    assert view.num_skipped == 0


def test_a_slow_message_is_followed_by_four_times_its_time_of_rest(view, publisher):
    publisher.takes_s = 0.25
    view.publish('slow')
    for _ in range(4):
        assert not view.is_wanted()
        publisher.now_s += 0.25
    assert view.num_skipped == 4
    assert view.is_wanted()
    publisher.takes_s = 0.0
    view.publish('quick')
    assert view.is_wanted()
    assert view.num_skipped == 4
