# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A run folder like those that training writes, with scores of a known network."""

import copy
import json

import cv2
import numpy as np
import pytest

from anymodal_seg_ros.inference import modality_subsets
from anymodal_seg_ros.labels import LabelSpace
from training.scoring import SubsetScores

SENSORS = ('rgb', 'depth', 'lidar')
SPACE = LabelSpace('signs', ('stop & go', 'yield'), ((200, 0, 0), (0, 0, 200)))


def counted_scores():
    """More sensors, more right pixels; two conditions."""
    scores = SubsetScores(label_space=SPACE)
    truth = np.arange(64, dtype=np.uint8).reshape(8, 8) % 2
    for subset in modality_subsets(SENSORS):
        for condition, wrong in (('night', 12), ('sun', 4)):
            pred = truth.copy()
            pred.ravel()[:wrong * (4 - len(subset)) + 2 * ('rgb' not in subset)] ^= 1
            scores.update(subset, condition, pred, truth)
    return scores


@pytest.fixture(scope='session')
def scores_dict():
    """What scores.json holds, as it is read back."""
    return json.loads(json.dumps({**counted_scores().to_dict(),
                                  'data': {'split': 'val', 'scored_frames': 2}}))


def fill_run(path, scores, *, seed=0, method='anyseg'):
    path.mkdir(parents=True)
    (path / 'recipe.yaml').write_text(
        f'seed: {seed}\noutput: {path}\nmethod: {{name: {method}}}\n'
        'data: {name: deliver, root: "<script>alert(1)</script>"}\n', encoding='utf-8')
    lines = ['step,samples,elapsed_s,lr,total,ce,logit_kd']
    lines += [f'{i},{4 * i},{i / 2},{1e-3 * (1 - i / 400)},{8 / i},{2 / i},'
              for i in range(1, 400)]
    (path / 'metrics.csv').write_text('\n'.join(lines) + '\n', encoding='utf-8')
    (path / 'scores.json').write_text(json.dumps(scores), encoding='utf-8')
    (path / 'robustness.json').write_text(json.dumps(
        {'rmm': {'0.25': {'drop': 51.25, 'zero': 48.5}}}), encoding='utf-8')
    (path / 'bundle').mkdir()
    (path / 'bundle' / 'bundle.json').write_text(json.dumps({
        'label_space': SPACE.to_dict(),
        'provenance': {'host': {'machine': 'test&bench'}, 'versions': {'torch': '9.9'}},
    }), encoding='utf-8')
    (path / 'samples').mkdir()
    image = np.full((40, 60, 3), 90, np.uint8)
    assert cv2.imwrite(str(path / 'samples' / '00_sun.png'), image)
    return path


@pytest.fixture
def run_path(tmp_path, scores_dict):
    return fill_run(tmp_path / 'run <b>1', scores_dict)


@pytest.fixture
def make_run(tmp_path, scores_dict):
    """Writes runs by name, with every mIoU moved by ``shift``."""

    def make(name, *, shift=0.0, **settings):
        scores = copy.deepcopy(scores_dict)
        for entry in scores['subsets'].values():
            entry['miou'] += shift
        return fill_run(tmp_path / name, scores, **settings)

    return make
