# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Features and labels for every distillation loss: four odd-shaped levels, few channels."""

import pytest
import torch

from anymodal_seg_ros.models.features import FeatureMaps

CLASSES = 5
DIMS = (3, 4, 5, 6)
SIZES = ((8, 12), (4, 6), (2, 3), (2, 2))
LABEL_SIZE = (32, 48)


@pytest.fixture
def make_features():
    def make(present_BM, seed=0, *, dims=DIMS, sizes=SIZES, grad=False, offset=0.3, scale=1.0):
        present_BM = torch.as_tensor(present_BM, dtype=torch.bool)
        modality_P, sample_P = present_BM.T.nonzero(as_tuple=True)
        generator = torch.Generator().manual_seed(seed)
        maps = tuple(
            scale * (torch.randn(len(sample_P), *size, dim, generator=generator) + offset)
            for size, dim in zip(sizes, dims, strict=True)
        )
        for x in maps:
            x.requires_grad_(grad)
        return FeatureMaps(maps, sample_P, modality_P, *present_BM.shape)

    return make


@pytest.fixture
def make_labels():
    def make(num_samples, seed=0, *, size=LABEL_SIZE, classes=CLASSES - 1, unlabelled=0.2):
        """Blocks of 4 x 4 px; the last of CLASSES never occurs."""
        generator = torch.Generator().manual_seed(seed)
        small = (num_samples, size[0] // 4, size[1] // 4)
        labels = torch.randint(0, classes, small, generator=generator)
        labels[torch.rand(small, generator=generator) < unlabelled] = 255
        return labels.repeat_interleave(4, 1).repeat_interleave(4, 2)

    return make


ALL = torch.ones(2, 3, dtype=torch.bool)
SOME = torch.tensor([[1, 0, 1], [0, 0, 1], [1, 1, 1], [0, 1, 1]], dtype=torch.bool)


@pytest.fixture(params=[ALL, SOME], ids=['all', 'some'])
def present_BM(request):
    return request.param
