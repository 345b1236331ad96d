# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The student's feedback: only weak modalities' own weights of the teacher move."""

import copy
from dataclasses import replace

import pytest
import torch

from anymodal_seg_ros.errors import ConfigError
from training.devices import make_fabric
from training.losses import build_loss
from training.methods import METHODS
from training.methods.base import StudentNetwork
from training.methods.feedback import FeedbackLoop
from training.teacher_steps import TeacherSteps
from training.train_config import OptimConfig

pytestmark = pytest.mark.slow

FIXED = {'policy': 'fixed', 'names': ['rgb', 'depth']}


@pytest.fixture
def make_steps(make_network):
    def make(teacher, primary=FIXED, **feedback):
        student = make_network(1)
        method = METHODS['robustseg'].build(build_loss('ce'), student, teacher, {
            'primary': primary, 'feedback': {'lr': 1e-2, **feedback}})
        return TeacherSteps(method, make_fabric('cpu', 'fp32'), OptimConfig()), student

    return make


def changed(before, network):
    return {name for name, value in network.state_dict().items()
            if not torch.equal(value, before[name])}


@pytest.mark.parametrize('settings', [
    {'encoder': 'shared'}, {'encoder': 'adapters', 'stem': 'per_modality'},
    {'encoder': 'per_modality', 'stem': 'per_modality'}])
def test_only_what_weak_modalities_own_moves(settings, make_network, make_batch, make_steps):
    steps, student = make_steps(make_network(2, **settings))
    teacher = steps.teacher
    own = {name for name, p in teacher.named_parameters()
           for weak in ('lidar', 'event') for q in teacher.parameters_of(weak) if p is q}
    before = copy.deepcopy(teacher.state_dict())
    student_before = copy.deepcopy(student.state_dict())
    for step in range(2):
        values = steps.step(student, make_batch(), step, 1.0)
    assert set(values) == {'teacher_ce', 'teacher_ifv'}
    moved = changed(before, teacher)
    assert moved and moved <= own
    assert not changed(student_before, student)
    assert all(p.grad is None for p in student.parameters())


def test_the_teacher_learns_from_labels_and_as_much_from_the_student(make_network):
    for feedback, ifv in (({'lr': 1e-3}, 1.0), ({'ifv': 0.25}, 0.25)):
        method = METHODS['robustseg'].build(build_loss('ce'), make_network(1), make_network(2), {
            'primary': FIXED, 'feedback': feedback})
        loop = FeedbackLoop(StudentNetwork(method.teacher, with_features=True), method,
                            method.options.feedback)
        assert loop.weights == {'teacher_ce': 1.0, 'teacher_ifv': ifv}


def test_a_shared_teacher_starts_as_it_was(make_network, make_batch, make_steps):
    teacher = make_network(2).eval()
    batch = make_batch()
    expected = teacher(batch.images)
    steps, _ = make_steps(teacher)
    assert steps.teacher.config.encoder == 'adapters'
    torch.testing.assert_close(steps.teacher(batch.images), expected)


@pytest.mark.parametrize('settings', [
    {'encoder': 'shared'}, {'encoder': 'shared', 'stem': 'per_modality'},
    {'encoder': 'adapters', 'stem': 'per_modality'},
    {'encoder': 'per_modality', 'stem': 'per_modality'}])
def test_soft_freeze_moves_the_shared_encoder_and_what_weak_modalities_own(
        settings, make_network, make_batch, make_steps):
    steps, student = make_steps(make_network(2, **settings), trainable='soft_freeze')
    teacher = steps.teacher
    before = copy.deepcopy(teacher.state_dict())
    for step in range(2):
        steps.step(student, make_batch(), step, 1.0)
    moved = changed(before, teacher)
    assert all(name.startswith(('encoder.', 'adapters.')) for name in moved)
    names = {id(p): name for name, p in teacher.named_parameters()}
    for modality in teacher.config.modalities:
        own = {names[id(p)] for p in teacher.parameters_of(modality)}
        assert own <= moved if modality in ('lidar', 'event') else not own & moved
    assert settings['encoder'] == 'per_modality' or 'encoder.stages.0.norm.weight' in moved


@pytest.mark.parametrize('primary', [
    {'policy': 'fixed', 'names': ['rgb', 'depth', 'lidar', 'event']},
    {'count': 4}, {'policy': 'per_sample', 'count': 4}])
def test_feedback_with_every_modality_primary_is_refused(primary, make_network, make_steps):
    with pytest.raises(ConfigError, match='no weak modality to teach'):
        make_steps(make_network(2), primary)


def test_a_batch_without_labels_is_passed_over(make_steps, make_network, make_batch):
    steps, student = make_steps(make_network(2))
    before = copy.deepcopy(steps.teacher.state_dict())
    batch = make_batch(labels=torch.full((2, 64, 64), 255))
    assert steps.step(student, batch, 0, 1.0) == {}
    assert not changed(before, steps.teacher)


def test_a_batch_without_weak_sensors_is_passed_over(make_steps, make_network, make_batch):
    steps, student = make_steps(make_network(2))
    batch = make_batch()
    available = torch.tensor([[True, True, False, False]] * 2)
    images = {name: batch.teacher_images[name] for name in ('rgb', 'depth')}
    partial = replace(batch, available=available, teacher_images=images)
    assert steps.step(student, partial, 0, 1.0) == {}


def test_it_runs_only_when_due(make_network, make_batch, make_steps):
    steps, student = make_steps(make_network(2), every=3)
    due = [bool(steps.step(student, make_batch(), step, 1.0)) for step in range(4)]
    assert due == [True, False, False, True]


def test_the_teacher_s_norms_and_biases_are_not_decayed(make_network, make_steps):
    steps, _ = make_steps(make_network(2))
    decayed, free = steps._optimizer.param_groups
    assert decayed['weight_decay'] > 0 and free['weight_decay'] == 0
    assert {p.ndim for p in decayed['params']} == {2} and {p.ndim for p in free['params']} == {1}


def test_its_state_comes_back(make_network, make_batch, make_steps):
    steps, student = make_steps(make_network(2))
    steps.step(student, make_batch(), 0, 1.0)
    state = copy.deepcopy(steps.state())
    other, _ = make_steps(make_network(2))
    other.load(state)
    for chosen in (steps, other):
        chosen.step(student, make_batch(seed=1), 1, 1.0)
    assert not changed(steps.teacher.state_dict(), other.teacher)


def test_the_paper_s_rate_is_the_default(make_network):
    options = METHODS['robustseg'].build(build_loss('ce'), make_network(), make_network(),
                                   {'feedback': {'every': 1}}).feedback
    assert options.lr == 6e-6 and options.trainable == 'own'


def test_wrong_settings_are_named(make_network):
    with pytest.raises(ConfigError, match='evry'):
        METHODS['robustseg'].build(build_loss('ce'), make_network(), make_network(),
                             {'feedback': {'evry': 1}})
