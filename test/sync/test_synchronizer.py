# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The synchronizer in single situations, with exact answers. Times in ms unless named."""

import numpy as np
import pytest

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.samples import Sample
from anymodal_seg_ros.sync import DEFAULT_INPUTS, SyncConfig, Synchronizer, SyncInputConfig

MS = 1_000_000
CAMERA = SyncInputConfig(tolerance_s=0.02)
SCAN = SyncInputConfig(tolerance_s=0.05, is_camera_plane=False)
FOUR = {'rgb': CAMERA, 'depth': CAMERA, 'lidar': SCAN, 'event': CAMERA}
LATENCY = {'rgb': 20, 'depth': 30, 'lidar': 60, 'event': 5}


def make_sample(modality, stamp, received=0):
    return Sample(
        modality=modality,
        stamp_ns=round(stamp * MS),
        received_ns=round(received * MS),
        frame_id=modality,
        data=np.empty(0),
    )


class Watched(Synchronizer):
    """Tells of each sample that it drops."""

    def __init__(self, inputs, config, on_drop):
        super().__init__(inputs, config)
        self._on_drop = on_drop

    def _drop(self, samples, reason):
        samples = list(samples)
        super()._drop(samples, reason)
        for sample in samples:
            self._on_drop(sample, reason)


class Player:
    """Sends samples in order of arrival and keeps (time, set) of all that comes out."""

    def __init__(self, inputs, **config):
        self.drops = []
        self.sync = Watched(inputs, SyncConfig(**config), self.on_drop)
        self.out = []

    def on_drop(self, sample, reason):
        self.drops.append((sample.modality, sample.stamp_ns / MS, reason))

    def wait_until(self, now):
        while (due_ns := self.sync.next_deadline()) is not None and due_ns <= now * MS:
            self.out += [(due_ns / MS, s) for s in self.sync.expire(due_ns)]

    def send(self, modality, stamp, now):
        self.wait_until(now)
        sets = self.sync.add(make_sample(modality, stamp, now), round(now * MS))
        self.out += [(now, s) for s in sets]
        return sets

    def play(self, streams, latency=LATENCY):
        """``streams``: modality to stamps."""
        events = [(t + latency[name], name, t) for name, stamps in streams.items() for t in stamps]
        for now, modality, stamp in sorted(events):
            self.send(modality, stamp, now)
        return self

    def between(self, start, end):
        return [(now, s) for now, s in self.out if start * MS <= s.stamp_ns < end * MS]

    def delays(self, start, end):
        """Output time minus the set's stamp."""
        return {now - s.stamp_ns / MS for now, s in self.between(start, end)}


def every(period, start, end):
    return list(range(start, end, period))


def test_set_goes_out_with_its_last_sample():
    player = Player(FOUR).play({name: every(100, 1000, 3000) for name in FOUR})
    player.wait_until(4000)
    sets = player.between(1000, 3000)
    assert [s.stamp_ns for _, s in sets] == [t * MS for t in every(100, 1000, 3000)]
    assert all(s.reference == 'rgb' for _, s in sets[2:])
    assert all(s.complete and set(s.samples) == set(FOUR) for _, s in sets[2:])
    assert player.delays(1200, 3000) == {60}, 'the scan comes last, 60 ms after its stamp'


def test_dead_sensor_costs_no_wait():
    streams = {name: every(100, 1000, 4000) for name in FOUR}
    streams['lidar'] = every(100, 1000, 2000)
    player = Player(FOUR).play(streams)
    assert player.delays(1500, 2000) == {60}
    waited = player.delays(2000, 2100)
    assert waited == {70}, 'the first missing scan is waited for until it is overdue, 10 ms'
    assert player.delays(2200, 4000) == {30}, 'then sets go out with the depth image, the last'
    reasons = [s.absent['lidar'] for _, s in player.between(2000, 4000)]
    assert reasons == ['not_arrived'] + ['silent'] * 19


def test_untrusted_sensor_is_not_waited_for_from_the_same_moment():
    player = Player(FOUR).play({name: every(100, 1000, 2000) for name in FOUR})
    for modality in ('event', 'rgb', 'depth'):
        assert player.send(modality, 2000, 2000 + LATENCY[modality]) == []
    (sample_set,) = player.sync.set_trusted(frozenset({'rgb', 'depth', 'event'}), 2035 * MS)
    assert sample_set.complete
    assert sample_set.absent == {'lidar': 'untrusted'}
    assert player.send('lidar', 2000, 2060) == []
    assert player.drops[-1] == ('lidar', 2000, 'untrusted')


def test_returning_sensor_is_waited_for_again():
    streams = {name: every(100, 1000, 4000) for name in FOUR}
    streams['lidar'] = every(100, 1000, 2000) + every(100, 3000, 4000)
    player = Player(FOUR).play(streams)
    assert player.delays(2500, 3000) == {30}
    assert player.delays(3100, 3900) == {60}
    assert all('lidar' in s.samples for _, s in player.between(3100, 3900))


def test_sensor_that_never_spoke_is_not_waited_for():
    player = Player(FOUR).play({'rgb': every(100, 1000, 2000)})
    assert player.delays(1000, 2000) == {20}
    for _, sample_set in player.out:
        assert sample_set.complete
        assert sample_set.absent == dict.fromkeys(('depth', 'lidar', 'event'), 'never_received')
    assert len(player.out) == 10


@pytest.mark.parametrize('modality', list(FOUR))
def test_any_single_sensor_leads_without_delay(modality):
    player = Player(FOUR).play({modality: every(100, 1000, 2000)})
    assert [s.reference for _, s in player.out] == [modality] * 10
    assert player.delays(0, 2000) == {LATENCY[modality]}


def test_reference_hands_over_and_comes_back():
    streams = {name: every(100, 1000, 4000) for name in FOUR}
    streams['rgb'] = every(100, 1000, 2000) + every(100, 3000, 4000)
    player = Player(FOUR).play(streams)
    references = {s.stamp_ns // MS: s.reference for _, s in player.out}
    assert all(references[t] == 'rgb' for t in every(100, 1200, 2000))
    assert all(references[t] == 'depth' for t in every(100, 2000, 3000))
    assert all(references[t] == 'rgb' for t in every(100, 3000, 4000))
    assert len(player.out) == len(references) == 30, 'no stamp is left out or served twice'


@pytest.mark.parametrize(('lag', 'leader'), [(200, 'rgb'), (1000, 'depth')])
def test_laggard_takes_the_lead_only_when_that_leaves_no_long_gap(lag, leader):
    player = Player({'rgb': CAMERA, 'depth': CAMERA})
    streams = {'rgb': every(50, 2000, 5000), 'depth': every(100, 1000, 5000)}
    player.play(streams, {'rgb': lag, 'depth': 10})
    live = [(now, s) for now, s in player.out if now <= 5000]
    assert max(np.diff([now for now, _ in live])) <= 300
    assert live[-1][1].reference == leader


def test_lost_frame_of_the_reference_is_led_by_another_sensor():
    streams = {name: every(100, 1000, 3000) for name in FOUR}
    streams['rgb'].remove(2000)
    ((now, sample_set),) = Player(FOUR).play(streams).between(2000, 2100)
    assert sample_set.reference == 'depth'
    assert set(sample_set.samples) == {'depth', 'lidar', 'event'}
    assert sample_set.absent == {'rgb': 'not_arrived'}
    assert now == 2060


def test_fastest_camera_plane_sensor_leads():
    inputs = {'rgb': CAMERA, 'event': SyncInputConfig(tolerance_s=0.005)}
    player = Player(inputs).play({'rgb': every(100, 1000, 3000), 'event': every(20, 1000, 3000)})
    sets = [s for _, s in player.between(2000, 2900)]
    assert [s.stamp_ns for s in sets] == [t * MS for t in every(20, 2000, 2900)]
    assert all(s.reference == 'event' for s in sets)
    with_rgb = [s.stamp_ns // MS for s in sets if 'rgb' in s.samples]
    assert with_rgb == every(100, 2000, 2900)
    without = [s for s in sets if 'rgb' not in s.samples]
    assert {s.absent['rgb'] for s in without} == {'no_match'}


def test_slow_scan_is_reused_while_young():
    inputs = {
        'rgb': SyncInputConfig(tolerance_s=0.005),
        'lidar': SyncInputConfig(tolerance_s=0.005, max_age_s=0.07, is_camera_plane=False),
    }
    player = Player(inputs)
    streams = {'rgb': every(20, 1000, 2000), 'lidar': every(100, 1000, 2000)}
    player.play(streams, {'rgb': 0, 'lidar': 1})
    ages = {
        s.stamp_ns // MS % 100: (s.offset_ns('lidar') // MS if 'lidar' in s.samples else None, now)
        for now, s in player.between(1500, 1600)
    }
    assert ages == {
        0: (0, 1501),
        20: (-20, 1520),
        40: (-40, 1540),
        60: (-60, 1560),
        80: (None, 1580),
    }
    stats = player.sync.stats().inputs['lidar']
    assert (stats.used, sum(stats.dropped.values())) == (10, 0)
    assert stats.used + stats.reused == 39, 'the first scan came after the first image went out'


def test_fresh_scan_that_is_due_is_preferred_to_a_reused_one():
    inputs = {
        'rgb': SyncInputConfig(tolerance_s=0.005),
        'lidar': SyncInputConfig(tolerance_s=0.03, max_age_s=0.3, is_camera_plane=False),
    }
    player = Player(inputs)
    streams = {'rgb': every(50, 1000, 2000), 'lidar': every(100, 1000, 2000)}
    player.play(streams, {'rgb': 0, 'lidar': 40})
    offsets = [(now, s.offset_ns('lidar') // MS) for now, s in player.between(1500, 1600)]
    assert offsets == [(1540, 0), (1550, -50)]


@pytest.mark.parametrize(('period', 'reference'), [(90, 'rgb'), (70, 'depth')])
def test_of_cameras_about_equally_fast_the_first_leads(period, reference):
    """Equally fast is a rate less than 1.25 times the other's."""
    player = Player({'rgb': CAMERA, 'depth': CAMERA})
    player.play({'rgb': every(100, 1000, 4000), 'depth': every(period, 1000, 4000)})
    sets = [s for _, s in player.between(2000, 3500) if len(s.samples) == 2]
    assert len(sets) >= 3
    assert {s.reference for s in sets} == {reference}


def test_a_scan_about_as_fast_as_the_camera_serves_once():
    """To serve again is for slower sensors; one of the same rate is waited for, then absent."""
    scan = SyncInputConfig(tolerance_s=0.06, max_age_s=0.3, is_camera_plane=False)
    scans = every(110, 1000, 4000)
    scans.remove(1000 + 110 * 20)
    player = Player({'rgb': CAMERA, 'lidar': scan})
    player.play({'rgb': every(100, 1000, 4000), 'lidar': scans})
    assert player.sync.stats().inputs['lidar'].reused == 0
    ((_, sample_set),) = player.between(3200, 3201)
    assert sample_set.absent == {'lidar': 'not_arrived'}


@pytest.mark.parametrize('camera_latency', [1, 60])
def test_a_sample_nearer_to_the_next_reference_is_neither_taken_nor_waited_for(camera_latency):
    """Images every 40 ms; each second one has a depth image 30 ms newer: 10 before the next."""
    player = Player({'rgb': CAMERA, 'depth': SyncInputConfig(tolerance_s=0.1)}, max_wait_s=0.5)
    player.play({'rgb': every(40, 1000, 3000), 'depth': every(80, 1030, 3000)},
                {'rgb': camera_latency, 'depth': 1})
    assert player.delays(2000, 2900) == {camera_latency}
    found = {(s.stamp_ns // MS % 80, s.absent.get('depth') or s.offset_ns('depth') // MS)
             for _, s in player.between(2000, 2900)}
    assert found == {(40, 'no_match'), (0, -10)}


def test_a_lost_frame_costs_the_reference_no_more_than_its_own_set():
    """However wide its tolerance: half a period on, its next image leads again."""
    inputs = {'rgb': SyncInputConfig(tolerance_s=0.1), 'depth': CAMERA}
    images = every(40, 1000, 3000)
    images.remove(2000)
    player = Player(inputs).play({'rgb': images, 'depth': every(40, 1000, 3000)},
                                 {'rgb': 1, 'depth': 5})
    references = {s.stamp_ns // MS: s.reference for _, s in player.between(1960, 2100)}
    assert references == {1960: 'rgb', 2000: 'depth', 2040: 'rgb', 2080: 'rgb'}


def test_no_image_waits_longer_than_the_cap_behind_an_older_one_that_came_later():
    player = Player({'rgb': CAMERA, 'depth': CAMERA}, max_wait_s=0.05)
    player.play({name: every(100, 1000, 2000) for name in ('rgb', 'depth')},
                {'rgb': 0, 'depth': 300})
    player.send('rgb', 2010, 2060)
    player.send('rgb', 2000, 2090)
    player.wait_until(3000)
    assert [(now, s.stamp_ns // MS) for now, s in player.between(2000, 2100)] == [
        (2110, 2000), (2110, 2010)]


def test_a_repeated_stamp_puts_off_no_deadline():
    player = Player({'rgb': CAMERA, 'depth': CAMERA}, max_wait_s=0.05)
    player.play({name: every(100, 1000, 2000) for name in ('rgb', 'depth')},
                {'rgb': 0, 'depth': 300})
    player.send('rgb', 2000, 2010)
    player.send('rgb', 2000, 2040)
    player.wait_until(3000)
    assert [now for now, _ in player.between(2000, 2001)] == [2060]


def test_nearest_sample_is_taken_and_the_other_reported():
    player = Player({'rgb': CAMERA, 'depth': CAMERA})
    player.play({name: every(100, 1000, 2000) for name in ('rgb', 'depth')})
    player.drops.clear()
    for stamp in (1985, 1995, 2004, 2015):
        player.send('depth', stamp, stamp + 1)
    (sample_set,) = player.send('rgb', 2000, 2020)
    assert sample_set.samples['depth'].stamp_ns == 2004 * MS
    assert player.drops == [('depth', 1985, 'superseded'), ('depth', 1995, 'superseded')]
    assert player.sync.stats().inputs['depth'].queued == 1


def test_cap_closes_a_set_whatever_is_expected():
    latency = {'rgb': 0, 'depth': 300}
    player = Player({'rgb': CAMERA, 'depth': CAMERA}, max_wait_s=0.05)
    player.play({'rgb': every(100, 1000, 3000), 'depth': every(100, 1000, 3000)}, latency)
    assert player.delays(2000, 3000) == {50}
    assert {reason for _, _, reason in player.drops} == {'late'}


def test_late_arrival_opens_no_second_set_for_the_same_instant():
    streams = {name: every(100, 1000, 2000) for name in ('rgb', 'depth')}
    player = Player({'rgb': CAMERA, 'depth': CAMERA}).play(streams)
    player.drops.clear()
    assert player.send('depth', 2000, 2029) == []
    player.wait_until(2100)
    ((_, sample_set),) = player.between(2000, 2100)
    assert sample_set.reference == 'depth'
    assert player.send('rgb', 2005, 2101) == [], 'its instant has been served'
    player.send('depth', 2100, 2130)
    (sample_set,) = player.send('rgb', 2100, 2131)
    assert set(sample_set.samples) == {'rgb', 'depth'}
    assert player.drops == [('rgb', 2005, 'superseded')]


def test_clock_running_back_resets():
    player = Player(FOUR).play({name: every(100, 5000, 7000) for name in FOUR})
    player.send('event', 7000, 7005)
    assert player.send('event', 5000, 5005) != [], 'nothing of the first pass is waited for'
    assert player.sync.stats().resets == 1
    assert player.drops[-1] == ('event', 7000, 'reset')
    player.play({name: every(100, 5100, 7000) for name in FOUR})
    assert player.delays(6000, 6900) == {60}
    assert all(s.complete for _, s in player.out[-5:])


def test_stamps_of_all_sensors_running_back_reset():
    player = Player({'rgb': CAMERA, 'depth': CAMERA})
    player.play({name: every(100, 5000, 7000) for name in ('rgb', 'depth')})
    num_sets = len(player.out)
    assert player.send('rgb', 5000, 7030) == []
    assert player.drops[-1] == ('rgb', 5000, 'rewound')
    (sample_set,) = player.send('depth', 5000, 7040)
    assert sample_set.stamp_ns == 5000 * MS
    assert (len(player.out), player.sync.stats().resets) == (num_sets + 1, 1)


def test_stamps_of_one_sensor_running_back_do_not_reset():
    streams = {name: every(100, 5000, 7000) for name in ('rgb', 'depth')}
    player = Player({'rgb': CAMERA, 'depth': CAMERA}).play(streams)
    for time in every(100, 7000, 8000):
        player.send('rgb', time - 3000, time + 20)
        player.send('depth', time, time + 30)
    sets = player.between(7000, 8000)
    assert [s.stamp_ns for _, s in sets] >= [t * MS for t in every(100, 7000, 7900)]
    assert {s.reference for _, s in sets} == {'depth'}
    assert player.sync.stats().resets == 0
    assert player.sync.stats().inputs['rgb'].dropped == {'rewound': 10}


def test_small_steps_back_of_the_clock_are_no_reset():
    player = Player({'rgb': CAMERA})
    player.send('rgb', 1000, 1010)
    assert len(player.send('rgb', 1100, 1009.9)) == 1
    assert player.sync.stats().resets == 0


def test_reset_by_the_caller_forgets_stamps_but_not_trust():
    player = Player({'rgb': CAMERA, 'depth': CAMERA})
    player.sync.set_trusted(frozenset({'rgb'}), 0)
    player.send('rgb', 5000, 5010)
    player.sync.reset('clock jumped')
    assert player.sync.next_deadline() is None
    (sample_set,) = player.send('rgb', 1000, 1010)
    assert sample_set.absent == {'depth': 'untrusted'}


def test_clock_jump_forward_costs_one_set_at_most():
    streams = {name: every(100, 1000, 2000) + every(100, 90_000, 91_000) for name in FOUR}
    player = Player(FOUR).play(streams)
    assert player.delays(90_200, 91_000) == {60}
    assert len(player.between(90_000, 91_000)) == 10


@pytest.mark.parametrize(
    ('stamp', 'reason'), [(1e12, 'future'), (2211, 'future'), (-9000, 'stale'), (-1e15, 'stale')]
)
def test_absurd_stamp_is_dropped_and_harms_nothing(stamp, reason):
    streams = {name: every(100, 1000, 2000) for name in FOUR}
    player = Player(FOUR).play(streams)
    assert player.send('rgb', stamp, 2010) == []
    assert player.drops[-1] == ('rgb', stamp, reason)
    player.play({name: every(100, 2000, 3000) for name in FOUR})
    assert player.delays(2000, 2900) == {60}
    assert all(s.complete for _, s in player.between(2000, 2900))


def test_duplicate_stamp_newest_wins():
    player = Player({'rgb': CAMERA, 'depth': CAMERA})
    player.play({name: every(100, 1000, 2000) for name in ('rgb', 'depth')})
    player.drops.clear()
    player.send('depth', 2000, 2010)
    newest = make_sample('depth', 2000, 2011)
    player.sync.add(newest, 2011 * MS)
    (sample_set,) = player.send('rgb', 2000, 2020)
    assert sample_set.samples['depth'] is newest
    assert player.drops == [('depth', 2000, 'duplicate')]
    player.send('depth', 2000, 2030)
    assert player.drops[1:] == [('depth', 2000, 'duplicate')], 'one in a set is not replaced'


def test_frozen_stamps_are_not_waited_for():
    player = Player({'rgb': CAMERA, 'depth': CAMERA})
    player.play({name: every(100, 1000, 2000) for name in ('rgb', 'depth')})
    player.drops.clear()
    for time in every(100, 2000, 3000):
        player.send('depth', 1900, time + 15)
        player.send('rgb', time, time + 20)
    assert player.delays(2300, 2900) == {20}
    assert player.drops == [('depth', 1900, 'duplicate')] * 10


def test_overflow_keeps_the_open_reference():
    inputs = {'event': SyncInputConfig(tolerance_s=0.001, max_queue=3), 'rgb': CAMERA}
    player = Player(inputs)
    player.play({name: every(100, 1000, 2000) for name in inputs}, {'rgb': 95, 'event': 1})
    sets = [s for stamp in every(10, 2000, 2060) for s in player.send('event', stamp, stamp + 1)]
    assert sets == [], 'the rgb image of 2000 is waited for'
    assert player.sync.stats().inputs['event'].queued == 3
    assert [drop for drop in player.drops if drop[2] == 'overflow'] == [
        ('event', stamp, 'overflow') for stamp in (2010, 2020, 2030)
    ]
    (first, *_) = player.send('rgb', 2000, 2095)
    assert (first.stamp_ns, first.complete) == (2000 * MS, True)


def test_flush_closes_what_is_open_and_reports_the_rest():
    aged = SyncInputConfig(max_age_s=0.2, is_camera_plane=False)
    player = Player({'rgb': CAMERA, 'depth': CAMERA, 'lidar': aged})
    player.play({name: every(100, 1000, 2000) for name in ('rgb', 'depth')})
    assert player.send('rgb', 2000, 2020) == []
    (sample_set,) = player.sync.flush(2021 * MS)
    assert (sample_set.stamp_ns, sample_set.complete) == (2000 * MS, False)
    player.drops.clear()
    assert player.send('lidar', 1950, 2030) == []
    assert player.send('depth', 2100, 2100) == []
    (sample_set,) = player.sync.flush(2101 * MS)
    assert (sample_set.reference, sample_set.stamp_ns) == ('depth', 2100 * MS)
    assert sample_set.samples['lidar'].stamp_ns == 1950 * MS
    assert player.send('lidar', 2050, 2102) == []
    assert player.sync.flush(2103 * MS) == []
    assert player.drops == [('lidar', 2050, 'flushed')]
    assert player.sync.next_deadline() is None


def test_reconfiguring_keeps_what_was_learnt_counted_and_trusted():
    streams = {name: every(100, 1000, 2000) for name in FOUR}
    streams['lidar'] = every(100, 1000, 1500)
    player = Player(FOUR).play(streams)
    player.sync.set_trusted(frozenset({'rgb', 'depth', 'lidar'}), 2001 * MS)
    before = player.sync.stats()
    assert player.sync.reconfigure(FOUR, SyncConfig(max_wait_s=0.5), 2001 * MS) == []
    assert player.sync.stats() == before
    player.play({name: every(100, 2000, 3000) for name in ('rgb', 'depth', 'event')})
    assert player.delays(2000, 3000) == {30}, 'the dead scanner is waited for no more than before'
    assert {s.absent['event'] for _, s in player.between(2000, 3000)} == {'untrusted'}


def test_a_shorter_wait_sends_out_at_once_what_is_due_and_loses_nothing():
    inputs = {'rgb': CAMERA, 'depth': SyncInputConfig(tolerance_s=0.06)}
    player = Player(inputs, max_wait_s=0.2)
    player.play({'rgb': every(10, 1000, 2051), 'depth': every(100, 1000, 2000)},
                {'rgb': 0, 'depth': 60})
    player.drops.clear()
    assert player.sync.stats().inputs['rgb'].queued == 6, 'depth of 2000 is waited for'
    sets = player.sync.reconfigure(inputs, SyncConfig(max_wait_s=0.02), 2055 * MS)
    assert [s.stamp_ns // MS for s in sets] == [2000, 2010, 2020, 2030]
    assert player.sync.next_deadline() == 2060 * MS, 'the image of 2040 came 15 ms ago'
    assert player.drops == []


def test_a_longer_wait_holds_for_the_set_that_is_open():
    player = Player({'rgb': CAMERA, 'depth': CAMERA}, max_wait_s=0.05)
    player.play({name: every(100, 1000, 2000) for name in ('rgb', 'depth')},
                {'rgb': 0, 'depth': 80})
    player.send('rgb', 2000, 2000)
    assert player.sync.next_deadline() == 2050 * MS
    assert player.sync.reconfigure(
        {'rgb': CAMERA, 'depth': CAMERA}, SyncConfig(max_wait_s=0.1), 2040 * MS) == []
    (sample_set,) = player.send('depth', 2000, 2080)
    assert sample_set.complete


def test_a_longer_margin_holds_for_the_sample_that_is_expected():
    player = Player(FOUR).play({name: every(100, 1000, 2000) for name in FOUR})
    for modality in ('event', 'rgb', 'depth'):
        player.send(modality, 2000, 2000 + LATENCY[modality])
    assert player.sync.next_deadline() == 2070 * MS
    player.sync.reconfigure(FOUR, SyncConfig(arrival_margin_s=0.05), 2065 * MS)
    assert player.sync.next_deadline() == 2110 * MS


def test_a_wider_tolerance_holds_for_the_samples_that_wait():
    inputs = {'rgb': CAMERA, 'depth': CAMERA, 'lidar': SCAN}
    player = Player(inputs).play({name: every(100, 1000, 2000) for name in inputs})
    assert player.send('rgb', 2000, 2020) == []
    assert player.send('depth', 2030, 2035) == []
    wide = inputs | {'depth': SyncInputConfig(tolerance_s=0.04)}
    assert player.sync.reconfigure(wide, SyncConfig(), 2040 * MS) == []
    (sample_set,) = player.send('lidar', 2000, 2060)
    assert sample_set.offset_ns('depth') == 30 * MS


def test_a_shorter_queue_drops_its_oldest_samples_at_once():
    player = Player({'event': CAMERA, 'rgb': CAMERA})
    player.play({name: every(100, 1000, 2000) for name in ('event', 'rgb')},
                {'rgb': 95, 'event': 1})
    for stamp in every(10, 2000, 2060):
        player.send('event', stamp, stamp + 1)
    player.drops.clear()
    short = SyncInputConfig(tolerance_s=0.02, max_queue=2)
    player.sync.reconfigure({'event': short, 'rgb': CAMERA}, SyncConfig(), 2055 * MS)
    assert player.drops == [('event', stamp, 'overflow') for stamp in (2010, 2020, 2030, 2040)]


def test_a_limit_of_stamps_holds_for_the_next_sample():
    player = Player({'rgb': CAMERA}).play({'rgb': every(100, 1000, 2000)})
    player.sync.reconfigure({'rgb': CAMERA}, SyncConfig(max_past_s=0.05), 2000 * MS)
    player.send('rgb', 2000, 2051)
    assert player.drops == [('rgb', 2000, 'stale')]


def test_other_modalities_are_refused_at_run_time():
    player = Player({'rgb': CAMERA})
    with pytest.raises(ConfigError, match='depth'):
        player.sync.reconfigure({'rgb': CAMERA, 'depth': CAMERA}, SyncConfig(), 0)


def test_learnt_period_and_latency_are_reported():
    stats = Player(FOUR).play({'rgb': every(100, 1000, 2000)}).sync.stats()
    assert (stats.inputs['rgb'].period_ms, stats.inputs['rgb'].latency_ms) == (100, 20)
    assert np.isnan([stats.inputs['depth'].period_ms, stats.inputs['depth'].latency_ms]).all()
    assert (stats.sets, stats.complete_sets, stats.sets_by_reference['rgb']) == (10, 10, 10)


def test_unknown_modality_is_refused():
    sync = Synchronizer({'rgb': CAMERA})
    with pytest.raises(ConfigError, match=r"'radar'.*'rgb'"):
        sync.add(make_sample('radar', 0), 0)
    with pytest.raises(ConfigError, match=r"'radar'.*'rgb'"):
        sync.set_trusted(frozenset({'radar'}), 0)
    with pytest.raises(ConfigError, match='inputs is empty'):
        Synchronizer({})


@pytest.mark.parametrize(
    ('config', 'values'),
    [
        (SyncInputConfig, {'tolerance_s': -1}),
        (SyncInputConfig, {'max_age_s': float('nan')}),
        (SyncInputConfig, {'max_queue': 1}),
        (SyncConfig, {'max_wait_s': 0}),
        (SyncConfig, {'max_future_s': float('inf')}),
        (SyncConfig, {'arrival_spread': -0.1}),
        (SyncConfig, {'max_misses': 0}),
    ],
)
def test_config_out_of_range_names_the_value(config, values):
    ((name, value),) = values.items()
    with pytest.raises(ConfigError, match=f'{name} is {value}'):
        config(**values)


def test_slower_camera_serves_again_beside_a_faster_reference():
    periods = {'rgb': 100, 'depth': 66, 'lidar': 100, 'event': 10}
    player = Player(DEFAULT_INPUTS).play({name: every(period, 1000, 4000)
                                          for name, period in periods.items()})
    sets = [s for _, s in player.between(2000, 3800)]
    assert {s.reference for s in sets} == {'event'}
    for name in ('rgb', 'depth'):
        share = sum(name in s.samples for s in sets) / len(sets)
        assert share > 0.9, f'{name} is in {share:.0%} of the sets'
    assert all(-120 * MS <= s.offset_ns(name) <= 30 * MS
               for s in sets for name in ('rgb', 'depth') if name in s.samples)


def test_camera_as_fast_as_the_reference_never_serves_again():
    stamps = {name: every(100, 1000, 4000) for name in FOUR}
    stamps['depth'] = [t for t in stamps['depth'] if t != 3000]
    player = Player(DEFAULT_INPUTS).play(stamps)
    gap, = (s for _, s in player.between(3000, 3001))
    assert set(gap.samples) == {'rgb', 'lidar', 'event'}
