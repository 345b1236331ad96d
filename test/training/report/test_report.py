# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page of a run: whole, of an unfinished run, of a damaged one."""

import json
import re
import zlib
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from anymodal_seg_ros.errors import ConfigError
from training.report import read_scores, write_report
from training.report.__main__ import main
from training.report.overview import sensor_table
from training.report.pictures import MAX_PICTURES, MAX_WIDTH_PX, inlined_pictures
from training.report.wording import change, duration

pytestmark = pytest.mark.slow

VOID = {'meta', 'img', 'br', 'link', 'input'}


class Page(HTMLParser):
    """Text, attributes and balance of a page."""

    def __init__(self, source):
        super().__init__()
        self.open, self.text, self.references, self.tags = [], '', [], []
        self.feed(source)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.references += [value for name, value in attrs if name in ('src', 'href')]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != 'style':
            self.text += data + ' '


def page_of(run):
    path = write_report(run)
    assert path == run / 'report.html' and sorted(p.name for p in run.glob('.*')) == []
    return Page(path.read_text(encoding='utf-8'))


def test_everything_is_there(run_path, scores_dict):
    page = page_of(run_path)
    for words in ('run <b>1', 'method anyseg', 'mIoU with sensors missing', 'without rgb',
                  'What each sensor is worth', 'Conditions', 'night', 'stop & go', 'Robustness',
                  '51.2', 'Samples', 'Training', 'logit_kd', 'learning rate', 'Recipe',
                  'test&bench', '9.9', '399 steps, 1,596 samples, 3 min',
                  'Scored on 2 frames of val. A missing sensor is left out.'):
        assert words in page.text, words
    assert f'{scores_dict["emm_average_skip"]:.1f}' in page.text
    assert f'{scores_dict["emm_p0.1_skip"]:.1f}' in page.text


def test_each_of_several_data_sets_has_a_row(run_path, scores_dict):
    assert 'Data sets' not in page_of(run_path).text
    camera = {'subsets': {'rgb': {'miou': 12.34}}, 'data': {'scored_frames': 7}}
    scores = {**scores_dict, 'sets': {'data.sets.0 (<a>)': scores_dict, 'b': camera}}
    (run_path / 'scores.json').write_text(json.dumps(scores))
    (run_path / 'recipe.yaml').write_text('data: {sets: [{root: A}, {name: b}]}')
    page = page_of(run_path)
    average = f'{scores_dict["emm_average_skip"]:.1f}'
    full = f'{scores_dict["subsets"]["rgb+depth+lidar"]["miou"]:.1f}'
    words = page.text.split()
    at = words.index('(<a>)')
    assert words[at + 1:at + 9] == ['2', 'rgb', '+', 'depth', '+', 'lidar', full, average]
    assert words[at + 9:at + 14] == ['b', '7', 'rgb', '12.3', '12.3']
    assert 'data A, b' in page.text
    assert read_scores(scores).average() is None, 'combinations are of different frames'


@pytest.mark.parametrize('sets', [3, [], {'a': 3}, {'a': {'subsets': {}}}])
def test_damaged_scores_of_data_sets_are_named(scores_dict, sets):
    with pytest.raises(ConfigError, match='not a table of scores'):
        read_scores({**scores_dict, 'sets': sets})


def test_cells_and_classes_say_what_was_scored(run_path, scores_dict):
    source = write_report(run_path).read_text(encoding='utf-8')
    subsets = scores_dict['subsets']
    full = subsets['rgb+depth+lidar']
    cells = re.findall(r'<div style="background: #\w+; color: #\w+">([^<]*)<b>([^<]*)</b>([^<]*)<',
                       source)
    assert len(cells) == 7
    for name, subset in (('rgb + depth + lidar', 'rgb+depth+lidar'), ('depth', 'depth'),
                         ('without rgb', 'depth+lidar')):
        miou = subsets[subset]['miou']
        delta = '' if subsets[subset] is full else change(miou - full['miou'])
        assert (name, f'{miou:.1f}', delta) in cells
    alone = np.mean([subsets[sensor]['classes']['yield'] for sensor in ('rgb', 'depth', 'lidar')])
    [figures] = re.findall(r'yield</span>.*?<b>([^<]*)</b> ([^<]*)</span>', source)
    assert figures == (f'{full["classes"]["yield"]:.1f}', f'{alone:.1f}')
    assert 'background: rgb(0, 0, 200)' in source


def test_the_precision_of_the_network_is_said_with_its_scores(run_path, scores_dict):
    scores = {**scores_dict, 'network': 'torch 2 on cpu, bf16, <2> threads'}
    (run_path / 'scores.json').write_text(json.dumps(scores))
    assert 'left out. Run by torch 2 on cpu, bf16, <2> threads.' in page_of(run_path).text


def test_nothing_of_a_file_becomes_markup_and_nothing_is_loaded(run_path):
    page = page_of(run_path)
    assert 'script' not in page.tags and 'b' in page.tags
    assert '<script>alert(1)</script>' in page.text
    assert all(reference.startswith('data:image/jpeg;base64,') for reference in page.references)
    assert len(page.references) == 1
    source = (run_path / 'report.html').read_text(encoding='utf-8')
    # What begins with '#' is in the page itself.
    assert not re.search(r'url\((?!#)|@import', source)
    assert set(re.findall(r'https?://[^"]*', source)) == {'http://www.w3.org/2000/svg'}


def test_names_of_robustness_figures_are_escaped(run_path):
    (run_path / 'robustness.json').write_text(json.dumps({'<em>': {'<em>': {'<em>': 1.0}}}))
    page = page_of(run_path)
    assert page.text.count('<em>') == 3 and 'em' not in page.tags


def test_names_of_scores_are_escaped_in_charts_too(run_path):
    bad = '<script>\x00'
    entry = {'miou': 1.0, 'conditions': {bad: 1.0}, 'classes': {bad: 1.0}}
    (run_path / 'scores.json').write_text(json.dumps({'subsets': {bad: entry}}))
    (run_path / 'metrics.csv').write_text('step,<script>\n0,1\n1,2\n')
    page = page_of(run_path)
    assert 'script' not in page.tags
    # Sensor and condition in the heat map, lattice, classes and their key, a curve.
    assert page.text.count('<script>') >= 6


def test_a_recipe_alone_is_enough(tmp_path):
    (tmp_path / 'recipe.yaml').write_text('seed: 3\n', encoding='utf-8')
    page = page_of(tmp_path)
    assert 'Not scored' in page.text and 'method supervised' in page.text
    assert 'Training' not in page.text and 'Samples' not in page.text


@pytest.mark.parametrize('name', ['metrics.csv', 'scores.json', 'robustness.json',
                                  'bundle/bundle.json', 'samples/00_sun.png'])
@pytest.mark.parametrize('content', [b'\xff\xfe', b'[1]', b'{"subsets": {"rgb": 5}}'])
def test_a_damaged_file_is_named_and_the_rest_is_shown(run_path, name, content):
    (run_path / name).write_bytes(content)
    page = page_of(run_path)
    if not (name.startswith(('robustness', 'bundle')) and content.startswith(b'{')):
        assert f'{name}: ' in page.text
    assert ('Training' in page.text) == (name != 'metrics.csv')
    assert ('EMM average' in page.text) == (name != 'scores.json')


def test_a_wrong_label_space_is_named(run_path):
    (run_path / 'bundle' / 'bundle.json').write_text('{"label_space": {"name": 1}}')
    assert 'bundle/bundle.json: a label space is' in page_of(run_path).text


@pytest.mark.parametrize(('recipe', 'words'), [
    (None, r'is no training run: it has no recipe\.yaml'),
    ('a: [', r'recipe\.yaml is not YAML'),
    ('- a', 'must hold a table, not list'),
])
def test_a_folder_that_is_no_run(tmp_path, recipe, words):
    if recipe is not None:
        (tmp_path / 'recipe.yaml').write_text(recipe)
    with pytest.raises(ConfigError, match=words):
        write_report(tmp_path)
    assert not (tmp_path / 'report.html').exists()


def test_figures_equal_those_of_the_scoring(scores_dict):
    scores = read_scores(scores_dict)
    assert scores.average() == pytest.approx(scores_dict['emm_average_skip'], abs=0.011)
    for p in (0.2, 0.1, 0.05):
        assert scores.expectation(p) == pytest.approx(scores_dict[f'emm_p{p}_skip'], abs=0.011)
    assert scores.full == scores_dict['subsets']['rgb+depth+lidar']['miou']
    assert set(scores.with_missing(1)) == {('rgb', 'depth'), ('rgb', 'lidar'), ('depth', 'lidar')}
    assert scores.grid().columns == ('all', 'night', 'sun')


@pytest.mark.parametrize(('value', 'text'), [
    (1.26, '+1.3'), (-0.3, '−0.3'), (-0.04, '0.0'), (0.0, '0.0'), (float('nan'), '–'), (None, '–'),
])
def test_a_change_has_a_sign_unless_it_rounds_to_zero(value, text):
    assert change(value) == text


def test_what_a_sensor_is_worth():
    mious = {'a': 10, 'b': 4, 'a+b': 16}
    table = sensor_table(read_scores({'subsets': {k: {'miou': v} for k, v in mious.items()}}))
    assert table.rows == [('a', '10.0', '4.0', '−12.0', '+12.0'),
                          ('b', '4.0', '10.0', '−6.0', '+6.0')]


@pytest.mark.parametrize(('data', 'words'), [
    ([], 'no table'), ({}, "no entry 'subsets'"), ({'subsets': {}}, 'no combination'),
    ({'subsets': {'rgb': {}}}, "no entry 'miou'"),
    ({'subsets': {'rgb': {'miou': 'high'}}}, 'could not convert'),
])
def test_what_is_no_table_of_scores(data, words):
    with pytest.raises(ConfigError, match=f'not a table of scores: .*{words}'):
        read_scores(data)


def test_scores_of_some_combinations(run_path):
    (run_path / 'scores.json').write_text(json.dumps(
        {'subsets': {'rgb+lidar': {'miou': 50.0}, 'rgb': {'miou': None}}}))
    page = page_of(run_path)
    assert 'EMM average' not in page.text and '50.0' in page.text


def test_pictures_are_few_and_not_wide(tmp_path):
    for number in range(MAX_PICTURES + 2):
        cv2.imwrite(str(tmp_path / f'{number:02d}.png'), np.zeros((9, 2 * MAX_WIDTH_PX), np.uint8))
    pictures, problems = inlined_pictures(tmp_path)
    assert [name for name, _ in pictures] == [f'{i:02d}' for i in range(MAX_PICTURES)]
    assert problems == [f'{tmp_path.name}: only the first 12 of 14 are shown']
    assert max(len(uri) for _, uri in pictures) < 10_000


def test_a_picture_that_claims_to_be_huge_is_not_decoded(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((2, 2), np.uint8))
    data = bytearray((tmp_path / 'a.png').read_bytes())
    data[16:24] = (60_000).to_bytes(4, 'big') * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, 'big')
    (tmp_path / 'a.png').write_bytes(data)
    pictures, [problem] = inlined_pictures(tmp_path)
    assert pictures == [] and 'height 60000; allowed:' in problem


def test_durations():
    assert [duration(s) for s in (40, 720, 7500)] == ['40 s', '12 min', '2 h 05 min']


def test_command_writes_and_complains(run_path, tmp_path, capsys):
    assert main([str(run_path)]) == 0
    assert capsys.readouterr().out == f'{run_path / "report.html"}\n'
    assert main([str(tmp_path)]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f'error: {tmp_path} is no training run')
    with pytest.raises(SystemExit, match='2'):
        main([str(run_path), '--output', str(tmp_path / 'page.html')])
    assert '--output needs several runs' in capsys.readouterr().err
