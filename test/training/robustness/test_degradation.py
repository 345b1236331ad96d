# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Elements that go missing, noise and sensor failures of single images."""

import numpy as np
import pytest

from anymodal_seg_ros.corruption import DELIVER_FAILURES
from training.robustness.degradation import failed, generator, noisy, without_elements
from training.robustness.protocol import NM_LEVELS, RMM_RATES

SHAPE = (3, 200, 200)


def image(low=1.0, high=2.0):
    return np.random.default_rng(0).uniform(low, high, SHAPE).astype(np.float32)


def test_generators_differ_in_every_part_of_their_name():
    names = [(0, 'rmm', 0.5, 'rgb', 'a/1', 'rgb'), (1, 'rmm', 0.5, 'rgb', 'a/1', 'rgb'),
             (0, 'nm', 0.5, 'rgb', 'a/1', 'rgb'), (0, 'rmm', 0.25, 'rgb', 'a/1', 'rgb'),
             (0, 'rmm', 0.5, 'rgb+depth', 'a/1', 'rgb'), (0, 'rmm', 0.5, 'rgb', 'a/2', 'rgb'),
             (0, 'rmm', 0.5, 'rgb', 'a/1', 'depth')]
    assert len({generator(*name).integers(2**63) for name in names}) == len(names)
    assert generator(*names[0]).integers(2**63) == generator(*names[0]).integers(2**63)


@pytest.mark.parametrize('rate', RMM_RATES)
def test_that_share_of_the_elements_is_zero_each_channel_on_its_own(rate):
    x_CHW = image()
    left_CHW = without_elements(x_CHW, rate, np.random.default_rng(1))
    gone_CHW = left_CHW == 0.0
    np.testing.assert_array_equal(left_CHW[~gone_CHW], x_CHW[~gone_CHW])
    assert left_CHW.dtype == np.float32
    for gone_HW in gone_CHW:
        assert gone_HW.mean() == pytest.approx(rate, abs=0.01)
    # Not pixels but elements: all three channels of a pixel go together only by chance.
    assert gone_CHW.all(0).mean() == pytest.approx(rate ** 3, abs=0.01)
    assert gone_CHW.any(0).mean() == pytest.approx(1 - (1 - rate) ** 3, abs=0.01)


def test_rates_that_are_no_multiple_of_1_256_are_refused():
    with pytest.raises(ValueError, match=r'rate 0\.1; allowed: multiples of 1/256'):
        without_elements(image(), 0.1, np.random.default_rng(0))


@pytest.mark.parametrize(('level', 'elements', 'pixels'), [
    ('low', 0.049, 0.139), ('mid', 0.095, 0.259), ('high', 0.181, 0.451)])
def test_salt_and_pepper_fall_on_one_place_more_than_once(level, elements, pixels):
    """The shares of the published code; events get no Gaussian noise on top."""
    x_CHW = image()
    x_CHW[0, 0, 0], x_CHW[0, 0, 1] = 3.0, -1.0
    after_CHW = noisy(x_CHW, 'event', NM_LEVELS[level], np.random.default_rng(2))
    changed_CHW = after_CHW != x_CHW
    assert set(np.unique(after_CHW[changed_CHW])) == {np.float32(3.0), np.float32(-1.0)}
    assert changed_CHW.mean() == pytest.approx(elements, abs=0.002)
    assert changed_CHW.any(0).mean() == pytest.approx(pixels, abs=0.006)
    salt, pepper = (after_CHW == 3.0).sum(), (after_CHW == -1.0).sum()
    assert pepper > salt, 'pepper comes second'


@pytest.mark.parametrize('level', NM_LEVELS)
def test_other_sensors_get_gaussian_noise_everywhere_and_nothing_is_clipped(level):
    flat = np.full(SHAPE, 1.0, np.float32)
    after_CHW = noisy(flat, 'lidar', NM_LEVELS[level], np.random.default_rng(3))
    # The extremes of a flat image are the image itself: only the Gaussian part is left.
    assert after_CHW.std() == pytest.approx(NM_LEVELS[level].sigma, rel=0.02)
    assert after_CHW.mean() == pytest.approx(1.0, abs=0.01)
    assert after_CHW.min() < 1.0 - 2 * NM_LEVELS[level].sigma
    assert (flat == 1.0).all() and after_CHW.dtype == np.float32


@pytest.mark.parametrize('failure', DELIVER_FAILURES)
@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
def test_every_failure_damages_the_image_of_its_sensor(failure, dtype):
    rng = np.random.default_rng(4)
    before = rng.integers(20, 200, (64, 80, 3)).astype(dtype)
    kept = before.copy()
    after = failed(before, failure, 1.0, np.random.default_rng(5))
    assert after.shape == before.shape and after.dtype == np.uint8
    assert (after != before).mean() > 0.3
    np.testing.assert_array_equal(before, kept)
    np.testing.assert_array_equal(after, failed(before, failure, 1.0, np.random.default_rng(5)))


def test_a_drawn_scan_jitters_by_small_angles():
    """At 90 degrees across 400 pixels, 2 degrees turn the centre by at most 7 pixels each way,
    and the roll moves the corners as far."""
    drawn = np.zeros((400, 400, 3), np.uint8)
    drawn[200, 200] = 255
    places = set()
    for seed in range(20):
        after = failed(drawn, 'lidarjitter', 1.0,
                       np.random.default_rng(seed))
        rows, columns = np.nonzero(after[..., 0])
        places |= set(zip(rows.tolist(), columns.tolist(), strict=True))
    distances = [max(abs(row - 200), abs(column - 200)) for row, column in places]
    assert max(distances) <= 8 and max(distances) >= 3 and len(places) > 10
