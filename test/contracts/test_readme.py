# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the README and the pages under ``docs`` say of the repository is so."""

import importlib.util
import json
import re
from pathlib import Path
from unittest.mock import ANY

import pytest

from anymodal_seg_ros.health import CHECKS
from anymodal_seg_ros.models import FEATURES, GUIDED, MODELS, SEPARABLE
from training.datasets import DATASETS
from training.methods import METHODS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / 'README.md').read_text(encoding='utf-8')
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding='utf-8')
         for path in (*sorted(ROOT.glob('*.md')), *sorted((ROOT / 'docs').glob('*.md')),
                      ROOT / 'training' / 'README.md')}
CONDITIONS = ('cloud', 'fog', 'night', 'rain', 'sun')


def found_in_pages(pattern):
    """(page, match) of every match, each once."""
    return sorted({(page, match) for page, text in PAGES.items()
                   for match in re.findall(pattern, text)})


def table(text, title):
    """First cell of each row to the others, of the first table below a heading."""
    section = text.partition(f'# {title}\n')[2].partition('\n#')[0]
    lines = re.search(r'(?:^\|.*\|\n)+', section, re.MULTILINE)[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines]
    return {name.replace(' + ', '+'): values for name, *values in rows}


@pytest.fixture(scope='module')
def provenance():
    bundle = json.loads((ROOT / 'bundles' / 'default' / 'bundle.json').read_text('utf-8'))
    return bundle['provenance']


def test_scores_are_those_of_the_bundle_that_ships(provenance):
    subsets = provenance['scores']['val']['subsets']
    supervised = provenance['teacher']['scores']['val']['subsets']
    assert table(PAGES['docs/default_bundle.md'], 'The default bundle') == {
        name: [f'{score["miou"]:.1f}', *(f'{score["conditions"][c]:.1f}' for c in CONDITIONS),
               f'{supervised[name]["miou"]:.1f}']
        for name, score in subsets.items()}


def test_readme_shows_scores_of_that_table(provenance):
    scores = provenance['scores']['val']
    rows = table(README, 'How well it works')
    (mean,) = rows.pop('mean over all 15 combinations')
    assert mean == f'{scores["emm_average_skip"]:.1f}'
    assert rows
    for name, (miou,) in rows.items():
        assert miou == f'{scores["subsets"][name]["miou"]:.1f}', name


def test_the_default_bundle_beats_the_supervised_one(provenance):
    average = provenance['scores']['val']['emm_average_skip']
    taught = provenance['teacher']['scores']['val']['emm_average_skip']
    assert average > taught
    assert f'{average:.1f} (supervised: {taught:.1f})' in PAGES['docs/default_bundle.md']


def test_readme_holds_no_figure_that_only_one_host_can_give():
    outside_code = re.sub(r'```.*?```', '', README, flags=re.DOTALL)
    measured = re.findall(r'[\d.,]+ (?:ms|Hz|fps|samples/s|hours?|minutes?)\b', outside_code)
    assert not measured, 'these belong to docs/measurements.md, which names the host'
    assert not re.search(r'\b(EPYC|Xeon|Ryzen|Core i\d)\b', README)


@pytest.mark.parametrize(('page', 'module'), found_in_pages(r'python -m ([\w.]+\w)'))
def test_commands_exist(page, module):
    assert importlib.util.find_spec(module) is not None


@pytest.mark.parametrize(('page', 'path'), found_in_pages(
    r'`((?:config|test|scripts|benchmarks|anymodal_seg_ros|training|bundles|launch)/[\w./-]*\w)`'))
def test_files_exist(page, path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize(('page', 'path'), found_in_pages(r'python ((?:\w+/)+\w+\.py)'))
def test_scripts_exist(page, path):
    assert (ROOT / path).is_file()


@pytest.mark.parametrize(('page', 'target'), found_in_pages(r'\]\(((?!http)[^)#]+)'))
def test_links_lead_somewhere(page, target):
    assert (ROOT / page).parent.joinpath(target).exists()


@pytest.mark.parametrize(('page', 'target', 'anchor'), sorted(
    (page, *link) for page, text in PAGES.items()
    for link in re.findall(r'\]\(((?!http)[^)#]*)#([^)]+)\)', text)))
def test_anchors_are_headings(page, target, anchor):
    text = ((ROOT / page).parent / target if target else ROOT / page).read_text(encoding='utf-8')
    headings = re.findall(r'^#+ (.*)$', text, re.MULTILINE)
    assert anchor in [re.sub(r'[^\w -]', '', name).lower().replace(' ', '-') for name in headings]


@pytest.mark.parametrize('page', PAGES)
def test_nothing_is_left_to_fill_in(page):
    assert '<!--' not in PAGES[page]


def test_every_page_is_reached_from_the_readme():
    pages = {name.removeprefix('docs/') for name in PAGES if name.startswith('docs/')}
    linked = set(re.findall(r'\((?:docs/)?([\w-]+\.md)\)', ' '.join(PAGES.values())))
    assert pages <= linked


def test_every_content_check_is_explained():
    told = set(re.findall(r'`([a-z_]+)`', PAGES['docs/node.md']))
    assert {check.reason for row in CHECKS.values() for check in row.checks} <= told


@pytest.mark.parametrize(('what', 'rows'), [('Networks', MODELS), ('Training methods', METHODS)])
def test_readme_lists_all(what, rows):
    [listed] = re.findall(rf'{what}: ([^.]*)\.', README)
    assert sorted(re.findall(r'`(\w+)`', listed)) == sorted(rows)


@pytest.mark.parametrize(('page', 'rows'), [
    ('networks', MODELS), ('training', METHODS), ('datasets', DATASETS)])
def test_a_page_has_a_row_of_each(page, rows):
    first_cells = re.findall(r'^\| `(\w+)` \|', PAGES[f'docs/{page}.md'], re.MULTILINE)
    assert set(rows) <= set(first_cells)


def test_what_networks_can_is_told():
    abilities = (FEATURES, SEPARABLE, GUIDED)
    assert table(PAGES['docs/networks.md'], 'Networks') == {
        f'`{name}`': [ANY, *('yes' if each in row.abilities else 'no' for each in abilities)]
        for name, row in MODELS.items()}


def test_the_page_of_training_names_all_that_is_there():
    folder = ROOT / 'training'
    there = {path.name for path in folder.glob('*.py')} - {'__init__.py'}
    there |= {f'{path.parent.name}/' for path in folder.glob('*/__init__.py')}
    rows = PAGES['training/README.md'].partition('| Here |')[2].splitlines()[1:]
    named = [name for row in rows for name in re.findall(r'`([^`]+)`', row.split('|')[1])]
    assert sorted(named) == sorted(there)
