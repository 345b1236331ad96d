# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every network of the table: subsets, gradients, packing, head algebra, errors. Layer: models."""

import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models import MODELS, build_model, modality_subsets
from anymodal_seg_ros.models.features import joined
from anymodal_seg_ros.models.head import MlpHead
from anymodal_seg_ros.models.m_segformer import MSegFormer
from anymodal_seg_ros.models.m_segformer_config import MSegFormerConfig

pytestmark = pytest.mark.slow

MODALITIES = ('rgb', 'depth', 'lidar', 'event')
SUBSETS = modality_subsets(MODALITIES)


def random_images(batch=1, size_hw=(64, 64), modalities=MODALITIES):
    generator = torch.Generator().manual_seed(5)
    return {
        m: torch.randint(0, 256, (batch, 3, *size_hw), dtype=torch.uint8, generator=generator)
        for m in modalities
    }


def randomize_norm(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.5)
            module.running_var.uniform_(0.5, 2.0)
            nn.init.normal_(module.weight, 1.0, 0.3)
            nn.init.normal_(module.bias, 0.0, 0.3)


@pytest.mark.parametrize('row', MODELS.values(), ids=MODELS)
def test_a_row_has_settings_and_the_network_that_takes_them(row):
    config = row.config(**row.smallest)
    assert row.network_class()(config).config is config


def test_every_subset_gives_its_own_logits_at_input_size(model):
    images = random_images(size_hw=(64, 96))
    seen = []
    with torch.inference_mode():
        for subset in SUBSETS:
            logits = model({m: images[m] for m in subset})
            assert logits.shape == (1, 7, 64, 96)
            assert torch.isfinite(logits).all()
            seen.append(logits)
    for i, a in enumerate(seen):
        assert all(not torch.allclose(a, b, atol=1e-6) for b in seen[:i])


def test_order_of_modalities_does_not_matter(model):
    images = random_images()
    turned = dict(reversed(images.items()))
    with torch.inference_mode():
        assert torch.equal(model(images), model(turned))


def test_fusion_does_not_depend_on_the_order_of_the_pairs(model):
    with torch.inference_mode():
        features = model.encode(random_images(batch=2))
        turned = joined([features.of_modality(column) for column in (2, 0, 3, 1)])
        for one, other in zip(model.fuse(features), model.fuse(turned), strict=True):
            assert (one - other).abs().max() < 1e-5 * one.abs().max()


def test_one_batch_of_pairs_equals_one_pair_at_a_time(model):
    images = random_images(batch=2)
    with torch.inference_mode():
        features = model.encode(images)
        for b, rows_M in enumerate(features.row_BM().tolist()):
            for modality, row in zip(MODALITIES, rows_M, strict=True):
                alone = model.encode({modality: images[modality][b : b + 1]})
                for x_PHWC, y_1HWC in zip(features.maps, alone.maps, strict=True):
                    assert (x_PHWC[row] - y_1HWC[0]).abs().max() < 1e-5 * y_1HWC.abs().max()


def test_logits_come_with_the_features_that_made_them(model):
    images = random_images(batch=2)
    present_BM = torch.tensor([[1, 0, 1, 0], [1, 1, 1, 1]], dtype=torch.bool)
    with torch.inference_mode():
        logits, features = model.logits_and_features(images, present_BM)
        assert torch.equal(logits, model.logits(images, present_BM))
        assert torch.equal(logits, model.decode(model.fuse(features)))
        assert logits.shape == (2, 7, 16, 16)
        expected = model.encode(images, present_BM)
        assert all(map(torch.equal, features.maps, expected.maps))


def test_normalized_input_gives_the_same_features(model):
    images = random_images(batch=2)
    present_BM = torch.tensor([[1, 0, 1, 0], [0, 1, 1, 1]], dtype=torch.bool)
    x = {m: model.normalize(m, image) for m, image in images.items()}
    with torch.inference_mode():
        one = model.encode(images, present_BM)
        other = model.encode_normalized(x, present_BM)
    assert torch.equal(one.sample_P, other.sample_P)
    assert torch.equal(one.modality_P, other.modality_P)
    assert all(map(torch.equal, one.maps, other.maps))


def test_packed_batch_equals_sample_by_sample(model):
    images = random_images(batch=4)
    present_BM = torch.tensor(
        [[1, 0, 1, 1], [0, 1, 0, 0], [1, 1, 1, 1], [0, 0, 1, 0]], dtype=torch.bool
    )
    with torch.inference_mode():
        packed = model(images, present_BM)
        for b in range(4):
            subset = {
                m: images[m][b : b + 1] for i, m in enumerate(MODALITIES) if present_BM[b, i]
            }
            assert (packed[b] - model(subset)[0]).abs().max().item() < 1e-4


def test_absent_pairs_are_neither_encoded_nor_seen(model):
    images = random_images(batch=2)
    present_BM = torch.tensor([[1, 0, 0, 0], [0, 1, 1, 0]], dtype=torch.bool)
    changed = {m: x.clone() for m, x in images.items()}
    changed['rgb'][1] = 0
    changed['event'][:] = 255
    with torch.inference_mode():
        features = model.encode(images, present_BM)
        assert [x.shape for x in features.maps] == [
            (3, 16, 16, 32),
            (3, 8, 8, 64),
            (3, 4, 4, 160),
            (3, 2, 2, 256),
        ]
        assert features.row_BM().tolist() == [[0, -1, -1, -1], [-1, 1, 2, -1]]
        assert torch.equal(model(images, present_BM), model(changed, present_BM))


def test_single_modality_swapped_between_samples_keeps_its_sample(model):
    images = random_images(batch=2)
    present_BM = torch.tensor([[0, 1, 0, 0], [1, 0, 0, 0]], dtype=torch.bool)
    with torch.inference_mode():
        logits = model(images, present_BM)
        first = model({'depth': images['depth'][:1]})
        second = model({'rgb': images['rgb'][1:]})
    assert (logits - torch.cat([first, second])).abs().max().item() < 1e-4


def test_uint8_equals_float(model):
    images = random_images()
    with torch.inference_mode():
        assert torch.equal(model(images), model({m: x.float() for m, x in images.items()}))


def test_gradient_reaches_every_parameter(model):
    model.train()
    model(random_images(batch=2)).square().mean().backward()
    without = [n for n, p in model.named_parameters() if p.grad is None or not bool(p.grad.any())]
    assert without == []


def test_normalization_is_stored_with_the_weights():
    config = MSegFormerConfig(mean={'lidar': (1, 2, 3)}, std={'lidar': (4, 5, 6)})
    model = MSegFormer(config)
    x = model.normalize('lidar', torch.full((1, 3, 32, 32), 11, dtype=torch.uint8))
    assert x[0, :, 0, 0].tolist() == pytest.approx([10 / 4, 9 / 5, 8 / 6])
    assert model.state_dict()['mean_M3'][0].tolist() == pytest.approx([123.675, 116.28, 103.53])
    assert {'mean_M3', 'std_M3'} <= set(model.state_dict())


def plain_head(head: MlpHead, features):
    """The published form: project, upsample, concatenate coarsest first, fuse, classify."""
    size_hw = features[0].shape[1:3]
    maps = [
        F.interpolate(
            proj(x).permute(0, 3, 1, 2), size=size_hw, mode='bilinear', align_corners=False
        )
        for proj, x in zip(head.proj, features, strict=True)
    ]
    return head.classifier(F.relu(head.norm(head.fuse(torch.cat(maps[::-1], dim=1)))))


@pytest.mark.parametrize('size_hw', [(32, 32), (17, 24)])
@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_head_equals_its_published_form(size_hw, dtype, tolerance):
    torch.manual_seed(3)
    dims = (32, 64, 160, 256)
    head = MlpHead(dims, 256, 25).eval()
    randomize_norm(head)
    for proj in head.proj:
        nn.init.normal_(proj.bias)
    nn.init.normal_(head.classifier.weight, std=0.05)
    head.to(dtype)
    features = [
        torch.randn(2, -(-size_hw[0] // 2**i), -(-size_hw[1] // 2**i), c, dtype=dtype)
        for i, c in enumerate(dims)
    ]
    with torch.inference_mode():
        expected = plain_head(head, features)
        assert expected.std() > 0.1
        assert (head(features) - expected).abs().max().item() < tolerance
        assert (head.folded()(features) - expected).abs().max().item() < tolerance


def test_dropout_is_active_in_training_only():
    torch.manual_seed(0)
    head = MlpHead((8, 8, 8, 8), 16, 3)
    features = [torch.randn(2, 8 // 2**i, 8 // 2**i, 8) for i in range(4)]
    assert head.dropout.p == 0.1
    assert not torch.equal(head(features), head(features))
    head.eval()
    assert torch.equal(head(features), head(features))


@pytest.mark.parametrize(
    ('images', 'present', 'message'),
    [
        ({}, None, 'no images'),
        ({'radar': (1, 3, 64, 64)}, None, "unknown modality 'radar'"),
        ({'rgb': (1, 1, 64, 64)}, None, 'rgb images are'),
        ({'rgb': (3, 64, 64)}, None, 'rgb images are'),
        ({'rgb': (1, 3, 64, 31)}, None, 'H and W of 32'),
        ({'rgb': (1, 3, 64, 64), 'depth': (1, 3, 64, 96)}, None, 'depth images are'),
        ({'rgb': (1, 3, 64, 64)}, torch.ones(1, 4), 'present_BM is torch.float32'),
        ({'rgb': (1, 3, 64, 64)}, torch.ones(2, 4).bool(), 'present_BM is'),
        ({'rgb': (1, 3, 64, 64)}, torch.ones(1, 4).bool(), "['depth', 'lidar', 'event']"),
        (
            {'rgb': (2, 3, 64, 64)},
            torch.tensor([[1, 0, 0, 0], [0, 0, 0, 0]]).bool(),
            'samples [1] have no present modality',
        ),
    ],
)
def test_wrong_input_is_named(images, present, message):
    model = MSegFormer(MSegFormerConfig())
    tensors = {m: torch.zeros(shape) for m, shape in images.items()}
    with pytest.raises(ValueError, match=re.escape(message)):
        model(tensors, present)


def test_config_round_trip():
    config = MSegFormerConfig(backbone='b1', num_classes=19, mean={'event': [1, 2, 3]})
    data = config.to_dict()
    assert MSegFormerConfig.from_dict(data) == config
    assert data['mean']['event'] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    'settings',
    [
        {'backbone': 'b6'},
        {'backbone': ['b0']},
        {'num_classes': 0},
        {'num_classes': 256},
        {'num_classes': 2.0},
        {'num_classes': True},
        {'head_dim': -1},
        {'head_dim': 10**6},
        {'modalities': ()},
        {'modalities': 'rgb'},
        {'modalities': ('rgb', 'rgb')},
        {'modalities': ('rgb', '../x')},
        {'stem': 'none'},
        {'stem': 'shared', 'encoder': 'per_modality'},
        {'encoder': 'none'},
        {'fusion': 'none'},
        {'drop_path': 1.0},
        {'drop_path': 'high'},
        {'mean': {'radar': (0, 0, 0)}},
        {'mean': 3},
        {'std': {'rgb': (1, 0, 1)}},
        {'std': {'rgb': (1, float('nan'), 1)}},
        {'mean': {'rgb': (1, 1)}},
        {'colour': 1},
    ],
)
def test_wrong_settings_are_named(settings):
    key = next(iter(settings))
    with pytest.raises(ConfigError, match=key):
        build_model('m_segformer', settings)


def test_unknown_model_is_named():
    with pytest.raises(ConfigError, match=r"model is 'x'; allowed: m_segformer"):
        build_model('x', {})


def test_the_last_upsampling_takes_pixels_as_areas(monkeypatch):
    """Centre x of a fine pixel lies at (x + 1/2) / 4 - 1/2 of the coarse ones."""
    model = MSegFormer(MSegFormerConfig())
    ramp_1Khw = torch.arange(16.0).expand(1, 2, 8, 16)
    monkeypatch.setattr(model, 'logits', lambda *arguments: ramp_1Khw)
    logits = model({'rgb': torch.zeros(1, 3, 32, 64)})
    wanted = ((torch.arange(64.0) + 0.5) / 4 - 0.5).clamp(0.0, 15.0)
    torch.testing.assert_close(logits, wanted.expand(1, 2, 32, 64))
