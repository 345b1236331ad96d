# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A captioned data set, and a run's settings for it."""

import pytest
import torch

from training.ma_clip import __main__ as command
from training.ma_clip.config import CaptionedSetConfig, MaClipConfig


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope='session')
def captions(deliver_root, tmp_path_factory):
    path = tmp_path_factory.mktemp('captions') / 'captions.json'
    assert command.main(['captions', 'deliver', str(deliver_root), '--output', str(path)]) == 0
    return path


@pytest.fixture
def config(deliver_root, captions, tiny_clip, tmp_path):
    return MaClipConfig(
        output=str(tmp_path / 'run'), clip=str(tiny_clip), batch=4, epochs=2, rank=4, lr=1e-2,
        device='cpu', precision='fp32', log_steps=1, score_frames=3,
        sets=(CaptionedSetConfig(root=str(deliver_root), captions=str(captions),
                                 modalities=('depth', 'event')),))
