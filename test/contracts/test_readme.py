# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the README says of the repository is so."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / 'README.md').read_text(encoding='utf-8')


def test_scores_are_those_of_the_bundle_that_ships():
    bundle = json.loads((ROOT / 'bundles' / 'default' / 'bundle.json').read_text('utf-8'))
    provenance = bundle['provenance']
    subsets = provenance['scores']['val']['subsets']
    supervised = provenance['teacher']['scores']['val']['subsets']
    section = README.partition('### The default bundle')[2].partition('\n###')[0]
    rows = {}
    for line in re.findall(r'^\| (.+) \|$', section, re.MULTILINE)[1:]:
        name, *values = (cell.strip() for cell in line.split('|'))
        rows[name.replace(' + ', '+')] = values
    conditions = ('cloud', 'fog', 'night', 'rain', 'sun')
    assert rows == {
        name: [f'{score["miou"]:.1f}', *(f'{score["conditions"][c]:.1f}' for c in conditions),
               f'{supervised[name]["miou"]:.1f}']
        for name, score in subsets.items()}


def test_the_default_bundle_beats_the_supervised_one():
    bundle = json.loads((ROOT / 'bundles' / 'default' / 'bundle.json').read_text('utf-8'))
    average = bundle['provenance']['scores']['val']['emm_average_skip']
    taught = bundle['provenance']['teacher']['scores']['val']['emm_average_skip']
    assert average > taught
    section = README.partition('### The default bundle')[2].partition('\n###')[0]
    assert f'{average:.1f} (supervised: {taught:.1f})' in section


@pytest.mark.parametrize('module', sorted(set(re.findall(r'python -m ([\w.]+\w)', README))))
def test_commands_exist(module):
    assert importlib.util.find_spec(module) is not None


@pytest.mark.parametrize('path', sorted(set(
    re.findall(r'`((?:config|test|scripts|benchmarks|anymodal_seg_ros|training)/[\w./-]*\w)`',
               README))))
def test_files_exist(path):
    assert (ROOT / path).exists()


def test_nothing_is_left_to_fill_in():
    assert '<!--' not in README
