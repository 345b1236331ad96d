# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The result of a finished run, from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anymodal_seg_ros.bundle import Bundle, read_description
from anymodal_seg_ros.documents import read_json
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import is_file
from training.output_folder import BUNDLE_FOLDER, SCORES_FILE
from training.tables.result import Result, write_result
from training.tables.runs import ROBUSTNESS_FILE, TableRun, recipe_sha256
from training.tables.table import TableConfig

MAX_SCORES_BYTES = 64 << 20
ROBUSTNESS_ROW = 'missing drop, absent skip'


def record(table: TableConfig, run: TableRun, path: Path) -> None:
    """Store the result of a finished run.

    Raises:
        ConfigError: its scores cannot be read.
        WriteError: the result cannot be written.
    """
    from training.tables.cost import cost_of

    bundle = read_description(run.folder / BUNDLE_FOLDER)
    scores_file = run.folder / SCORES_FILE
    scores = read_json(scores_file, MAX_SCORES_BYTES)
    parameters, macs = cost_of(bundle.model_name, bundle.model_config, table.speed_px)
    try:
        result = Result(
            row=run.row.name, seed=run.config.seed, recipe=run.row.recipe,
            recipe_sha256=recipe_sha256(run.config), parameters=parameters, macs=macs,
            **_of_scores(scores), **of_training(bundle),
            **_robustness(run.folder / ROBUSTNESS_FILE))
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise ConfigError(f'{scores_file} holds no scores: {error!r}') from None
    write_result(path, result)


def _of_scores(scores: Mapping[str, Any]) -> dict[str, Any]:
    return {
        'emm': float(scores['emm_average_skip']),
        'subsets': {name: float(score['miou']) for name, score in scores['subsets'].items()},
        'split': scores['data']['split'], 'frames': scores['data']['scored_frames'],
        'data_sha256': scores['data']['sha256'],
        'precision': _precision(scores['network'])}


def of_training(bundle: Bundle) -> dict[str, Any]:
    """By which revision, how long and where a bundle was trained."""
    provenance = bundle.provenance
    host = provenance['host']
    place = host['gpu'] or host.get('processor') or host['machine']
    threads = f'{host["processes"]} x {host["threads"]} threads of {host["cores"]} cores'
    return {'revision': provenance.get('revision', ''), 'steps': provenance['steps'],
            'samples': provenance['samples'], 'minutes': provenance['minutes'],
            'host': f'{place}, {threads}, torch {provenance["versions"]["torch"]}'}


def _precision(network: str) -> str:
    """Of a description such as 'torch 2.9 on cpu, bf16, 1 threads'."""
    return network.split(', ')[1]


def _robustness(path: Path) -> dict[str, Any]:
    """Nothing where the benchmark was not run."""
    if not is_file(path):
        return {}
    report = read_json(path, MAX_SCORES_BYTES)
    return {'robustness': dict(report['robustness_score'][ROBUSTNESS_ROW]),
            'robustness_frames': report['data']['scored_frames']}
