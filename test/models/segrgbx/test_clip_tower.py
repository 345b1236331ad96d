# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MA-CLIP's tower: without an adapter transformers' CLIP, with one peft's."""

import copy
import sys

import peft
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPVisionModelWithProjection

from anymodal_seg_ros.errors import ConfigError, MissingDependencyError
from anymodal_seg_ros.models.segrgbx.clip_adapters import DROPOUT, TARGETS, adapter_tensors
from anymodal_seg_ros.models.segrgbx.clip_folder import load_clip
from anymodal_seg_ros.models.segrgbx.clip_tower import CLIP_SIZES, ModalityClip

TINY = CLIP_SIZES['tiny']
ADAPTERS = ('thermal', 'event')
CLOSE = {'rtol': 1e-4, 'atol': 1e-5}
"""Kernels add up in another order for another number of rows."""


@pytest.fixture
def tower(tiny_clip):
    built = ModalityClip(TINY, ADAPTERS, rank=4)
    load_clip(built, tiny_clip)
    return built


@pytest.fixture
def x_PCHW():
    torch.manual_seed(0)
    return torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)


def wake(tower, *adapters):
    """Give adapters weights with which they change something."""
    torch.manual_seed(1)
    state = tower.state_dict()
    for name, value in state.items():
        if name.startswith(tuple(f'adapters.{adapter}.' for adapter in adapters)):
            state[name] = 0.2 * torch.randn_like(value)
    tower.load_state_dict(state)


def answer_of(vision, x_PCHW):
    """Of a model of the libraries; CLIP's statistics as its authors give them, for 0..1."""
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]
    with torch.no_grad():
        return F.normalize(vision.eval()((x_PCHW / 255 - mean) / std).image_embeds, dim=-1)


@pytest.mark.parametrize('adapter', [None, 'thermal'])
def test_without_or_with_a_fresh_adapter_it_is_the_clip_of_transformers(
    tower, tiny_clip, x_PCHW, adapter
):
    expected = answer_of(CLIPVisionModelWithProjection.from_pretrained(tiny_clip), x_PCHW)
    torch.testing.assert_close(tower.embed(x_PCHW, [adapter] * 4), expected, **CLOSE)


def test_with_a_trained_adapter_it_is_what_peft_makes_of_it(tower, tiny_clip, x_PCHW):
    wake(tower, 'thermal', 'event')
    vision = peft.get_peft_model(
        CLIPVisionModelWithProjection.from_pretrained(tiny_clip),
        peft.LoraConfig(r=4, lora_alpha=8, target_modules=list(TARGETS)))
    peft.set_peft_model_state_dict(vision, adapter_tensors(tower, 'event'))
    torch.testing.assert_close(tower.embed(x_PCHW, ['event'] * 4), answer_of(vision, x_PCHW),
                               **CLOSE)


def test_an_adapter_changes_its_own_rows_alone(tower, x_PCHW):
    rows = ['event', None, 'thermal', 'event']
    before = tower.embed(x_PCHW, rows)
    wake(tower, 'event')
    after = tower.embed(x_PCHW, rows)
    torch.testing.assert_close(after[1:3], before[1:3], **CLOSE)
    assert (F.cosine_similarity(after, before)[[0, 3]] < 0.99).all()


def test_rows_of_several_adapters_are_as_each_alone(tower, x_PCHW):
    wake(tower, *ADAPTERS)
    rows = ['event', None, 'thermal', 'event']
    together = tower.embed(x_PCHW, rows)
    for row, adapter in enumerate(rows):
        alone = tower.embed(x_PCHW[row:row + 1], [adapter])
        torch.testing.assert_close(together[row:row + 1], alone, **CLOSE)


def test_an_image_is_shrunk_whole_and_smoothly(tower):
    """Each pixel four times in a row and in a column: the same image, whichever the filter."""
    torch.manual_seed(2)
    plain = torch.rand(1, 3, 4, 4) * 255
    small = plain.repeat_interleave(8, 2).repeat_interleave(8, 3)
    wide = plain.repeat_interleave(16, 2).repeat_interleave(32, 3)
    torch.testing.assert_close(tower.embed(wide, [None]), tower.embed(small, [None]),
                               rtol=0, atol=0.03)
    # Stripes of a pixel, thrice as fine as what they are shrunk to: grey, but for the filter's few
    # levels of 255.
    stripes = torch.zeros(1, 3, 96, 96)
    stripes[..., ::2] = 255
    grey = torch.full_like(stripes, 127.5)
    torch.testing.assert_close(tower.pixels(stripes)[..., 8:-8], tower.pixels(grey)[..., 8:-8],
                               rtol=0, atol=0.05)


def test_vectors_are_of_unit_length_and_float32_in_any_precision(tower, x_PCHW):
    wake(tower, *ADAPTERS)
    rows = ['event', None, 'thermal', 'event']
    full = tower.embed(x_PCHW, rows)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(tower.embed(x_PCHW, rows), full)
    half = tower.to(torch.bfloat16).embed(x_PCHW, rows)
    for s_PD in (full, half):
        assert s_PD.dtype == torch.float32
        torch.testing.assert_close(s_PD.norm(dim=-1), torch.ones(4))
    # bfloat16 keeps eight bits of each of some hundred sums.
    assert (F.cosine_similarity(half, full) > 0.99).all()


def test_it_is_frozen_whatever_is_asked_of_the_network_around_it(tower, x_PCHW):
    network = nn.Sequential(tower, nn.Dropout()).train()
    wake(tower, *ADAPTERS)
    assert not any(part.training for part in tower.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not tower.embed(x_PCHW, ['event'] * 4).requires_grad
    assert torch.equal(tower.embed(x_PCHW, ['event'] * 4), tower.embed(x_PCHW, ['event'] * 4))


def test_only_the_adapter_in_use_learns(tower, x_PCHW):
    tower.learn(on=True)
    tower(x_PCHW, 'event').sum().backward()
    reached = {name for name, value in tower.state_dict(keep_vars=True).items()
               if value.grad is not None}
    assert reached and all(name.startswith('adapters.event.') for name in reached)
    assert len(reached) == len([n for n in tower.state_dict() if 'adapters.event.' in n])
    tower.learn(on=False)
    assert not tower(x_PCHW, 'event').requires_grad


def test_an_adapter_drops_out_while_it_learns(tower, x_PCHW):
    wake(tower, 'event')
    tower.learn(on=True)
    dropouts = [part for part in tower.modules() if isinstance(part, nn.Dropout)]
    assert dropouts and all(part.p == DROPOUT and part.training for part in dropouts)
    assert not torch.equal(tower(x_PCHW, 'event'), tower(x_PCHW, 'event'))


@pytest.mark.parametrize('rows', [[], ['event'], ['event', None, None, 'depth']])
def test_rows_and_adapters_must_fit(tower, x_PCHW, rows):
    with pytest.raises(ValueError, match='adapter'):
        tower.embed(x_PCHW, rows)


@pytest.mark.parametrize(('adapters', 'rank'), [
    (('event', 'event'), 4), (('a.b',), 4), (('event',), 0), (('event',), 1000)])
def test_settings_that_are_not_allowed(adapters, rank):
    with pytest.raises(ConfigError, match='allowed'):
        ModalityClip(TINY, adapters, rank)


def test_several_adapters_come_without_a_warning(recwarn):
    ModalityClip(TINY, ADAPTERS, 4)
    assert not [each for each in recwarn if 'peft_config' in str(each.message)]


def test_names_in_the_state_are_those_of_transformers_and_own_ones(tower, tiny_clip):
    plain = CLIPVisionModelWithProjection.from_pretrained(tiny_clip).state_dict()
    state = tower.state_dict()
    assert {name for name in state if not name.startswith('adapters.')} == {
        f'vision.{name}' for name in plain}
    layer = 'vision_model.encoder.layers.0.self_attn.q_proj'
    assert state[f'adapters.event.{layer}.lora_A.weight'].shape == (4, 32)
    assert state[f'adapters.event.{layer}.lora_B.weight'].shape == (32, 4)
    assert all(value.is_floating_point() for value in state.values())


def test_the_state_goes_through_a_network_around_it(tower, x_PCHW):
    wake(tower, *ADAPTERS)
    network = nn.ModuleDict({'before': nn.Linear(2, 2), 'clip': tower})
    other = nn.ModuleDict({'before': nn.Linear(2, 2), 'clip': ModalityClip(TINY, ADAPTERS, 4)})
    other.load_state_dict(network.state_dict())
    assert torch.equal(other['clip'].embed(x_PCHW, ['event'] * 4),
                       tower.embed(x_PCHW, ['event'] * 4))


def test_a_copy_is_a_tower_of_its_own(tower, x_PCHW):
    copied = copy.deepcopy(tower)
    wake(copied, 'event')
    fresh = tower.embed(x_PCHW, [None] * 4)
    torch.testing.assert_close(tower.embed(x_PCHW, ['event'] * 4), fresh, **CLOSE)
    assert not torch.allclose(copied.embed(x_PCHW, ['event'] * 4), fresh, atol=1e-3)


class Answer(nn.Module):
    """What a network does with it: rows of two adapters and none, of images of another size."""

    def __init__(self, tower):
        super().__init__()
        self.tower = tower

    def forward(self, x_PCHW):
        return self.tower.embed(x_PCHW, ['event', None, 'thermal', 'event'])


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore::torch.jit.TracerWarning', 'ignore::DeprecationWarning')
@pytest.mark.parametrize('record', [
    lambda module, x: torch.jit.trace(module, x),
    lambda module, x: torch.export.export(module, (x,), strict=False).module()],
    ids=['trace', 'export'])
def test_it_can_be_recorded_as_a_graph(tower, record):
    wake(tower, *ADAPTERS)
    torch.manual_seed(3)
    x_PCHW, other_PCHW = 255 * torch.rand(2, 4, 3, 40, 56)
    graph = record(Answer(tower), x_PCHW)
    torch.testing.assert_close(graph(other_PCHW), Answer(tower)(other_PCHW), **CLOSE)


def test_parameters_of_the_papers_clip():
    with torch.device('meta'):
        tower = ModalityClip(CLIP_SIZES['vit_b_16'], ('event', 'thermal'))
    sizes = {name: value.numel() for name, value in tower.state_dict().items()}
    of_adapter = sum(n for name, n in sizes.items() if name.startswith('adapters.thermal.'))
    vision = sum(n for name, n in sizes.items() if name.startswith('vision.'))
    # Four layers of 768 to 768 in twelve blocks, each by way of 16 channels.
    assert of_adapter == 12 * 4 * 2 * 16 * 768 == 1_179_648
    # 16 x 16 patches; a class and 197 places; 12 blocks of two norms, four layers of attention
    # and two of 3072; two norms; projection to 512.
    block = 2 * 2 * 768 + 4 * (768 * 768 + 768) + 2 * 768 * 3072 + 3072 + 768
    assert vision == (768 * 3 * 16 * 16 + 768 + 197 * 768 + 12 * block + 2 * 2 * 768 + 768 * 512)
    assert round(vision / 1e6, 2) == 86.19


def test_operations_of_the_papers_clip():
    """35.1 GMAC for the two images of a pair at 224 x 224."""
    with torch.device('meta'):
        tower = ModalityClip(CLIP_SIZES['vit_b_16'], ())
    with FlopCounterMode(display=False) as counter:
        tower(torch.empty(2, 3, 224, 224, device='meta'), None)
    block = 197 * (4 * 768 * 768 + 2 * 768 * 3072) + 2 * 197 * 197 * 768
    image = 196 * 768 * 3 * 16 * 16 + 12 * block + 768 * 512
    assert counter.get_total_flops() == 2 * 2 * image
    assert round(2 * image / 1e9, 1) == 35.1


@pytest.mark.parametrize('library', ['transformers', 'peft'])
def test_without_the_libraries_one_line_says_what_to_install(monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingDependencyError, match='pip install transformers peft') as caught:
        ModalityClip(TINY, ADAPTERS)
    assert '\n' not in str(caught.value)
