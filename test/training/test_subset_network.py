# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who scores and who drives predict the same: what is equal to what, in each precision."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from anymodal_seg_ros.bundle import Bundle
from anymodal_seg_ros.inference.precision import PRECISIONS
from anymodal_seg_ros.inference.torch_backend import TorchSegmenter
from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.models import MISSING_MODES, build_model, modality_subsets
from training.datasets import Frame
from training.subset_network import subset_network

pytestmark = pytest.mark.slow

SENSORS = ('rgb', 'depth', 'lidar', 'event')
NUM_CLASSES = 9
SIZE_HW = (64, 96)
CONFIG = {'backbone': 'b0', 'head_dim': 32, 'num_classes': NUM_CLASSES,
          'modalities': list(SENSORS)}
SPACE = LabelSpace('nine', tuple(f'class{i}' for i in range(NUM_CLASSES)),
                   tuple((i, i, i) for i in range(NUM_CLASSES)))
# Of a logit, in the largest: rounding of the sums that kernels take in orders of their own.
ERROR = {'fp32': 1e-5, 'bf16': 0.02}


def segmenter(missing_mode, precision, **settings):
    torch.manual_seed(0)
    network = build_model('m_segformer', {**CONFIG, **settings})
    # Statistics of real inputs: a fresh network is nearly blind.
    network.eval().head.norm.train()
    network.head.norm.momentum = None
    network({'rgb': torch.randint(0, 256, (8, 3, *SIZE_HW), dtype=torch.uint8)})
    bundle = Bundle(model_name='m_segformer', model_config={**CONFIG, **settings},
                    encoders={name: {} for name in SENSORS}, label_space=SPACE,
                    short_side_px=64, missing_mode=missing_mode)
    return TorchSegmenter(bundle, network.state_dict(), device='cpu', precision=precision)


@pytest.fixture
def images():
    rng = np.random.default_rng(2)
    return {name: [rng.integers(0, 256, (*SIZE_HW, 3), np.uint8) for _ in range(3)]
            for name in SENSORS}


@pytest.mark.parametrize('precision', ERROR)
@pytest.mark.parametrize('missing', MISSING_MODES)
@pytest.mark.parametrize('settings', [{}, {'fusion': 'reliability', 'encoder': 'adapters'}])
@pytest.mark.parametrize('out_hw', [SIZE_HW, (120, 200), (50, 70)])
def test_a_frame_with_all_it_has_is_counted_as_the_node_labels_it(
        images, precision, missing, settings, out_hw):
    """Every pixel, on every processor: they are the same calls."""
    vehicle = segmenter(missing, precision, **settings)
    network = subset_network(vehicle.network)
    truth = np.random.default_rng(0).integers(0, NUM_CLASSES, out_hw, np.uint8)
    truth[0] = 255
    frame = Frame(id='f', condition='sun', failure='normal', labels=truth, images={})
    for present in (SENSORS, ('depth', 'event'), ('lidar',)):
        one = {name: images[name][0] for name in present}
        features = network.encode({name: [image] for name, image in one.items()})
        logits = network.logits_of_subsets(features, [present], missing, SIZE_HW)[present]
        [counts] = network.counts(logits, [network.truth_of(frame)])
        labels, _ = vehicle.predict(one, out_hw)
        for i in range(NUM_CLASSES):
            np.testing.assert_array_equal(
                counts[i, :NUM_CLASSES],
                np.bincount(labels[truth == i], minlength=NUM_CLASSES))


@pytest.mark.parametrize('precision', ERROR)
@pytest.mark.parametrize('missing', MISSING_MODES)
def test_batches_and_combinations_give_the_labels_of_single_runs_but_for_ties(
        images, near_ties, precision, missing):
    vehicle = segmenter(missing, precision)
    network = subset_network(vehicle.network)
    features = network.encode(images)
    for subset, logits_BKhw in network.logits_of_subsets(
            features, modality_subsets(SENSORS), missing, SIZE_HW).items():
        for i, logits_Khw in enumerate(logits_BKhw.float()):
            one = {name: images[name][i] for name in subset}
            with torch.inference_mode():
                alone_Khw = vehicle.network.logits({
                    name: torch.from_numpy(x).permute(2, 0, 1)[None] for name, x in one.items()},
                    missing=missing)[0].float()
            assert (logits_Khw - alone_Khw).abs().max() <= (
                ERROR[precision] * alone_Khw.abs().max())
            clear_HW = ~near_ties(F.interpolate(
                alone_Khw[None], size=SIZE_HW, mode='bilinear')[0], ERROR[precision])
            labels = F.interpolate(logits_Khw[None], size=SIZE_HW, mode='bilinear')[0].argmax(0)
            expected, _ = vehicle.predict(one, SIZE_HW)
            assert clear_HW.float().mean() > 0.3
            np.testing.assert_array_equal(labels[clear_HW], expected[clear_HW.numpy()])


def test_precision_is_that_of_the_weights():
    for name in ERROR:
        network = subset_network(segmenter('drop', name).network)
        assert network.precision == name
        assert next(network.model.encoder.parameters()).dtype == PRECISIONS[name]
