# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page of all keys: every setting is on it with its default, what is allowed and a meaning."""

from dataclasses import MISSING, fields

import pytest
import yaml

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models import MODELS
from training import train as train_command
from training.datasets import DATASETS
from training.methods import METHODS
from training.recipe_keys import keys_overview, keys_page, sections
from training.train_config import TrainConfig

PAGE = keys_page()
TABLES = [section for section in sections() if any(section.settings())]
KEYS = [pytest.param(block, key, item, id=f'{section.only_where} {key}')
        for section, block in zip(TABLES, PAGE.split('\n\n'), strict=True)
        for key, item in section.settings()]


def entry(block, key):
    """The line of a key in its table's block, and the text below it."""
    lines = block.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(f'  {key} '))
    after = next((number for number, line in enumerate(lines[first + 1:], first + 1)
                  if not line.startswith('      ')), len(lines))
    return lines[first].strip(), ' '.join(line.strip() for line in lines[first + 1:after])


@pytest.mark.parametrize(('block', 'key', 'item'), KEYS)
def test_a_key_has_default_and_meaning(block, key, item):
    line, meaning = entry(block, key)
    assert meaning, f'{key} needs a text below its field'
    text, _, allowed = line.removeprefix(f'{key} ').rpartition('  (')
    assert allowed.removesuffix(')')
    if item.default is MISSING:
        assert text == 'needed'
    else:
        shown = yaml.safe_load(text.removeprefix('= '))
        assert (tuple(shown) if isinstance(shown, list) else shown) == item.default


def test_no_settings_class_of_a_recipe_is_left_out():
    kinds = {section.kind for section in sections()}
    assert {row.options for row in METHODS.values()} <= kinds
    assert {row.config for row in MODELS.values()} <= kinds
    assert {kind.OPTIONS for kind in DATASETS.values()} <= kinds
    of_recipe = {type(getattr(TrainConfig(), item.name)).__name__ for item in fields(TrainConfig)}
    named = {kind.__name__ for kind in kinds}
    assert {name for name in of_recipe if name.endswith('Config')} <= named
    assert {'StageConfig', 'DataSetConfig', 'PrimaryOptions', 'FeedbackOptions'} <= named


def test_the_page_fits_a_terminal():
    assert max(map(len, PAGE.splitlines())) <= 100


def test_keys_are_picked_by_their_beginning():
    page = keys_page('optim.w')
    assert '  optim.weight_decay = 0.01  (a number from 0 to 1)' in page
    assert '  optim.warmup = 0.03  (a number from 0 to 0.9)' in page
    assert 'optim.lr' not in page and 'augment' not in page
    with pytest.raises(ConfigError, match=r"'optm'; sections are model_config, .*, optim, "):
        keys_page('optm')


def test_names_that_a_table_has_are_those_allowed():
    assert entry(PAGE, 'loss')[0] == 'loss = ce  (ce, ohem)'
    assert f'({", ".join(METHODS)})' in entry(PAGE, 'method.name')[0]


@pytest.mark.parametrize(('key', 'allowed'), [
    ('model_config.stem', 'shared, per_modality'),
    ('model_config.backbone', 'b0, b1, b2, b3, b4, b5'),
    ('model_config.head_dim', 'a whole number from 0 to 4096'),
    ('model_config.hub_source', "'', pre, post")])
def test_settings_of_a_network_say_what_is_allowed(key, allowed):
    assert f'({allowed})' in entry(PAGE, key)[0]


def test_the_command_shows_them(capsys):
    for arguments, page in ((['--keys'], PAGE), (['--keys', 'optim'], keys_page('optim'))):
        with pytest.raises(SystemExit) as ended:
            train_command.main(arguments)
        assert ended.value.code in (None, 0)
        assert capsys.readouterr().out == page + '\n'
    with pytest.raises(SystemExit) as ended:
        train_command.main(['--keys', 'optm'])
    assert ended.value.code == 2 and "'optm'" in capsys.readouterr().err


def test_the_help_names_every_section_and_no_source_file(capsys):
    with pytest.raises(SystemExit):
        train_command.main(['--help'])
    text = capsys.readouterr().out
    assert keys_overview() in text and '--keys' in text
    for item in fields(TrainConfig):
        assert item.name in text
    assert 'config.py' not in text and 'methods/' not in text
