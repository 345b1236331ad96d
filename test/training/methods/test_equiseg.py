# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Self-guidance as a training method: what it adds, its variants, that no trace of it stays."""

import pytest
import torch

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models import build_model
from training.losses import build_loss
from training.losses.prototypes import class_prototypes
from training.losses.self_guidance import draw_groups, prototype_guidance
from training.methods import METHODS
from training.methods.base import StudentNetwork, run_network

pytestmark = pytest.mark.slow

SETTINGS = {'backbone': 'b0', 'head_dim': 16, 'num_classes': 5, 'drop_path': 0.0}


def network_of(**settings):
    torch.manual_seed(0)
    return build_model('equiseg', {**SETTINGS, **settings})


def terms_of(options, batch, network):
    method = METHODS['equiseg'].build(build_loss('ce'), network, None, options)
    logits, features = run_network(StudentNetwork(network, with_features=True), batch.images,
                                   batch.present)
    torch.manual_seed(7)
    return method, features, method(logits, features, batch)


def test_the_term_is_the_guidance_of_the_maps_that_are_averaged(make_batch):
    network, batch = network_of().eval(), make_batch([[1, 1, 1, 0], [1, 1, 1, 1]])
    method, features, terms = terms_of({}, batch, network)
    assert set(terms) == {'ce', 'sgm'} and method.weights['sgm'] == 60.0
    torch.manual_seed(7)
    wanted = prototype_guidance(features, class_prototypes(features, batch.labels, 5),
                                draw_groups(features))
    assert torch.equal(terms['sgm'], wanted) and wanted > 0
    fused = network.fuse(features)
    for x_PHWC, mean_BHWC in zip(features.maps, fused, strict=True):
        torch.testing.assert_close(x_PHWC[features.sample_P == 1].mean(0), mean_BHWC[1],
                                   rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('options', [
    {}, {'sgm': 1}, {'sgm': 40}, {'sgm': 80}, {'prototypes': False}, {'grouping': 'cosine'},
    {'prototypes': False, 'grouping': 'cosine'}, {'detach_teacher': False}], ids=str)
@pytest.mark.parametrize('profile', ['parity', 'one_hub', 'lite'])
def test_each_row_of_the_ablation_trains(options, profile, make_batch):
    network = network_of(profile=profile).train()
    method, _, terms = terms_of(options, make_batch(), network)
    assert method.weights['sgm'] == options.get('sgm', 60.0)
    terms['sgm'].backward()
    assert terms['sgm'] > 0
    reached = [p.grad is not None and bool(p.grad.any()) for p in network.encoder.parameters()]
    assert sum(reached) > 0.9 * len(reached)
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


@pytest.mark.parametrize('settings', [
    {'hub': 'mean'}, {'cross_attention': False}, {'residual': False}], ids=str)
def test_each_network_of_the_ablation_trains(settings, make_batch):
    network = network_of(**settings).train()
    method, _, terms = terms_of({}, make_batch(), network)
    sum(method.weights[name] * value for name, value in terms.items()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


def test_variants_differ(make_batch):
    found = [float(terms_of(options, make_batch(), network_of().eval())[2]['sgm'].detach())
             for options in ({}, {'prototypes': False}, {'grouping': 'cosine'})]
    assert len(set(found)) == 3


def test_weight_0_leaves_the_term_out(make_batch):
    assert set(terms_of({'sgm': 0}, make_batch(), network_of())[2]) == {'ce'}


@pytest.mark.parametrize(('ramp', 'weights'), [
    (0.0, [60.0, 60.0, 60.0, 60.0]), (0.5, [0.0, 30.0, 60.0, 60.0])])
def test_its_weight_rises_on_the_ramp_alone(ramp, weights, make_batch):
    """The term is there from the start, so that every line of the log has it."""
    method, _, terms = terms_of({'ramp': ramp}, make_batch(), network_of())
    assert set(terms) == {'ce', 'sgm'}
    for progress, weight in zip((0.0, 0.25, 0.5, 0.9), weights, strict=True):
        method.begin_step(progress)
        assert method.weights == {'ce': 1.0, 'sgm': weight}


def test_nothing_of_it_is_kept(make_batch):
    network = network_of()
    names = set(network.state_dict())
    method, _, _ = terms_of({}, make_batch(), network)
    assert method.own_parameters() == [] and method.training_state() == {}
    assert set(network.state_dict()) == names
    assert not any('sgm' in name or 'guid' in name for name in names)


@pytest.mark.parametrize(('options', 'message'), [
    ({'grouping': 'sorted'}, "grouping is 'sorted'"), ({'sgm': -1}, 'sgm'),
    ({'prototypes': 'no'}, 'prototypes'), ({'ramp': 1}, 'ramp is 1'),
    ({'detach_teacher': 1}, 'detach_teacher')])
def test_wrong_options_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        METHODS['equiseg'].build(build_loss('ce'), network_of(), None, options)
