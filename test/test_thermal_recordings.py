# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A thermal camera of its own lens and place, in a recording: labelled, broken, extracted."""

import re

import cv2
import numpy as np
import pytest

from anymodal_seg_ros import bags
from anymodal_seg_ros.corruption import FaultSchedule, ScheduledFault
from anymodal_seg_ros.geometry import CameraModel
from anymodal_seg_ros.health import DEFAULTS as HEALTH_DEFAULTS
from anymodal_seg_ros.health import HealthMonitor
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.modalities.thermal import ThermalDecoder
from anymodal_seg_ros.samples import HealthState, Sample
from anymodal_seg_ros.segment_bag import main

pytestmark = pytest.mark.slow

START_NS = 20_000_000_000
PERIOD_NS = 100_000_000
NUM_FRAMES = 30
CAMERA = CameraModel.from_fov(64, 48, 90.0)
LENS = CameraModel.from_fov(80, 60, 50.0)


@pytest.fixture(scope='module')
def recording(tmp_path_factory):
    """3 s of a camera and a thermal camera at 10 Hz; counts of 16 bit."""
    path = tmp_path_factory.mktemp('recordings') / 'bag'
    rng = np.random.default_rng(0)
    warm = np.linspace(29_000, 31_000, 80)
    with bags.BagWriter(path) as writer:
        writer.write('/tf_static', bags.tf_static_message(
            [('camera', 'thermal', (0.05, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))]), START_NS)
        for i in range(NUM_FRAMES):
            stamp_ns = START_NS + i * PERIOD_NS
            rgb = rng.integers(0, 256, (48, 64, 3), np.uint8)
            counts = (warm + rng.normal(0, 40, (60, 80))).astype(np.uint16)
            for key, message in {
                    'rgb_info': bags.camera_info_message(stamp_ns, 'camera', CAMERA),
                    'rgb': bags.image_message(stamp_ns, 'camera', rgb, 'rgb8'),
                    'thermal_info': bags.camera_info_message(stamp_ns, 'thermal', LENS),
                    'thermal': bags.image_message(stamp_ns, 'thermal', counts, 'mono16')}.items():
                writer.write(bags.TOPICS[key], message, stamp_ns + 5_000_000)
    return path


@pytest.fixture(scope='module')
def bundle(tmp_path_factory):
    from ros_streams.tiny_bundle import write_tiny_bundle
    return write_tiny_bundle(tmp_path_factory.mktemp('bundles') / 'thermal', 32,
                             modalities=('rgb', 'thermal'))


def made_of(capsys):
    """Number of label images by the sensors that they were made of."""
    rows = re.findall(r'^ *(\d+)  ([a-z+]+)$', capsys.readouterr().out, re.MULTILINE)
    return {sensors: int(number) for number, sensors in rows}


@pytest.fixture(scope='module')
def rgb_bundle(tmp_path_factory):
    from ros_streams.tiny_bundle import write_tiny_bundle
    return write_tiny_bundle(tmp_path_factory.mktemp('bundles') / 'rgb', 32, modalities=('rgb',))


def without_a_calibrated_camera(path):
    """1 s of a camera whose CameraInfo was not recorded, and of a thermal camera whose was, in
    false colours."""
    rng = np.random.default_rng(0)
    with bags.BagWriter(path) as writer:
        for i in range(10):
            stamp_ns = START_NS + i * PERIOD_NS
            for key, message in {
                    'thermal_info': bags.camera_info_message(stamp_ns, 'thermal', LENS),
                    'thermal': bags.image_message(
                        stamp_ns, 'thermal', np.zeros((60, 80, 3), np.uint8), 'rgb8'),
                    'rgb': bags.image_message(
                        stamp_ns, 'camera', rng.integers(0, 256, (48, 64, 3), np.uint8), 'rgb8'),
            }.items():
                writer.write(bags.TOPICS[key], message, stamp_ns)
    return path


def test_a_bundle_without_it_is_not_touched_by_it(rgb_bundle, tmp_path, caplog):
    """Neither is it looked for a picture that can be used, nor for a lens."""
    recording, out = without_a_calibrated_camera(tmp_path / 'bag'), tmp_path / 'out'
    assert main([str(recording), '--bundle', str(rgb_bundle), '--out', str(out)]) == 0
    assert 'thermal' not in caplog.text
    labels = [recorded.message() for recorded in bags.read_bag(out, ['/anymodal_seg/label'])]
    assert {(label.header.frame_id, label.width, label.height) for label in labels} == {
        ('camera', 64, 48)}


def test_topics_of_recordings_know_it():
    assert bags.TOPICS['thermal'] == '/thermal/image'
    assert bags.TOPICS['thermal_info'] == '/thermal/camera_info'


def test_its_lens_and_its_place_are_read(recording):
    rig = bags.read_rig(recording)
    assert (rig.cameras['thermal'].width_px, rig.cameras['thermal'].height_px) == (80, 60)
    assert rig.camera_T['thermal'][0, 3] == pytest.approx(0.05)


def test_it_is_labelled_with_the_camera_and_alone(recording, bundle, tmp_path, capsys):
    assert main([str(recording), '--bundle', str(bundle), '--out', str(tmp_path / 'both')]) == 0
    # While a first sample is alone, nothing is known of who else comes.
    assert made_of(capsys)['rgb+thermal'] >= NUM_FRAMES - 1
    assert main([str(recording), '--bundle', str(bundle), '--out', str(tmp_path / 'alone'),
                 '--topics', 'rgb=/nowhere', '--thermal-low', '29000',
                 '--thermal-high', '31000']) == 0
    assert made_of(capsys) == {'thermal': NUM_FRAMES}


def test_a_fault_of_images_befalls_it_and_its_health_says_so(recording, bundle, tmp_path, capsys):
    faults = tmp_path / 'faults.yaml'
    faults.write_text('faults:\n  - {name: cold, modality: thermal, fault: black, '
                      'start_s: 1.0, end_s: .inf}\n')
    assert main([str(recording), '--bundle', str(bundle), '--out', str(tmp_path / 'out'),
                 '--faults', str(faults)]) == 0
    out = capsys.readouterr().out
    assert 'image_black 20' in out
    assert re.search(r'^ +(9|10)  rgb\+thermal$', out, re.MULTILINE)


@pytest.mark.parametrize(('msgtype', 'kind'), [
    ('sensor_msgs/msg/Image', 'Image'), ('sensor_msgs/msg/CompressedImage', 'CompressedImage')])
def test_a_changed_picture_is_written_as_the_grey_levels_that_it_was_read_as(msgtype, kind):
    counts = np.linspace(29_000, 31_000, 4800).astype(np.uint16).reshape(60, 80)
    message = bags.image_message(START_NS, 'thermal', counts, 'mono16')
    if kind == 'CompressedImage':
        message = bags.compressed_image_message(
            START_NS, 'thermal', cv2.imencode('.png', counts)[1], 'mono16; png compressed ')
    relay = bags.FaultRelay(FaultSchedule(faults=(ScheduledFault(
        name='dim', modality='thermal', fault='black', start_s=0.0, end_s=9.0, severity=0.5),)),
        decoding={'thermal': {'low': 29_000.0, 'high': 31_000.0}})
    (out,) = relay.relay('thermal', msgtype, bags.to_cdr(message))
    levels = ThermalDecoder().decode(bags.from_cdr(out.cdr, msgtype))
    read = ThermalDecoder(low=29_000, high=31_000).decode(message)
    np.testing.assert_array_equal(levels, np.rint(np.arange(256) * 0.5).astype(np.uint8)[read])


def test_recordings_become_a_data_set_with_it(recording, tmp_path):
    from training.datasets.recorded import RecordedDataset
    from training.extract_bag import main as extract
    assert extract([str(recording), '--output', str(tmp_path / 'data'), '--split', 'train',
                    '--short-side-px', '32', '--labels', 'none', '--thermal-low', '29000',
                    '--thermal-high', '31000']) == 0
    data = RecordedDataset(tmp_path / 'data', 'train')
    assert data.modalities == ('rgb', 'depth', 'lidar', 'event', 'thermal')
    assert data.manifest['encoders']['thermal'] == {'low': 29000.0, 'high': 31000.0}
    image = data[5].images['thermal']
    assert image.shape == data[5].images['rgb'].shape
    assert (image == image[..., :1]).all() and image.any()
    columns = image[16, :, 0].astype(int)
    assert columns[0] == 0 and columns[len(columns) // 2 + 5] > columns[len(columns) // 2 - 5]


@pytest.mark.parametrize(('least', 'state'), [(0, 'image_black'), (65532, 'image_overexposed')])
def test_a_detector_that_dies_is_told_from_a_cold_street(least, state):
    """By the noise that is left of its counts, without a range."""
    decoder, rng = ThermalDecoder(), np.random.default_rng(0)
    monitor = HealthMonitor({'thermal': HEALTH_DEFAULTS['thermal']})
    warm = np.linspace(29_000, 31_000, 80)
    for i in range(90):
        now_ns = START_NS + i * PERIOD_NS
        counts = (warm + rng.normal(0, 40, (60, 80)) if i < 30
                  else rng.integers(least, least + 4, (60, 80)))
        message = bags.image_message(now_ns, 'thermal', counts.astype(np.uint16), 'mono16')
        monitor.observe(Sample(modality='thermal', stamp_ns=now_ns, received_ns=now_ns,
                               frame_id='thermal', data=decoder.decode(message)), now_ns)
        if i == 29:
            assert monitor.reports(now_ns)['thermal'].state is HealthState.OK
    report = monitor.reports(now_ns)['thermal']
    assert (report.state, report.reason) == (HealthState.DEGRADED, state)


def test_a_range_that_is_given_takes_the_place_of_all_of_a_bundle_s():
    from anymodal_seg_ros.labels import load_label_space
    from training.extraction.encoding import EncodingOnly
    encoding = EncodingOnly.from_settings(
        ('rgb', 'thermal'), 64, load_label_space('deliver'),
        {'thermal': {'low': 26315.0, 'high': 32315.0}})
    given = encoding.with_decoding({'thermal': {'low': 0.0, 'high': 20000.0}})
    assert given.bundle.encoders['thermal'] == {'low': 0.0, 'high': 20000.0}
    assert encoding.with_decoding({'thermal': {'low': 0.0, 'high': 0.0}}).bundle == encoding.bundle


def test_a_data_set_s_grey_pictures_are_what_a_live_camera_gives():
    """So that a bundle that was trained on MFNet runs on a vehicle."""
    from training.run_data import encoder_settings
    settings = encoder_settings({}, ('rgb', 'thermal', 'nir'))
    assert settings['thermal'] == MODALITIES['thermal'].default_settings()
    assert settings['nir'] == {'source': 'dataset'}
