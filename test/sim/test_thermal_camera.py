# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The simulated thermal camera: where things are, how warm, and that nobody else sees it."""

from dataclasses import replace
from types import MappingProxyType

import cv2
import numpy as np
import pytest

from anymodal_seg_ros.bags import TOPICS, bag_info, read_bag, read_rig
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.labels import load_label_space
from anymodal_seg_ros.modalities.thermal import ThermalDecoder, grey_levels
from anymodal_seg_ros.sim import thermal
from anymodal_seg_ros.sim.__main__ import main
from anymodal_seg_ros.sim.drive_bag import write_bag
from anymodal_seg_ros.sim.mesh import MeshBuilder
from anymodal_seg_ros.sim.scene import Caster
from anymodal_seg_ros.sim.simulator import SimConfig, Simulator
from anymodal_seg_ros.sim.vehicle import ALL_SENSORS, SENSOR_NAMES, load_sensors
from anymodal_seg_ros.sim.weather import WEATHERS

pytestmark = pytest.mark.slow

SPACE = load_label_space('deliver')
SMALL = SimConfig(seed=3, sensors=ALL_SENSORS, width_px=128, height_px=128, event_width_px=128,
                  event_height_px=128, duration_s=4.0)
SHORT = replace(SMALL, duration_s=0.15)


def with_options(**options):
    """The vehicle's sensors, with a thermal camera that differs in these options."""
    sensors = dict(load_sensors())
    spec = sensors['thermal']
    place = {key: options.pop(key) for key in ('xyz',) if key in options}
    sensors['thermal'] = replace(spec, **place, options=MappingProxyType(
        {**spec.options, **options}))
    return sensors


def behind_the_camera_s_lens(size_px=256):
    """A thermal camera that sees what the camera sees, pixel by pixel."""
    return with_options(xyz=load_sensors()['rgb'].xyz, horizontal_fov_deg=90.0,
                        width_px=float(size_px), height_px=float(size_px))


def degc_of(output):
    return output.counts / thermal.COUNTS_PER_K - thermal.KELVIN


@pytest.fixture(scope='module')
def aligned():
    """By condition: temperatures [H, W] and true classes, of three moments with people near by."""
    def frames(condition):
        simulator = Simulator(replace(
            SMALL, seed=7, condition=condition, width_px=256, height_px=256), sensors)
        return [(degc_of(simulator.measure('thermal', index)), simulator.labels(index))
                for index in (22, 26, 30)]

    sensors = behind_the_camera_s_lens()
    return {condition: frames(condition) for condition in ('sun', 'night')}


def mean_of(frames, name):
    """Mean temperature of a class."""
    return float(np.concatenate([degc[labels == SPACE.id_of(name)]
                                 for degc, labels in frames]).mean())


def test_a_warm_person_is_where_the_label_says(aligned):
    """Of all shifts of the labels, none covers more warmth than none at all."""
    def warmth(dx, dy):
        return np.mean([degc[np.roll(people, (dy, dx), (0, 1))].mean() for degc, people in masks])

    masks = [(degc, labels == SPACE.id_of('Pedestrian')) for degc, labels in aligned['night']]
    assert all(people.sum() > 60 for _, people in masks)
    shifts = {(dx, dy): warmth(dx, dy) for dx in (-3, 0, 3) for dy in (-3, 0, 3)}
    assert max(shifts, key=shifts.get) == (0, 0)
    around = [cv2.dilate(people.astype(np.uint8), np.ones((15, 15))).astype(bool) & ~people
              for _, people in masks]
    assert warmth(0, 0) > np.mean([degc[ring].mean() for (degc, _), ring
                                   in zip(masks, around, strict=True)]) + 5.0


def test_by_day_the_road_is_warm_and_by_night_people_are(aligned):
    sun, night = aligned['sun'], aligned['night']
    assert mean_of(sun, 'Road') > mean_of(night, 'Road') + 10.0
    assert mean_of(sun, 'Road') > WEATHERS['sun'].air_degc + 5.0
    assert mean_of(sun, 'Road') > mean_of(sun, 'Terrain') + 3.0
    assert mean_of(night, 'Pedestrian') > mean_of(night, 'Road') + 6.0
    for name in ('Road', 'Building', 'Vegetation', 'Pedestrian', 'Cars'):
        assert mean_of(sun, 'Sky') < mean_of(sun, name) - 5.0
        assert mean_of(night, 'Sky') < mean_of(night, name) - 5.0


def test_paint_on_the_road_stays_cooler_in_the_sun(aligned):
    """It is bright, and so takes up less."""
    assert mean_of(aligned['sun'], 'RoadLine') < mean_of(aligned['sun'], 'Road') - 3.0


def test_its_own_lens_and_place_are_those_of_the_rig():
    """What it measures of a point that the camera sees stands at the projection of that point."""
    reference = Simulator(replace(SMALL, width_px=256, height_px=256),
                          behind_the_camera_s_lens())
    own = Simulator(replace(SMALL, width_px=256, height_px=256))
    rig = own.rig()
    assert rig.cameras['thermal'].width_px == 320
    assert rig.extrinsic('thermal')[0, 3] == pytest.approx(-0.08)
    depth = np.nan_to_num(own.measure('depth', 5).sample.data, nan=500.0)
    expected = degc_of(reference.measure('thermal', 5))
    found = degc_of(own.measure('thermal', 5))
    kernel = np.ones((7, 7), np.uint8)
    smooth = ((cv2.dilate(depth, kernel) < 1.3 * cv2.erode(depth, kernel))
              & (cv2.dilate(expected, kernel) < cv2.erode(expected, kernel) + 1.5)
              & (depth < 60.0))
    points = rig.camera.ray_directions()[smooth] * depth[smooth][:, None]
    thermal_T_camera = np.linalg.inv(rig.extrinsic('thermal'))
    uv, in_view = rig.cameras['thermal'].project(
        points @ thermal_T_camera[:3, :3].T + thermal_T_camera[:3, 3])
    columns, rows = np.rint(uv[in_view]).astype(int).T
    error = found[rows, columns] - expected[smooth][in_view]
    assert in_view.sum() > 3000
    assert (np.abs(error) < 1.0).mean() > 0.9


def box_seen(surface, condition='night', moving=False, distance_m=5.0):
    """The temperature of a box straight ahead, in an air without sun that takes nothing away."""
    class Shade:
        def absorbed(self, met):
            return np.zeros(len(met.range_m), np.float32)

    builder = MeshBuilder()
    builder.box(surface, (distance_m + .5, 0, 1.0), (1.0, 4.0, 4.0))
    far = MeshBuilder()
    far.box('wall', (900.0, 0, 0), (1.0, 1.0, 1.0))
    caster = Caster((far if moving else builder).build(), SPACE.id_of('Sky'))
    if moving:
        caster.set_moving(builder.build())
    weather = replace(WEATHERS[condition], heat_extinction_per_m=0.0)
    hits = caster.cast([0, 0, 1.0], np.array([[1, 0, 0]], np.float32))
    return float(thermal.apparent_degc(hits, Shade(), weather, 1e-3)[0])


def test_bodies_are_warm_and_engines_while_they_run():
    air = WEATHERS['night'].air_degc
    # A level ray meets an upright wall and is mirrored to the horizon, which is as warm as air.
    assert box_seen('wall') == pytest.approx(air, abs=1e-3)
    assert box_seen('skin') == pytest.approx(
        air + 0.95 * 0.9 * (thermal.BODY_DEGC - air), abs=1e-3)
    assert box_seen('car_tyre') == pytest.approx(air, abs=1e-3)
    driving = box_seen('car_tyre', moving=True)
    assert driving == pytest.approx(
        air + 0.95 * 16.0 * np.exp(-1.0 / thermal.ENGINE_HEIGHT_M), abs=1e-2)
    assert box_seen('skin', moving=True) == pytest.approx(box_seen('skin'), abs=1e-3)


def test_bare_metal_mirrors_the_cold_sky():
    def from_above(surface):
        class Shade:
            def absorbed(self, met):
                return np.zeros(len(met.range_m), np.float32)

        builder = MeshBuilder()
        builder.box(surface, (0, 0, 0), (4.0, 4.0, 1.0))
        hits = Caster(builder.build(), SPACE.id_of('Sky')).cast(
            [0, 0, 3.0], np.array([[0, 0, -1]], np.float32))
        return float(thermal.apparent_degc(hits, Shade(), WEATHERS['night'], 1e-3)[0])

    assert from_above('guard_rail') < from_above('wall') - 15.0


def seen_by_the_detector(time_s, netd_k=0.05, blur_px=0.0, pattern=None, degc=20.0):
    shape_hw = (200, 300)
    picture = np.full(shape_hw, degc, np.float32)
    pattern = np.zeros(shape_hw, np.float32) if pattern is None else pattern
    return thermal.counts(picture, pattern, time_s, netd_k=netd_k, blur_px=blur_px,
                          rng=np.random.default_rng(0)).astype(float)


def test_counts_are_centikelvins_with_the_noise_of_the_data_sheet():
    found = seen_by_the_detector(0.0)
    assert found.mean() == pytest.approx(29315.0, abs=0.2)
    # 60 000 pixels give the spread to 0.3 %; rounding to whole counts adds 0.2 %.
    assert found.std() == pytest.approx(5.0, rel=0.02)
    assert (seen_by_the_detector(0.0, netd_k=0.0) == 29315.0).all()


def test_a_pattern_grows_until_the_shutter_takes_it_away():
    pattern = thermal.fixed_pattern((200, 300), np.random.default_rng(1))
    assert pattern.std() == pytest.approx(1.0, abs=0.05)
    fresh, old = (seen_by_the_detector(t, pattern=pattern).std()
                  for t in (0.0, thermal.SHUTTER_S - 1e-3))
    assert old > 2.5 * fresh
    assert seen_by_the_detector(thermal.SHUTTER_S, pattern=pattern).std() == pytest.approx(
        fresh, rel=1e-3)
    swayed = seen_by_the_detector(thermal.DRIFT_S / 4, netd_k=0.0)
    assert swayed.mean() - 29315.0 == pytest.approx(100 * thermal.DRIFT_K, abs=1.0)


def test_the_lens_blurs_heat_and_not_the_noise():
    edge = np.zeros((64, 64), np.float32)
    edge[:, 32:] = 30.0
    flat = np.zeros_like(edge)
    sharp, soft = (thermal.counts(edge, flat, 0.0, netd_k=0.0, blur_px=blur_px,
                                  rng=np.random.default_rng(0)).astype(int)
                   for blur_px in (0.0, 2.0))
    assert set(np.unique(sharp)) == {27315, 30315}
    assert 27315 < soft[32, 30] < soft[32, 33] < 30315
    assert seen_by_the_detector(0.0, blur_px=2.0).std() == pytest.approx(5.0, rel=0.02)


def test_equal_configurations_give_equal_bytes_in_whatever_order():
    first, second = Simulator(SMALL), Simulator(SMALL)
    in_sequence = [first.measure('thermal', index).counts for index in range(3)]
    assert second.measure('thermal', 2).counts.tobytes() == in_sequence[2].tobytes()
    assert second.measure('thermal', 0).counts.tobytes() == in_sequence[0].tobytes()
    assert len({counts.tobytes() for counts in in_sequence}) == 3


def test_nobody_else_s_measurements_change():
    without, beside = Simulator(replace(SMALL, sensors=SENSOR_NAMES)), Simulator(SMALL)
    for index in range(2):
        beside.measure('thermal', index)
        for name in SENSOR_NAMES:
            assert (without.measure(name, index).sample.data.tobytes()
                    == beside.measure(name, index).sample.data.tobytes())
    assert 'thermal' not in without.rig().cameras
    with pytest.raises(ConfigError, match=r"'thermal'; there are rgb, depth, lidar, event$"):
        without.measure('thermal', 0)


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    path = tmp_path_factory.mktemp('bags') / 'drive'
    write_bag(path, SHORT)
    return path


def test_recordings_have_its_counts_and_its_lens(bag):
    simulator = Simulator(SHORT)
    info = bag_info(bag)
    assert info.types['/thermal/image'] == 'sensor_msgs/msg/Image'
    assert info.counts['/thermal/image'] == info.counts['/thermal/camera_info'] == 2
    low, high = (load_sensors()['thermal'].options[key] for key in ('low', 'high'))
    for index, recorded in enumerate(read_bag(bag, [TOPICS['thermal']])):
        message, measured = recorded.message(), simulator.measure('thermal', index)
        assert (message.encoding, message.width, message.height) == ('mono16', 320, 256)
        assert np.array_equal(message.data.view('<u2').reshape(256, 320), measured.counts)
        assert np.array_equal(ThermalDecoder(low=low, high=high).decode(message),
                              measured.sample.data)
    read, true = read_rig(bag), simulator.rig()
    assert np.array_equal(read.cameras['thermal'].K, true.cameras['thermal'].K)
    assert read.extrinsic('thermal') == pytest.approx(true.extrinsic('thermal'), abs=1e-9)


def test_the_rest_of_a_recording_is_that_of_one_without_it(bag, tmp_path):
    write_bag(tmp_path / 'drive', replace(SHORT, sensors=SENSOR_NAMES))

    def others(path):
        return [(m.topic, m.recorded_ns, m.cdr) for m in read_bag(path)
                if 'thermal' not in m.topic and m.topic != '/tf_static']

    assert others(bag) == others(tmp_path / 'drive')


def test_a_camera_of_8_bits_sends_its_grey_levels(tmp_path, monkeypatch):
    sensors = with_options(bits=8.0, low=0.0, high=0.0)
    for module in ('drive_bag', 'simulator'):
        monkeypatch.setattr(f'anymodal_seg_ros.sim.{module}.load_sensors', lambda: sensors)
    config = replace(SHORT, sensors=('rgb', 'thermal'))
    write_bag(tmp_path / 'drive', config)
    message = next(iter(read_bag(tmp_path / 'drive', [TOPICS['thermal']]))).message()
    assert message.encoding == 'mono8'
    counts = Simulator(config, with_options()).measure('thermal', 0).counts
    assert np.array_equal(message.data.reshape(256, 320), grey_levels(counts, 0.0, 0.0))
    assert set(bag_info(tmp_path / 'drive').topics) == {
        '/tf_static', '/camera/image', '/camera/camera_info', '/ground_truth/label',
        '/thermal/image', '/thermal/camera_info'}


@pytest.mark.parametrize(('options', 'words'), [
    ({'bits': 12.0}, r"sensor 'thermal': bits is 12.0; allowed: 8, 16"),
    ({'low': 40000.0}, 'high is 32315'), ({'netd_k': -1.0}, 'netd_k is -1.0'),
    ({'width_px': 4.0}, 'width_px is 4.0; allowed: 32 to 4096'),
])
def test_wrong_options_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        with_options(**options)


@pytest.mark.parametrize(('names', 'words'), [
    (['rgb', 'radar'], "sensors is 'radar'; allowed: rgb, depth, lidar, event, thermal"),
    (['thermal'], "sensors is 'thermal'; allowed: rgb, and any of depth, lidar, event, thermal"),
])
def test_sensors_that_there_are_not_are_named(names, words, tmp_path, capsys):
    assert main(['bag', str(tmp_path / 'drive'), '--sensors', *names]) == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_preview_shows_it(tmp_path):
    path = tmp_path / 'street.png'
    assert main(['preview', str(path), '--size', '32', '--frame', '2', '--sensors',
                 *ALL_SENSORS]) == 0
    sheet = cv2.imread(str(path))
    assert sheet.shape == (5 * 32, 6 * 32, 3)
    tiles = sheet[:, 4 * 32:5 * 32]
    assert (tiles == tiles[..., :1]).all() and tiles.std() > 5
