# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every training method: a contract over the table, and what each rung of the ladder trains on."""

import copy
import math

import pytest
import torch

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models import build_model
from training.losses import build_loss
from training.methods import METHODS
from training.methods.base import StudentNetwork, run_network, upsampled
from training.settings import read_section

PARTIAL = [[1, 0, 1, 0], [0, 0, 0, 1]]


def make_method(name, student, teacher, options=None):
    method = METHODS[name].build(
        build_loss('ce'), student, teacher if METHODS[name].needs_teacher else None, options)
    return method.train()


def terms_of(method, student, batch):
    network = StudentNetwork(student, with_features=True)
    logits, features = run_network(network, batch.images, batch.present)
    return method(logits, features, batch)


@pytest.mark.parametrize('name', METHODS)
@pytest.mark.parametrize('present', [pytest.param(None, marks=pytest.mark.slow), PARTIAL])
def test_every_method_gives_named_finite_scalars_that_train_the_student_alone(
        name, present, make_network, make_batch):
    student, teacher = make_network(1), make_network(2)
    before = copy.deepcopy(teacher.state_dict())
    method = make_method(name, student, teacher)
    terms = terms_of(method, student.train(), make_batch(present))
    assert 'ce' in terms and set(terms) <= set(method.weights)
    for term, value in terms.items():
        assert value.shape == () and torch.isfinite(value), term
    sum(method.weights[term] * value for term, value in terms.items()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all()
               for p in student.head.parameters())
    assert all(p.grad is None for p in teacher.parameters())
    assert not (METHODS[name].needs_teacher and teacher.training)
    assert all(torch.equal(value, teacher.state_dict()[key]) for key, value in before.items())


@pytest.mark.parametrize('name', [name for name, row in METHODS.items() if row.needs_teacher])
def test_maps_of_other_levels_are_refused(name, joint, make_network):
    student = build_model(joint, {'num_classes': 5})
    with pytest.raises(ConfigError, match='the student has 2 levels of maps, the teacher 4'):
        make_method(name, student, make_network())


def test_logits_reach_the_labels_with_pixels_as_areas():
    """Centre x of a fine pixel lies at (x + 1/2) / 4 - 1/2 of the coarse ones, as in labels that
    were made smaller; corners that coincide would shift the whole image."""
    ramp_1Khw = torch.arange(5.0).expand(1, 2, 3, 5)
    up = upsampled(ramp_1Khw, torch.zeros(1, 12, 20, dtype=torch.long))
    wanted = ((torch.arange(20.0) + 0.5) / 4 - 0.5).clamp(0.0, 4.0)
    torch.testing.assert_close(up, wanted.expand(1, 2, 12, 20))


@pytest.mark.parametrize('name', METHODS)
def test_unlabelled_batches_give_no_nan(name, make_network, make_batch):
    student, teacher = make_network(1), make_network(2)
    batch = make_batch(labels=torch.full((2, 64, 64), 255))
    terms = terms_of(make_method(name, student, teacher), student, batch)
    sum(terms.values()).backward()
    assert all(torch.isfinite(v) for v in terms.values())
    assert all(torch.isfinite(p.grad).all() for p in student.parameters() if p.grad is not None)


@pytest.mark.parametrize('name', METHODS)
def test_training_state_comes_back(name, make_network, make_batch):
    student, teacher = make_network(1), make_network(2)
    method = make_method(name, student, teacher)
    terms_of(method, student, make_batch())
    state = {key: value.clone() for key, value in method.training_state().items()}
    assert not any(key.startswith('teacher.') for key in state)
    other = make_method(name, student, teacher)
    other.load_training_state(state)
    assert all(torch.equal(value, other.training_state()[key]) for key, value in state.items())


PUBLISHED = {
    'supervised': {'ce': 1.0},
    # arXiv 2411.17141, equation 6 and section 4.
    'anyseg': {'ce': 1.0, 'mad': 50.0, 'umd': 5.0, 'cmd': 10.0},
    # RobustSeg, CVPR 2026, section 4: alpha, beta and gamma.
    'robustseg': {'ce': 1.0, 'kl': 50.0, 'cp': 100.0, 'ifv': 12.0},
    # arXiv 2509.24505, section 3 and table 3: lambda.
    'equiseg': {'ce': 1.0, 'sgm': 60.0},
    # arXiv 2603.28023, equation 6.
    'segrgbx': {'ce': 1.0, 'own': 1.0},
}


@pytest.mark.parametrize('name', METHODS)
def test_the_weights_are_the_published_ones(name, make_network):
    assert make_method(name, make_network(1), make_network(2)).weights == PUBLISHED[name]


@pytest.mark.parametrize(('name', 'option', 'least', 'most'), [
    *(('anyseg', weight, 0.0, 1e6) for weight in ('mad', 'umd', 'cmd')),
    *(('robustseg', weight, 0.0, 1e6) for weight in ('kl', 'cp', 'ifv')),
    ('equiseg', 'sgm', 0.0, 1e6),
    ('segrgbx', 'own', 0.0, 1e6),
    ('robustseg', 'pseudo_labels', 0.0, 1.0),
    ('robustseg', 'feedback.lr', 1e-12, 1.0),
    ('robustseg', 'feedback.ifv', 0.0, 1e6),
])
def test_numbers_from_least_to_most_and_no_others(name, option, least, most):
    section, _, key = option.rpartition('.')

    def read(value):
        return read_section(METHODS[name].options, 'method.options',
                            {section: {key: value}} if section else {key: value})

    read(least), read(most)
    for value in (math.nextafter(least, -1.0), math.nextafter(most, 2e6), math.nan, True):
        with pytest.raises(ConfigError, match=key):
            read(value)


def test_a_frozen_teacher_asks_for_no_gradient(make_network, make_batch):
    for name, row in METHODS.items():
        if row.needs_teacher:
            method = make_method(name, make_network(1), make_network(2))
            assert not any(p.requires_grad for p in method.teacher.parameters())


@pytest.mark.parametrize('name', METHODS)
def test_an_unknown_option_is_named(name, make_network):
    with pytest.raises(ConfigError, match='depht'):
        make_method(name, make_network(), make_network(), {'depht': 1})


def test_distillation_vanishes_when_student_and_teacher_agree(make_network, make_batch):
    teacher = make_network(1).eval()
    student = copy.deepcopy(teacher)
    batch = make_batch()
    terms = terms_of(make_method('robustseg', student, teacher, {'pairing': 'identity'}),
                     student.eval(), batch)
    for name in ('kl', 'cp', 'ifv'):
        assert float(terms[name].detach()) == pytest.approx(0.0, abs=1e-6), name
    terms = terms_of(make_method('anyseg', student, teacher), student.eval(), batch)
    for name in ('mad', 'umd', 'cmd'):
        assert float(terms[name].detach()) == pytest.approx(0.0, abs=1e-6), name


@pytest.mark.parametrize(('options', 'expected'), [
    ({'cp': 0, 'ifv': 0}, {'ce', 'kl'}),
    ({'cp': 0, 'ifv_modalities': 'all'}, {'ce', 'kl', 'ifv'}),
    ({'cp': 0, 'ifv_modalities': 'all', 'ifv_pairing': 'permutation'}, {'ce', 'kl', 'ifv'}),
    ({'ifv': 0}, {'ce', 'kl', 'cp'}),
    ({}, {'ce', 'kl', 'cp', 'ifv'}),
])
def test_rungs_of_the_ladder_have_their_terms(options, expected, make_network, make_batch):
    student, teacher = make_network(1), make_network(2)
    assert set(terms_of(make_method('robustseg', student, teacher, options), student,
                        make_batch(PARTIAL))) == expected


def test_published_weights(make_network):
    assert make_method('anyseg', make_network(), make_network()).weights == {
        'ce': 1.0, 'mad': 50.0, 'umd': 5.0, 'cmd': 10.0}
    assert make_method('robustseg', make_network(), make_network()).weights == {
        'ce': 1.0, 'kl': 50.0, 'cp': 100.0, 'ifv': 12.0}


def test_without_a_primary_modality_there_is_no_ifv(make_network, make_batch):
    student, teacher = make_network(1), make_network(2)
    options = {'primary': {'policy': 'fixed', 'names': ['rgb', 'depth']}}
    terms = terms_of(make_method('robustseg', student, teacher, options), student,
                     make_batch([[0, 0, 1, 0], [0, 0, 0, 1]]))
    assert float(terms['ifv'].detach()) == 0.0


@pytest.mark.parametrize(('primary', 'times'), [
    ({'policy': 'fixed', 'names': ['rgb', 'depth']}, 0), ({}, 1), ({'policy': 'per_sample'}, 1)])
def test_only_a_choice_by_scores_scores(primary, times, make_network, make_batch, monkeypatch):
    student = make_network(1)
    method = make_method('robustseg', student, make_network(2), {'primary': primary})
    update, seen = method.selection.update, []
    monkeypatch.setattr(method.selection, 'update', lambda *args: (
        seen.append(args), update(*args))[1])
    assert float(terms_of(method, student, make_batch())['ifv'].detach()) > 0.0
    assert len(seen) == times


@pytest.mark.parametrize('name', ['anyseg', 'robustseg'])
def test_a_larger_teacher_is_met_through_projections(name, make_network, make_batch):
    student, teacher = make_network(1), make_network(2, backbone='b1')
    method = make_method(name, student, teacher)
    assert len(method.own_parameters()) == 8
    terms = terms_of(method, student, make_batch(PARTIAL))
    sum(terms.values()).backward()
    assert all(p.grad is not None for p in method.own_parameters())


def test_a_teacher_of_the_same_size_needs_no_projection(make_network):
    assert make_method('anyseg', make_network(1), make_network(2)).own_parameters() == []


def test_pseudo_labels_let_unlabelled_recordings_train_on_prototypes(make_network, make_batch):
    student, teacher = make_network(1), make_network(2)
    batch = make_batch(labels=torch.full((2, 64, 64), 255))
    without = terms_of(make_method('robustseg', student, teacher), student, batch)
    filled = terms_of(make_method('robustseg', student, teacher, {'pseudo_labels': 1e-6}),
                      student, batch)
    assert float(without['cp'].detach()) == 0.0 and float(filled['cp'].detach()) > 0.0


def test_running_prototypes_are_kept_in_the_training_state(make_network, make_batch):
    student, teacher = make_network(1), make_network(2)
    method = make_method('robustseg', student, teacher, {'prototypes': 'ema'})
    terms_of(method, student, make_batch())
    assert method.bank.seen_LMK.any()
    assert any(key.startswith('bank.') for key in method.training_state())


