# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m anymodal_seg_ros.demo``: drive a street while sensors fail, and report on it."""

from __future__ import annotations

import sys

from anymodal_seg_ros.stopping import COMMAND_STOPPED, run_main

if __name__ == '__main__':
    sys.exit(run_main('anymodal_seg_ros.demo.__main__', COMMAND_STOPPED))

import argparse
import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from anymodal_seg_ros.bags import TOPICS
from anymodal_seg_ros.bundle.weights import load_bundle
from anymodal_seg_ros.corruption import FaultSchedule
from anymodal_seg_ros.demo.processes import Processes
from anymodal_seg_ros.demo.published import LATCHED, RECORDED
from anymodal_seg_ros.demo.review import review
from anymodal_seg_ros.demo.stage import (
    NIGHT_FALLS_S,
    SEED,
    START_NS,
    build_stage,
    stage_config,
)
from anymodal_seg_ros.errors import AnymodalError
from anymodal_seg_ros.pages import check_libraries
from anymodal_seg_ros.resources import resource_path
from anymodal_seg_ros.unfinished import unfinished_path

READY_TIMEOUT_S = 120.0
FINISH_S = 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 0 when the play is over and reported, 130 after Ctrl-C or SIGTERM."""
    options = _parser().parse_args(arguments)
    out: Path = options.out
    try:
        # What would end the play after minutes is found in the first second.
        check_libraries()
        bundle, _ = load_bundle(options.bundle)
        schedule = FaultSchedule.from_yaml(options.faults)
        out.mkdir(parents=True, exist_ok=True)
        stage = stage_config(options.seed, options.size, bundle.modalities)
        _say('1/3 the street')
        street = build_stage(stage, out)
        _say('2/3 the play: player, fault injector, node and recorder, each a process of its own')
        recording = _play(street, stage.duration_s, options)
        _say('3/3 the review')
        summary = review(out, street, recording, options.bundle, schedule, START_NS,
                         cuts_s=(NIGHT_FALLS_S,))
    except (AnymodalError, OSError) as error:
        sys.stderr.write(f'error: {error}\n')
        return 1
    except KeyboardInterrupt:
        sys.stderr.write('\nstopped; no process is left behind\n')
        return 130
    print_summary(summary, out)
    return 0


def print_summary(summary: dict[str, object], out: Path) -> None:
    """The play in a few lines on standard output."""
    latency = summary['latency_ms']
    _say(f'\n{summary["labels_out"]} label images at {summary["rate_hz"]} Hz, latency '
         f'{json.dumps(latency)} ms, longest gap {summary["longest_label_gap_s"]} s, '
         f'{len(list(summary["false_alarms"]))} false alarms')  # type: ignore[call-overload]
    for fault in summary['faults']:  # type: ignore[attr-defined]
        _say(f'  {fault["name"]}: detected after {fault["detected_after_s"]} s, recovered after '
             f'{fault["recovered_after_s"]} s, longest label gap {fault["label_gap_s"]} s')
    for stretch in summary['stretches']:  # type: ignore[attr-defined]
        _say(f'  {stretch["start_s"]:5.1f} to {stretch["end_s"]:5.1f} s, '
             f'{" + ".join(stretch["sensors"])}: mIoU {stretch["miou"]} '
             f'(offline {stretch["miou_offline"]})')
    _say(f'open {out / "report.html"}; the video is {out / "demo.webm"}, '
         f'the numbers are in {out / "summary.json"}')


def _play(street: Path, duration_s: float, options: argparse.Namespace) -> Path:
    recording: Path = options.out / 'recording'
    for earlier in (recording, unfinished_path(recording)):
        shutil.rmtree(earlier, ignore_errors=True)
    sim_time = {'use_sim_time': True}
    with Processes(options.out / 'logs') as nodes:
        nodes.start_node('node', 'segmentation_node', {
            **sim_time, 'bundle': options.bundle, 'extrinsics_bag': street})
        nodes.start_node('recorder', 'bag_recorder_node', {
            **sim_time, 'bag': recording,
            'topics': [f'{topic} {msgtype}' for topic, msgtype in RECORDED.items()],
            'latched_topics': LATCHED})
        nodes.start_node('injector', 'fault_injector_node', {
            **sim_time, 'faults_file': options.faults, 'start_stamp_ns': START_NS})
        nodes.wait_for_line('node', 'ready', READY_TIMEOUT_S)
        nodes.start_node(
            'player', 'bag_player_node',
            {'bag': street, 'finish_delay_s': FINISH_S, 'exclude_topics': ['/ground_truth/label'],
             'wait_for_subscribers_s': READY_TIMEOUT_S},
            remaps={topic: f'/raw{topic}' for topic in TOPICS.values()})
        with tqdm(total=round(duration_s), unit='s', desc='playing',
                  bar_format='{l_bar}{bar}| {n_fmt}/{total_fmt} s') as bar:
            started_s = time.monotonic()
            while not nodes.has_ended('player'):
                nodes.check()
                bar.update(min(round(time.monotonic() - started_s), bar.total) - bar.n)
                time.sleep(0.2)
            bar.update(bar.total - bar.n)
        nodes.stop('player', 'injector', 'node', 'recorder')
    return recording


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m anymodal_seg_ros.demo', description=(
            'Plays a simulated street in real time through the fault injector and the '
            'segmentation node, as separate processes on a private ROS domain, and writes '
            'summary.json, report.html and demo.webm.'))
    parser.add_argument('--out', type=Path, default=Path('out/demo'),
                        help='folder for results (default %(default)s)')
    parser.add_argument('--bundle', type=Path, default=resource_path('bundles') / 'default',
                        help='bundle to run (default: the one that ships)')
    parser.add_argument('--faults', type=Path,
                        default=resource_path('config') / 'faults' / 'demo.yaml',
                        help='YAML schedule of faults (default: the story of the demo)')
    parser.add_argument('--size', type=int, default=512,
                        help='camera height and width in px (default %(default)s)')
    parser.add_argument('--seed', type=int, default=SEED, help='another seed, another street')
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text + '\n')
    sys.stdout.flush()
