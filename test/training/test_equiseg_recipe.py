# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""EQUISeg's debug recipe through the whole command: nothing but the network is in its bundle."""

import numpy as np
import pytest
import torch

from anymodal_seg_ros.bundle.weights import load_bundle
from anymodal_seg_ros.inference import build_segmenter
from anymodal_seg_ros.models import build_model
from anymodal_seg_ros.resources import resource_path
from training import train as train_command

pytestmark = pytest.mark.slow

DEBUG = resource_path('config') / 'training' / 'equiseg' / 'debug.yaml'


def test_a_run_makes_a_bundle_of_the_network_alone(deliver_root, tmp_path):
    torch.set_num_threads(1)
    assert train_command.main(['--recipe', str(DEBUG), '--threads', '1',
                               f'data.root={deliver_root}', f'output={tmp_path / "run"}']) == 0
    metrics = (tmp_path / 'run' / 'metrics.csv').read_text(encoding='utf-8')
    assert metrics.splitlines()[0].endswith(',total,ce,sgm')
    bundle, state = load_bundle(tmp_path / 'run' / 'bundle')
    assert set(state) == set(build_model('equiseg', bundle.model_config).state_dict())
    segmenter = build_segmenter(tmp_path / 'run' / 'bundle')
    image = np.zeros((64, 96, 3), np.uint8)
    for subset in (('lidar',), bundle.modalities):
        labels, _ = segmenter.predict(dict.fromkeys(subset, image), (70, 110))
        assert labels.shape == (70, 110) and labels.max() < bundle.model_config['num_classes']
