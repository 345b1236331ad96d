# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files and tables that code can write are what it writes."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / 'scripts' / 'write_docs.py'


@pytest.fixture(scope='module')
def script():
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        spec = importlib.util.spec_from_file_location('write_docs', SCRIPT)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(SCRIPT.parent))
    return module


def test_files_and_tables_are_what_the_code_says():
    done = subprocess.run([sys.executable, SCRIPT, '--check'], capture_output=True, text=True,
                          cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_first_table_below_a_heading_is_replaced_and_nothing_else(script):
    page = '# A\n\ntext\n\n| a |\n|---|\n\n## B\n\n| b |\n|---|\n| 1 |\n\nend\n\n| c |\n'
    assert script.with_table(page, 'B', '| new |\n|---|') == page.replace(
        '| b |\n|---|\n| 1 |', '| new |\n|---|')


@pytest.mark.parametrize('page', ['# A\n\n| a |\n', '## B\n\ntext\n\n## C\n\n| c |\n'])
def test_a_heading_without_a_table_is_an_error(script, page):
    with pytest.raises(ValueError, match="'B'"):
        script.with_table(page, 'B', '| new |')
