# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Guidance in training: asked once for each frame, kept, and brought to each step."""

import numpy as np
import pytest
import torch

from anymodal_seg_ros.bundle.weights import load_bundle
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.inference import build_segmenter
from anymodal_seg_ros.models import build_model, modality_subsets
from anymodal_seg_ros.models.segrgbx.clip_tower import ModalityClip
from anymodal_seg_ros.resources import resource_path
from training import train as train_command
from training.average import WeightAverage
from training.batch_maker import BatchMaker
from training.datasets import Frame, JoinedFrames
from training.guidance import guidance_of_frames
from training.methods.base import StudentNetwork, run_network
from training.optimizer import build_optimizer
from training.preparation import check_networks
from training.subset_network import subset_network
from training.train_config import StageConfig, TrainConfig

pytestmark = pytest.mark.slow

DEBUG = resource_path('config') / 'training' / 'segrgbx' / 'debug.yaml'
SMALL = {'backbone': 'b0', 'head_dim': 16, 'num_classes': 5, 'clip': 'tiny', 'lora_rank': 2,
         'modalities': ('rgb', 'depth', 'event')}


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = build_model('segrgbx', SMALL)
    for parameter in model.clip.adapter_parameters():
        torch.nn.init.normal_(parameter)
    return model


@pytest.fixture
def frames():
    """Of two sizes, some without a sensor."""
    rng = np.random.default_rng(0)
    made = []
    for i in range(11):
        size_hw = (64, 96) if i < 7 else (96, 64)
        names = [name for name in SMALL['modalities'] if i % 3 or name != 'depth']
        small = {name: rng.integers(0, 256, (2, 2, 3), np.uint8) for name in names}
        made.append(Frame(
            id=str(i), condition='sun', failure='normal', labels=np.zeros(size_hw, np.uint8),
            images={name: np.kron(x, np.ones((size_hw[0] // 2, size_hw[1] // 2, 1), np.uint8))
                    for name, x in small.items()}))
    return JoinedFrames([made])


def test_guidance_of_frames_is_that_of_each_whole_frame(model, frames):
    guidance = guidance_of_frames(model, frames)
    assert guidance.shape == (len(frames), *model.guidance_shape)
    for i, row in enumerate(guidance):
        images = {name: torch.from_numpy(image).permute(2, 0, 1)[None]
                  for name, image in frames[i].images.items()}
        torch.testing.assert_close(row, model.guide(images)[0], rtol=1e-4, atol=1e-5)


def test_a_batch_brings_the_guidance_of_its_frames(model, frames):
    config = TrainConfig(model='segrgbx', model_config={'clip': 'tiny'})
    maker = BatchMaker(frames, config, model.config)
    stage = StageConfig(until=1.0, crop_px=32, batch=4)
    assert maker.make(0, stage).guidance is None
    maker.guidance = torch.arange(len(frames)).float()[:, None, None]
    for position in (0, 8):
        found = maker.make(position, stage).guidance.flatten().tolist()
        assert found == [maker.sampler.frame_index(p) for p in range(position, position + 4)]


def test_a_step_with_guidance_does_not_ask_clip(model, monkeypatch):
    images = {name: torch.rand(2, 3, 64, 64) * 255 for name in SMALL['modalities']}
    present_BM = torch.ones(2, 3).bool()
    guidance = model.guide(images)
    student = StudentNetwork(model.eval(), with_features=False)
    asked, _ = run_network(student, images, present_BM)
    monkeypatch.setattr(ModalityClip, 'embed', None)
    kept, _ = run_network(student, images, present_BM, guidance)
    torch.testing.assert_close(kept, asked, rtol=1e-4, atol=1e-5)


def test_scores_of_all_combinations_ask_clip_once(model, monkeypatch):
    rng = np.random.default_rng(1)
    images = {name: list(rng.integers(0, 256, (2, 64, 64, 3), np.uint8))
              for name in SMALL['modalities']}
    scorer = subset_network(model)
    encoded, subsets = scorer.encode(images), modality_subsets(SMALL['modalities'])
    wanted = {subset: model.logits_of_normalized({name: encoded[name] for name in subset})
              for subset in subsets}
    asked, embed = [], ModalityClip.embed
    monkeypatch.setattr(ModalityClip, 'embed',
                        lambda *args: asked.append(args) or embed(*args))
    for subset, logits in scorer.logits_of_subsets(encoded, subsets).items():
        torch.testing.assert_close(logits, wanted[subset], rtol=1e-3, atol=1e-4)
    assert len(asked) == 1


def test_what_is_frozen_is_neither_learnt_nor_averaged(model):
    average = WeightAverage(model, 0.5)
    own = {key: value.data_ptr() for key, value in model.state_dict().items()}
    assert {key.split('.')[0] for key, value in average.state.items()
            if value.data_ptr() == own[key]} == {'clip'}
    learnt = {id(p) for group in build_optimizer(model.parameters(), lr=1e-3,
                                                 weight_decay=0.0).param_groups
              for p in group['params']}
    assert not learnt & {id(p) for p in model.clip.parameters()}
    before = {key: value.clone() for key, value in average.state.items()}
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(1.0)
    average.update(model, 1)
    moved = {key for key, value in average.state.items() if not torch.equal(value, before[key])}
    assert moved == {key for key, value in model.state_dict(keep_vars=True).items()
                     if value.requires_grad}


def test_a_run_asks_once_for_each_frame_and_makes_a_bundle(deliver_root, tmp_path, monkeypatch):
    torch.set_num_threads(1)
    asked = []
    embed = ModalityClip.embed

    def counted(self, x_PCHW, adapter_P):
        asked.append(len(adapter_P))
        return embed(self, x_PCHW, adapter_P)

    monkeypatch.setattr(ModalityClip, 'embed', counted)
    assert train_command.main([
        '--recipe', str(DEBUG), '--threads', '1', 'val_epochs=0', 'data.score_split=none',
        f'data.root={deliver_root}', f'output={tmp_path / "run"}']) == 0
    trained = sum(asked)
    bundle, state = load_bundle(tmp_path / 'run' / 'bundle')
    frames = bundle.provenance['data']['frames']
    others = len(bundle.modalities) - 1
    assert trained == frames * (1 + 2 * others)
    assert set(state) == set(build_model('segrgbx', bundle.model_config).state_dict())
    segmenter = build_segmenter(tmp_path / 'run' / 'bundle')
    image = np.zeros((64, 96, 3), np.uint8)
    for subset in (('lidar',), ('rgb',), bundle.modalities):
        labels, _ = segmenter.predict(dict.fromkeys(subset, image), (70, 110))
        assert labels.shape == (70, 110) and labels.max() < bundle.model_config['num_classes']


def recipe(**changes):
    return TrainConfig.from_dict({'model': 'segrgbx', **changes})


def test_a_guide_that_is_missing_or_not_wanted_is_named(tmp_path):
    for config, message in (
            (recipe(), "network 'segrgbx' is guided by what was trained before it; add guide="
             "FOLDER; python -m training.ma_clip writes one, from a CLIP"),
            (recipe(guide=str(tmp_path / 'no')),
             r'there is no such folder; python -m training\.ma_clip writes one'),
            (recipe(guide=str(tmp_path), model='equiseg'),
             "network 'equiseg' takes none; allowed with: segrgbx")):
        with pytest.raises(ConfigError, match=message):
            check_networks(config)
    check_networks(recipe(guide=str(tmp_path)))
    check_networks(recipe(model_config={'clip': 'tiny'}))
    check_networks(recipe(model_config={'control_prompts': 0, 'dsrm': 'none'}))
