# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every form of the network with weights that are nowhere zero, and images for it."""

import copy
from functools import cache

import pytest
import torch
from torch import nn

from anymodal_seg_ros.models import build_model

MODALITIES = ('rgb', 'depth', 'lidar', 'event')
FORMS = {
    'plain': {},
    'stems': {'stem': 'per_modality'},
    'adapters': {'stem': 'per_modality', 'encoder': 'adapters'},
    'encoders': {'stem': 'per_modality', 'encoder': 'per_modality'},
    'reliability': {'fusion': 'reliability'},
    'everything': {'encoder': 'adapters', 'fusion': 'reliability'},
}


@cache
def _network(form):
    torch.manual_seed(0)
    model = build_model('m_segformer', {'num_classes': 7, 'drop_path': 0.0, **FORMS[form]}).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.5)
            module.running_var.uniform_(0.5, 2.0)
            nn.init.normal_(module.weight, 1.0, 0.3)
            nn.init.normal_(module.bias, 0.0, 0.3)
    for part in (model.adapters, model.scores):
        for parameter in () if part is None else part.parameters():
            nn.init.normal_(parameter, 0.0, 0.2)
    return model


@pytest.fixture(params=FORMS)
def model(request):
    return copy.deepcopy(_network(request.param))


@pytest.fixture
def images():
    """Two samples, 32 px by 64 px."""
    generator = torch.Generator().manual_seed(5)
    return {
        m: torch.randint(0, 256, (2, 3, 32, 64), dtype=torch.uint8, generator=generator)
        for m in MODALITIES
    }
