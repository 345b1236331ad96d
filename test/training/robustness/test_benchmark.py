# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark against runs made one by one, and what must not change its figures."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from anymodal_seg_ros.corruption import DELIVER_FAILURES
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.metrics import ConfusionMatrix
from anymodal_seg_ros.models import modality_subsets
from training.robustness.benchmark import run_benchmark
from training.robustness.degradation import failed, generator, noisy, without_elements
from training.robustness.protocol import BENCHMARKS, NM_LEVELS, RMM_RATES, BenchmarkConfig
from training.scoring import score_frames
from training.subset_network import SubsetNetwork

pytestmark = pytest.mark.slow

ALL_FOUR = ('rgb', 'depth', 'lidar', 'event')
SIZE_PX = 32


def run(network, frames, space, sensors=ALL_FOUR, **settings):
    settings.setdefault('workers', 0)
    return run_benchmark(network, frames, sensors, space, SIZE_PX, BenchmarkConfig(**settings),
                         indices=range(len(frames)))


def resized(frame):
    """The camera is averaged and maps are picked, as for training."""
    return {name: cv2.resize(image, (SIZE_PX, SIZE_PX), interpolation=(
        cv2.INTER_AREA if name == 'rgb' else cv2.INTER_NEAREST_EXACT))
        for name, image in frame.images.items()}


def logits_of(network, x, size_px=48):
    """[K, H, W] by one forward pass of one sample, from normalised [3, H, W] of each sensor."""
    model = network.model
    with torch.inference_mode():
        features = model.encode_normalized({name: torch.from_numpy(v)[None]
                                            for name, v in x.items()})
        logits = model.decode(model.fuse(features))
        return F.interpolate(logits, size=(size_px, size_px), mode='bilinear')[0]


def normalized(network, frame):
    model = network.model
    return {name: model.normalize(name, torch.from_numpy(image).permute(2, 0, 1)[None])[0]
            .contiguous().numpy() for name, image in resized(frame).items()}


@pytest.fixture
def agree(near_ties, space):
    """Whether counts are those of runs made one by one, but for pixels where classes tie."""
    def holds(found, logits, frames):
        wanted, num_ties = ConfusionMatrix(space.num_classes), 0
        for i, logits_KHW in enumerate(logits):
            wanted.update(logits_KHW.argmax(0).numpy().astype(np.uint8), frames[i].labels)
            num_ties += int(near_ties(logits_KHW).sum())
        assert num_ties < 0.01 * wanted.counts.sum()
        return np.abs(found.counts - wanted.counts).sum() <= 2 * num_ties

    return holds


def test_normalisation_is_that_of_the_network(network, memory_frames):
    frame = memory_frames(1)[0]
    for name, wanted in normalized(network, frame).items():
        np.testing.assert_array_equal(network.normalized(name, resized(frame)[name]), wanted)


@pytest.mark.parametrize('settings', [{}, {'fusion': 'reliability', 'encoder': 'adapters'}])
@pytest.mark.parametrize('missing', ['drop', 'zero'])
def test_emm_from_one_encoding_equals_runs_one_by_one(
        networks, memory_frames, space, agree, missing, settings):
    network, frames = networks(**settings), memory_frames(2)
    scores = run(network, frames, space, missing_modes=(missing,), batch_size=2).emm[missing]
    assert scores.missing_mode == missing
    assert list(scores.matrices) == modality_subsets(ALL_FOUR)
    assert len({str(by['all'].counts) for by in scores.matrices.values()}) == 15
    images = [normalized(network, frames[i]) for i in range(2)]
    for subset in scores.matrices:
        zeros = {} if missing == 'drop' else {
            name: np.zeros((3, SIZE_PX, SIZE_PX), np.float32) for name in ALL_FOUR}
        predicted = [logits_of(network, {**zeros, **{name: x[name] for name in subset}})
                     for x in images]
        assert agree(scores.matrices[subset]['all'], predicted, frames)


def test_rmm_strikes_the_sensors_that_a_combination_lacks(network, memory_frames, space, agree):
    frames = memory_frames(2)
    found = run(network, frames, space, benchmarks=('rmm',), seed=7)
    images = [normalized(network, frames[i]) for i in range(2)]
    assert list(found.rmm) == list(RMM_RATES)
    for rate, whole in ((0.25, ('depth', 'event')), (0.75, ('lidar',)), (0.5, ALL_FOUR)):
        struck = '+'.join(name for name in ALL_FOUR if name not in whole)
        predicted = [logits_of(network, {
            name: image if name in whole else without_elements(
                image, rate, generator(7, 'rmm', rate, struck, frames[i].id, name))
            for name, image in x.items()}) for i, x in enumerate(images)]
        assert agree(found.rmm[rate].matrices[whole]['all'], predicted, frames)
    clean = found.emm['drop'].matrices[ALL_FOUR]['all'].counts
    assert list(found.emm['drop'].matrices) == [ALL_FOUR]
    for scores in found.rmm.values():
        assert len(scores.matrices) == 15
        np.testing.assert_array_equal(scores.matrices[ALL_FOUR]['all'].counts, clean)


def test_noise_strikes_all_sensors_at_once(network, memory_frames, space, agree):
    frames = memory_frames(2)
    found = run(network, frames, space, benchmarks=('nm',)).nm
    for level in NM_LEVELS:
        predicted = [logits_of(network, {
            name: noisy(image, name, NM_LEVELS[level],
                        generator(0, 'nm', level, frames[i].id, name))
            for name, image in normalized(network, frames[i]).items()}) for i in range(2)]
        assert list(found[level].matrices) == [ALL_FOUR]
        assert agree(found[level].matrices[ALL_FOUR]['all'], predicted, frames)


def test_failures_strike_one_sensor(network, memory_frames, space, agree):
    frames = memory_frames(1)
    found = run(network, frames, space, benchmarks=('failures',), severities=(0.5, 1.0)).failures
    assert list(found) == list(DELIVER_FAILURES)
    for failure, by_severity in found.items():
        sensor = DELIVER_FAILURES[failure][0]
        for severity, scores in by_severity.items():
            images = resized(frames[0])
            images[sensor] = failed(images[sensor], failure, severity, generator(
                0, 'failures', failure, severity, frames[0].id))
            x = normalized(network, replace(frames[0], images=images))
            assert agree(scores.matrices[ALL_FOUR]['all'], [logits_of(network, x)], frames)
    assert len({str(scores[1.0].matrices[ALL_FOUR]['all'].counts.tolist())
                for scores in found.values()}) == 5


def counts_of(scores):
    """Every matrix of a result, by benchmark and run."""
    tables = {('emm', mode): t for mode, t in scores.emm.items()}
    tables |= {('rmm', rate): t for rate, t in scores.rmm.items()}
    tables |= {('nm', level): t for level, t in scores.nm.items()}
    tables |= {('failures', name, s): t for name, by in scores.failures.items()
               for s, t in by.items()}
    return {(*key, subset, condition): matrix.counts.tolist() for key, table in tables.items()
            for subset, by in table.matrices.items() for condition, matrix in by.items()}


class Attentive(SubsetNetwork):
    """Also counts the pixels whose class rounding may choose."""

    def __init__(self, model, near_ties):
        super().__init__(model)
        self.near_ties = near_ties
        self.num_ties = 0

    def counts(self, logits_BKhw, truths):
        for logits_Khw, truth_HW in zip(logits_BKhw, truths, strict=True):
            logits_1KHW = F.interpolate(logits_Khw[None], size=truth_HW.shape, mode='bilinear')
            self.num_ties += int(self.near_ties(logits_1KHW[0]).sum())
        return super().counts(logits_BKhw, truths)


def test_threads_change_no_digit_and_batches_none_but_ties(
        networks, memory_frames, space, near_ties):
    """With frames of two sizes and one without all sensors."""
    sensors = ('rgb', 'lidar')
    network = Attentive(networks(sensors).model, near_ties)
    small, large = (memory_frames(7, sensors, {2: ('lidar',)}, image_px=px) for px in (40, 80))

    class Mixed:
        def __len__(self):
            return 7

        def __getitem__(self, index):
            return (large if index in (4, 5) else small)[index]

    settings = {'benchmarks': BENCHMARKS, 'missing_modes': ('drop', 'zero'), 'severities': (0.5,)}
    by_batch = {}
    for batch_size, workers in ((1, 0), (1, 2), (3, 2), (7, 0), (7, 2)):
        network.num_ties = 0
        scores = run(network, Mixed(), space, sensors, batch_size=batch_size, workers=workers,
                     **settings)
        found = counts_of(scores), scores.to_dict()
        assert found == by_batch.setdefault(batch_size, found), (batch_size, workers)
    first = by_batch[1][0]
    num_pixels = np.sum([np.sum(counts) for counts in first.values()])
    assert network.num_ties < 0.01 * num_pixels
    for counts, _ in by_batch.values():
        assert list(counts) == list(first)
        moved = sum(np.abs(np.subtract(counts[key], first[key])).sum() for key in first)
        # Each is counted under its condition and under all.
        assert moved <= 2 * 2 * network.num_ties
    assert sum(map(sum, first['emm', 'drop', ('rgb',), 'all'])) == 7 * 46 * 48
    assert sum(map(sum, first['emm', 'drop', ('lidar',), 'all'])) == 6 * 46 * 48
    assert sum(map(sum, first['nm', 'low', sensors, 'all'])) == 6 * 46 * 48


def test_seeds_change_what_is_random_and_nothing_else(networks, memory_frames, space):
    pair = ('rgb', 'event')
    first, second = (counts_of(run(networks(pair), memory_frames(1, pair), space, pair,
                                   benchmarks=('emm', 'rmm', 'nm'), seed=seed))
                     for seed in (0, 1))
    for key in first:
        is_random = key[0] == 'nm' or (key[0] == 'rmm' and key[2] != pair)
        assert (first[key] != second[key]) == is_random, key


@pytest.mark.parametrize('sensors', [('rgb',), ('rgb', 'thermal'), ('nir', 'aolp', 'dolp')])
def test_any_number_of_sensors_of_any_name(networks, memory_frames, space, sensors):
    found = run(networks(sensors), memory_frames(1, sensors), space, sensors,
                benchmarks=('emm', 'rmm', 'nm'))
    assert len(found.emm['drop'].matrices) == len(found.rmm[0.5].matrices) == 2**len(sensors) - 1
    assert np.isfinite(list(found.score_columns('drop', 'skip').values())).all()


def test_a_data_set_may_lack_sensors_of_the_network(network, memory_frames, space):
    pair = ('rgb', 'event')
    frames = memory_frames(1, pair)
    found = run(network, frames, space, pair, missing_modes=('drop', 'zero'), benchmarks=('emm',))
    assert list(found.emm['drop'].matrices) == modality_subsets(pair)
    assert (found.emm['drop'].matrices[pair]['all'].counts
            != found.emm['zero'].matrices[pair]['all'].counts).any()
    with pytest.raises(ConfigError, match=r"'zero' without depth, lidar .* benchmark nm: drop"):
        run(network, frames, space, pair, missing_modes=('zero',), benchmarks=('emm', 'nm'))


def test_labels_at_network_size(network, memory_frames, space):
    frames = memory_frames(1)
    native, network_size = (run(network, frames, space, label_size=size).emm['drop']
                            for size in ('native', 'network'))
    labels = frames[0].labels
    counted = {name: scores.matrices[ALL_FOUR]['all'].counts.sum()
               for name, scores in (('native', native), ('network', network_size))}
    assert counted['native'] == (labels != 255).sum()
    assert 0 < counted['network'] <= SIZE_PX * SIZE_PX
    plain = score_frames(network, frames, [ALL_FOUR], space, SIZE_PX)
    np.testing.assert_array_equal(plain.matrices[ALL_FOUR]['all'].counts,
                                  native.matrices[ALL_FOUR]['all'].counts)


def test_what_cannot_be_run_is_said(networks, network, memory_frames, space):
    with pytest.raises(ConfigError, match='no frame has all of rgb, depth, lidar, event'):
        run(network, memory_frames(1, lacking={0: ('rgb',)}), space)
    with pytest.raises(ConfigError, match='needs one of the sensors rgb, lidar, event; here are'):
        run(networks(('nir', 'aolp', 'dolp')), memory_frames(1), space, ('nir', 'aolp', 'dolp'),
            benchmarks=('failures',))

    class Labelled(memory_frames):
        def __getitem__(self, index):
            frame = super().__getitem__(index)
            frame.labels[:] = self.label
            return frame

    Labelled.label = 77
    with pytest.raises(ConfigError, match='street/0 has label 77; allowed: 0 to 4, and 255'):
        run(network, Labelled(1), space)
    Labelled.label = 255
    with pytest.raises(ConfigError, match=r'no frame with all of .* has a labelled pixel'):
        run(network, Labelled(1), space)
