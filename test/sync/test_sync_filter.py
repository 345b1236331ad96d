# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The message_filters side of the synchronizer, with stand-in and with real subscribers."""

import threading

import numpy as np
import pytest

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.samples import Sample
from anymodal_seg_ros.sync import InputConfig, SyncConfig, Synchronizer, SynchronizerFilter

MS = 1_000_000


class FakeSubscriber:
    """What message_filters.Subscriber is to those behind it."""

    def __init__(self):
        self.callbacks = []

    def registerCallback(self, cb, *args):
        self.callbacks.append((cb, args))
        return len(self.callbacks) - 1

    def signalMessage(self, message):
        for cb, args in self.callbacks:
            cb(message, *args)


def decode(modality, message, received_ns):
    if message is None:
        raise BadMessageError('data', 'is empty')
    return Sample(
        modality=modality,
        stamp_ns=message * MS,
        received_ns=received_ns,
        frame_id='',
        data=np.empty(0),
    )


@pytest.fixture
def clock():
    return [0]


@pytest.fixture
def drops():
    return []


@pytest.fixture
def build(clock, drops):
    def build(subscribers):
        sync = Synchronizer(
            dict.fromkeys(subscribers, InputConfig()),
            on_drop=lambda sample, reason: drops.append((sample.stamp_ns // MS, reason)),
        )
        return SynchronizerFilter(sync, list(subscribers.items()), decode, lambda: clock[0] * MS)

    return build


def run(subscribers, clock, times):
    for time in times:
        for offset, subscriber in enumerate(subscribers.values()):
            clock[0] = time + offset
            subscriber.signalMessage(time)


def test_sets_that_other_settings_make_due_reach_the_callbacks(build, clock):
    subscribers = {'rgb': FakeSubscriber(), 'depth': FakeSubscriber()}
    sync_filter = build(subscribers)
    seen = []
    sync_filter.registerCallback(lambda s: seen.append(s.stamp_ns // MS))
    run(subscribers, clock, [1000, 1100, 1200])
    clock[0] = 1300
    subscribers['rgb'].signalMessage(1300)
    clock[0] = 1301
    sync_filter.reconfigure(dict.fromkeys(subscribers, InputConfig()), SyncConfig(max_wait_s=1e-3))
    assert seen == [1000, 1100, 1200, 1300]


def test_sets_of_subscribed_messages_reach_all_callbacks(build, clock):
    subscribers = {'rgb': FakeSubscriber(), 'depth': FakeSubscriber()}
    sync_filter = build(subscribers)
    seen = []
    assert sync_filter.registerCallback(lambda s: seen.append(('a', s.stamp_ns // MS))) == 0
    assert sync_filter.registerCallback(lambda s, b: seen.append((b, s.stamp_ns // MS)), 'b') == 1
    run(subscribers, clock, [1000, 1100, 1200])
    assert seen == [(tag, time) for time in (1000, 1100, 1200) for tag in 'ab']
    assert sync_filter.stats().complete_sets == 3


def test_deadline_flush_trust_and_reset_pass_through(build, clock, drops):
    subscribers = {'rgb': FakeSubscriber(), 'depth': FakeSubscriber()}
    sync_filter = build(subscribers)
    seen = []
    sync_filter.registerCallback(lambda s: seen.append((s.stamp_ns // MS, tuple(s.samples))))
    run(subscribers, clock, [1000, 1100])
    seen.clear()
    drops.clear()
    run({'rgb': subscribers['rgb']}, clock, [1200])
    assert seen == []
    clock[0] = sync_filter.next_deadline() / MS
    assert clock[0] == 1211, 'stamp + latency 1 + margin 10'
    sync_filter.expire()
    assert seen == [(1200, ('rgb',))]
    run({'rgb': subscribers['rgb']}, clock, [1300])
    sync_filter.set_trusted(frozenset({'rgb'}))
    assert seen[1:] == [(1300, ('rgb',))]
    sync_filter.set_trusted(frozenset({'rgb', 'depth'}))
    run({'depth': subscribers['depth']}, clock, [1340])
    sync_filter.flush()
    assert seen[2:] == [(1340, ('depth',))]
    run({'rgb': subscribers['rgb']}, clock, [1340])
    sync_filter.reset('test')
    assert drops == [(1340, 'late')]
    assert sync_filter.stats().resets == 1


def test_raising_callback_breaks_nothing_for_the_others(build, clock, caplog):
    subscribers = {'rgb': FakeSubscriber()}
    sync_filter = build(subscribers)
    seen = []

    def broken(sample_set):
        raise RuntimeError('this callback is broken')

    sync_filter.registerCallback(broken)
    sync_filter.registerCallback(lambda s: seen.append(s.stamp_ns // MS))
    run(subscribers, clock, [1000, 1100])
    assert seen == [1000, 1100]
    assert sync_filter.num_callback_errors == 2
    assert 'this callback is broken' in caplog.text
    assert 'Traceback' in caplog.text


def test_bad_message_is_counted_and_logged(build, clock, caplog):
    subscribers = {'rgb': FakeSubscriber()}
    sync_filter = build(subscribers)
    subscribers['rgb'].signalMessage(None)
    assert sync_filter.num_bad_messages == 1
    assert 'rgb message dropped: data: is empty' in caplog.text
    assert sync_filter.stats().inputs['rgb'].received == 0


def test_callbacks_may_call_the_filter_and_run_outside_its_lock(build, clock, drops):
    subscribers = {'rgb': FakeSubscriber()}
    sync_filter = build(subscribers)
    order = []

    def callback(sample_set):
        order.append(('begin', sample_set.stamp_ns // MS))
        if sample_set.stamp_ns == 1000 * MS:
            clock[0] = 1100
            subscribers['rgb'].signalMessage(1100)
        other = threading.Thread(target=sync_filter.stats)
        other.start()
        other.join(timeout=10)
        order.append(('end', sample_set.stamp_ns // MS, other.is_alive()))

    sync_filter.registerCallback(callback)
    run(subscribers, clock, [1000])
    assert order == [('begin', 1000), ('end', 1000, False), ('begin', 1100), ('end', 1100, False)]


def test_drops_are_reported_outside_the_lock(clock):
    free = []
    sync = Synchronizer({'rgb': InputConfig()})
    sync.on_drop = lambda sample, reason: free.append((reason, sync_filter.stats().sets))
    subscriber = FakeSubscriber()
    sync_filter = SynchronizerFilter(sync, [('rgb', subscriber)], decode, lambda: clock[0] * MS)
    run({'rgb': subscriber}, clock, [1000, 1000])
    assert free == [('duplicate', 1)]


def test_threads_lose_and_disorder_nothing(clock):
    clock[0] = 10_000
    subscribers = {name: FakeSubscriber() for name in ('rgb', 'depth', 'lidar', 'event')}
    sync = Synchronizer(dict.fromkeys(subscribers, InputConfig(max_queue=8)))
    sync_filter = SynchronizerFilter(
        sync, list(subscribers.items()), decode, lambda: clock[0] * MS
    )
    stamps = []
    sync_filter.registerCallback(lambda s: stamps.append(s.stamp_ns))
    threads = [
        threading.Thread(target=lambda s=s: [s.signalMessage(t) for t in range(1000, 9000, 20)])
        for s in subscribers.values()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sync_filter.flush()
    assert stamps == sorted(set(stamps))
    stats = sync_filter.stats()
    assert len(stamps) == stats.sets > 0
    for counts in stats.inputs.values():
        assert counts.received == 400 == counts.used + sum(counts.dropped.values())


def test_real_message_filters_subscribers_are_accepted(build, clock):
    message_filters = pytest.importorskip('message_filters')
    subscribers = {
        'rgb': message_filters.SimpleFilter(),
        'depth': message_filters.SimpleFilter(),
    }
    sync_filter = build(subscribers)
    seen = []
    sync_filter.registerCallback(lambda s: seen.append(tuple(s.samples)))
    run(subscribers, clock, [1000, 1100])
    assert seen[-1] == ('rgb', 'depth')
