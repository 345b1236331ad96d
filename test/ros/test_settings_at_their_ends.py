# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever values the parameters allow, messages become sets in order, or are refused.

Values are drawn from the ends of the ranges; a combination that contradicts itself is refused
where it is given, and nothing that is taken may fail later.
"""

import math
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anymodal_seg_ros import bags
from anymodal_seg_ros.bundle import Bundle
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.extrinsics import RigKeeper
from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.ros.conversions import decode_sample
from anymodal_seg_ros.ros.params import parameter_specs, settings_from_values
from anymodal_seg_ros.samples import EVENT_DTYPE
from anymodal_seg_ros.session import Session

pytestmark = pytest.mark.slow

MS = 1_000_000
START_NS = 1_700_000_000 * 1000 * MS
SPECS = {spec.name: spec for spec in parameter_specs()}
MODALITIES = ('rgb', 'depth', 'lidar', 'event')
POSES = ([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0], [1000.0, -1000.0, 1000.0, 0.5, -0.5, 0.5, 0.5],
         [-1000.0, 1.0, 1e-300, 0.0, 0.0, 0.0, 1000.0], [1.0, 0.0, 0.0, 1e-5, 0.0, 0.0, 0.0])
CAMERAS = ((1, 1, 0.1), (512, 32, 179.0), (32, 512, 0.1), (16, 12, 90.0))


def ends(spec):
    """The values of a parameter that are farthest from what anybody would give."""
    span, least, most = spec.range, spec.range.least, spec.range.most
    if spec.is_whole:
        return [int(v) for v in (least, most, span.also, min(least + 1, most)) if v is not None]
    middle = math.sqrt(max(least, 1e-9) * most)
    return [v for v in (least, most, span.also, float(np.nextafter(least, most)), middle)
            if v is not None]


NUMBERS = {name: ends(spec) for name, spec in SPECS.items()
           if name.split('.')[0] in ('sync', 'inputs', 'health') and spec.range is not None}
CHANGES = st.lists(st.one_of(
    st.sampled_from(sorted(NUMBERS)).flatmap(
        lambda name: st.tuples(st.just(name), st.sampled_from(NUMBERS[name]))),
    st.sampled_from(MODALITIES).flatmap(lambda one: st.tuples(
        st.just(f'health.{one}.skip_checks'),
        st.lists(st.sampled_from(SPECS[f'health.{one}.skip_checks'].choices)))),
    st.tuples(st.sampled_from([name for name in SPECS if name.startswith('extrinsics.')]),
              st.sampled_from(POSES)),
    st.tuples(st.sampled_from(['camera', 'cameras.depth', 'cameras.event']),
              st.sampled_from(CAMERAS)),
), max_size=12)
STEPS = st.lists(st.tuples(
    st.sampled_from([*MODALITIES, *MODALITIES, 'tick', 'garbage', 'lost']),
    st.sampled_from([0, 1, 10, 30, 100, 100, 400, 5000, -1000]),
    st.sampled_from([-10, -10, -10, -60, -200, -3000, 0, 150, 5000, -10_000_000]),
), min_size=20, max_size=60)
BUNDLE = Bundle(
    model_name='m_segformer', model_config={'num_classes': 1, 'modalities': list(MODALITIES)},
    encoders={name: {} for name in MODALITIES},
    label_space=LabelSpace('one', ('road',), ((1, 2, 3),)), short_side_px=32)


def settings_with(changes):
    """As many of the changes as do not contradict each other."""
    values = {**{name: spec.default for name, spec in SPECS.items()}, 'bundle': '/'}
    for name, value in changes:
        changed = {**values, name: value}
        if name.startswith('camera'):
            size_names = ('width_px', 'height_px', 'horizontal_fov_deg')
            changed = {**values, **{f'{name}.{one}': number
                                    for one, number in zip(size_names, value, strict=True)}}
        try:
            for one in changed.keys() - values.keys() | {key for key in changed
                                                         if changed[key] != values.get(key)}:
                SPECS[one].check(changed[one])
            settings_from_values(changed)
        except ConfigError:
            continue
        values = changed
    return settings_from_values(values)


def message(modality, stamp_ns, index):
    rng = np.random.default_rng(index)
    if modality == 'rgb':
        return bags.image_message(stamp_ns, 'rgb', rng.integers(0, 256, (12, 16, 3), np.uint8),
                                  'rgb8')
    if modality == 'depth':
        depth_mm = rng.integers(0, 65536, (12, 16), np.uint16)
        made = bags.image_message(stamp_ns, 'rgb', depth_mm.astype(np.float32), '32FC1')
        return SimpleNamespace(header=made.header, height=12, width=16, encoding='16UC1', step=32,
                               is_bigendian=0, data=depth_mm.tobytes())
    if modality == 'lidar':
        return bags.cloud_message(stamp_ns, 'lidar', rng.normal(0, 9, (60, 4)).astype(np.float32))
    events = np.zeros(30, EVENT_DTYPE)
    events['x'], events['y'] = rng.integers(0, 12, (2, 30))
    events['t_ns'] = max(stamp_ns, 0) + np.arange(30)
    return bags.events_message(stamp_ns, 'rgb', events)


class Drive:
    """What the node does with messages, without a node."""

    def __init__(self, given):
        self.session = Session(
            SimpleNamespace(bundle=BUNDLE),
            RigKeeper(camera_frame='rgb', cameras=given.cameras, extrinsics=given.extrinsics),
            settings=given.session, decoding=given.decoding)
        self.now_ns = self.steady_ns = START_NS
        self.last_ns, self.resets, self.num_sets = None, 0, 0

    def step(self, index, kind, wait_ms, offset_ms):
        self.now_ns += wait_ms * MS
        self.steady_ns += max(wait_ms, 1) * MS
        if kind == 'tick':
            sets = self.session.poll(self.now_ns, self.steady_ns)
        elif kind == 'garbage':
            sets = self.session.reject('rgb', 'bad_data', self.now_ns)
        elif kind == 'lost':
            self.session.pipeline.health.note_lost('depth', 3, self.now_ns)
            sets = []
        else:
            sent = message(kind, self.now_ns + offset_ms * MS, index)
            sets = self.session.receive(
                kind, partial(decode_sample, kind, sent, self.now_ns), self.now_ns)
        self.check(sets)

    def check(self, sets):
        pipeline = self.session.pipeline
        resets = pipeline.synchronizer.stats().resets
        if resets != self.resets:
            self.last_ns, self.resets = None, resets
        for formed in sets:
            assert self.last_ns is None or formed.stamp_ns > self.last_ns
            self.last_ns = formed.stamp_ns
            self.num_sets += 1
            placed = self.session.place(formed, self.now_ns)
            if self.num_sets <= 2 and placed is not None:
                encoded, images = pipeline.encode(placed.sample_set, placed.rig)
                assert encoded is placed.sample_set
                for name, image in images.items():
                    assert image.dtype == np.uint8 and min(image.shape[:2]) == 32, name
        for report in pipeline.health.reports(self.now_ns).values():
            assert not math.isinf(report.expected_rate_hz)


@settings(max_examples=80, deadline=None, derandomize=True, database=None,
          suppress_health_check=list(HealthCheck))
@given(before=CHANGES, after=CHANGES, steps=STEPS)
def test_no_allowed_value_fails_later(before, after, steps):
    drive, others = Drive(settings_with(before)), settings_with(after)
    for index, step in enumerate(steps):
        if index == len(steps) // 2:
            drive.check(drive.session.reconfigure(others.session, drive.now_ns))
        drive.step(index, *step)
    drive.check(drive.session.flush(drive.now_ns))


@pytest.mark.parametrize('name', [name for name in sorted(NUMBERS)
                                  if name.startswith('sync.') or '.rgb.' in name])
def test_a_steady_street_at_each_end(name):
    """One parameter at a time, all sensors at 10 Hz."""
    for value in NUMBERS[name]:
        drive = Drive(settings_with([('extrinsics.lidar', POSES[0]), ('camera', CAMERAS[3]),
                                     (name, value)]))
        for index in range(12):
            for order, modality in enumerate(MODALITIES):
                drive.step(index, modality, 90 if order == 0 else 3, -10)
            drive.step(index, 'tick', 1, 0)
