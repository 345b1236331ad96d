# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The bank's averages: closed form, classes that come and go, ranks, state."""

import pytest
import torch
import torch.distributed as dist

from training.losses import prototype_bank
from training.losses.prototype_bank import PrototypeBank
from training.losses.prototypes import class_prototypes

K = 5
DIMS = (3, 4, 5, 6)


@pytest.fixture
def batch(make_features, make_labels):
    def make(seed, present=((1, 1), (1, 0)), **labels):
        features = make_features(present, seed)
        labels = make_labels(len(present), seed, **labels)
        return class_prototypes(features, labels, K), features

    return make


def batch_mean(prototypes, features, level, modality, class_id):
    """Mean over all pixels of the class in the batch, or None."""
    total, count = 0.0, 0.0
    for p, (b, m) in enumerate(zip(features.sample_P, features.modality_P, strict=True)):
        if m == modality:
            n = prototypes[level].count_BK[b, class_id]
            total, count = total + n * prototypes[level].mean_PKC[p, class_id], count + n
    return total / count if count else None


def test_it_is_the_exponential_average_of_the_batches_that_had_the_class(batch, monkeypatch):
    monkeypatch.setattr(prototype_bank, 'MOMENTUM', 0.75)
    bank = PrototypeBank(DIMS, 2, K)
    batches = [batch(seed, unlabelled=0.8) for seed in range(4)]
    for prototypes, features in batches:
        bank.update(prototypes, features)
    for level in range(4):
        for modality in range(2):
            for class_id in range(K):
                means = [batch_mean(*b, level, modality, class_id) for b in batches]
                means = [mean for mean in means if mean is not None]
                assert bank.seen_LMK[level, modality, class_id] == bool(means)
                wanted = torch.zeros(DIMS[level])
                if means:
                    n = len(means) - 1
                    wanted = 0.75**n * means[0] + sum(
                        0.25 * 0.75 ** (n - i) * means[i] for i in range(1, n + 1))
                torch.testing.assert_close(bank.mean_MKC(level)[modality, class_id], wanted)


def test_steadied_prototypes_are_the_banks_for_classes_in_the_sample(batch):
    bank = PrototypeBank(DIMS, 2, K)
    bank.update(*batch(0, classes=2))
    prototypes, features = batch(1, classes=4)
    for level, (own, steady) in enumerate(
            zip(prototypes, bank.steadied(prototypes, features), strict=True)):
        assert torch.equal(steady.present_BK, own.present_BK)
        for p, (b, m) in enumerate(zip(features.sample_P, features.modality_P, strict=True)):
            for c in range(K):
                if own.present_BK[b, c] and bank.seen_LMK[level, m, c]:
                    assert torch.equal(steady.mean_PKC[p, c], bank.mean_MKC(level)[m, c])
                else:
                    assert torch.equal(steady.mean_PKC[p, c], own.mean_PKC[p, c])
    assert steady.present_BK.any()


def test_ranks_are_summed(batch, monkeypatch):
    """Two ranks with half a batch each hold what one process with the whole batch holds."""
    parts = [batch(seed) for seed in (3, 4)]
    sent = []
    monkeypatch.setattr(dist, 'is_initialized', lambda: True)
    monkeypatch.setattr(dist, 'all_reduce', lambda flat: sent.append(flat.clone()))
    for part in parts:
        PrototypeBank(DIMS, 2, K).update(*part)
    assert len(sent) == 2
    monkeypatch.setattr(dist, 'all_reduce', lambda flat: flat.copy_(sent[0] + sent[1]))
    bank = PrototypeBank(DIMS, 2, K)
    bank.update(*parts[0])
    for level in range(4):
        for modality in range(2):
            for c in range(K):
                counts = [
                    sum(float(protos[level].count_BK[b, c])
                        for b, m in zip(features.sample_P, features.modality_P, strict=True)
                        if m == modality)
                    for protos, features in parts
                ]
                if sum(counts):
                    wanted = sum(
                        n * batch_mean(*part, level, modality, c)
                        for n, part in zip(counts, parts, strict=True) if n
                    ) / sum(counts)
                    torch.testing.assert_close(bank.mean_MKC(level)[modality, c], wanted)
                assert bank.seen_LMK[level, modality, c] == (sum(counts) > 0)


def test_all_state_is_in_the_state_dict(batch):
    bank, other = PrototypeBank(DIMS, 2, K), PrototypeBank(DIMS, 2, K)
    bank.update(*batch(0))
    other.load_state_dict(bank.state_dict())
    for part in (bank, other):
        part.update(*batch(1))
    for name, value in bank.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)
    assert not list(bank.parameters())
