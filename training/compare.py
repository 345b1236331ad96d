# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command line: train a table of recipes, store its results, and print it.

    python training/compare.py ladder --data out/streets --processes 2
    python training/compare.py networks --print --results docs/results
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == '__main__':
    if not __package__:
        # Run as a file: its own folder comes first on the path instead of the repository.
        sys.path[0] = str(Path(__file__).resolve().parents[1])
    from anymodal_seg_ros.stopping import COMMAND_STOPPED, run_main
    sys.exit(run_main('training.compare', COMMAND_STOPPED))

import argparse
from collections.abc import Sequence

from anymodal_seg_ros import limits
from anymodal_seg_ros.existence import is_dir
from anymodal_seg_ros.stopping import COMMAND_STOPPED, ends_at_once, errors_in_a_line
from training.output_folder import BUNDLE_FOLDER
from training.tables.latency import write_latency
from training.tables.markdown import conditions, markdown
from training.tables.runs import table_runs
from training.tables.table import TableConfig, load_table, table_names
from training.tables.training import train_table

EPILOG = """\
A table is config/training/tables/TABLE.yaml. What is finished is kept, and what was interrupted
goes on. RESULTS/TABLE gets a small JSON file for each run; --print needs nothing but those.

examples:
  two runs at a time, each with one thread:
    python training/compare.py ladder --data out/streets --processes 2
  some rows alone, and those that they start from:
    python training/compare.py ladder --rows corruption light_prototypes --seeds 0
  the latency of all trained rows, in one run:
    python training/compare.py networks --latency
"""


@errors_in_a_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status (130 when interrupted)."""
    args = _parser().parse_args(arguments)
    table = load_table(args.table)
    results = args.results / args.table
    output = args.output or Path('out') / args.table
    rows = args.rows or table.usual_rows()
    if args.latency:
        _measure(table, rows, args, output, results)
    elif not args.print:
        train_table(table, rows, args.seeds, data=args.data, output=output, results=results,
                    processes=args.processes)
    sys.stdout.write(f'{markdown(table, results)}\n\n{conditions(table, results)}\n')
    return 0


def _measure(table: TableConfig, rows: Sequence[str], args: argparse.Namespace, output: Path,
             results: Path) -> None:
    limits.whole('rounds', args.rounds, 1, 10**6)
    runs = table_runs(table, rows, args.seeds[:1], args.data, output)
    with ends_at_once(COMMAND_STOPPED):
        from training.tables.turns import measure_latency
    bundles = {run.row.name: run.folder / BUNDLE_FOLDER for run in runs
               if run.row.title and is_dir(run.folder / BUNDLE_FOLDER)}
    write_latency(results, measure_latency(bundles, table.speed_px, args.rounds,
                                           threads=args.threads))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='compare.py', epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Train a table of recipes, store its results, and print it.')
    parser.add_argument('table', metavar='TABLE', help=f'of {", ".join(table_names())}')
    parser.add_argument('--data', type=Path, default=Path('out/streets'),
                        help='data set (default %(default)s)')
    parser.add_argument('--output', type=Path,
                        help='folder of the runs; finished ones are kept (default out/TABLE)')
    parser.add_argument('--results', type=Path, default=Path('out/results'),
                        help='folder of the stored results (default %(default)s)')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2], metavar='N')
    parser.add_argument('--rows', nargs='+', metavar='NAME',
                        help='default: all but the extra ones; what they need is trained too')
    parser.add_argument('--processes', type=int, default=1, metavar='N',
                        help='runs at a time, each with one thread (default %(default)s)')
    what = parser.add_mutually_exclusive_group()
    what.add_argument('--print', action='store_true', help='train nothing')
    what.add_argument('--latency', action='store_true',
                      help='train nothing; measure what is trained with the first seed, by turns')
    parser.add_argument('--rounds', type=int, default=9, metavar='N',
                        help='of --latency (default %(default)s)')
    parser.add_argument('--threads', type=int, default=1,
                        help='of --latency; 0 takes all cores (default %(default)s)')
    return parser
