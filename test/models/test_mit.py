# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MiT against closed-form parameter counts and Hugging Face's SegFormer. Layer: models."""

import os

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from anymodal_seg_ros.models import MSegFormer, MSegFormerConfig, load_encoder_weights
from anymodal_seg_ros.models.mit import BACKBONES, Block, DropPath, MixTransformer

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


@pytest.mark.parametrize(('backbone', 'head_dim'), MODEL_COUNTS)
def test_model_parameter_count(backbone, head_dim):
    with torch.device('meta'):
        model = MSegFormer(MSegFormerConfig(backbone=backbone, head_dim=head_dim))
    dims = BACKBONES[backbone].dims
    assert num_parameters(model) == MODEL_COUNTS[backbone, head_dim]
    assert num_parameters(model) == ENCODER_COUNTS[backbone] + head_count_from_formula(
        dims, head_dim, 25
    )


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
    [('b0', 256, (64, 64)), ('b0', 256, (96, 160)), ('b1', 256, (64, 64)), ('b2', 768, (64, 64))],
)
def test_equals_hugging_face(tmp_path, backbone, head_dim, size_hw):
    torch.manual_seed(1)
    reference, model = hugging_face_pair(tmp_path, backbone, head_dim, 25, 1e-5)
    images = {'depth': torch.rand(2, 3, *size_hw) * 255}
    with torch.inference_mode():
        x_BCHW = model.normalize('depth', images['depth'])
        theirs = reference(x_BCHW, output_hidden_states=True)
        ours = model.encoder(x_BCHW)
        logits = model.forward_logits_stride4(images)
    assert len(theirs.hidden_states) == len(ours) == 4
    for stage, (expected, feature) in enumerate(zip(theirs.hidden_states, ours, strict=True)):
        difference = (feature.permute(0, 3, 1, 2) - expected).abs().max().item()
        assert difference < 1e-4, f'stage {stage + 1}'
        assert expected.std() > 0.1
    assert theirs.logits.std() > 0.1
    assert (logits - theirs.logits).abs().max().item() < 1e-4
