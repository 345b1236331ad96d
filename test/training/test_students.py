# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network that a run starts from: the number of classes, weights of ImageNet."""

import pytest
import torch
from safetensors.torch import save_file

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.labels import load_label_space
from anymodal_seg_ros.models.mit import MixTransformer
from anymodal_seg_ros.models.mit_sizes import BACKBONES
from training.students import build_student
from training.train_config import TrainConfig

MODALITIES = ('rgb', 'lidar')


def student(model_config, **settings):
    config = TrainConfig.from_dict({'model_config': {'head_dim': 16, **model_config}, **settings})
    return build_student(config, load_label_space('deliver'), MODALITIES, {})


def test_a_number_of_classes_must_be_that_of_the_labels():
    assert student({'num_classes': 25}).config.num_classes == 25
    with pytest.raises(ConfigError, match=r'model_config\.num_classes 7; the labels have 25'):
        student({'num_classes': 7})


@pytest.mark.slow
@pytest.mark.parametrize('settings', [
    {'encoder': 'shared'}, {'encoder': 'adapters', 'stem': 'per_modality'},
    {'encoder': 'per_modality', 'stem': 'per_modality'}])
def test_every_encoder_starts_from_pretrained_weights(settings, tmp_path):
    torch.manual_seed(1)
    source = MixTransformer(BACKBONES['b0'])
    # Names that no layout has are taken as the encoder's own, with its one stem.
    save_file({name.replace('stems.shared.', 'stem.'): value
               for name, value in source.state_dict().items()}, tmp_path / 'model.safetensors')
    model = student(settings, pretrained=str(tmp_path))
    encoders = [part for part in model.modules() if isinstance(part, MixTransformer)]
    assert len(encoders) == (2 if settings['encoder'] == 'per_modality' else 1)
    for encoder in encoders:
        for name, value in encoder.stages.state_dict().items():
            assert torch.equal(value, source.stages.state_dict()[name]), name
        for stem in encoder.stems.values():
            assert torch.equal(stem.proj.weight, source.stems['shared'].proj.weight)
