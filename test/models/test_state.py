# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is a modality's own, and weights that move between forms of a network. Layer: models."""

import re

import pytest
import torch

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models import build_model
from anymodal_seg_ros.models.adapters import Adapter
from anymodal_seg_ros.models.state import load_state

pytestmark = pytest.mark.slow

MODALITIES = ('rgb', 'depth', 'lidar', 'event')
OWN_STEMS = {'stem': 'per_modality'}
ADAPTERS = {'encoder': 'adapters', **OWN_STEMS}
ENCODERS = {'encoder': 'per_modality', **OWN_STEMS}
RELIABILITY = {'fusion': 'reliability'}


def network(settings, seed=0):
    torch.manual_seed(seed)
    return build_model('m_segformer', {'num_classes': 7, **settings}).eval()


@pytest.mark.parametrize('dim', [8, 32, 160])
def test_a_new_adapter_is_the_identity(dim):
    x = torch.randn(2, 3, 4, dim)
    adapter = Adapter(dim)
    assert torch.equal(adapter(x), x)
    assert adapter.down.out_features == max(dim // 4, 8)


def test_an_adapter_changes_only_its_modality(images):
    model = network(ADAPTERS)
    with torch.inference_mode():
        before = model.encode(images)
        model.adapters['lidar'][1].up.bias.fill_(1.0)
        after = model.encode(images)
    for stage, (x_PHWC, y_PHWC) in enumerate(zip(before.maps, after.maps, strict=True)):
        changed = (x_PHWC != y_PHWC).flatten(1).any(1)
        expected = before.modality_P == MODALITIES.index('lidar')
        assert changed.tolist() == (expected & (stage >= 1)).tolist()


@pytest.mark.parametrize(
    ('source', 'target'),
    [
        ({}, {}),
        ({}, OWN_STEMS),
        ({}, {'encoder': 'adapters'}),
        ({}, ADAPTERS),
        ({}, ENCODERS),
        ({}, {**ENCODERS, **RELIABILITY}),
        (OWN_STEMS, ADAPTERS),
        (OWN_STEMS, ENCODERS),
        (ADAPTERS, {**ADAPTERS, **RELIABILITY}),
        (ENCODERS, ENCODERS),
    ],
)
def test_a_network_that_shares_less_gives_the_same(images, source, target):
    teacher, student = network(source), network(target, seed=1)
    state = {name: value.clone() for name, value in teacher.state_dict().items()}
    load_state(student, state)
    with torch.inference_mode():
        expected, logits = teacher(images), student(images)
    assert (logits - expected).abs().max() < 1e-5 * expected.abs().max()
    assert all(torch.equal(value, state[name]) for name, value in teacher.state_dict().items())


def test_copies_are_not_shared():
    student = network(ENCODERS)
    load_state(student, network({}, seed=1).state_dict())
    rgb, lidar = student.encoder['rgb'], student.encoder['lidar']
    with torch.no_grad():
        rgb.stages[0].norm.weight.fill_(3.0)
    assert lidar.stages[0].norm.weight[0] == 1.0


@pytest.mark.parametrize(
    ('source', 'target', 'message'),
    [
        (ENCODERS, {}, 'unexpected'),
        (ADAPTERS, OWN_STEMS, 'unexpected 64: adapters.depth.0.down.bias'),
        (RELIABILITY, {}, 'unexpected 4: scores.levels.0.weight'),
        ({'num_classes': 9}, {}, 'head.classifier.weight is (9, 256, 1, 1), not (7, 256, 1, 1)'),
        ({'modalities': ('rgb', 'depth')}, OWN_STEMS, 'mean_M3 is (2, 3), not (4, 3)'),
    ],
)
def test_weights_that_do_not_fit_are_named(source, target, message):
    model = network(target)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ConfigError, match=re.escape(message)):
        load_state(model, network(source).state_dict())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_parts_that_are_there_only_in_part_are_named():
    state = network(ADAPTERS).state_dict()
    state.pop('adapters.rgb.2.up.bias')
    state.pop('encoder.stages.0.norm.bias')
    message = 'missing 2: adapters.rgb.2.up.bias, encoder.stages.0.norm.bias'
    with pytest.raises(ConfigError, match=message):
        load_state(network(ADAPTERS), state)


def test_own_parameters_are_those_that_a_modality_alone_uses(model, images):
    own = {m: {id(p) for p in model.parameters_of(m)} for m in MODALITIES}
    everything = {id(p) for p in model.parameters()}
    assert set.union(*own.values()) <= everything
    for modality, mine in own.items():
        model.zero_grad(set_to_none=True)
        model({modality: images[modality]}).square().mean().backward()
        used = {id(p) for p in model.parameters() if p.grad is not None}
        assert mine <= used
        for other in MODALITIES:
            if other != modality:
                assert not own[other] & (used | mine)


@pytest.mark.parametrize(
    ('settings', 'count'),
    [({}, 0), (OWN_STEMS, 4), ({'encoder': 'adapters'}, 16), (ADAPTERS, 20), (ENCODERS, 176)],
)
def test_number_of_own_parameters(settings, count):
    with torch.device('meta'):
        model = network(settings)
    assert [len(model.parameters_of(m)) for m in MODALITIES] == [count] * 4


def test_an_unknown_modality_is_named():
    with torch.device('meta'):
        model = network({})
    with pytest.raises(ConfigError, match="unknown modality 'radar'; the network has rgb, depth"):
        model.parameters_of('radar')
