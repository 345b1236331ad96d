# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Labels made offline on chosen sensors, against which a play is measured."""

import pytest

from anymodal_seg_ros.demo.offline import Span, label_offline
from anymodal_seg_ros.inference import build_segmenter
from anymodal_seg_ros.sim.drive_bag import write_bag
from anymodal_seg_ros.sim.simulator import SimConfig

pytestmark = pytest.mark.slow

SENSORS = ('depth', 'event', 'lidar', 'rgb')
START_NS = 1_700_000_000_000_000_000


@pytest.fixture(scope='module')
def drive(tmp_path_factory):
    path = tmp_path_factory.mktemp('drive') / 'street'
    write_bag(path, SimConfig(seed=3, width_px=64, height_px=64, event_width_px=64,
                              event_height_px=64, duration_s=2.4, start_ns=START_NS))
    return path


def test_each_span_is_labelled_with_its_sensors_alone(drive, tiny_bundle):
    spans = [Span(start_s=0.0, end_s=1.0, sensors=SENSORS),
             Span(start_s=1.0, end_s=2.0, sensors=('event', 'lidar'))]
    labels = list(label_offline(drive, build_segmenter(tiny_bundle), spans))
    for label in labels:
        in_second = label.stamp_ns >= START_NS + 1_000_000_000
        assert label.sensors == (('event', 'lidar') if in_second else SENSORS)
        assert set(label.images) == set(label.sensors)
        assert label.labels.shape == (64, 64)
    seconds = [(label.stamp_ns - START_NS) // 1_000_000_000 for label in labels]
    assert seconds.count(0) >= 8, 'the first sets may be partial while timing is learnt'
    assert seconds.count(1) >= 9
    assert set(seconds) == {0, 1}
