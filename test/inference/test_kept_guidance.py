# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Guidance that serves several frames: when it is worked out anew, and what an answer rests on."""

import numpy as np
import pytest
import torch

from anymodal_seg_ros.bundle import Bundle
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.inference import torch_backend
from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.models import build_model

pytestmark = pytest.mark.slow

SENSORS = ('rgb', 'depth', 'event')
SIZE_HW = (32, 64)
SMALL = {'backbone': 'b0', 'head_dim': 16, 'num_classes': 5, 'modalities': SENSORS}
GUIDED = {**SMALL, 'clip': 'tiny', 'lora_rank': 2, 'prompt_gate': False}
SPACE = LabelSpace('five', tuple('abcde'), tuple((i, i, i) for i in range(5)))


def segmenter_of(frames, name='segrgbx', config=GUIDED):
    torch.manual_seed(0)
    state = build_model(name, config).state_dict()
    bundle = Bundle(model_name=name, model_config=config, encoders={s: {} for s in SENSORS},
                    label_space=SPACE, short_side_px=32)
    return torch_backend.TorchSegmenter(bundle, state, device='cpu', precision='fp32',
                                        guidance_frames=frames)


def images_of(seed, sensors=SENSORS):
    rng = np.random.default_rng(seed)
    return {name: np.full((*SIZE_HW, 3), rng.integers(0, 256, 3), np.uint8) for name in SENSORS
            if name in sensors}


@pytest.fixture
def counted(monkeypatch):
    """Segmenters, and the sensors of each time that guidance is worked out."""
    asked = []

    def build(frames):
        segmenter = segmenter_of(frames)
        guide = segmenter.network.guide
        monkeypatch.setattr(segmenter.network, 'guide', lambda images, missing: (
            asked.append(tuple(images)) or guide(images, missing=missing)))
        return segmenter

    return build, asked


def test_it_is_worked_out_every_so_many_frames_and_when_a_sensor_is_new(counted):
    build, asked = counted
    segmenter = build(3)
    drive = [('rgb',), ('rgb',), ('rgb', 'depth'), ('rgb',), ('depth',), ('rgb', 'depth'),
             ('depth', 'event')]
    seen = []
    for seed, sensors in enumerate(drive):
        segmenter.predict(images_of(seed, sensors), SIZE_HW)
        seen.append(len(asked))
    assert seen == [1, 1, 2, 2, 2, 3, 4]
    assert asked == [('rgb',), ('rgb', 'depth'), ('rgb', 'depth'), ('depth', 'event')]


def test_an_answer_rests_on_the_guidance_of_the_first_frame_of_its_turn():
    kept, fresh = segmenter_of(2), segmenter_of(1)
    network = fresh.network
    first, second = images_of(1), images_of(2)
    tensors = {name: torch.from_numpy(image).permute(2, 0, 1)[None]
               for name, image in first.items()}
    guidance = network.guide(tensors)
    of_second = {name: torch.from_numpy(image).permute(2, 0, 1)[None]
                 for name, image in second.items()}
    with torch.inference_mode():
        wanted = network.logits(of_second, guidance_BGD=guidance)
        own = network.logits(of_second)
    assert (wanted - own).abs().max() > 0
    for images in (first, second):
        _, confidence = kept.predict(images, SIZE_HW)
    probability = torch.nn.functional.interpolate(
        wanted, size=SIZE_HW, mode='bilinear', align_corners=False).softmax(1).amax(1)[0]
    assert np.abs(confidence - 255 * probability.numpy()).max() < 1.0
    labels_anew, _ = kept.predict(first, SIZE_HW)
    np.testing.assert_array_equal(labels_anew, fresh.predict(first, SIZE_HW)[0])


def test_blank_images_of_the_warm_up_guide_nothing(counted):
    build, asked = counted
    segmenter = build(100)
    segmenter.warm_up(SIZE_HW, SIZE_HW)
    asked.clear()
    segmenter.predict(images_of(1), SIZE_HW)
    assert len(asked) == 1


def test_another_scene_has_its_own(counted):
    build, asked = counted
    segmenter = build(100)
    for seed in (1, 2):
        segmenter.predict(images_of(seed), SIZE_HW)
    segmenter.forget()
    segmenter.predict(images_of(3), SIZE_HW)
    assert len(asked) == 2


def test_without_keeping_every_frame_has_its_own():
    segmenter = segmenter_of(1)
    first = segmenter.predict(images_of(1), SIZE_HW)
    segmenter.predict(images_of(2), SIZE_HW)
    for found, wanted in zip(segmenter.predict(images_of(1), SIZE_HW), first, strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(('frames', 'message'), [
    (0, 'guidance_frames is 0; allowed: a whole number, 1 to 10000'),
    (1.5, 'guidance_frames is 1.5; allowed: a whole number')])
def test_a_wrong_number_of_frames_is_named(frames, message):
    with pytest.raises(ConfigError, match=message):
        segmenter_of(frames)


def test_a_network_without_guidance_takes_none():
    with pytest.raises(ConfigError, match="is 2; allowed: 1 with network 'equiseg'"):
        segmenter_of(2, 'equiseg', SMALL)
