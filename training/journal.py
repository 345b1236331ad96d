# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The run's curves on disk: ``metrics.csv`` and TensorBoard events."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from statistics import fmean
from types import TracebackType
from typing import Any, TextIO

from anymodal_seg_ros.documents import read_csv
from anymodal_seg_ros.errors import ConfigError, WriteError
from anymodal_seg_ros.existence import is_file
from anymodal_seg_ros.unfinished import write_errors, write_whole
from training.tensorboard import EventLog

METRICS_FILE = 'metrics.csv'
TENSORBOARD_FOLDER = 'tensorboard'
FIXED = ('step', 'samples', 'elapsed_s', 'lr')


class Journal:
    """Means of every quantity over those of ``every`` steps that have it, one row each.

    Args:
        run: the run's folder; None keeps nothing (every process but the first).
        names: columns beside step, samples, seconds and learning rate.
        every: steps of a row.
        start_step: rows after it are dropped: a resumed run writes them again.

    Raises:
        ConfigError: the figures of an earlier process are damaged.
        WriteError: from any call: the disk is full, or the folder cannot be written at all.
    """

    def __init__(
        self, run: Path | None, names: tuple[str, ...], every: int, start_step: int = 0
    ) -> None:
        self._names = names
        self._every = every
        self._pending: list[dict[str, float]] = []
        self._file: TextIO | None = None
        if run is None:
            return
        self._run = run
        path = run / METRICS_FILE
        columns = (*FIXED, *names)
        text = io.StringIO(newline='')
        earlier = csv.DictWriter(text, columns, extrasaction='ignore')
        earlier.writeheader()
        earlier.writerows(_rows_until(path, start_step))
        write_whole(path, text.getvalue())
        with write_errors(run):
            self._file = path.open('a', newline='', encoding='utf-8')
            self._writer = csv.DictWriter(self._file, columns, extrasaction='ignore')
            self._events = EventLog(run / TENSORBOARD_FOLDER, start_step + 1)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self._file is None:
            return
        # What could not be written before cannot be now, and was said.
        with suppress(WriteError) if error is not None else nullcontext():
            with write_errors(self._run):
                self._events.close()
            with write_errors(self._run):
                self._file.close()

    def add(self, step: int, samples: int, elapsed_s: float, lr: float,
            values: Mapping[str, float]) -> None:
        """Take in a step; every so many steps a row is written."""
        if self._file is None:
            return
        self._pending.append(dict(values))
        if step % self._every:
            return
        means = {name: fmean(known) for name in self._names
                 if (known := [each[name] for each in self._pending if name in each])}
        with write_errors(self._run):
            self._writer.writerow({
                'step': step, 'samples': samples, 'elapsed_s': round(elapsed_s, 2),
                'lr': f'{lr:.6g}', **{name: f'{value:.6g}' for name, value in means.items()}})
            self._file.flush()
            self._events.add(step, {'lr': lr, **means})
        self._pending = []

    def add_scores(self, step: int, scores: Mapping[str, float]) -> None:
        """Validation scores for TensorBoard."""
        with write_errors(self._run):
            self._events.add(step, {f'val/{name}': value for name, value in scores.items()})

    def state(self) -> dict[str, Any]:
        """What is not written yet, as plain data."""
        return {'pending': list(self._pending)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Inverse of ``state``."""
        # Older checkpoints have sums instead: one row is then a mean of fewer steps.
        self._pending = list(state.get('pending', []))


def _rows_until(path: Path, step: int) -> list[dict[str, str]]:
    """Those of an earlier process, up to the step that it saved last; raises ConfigError."""
    if not step or not is_file(path):
        return []
    names, *lines = read_csv(path) or [[]]
    rows = [dict(zip(names, line, strict=False)) for line in lines]
    for number, (row, line) in enumerate(zip(rows, lines, strict=True), 2):
        if len(line) != len(names) or not re.fullmatch('[0-9]{1,18}', row.get('step', '')):
            raise ConfigError(f'{path}, line {number} is no row of figures; move the file away, '
                              'and --resume goes on without the earlier ones')
    return [row for row in rows if int(row['step']) <= step]
