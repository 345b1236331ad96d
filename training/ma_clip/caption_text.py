# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A caption of a labelled frame, from what is in it and the conditions that it was taken in."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from anymodal_seg_ros.labels import LabelSpace
from training.datasets import Frame

SOURCE = 'label statistics'
DRIVING_SCENE = 'a driving scene'
SCENES: Mapping[str, str] = {'nyuv2': 'an indoor scene', 'urbanlf': 'a street scene',
                             'mcubes': 'a street scene', 'zju_rgbp': 'a street scene'}
"""Data set to what its frames show, where that is not a driving scene."""
CONDITIONS: Mapping[str, str] = {
    'night': 'at night', 'day': 'by day', 'dusk': 'at dusk', 'rain': 'in rain', 'fog': 'in fog',
    'snow': 'in snow', 'cloud': 'under clouds', 'sun': 'in sunshine', 'clear': 'in clear weather'}
"""A data set's word for a condition to that of a caption; others are left out."""
NAMELESS = frozenset({'other', 'others', 'unlabeled', 'static', 'dynamic', 'otherstructure',
                      'otherfurniture', 'otherprop'})
"""Classes that say nothing of what is seen."""
MIN_SHARE = 0.005
"""Of the pixels, for a class to be named."""
MAX_CLASSES = 8


def caption(frame: Frame, label_space: LabelSpace, scene: str = DRIVING_SCENE) -> str:
    """'a driving scene at night with road, sky, building and cars': the largest classes first."""
    words = [CONDITIONS[token] for token in frame.condition.lower().split('_')
             if token in CONDITIONS]
    text = ' '.join([scene, *words])
    names = _class_names(frame, label_space)
    if not names:
        return text
    listed = ', '.join(names[:-1])
    return f'{text} with ' + (f'{listed} and {names[-1]}' if listed else names[-1])


def _class_names(frame: Frame, label_space: LabelSpace) -> list[str]:
    pixels = np.bincount(frame.labels.ravel(), minlength=256)[:label_space.num_classes]
    named = [i for i in np.argsort(-pixels, kind='stable')
             if pixels[i] >= MIN_SHARE * frame.labels.size
             and label_space.class_names[i].lower() not in NAMELESS]
    return [_words(label_space.class_names[i]) for i in named[:MAX_CLASSES]]


def _words(class_name: str) -> str:
    """'TrafficLight' and 'traffic_light' are 'traffic light'."""
    return re.sub(r'(?<=[a-z])(?=[A-Z])|_', ' ', class_name).lower()
