# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is printed and written of a benchmark, from matrices made by hand."""

import json
import re

import cv2
import numpy as np
import pytest

from anymodal_seg_ros.errors import WriteError
from anymodal_seg_ros.models import modality_subsets
from training.report import read_scores
from training.report.robustness import robustness_tables
from training.robustness.protocol import BenchmarkConfig
from training.robustness.result import RobustnessScores
from training.robustness.tables import latex_tables, text_tables, write_heatmap
from training.scoring import SubsetScores

PAIR = ('rgb', 'event')


def scored(space, mious, mode='drop'):
    """Two of five classes occur, one at that IoU in percent and one at 100."""
    scores = SubsetScores(label_space=space, missing_mode=mode)
    for subset, miou in mious.items():
        counts = np.zeros((5, 6), np.int64)
        counts[0, 0], counts[0, 5], counts[1, 1] = 2 * miou - 100, 200 - 2 * miou, 100
        scores.add(subset, 'sun', counts)
    return scores


@pytest.fixture
def scores(space):
    def combined(full, first, second, mode='drop'):
        return scored(space, {('rgb',): first, ('event',): second, PAIR: full}, mode)

    return RobustnessScores(
        label_space=space, sensors=PAIR, precision='fp32',
        config=BenchmarkConfig(benchmarks=('emm', 'rmm', 'nm', 'failures'),
                               missing_modes=('drop', 'zero'), severities=(0.5,)),
        emm={'drop': combined(80, 70, 60), 'zero': combined(78, 65, 50, 'zero')},
        rmm={0.25: combined(80, 79, 78), 0.5: combined(80, 75, 70), 0.75: combined(80, 60, 55)},
        nm={level: scored(space, {PAIR: miou})
            for level, miou in (('low', 72), ('mid', 66), ('high', 58))},
        failures={'motionblur': {0.5: scored(space, {PAIR: 74})}})


def test_figures_by_hand(scores):
    drop = scores.score_columns('drop', 'skip')
    assert list(drop.values()) == pytest.approx(
        [80, 70, (80 * .81 + (70 + 60) * .09) / .99, 75, (80 * .81 + (75 + 70) * .09) / .99,
         72, 66])
    assert scores.score_columns('zero', 'skip')['EMM average'] == pytest.approx(193 / 3)
    # With three classes that do not occur the mean is over five: 2/5 of it.
    assert scores.clean('drop', 'zero') == pytest.approx(32)
    assert scores.score_columns('zero', 'skip')['clean'] == pytest.approx(78)
    assert scores.without('rgb', 'zero', 'skip') == pytest.approx(50)
    assert scores.degraded(scores.nm['high'], 'skip') == pytest.approx(58)


def test_json_is_complete_and_the_report_can_read_it(scores):
    data = json.loads(json.dumps(scores.to_dict()))
    assert data['missing_mode'] == 'drop' and data['settings']['precision'] == 'fp32'
    assert set(data['robustness_score']) == {
        f'missing {missing}, absent {absent}'
        for missing in ('drop', 'zero') for absent in ('skip', 'zero')}
    row = data['robustness_score']['missing zero, absent skip']
    columns = scores.score_columns('zero', 'skip')
    assert row['score'] == round(sum(columns.values()) / 7, 2)
    assert data['emm']['zero']['absent skip']['average'] == 64.33
    assert data['clean']['missing zero'] == {'absent skip': 78.0, 'absent zero': 31.2}
    assert data['emm']['zero']['subsets']['event']['miou'] == 50.0
    assert data['rmm']['r=0.75']['absent zero']['average'] == 26.0
    assert data['nm']['absent skip'] == {'low': 72.0, 'mid': 66.0, 'high': 58.0}
    assert data['failures']['absent skip'] == {'motionblur': {'0.5': 74.0}}
    assert read_scores(data).average() == pytest.approx(70.0)
    tables = dict(robustness_tables(data))
    assert ('motionblur', '74.0') in tables['Sensor failures, absent skip'].rows
    assert 'seed' not in repr(tables)


def test_text_names_mode_and_treatment_beside_each_score(scores):
    text = text_tables(scores)
    assert 'labels at native size, fp32, seed 0' in text
    left_out, as_zero = text.split('\nabsent classes count 0: clean 32.00 (drop), 31.20 (zero)\n')
    assert 'absent classes left out: clean 80.00 (drop), 78.00 (zero)' in left_out
    lines = [re.split(r'\s{2,}', line) for line in left_out.splitlines()]
    assert ['missing: drop', '70.00', '75.00', '77.27', '78.57'] in lines
    assert ['missing: zero', '64.33'] in [line[:2] for line in lines]
    assert ['motionblur', '74.00', '60.00', '50.00'] in lines
    assert [line[0] for line in lines if line[0].startswith('EMM missing')] == [
        'EMM missing: drop', 'EMM missing: zero']
    assert 'r=0.75' in as_zero and '26.00' in as_zero


def test_latex_and_heat_map(scores, tmp_path):
    text = latex_tables(scores, 'skip')
    assert text.count(r'\begin{table}') == text.count(r'\end{table}') == 4
    assert text.count(r'\label{tab:') == len(set(re.findall(r'\\label{(.*)}', text))) == 4
    assert 'EMM drop & EMM zero & RMM 0.25' in text and 'absent classes left out' in text
    assert re.search(r'EMM missing: zero & 78\.00 & 64\.33 & .* \\\\', text)
    assert 'absent classes count 0' in latex_tables(scores)
    write_heatmap(tmp_path / 'deep' / 'map.png', scores)
    assert cv2.imread(str(tmp_path / 'deep' / 'map.png')).shape[2] == 3
    (tmp_path / 'file').write_text('')
    with pytest.raises(WriteError, match='cannot write'):
        write_heatmap(tmp_path / 'file' / 'map.png', scores)


def test_emm_alone_has_no_robustness_score(space):
    mious = dict.fromkeys(modality_subsets(PAIR), 70)
    alone = RobustnessScores(label_space=space, sensors=PAIR, precision='bf16',
                             config=BenchmarkConfig(), emm={'drop': scored(space, mious)})
    assert alone.score_columns('drop', 'skip') is None
    assert not {'robustness_score', 'rmm', 'nm', 'failures'} & set(alone.to_dict())
    assert 'robustness' not in text_tables(alone) and 'RMM: elements' not in text_tables(alone)
    assert latex_tables(alone).count(r'\begin{table}') == 1
