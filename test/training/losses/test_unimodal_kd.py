# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Unimodal distillation against a loop over samples, modalities and distributions."""

import math

import pytest
import torch

from anymodal_seg_ros.errors import ConfigError
from training.losses.unimodal_kd import unimodal_kd


def divergence(student, teacher):
    s, t = (torch.softmax(x, 0).tolist() for x in (student, teacher))
    return sum(t[i] * math.log(t[i] / s[i]) for i in range(len(t)))


def looped(student, teacher, axis):
    student_row, teacher_row = student.row_BM(), teacher.row_BM()
    total = 0.0
    for s_map, t_map in zip(student.maps, teacher.maps, strict=True):
        height, width, channels = s_map.shape[1:]
        for b in range(student.num_samples):
            for m in range(student.num_modalities):
                if student_row[b, m] < 0:
                    continue
                s, t = s_map[student_row[b, m]], t_map[teacher_row[b, m]]
                if axis == 'channel':
                    values = [divergence(s[y, x], t[y, x])
                              for y in range(height) for x in range(width)]
                else:
                    values = [divergence(s[:, x, c], t[:, x, c])
                              for x in range(width) for c in range(channels)]
                total += sum(values) / (height * width * channels)
    return total / student.num_samples


@pytest.mark.parametrize('axis', ['channel', 'height'])
def test_it_is_the_sum_over_levels_and_modalities(make_features, present_BM, axis):
    student = make_features(present_BM, 1)
    teacher = make_features(torch.ones_like(present_BM), 2)
    got = unimodal_kd(student, teacher, axis=axis)
    assert got.item() == pytest.approx(looped(student, teacher, axis), rel=1e-5)


def test_errors_say_what_is_wrong(make_features):
    student, teacher = make_features([[1, 1]], 1), make_features([[1, 0]], 2)
    with pytest.raises(ValueError, match=r'teacher lacks \(sample, modality\) \(0, 1\)'):
        unimodal_kd(student, teacher)
    with pytest.raises(ValueError, match='FeatureProjection'):
        unimodal_kd(student, make_features([[1, 1]], 2, dims=(3, 4, 5, 7)))
    with pytest.raises(ValueError, match=r'\(1, 2\), the teacher \(1, 3\)'):
        unimodal_kd(student, make_features([[1, 1, 1]], 2))
    with pytest.raises(ConfigError, match="axis is 'width'; allowed: channel, height"):
        unimodal_kd(student, student, axis='width')
