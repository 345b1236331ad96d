# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""YAML and JSON by what their specifications say of short texts; what is hostile is one error."""

import json
import math

import pytest

from anymodal_seg_ros.documents import (
    MAX_DEPTH,
    MAX_VALUES,
    MAX_YAML_BYTES,
    is_file,
    parse_json,
    parse_yaml,
    read_json,
    read_yaml,
)
from anymodal_seg_ros.errors import MAX_MESSAGE, ConfigError


@pytest.mark.parametrize(('text', 'value'), [
    ('', None), ('~', None), ('7', 7), ('-0x10', -16), ('1.5e+3', 1500.0), ('yes', True),
    ('a: [1, {b: c}]', {'a': [1, {'b': 'c'}]}), ('- x\n- y: 2', ['x', {'y': 2}]),
    ("'7'", '7'), ('.inf', math.inf), ('999999999999999999', 10**18 - 1),
    ('a: &x {k: 1}\nb: *x\nc: {<<: *x, l: 2}', {'a': {'k': 1}, 'b': {'k': 1},
                                                'c': {'k': 1, 'l': 2}}),
    ('date: 2001-12-14', {'date': '2001-12-14'}),
])
def test_plain_yaml(text, value):
    assert parse_yaml(text, 'it') == value


def bomb(form, first, levels=9, width=9):
    lines = [form.format(0, first)]
    lines += [form.format(i, ', '.join([f'*a{i - 1}'] * width)) for i in range(1, levels)]
    return '\n'.join(lines)


HOSTILE_YAML = {
    'lists of lists': (bomb('a{0}: &a{0} [{1}]', 'x'), 'stands for more than'),
    'merged tables': (bomb('a{0}: &a{0} {{<<: [{1}]}}', '{x: 1}'), 'stands for more than'),
    'itself': ('&a [*a]', 'holds itself'),
    'itself, merged': ('&a {<<: *a}', 'holds itself'),
    'aliases in aliases': (bomb('a{0}: &a{0} [{1}]', 'x', 3 * MAX_DEPTH, 1), 'deep'),
    'depth': ('[' * 100_000, 'deep'),
    'depth of tables': ('{a: ' * 50_000, 'deep'),
    'many values': ('[' + 'x, ' * (MAX_VALUES + 1) + ']', 'stands for more than'),
    'very many values': ('[' + 'x, ' * 4 * MAX_VALUES + ']', f'more than {MAX_VALUES}'),
    'a long number': ('1' * 401, 'a whole number of 401'),
    'a very long number': ('1' * 5000, 'a whole number of 5000'),
    'a command': ('!!python/object/apply:os.system [x]', 'a value of the type'),
    'a set': ('!!set {a, b}', 'a value of the type'),
    'binary': ('!!binary "*"', 'a value of the type'),
    'no bool': ('!!bool x', 'is not YAML'),
    'no int': ('!!int ""', 'is not YAML'),
    'no float': ('!!float x', 'is not YAML'),
    'a scalar as list': ('!!seq x', 'a value of the type'),
    'a list as key': ('? [a]\n: b', 'is not YAML'),
    'two documents': ('a: 1\n---\nb: 2', 'is not YAML'),
    'a surrogate': ('"\\ud800', 'is not YAML'),
    'no end': ('"a', 'is not YAML'),
    'an unknown alias': ('*b', 'is not YAML'),
}


@pytest.mark.parametrize('name', HOSTILE_YAML)
@pytest.mark.timeout(10)
def test_hostile_yaml_is_one_short_error(name):
    text, says = HOSTILE_YAML[name]
    with pytest.raises(ConfigError, match=says) as caught:
        parse_yaml(text, 'it')
    assert len(str(caught.value)) < MAX_MESSAGE + 10


@pytest.mark.parametrize(('text', 'value'), [
    ('{"a": [1, -2.5e3, true, null, "\\u00e9"]}', {'a': [1, -2500.0, True, None, 'é']}),
    ('-999999999999999999', 1 - 10**18), ('Infinity', math.inf)])
def test_plain_json(text, value):
    assert parse_json(text, 'it') == value
    assert parse_json(text.encode(), 'it') == value


@pytest.mark.parametrize(('text', 'says'), [
    ('{"a": 1, "a": 2}', 'twice'), ('[' * 100_000, 'not valid JSON'),
    ('1' * 30, 'a whole number of 30'), ('-' + '1' * 5000, 'a whole number of 5001'),
    ('{', 'not valid JSON'), ('', 'not valid JSON'), ('{"a": 1} x', 'not valid JSON')])
def test_hostile_json(text, says):
    with pytest.raises(ConfigError, match=says):
        parse_json(text, 'it')


@pytest.mark.parametrize('constant', ['NaN', 'Infinity', '-Infinity'])
def test_constants_that_json_does_not_know_can_be_refused(constant):
    with pytest.raises(ConfigError, match=f'{constant} is not a JSON value'):
        parse_json(f'[{constant}]', 'it', refuse_constants=True)


def test_files_are_named_and_bounded(tmp_path):
    file = tmp_path / 'x'
    file.write_text('{"a": 1}')
    assert read_yaml(file) == read_json(str(file), 8) == {'a': 1}
    with pytest.raises(ConfigError, match=r'x is not valid JSON: 8 bytes; allowed: at most 7'):
        read_json(file, 7)
    file.write_bytes(b' ' * (MAX_YAML_BYTES + 1))
    with pytest.raises(ConfigError, match=r'x is not YAML: 262145 bytes; allowed: at most 262144'):
        read_yaml(file)
    file.write_bytes(b'\xff')
    with pytest.raises(ConfigError, match='x is not YAML, nor text'):
        read_yaml(file)
    for missing in (tmp_path, tmp_path / 'y', tmp_path / ('y' * 5000), tmp_path / 'a\0b'):
        assert not is_file(missing)
        with pytest.raises(ConfigError, match='cannot read'):
            read_yaml(missing)


def test_errors_quote_no_more_than_one_can_read():
    error = ConfigError('begin ' + json.dumps(list(range(10_000))) + ' end')
    assert len(str(error)) < MAX_MESSAGE + 10
    assert str(error).startswith('begin [0, 1,')
    assert str(error).endswith('9999] end')
