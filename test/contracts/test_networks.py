# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every row of ``MODELS`` promises, and a network of the tests: one file and one row."""

import json
import re
from contextlib import nullcontext
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from anymodal_seg_ros.bundle import Bundle
from anymodal_seg_ros.bundle.weights import load_bundle, save_bundle
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.inference.torch_backend import TorchSegmenter
from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.models import (
    FEATURES,
    GUIDED,
    MISSING_MODES,
    MODELS,
    SEPARABLE,
    build_model,
    modality_subsets,
    model_name,
)
from anymodal_seg_ros.models.abilities import FeatureNetwork, GuidedNetwork, SeparableNetwork
from anymodal_seg_ros.models.network import STATISTICS, Network
from training.batch import Batch
from training.checkpoint import KEYS, save_checkpoint
from training.checkpoint_bundle import export
from training.datasets import Frame
from training.devices import make_fabric
from training.losses import build_loss
from training.methods import METHODS
from training.methods.base import StudentNetwork, run_network, weighted_total
from training.methods.feedback_options import TRAINABLE
from training.preparation import check_networks
from training.subset_network import subset_network
from training.teacher_steps import TeacherSteps
from training.train_config import OptimConfig, TrainConfig

pytestmark = pytest.mark.slow

SENSORS = ('rgb', 'depth', 'lidar', 'event')
SUBSETS = modality_subsets(SENSORS)
NUM_CLASSES = 5
SIZE_HW = (64, 96)
BATCH = 3
SPACE = LabelSpace('five', tuple('abcde'), tuple((i, i, i) for i in range(NUM_CLASSES)))
SETTINGS = {'num_classes': NUM_CLASSES, 'modalities': list(SENSORS),
            'mean': {'lidar': [1.0, 2.0, 3.0]}, 'std': {'depth': [40.0, 50.0, 60.0]}}
ERROR = {'fp32': 1e-5, 'bf16': 0.05}
"""Of a logit, in the largest: rounding of the sums that kernels take in orders of their own."""


@pytest.fixture(params=[*MODELS, 'toy', 'joint'])
def name(request, toy, joint):
    """A row; those of the tests are there for all, so that every test meets more than one."""
    return request.param


@pytest.fixture
def network(name):
    return network_of(name)


def network_of(name, seed=0, **changes):
    torch.manual_seed(seed)
    model = build_model(name, {**SETTINGS, **MODELS[name].smallest, **changes})
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = None
    # A fresh network is nearly blind: statistics of real inputs let its labels depend on them.
    with torch.no_grad():
        model.train()(images_of(seed=9))
    return model.eval()


def images_of(seed=1, batch=BATCH, size_hw=SIZE_HW):
    """Squares of 16 pixels."""
    generator = torch.Generator().manual_seed(seed)
    small_hw = [side // 16 for side in size_hw]
    return {sensor: torch.randint(0, 256, (batch, 3, *small_hw), generator=generator,
                                  dtype=torch.uint8).repeat_interleave(16, 2)
            .repeat_interleave(16, 3) for sensor in SENSORS}


def bundle_of(name, **changes):
    return Bundle(**{
        'model_name': name, 'model_config': {**SETTINGS, **MODELS[name].smallest},
        'encoders': {sensor: {} for sensor in SENSORS}, 'label_space': SPACE,
        'short_side_px': SIZE_HW[0], **changes})


def assert_close(found, wanted, error=ERROR['fp32']):
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() <= error * wanted.abs().max()


PRESENT_BM = torch.tensor([[True, True, True, False],
                           [False, True, True, False],
                           [True, False, False, False]])
"""Of three, two and one."""


def test_a_row_says_what_its_network_is(name, network):
    row = MODELS[name]
    assert type(network) is row.network_class() and isinstance(network, Network)
    assert type(network.config) is row.config and model_name(network.config) == name
    assert (FEATURES in row.abilities) == isinstance(network, FeatureNetwork)
    assert (SEPARABLE in row.abilities) == isinstance(network, SeparableNetwork)
    assert (GUIDED in row.abilities) == isinstance(network, GuidedNetwork)


def test_settings_are_plain_data(network):
    plain = json.loads(json.dumps(network.config.to_dict()))
    assert type(network.config).from_dict(plain) == network.config
    with pytest.raises(ConfigError, match='unknown model setting'):
        type(network.config).from_dict({**plain, 'no_such_setting': 1})


def test_each_subset_has_its_own_logits(network):
    images = images_of()
    seen = []
    with torch.no_grad():
        for subset in SUBSETS:
            chosen = {sensor: images[sensor] for sensor in subset}
            logits = network.logits(chosen)
            assert logits.shape[:2] == (BATCH, NUM_CLASSES) and torch.isfinite(logits).all()
            full = network(chosen)
            assert full.shape == (BATCH, NUM_CLASSES, *SIZE_HW)
            torch.testing.assert_close(full, F.interpolate(
                logits, size=SIZE_HW, mode='bilinear', align_corners=False))
            turned = network.logits(dict(reversed(chosen.items())))
            assert_close(turned, logits)
            seen.append(full)
    for i, a in enumerate(seen):
        assert all((a - b).abs().max() > 1e-3 * a.abs().max() for b in seen[:i])


@pytest.mark.parametrize('missing', MISSING_MODES)
def test_what_lies_in_a_masked_slot_changes_nothing(network, missing):
    images = {sensor: image.float() for sensor, image in images_of().items() if sensor != 'event'}
    garbage = {sensor: image.clone() for sensor, image in images.items()}
    for i, sensor in enumerate(images):
        garbage[sensor][~PRESENT_BM[:, i]] = float('nan')
    with torch.no_grad():
        wanted = network.logits(images, PRESENT_BM, missing)
        assert torch.equal(network.logits(garbage, PRESENT_BM, missing), wanted)
        assert torch.isfinite(wanted).all()
        for i, row_M in enumerate(PRESENT_BM):
            alone = {sensor: images[sensor][i:i + 1] for j, sensor in enumerate(SENSORS)
                     if row_M[j]}
            assert_close(wanted[i:i + 1], network.logits(alone, missing=missing))


def test_missing_modes_differ(network):
    with torch.no_grad():
        drop, zero = (network.logits({'depth': images_of()['depth']}, missing=missing)
                      for missing in MISSING_MODES)
    assert (drop - zero).abs().max() > 1e-3 * drop.abs().max()


def test_wrong_input_is_named(network):
    images = images_of()
    for wrong, message in (
            (lambda: network.logits({}), 'no images'),
            (lambda: network.logits({'radar': images['rgb']}), "unknown modality 'radar'"),
            (lambda: network.logits({'rgb': images['rgb'][..., :16]}),
             r'rgb images are \(3, 3, 64, 16\); allowed: .* H and W of 32'),
            (lambda: network.logits({'rgb': images['rgb'][:0]}),
             r'rgb images are \(0, 3, 64, 96\); allowed: .* B of at least 1'),
            (lambda: network.logits(images, PRESENT_BM[:2]), r'allowed: bool \(3, 4\)'),
            (lambda: network.logits(images, PRESENT_BM & False), 'no present modality'),
            (lambda: network.logits(images, missing='mean'), "missing is 'mean'; allowed: drop"),
            (lambda: network.logits_of_subsets(images, [()]), r'subset is \(\); allowed'),
            (lambda: network.logits_of_subsets(
                {'rgb': images['rgb']}, [('depth',)]), r"subset is \('depth',\); allowed")):
        with pytest.raises(ValueError, match=message):
            wrong()
    with pytest.raises(ConfigError, match="unknown modality 'radar'"):
        network.parameters_of('radar')


@pytest.mark.parametrize('missing', MISSING_MODES)
def test_all_work_is_where_the_weights_are(name, monkeypatch, missing):
    """The meta device stands for a GPU: what mixes it with the CPU, which has masks, fails."""
    # It has no autocast, which would change numbers and not places.
    monkeypatch.setattr(torch, 'autocast', lambda *args, **options: nullcontext())
    with torch.device('meta'):
        network = build_model(name, {**SETTINGS, **MODELS[name].smallest})
        images = {sensor: torch.empty(BATCH, 3, *SIZE_HW) for sensor in SENSORS}
    logits = network.train()(images, PRESENT_BM, missing)
    assert logits.device.type == 'meta' and logits.shape == (BATCH, NUM_CLASSES, *SIZE_HW)
    logits.sum().backward()
    network.prepare_for_inference(torch.bfloat16)
    with torch.inference_mode():
        found = network.logits_of_subsets(images, SUBSETS[::4], missing)
        assert {x.device.type for x in found.values()} == {'meta'}
        assert network.logits(images, PRESENT_BM, missing).device.type == 'meta'


def test_normalised_images_have_a_way_in(network):
    images = images_of()
    x = {sensor: (image.float() - torch.tensor(network.config.mean[sensor])[:, None, None])
         / torch.tensor(network.config.std[sensor])[:, None, None]
         for sensor, image in images.items()}
    with torch.no_grad():
        assert_close(network.logits_of_normalized(x), network.logits(images))
        given = {sensor: x[sensor] for sensor in SENSORS[:3]}
        assert_close(network.logits_of_normalized(given, PRESENT_BM),
                     network.logits(images, PRESENT_BM))


@pytest.mark.parametrize('missing', MISSING_MODES)
def test_subsets_are_what_a_run_of_each_gives(network, missing):
    images = images_of()
    with torch.no_grad():
        found = network.logits_of_subsets(images, missing=missing)
        assert list(found) == SUBSETS
        for subset, logits in found.items():
            alone = {sensor: images[sensor] for sensor in subset}
            assert_close(logits, network.logits(alone, missing=missing))
        some = network.logits_of_subsets(images, SUBSETS[:2], missing)
        assert list(some) == SUBSETS[:2]


@pytest.mark.parametrize('name', [row for row in MODELS if GUIDED in MODELS[row].abilities])
@pytest.mark.parametrize('missing', MISSING_MODES)
def test_guidance_that_is_kept_serves_every_subset_and_nothing_learns_through_it(
        network, missing):
    images = images_of()
    guidance = network.train().guide(images, missing=missing)
    assert guidance.shape == (BATCH, *network.guidance_shape)
    assert guidance.dtype == torch.float32 and not guidance.requires_grad
    network.eval()
    with torch.no_grad():
        wanted = network.logits(images, missing=missing)
        assert_close(network.logits(images, None, missing, guidance), wanted)
        other = guidance.roll(1, dims=0)
        assert (network.logits(images, None, missing, other) - wanted).abs().max() > 0
        for subset in SUBSETS if missing == 'drop' else ():
            alone = {sensor: images[sensor] for sensor in subset}
            assert_close(network.logits(alone, guidance_BGD=guidance), network.logits(alone))
    with pytest.raises(ValueError, match=r'guidance is .*; allowed: '):
        network.logits(images, guidance_BGD=guidance[:1])


def has_gradient(x):
    return x.grad is not None and bool(x.grad.any())


def trainable_names(network):
    """Without what a network keeps frozen."""
    return {key for key, value in network.named_parameters() if value.requires_grad}


def test_gradients_reach_every_parameter_and_what_is_present_alone(network):
    """Some parameters stand for what is absent, some for a sensor alone: the runs reach all."""
    images = {sensor: image.float().requires_grad_() for sensor, image in images_of().items()}
    reached = set()
    for present in ((True, True, True, True), (True, False, True, True),
                    (False, True, False, False)):
        network.zero_grad(set_to_none=True)
        present_BM = torch.tensor([present] * BATCH)
        network.train()(images, present_BM).square().mean().backward()
        for sensor, is_present in zip(SENSORS, present, strict=True):
            assert has_gradient(images[sensor]) == is_present, sensor
            images[sensor].grad = None
            assert is_present or not any(map(has_gradient, network.parameters_of(sensor)))
        reached |= {key for key, value in network.named_parameters() if has_gradient(value)}
    assert reached == trainable_names(network)


def test_a_prepared_network_answers_the_same(name, network):
    prepared = network_of(name)
    prepared.prepare_for_inference(torch.float32)
    assert prepared.is_prepared and not network.is_prepared
    assert not any(parameter.requires_grad for parameter in prepared.parameters())
    with torch.inference_mode():
        for images, missing in product(
                (images_of(), images_of(batch=2), images_of(size_hw=(32, 64))), MISSING_MODES):
            for subset in (('depth',), ('rgb', 'event'), SENSORS):
                alone = {sensor: images[sensor] for sensor in subset}
                wanted = network.logits(alone, missing=missing)
                for _ in range(2):
                    assert_close(prepared.logits(alone, missing=missing), wanted)


def test_half_precision_keeps_the_normalisation(network):
    network.prepare_for_inference(torch.bfloat16)
    assert network.dtype == torch.bfloat16
    assert {p.dtype for p in network.parameters()} == {torch.bfloat16}
    assert network.mean_M3.dtype == network.std_M3.dtype == torch.float32
    with torch.inference_mode():
        assert network.logits(images_of()).dtype == torch.bfloat16


def test_a_start_from_another_keeps_the_own_normalisation(name, network):
    other = network_of(name, seed=4, mean={'rgb': [9.0, 9.0, 9.0]})
    other.start_from(network.state_dict())
    for key, value in network.state_dict().items():
        assert torch.equal(other.state_dict()[key], value) == (key != STATISTICS[0]), key
    assert other.mean_M3[0].tolist() == [9.0] * 3
    state = network.state_dict()
    state.popitem()
    with pytest.raises(ConfigError, match='missing 1'):
        other.start_from(state)


def batch_of():
    images = images_of(size_hw=(64, 64))
    labels = torch.randint(0, NUM_CLASSES, (BATCH, 8, 8), generator=torch.Generator())
    labels = labels.repeat_interleave(8, 1).repeat_interleave(8, 2)
    seen = {sensor: images[sensor] for sensor in SENSORS[:3]}
    return Batch(images=seen, labels=labels, present=PRESENT_BM, teacher_images=images,
                 available=torch.ones_like(PRESENT_BM),
                 source=torch.zeros(BATCH, dtype=torch.int64), end=BATCH)


def recipe_of(method, model, teacher=''):
    wants = METHODS[method].needs_teacher
    return {'model': model, 'class_weights': 'none',
            'method': {'name': method, 'teacher': teacher if wants else ''}}


@pytest.mark.parametrize('method_name', METHODS)
def test_a_step_of_every_method_that_fits_and_one_line_from_the_others(
        name, network, method_name):
    row, needs = MODELS[name], METHODS[method_name].needs
    if lacking := [need for need in needs if need not in row.abilities]:
        able = [other for other in MODELS if lacking[0] in MODELS[other].abilities]
        with pytest.raises(ConfigError, match=re.escape(
                f'method {method_name} needs {lacking[0]} (') + '.*' + re.escape(
                f"which network '{name}' does not offer; allowed: {', '.join(able)}")):
            TrainConfig.from_dict(recipe_of(method_name, name, 'somewhere'))
        return
    TrainConfig.from_dict(recipe_of(method_name, name, 'somewhere'))
    teacher = network_of(name, seed=2) if METHODS[method_name].needs_teacher else None
    method = METHODS[method_name].build(build_loss('ce'), network, teacher)
    student = StudentNetwork(network.train(), with_features=FEATURES in needs)
    optimizer = torch.optim.SGD([*network.parameters(), *method.own_parameters()], lr=1e-3)
    batch = batch_of()
    before = {key: value.clone() for key, value in network.named_parameters()}
    losses = []
    for _ in range(2):
        torch.manual_seed(0)
        terms = method(*run_network(student, batch.images, batch.present), batch)
        assert set(terms) <= set(method.weights)
        total, values = weighted_total(terms, method.weights)
        optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        losses.append(values['total'])
    assert losses[1] < losses[0]
    idle = {id(p) for p in network.parameters_of('event')}
    moved = {key for key, value in network.named_parameters()
             if id(value) not in idle and not torch.equal(value, before[key])}
    assert len(moved) > 0.5 * len(trainable_names(network))


@pytest.mark.parametrize('trainable', TRAINABLE)
def test_a_teacher_learns_what_it_has_to_learn_with_or_says_that_it_has_nothing(
        name, network, trainable):
    if not isinstance(network, FeatureNetwork):
        with pytest.raises(ConfigError, match='needs features'):
            METHODS['robustseg'].check_network('robustseg', name)
        return
    method = METHODS['robustseg'].build(build_loss('ce'), network, network_of(name, seed=2), {
        'feedback': {'lr': 1e-2, 'trainable': trainable},
        'primary': {'policy': 'fixed', 'names': ['rgb', 'depth']}})
    teacher, weak = method.teacher, ('lidar', 'event')
    own = [key for key, value in teacher.named_parameters()
           if any(value is p for sensor in weak for p in teacher.parameters_of(sensor))]
    fabric = make_fabric('cpu', 'fp32')
    if trainable == 'own' and not own:
        with pytest.raises(ConfigError, match=f"a teacher of network '{name}' has nothing that "
                                              "one modality owns; use feedback.trainable 'soft"):
            TeacherSteps(method, fabric, OptimConfig())
        return
    steps = TeacherSteps(method, fabric, OptimConfig())
    before = {key: value.clone() for key, value in teacher.named_parameters()}
    for step in range(2):
        steps.step(network, batch_of(), step, 1.0)
    moved = {key for key, value in teacher.named_parameters()
             if not torch.equal(value, before[key])}
    encoder = {key for key, value in teacher.named_parameters()
               if any(value is p for p in teacher.encoder_parameters())}
    assert moved and moved <= ({*own, *encoder} if trainable == 'soft_freeze' else {*own})
    assert moved >= {*own}


@pytest.mark.parametrize('method_name', [m for m in METHODS if METHODS[m].needs_teacher])
def test_a_teacher_that_lacks_an_ability_is_named_from_its_description(
        name, network, tmp_path, method_name):
    save_bundle(tmp_path / 'teacher', bundle_of(name), network.state_dict())
    student = next(other for other, row in MODELS.items()
                   if set(METHODS[method_name].needs) <= set(row.abilities))
    config = TrainConfig.from_dict(
        recipe_of(method_name, student, str(tmp_path / 'teacher')))
    (tmp_path / 'teacher' / 'weights.safetensors').unlink()
    if set(METHODS[method_name].needs) <= set(MODELS[name].abilities):
        check_networks(config)
        return
    with pytest.raises(ConfigError, match=f"method {method_name} with its teacher needs .* which "
                                          f"network '{name}' does not offer"):
        check_networks(config)


def test_export_and_bundle_bring_the_weights_back(name, network, tmp_path):
    bundle = bundle_of(name, missing_mode='zero')
    save_checkpoint(tmp_path / 'run' / 'checkpoint.pt', {
        **{key: {} for key in KEYS}, 'model': network.state_dict(),
        'average': network.state_dict(), 'bundle': bundle.to_dict(),
        'progress': {'samples': 8, 'steps': 2, 'elapsed_s': 9.0}, 'recipe': {'seed': 5}})
    export(tmp_path / 'run', tmp_path / 'out')
    exported, state = load_bundle(tmp_path / 'out')
    assert replace(exported, provenance={}) == bundle
    again = build_model(exported.model_name, exported.model_config).eval()
    again.load_state_dict(state)
    # Weights are stored as float16.
    with torch.no_grad():
        assert_close(again.logits(images_of()), network.logits(images_of()), 0.02)
    for key in STATISTICS:
        assert torch.equal(getattr(again, key), getattr(network, key))


@pytest.mark.parametrize('precision', ERROR)
@pytest.mark.parametrize('missing', MISSING_MODES)
def test_who_scores_counts_what_the_node_labels(name, network, missing, precision):
    bundle = bundle_of(name, missing_mode=missing)
    vehicle = TorchSegmenter(bundle, network.state_dict(), device='cpu', precision=precision)
    scorer = subset_network(vehicle.network)
    out_hw = (70, 110)
    truth = np.random.default_rng(0).integers(0, NUM_CLASSES, out_hw, np.uint8)
    truth[0] = 255
    frame = Frame(id='f', condition='sun', failure='normal', labels=truth, images={})
    seen = set()
    for subset in (SENSORS, ('depth', 'event'), ('lidar',)):
        images = {sensor: images_of()[sensor][0].permute(1, 2, 0).numpy() for sensor in subset}
        encoded = scorer.encode({sensor: [image] for sensor, image in images.items()})
        logits = scorer.logits_of_subsets(encoded, [subset], missing, SIZE_HW)[subset]
        [counts] = scorer.counts(logits, [scorer.truth_of(frame)])
        labels, confidence = vehicle.predict(images, out_hw)
        seen.update(labels.flat)
        assert len(np.unique(confidence)) > 1
        for i in range(NUM_CLASSES):
            np.testing.assert_array_equal(
                counts[i, :NUM_CLASSES], np.bincount(labels[truth == i], minlength=NUM_CLASSES))
    assert len(seen) > 1


def test_degraded_sensors_take_the_place_of_clean_ones(network):
    scorer = subset_network(network)
    clean = {sensor: list(image.permute(0, 2, 3, 1).numpy())
             for sensor, image in images_of().items()}
    noise = np.random.default_rng(0).normal(size=(BATCH, 3, *SIZE_HW)).astype(np.float32)
    for struck in (('depth',), ('rgb', 'event'), SENSORS):
        degraded = scorer.encode_normalized({sensor: list(noise) for sensor in struck})
        found = scorer.logits(scorer.replaced(scorer.encode(clean), degraded))
        x = {sensor: torch.from_numpy(noise) if sensor in struck
             else network.normalize(sensor, images_of()[sensor]) for sensor in SENSORS}
        with torch.no_grad():
            assert_close(found, network.logits_of_normalized(x))
