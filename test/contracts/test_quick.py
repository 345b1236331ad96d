# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What ``make quick`` and ``make test`` leave out, read from the marks in the files."""

import ast
from pathlib import Path

import pytest

TEST = Path(__file__).resolve().parents[1]
FOLDERS = sorted({path.parent for path in TEST.rglob('test_*.py')})


def names_in(nodes):
    """Attributes named in some expressions: ``slow`` of ``pytest.mark.slow``."""
    return {part.attr for node in nodes for part in ast.walk(node)
            if isinstance(part, ast.Attribute)}


def marked_tests(path):
    """Name of each test of a file, with the names in its own marks and its file's."""
    module = ast.parse(path.read_text(encoding='utf-8'))
    of_file = names_in(
        statement.value for statement in module.body if isinstance(statement, ast.Assign)
        and [ast.unparse(target) for target in statement.targets] == ['pytestmark'])
    return {statement.name: of_file | names_in(statement.decorator_list)
            for statement in module.body
            if isinstance(statement, ast.FunctionDef) and statement.name.startswith('test_')}


@pytest.mark.parametrize('folder', FOLDERS, ids=lambda folder: str(folder.relative_to(TEST)))
def test_every_folder_has_a_quick_test(folder):
    assert any('slow' not in marks for path in folder.glob('test_*.py')
               for marks in marked_tests(path).values())


def test_what_runs_alone_is_run_and_is_not_quick():
    """``make test`` looks for it in ``test/ros``; the quick tests run beside each other."""
    alone = {path.relative_to(TEST) / name: marks for path in TEST.rglob('test_*.py')
             for name, marks in marked_tests(path).items() if 'alone' in marks}
    assert {name.parts[0] for name in alone} == {'ros'}
    assert not [str(name) for name, marks in alone.items() if 'slow' not in marks]
