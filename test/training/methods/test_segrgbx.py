# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Joint training as a method: the terms, and which labels it may have."""

from dataclasses import replace

import pytest
import torch

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.labels import LabelSpace
from training.datasets import ClassSets
from training.losses import build_loss
from training.losses.joint import joint_cross_entropy
from training.methods import METHODS
from training.methods.base import StudentNetwork, run_network, upsampled
from training.train_config import TrainConfig

SPACE = LabelSpace('five', tuple('abcde'), ((0, 0, 0),) * 5)
PAIRS = ClassSets(name='m', source=LabelSpace('two', ('ab', 'd'), ((0, 0, 0),) * 2),
                  target=SPACE, ids=((0, 1), (3,)))


def test_terms_are_of_each_sample_s_data_set(make_network, make_batch):
    network = make_network().eval()
    batch = make_batch()
    labels = torch.stack([batch.labels[0], batch.labels[1] % 2])
    batch = replace(batch, labels=labels, source=torch.tensor([0, 1]))
    method = METHODS['segrgbx'].build(build_loss('ce'), network, None, {'own': 0.5},
                                      [None, PAIRS])
    logits, features = run_network(StudentNetwork(network, with_features=False), batch.images,
                                   batch.present)
    found = method(logits, features, batch)
    unified, own = joint_cross_entropy(upsampled(logits, labels), labels, batch.source,
                                       [None, PAIRS])
    assert method.weights == {'ce': 1.0, 'own': 0.5}
    assert torch.equal(found['ce'], unified) and torch.equal(found['own'], own)
    assert unified > own
    alone = METHODS['segrgbx'].build(build_loss('ce'), network, None, {'own': 0}, [None, PAIRS])
    assert set(alone(logits, features, batch)) == {'ce'}


@pytest.mark.parametrize(('changes', 'match'), [
    ({'loss': 'ohem'}, "loss is 'ohem'; allowed with method segrgbx.*: ce"),
    ({'class_weights': 'log'}, "class_weights is 'log'; allowed .*: none"),
    ({'method': {'name': 'segrgbx', 'options': {'own': -1}}}, r'method\.options\.own is -1'),
])
def test_what_it_does_not_do_is_refused(changes, match):
    recipe = {'class_weights': 'none', 'method': {'name': 'segrgbx'}}
    assert TrainConfig.from_dict(recipe).method.name == 'segrgbx'
    with pytest.raises(ConfigError, match=match):
        TrainConfig.from_dict({**recipe, **changes})
