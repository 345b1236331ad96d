# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The contrastive losses against their sums written out."""

import math

import pytest
import torch
import torch.nn.functional as F
from transformers.models.clip.modeling_clip import image_text_contrastive_loss

from training.ma_clip.contrastive import info_nce, scene_loss

SCALE = 7.0


@pytest.fixture
def vectors():
    """Images of two kinds and texts [5, 3], and captions of which the second and last are one."""
    torch.manual_seed(0)
    rgb, sensor, texts = F.normalize(torch.randn(3, 5, 3), dim=-1)
    caption = torch.tensor([0, 1, 2, 3, 1])
    return rgb, sensor, texts[caption], caption


def written_out(image_PD, text_PD, caption_P, scale, false_negatives):
    """-log p of each right answer, both ways, over those that are answers at all."""
    logits = (scale * image_PD @ text_PD.T).tolist()
    caption, rows = caption_P.tolist(), range(len(caption_P))
    total = 0.0
    for at in (lambda i, j: logits[i][j], lambda i, j: logits[j][i]):
        for i in rows:
            answers = [j for j in rows if false_negatives != 'mask' or j == i
                       or caption[j] != caption[i]]
            right = [j for j in answers if j == i
                     or (false_negatives == 'positive' and caption[j] == caption[i])]
            norm = math.log(sum(math.exp(at(i, j)) for j in answers))
            total += sum(norm - at(i, j) for j in right) / len(right)
    return total / (2 * len(rows))


@pytest.mark.parametrize('false_negatives', ['mask', 'positive', 'keep'])
def test_one_loss_is_its_sum(vectors, false_negatives):
    rgb, _, text, caption = vectors
    loss = info_nce(rgb, text, caption, SCALE, false_negatives)
    assert float(loss) == pytest.approx(
        written_out(rgb, text, caption, SCALE, false_negatives), rel=1e-5)


@pytest.mark.parametrize('false_negatives', ['mask', 'positive', 'keep'])
def test_with_different_captions_all_are_clips_own(vectors, false_negatives):
    rgb, sensor, _, _ = vectors
    loss = info_nce(rgb, sensor, torch.arange(5), SCALE, false_negatives)
    torch.testing.assert_close(loss, image_text_contrastive_loss(SCALE * sensor @ rgb.T))


def test_the_default_is_the_mean_of_two(vectors):
    rgb, sensor, text, caption = vectors
    terms = scene_loss({'rgb': rgb, 'sensor': sensor}, text, caption, SCALE, literal=False,
                       false_negatives='mask')
    alone = {name: written_out(image, text, caption, SCALE, 'mask')
             for name, image in (('rgb', rgb), ('sensor', sensor))}
    for name, value in {**alone, 'total': sum(alone.values()) / 2}.items():
        assert float(terms[name]) == pytest.approx(value, rel=1e-5), name


@pytest.mark.parametrize('false_negatives', ['mask', 'positive', 'keep'])
def test_the_literal_form_has_each_text_twice(vectors, false_negatives):
    rgb, sensor, text, caption = vectors
    terms = scene_loss({'rgb': rgb, 'sensor': sensor}, text, caption, SCALE, literal=True,
                       false_negatives=false_negatives)
    assert list(terms) == ['total']
    assert float(terms['total']) == pytest.approx(written_out(
        torch.cat([rgb, sensor]), torch.cat([text, text]), torch.cat([caption, caption]), SCALE,
        false_negatives), rel=1e-5)


@pytest.mark.parametrize(('false_negatives', 'loss'), [
    # Right answers 1, wrong ones 0: own, twin, and two of the other scene.
    ('keep', math.log(2 + 2 * math.exp(-SCALE))),
    ('positive', math.log(2 + 2 * math.exp(-SCALE))),
    ('mask', math.log(1 + 2 * math.exp(-SCALE)))])
def test_perfect_vectors_leave_log_two_to_the_literal_form(false_negatives, loss):
    perfect = torch.eye(2)
    terms = scene_loss({'rgb': perfect, 'sensor': perfect}, perfect, torch.arange(2), SCALE,
                       literal=True, false_negatives=false_negatives)
    assert float(terms['total']) == pytest.approx(loss, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize('false_negatives', ['mask', 'positive'])
def test_a_batch_of_one_caption_asks_for_nothing_impossible(vectors, false_negatives):
    rgb, _, text, _ = vectors
    rgb = rgb.clone().requires_grad_()
    loss = info_nce(rgb, text[:1].repeat(5, 1), torch.zeros(5, dtype=torch.int64), SCALE,
                    false_negatives)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(rgb.grad).all()
    if false_negatives == 'mask':
        assert loss.item() == 0.0
