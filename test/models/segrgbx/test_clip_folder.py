# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Folders of CLIP and of adapters: what is read of them, and one line for each that is wrong."""

import json
import shutil
from dataclasses import replace

import numpy as np
import peft
import pytest
import torch
from fuzzing.inputs import broken_json
from fuzzing.mutation import damaged
from safetensors.torch import save_file
from transformers import CLIPVisionModelWithProjection

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models.segrgbx.clip_adapters import adapter_config, adapter_tensors
from anymodal_seg_ros.models.segrgbx.clip_folder import config_of, load_clip, read_clip_size
from anymodal_seg_ros.models.segrgbx.clip_tower import CLIP_SIZES, ModalityClip

TINY = CLIP_SIZES['tiny']


@pytest.fixture
def folder(tiny_clip, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(tiny_clip, tmp_path / 'clip')


def edit(path, **values):
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, **values}))


def test_the_size_of_a_whole_clip_and_of_a_tower_alone(folder, tmp_path):
    assert read_clip_size(folder) == TINY
    CLIPVisionModelWithProjection.from_pretrained(folder).save_pretrained(tmp_path / 'tower')
    assert read_clip_size(tmp_path / 'tower') == TINY
    for size in CLIP_SIZES.values():
        (folder / 'config.json').write_text(json.dumps(config_of(size)))
        assert read_clip_size(folder) == size


def test_what_a_config_leaves_out_is_as_of_vit_b_32(folder):
    (folder / 'config.json').write_text('{"model_type": "clip", "vision_config": {}}')
    assert read_clip_size(folder) == CLIP_SIZES['vit_b_32']


def test_weights_are_looked_at_before_memory_is_taken(folder, monkeypatch):
    """A config may claim any size; until the file agrees it is built without memory."""
    built = []

    class Watched(CLIPVisionModelWithProjection):
        def __init__(self, config):
            super().__init__(config)
            built.append((next(self.parameters()).device.type, config.intermediate_size))

    monkeypatch.setattr('transformers.CLIPVisionModelWithProjection', Watched)
    tower = ModalityClip.from_clip(folder, ('event',), 4)
    assert tower.size == TINY and built == [('meta', 128), ('cpu', 128)]
    data = json.loads((folder / 'config.json').read_text())
    edit(folder / 'config.json', vision_config={**data['vision_config'],
                                                'intermediate_size': 16384})
    with pytest.raises(ConfigError, match=r'model\.safetensors: .*mlp\.fc.* is F32 .*; allowed'):
        ModalityClip.from_clip(folder, ('event',), 4)
    assert built[2:] == [('meta', 16384)]


@pytest.mark.parametrize('missing', ['config.json', 'model.safetensors', ''])
def test_a_missing_folder_or_file_says_what_to_put_where(folder, missing):
    if missing:
        (folder / missing).unlink()
    else:
        shutil.rmtree(folder)
    with pytest.raises(ConfigError, match=r'no CLIP at .*put config\.json and') as error:
        load_clip(ModalityClip(TINY, ()), folder)
    assert str(folder) in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize(('values', 'told'), [
    ({'model_type': 'bert'}, "model_type is 'bert'"),
    ({'vision_config': 3}, 'vision_config is 3'),
    ({'vision_config': {'hidden_size': 10**9}}, 'width is 1000000000'),
    ({'vision_config': {'hidden_act': 'eval'}}, "activation is 'eval'"),
    ({'vision_config': {'num_channels': 4}}, 'num_channels is 4'),
    ({'projection_dim': -1}, 'dim is -1')])
def test_a_config_that_is_no_such_clip(folder, values, told):
    edit(folder / 'config.json', **values)
    with pytest.raises(ConfigError, match=r'config\.json') as error:
        read_clip_size(folder)
    assert told in str(error.value) and 'allowed' in str(error.value)


def test_a_clip_of_another_size_names_what_differs(folder):
    with pytest.raises(ConfigError, match=r"'patch_px': 8.*the network has.*'patch_px': 32"):
        load_clip(ModalityClip(replace(TINY, patch_px=32), ()), folder)


@pytest.mark.parametrize(('spoil', 'told'), [
    (lambda t: {n: v for n, v in t.items() if 'layers.1' not in n}, 'are missing'),
    (lambda t: {**t, 'visual_projection.weight': torch.zeros(16, 31)}, r'F32 \[16, 31\]; allowed'),
    (lambda t: {**t, 'visual_projection.weight': torch.zeros(16, 32, dtype=torch.int64)}, 'I64'),
    (lambda t: {**t, 'visual_projection.weight': torch.full((16, 32), torch.nan)}, 'not finite')])
def test_weights_that_do_not_fit(folder, spoil, told):
    tower = ModalityClip(TINY, ())
    before = {name: value.clone() for name, value in tower.state_dict().items()}
    tensors = CLIPVisionModelWithProjection.from_pretrained(folder).state_dict()
    save_file(spoil(tensors), folder / 'model.safetensors')
    with pytest.raises(ConfigError, match=told):
        load_clip(tower, folder)
    assert all(torch.equal(value, before[name]) for name, value in tower.state_dict().items())


@pytest.mark.parametrize('data', [b'', b'rubbish', b'\xff' * 64, bytes(8) + b'{}'])
def test_a_damaged_file_is_one_line(folder, data):
    (folder / 'model.safetensors').write_bytes(data)
    with pytest.raises(ConfigError, match='cannot be read'):
        load_clip(ModalityClip(TINY, ()), folder)


def test_half_precision_is_read_too(folder):
    tensors = CLIPVisionModelWithProjection.from_pretrained(folder).state_dict()
    save_file({n: v.half() for n, v in tensors.items()}, folder / 'model.safetensors')
    tower = ModalityClip(TINY, ())
    load_clip(tower, folder)
    for name, value in tensors.items():
        assert torch.equal(tower.state_dict()[f'vision.{name}'], value.half().float())


@pytest.mark.slow
@pytest.mark.parametrize('file', ['config.json', 'model.safetensors'])
def test_what_is_damaged_is_refused_in_a_line_or_harmless(folder, file):
    tower, path = ModalityClip(TINY, ()), folder / file
    good, refused = path.read_bytes(), 0
    for case in range(150):
        rng = np.random.default_rng(case)
        path.write_bytes(broken_json(rng, json.loads(good)) if file == 'config.json'
                         else damaged(rng, good))
        try:
            load_clip(tower, folder)
        except ConfigError as error:
            refused += '\n' not in str(error)
    assert refused > 50


def write_adapter(folder, tower, name):
    place = folder / 'adapters' / name
    place.mkdir(parents=True)
    (place / 'adapter_config.json').write_text(json.dumps(adapter_config(tower.rank)))
    save_file(adapter_tensors(tower, name), place / 'adapter_model.safetensors')
    return place


@pytest.fixture
def trained(folder):
    """A tower whose adapters are in the folder beside its CLIP."""
    tower = ModalityClip(TINY, ('thermal', 'event'), rank=4)
    load_clip(tower, folder)
    torch.manual_seed(0)
    tower.load_state_dict({
        name: torch.randn_like(value) if name.startswith('adapters.') else value
        for name, value in tower.state_dict().items()})
    for name in tower.adapters:
        write_adapter(folder, tower, name)
    return tower


def test_adapters_come_back(folder, trained):
    other = ModalityClip(TINY, ('event',), rank=4)
    other.load_pretrained(folder)
    for name, value in other.state_dict().items():
        assert torch.equal(value, trained.state_dict()[name])


def test_peft_reads_an_adapter_as_its_own(folder, trained):
    vision = peft.PeftModel.from_pretrained(CLIPVisionModelWithProjection.from_pretrained(folder),
                                            str(folder / 'adapters' / 'thermal'))
    x_PCHW = torch.rand(2, 3, 32, 32) * 255
    with torch.no_grad():
        expected = vision(trained.pixels(x_PCHW)).image_embeds
    expected = torch.nn.functional.normalize(expected, dim=-1)
    torch.testing.assert_close(trained.embed(x_PCHW, ['thermal'] * 2), expected)


@pytest.mark.parametrize(('key', 'value'), [
    ('r', 8), ('lora_alpha', 4), ('peft_type', 'IA3'), ('use_rslora', True), ('use_dora', True)])
def test_an_adapter_of_another_kind(folder, trained, key, value):
    path = folder / 'adapters' / 'event' / 'adapter_config.json'
    edit(path, **{key: value})
    with pytest.raises(ConfigError, match=f'{key} is .*allowed'):
        trained.load_pretrained(folder)


def test_a_missing_adapter_says_what_trains_one(folder, trained):
    shutil.rmtree(folder / 'adapters' / 'event')
    with pytest.raises(ConfigError, match=r'no adapter at .*event.*training\.ma_clip'):
        trained.load_pretrained(folder)
