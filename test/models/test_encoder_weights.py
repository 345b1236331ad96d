# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ImageNet weight files in both layouts, read strictly. Layer: models."""

import os
import re

import pytest
import torch
from safetensors.torch import load_file, save_file

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models.mit import MixTransformer
from anymodal_seg_ros.models.mit_sizes import BACKBONES
from anymodal_seg_ros.models.weights import load_encoder_weights

pytestmark = pytest.mark.slow

os.environ.setdefault('HF_HUB_OFFLINE', '1')


def original_names(state):
    """The encoder's state under the names of the published ``mit_b*.pth`` files."""
    renamed = {}
    for name, value in state.items():
        name = name.replace('stems.shared.', 'patch_embed1.')
        name = re.sub(r'stages\.(\d)\.', lambda m: f'stages{int(m[1]) + 1}.', name)
        name = re.sub(r'stages(\d)\.patch_embed\.', r'patch_embed\1.', name)
        name = re.sub(r'stages(\d)\.blocks\.', r'block\1.', name)
        name = re.sub(r'stages(\d)\.norm', r'norm\1', name)
        name = name.replace('.attention.reduce_norm.', '.attn.norm.')
        name = name.replace('.attention.reduce.', '.attn.sr.')
        name = name.replace('.attention.', '.attn.').replace('.ffn.dwconv.', '.mlp.dwconv.dwconv.')
        renamed[name.replace('.ffn.', '.mlp.')] = value
    return renamed


def random_encoder(seed=0, stems=('shared',)):
    torch.manual_seed(seed)
    encoder = MixTransformer(BACKBONES['b0'], stems=stems)
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter)
    return encoder


@pytest.fixture
def original():
    """A complete ``mit_b0.pth`` table, classifier included, and the encoder it came from."""
    encoder = random_encoder()
    state = original_names(encoder.state_dict())
    assert 'block1.0.attn.q.weight' in state and 'patch_embed4.norm.bias' in state
    state['head.weight'], state['head.bias'] = torch.zeros(1000, 256), torch.zeros(1000)
    return state, encoder


def assert_equal(a, b):
    for name, value in a.state_dict().items():
        assert torch.equal(value, b.state_dict()[name]), name


@pytest.mark.parametrize('nested', [False, True])
def test_loads_the_original_layout(tmp_path, original, nested):
    state, source = original
    torch.save({'state_dict': state} if nested else state, tmp_path / 'mit_b0.pth')
    encoder = random_encoder(1)
    load_encoder_weights(encoder, tmp_path / 'mit_b0.pth')
    assert_equal(encoder, source)


def test_every_stem_gets_a_copy(tmp_path, original):
    state, source = original
    torch.save(state, tmp_path / 'mit_b0.pth')
    encoder = random_encoder(1, stems=('rgb', 'lidar'))
    load_encoder_weights(encoder, tmp_path / 'mit_b0.pth')
    for stem in ('rgb', 'lidar'):
        assert_equal(encoder.stems[stem], source.stems['shared'])
    assert_equal(encoder.stages, source.stages)


def test_every_encoder_gets_a_copy(tmp_path, original):
    state, source = original
    torch.save(state, tmp_path / 'mit_b0.pth')
    encoders = torch.nn.ModuleDict({m: random_encoder(1, stems=(m,)) for m in ('rgb', 'lidar')})
    load_encoder_weights(encoders, tmp_path / 'mit_b0.pth')
    for name, encoder in encoders.items():
        assert_equal(encoder.stems[name], source.stems['shared'])
        assert_equal(encoder.stages, source.stages)


@pytest.mark.parametrize('stems', [('rgb', 'lidar'), ('shared',)])
def test_takes_the_encoder_of_a_bundle(tmp_path, original, stems):
    _, source = original
    state = {f'encoder.{name}': value for name, value in source.state_dict().items()}
    save_file({**state, 'head.classifier.weight': torch.zeros(3), 'mean_M3': torch.zeros(1, 3)},
              tmp_path / 'weights.safetensors')
    encoder = random_encoder(1, stems=stems)
    load_encoder_weights(encoder, tmp_path)
    for stem in stems:
        assert_equal(encoder.stems[stem], source.stems['shared'])
    assert_equal(encoder.stages, source.stages)


def test_no_stem_of_several_is_the_encoder_s(tmp_path):
    source = random_encoder(0, stems=('rgb', 'lidar'))
    save_file({f'encoder.{name}': value for name, value in source.state_dict().items()},
              tmp_path / 'weights.safetensors')
    with pytest.raises(ConfigError, match=r'missing 4: stems\.shared\..*unexpected 8: stems\.'):
        load_encoder_weights(random_encoder(1), tmp_path)


@pytest.mark.parametrize('suffix', ['bin', 'safetensors'])
def test_loads_the_hugging_face_layout(tmp_path, suffix):
    transformers = pytest.importorskip('transformers')
    torch.manual_seed(2)
    reference = transformers.SegformerForImageClassification(transformers.SegformerConfig())
    for parameter in reference.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.05)
    reference.eval().save_pretrained(tmp_path)
    if suffix == 'bin':
        torch.save(load_file(tmp_path / 'model.safetensors'), tmp_path / 'pytorch_model.bin')
        (tmp_path / 'model.safetensors').unlink()
    encoder = MixTransformer(BACKBONES['b0']).eval()
    load_encoder_weights(encoder, tmp_path)
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        expected = reference(x, output_hidden_states=True).hidden_states
        for ours, theirs in zip(encoder(x), expected, strict=True):
            assert (ours.permute(0, 3, 1, 2) - theirs).abs().max().item() < 1e-4


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda s: s.pop('block2.1.attn.q.bias'), 'missing 1: stages.1.blocks.1.attention.q.bias'),
        (lambda s: s.update({'decoder.weight': torch.zeros(1)}), 'unexpected 1: decoder.weight'),
        (lambda s: s.update({'norm3.bias': torch.zeros(7)}), 'stages.2.norm.bias is (7,), not'),
        (lambda s: s.clear(), 'missing'),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, original, change, message):
    state, _ = original
    change(state)
    torch.save(state, tmp_path / 'w.pth')
    encoder = random_encoder(1)
    with pytest.raises(ConfigError) as caught:
        load_encoder_weights(encoder, tmp_path / 'w.pth')
    assert message in str(caught.value)
    assert_equal(encoder, random_encoder(1))


def test_weights_of_another_size_do_not_fit(tmp_path, original):
    torch.save(original[0], tmp_path / 'w.pth')
    with pytest.raises(ConfigError, match='does not fit the network'):
        load_encoder_weights(MixTransformer(BACKBONES['b1']), tmp_path / 'w.pth')


class Payload:
    def __reduce__(self):
        return (os.getcwd, ())


def test_unreadable_files_are_one_clear_error(tmp_path):
    encoder = random_encoder()
    with pytest.raises(ConfigError, match='no encoder weights at'):
        load_encoder_weights(encoder, tmp_path / 'nothing.pth')
    with pytest.raises(ConfigError, match=r'a folder with model\.safetensors'):
        load_encoder_weights(encoder, tmp_path)
    torch.save({'x': Payload()}, tmp_path / 'code.pth')
    (tmp_path / 'text.pth').write_text('hello')
    (tmp_path / 'empty.pth').write_bytes(b'')
    (tmp_path / 'short.safetensors').write_bytes(b'\x10')
    save_file({'a': torch.zeros(4)}, tmp_path / 'cut.safetensors')
    cut = (tmp_path / 'cut.safetensors').read_bytes()[:-3]
    (tmp_path / 'cut.safetensors').write_bytes(cut)
    for name in ('code.pth', 'text.pth', 'empty.pth', 'short.safetensors', 'cut.safetensors'):
        with pytest.raises(ConfigError, match=f'{name} cannot be read'):
            load_encoder_weights(encoder, tmp_path / name)
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(ConfigError, match='not a table'):
        load_encoder_weights(encoder, tmp_path / 'list.pth')
