# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MiT against closed-form parameter counts and Hugging Face's SegFormer. Layer: models."""

import os

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from anymodal_seg_ros.models.head import MlpHead
from anymodal_seg_ros.models.m_segformer import MSegFormer
from anymodal_seg_ros.models.m_segformer_config import MSegFormerConfig
from anymodal_seg_ros.models.mit import Block, DropPath, MixTransformer
from anymodal_seg_ros.models.mit_sizes import BACKBONES
from anymodal_seg_ros.models.weights import load_encoder_weights

os.environ.setdefault('HF_HUB_OFFLINE', '1')
transformers = pytest.importorskip('transformers')

ENCODER_COUNTS = {
    'b0': 3_319_392,
    'b1': 13_151_424,
    'b2': 24_196_288,
    'b3': 44_072_128,
    'b4': 60_842_688,
    'b5': 81_443_008,
}
"""3.319, 13.151, 24.196, 44.072, 60.843 and 81.443 million."""

MODEL_COUNTS = {
    ('b0', 256): 3_720_569,
    ('b0', 768): 6_095_737,
    ('b2', 256): 24_728_537,
    ('b2', 768): 27_365_849,
}
"""3.721, 6.096, 24.729 and 27.366 million with 25 classes."""


def num_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def encoder_count_from_formula(dims, depths, reductions) -> int:
    total = 0
    in_channels = 3
    for stage, (c, depth, r) in enumerate(zip(dims, depths, reductions, strict=True)):
        kernel = 7 if stage == 0 else 3
        total += kernel * kernel * in_channels * c + c + 2 * c
        attention = (c * c + c) + (2 * c * c + 2 * c) + (c * c + c)
        if r > 1:
            attention += r * r * c * c + c + 2 * c
        ffn = (4 * c * c + 4 * c) + (9 * 4 * c + 4 * c) + (4 * c * c + c)
        total += depth * (2 * c + attention + 2 * c + ffn) + 2 * c
        in_channels = c
    return total


def head_count_from_formula(dims, e, k) -> int:
    return sum(c * e + e for c in dims) + 4 * e * e + 2 * e + e * k + k


@pytest.mark.parametrize('backbone', BACKBONES)
def test_encoder_parameter_count(backbone):
    size = BACKBONES[backbone]
    with torch.device('meta'):
        encoder = MixTransformer(size)
    count = num_parameters(encoder)
    assert count == ENCODER_COUNTS[backbone]
    assert count == encoder_count_from_formula(size.dims, size.depths, size.reductions)


def test_own_encoders_stems_and_adapters_add_their_parameters():
    def count(**settings):
        with torch.device('meta'):
            return num_parameters(MSegFormer(MSegFormerConfig(**settings)))

    plain = MODEL_COUNTS['b0', 256]
    stem = 7 * 7 * 3 * 32 + 32 + 2 * 32
    dims = BACKBONES['b0'].dims
    adapters = sum(2 * c * (c // 4) + c // 4 + c for c in dims)
    assert stem == 4_800
    assert count(stem='per_modality') == plain + 3 * stem
    assert count(stem='per_modality', encoder='per_modality') == plain + 3 * ENCODER_COUNTS['b0']
    assert count(encoder='adapters') == plain + 4 * adapters
    assert count(fusion='reliability') == plain + sum(dims)


@pytest.mark.parametrize(('backbone', 'head_dim'), MODEL_COUNTS)
def test_model_parameter_count(backbone, head_dim):
    with torch.device('meta'):
        model = MSegFormer(MSegFormerConfig(backbone=backbone, head_dim=head_dim))
    dims = BACKBONES[backbone].dims
    assert num_parameters(model) == MODEL_COUNTS[backbone, head_dim]
    assert num_parameters(model) == ENCODER_COUNTS[backbone] + head_count_from_formula(
        dims, head_dim, 25
    )


ENCODER_GMAC = {
    ('b0', 512): (3.20, 1.04),
    ('b0', 1024): (25.30, 16.64),
    ('b2', 512): (20.24, 3.89),
    ('b2', 1024): (127.65, 62.28),
}
"""Multiply-adds of one image in billions, and those of them that are attention's products."""

HEAD_GMAC = {
    ('b0', 256, 512): (4.66, 0.365),
    ('b0', 768, 1024): (159.0, 4.379),
    ('b2', 256, 512): (4.92, 0.625),
    ('b2', 768, 1024): (162.1, 7.499),
}
"""Of the published form of the head, and of the folded one."""


@pytest.mark.parametrize(('backbone', 'side_px'), ENCODER_GMAC)
def test_encoder_cost(backbone, side_px):
    with torch.device('meta'):
        encoder = MixTransformer(BACKBONES[backbone]).eval()
        with FlopCounterMode(display=False) as counter:
            encoder(torch.zeros(1, 3, side_px, side_px))
    total, attention = ENCODER_GMAC[backbone, side_px]
    counted = {str(op): flop / 2e9 for op, flop in counter.get_flop_counts()['Global'].items()}
    assert sum(counted.values()) == pytest.approx(total, abs=0.006)
    assert counted['aten.bmm'] == pytest.approx(attention, abs=0.006)


@pytest.mark.parametrize(('backbone', 'head_dim', 'side_px'), HEAD_GMAC)
def test_head_cost(backbone, head_dim, side_px):
    dims = BACKBONES[backbone].dims
    published, folded = HEAD_GMAC[backbone, head_dim, side_px]
    sides = [side_px // s for s in (4, 8, 16, 32)]
    projections = sum(n * n * c * head_dim for n, c in zip(sides, dims, strict=True))
    rest = sides[0] ** 2 * head_dim * (4 * head_dim + 25)
    assert (projections + rest) / 1e9 == pytest.approx(published, rel=2e-3)
    head = MlpHead(dims, head_dim, 25).eval().folded().to('meta')
    with torch.device('meta'):
        features = [torch.zeros(1, n, n, c) for n, c in zip(sides, dims, strict=True)]
        with FlopCounterMode(display=False) as counter:
            head(features)
    assert counter.get_total_flops() / 2e9 == pytest.approx(folded, abs=1e-3)


@pytest.mark.parametrize(
    ('backbone', 'head_dim'), [('b0', 256), ('b1', 256), ('b2', 768), ('b5', 768)]
)
def test_head_dim_default(backbone, head_dim):
    assert MSegFormerConfig(backbone=backbone).head_dim == head_dim


def test_drop_path_grows_linearly_over_all_blocks():
    with torch.device('meta'):
        encoder = MixTransformer(BACKBONES['b2'], drop_path=0.1)
    rates = [m.drop_path.rate for m in encoder.modules() if isinstance(m, Block)]
    assert rates == pytest.approx([0.1 * i / 15 for i in range(16)], abs=1e-12)


def test_drop_path_drops_whole_samples_and_keeps_the_mean():
    torch.manual_seed(0)
    x = torch.ones(4000, 2, 3)
    drop = DropPath(0.25)
    y = drop(x)
    assert y.unique().tolist() == pytest.approx([0.0, 1 / 0.75])
    assert (y.flatten(1).amin(1) == y.flatten(1).amax(1)).all()
    assert y.mean().item() == pytest.approx(1.0, abs=0.05)
    assert drop.eval()(x) is x


def hugging_face_pair(tmp_path, backbone, head_dim, num_classes, eps):
    """A random Hugging Face network and ours with its weights; both in evaluation mode."""
    size = BACKBONES[backbone]
    reference = transformers.SegformerForSemanticSegmentation(
        transformers.SegformerConfig(
            hidden_sizes=list(size.dims),
            depths=list(size.depths),
            num_attention_heads=list(size.heads),
            sr_ratios=list(size.reductions),
            decoder_hidden_size=head_dim,
            num_labels=num_classes,
        )
    ).eval()
    for module in reference.modules():
        if isinstance(module, nn.LayerNorm):
            nn.init.normal_(module.weight, 1.0, 0.2)
            nn.init.normal_(module.bias, 0.0, 0.2)
            module.eps = eps
        elif isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0.0, 0.5)
            module.running_var.uniform_(0.5, 2.0)
            nn.init.normal_(module.weight, 1.0, 0.2)
            nn.init.normal_(module.bias, 0.0, 0.2)
        elif isinstance(module, (nn.Linear, nn.Conv2d)) and module.bias is not None:
            nn.init.normal_(module.weight, 0.0, 1.0 / module.weight[0].numel() ** 0.5)
            nn.init.normal_(module.bias, 0.0, 0.2)
    reference.save_pretrained(tmp_path / 'full')
    state = load_file(tmp_path / 'full' / 'model.safetensors')
    encoder = {k: v for k, v in state.items() if k.startswith('segformer.')}
    encoder_file = tmp_path / 'model.safetensors'
    save_file(encoder, encoder_file)

    model = MSegFormer(
        MSegFormerConfig(backbone=backbone, head_dim=head_dim, num_classes=num_classes)
    )
    load_encoder_weights(model.encoder, encoder_file)
    head = {}
    for key, value in state.items():
        if key.startswith('decode_head.'):
            name = key.removeprefix('decode_head.')
            for theirs, ours in (
                ('linear_c.0.proj', 'proj.0'),
                ('linear_c.1.proj', 'proj.1'),
                ('linear_c.2.proj', 'proj.2'),
                ('linear_c.3.proj', 'proj.3'),
                ('linear_fuse', 'fuse'),
                ('batch_norm', 'norm'),
            ):
                name = name.replace(theirs, ours)
            head[name] = value
    model.head.load_state_dict(head)
    return reference, model.eval()


@pytest.mark.parametrize(
    ('backbone', 'head_dim', 'size_hw'),
    [('b0', 256, (64, 64)), ('b0', 256, (96, 160)), ('b1', 256, (64, 64)),
     pytest.param('b2', 768, (64, 64), marks=pytest.mark.slow)],
)
def test_equals_hugging_face(tmp_path, backbone, head_dim, size_hw):
    torch.manual_seed(1)
    reference, model = hugging_face_pair(tmp_path, backbone, head_dim, 25, 1e-5)
    images = {'depth': torch.rand(2, 3, *size_hw) * 255}
    with torch.inference_mode():
        x_BCHW = model.normalize('depth', images['depth'])
        theirs = reference(x_BCHW, output_hidden_states=True)
        ours = model.encoder(x_BCHW)
        logits = model.logits(images)
    assert len(theirs.hidden_states) == len(ours) == 4
    for stage, (expected, feature) in enumerate(zip(theirs.hidden_states, ours, strict=True)):
        difference = (feature.permute(0, 3, 1, 2) - expected).abs().max().item()
        assert difference < 1e-4, f'stage {stage + 1}'
        assert expected.std() > 0.1
    assert theirs.logits.std() > 0.1
    assert (logits - theirs.logits).abs().max().item() < 1e-4
