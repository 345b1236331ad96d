# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""LaTeX tables, letter by letter."""

import numpy as np

from anymodal_seg_ros.pages.grid import Grid, subset_grid
from training.report import latex_table
from training.report.latex import escape_latex


def test_table_of_combinations():
    grid = subset_grid({('rgb', 'lidar'): {'all': 71.256, 'sun': 70.0},
                        ('rgb',): {'all': 51.0, 'sun': 70.0}, ('lidar',): {'all': 40.0}},
                       ['all', 'sun'], ('rgb', 'lidar'))
    assert latex_table(grid, caption='50% & more', label='tab:x').splitlines() == [
        r'\begin{table}', r'\centering', r'\caption{50\% \& more}', r'\label{tab:x}',
        r'\begin{tabular}{ccrr}', r'\toprule', r'rgb & lidar & all & sun \\', r'\midrule',
        r'$\bullet$ & $\bullet$ & \textbf{71.26} & \textbf{70.00} \\',
        r'$\bullet$ & $\circ$ & 51.00 & \textbf{70.00} \\',
        r'$\circ$ & $\bullet$ & 40.00 & -- \\',
        r'\midrule', r'\multicolumn{2}{l}{average} & 54.09 & -- \\',
        r'\bottomrule', r'\end{tabular}', r'\end{table}']


def test_table_of_names():
    grid = Grid(rows=('any_seg', 'robust'), columns=('EMM',), values=np.array([[1.0], [2.0]]))
    lines = latex_table(grid, digits=1).splitlines()
    assert lines[2] == r'\begin{tabular}{lr}'
    assert r'any\_seg & 1.0 \\' in lines and r'robust & \textbf{2.0} \\' in lines


def test_every_special_letter_is_escaped_once():
    assert escape_latex('a_b{c}\\~^&%$#<>') == (
        r'a\_b\{c\}\textbackslash{}\textasciitilde{}\textasciicircum{}\&\%\$\#'
        r'\textless{}\textgreater{}')
