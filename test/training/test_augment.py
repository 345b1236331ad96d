# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Augmentation: shared geometry, untouched input, and the published odds of each sensor set."""

from functools import partial
from itertools import combinations

import numpy as np
import pytest

from anymodal_seg_ros.models import NetworkConfig
from training.augment import (
    ENCODED_FAULTS,
    augment,
    corrupt_encoded,
    degrade,
    draw_subset,
    jitter_color,
    random_crop,
    subset_probabilities,
)
from training.datasets import Frame
from training.datasets.polarization import encode_aolp
from training.sample_damage import add_noise, miss_elements, zero_blocks
from training.train_config import AugmentConfig, DropoutConfig

FOUR = ('rgb', 'depth', 'lidar', 'event')
OTHERS = ('radar', 'aolp', 'dolp', 'nir', 'thermal', 'lightfield')
MEAN = NetworkConfig(modalities=FOUR).mean
STILL = AugmentConfig(flip=0, color=0, blur=0, fault=0, scale_min=1, scale_max=1)


def frame_of(size=64):
    labels = (np.arange(size * size).reshape(size, size) % 25).astype(np.uint8)
    image = np.repeat((labels * 10)[:, :, None], 3, axis=2)
    return Frame(id='a', condition='sun', failure='normal', labels=labels,
                 images={name: image.copy() for name in FOUR})


def is_consistent(frame, names=('depth', 'lidar', 'event')):
    """Images still show ten times the label, and 0 where the labels were padded."""
    wanted = np.where(frame.labels == 255, 0, frame.labels * 10)
    return all(np.array_equal(frame.images[name][:, :, 0], wanted) for name in names)


def test_without_changes_the_frame_comes_back():
    frame = frame_of()
    after = augment(frame, STILL, 64, np.random.default_rng(0))
    assert np.array_equal(after.labels, frame.labels)
    assert all(np.array_equal(after.images[name], frame.images[name]) for name in FOUR)


@pytest.mark.parametrize('seed', range(8))
def test_geometry_is_shared_and_the_input_untouched(seed):
    frame = frame_of()
    for image in (*frame.images.values(), frame.labels):
        image.flags.writeable = False
    config = AugmentConfig(flip=0.5, color=1, blur=1, fault=0, scale_min=0.5, scale_max=2)
    after = augment(frame, config, 96, np.random.default_rng(seed))
    assert after.labels.shape == (96, 96)
    assert is_consistent(after)
    assert all(image.shape == (96, 96, 3) and image.dtype == np.uint8
               and image.flags.c_contiguous for image in after.images.values())


def test_small_frames_are_padded_with_unlabelled():
    after = random_crop(frame_of(32), STILL, 64, np.random.default_rng(0))
    assert (after.labels[32:] == 255).all() and (after.labels[:32, :32] != 255).all()
    assert is_consistent(after)


def test_flip_mirrors_everything():
    frame = frame_of()
    after = augment(frame, AugmentConfig(flip=1, color=0, blur=0, fault=0, scale_min=1,
                                         scale_max=1), 64, np.random.default_rng(0))
    assert np.array_equal(after.labels, frame.labels[:, ::-1]) and is_consistent(after)


def test_equal_generators_give_equal_samples():
    config = AugmentConfig(fault=1, color=1)
    first, second = (augment(frame_of(), config, 32, np.random.default_rng(5)) for _ in range(2))
    assert all(np.array_equal(first.images[n], second.images[n]) for n in FOUR)


@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
@pytest.mark.parametrize('modality', FOUR + OTHERS)
def test_encoded_faults_change_a_copy(modality, dtype):
    image = np.random.default_rng(1).integers(1, 255, (48, 64, 3), np.uint8).astype(dtype)
    image.flags.writeable = False
    for seed in range(12):
        after = corrupt_encoded(image, modality, np.random.default_rng(seed))
        assert after.shape == image.shape and after.dtype == dtype
        assert after.min() >= 0 and after.max() <= 255
        assert not np.shares_memory(after, image)


@pytest.mark.parametrize('function', ENCODED_FAULTS['lidar'])
def test_encoded_faults_only_remove_or_move_returns(function):
    image = np.full((64, 64, 3), 100, np.uint8)
    after = function(image, 0.5, np.random.default_rng(0))
    assert set(np.unique(after)) == {0, 100}


def test_color_jitter_keeps_form():
    image = frame_of().images['rgb']
    after = jitter_color(image, np.random.default_rng(0))
    assert after.shape == image.shape and after.dtype == np.uint8
    assert not np.array_equal(after, image)


@pytest.mark.parametrize(('names', 'odds'), [
    (FOUR, {1: 1 / 16, 2: 1 / 24, 3: 1 / 16, 4: 1 / 4}),
    (FOUR[:3], {1: 1 / 9, 2: 1 / 9, 3: 1 / 3}),
])
def test_by_size_has_the_published_odds(names, odds):
    table = subset_probabilities(names, DropoutConfig(mode='by_size'))
    assert len(table) == 2 ** len(names) - 1
    for subset, p in table.items():
        assert p == pytest.approx(odds[len(subset)])
    kept = sum(p for subset, p in table.items() if names[0] in subset)
    assert kept == pytest.approx((len(names) + 1) / (2 * len(names)))


def test_uniform_and_weighted_odds():
    table = subset_probabilities(FOUR, DropoutConfig(mode='uniform'))
    assert set(table.values()) == {1 / 15}
    weighted = subset_probabilities(FOUR, DropoutConfig(weights={'depth+rgb': 3, 'event': 1}))
    assert {k: v for k, v in weighted.items() if v} == {('rgb', 'depth'): 0.75, ('event',): 0.25}
    lacking = subset_probabilities(('lidar', 'depth'), DropoutConfig(weights={'rgb': 1}))
    assert {k: v for k, v in lacking.items() if v} == {('lidar', 'depth'): 1.0}


def test_draws_follow_the_odds():
    rng = np.random.default_rng(0)
    config = DropoutConfig(mode='by_size')
    draws = [draw_subset(FOUR, config, rng) for _ in range(4000)]
    assert set(draws) == {s for k in range(1, 5) for s in combinations(FOUR, k)}
    assert draws.count(FOUR) / 4000 == pytest.approx(0.25, abs=0.03)
    assert draws.count(('rgb', 'lidar')) / 4000 == pytest.approx(1 / 24, abs=0.015)


def deep_frame(names, size=64):
    rng = np.random.default_rng(3)
    return Frame(id='a', condition='any', failure='normal',
                 labels=rng.integers(0, 20, (size, size)).astype(np.uint8),
                 images={name: rng.uniform(1, 255, (size, size, 3)).astype(np.float32)
                         for name in names})


@pytest.mark.parametrize('seed', range(6))
def test_every_modality_and_more_than_8_bits_are_augmented(seed):
    names = FOUR + OTHERS
    config = AugmentConfig(flip=0.5, color=1, blur=1, fault=1, scale_min=0.5, scale_max=2,
                           random_missing=0.5, noise=0.5, block=0.5)
    rng = np.random.default_rng(seed)
    mean = NetworkConfig(modalities=names).mean
    after = degrade(augment(deep_frame(names), config, 96, rng), config, rng, mean)
    assert tuple(after.images) == names
    for image in after.images.values():
        assert image.dtype == np.float32 and image.shape == (96, 96, 3)
        assert image.flags.c_contiguous and image.min() >= 0 and image.max() <= 255


def test_a_mirrored_angle_of_polarisation_has_the_opposite_sine():
    angles = np.radians(np.linspace(-90, 90, 64 * 64).reshape(64, 64)).astype(np.float32)
    image = encode_aolp(np.sin(angles), np.cos(angles))
    image[5, 7] = 0
    flipped = augment(Frame(id='a', condition='any', failure='normal', images={'aolp': image},
                            labels=np.zeros((64, 64), np.uint8)),
                      AugmentConfig(flip=1, color=0, blur=0, fault=0, scale_min=1, scale_max=1),
                      64, np.random.default_rng(0)).images['aolp']
    wanted = encode_aolp(np.sin(-angles[:, ::-1]), np.cos(-angles[:, ::-1]))
    wanted[5, 63 - 7] = 0
    assert np.allclose(flipped, wanted, atol=1e-4) and not flipped[5, 63 - 7].any()


def test_degrading_draws_nothing_at_0_and_leaves_the_frame_as_it_was():
    frame, rng = frame_of(), np.random.default_rng(7)
    for image in frame.images.values():
        image.flags.writeable = False
    before = rng.bit_generator.state
    after = degrade(frame, AugmentConfig(), rng, MEAN)
    assert rng.bit_generator.state == before
    assert all(np.array_equal(after.images[n], frame.images[n]) for n in FOUR)
    damaged = degrade(frame, AugmentConfig(random_missing=1, noise=1, block=1), rng, MEAN)
    assert not any(np.array_equal(damaged.images[n], frame.images[n]) for n in FOUR)
    assert damaged.labels is frame.labels


DEGRADATIONS = (partial(miss_elements, mean=MEAN), add_noise, zero_blocks)


@pytest.mark.parametrize('damage', DEGRADATIONS)
@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
def test_degradations_change_copies_and_repeat(damage, dtype):
    images = {name: np.full((64, 64, 3), 100, dtype) for name in FOUR}
    for image in images.values():
        image[::2, ::2] = 200
        image.flags.writeable = False
    changed = set()
    for seed in range(8):
        first, second = (damage(images, np.random.default_rng(seed)) for _ in range(2))
        assert tuple(first) == FOUR
        for name in FOUR:
            assert first[name].dtype == dtype and np.array_equal(first[name], second[name])
            changed |= {name} if not np.array_equal(first[name], images[name]) else set()
    assert changed == set(FOUR)


@pytest.mark.parametrize('given', [{}, {'rgb': (90, 80, 70), 'depth': (31.4, 20, 10)}])
def test_lost_elements_are_0_after_the_network_s_own_normalisation(given):
    mean = NetworkConfig(modalities=FOUR, mean=given).mean
    images = {name: np.full((64, 64, 3), 200, np.uint8) for name in FOUR}
    shares = []
    for seed in range(20):
        after = miss_elements(images, np.random.default_rng(seed), mean)
        for name, image in after.items():
            fill = np.rint(mean[name])
            lost = image != 200
            assert (image[lost] == np.broadcast_to(fill, image.shape)[lost]).all()
            shares += [lost.mean()] if lost.any() else []
    assert 25 < len(shares) < 60 and 0.04 < min(shares) < max(shares) < 0.77
    some = next(i for i in after.values() if (i != 200).any())
    assert ((some != 200).sum(axis=2) == 1).any()  # single channels


def test_noise_is_salt_and_pepper_and_gaussian_but_on_events():
    images = {name: np.full((64, 64, 3), 100, np.uint8) for name in FOUR}
    for image in images.values():
        image[0, 0], image[0, 1] = 30, 180
    after = add_noise(images, np.random.default_rng(1))
    assert set(np.unique(after['event'])) == {30, 100, 180}
    assert 0 < (after['event'] != 100).mean() < 0.2
    spread = {name: after[name].astype(float).std() for name in FOUR}
    assert spread['rgb'] < spread['depth'] and spread['event'] < spread['lidar']


def test_blocks_are_cells_of_all_channels():
    image = np.full((64, 64, 3), 100, np.uint8)
    for seed in range(6):
        after = zero_blocks({'rgb': image}, np.random.default_rng(seed))['rgb']
        cells = after.reshape(8, 8, 8, 8, 3).transpose(0, 2, 1, 3, 4).reshape(64, -1)
        assert (cells == cells[:, :1]).all() and (cells == 0).all(axis=1).sum() <= 32
