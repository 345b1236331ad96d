# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reports of training runs: curves, heat maps over combinations of sensors, sample predictions.

``run`` reads a run folder, ``report`` and ``comparison`` make pages of it, ``samples`` draws
sample predictions; ``grid`` is the table that ``heatmap`` and ``latex`` show.
"""

from training.report.comparison import write_comparison
from training.report.grid import Grid, subset_grid
from training.report.heatmap import heatmap_png, heatmap_svg
from training.report.latex import latex_table
from training.report.report import write_report
from training.report.samples import write_samples
from training.report.scores import Scores, read_scores

__all__ = ['Grid', 'Scores', 'heatmap_png', 'heatmap_svg', 'latex_table', 'read_scores',
           'subset_grid', 'write_comparison', 'write_report', 'write_samples']
