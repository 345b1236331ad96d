# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What joint training gives: one network for two data sets beside a specialist of each.

    python scripts/joint_scores.py JOINT LONGER DELIVER MFNET --output docs/results/joint.json

takes the run folders of the recipes ``streets_joint``, the same with ``epochs=4``, so that each
data set is seen as often as by its specialist, ``streets_deliver`` and ``streets_mfnet``. It keeps
their scores in each data set's own classes; ``scripts/write_docs.py`` prints the table.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from anymodal_seg_ros.bundle import read_description
from anymodal_seg_ros.documents import read_json
from training.output_folder import BUNDLE_FOLDER, SCORES_FILE
from training.tables.recording import MAX_SCORES_BYTES, of_training

RUNS = {'joint': 'streets_joint.yaml', 'longer': 'streets_joint.yaml with epochs=4',
        'deliver': 'streets_deliver.yaml', 'mfnet': 'streets_mfnet.yaml'}
TITLES = {'deliver': "DELIVER's layout, 25 classes", 'mfnet': "MFNet's layout, 9 classes"}
RESULTS = Path(__file__).resolve().parents[1] / 'docs' / 'results' / 'joint.json'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, recipe in RUNS.items():
        parser.add_argument(name, type=Path, help=f'run folder of {recipe}')
    parser.add_argument('--output', type=Path, default=RESULTS,
                        help='JSON file (default docs/results/joint.json)')
    args = parser.parse_args()
    found = {name: figures(getattr(args, name)) for name in RUNS}
    args.output.write_text(json.dumps(found, indent=1) + '\n', encoding='utf-8')


def figures(run: Path) -> dict[str, Any]:
    """Of one run: mIoU in percent of each data set's combinations of sensors, and what they are
    of."""
    bundle = read_description(run / BUNDLE_FOLDER)
    scores = read_json(run / SCORES_FILE, MAX_SCORES_BYTES)
    sets = scores.get('sets') or {bundle.provenance['recipe']['data']['name']: scores}
    return {
        'seed': bundle.provenance['seed'], **of_training(bundle),
        'frames': scores['data']['scored_frames'],
        'sets': {_layout(title): {sensors: score['miou']
                                  for sensors, score in each['subsets'].items()}
                 for title, each in sets.items()}}


def joint_rows(found: Mapping[str, Any]) -> list[list[str]]:
    """A table's rows, the first its head."""
    rows = [['', 'sensors', 'specialist', 'joint, as many steps', 'difference',
             'joint, as often', 'difference']]
    for layout, title in TITLES.items():
        own = found[layout]['sets'][layout]
        for sensors, score in own.items():
            row = [title, sensors.replace('+', ' + '), f'{score:.1f}']
            for run in ('joint', 'longer'):
                joint = found[run]['sets'][layout][sensors]
                row += [f'{joint:.1f}', f'{joint - score:+.1f}']
            rows.append(row)
    return rows


def _layout(title: str) -> str:
    """Of a title such as 'data.sets.0 (deliver)'."""
    return title.rpartition('(')[2].rstrip(')')


if __name__ == '__main__':
    main()
