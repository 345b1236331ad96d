# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reports of training runs: curves, heat maps over combinations of sensors, sample predictions.

``run_folder`` reads a run, ``run_page`` and ``comparison`` make pages of it, ``samples`` draws
sample predictions and ``latex`` writes tables for papers.
"""

from training.report.comparison import write_comparison
from training.report.latex import latex_table
from training.report.run_page import write_report
from training.report.samples import write_samples
from training.report.scores import Scores, read_scores

__all__ = ['Scores', 'latex_table', 'read_scores', 'write_comparison', 'write_report',
           'write_samples']
