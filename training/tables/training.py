# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Trains a table: what is finished stays, what was interrupted goes on, and figures are stored."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from anymodal_seg_ros import limits
from anymodal_seg_ros.existence import is_file
from training.output_folder import BUNDLE_FOLDER
from training.preparation import check_guide
from training.tables.jobs import Job, run_jobs
from training.tables.recording import record
from training.tables.result import read_result, result_path
from training.tables.runs import ROBUSTNESS_FILE, TableRun, recipe_sha256, table_runs
from training.tables.table import TableConfig

COMMANDS = Path(__file__).resolve().parents[1]
TRAIN = (sys.executable, str(COMMANDS / 'train.py'))
EVALUATE = (sys.executable, str(COMMANDS / 'evaluate.py'))
MAX_PROCESSES = 256


def train_table(
    table: TableConfig, rows: Sequence[str], seeds: Sequence[int], *, data: Path, output: Path,
    results: Path, processes: int = 1,
) -> None:
    """Train the rows, and those that they need, with every seed, and store their results.

    Args:
        data: root of the data set.
        output: folder of the run folders.
        results: folder of the stored results.
        processes: that run at a time, each with one thread.

    Raises:
        ConfigError: a wrong row, recipe or number, a finished run of another recipe, or a run
            that failed.
        WriteError: something cannot be written.
    """
    limits.whole('processes', processes, 1, MAX_PROCESSES)
    runs = table_runs(table, rows, seeds, data, output)
    run_jobs([_job(table, run, data, results) for run in runs], processes)


def _job(table: TableConfig, run: TableRun, data: Path, results: Path) -> Job:
    commands = []
    if not run.is_trained():
        # Hours before the run itself would say so.
        check_guide(run.config)
        commands.append([*TRAIN, '--recipe', str(run.recipe), '--threads', '1', *run.overrides,
                         *(['--resume'] if run.is_begun() else [])])
    robustness, scored = run.folder / ROBUSTNESS_FILE, run.config.data.sets[0]
    if run.row.title and table.benchmark_frames and not is_file(robustness):
        commands.append([
            *EVALUATE, str(run.folder / BUNDLE_FOLDER), '--data', str(data),
            '--dataset', scored.name, '--split', scored.score_split,
            '--benchmark', 'emm,rmm,nm', '--max-frames', str(table.benchmark_frames),
            '--threads', '1', '--output', str(robustness)])
    return Job(name=run.name, needs=run.needs, commands=commands,
               log=run.folder.with_name(f'{run.name}.log'),
               finish=partial(_store, table, run, results, is_new=bool(commands)))


def _store(table: TableConfig, run: TableRun, results: Path, *, is_new: bool) -> None:
    """A row that is shown gets its result, unless it has it."""
    path = result_path(results, run.row.name, run.config.seed)
    if not run.row.title:
        return
    if not is_new and is_file(path) and (
            read_result(path).recipe_sha256 == recipe_sha256(run.config)):
        return
    record(table, run, path)
