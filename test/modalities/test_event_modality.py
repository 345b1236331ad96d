# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Event batches and frames: decoding with CARLA's defects, encoding, the sliding window."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymodal_seg_ros.errors import BadMessageError, ConfigError
from anymodal_seg_ros.geometry import CameraModel, Rig, rotation_from_rpy
from anymodal_seg_ros.lens import undistort
from anymodal_seg_ros.modalities import EventEncoder, EventWindow
from anymodal_seg_ros.modalities.event import MAX_WINDOW_EVENTS, EventDecoder, decode_events
from anymodal_seg_ros.samples import EVENT_DTYPE

CARLA = np.dtype({'names': ['x', 'y', 't', 'pol'], 'formats': ['u2', 'u2', 'f8', 'i1'],
                  'offsets': [0, 2, 4, 12], 'itemsize': 13})
CAMERA = CameraModel.from_fov(64, 48, 90.0)
RIG = Rig(camera=CAMERA)
STAMP_NS = 1_700_000_000_500_000_000
MS = 1_000_000


def batch(rows):
    """Events from (x, y, t_ns, polarity)."""
    return np.array([tuple(row) for row in rows], dtype=EVENT_DTYPE)


def carla(times, pol=1, y=2):
    points = np.zeros(len(times), CARLA)
    points['x'], points['y'], points['t'], points['pol'] = 1, y, times, pol
    return points


@pytest.mark.parametrize('big_endian', [False, True])
@pytest.mark.parametrize('row_padding', [0, 3])
def test_carla_batch(cloud_message, big_endian, row_padding):
    points = carla([3e9, 3.1e9, 3.05e9], pol=[1, -1, 0], y=[0, 2, 479])
    decoded = decode_events(cloud_message(points, stamp_ns=3 * 10**9, big_endian=big_endian,
                                          row_padding=row_padding))
    expected = batch([(1, 0, 3_000_000_000, True), (1, 2, 3_100_000_000, False),
                      (1, 479, 3_050_000_000, False)])
    np.testing.assert_array_equal(decoded, expected)
    assert decoded.dtype == EVENT_DTYPE


@pytest.mark.parametrize('name', ['pol', 'p', 'polarity'])
@pytest.mark.parametrize('code', ['i1', 'u1', 'f4'])
def test_polarity_names_and_types(cloud_message, name, code):
    points = np.zeros(2, np.dtype([('x', 'i4'), ('y', 'f4'), ('t', 'f8'), (name, code)]))
    points[name] = [1, 0]
    assert decode_events(cloud_message(points))['polarity'].tolist() == [True, False]


@pytest.mark.parametrize('stamp_ns', [STAMP_NS, 12 * 10**9])
def test_int64_times_declared_as_float64_are_read_as_int64(cloud_message, stamp_ns):
    times = np.array([stamp_ns - 5, stamp_ns])
    decoded = decode_events(cloud_message(carla(times.view(np.float64)), stamp_ns=stamp_ns))
    assert decoded['t_ns'].tolist() == times.tolist()


def test_rows_stored_below_zero_are_turned_round(cloud_message):
    decoded = decode_events(cloud_message(carla([0.0, 1.0], y=[65535, 65536 - 480])))
    assert decoded['y'].tolist() == [1, 480]


@pytest.mark.parametrize(('times', 'stamp_ns', 'expected'), [
    ([STAMP_NS - 2048, STAMP_NS], STAMP_NS, [-2048, 0]),
    ([STAMP_NS - 9 * 10**9, STAMP_NS - 8 * 10**9], STAMP_NS, [-9 * 10**9, -8 * 10**9]),
    ([0, 1000, 40 * MS], STAMP_NS, [-40 * MS, 1000 - 40 * MS, 0]),
    ([1.5, 1.75], STAMP_NS, [-250 * MS, 0]),
    ([STAMP_NS / 1e9 - 0.25, STAMP_NS / 1e9], STAMP_NS, [-250 * MS, 0]),
    ([5e9, 5.5e9], 5 * 10**9, [0, 500 * MS]),
    ([7.25, 7.5], 7 * 10**9, [250 * MS, 500 * MS]),
])
def test_times_become_absolute(cloud_message, times, stamp_ns, expected):
    decoded = decode_events(cloud_message(carla(times), stamp_ns=stamp_ns))
    # float64 resolves 256 ns at today's date.
    np.testing.assert_allclose(decoded['t_ns'] - stamp_ns, expected, atol=512)


@pytest.mark.parametrize('code', ['i4', 'u4', 'f4', 'f8'])
def test_relative_nanoseconds_of_any_type(cloud_message, code):
    points = np.zeros(2, np.dtype([('x', 'u2'), ('y', 'u2'), ('t', code), ('p', 'u1')]))
    points['t'] = [1024, 4096]
    decoded = decode_events(cloud_message(points, stamp_ns=STAMP_NS))
    assert decoded['t_ns'].tolist() == [STAMP_NS - 3072, STAMP_NS]


def test_empty_batch(cloud_message):
    decoded = decode_events(cloud_message(np.zeros(0, CARLA)))
    assert decoded.shape == (0,)
    assert decoded.dtype == EVENT_DTYPE


@pytest.mark.parametrize('missing', ['x', 'y', 't', 'pol'])
def test_missing_field(cloud_message, missing):
    message = cloud_message(carla([0.0]))
    message.fields = [item for item in message.fields if item.name != missing]
    with pytest.raises(BadMessageError, match=rf'^fields: .*{missing}'):
        decode_events(message)


@pytest.mark.parametrize(('field', 'column', 'values', 'code'), [
    ('t', 't', [0.0, math.nan], 'f8'),
    ('t', 't', [0.0, math.inf], 'f8'),
    ('t', 't', [0.0, 1e300], 'f8'),
    ('t', 't', [0.0, 1e16], 'f8'),
    ('x', 'x', [0.0, -1.0], 'f4'),
    ('x', 'x', [0.0, math.nan], 'f4'),
    ('y', 'y', [0, 65536], 'i4'),
])
def test_values_out_of_range(cloud_message, field, column, values, code):
    formats = {'x': 'u2', 'y': 'u2', 't': 'f8', 'p': 'i1', column: code}
    points = np.zeros(2, np.dtype(list(formats.items())))
    points[column] = values
    with pytest.raises(BadMessageError, match=rf'^{field}: '):
        decode_events(cloud_message(points))


@pytest.mark.parametrize(('field', 'wrong'), [
    ('row_step', {'row_step': 1}), ('data', {'data': b''}), ('point_step', {'point_step': 0}),
    ('width', {'width': 10**9}), ('fields', {'point_step': 12})])
def test_contradictions_name_the_field(cloud_message, field, wrong):
    with pytest.raises(BadMessageError, match=rf'^{field}: '):
        decode_events(cloud_message(carla([0.0, 1.0]), **wrong))


def test_frame_is_decoded_as_an_image(image_message):
    frame = np.zeros((4, 6, 3), np.uint8)
    frame[1, 2, 2] = 255
    decoded = decode_events(image_message(frame, 'bgr8'))
    assert decoded.shape == (4, 6, 3)
    assert np.argwhere(decoded).tolist() == [[1, 2, 0]]


def test_counts_and_recency_at_a_pixel():
    events = batch([(3, 5, 100 * MS, True), (3, 5, 90 * MS, True), (3, 5, 95 * MS, False),
                    (10, 6, 75 * MS, False), (11, 6, 50 * MS, True), (12, 6, 49 * MS, True)])
    image = EventEncoder(window_ms=50.0, count_clip=4).encode(events, RIG, (48, 64))
    assert image.shape == (48, 64, 3)
    assert image.dtype == np.uint8
    assert image[5, 3].tolist() == [128, 64, 255]
    assert image[6, 10].tolist() == [0, 64, 128]
    assert np.argwhere(image.any(axis=2)).tolist() == [[5, 3], [6, 10]]


def test_counts_do_not_wrap():
    events = np.repeat(batch([(0, 0, 5, True)]), 700)
    assert EventEncoder().encode(events, RIG, (48, 64))[0, 0].tolist() == [255, 0, 255]


def test_recency_is_the_newest_whatever_the_order():
    events = batch([(0, 0, 30 * MS, True), (0, 0, 10 * MS, True), (1, 0, 50 * MS, True)])
    image = EventEncoder(window_ms=50.0).encode(events, RIG, (48, 64))
    assert image[0, 0, 2] == round(255 - 254 * 0.4)
    np.testing.assert_array_equal(EventEncoder(window_ms=50.0).encode(events[::-1], RIG, (48, 64)),
                                  image)


def test_the_oldest_event_of_the_window_is_still_seen():
    events = batch([(0, 0, 1, True), (5, 5, 50 * MS, True)])
    assert EventEncoder(window_ms=50.0).encode(events, RIG, (48, 64))[0, 0, 2] == 1


def test_shrinking_adds_the_counts_of_each_area():
    events = batch([(x, y, 0, True) for x in (2, 3) for y in (4, 5)])
    image = EventEncoder(count_clip=8).encode(events, RIG, (24, 32))
    assert image[2, 1].tolist() == [128, 0, 255]
    assert image.any(axis=2).sum() == 1


def test_events_outside_the_sensor_are_dropped():
    events = batch([(64, 0, 0, True), (0, 48, 0, True), (65535, 65535, 0, False)])
    assert not EventEncoder().encode(events, RIG, (24, 32)).any()


@given(st.integers(0, 2**32 - 1))
def test_identical_cameras_agree_with_a_loop(seed):
    rng = np.random.default_rng(seed)
    events = np.zeros(200, EVENT_DTYPE)
    events['x'], events['y'] = rng.integers(0, 64, 200), rng.integers(0, 48, 200)
    events['t_ns'] = rng.integers(0, 80 * MS, 200)
    events['polarity'] = rng.random(200) < 0.5
    newest = int(events['t_ns'].max())
    counts = np.zeros((12, 16, 2), int)
    recency = np.zeros((12, 16), int)
    for x, y, t_ns, polarity in events.tolist():
        if newest - t_ns < 50 * MS:
            row, column = y * 12 // 48, x * 16 // 64
            counts[row, column, 0 if polarity else 1] += 1
            level = round(255 - 254 * (newest - t_ns) / (50 * MS))
            recency[row, column] = max(recency[row, column], level)
    expected = np.rint(np.minimum(counts, 4) * 255 / 4)
    image = EventEncoder(window_ms=50.0, count_clip=4).encode(events, RIG, (12, 16))
    np.testing.assert_array_equal(image[..., :2], expected)
    np.testing.assert_array_equal(image[..., 2], recency)


def test_own_lens_and_attitude_warp_as_at_infinity():
    turned = np.eye(4)
    turned[:3, :3] = rotation_from_rpy(0.0, math.radians(15), 0.0)
    turned[0, 3] = 0.3
    own = CameraModel.from_fov(120, 90, 60.0)
    rig = RIG.with_camera('event', own).with_extrinsic('event', turned)
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 120, 50), rng.integers(0, 90, 50)
    rays = own.ray_directions()[y, x] @ turned[:3, :3].T
    uv, seen = CAMERA.project(rays)
    assert 20 < seen.sum() <= 50
    expected = np.zeros((48, 64), bool)
    columns, rows = np.floor(uv[seen] + 0.5).astype(int).T
    expected[rows, columns] = True
    events = batch((a, b, 0, True) for a, b in zip(x, y, strict=True))
    image = EventEncoder().encode(events, rig, (48, 64))
    np.testing.assert_array_equal(image.any(axis=2), expected)
    frame = np.zeros((90, 120, 3), np.uint8)
    frame[y, x, 0] = 255
    image = EventEncoder().encode(frame, rig, (48, 64))
    np.testing.assert_array_equal(image.any(axis=2), expected)
    assert set(np.unique(image[..., 0])) == {0, 255}


@pytest.mark.parametrize(('positive', 'channels'), [('red', (0, 2)), ('blue', (2, 0))])
def test_ready_made_frame(positive, channels):
    frame = np.zeros((48, 64, 3), np.uint8)
    frame[4, 5, channels[0]] = 255
    frame[4, 6, channels[1]] = 255
    frame[0, 0, 1] = 255
    image = EventEncoder(frame_positive=positive).encode(frame, RIG, (48, 64))
    assert image[4, 5].tolist() == [255, 0, 255]
    assert image[4, 6].tolist() == [0, 255, 255]
    assert image.any(axis=2).sum() == 2
    assert EventEncoder().encode(frame, RIG, (24, 32)).shape == (24, 32, 3)


def test_frame_of_lower_resolution_is_enlarged():
    frame = np.zeros((12, 16, 3), np.uint8)
    frame[2, 3, 0] = 255
    image = EventEncoder().encode(frame, RIG, (48, 64))
    rows, columns = np.nonzero(image[..., 0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 11, 12, 15)


@pytest.mark.parametrize('wrong', [
    {'window_ms': 0}, {'window_ms': math.nan}, {'window_ms': '50'}, {'count_clip': 0},
    {'frame_positive': 'green'}])
def test_settings_that_are_not_allowed(wrong):
    with pytest.raises(ConfigError, match=r'; allowed: '):
        EventEncoder(**wrong)


batches = st.lists(st.lists(st.integers(0, 300), max_size=12), max_size=12)


@given(batches, st.integers(1, 200))
def test_window_holds_exactly_what_is_young_enough(times, window_ns):
    window = EventWindow(window_ns)
    pushed = []
    identity = 0
    for batch_times in times:
        rows = []
        for t_ns in batch_times:
            rows.append((identity % 65536, 0, t_ns, False))
            identity += 1
        if rows and pushed and max(batch_times) < max(t for _, t in pushed) - window_ns:
            pushed = []
        pushed += [(row[0], row[2]) for row in rows]
        kept = window.push(batch(rows))
        newest = max((t for _, t in pushed), default=0)
        pushed = [(x, t) for x, t in pushed if t > newest - window_ns]
        assert sorted(zip(kept['x'].tolist(), kept['t_ns'].tolist(), strict=True)) \
            == sorted(pushed)
        assert (np.diff(kept['t_ns']) >= 0).all()


def test_window_starts_anew_when_time_does():
    window = EventWindow(50 * MS)
    window.push(batch([(1, 1, 10_000 * MS, True)]))
    assert window.push(batch([(2, 2, 5 * MS, True)]))['x'].tolist() == [2]
    window.reset()
    assert window.push(np.zeros(0, EVENT_DTYPE)).size == 0


def test_window_is_bounded_in_a_storm(monkeypatch):
    monkeypatch.setattr('anymodal_seg_ros.modalities.event.MAX_WINDOW_EVENTS', 10)
    window = EventWindow(1000)
    kept = window.push(batch((0, 0, t, True) for t in range(25)))
    assert kept['t_ns'].tolist() == list(range(15, 25))
    assert window.push(batch([(0, 0, 25, True)]))['t_ns'].tolist() == list(range(16, 26))
    assert MAX_WINDOW_EVENTS > 1_000_000


@given(st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=8), max_size=12))
def test_what_was_handed_out_does_not_change(times):
    window = EventWindow(50)
    handed_out = []
    for batch_times in times:
        kept = window.push(batch((0, 0, t_ns, True) for t_ns in batch_times))
        assert not kept.flags.writeable
        handed_out.append((kept, kept.copy()))
    for kept, copied in handed_out:
        np.testing.assert_array_equal(kept, copied)


def test_a_long_stream_is_not_copied_with_every_batch(monkeypatch):
    window = EventWindow(1000)
    moved = []
    move = EventWindow._move
    monkeypatch.setattr(EventWindow, '_move', lambda *args: (moved.append(args[1]), move(*args)))
    for t_ns in range(20_000):
        kept = window.push(batch([(0, 0, t_ns, True)]))
        assert kept.base is None or kept.base.size <= 4000
    assert len(kept) == 1000
    assert len(moved) < 40


def test_window_of_no_length():
    with pytest.raises(ConfigError, match='window_ns is 0'):
        EventWindow(0)


def test_decoder_gathers_batches_and_leaves_frames():
    decoder = EventDecoder(window_ms=50.0)
    decoder.gather(batch([(1, 1, 5 * MS, True), (2, 2, 30 * MS, True)]))
    later = batch([(3, 3, 60 * MS, True)])
    assert decoder.gather(later)['x'].tolist() == [2, 3]
    frame = np.zeros((4, 6, 3), np.uint8)
    assert decoder.gather(frame) is frame
    decoder.restart()
    assert decoder.gather(later)['x'].tolist() == [3]


@pytest.mark.parametrize('window_ms', [0, math.nan, '50'])
def test_decoder_of_no_window(window_ms):
    with pytest.raises(ConfigError, match=r'window_ms is .*; allowed: 0\.001 to 10000'):
        EventDecoder(window_ms=window_ms)


HUGE = {'width_px': 8192, 'height_px': 8192, 'D': np.array([-0.2, 0.05, 0.001, -0.001, 0.0]),
        'K': np.array([[4096.0, 0.0, 4095.5], [0.0, 4096.0, 4095.5], [0.0, 0.0, 1.0]])}


@pytest.fixture
def num_undistorted(monkeypatch):
    """How many pixels were traced through a lens, in a list of one."""
    count = [0]

    def counted(xy, model, D):
        count[0] += len(xy)
        return undistort(xy, model, D)
    monkeypatch.setattr('anymodal_seg_ros.geometry.undistort', counted)
    return count


def test_a_huge_lens_is_placed_where_opencv_sees_it(num_undistorted):
    own, size_hw = CameraModel(**HUGE), (480, 640)
    turned = np.eye(4)
    turned[:3, :3] = rotation_from_rpy(0.0, math.radians(10), 0.0)
    rig = RIG.with_camera('event', own).with_extrinsic('event', turned)
    points = np.random.default_rng(3).uniform((-0.7, -0.7, 1.0), (0.7, 0.7, 1.0), (300, 3))
    zero = np.zeros(3)
    x, y = np.rint(cv2.projectPoints(points, zero, zero, own.K, own.D)[0][:, 0]).T
    reference = CAMERA.resized(640, 480)
    moved = points @ turned[:3, :3].T
    uv = cv2.projectPoints(moved, zero, zero, reference.K, reference.D)[0][:, 0]
    inside = ((uv > 1.0) & (uv < (638.0, 478.0))).all(axis=1)
    assert inside.sum() > 150
    events = batch((a, b, 0, True) for a, b in zip(x[inside], y[inside], strict=True))
    lit = np.argwhere(EventEncoder().encode(events, rig, size_hw).any(axis=2))[:, ::-1]
    distance = np.abs(lit[:, None] - uv[inside]).max(axis=2)
    # A quarter of a pixel for the cell, and what an event's rounding to its pixel amounts to.
    assert distance.min(axis=0).max() < 0.5 + 0.35
    assert distance.min(axis=1).max() < 0.5 + 0.35
    assert num_undistorted[0] < 20_000


def test_a_frame_of_a_huge_lens_is_placed_as_its_events_are(num_undistorted):
    rig = RIG.with_camera('event', CameraModel(**HUGE))
    frame = np.broadcast_to(np.array([255, 0, 0], np.uint8), (8192, 8192, 3))
    image = EventEncoder().encode(frame, rig, (96, 128))
    reached = np.zeros((96, 128), bool)
    in_view = CameraModel(**HUGE).project(
        CAMERA.resized(128, 96).ray_directions().reshape(-1, 3))[1]
    reached.reshape(-1)[in_view] = True
    assert (image.any(axis=2) == reached).mean() > 0.99
    assert num_undistorted[0] < 20_000


def test_an_unchanged_rig_is_placed_once(num_undistorted):
    rig = RIG.with_camera('event', CameraModel(**HUGE))
    encoder, events = EventEncoder(), batch([(4000, 4000, 0, True)])
    encoder.encode(events, rig, (48, 64))
    first = num_undistorted[0]
    assert first > 0
    encoder.encode(events, rig, (48, 64))
    assert num_undistorted[0] == first
