# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every combination of sensors from one encoding, and zeros for the absent. Layer: models."""

import re

import pytest
import torch

from anymodal_seg_ros.models import MISSING_MODES, modality_subsets
from anymodal_seg_ros.models.m_segformer import MSegFormer
from anymodal_seg_ros.models.m_segformer_config import MSegFormerConfig

MODALITIES = ('rgb', 'depth', 'lidar', 'event')
SUBSETS = modality_subsets(MODALITIES)


def assert_close(a, b, tolerance=1e-5):
    assert a.shape == b.shape
    assert (a - b).abs().max() < tolerance * b.abs().max()


def test_fifteen_subsets_small_ones_first():
    assert len(set(SUBSETS)) == len(SUBSETS) == 15
    assert SUBSETS[0] == ('rgb',) and SUBSETS[4] == ('rgb', 'depth') and SUBSETS[-1] == MODALITIES


@pytest.mark.slow
@pytest.mark.parametrize('missing', MISSING_MODES)
@pytest.mark.parametrize('is_folded', [False, True])
def test_one_encoding_gives_what_each_run_gives(model, images, missing, is_folded):
    if is_folded:
        model.prepare_for_inference(torch.float32)
    with torch.inference_mode():
        logits = model.logits_of_subsets(images, missing=missing)
        assert list(logits) == SUBSETS
        for subset in SUBSETS if not is_folded else SUBSETS[::5]:
            alone = {m: images[m] for m in subset}
            assert_close(logits[subset], model.logits(alone, missing=missing))


def test_each_modality_is_encoded_once(model, images, monkeypatch):
    seen = []
    encode_packed = model._encode_packed

    def counted(inputs):
        seen.append({m: tuple(x.shape[:1]) for m, x in inputs.items()})
        return encode_packed(inputs)

    monkeypatch.setattr(model, '_encode_packed', counted)
    with torch.inference_mode():
        model.logits_of_subsets(images)
        model.logits_of_subsets(images, missing='zero')
    clean, zero = dict.fromkeys(MODALITIES, (2,)), dict.fromkeys(MODALITIES, (1,))
    assert seen == [clean, clean, zero]


def test_chosen_subsets_of_some_modalities(model, images):
    given = {m: images[m] for m in ('event', 'depth')}
    with torch.inference_mode():
        assert list(model.logits_of_subsets(given)) == modality_subsets(('depth', 'event'))
        (one,) = model.logits_of_subsets(images, [('event', 'depth')]).values()
        assert_close(one, model.logits(given))
        (zero,) = model.logits_of_subsets(given, [('event',)], missing='zero').values()
        event = {'event': images['event']}
        assert_close(zero, model.logits(event, missing='zero'))


def test_zero_is_an_input_of_the_mean_colour(model, images):
    """What is absent is normalised to exactly 0, and so is an image of the mean."""
    filled = {m: x.float() for m, x in images.items()}
    for m in ('rgb', 'lidar'):
        row = MODALITIES.index(m)
        filled[m][0] = model.mean_M3[row, :, None, None]
    present_BM = torch.tensor([[0, 1, 0, 1], [1, 1, 1, 1]], dtype=torch.bool)
    with torch.inference_mode():
        features = model.encode(images, present_BM, missing='zero')
        assert torch.equal(features.row_BM(), torch.arange(8).reshape(4, 2).T)
        logits = model(images, present_BM, missing='zero')
        assert torch.equal(logits, model(filled))
        assert_close(logits[1:], model({m: x[1:] for m, x in images.items()}))
        assert not torch.allclose(logits, model(images, present_BM), atol=1e-3)


def test_zero_of_a_modality_that_was_never_given(model, images):
    rgb = {'rgb': images['rgb']}
    zeros = {m: torch.zeros(2, 3, 32, 64) for m in MODALITIES}
    x = {**zeros, 'rgb': model.normalize('rgb', images['rgb'])}
    with torch.inference_mode():
        expected = model.encode_normalized(x)
        features = model.encode(rgb, missing='zero')
        absent = model.encode_absent(2, (32, 64))
    assert all(map(torch.equal, features.maps, expected.maps))
    assert torch.equal(absent.row_BM(), expected.row_BM())
    for x_PHWC, y_PHWC in zip(absent.maps, expected.maps, strict=True):
        assert (x_PHWC[2:] - y_PHWC[2:]).abs().max() < 1e-5 * y_PHWC.abs().max()


def test_gradients_reach_the_features_of_every_subset(model, images):
    with torch.no_grad():
        features = model.encode(images)
    features = features.with_maps(x.detach().requires_grad_() for x in features.maps)
    for subset, logits in model.logits_of_feature_subsets(features).items():
        gradients = torch.autograd.grad(logits.square().sum(), features.maps, retain_graph=True)
        for gradient_PHWC in gradients:
            reached_P = gradient_PHWC.flatten(1).any(1).tolist()
            assert reached_P == [MODALITIES[m] in subset for m in features.modality_P]


@pytest.mark.parametrize(
    ('subsets', 'message'),
    [
        ([('rgb', 'depth')], "subset is ('rgb', 'depth'); allowed: some of ['rgb', 'event']"),
        ([()], 'subset is ()'),
        ([('radar',)], "subset is ('radar',)"),
    ],
)
def test_subsets_that_cannot_be_had_are_named(images, subsets, message):
    model = MSegFormer(MSegFormerConfig())
    given = {m: images[m] for m in ('rgb', 'event')}
    with pytest.raises(ValueError, match=re.escape(message)):
        model.logits_of_subsets(given, subsets)


def test_a_modality_that_one_sample_lacks_is_in_no_subset(model, images):
    present_BM = torch.tensor([[1, 1, 0, 0], [1, 0, 0, 1]], dtype=torch.bool)
    with torch.inference_mode():
        features = model.encode(images, present_BM)
        assert list(model.logits_of_feature_subsets(features)) == [('rgb',)]
        with pytest.raises(ValueError, match=r"allowed: some of \['rgb'\]"):
            model.logits_of_feature_subsets(features, [('depth',)])


def test_unknown_missing_is_named(images):
    model = MSegFormer(MSegFormerConfig())
    for call in (model, model.encode, model.logits_of_subsets):
        with pytest.raises(ValueError, match="missing is 'mean'; allowed: drop, zero"):
            call(images, missing='mean')
