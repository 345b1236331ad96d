# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The rig gathered from camera infos, transforms, parameters and a recording."""

import numpy as np
import pytest
from ros_streams.scene import FRAME, SIZE_PX, camera_info

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.extrinsics import BASE, RigKeeper
from anymodal_seg_ros.geometry import CameraModel, Rig, optical_T_body, transform_from_quaternion

POSE = transform_from_quaternion((1.0, 2.0, 3.0), (0.0, 0.0, 0.0, 1.0))
OTHER = transform_from_quaternion((4.0, 5.0, 6.0), (0.0, 0.0, 0.0, 1.0))
NO_SCAN = np.zeros((0, 4), np.float32)
CAMERA = CameraModel.from_fov(200, 100, 60.0)
IMAGE = np.zeros((100, 200, 3), np.uint8)


def test_nothing_known_allows_only_the_camera():
    keeper = RigKeeper(camera_frame=FRAME)
    assert keeper.problem('rgb') == ''
    assert {keeper.problem(name) for name in ('depth', 'lidar', 'event')} == {'no_camera_info'}


def test_a_camera_info_brings_intrinsics_and_frame():
    keeper = RigKeeper(camera_frame='unknown')
    keeper.on_camera_info('rgb', camera_info(0))
    assert keeper.rig.camera_frame == FRAME
    assert (keeper.rig.camera.width_px, keeper.camera_sources['rgb']) == (SIZE_PX, 'camera_info')
    assert keeper.problem('lidar') == 'no_extrinsic'
    rig = keeper.rig
    keeper.on_camera_info('rgb', camera_info(1))
    assert keeper.rig is rig


def test_the_frame_of_the_images_wins_over_that_of_their_camera_infos():
    keeper = RigKeeper(camera_frame='unknown')
    keeper.on_camera_info('rgb', camera_info(0))
    keeper.on_sample('rgb', 'lens', IMAGE)
    rig = keeper.rig
    keeper.on_camera_info('rgb', camera_info(1))
    keeper.on_sample('rgb', 'lens', IMAGE)
    assert keeper.rig is rig
    assert rig.camera_frame == 'lens'


def test_a_leading_slash_is_no_part_of_a_frame():
    keeper = RigKeeper(camera_frame='unknown')
    info = camera_info(0)
    info.header.frame_id = '/lens'
    keeper.on_camera_info('rgb', info)
    assert keeper.rig.camera_frame == 'lens'


def test_a_pose_is_asked_for_until_it_comes_and_not_kept_for_another_frame():
    tree = {}
    keeper = RigKeeper(camera_frame=FRAME, cameras={'rgb': CAMERA},
                       lookup=lambda target, source: tree.get((target, source)))
    keeper.on_sample('lidar', 'roof', NO_SCAN)
    assert keeper.problem('lidar') == 'no_extrinsic'
    tree[FRAME, 'roof'] = POSE
    keeper.on_sample('lidar', 'roof', NO_SCAN)
    assert keeper.problem('lidar') == ''
    keeper.on_sample('lidar', 'trailer', NO_SCAN)
    assert keeper.problem('lidar') == 'no_extrinsic'
    keeper.on_sample('lidar', 'roof', NO_SCAN)
    assert keeper.problem('lidar') == ''
    assert keeper.sources['lidar'] == 'tf'


def test_an_uncalibrated_camera_info_changes_nothing():
    keeper = RigKeeper(camera_frame=FRAME)
    info = camera_info(0)
    info.k, info.p = [0.0] * 9, [0.0] * 12
    with pytest.raises(BadMessageError):
        keeper.on_camera_info('rgb', info)
    assert keeper.problem('depth') == 'no_camera_info'


def test_tf_comes_before_parameters_and_they_before_a_recording():
    tree = {}
    recording = Rig(camera=CAMERA, camera_T={'lidar': np.eye(4), 'depth': OTHER})
    keeper = RigKeeper(
        camera_frame=FRAME, lookup=lambda target, source: tree.get((target, source)),
        extrinsics={'lidar': POSE}, recording=recording)
    keeper.on_sample('lidar', 'lidar', NO_SCAN)
    assert keeper.sources == {'lidar': 'parameters', 'depth': 'recording', BASE: 'recording'}
    np.testing.assert_array_equal(keeper.rig.extrinsic('lidar'), POSE)
    np.testing.assert_array_equal(keeper.rig.extrinsic('depth'), OTHER)
    assert keeper.problem('lidar') == ''
    tree[FRAME, 'lidar'] = OTHER
    keeper.refresh()
    assert keeper.sources['lidar'] == 'tf'
    np.testing.assert_array_equal(keeper.rig.extrinsic('lidar'), OTHER)
    rig = keeper.rig
    keeper.refresh()
    assert keeper.rig is rig


def test_a_sensor_in_the_cameras_frame_needs_no_pose_and_another_does():
    keeper = RigKeeper(camera_frame=FRAME, cameras={'rgb': CAMERA})
    keeper.on_sample('depth', FRAME, np.zeros((100, 200), np.float32))
    keeper.on_sample('event', 'elsewhere', np.zeros(0))
    assert keeper.problem('depth') == ''
    assert keeper.sources['depth'] == 'same frame'
    assert keeper.problem('event') == 'no_extrinsic'


def test_the_label_size_follows_the_image_while_there_are_no_intrinsics():
    keeper = RigKeeper(camera_frame=FRAME)
    keeper.on_sample('rgb', FRAME, IMAGE)
    assert (keeper.rig.camera.width_px, keeper.rig.camera.height_px) == (200, 100)
    assert keeper.camera_sources == {}
    keeper.on_camera_info('rgb', info_of(400, 200))
    assert (keeper.rig.camera.width_px, keeper.rig.camera.height_px) == (200, 100)
    np.testing.assert_allclose(keeper.rig.camera.K, [[20, 0, 49.75], [0, 20, 24.75], [0, 0, 1]])
    assert keeper.camera_sources == {'rgb': 'camera_info'}


def test_a_depth_camera_without_intrinsics_is_the_reference_camera_at_its_own_size():
    keeper = RigKeeper(camera_frame=FRAME, cameras={'rgb': CAMERA})
    keeper.on_sample('depth', FRAME, np.zeros((100, 200), np.float32))
    assert keeper.rig.camera_of('depth') is keeper.rig.camera
    keeper.on_sample('depth', FRAME, np.zeros((50, 100), np.float32))
    np.testing.assert_array_equal(
        keeper.rig.camera_of('depth').K, CAMERA.resized(100, 50).K)
    # Better intrinsics of the reference camera reach the guess too.
    keeper.on_camera_info('rgb', info_of(200, 100))
    np.testing.assert_allclose(
        keeper.rig.camera_of('depth').K, [[20, 0, 49.75], [0, 20, 24.75], [0, 0, 1]])
    # What does not have its aspect does not see what it sees.
    assert keeper.problem('depth') == ''
    keeper.on_sample('depth', FRAME, np.zeros((50, 50), np.float32))
    assert keeper.problem('depth') == 'no_camera_info'


def test_the_base_frame_gives_height_and_up():
    camera_T_base = optical_T_body.copy()
    camera_T_base[1, 3] = 1.7
    keeper = RigKeeper(camera_frame=FRAME, extrinsics={BASE: camera_T_base})
    assert keeper.rig.base_z_m == pytest.approx(1.7)
    np.testing.assert_allclose(keeper.rig.up_camera, [0.0, -1.0, 0.0], atol=1e-12)
    assert keeper.sources[BASE] == 'parameters'


def info_of(width_px, height_px):
    """A camera info with focal lengths of 40 px and the centre at (100, 50)."""
    info = camera_info(0)
    info.width, info.height = width_px, height_px
    info.k = [40.0, 0.0, 100.0, 0.0, 40.0, 50.0, 0.0, 0.0, 1.0]
    return info


def image_of(width_px, height_px):
    return np.zeros((height_px, width_px, 3), np.uint8)


def test_a_camera_info_that_comes_late_or_changes_is_taken_at_the_images_size(caplog):
    keeper = RigKeeper(camera_frame=FRAME)
    keeper.on_sample('rgb', FRAME, IMAGE)
    keeper.on_sample('depth', FRAME, np.zeros((50, 100), np.float32))
    assert keeper.problem('depth') == 'no_camera_info'
    # Full resolution, half of it, and with another lens.
    for size, focal_px in (((400, 200), 20.0), ((200, 100), 40.0), ((100, 50), 80.0)):
        keeper.on_camera_info('rgb', info_of(*size))
        assert (keeper.rig.camera.width_px, keeper.rig.camera.height_px) == (200, 100)
        assert keeper.rig.camera.K[0, 0] == focal_px
        assert keeper.rig.camera_of('depth').K[0, 0] == focal_px / 2
        assert keeper.problem('depth') == ''
    for _ in range(3):
        keeper.on_camera_info('rgb', info_of(400, 200))
    assert [record.getMessage() for record in caplog.records] == [
        'rgb: the camera info of 400x200 is rescaled to the images of 200x100',
        'rgb: the camera info of 100x50 is rescaled to the images of 200x100']
    values = keeper.intrinsics['rgb'].values()
    assert values == {'intrinsics_source': 'camera_info', 'calibration': 'rescaled',
                      'calibration_size': '400x200', 'image_size': '200x100'}
    assert keeper.calibration_error('rgb') == ''


def test_an_rgb_camera_info_of_another_aspect_is_not_used(caplog):
    keeper = RigKeeper(camera_frame=FRAME, extrinsics={'lidar': POSE})
    for _ in range(3):
        keeper.on_camera_info('rgb', info_of(300, 200))
        keeper.on_sample('rgb', FRAME, IMAGE)
        keeper.on_sample('lidar', 'roof', NO_SCAN)
    assert (keeper.rig.camera.width_px, keeper.rig.camera.height_px) == (200, 100)
    assert keeper.camera_sources == {}
    assert [keeper.problem(name) for name in ('rgb', 'lidar')] == ['', 'no_camera_info']
    assert keeper.intrinsics['rgb'].values() == {
        'intrinsics_source': 'none', 'calibration': 'calibration_mismatch',
        'calibration_size': '300x200', 'image_size': '200x100'}
    assert keeper.calibration_error('rgb') == (
        'calibration_mismatch: the camera info of 300x200 is not used: its aspect is not that of '
        'the images, 200x100')
    assert len(caplog.records) == 1
    keeper.on_camera_info('rgb', info_of(400, 200))
    assert keeper.problem('lidar') == ''
    assert keeper.calibration_error('rgb') == ''


def test_another_source_serves_where_the_camera_info_does_not_fit():
    keeper = RigKeeper(camera_frame=FRAME, cameras={'rgb': CAMERA}, extrinsics={'lidar': POSE})
    keeper.on_camera_info('rgb', info_of(300, 200))
    keeper.on_sample('rgb', FRAME, IMAGE)
    keeper.on_sample('lidar', 'roof', NO_SCAN)
    assert keeper.rig.camera is CAMERA
    assert keeper.camera_sources == {'rgb': 'parameters'}
    assert keeper.problem('lidar') == ''
    assert 'calibration_mismatch' in keeper.calibration_error('rgb')


@pytest.mark.parametrize('modality', ['depth', 'event'])
def test_a_calibration_of_another_aspect_costs_its_own_sensor_alone(modality):
    keeper = RigKeeper(camera_frame=FRAME, cameras={'rgb': CAMERA}, extrinsics={'lidar': POSE})
    frame = np.zeros((60, 80) if modality == 'depth' else (60, 80, 3), np.float32)
    keeper.on_camera_info(modality, info_of(400, 200))
    keeper.on_sample(modality, FRAME, frame)
    keeper.on_sample('rgb', FRAME, IMAGE)
    keeper.on_sample('lidar', 'roof', NO_SCAN)
    assert keeper.problem(modality) == 'calibration_mismatch'
    assert [keeper.problem(name) for name in ('rgb', 'lidar')] == ['', '']
    keeper.on_camera_info(modality, info_of(160, 120))
    assert keeper.problem(modality) == ''
    own = keeper.rig.camera_of(modality)
    assert (own.width_px, own.height_px, own.K[0, 0]) == (80, 60, 20.0)


def test_a_driver_that_changes_its_size_is_followed_without_a_gap():
    keeper = RigKeeper(camera_frame=FRAME, extrinsics={'lidar': POSE})
    keeper.on_camera_info('rgb', info_of(200, 100))
    keeper.on_sample('rgb', FRAME, IMAGE)
    keeper.on_sample('lidar', 'roof', NO_SCAN)
    # The new calibration comes first; images of the old size may be on their way.
    keeper.on_camera_info('rgb', info_of(300, 200))
    keeper.on_sample('rgb', FRAME, IMAGE)
    assert keeper.problem('lidar') == ''
    assert (keeper.rig.camera.width_px, keeper.rig.camera.height_px) == (200, 100)
    keeper.on_sample('rgb', FRAME, image_of(300, 200))
    assert (keeper.rig.camera.width_px, keeper.rig.camera.height_px) == (300, 200)
    assert (keeper.problem('lidar'), keeper.calibration_error('rgb')) == ('', '')
    # And the image first.
    keeper.on_sample('rgb', FRAME, IMAGE)
    assert (keeper.rig.camera.width_px, keeper.rig.camera.height_px) == (200, 100)
    assert keeper.problem('lidar') == 'no_camera_info'
    keeper.on_camera_info('rgb', info_of(200, 100))
    assert (keeper.problem('lidar'), keeper.calibration_error('rgb')) == ('', '')


def test_a_depth_camera_as_the_reference_has_the_size_of_its_images():
    keeper = RigKeeper(camera_frame=FRAME)
    keeper.on_camera_info('depth', info_of(400, 200))
    keeper.on_sample('depth', FRAME, np.zeros((100, 200), np.float32))
    assert keeper.reference == 'depth'
    assert (keeper.rig.camera.width_px, keeper.rig.camera.height_px) == (200, 100)
    keeper.on_sample('depth', FRAME, np.zeros((100, 100), np.float32))
    assert (keeper.reference, keeper.problem('depth')) == ('rgb', 'no_camera_info')


def test_an_unreadable_camera_info_is_named_until_a_good_one_comes():
    keeper = RigKeeper(camera_frame=FRAME)
    bad = info_of(200, 100)
    bad.k = [40.0, 0.0, 100.0, 0.0, 5e-324, 50.0, 0.0, 0.0, 1.0]
    with pytest.raises(BadMessageError, match=r'^k: '):
        keeper.on_camera_info('rgb', bad)
    assert keeper.intrinsics['rgb'].values()['calibration'] == 'bad_k'
    keeper.on_camera_info('rgb', info_of(200, 100))
    assert keeper.intrinsics['rgb'].values()['calibration'] == 'ok'


@pytest.mark.parametrize('size', [(256, 8), (8, 256), (1, 17)])
def test_images_that_no_camera_has_are_refused(size):
    keeper = RigKeeper(camera_frame=FRAME)
    with pytest.raises(BadMessageError, match=r'^height: .*up to 16'):
        keeper.on_sample('rgb', FRAME, image_of(*size))


def info_in(frame_id, width_px=SIZE_PX):
    info = camera_info(0)
    info.header.frame_id, info.width = frame_id, width_px
    return info


def test_a_recording_names_the_cameras_frame_until_a_message_does():
    recording = Rig(camera=CAMERA, camera_frame='recorded')
    keeper = RigKeeper(camera_frame='default', recording=recording)
    assert keeper.rig.camera_frame == 'recorded'
    keeper.on_sample('rgb', 'live', IMAGE)
    assert keeper.rig.camera_frame == 'live'


@pytest.mark.parametrize('modality', ['depth', 'event'])
def test_without_the_rgb_camera_another_calibrated_one_is_the_reference(modality):
    tree = {('other', 'roof'): POSE}
    keeper = RigKeeper(camera_frame=FRAME, extrinsics={'lidar': OTHER},
                       lookup=lambda target, source: tree.get((target, source)))
    keeper.on_camera_info(modality, info_in('other', 60))
    keeper.on_sample('lidar', 'roof', NO_SCAN)
    assert (keeper.reference, keeper.rig.camera_frame) == (modality, 'other')
    assert (keeper.rig.camera.width_px, keeper.rig.camera_of(modality)) == (60, keeper.rig.camera)
    np.testing.assert_array_equal(keeper.rig.extrinsic(modality), np.eye(4))
    np.testing.assert_array_equal(keeper.rig.extrinsic('lidar'), POSE)
    assert keeper.sources == {modality: 'reference camera', 'lidar': 'tf'}
    assert keeper.camera_sources == {modality: 'camera_info'}
    assert [keeper.problem(name) for name in (modality, 'lidar')] == ['', '']
    tree[FRAME, 'other'] = OTHER
    keeper.on_camera_info('rgb', info_in(FRAME))
    assert (keeper.reference, keeper.rig.camera_frame) == ('rgb', FRAME)
    assert (keeper.rig.camera.width_px, keeper.rig.camera_of(modality).width_px) == (SIZE_PX, 60)
    np.testing.assert_array_equal(keeper.rig.extrinsic(modality), OTHER)
    assert keeper.sources == {modality: 'tf', 'lidar': 'parameters'}


def test_given_poses_are_moved_to_the_reference_camera():
    keeper = RigKeeper(camera_frame=FRAME, extrinsics={'lidar': OTHER, 'depth': POSE})
    keeper.on_camera_info('depth', info_in('other'))
    keeper.on_sample('lidar', 'roof', NO_SCAN)
    np.testing.assert_allclose(keeper.rig.extrinsic('lidar')[:3, 3], [3.0, 3.0, 3.0])
    # Without the pose of the depth camera only a common frame tells.
    for frame, problem in (('other', 'no_extrinsic'), (FRAME, '')):
        keeper = RigKeeper(camera_frame=FRAME, extrinsics={'lidar': OTHER})
        keeper.on_camera_info('depth', info_in(frame))
        keeper.on_sample('lidar', 'roof', NO_SCAN)
        assert keeper.problem('lidar') == problem


def test_an_uncalibrated_rgb_camera_is_the_reference_while_it_speaks():
    keeper = RigKeeper(camera_frame=FRAME)
    keeper.on_camera_info('depth', info_in('other', 60))
    depth = np.zeros((SIZE_PX, 60), np.float32)
    for _ in range(3):
        keeper.on_sample('rgb', FRAME, IMAGE)
        assert (keeper.reference, keeper.rig.camera.width_px) == ('rgb', 200)
        for _ in range(29):
            keeper.on_sample('depth', 'other', depth)
            assert keeper.problem('depth') == 'no_camera_info'
    keeper.on_sample('depth', 'other', depth)
    assert (keeper.reference, keeper.problem('depth')) == ('depth', '')
    assert keeper.problem('rgb') == 'no_camera_info'


def test_a_base_frame_that_cannot_be_is_no_base(caplog):
    far = optical_T_body.copy()
    far[1, 3] = 5000.0
    tree = {(FRAME, 'base_link'): far}
    keeper = RigKeeper(camera_frame=FRAME,
                       lookup=lambda target, source: tree.get((target, source)))
    keeper.refresh()
    assert BASE not in keeper.sources
    assert keeper.rig.base_z_m == 1.6
    assert len([r for r in caplog.records if 'base_link' in r.getMessage()]) == 1
    far[1, 3] = 1.2
    keeper.refresh()
    assert (keeper.sources[BASE], keeper.rig.base_z_m) == ('tf', pytest.approx(1.2))


@pytest.mark.parametrize('wrong', [
    {(0, 3): 1e6}, {(0, 3): np.inf}, {(1, 1): np.nan}, {(0, 0): 2.0}, {(3, 0): 1.0}])
def test_a_pose_that_cannot_be_is_none(caplog, wrong):
    bad = POSE.copy()
    for place, value in wrong.items():
        bad[place] = value
    tree = {(FRAME, 'roof'): bad}
    keeper = RigKeeper(camera_frame=FRAME, cameras={'rgb': CAMERA},
                       lookup=lambda target, source: tree.get((target, source)))
    for _ in range(3):
        keeper.on_sample('lidar', 'roof', NO_SCAN)
        keeper.refresh()
        assert keeper.problem('lidar') == 'no_extrinsic'
    assert len([r for r in caplog.records if 'pose of lidar is not used' in r.getMessage()]) == 1
    tree[FRAME, 'roof'] = POSE
    keeper.refresh()
    assert (keeper.problem('lidar'), keeper.sources['lidar']) == ('', 'tf')
    tree[FRAME, 'roof'] = bad
    keeper.refresh()
    assert keeper.problem('lidar') == 'no_extrinsic'
