# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command line: write the report of training runs, and a comparison of several.

    python -m training.report RUN [RUN ...]
"""

from __future__ import annotations

import sys

from anymodal_seg_ros.stopping import COMMAND_STOPPED, errors_in_a_line, run_main

if __name__ == '__main__':
    sys.exit(run_main('training.report.__main__', COMMAND_STOPPED))

import argparse
from collections.abc import Sequence
from pathlib import Path

from training.report import write_comparison, write_report

COMPARISON = 'comparison.html'


@errors_in_a_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status."""
    parser = _parser()
    args = parser.parse_args(arguments)
    if args.output is not None and len(args.run) == 1:
        parser.error('--output needs several runs: it is the page that compares them')
    for run in args.run:
        sys.stdout.write(f'{write_report(run)}\n')
    if len(args.run) > 1:
        output = args.output or args.run[0].resolve().parent / COMPARISON
        sys.stdout.write(f'{write_comparison(args.run, output)}\n')
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m training.report',
        description='Write report.html into run folders, from what they hold. With several runs, '
                    'write a page that compares them too; runs that differ in nothing but their '
                    'seed are averaged.')
    parser.add_argument('run', type=Path, nargs='+', help='run folder')
    parser.add_argument('--output', type=Path,
                        help='page that compares several runs (default comparison.html beside '
                             'the first run)')
    return parser
