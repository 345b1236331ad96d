# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a vector is divided by for a cosine, and that nothing has none."""

import pytest
import torch

from training.losses.cosine import inverse_norm, inverse_sqrt


@pytest.mark.parametrize('inverse', [
    lambda x: inverse_norm(x, -1), lambda x: inverse_sqrt(x.square().sum(-1, keepdim=True))])
def test_one_over_the_length_and_nothing_for_no_vector(inverse):
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0], [1e-7, 0.0], [0.0, 2e-6]], requires_grad=True)
    found = inverse(x)
    torch.testing.assert_close(found[:, 0], torch.tensor([0.2, 0.0, 0.0, 5e5]))
    found[1:3].sum().backward()
    assert not x.grad.any()
