# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command line of the simulated street. Simulation."""

from __future__ import annotations

import sys

from anymodal_seg_ros.stopping import COMMAND_STOPPED, run_main

if __name__ == '__main__':
    sys.exit(run_main('anymodal_seg_ros.sim.__main__', COMMAND_STOPPED))

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from anymodal_seg_ros.errors import AnymodalError, ConfigError
from anymodal_seg_ros.sim.benchmark import benchmark
from anymodal_seg_ros.sim.dataset import DatasetConfig, write_deliver_dataset
from anymodal_seg_ros.sim.drive_bag import num_samples, write_bag
from anymodal_seg_ros.sim.failures import FAILURES
from anymodal_seg_ros.sim.preview import class_shares, write_contact_sheet
from anymodal_seg_ros.sim.simulator import SimConfig
from anymodal_seg_ros.sim.street import STREET_KINDS
from anymodal_seg_ros.sim.vehicle import ALL_SENSORS, SENSOR_NAMES
from anymodal_seg_ros.sim.weather import WEATHERS

_DESCRIPTION = """\
A procedural street with moving traffic, seen by a camera, a depth camera, a LiDAR and an event
camera on a driving vehicle, and by a thermal camera where --sensors says so. The same seed always
gives the same bytes. The sensors are described in config/sensors/sim.yaml.
"""
_EXAMPLES = """\
examples:
  # Look at it first: one row for each condition, all sensors and the labels.
  python -m anymodal_seg_ros.sim preview street.png --seed 3

  # Half a minute through a town with crossings; night falls after 20 s.
  python -m anymodal_seg_ros.sim bag drive --street crossing --duration 30 --then night@20

  # A data set to train on, in DELIVER's folders.
  python -m anymodal_seg_ros.sim dataset data/sim --train 2000 --val 300 --test 300

  # The same with a thermal camera.
  python -m anymodal_seg_ros.sim dataset data/warm --sensors rgb depth lidar event thermal

  # Does this machine keep up with its sensors at 10 Hz?
  python -m anymodal_seg_ros.sim benchmark
"""


def _bag(args: argparse.Namespace) -> None:
    config = _drive(args)
    with tqdm(total=num_samples(config), unit='sample', disable=args.quiet) as bar:
        write_bag(args.path, config, args.storage, args.workers != 1, _advance(bar))


def _dataset(args: argparse.Namespace) -> None:
    config = DatasetConfig(
        num_train=args.train, num_val=args.val, num_test=args.test, size_px=args.size,
        camera_px=args.camera_size, frames_per_scene=args.frames_per_scene,
        failure_share=args.failure_share, seed=args.seed, sensors=tuple(args.sensors))
    total = config.num_train + config.num_val + config.num_test
    with tqdm(total=total, unit='frame', disable=args.quiet) as bar:
        write_deliver_dataset(args.root, config, args.workers, _advance(bar))


def _preview(args: argparse.Namespace) -> None:
    write_contact_sheet(args.path, args.seed, args.size, args.frame, tuple(args.sensors))
    if args.statistics:
        for share in class_shares(range(args.seed, args.seed + 30)):
            sys.stdout.write(f'{share.name:14} {100 * share.pixels:6.2f} % of pixels, in '
                             f'{100 * share.frames:3.0f} % of frames\n')


def _benchmark(args: argparse.Namespace) -> None:
    result = benchmark(_drive(args), args.frames)
    if args.json:
        sys.stdout.write(json.dumps(asdict(result)) + '\n')
        return
    sys.stdout.write(f'{"sensor":8} {"median":>9} {"p95":>9}\n')
    for name, median_ms in result.median_ms.items():
        sys.stdout.write(f'{name:8} {median_ms:6.1f} ms {result.p95_ms[name]:6.1f} ms\n')
    sys.stdout.write(f'all, from two processes: {result.rate_hz:.1f} Hz sustained\n')


def _advance(bar: Any) -> Callable[[int], None]:  # noqa: ANN401 - tqdm has no types
    def advance(count: int) -> None:
        bar.update(count)

    return advance


def _drive(args: argparse.Namespace) -> SimConfig:
    changes = []
    for change in args.then:
        name, _, time_s = change.partition('@')
        try:
            changes.append((float(time_s), name))
        except ValueError:
            raise ConfigError.of(
                '--then', change, 'CONDITION@SECONDS, for example night@20') from None
    return SimConfig(
        seed=args.seed, sensors=tuple(args.sensors), street=args.street,
        condition=args.condition, changes=tuple(changes), failure=args.failure,
        width_px=args.size, height_px=args.size, event_width_px=args.size,
        event_height_px=args.size, duration_s=args.duration, speed_m_s=args.speed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m anymodal_seg_ros.sim', description=_DESCRIPTION, epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    sensors = _sensors_option()
    drive = _drive_options()

    bag = commands.add_parser(
        'bag', parents=[sensors, drive], help='record a drive as a ROS 2 bag',
        description='Record a drive as a ROS 2 bag: the sensors, transforms and true labels '
                    '(/ground_truth/label) in the message forms of the CARLA bridge.')
    bag.add_argument('path', type=Path, help='folder to create')
    bag.add_argument('--storage', choices=('mcap', 'sqlite3'), default='mcap',
                     help='file format (default %(default)s)')
    bag.add_argument('--workers', type=int, choices=(1, 2), default=2,
                     help='processes (default %(default)s); the bytes are the same')
    bag.add_argument('--quiet', action='store_true', help='no progress bar')
    bag.set_defaults(run=_bag)

    _dataset_options(commands.add_parser(
        'dataset', parents=[sensors], help="write a data set in DELIVER's folder layout",
        description='Write images of all sensors and labels as ROOT/<modality>/<condition>/'
                    '<split>/<scene>/<frame>_<suffix>_front.png, and how they were made as '
                    'ROOT/dataset.json. Splits never share a street. Depth, LiDAR and events are '
                    'stored as the encoders with default settings give them to the network.'))

    preview = commands.add_parser(
        'preview', parents=[sensors], help='write a contact sheet as PNG',
        description='One row for each condition: the sensors, and the labels.')
    preview.add_argument('path', type=Path, help='PNG file to write')
    preview.add_argument('--seed', type=int, default=0,
                         help='of the first row (default %(default)s)')
    preview.add_argument('--size', type=int, default=256,
                         help='of a tile in pixels (default %(default)s)')
    preview.add_argument('--frame', type=int, default=20,
                         help='camera frame of the drive (default %(default)s)')
    preview.add_argument('--statistics', action='store_true',
                         help='also print how often each class occurs on 30 streets')
    preview.set_defaults(run=_preview)

    speed = commands.add_parser(
        'benchmark', parents=[sensors, drive], help='measure the speed on this machine',
        description='Time single measurements, then the sustained rate of all sensors.')
    speed.add_argument('--frames', type=int, default=40,
                       help='of each sensor (default %(default)s)')
    speed.add_argument('--json', action='store_true', help='print JSON')
    speed.set_defaults(run=_benchmark)
    return parser


def _sensors_option() -> argparse.ArgumentParser:
    sensors = argparse.ArgumentParser(add_help=False)
    sensors.add_argument('--sensors', nargs='+', default=SENSOR_NAMES, metavar='NAME',
                         help=f'rgb and any of {", ".join(ALL_SENSORS[1:])} '
                              f'(default {" ".join(SENSOR_NAMES)})')
    return sensors


def _drive_options() -> argparse.ArgumentParser:
    drive = argparse.ArgumentParser(add_help=False)
    drive.add_argument('--seed', type=int, default=0, help='street and traffic (default 0)')
    drive.add_argument('--street', choices=STREET_KINDS, default='straight',
                       help='kind of street (default %(default)s)')
    drive.add_argument('--condition', choices=tuple(WEATHERS), default='sun',
                       help='weather and light (default %(default)s)')
    drive.add_argument('--then', action='append', default=[], metavar='CONDITION@SECONDS',
                       help='another condition from this time on; can be repeated')
    drive.add_argument('--failure', choices=tuple(FAILURES), default='',
                       help="one of DELIVER's sensor failures, from start to end")
    drive.add_argument('--duration', type=float, default=10.0, help='seconds (default 10)')
    drive.add_argument('--speed', type=float, default=8.0, help='metres in a second (default 8)')
    drive.add_argument('--size', type=int, default=512,
                       help='height and width of the cameras in pixels (default 512)')
    return drive


def _dataset_options(parser: argparse.ArgumentParser) -> None:
    default = DatasetConfig()
    parser.add_argument('root', type=Path, help='folder to create')
    for split, count in (('train', default.num_train), ('val', default.num_val),
                         ('test', default.num_test)):
        parser.add_argument(f'--{split}', type=int, default=count, metavar='N',
                            help=f'frames for {split} (default {count})')
    parser.add_argument('--size', type=int, default=default.size_px,
                        help='height and width of the images in pixels (default %(default)s)')
    parser.add_argument('--camera-size', type=int, default=default.camera_px,
                        help='height and width of the simulated cameras; the images are encoded '
                             'from these as on the vehicle (default %(default)s)')
    parser.add_argument('--frames-per-scene', type=int, default=default.frames_per_scene,
                        help='more are faster, fewer are more varied (default %(default)s)')
    parser.add_argument('--failure-share', type=float, default=default.failure_share,
                        help="share of scenes with one of DELIVER's failures "
                             '(default %(default)s)')
    parser.add_argument('--seed', type=int, default=default.seed,
                        help='different seeds share no street (default %(default)s)')
    parser.add_argument('--workers', type=int, default=0,
                        help='processes; 0 takes all cores (default 0)')
    parser.add_argument('--quiet', action='store_true', help='no progress bar')
    parser.set_defaults(run=_dataset)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    args = _parser().parse_args(arguments)
    try:
        args.run(args)
    except (AnymodalError, OSError) as error:
        sys.stderr.write(f'error: {error}\n')
        return 2
    except KeyboardInterrupt:
        sys.stderr.write('stopped\n')
        return 130
    return 0
