# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes what code can say of itself into the pages: sensors, parameters, faults, scores, results.

    python scripts/write_docs.py            # after a change of a sensor, a default, a bundle
    python scripts/write_docs.py --check    # says which files are not what the code says
"""

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from joint_scores import RESULTS, joint_rows
from node_parameters import parameter_file, parameter_page
from sensor_tables import input_rows, sensor_rows

from anymodal_seg_ros.bundle import read_description
from anymodal_seg_ros.corruption.__main__ import markdown as fault_table
from anymodal_seg_ros.documents import read_json
from anymodal_seg_ros.resources import resource_path
from training.tables.markdown import markdown
from training.tables.table import load_table

ROOT = Path(__file__).resolve().parents[1]
CONDITIONS = ('cloud', 'fog', 'night', 'rain', 'sun')
SHOWN_IN_README = (('rgb', 'depth', 'lidar', 'event'), ('rgb', 'depth', 'event'),
                   ('depth', 'lidar', 'event'), ('rgb',), ('depth',), ('lidar',), ('event',))


def provenance() -> Mapping[str, Any]:
    """How the bundle that ships came about, its scores included."""
    return read_description(resource_path('bundles') / 'default').provenance


def score_table() -> str:
    """mIoU of every combination of sensors by condition, and that of the teacher."""
    scores = provenance()['scores']['val']['subsets']
    taught = provenance()['teacher']['scores']['val']['subsets']
    rows = [['Sensors', 'all', *CONDITIONS, 'supervised: all']]
    for name, score in scores.items():
        values = [score['miou'], *(score['conditions'][condition] for condition in CONDITIONS),
                  taught[name]['miou']]
        rows.append([name.replace('+', ' + '), *(f'{value:.1f}' for value in values)])
    return table(rows)


def short_score_table() -> str:
    """mIoU of some combinations of sensors, and the mean over all."""
    scores = provenance()['scores']['val']
    rows = [['Sensors left', 'mIoU']]
    for sensors in SHOWN_IN_README:
        rows.append([' + '.join(sensors), f'{scores["subsets"]["+".join(sensors)]["miou"]:.1f}'])
    count = len(scores['subsets'])
    rows.append([f'mean over all {count} combinations', f'{scores["emm_average_skip"]:.1f}'])
    return table(rows)


def results(name: str) -> str:
    """A table of recipes from the results in ``docs/results``."""
    return markdown(load_table(name), ROOT / 'docs' / 'results' / name)


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its head."""
    head, *body = (f'| {" | ".join(row)} |' for row in rows)
    return '\n'.join([head, '|' + '---|' * len(rows[0]), *body])


FILES: Mapping[str, Callable[[], str]] = {
    'config/anymodal_seg.yaml': parameter_file,
    'docs/parameters.md': parameter_page,
}
"""Whole files."""
TABLES: Mapping[tuple[str, str], Callable[[], str]] = {
    ('README.md', 'The node'): lambda: table(input_rows()),
    ('README.md', 'How well it works'): short_score_table,
    ('docs/sensors.md', 'Sensors'): lambda: table(sensor_rows()),
    ('docs/default_bundle.md', 'The default bundle'): score_table,
    ('docs/faults.md', 'Injecting faults'): fault_table,
    ('docs/comparison.md', 'Networks side by side'): lambda: results('networks'),
    ('docs/ablation.md', 'EQUISeg'): lambda: results('equiseg'),
    ('docs/networks.md', 'One network for two data sets'): lambda: table(joint_rows(
        read_json(RESULTS, 1 << 20))),
}
"""Page and heading: the first table below that heading."""


def with_table(page: str, heading: str, new: str) -> str:
    """The page's text with the first table below a heading replaced.

    Raises:
        ValueError: there is no such heading, or no table below it.
    """
    found = re.search(rf'^#+ {re.escape(heading)}$(?:(?!^#|^\|).*\n)*\n*((?:^\|.*\n)+)', page,
                      re.MULTILINE)
    if found is None:
        raise ValueError(f'no table below the heading {heading!r}')
    return page[:found.start(1)] + new + '\n' + page[found.end(1):]


def written() -> dict[str, str]:
    """File to what it should say."""
    texts = {name: text() for name, text in FILES.items()}
    for (name, heading), text in TABLES.items():
        page = texts.get(name) or (ROOT / name).read_text(encoding='utf-8')
        texts[name] = with_table(page, heading, text())
    return texts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--check', action='store_true', help='write nothing; 1 if a file is old')
    check = parser.parse_args().check
    texts = written()
    old = [name for name, text in texts.items()
           if (ROOT / name).read_text(encoding='utf-8') != text]
    for name in old:
        if not check:
            (ROOT / name).write_text(texts[name], encoding='utf-8')
        told = 'old; run python scripts/write_docs.py' if check else 'written'
        sys.stdout.write(f'{name}: {told}\n')
    return int(check and bool(old))


if __name__ == '__main__':
    sys.exit(main())
