# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The table that ``python -m anymodal_seg_ros.corruption`` prints; docs/faults.md holds it."""

from pathlib import Path

from anymodal_seg_ros.corruption import FAULTS
from anymodal_seg_ros.corruption.__main__ import main, markdown

PAGE = Path(__file__).resolve().parents[2] / 'docs' / 'faults.md'


def test_every_fault_has_a_line_of_four_cells(capsys):
    assert main([]) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split('|')[1].strip(' `') for row in rows] == list(FAULTS)
    assert all(row.count('|') == 5 for row in rows)


def test_page_holds_the_table_that_is_printed():
    assert markdown() in PAGE.read_text(encoding='utf-8')
