# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What each command leaves that is killed, interrupted or out of disk while it writes.

Real processes, real signals and, where it may mount one, a real full disk: the table of
docs/writing.md.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ros_streams.tiny_bundle import write_tiny_bundle

from anymodal_seg_ros.bags import bag_info
from anymodal_seg_ros.errors import BagError

ROOT = Path(__file__).resolve().parents[1]
ENDINGS: Mapping[str, signal.Signals | None] = {
    'kill -9': signal.SIGKILL, 'SIGTERM': signal.SIGTERM, 'Ctrl-C': signal.SIGINT,
    'disk full': None}
TIMEOUT_S = 180.0
POLL_S = 0.05
SIM = ('-m', 'anymodal_seg_ros.sim')


@dataclass(frozen=True, kw_only=True)
class Writer:
    """A command, and when it is in the midst of its writing."""

    name: str
    arguments: Callable[[Path], Sequence[str]]
    """Of Python, for an output in this folder."""
    left: Callable[[Path], str]
    """What of the output in this folder can be used."""
    begun_bytes: int
    disk_bytes: int = 12 << 20
    """Of the disk that is full before it is done."""
    companion: Sequence[str] = ()
    """Arguments of a process that runs beside it."""


def recording_left(folder: Path) -> str:
    for path in (folder / 'out', folder / 'out.unfinished' / 'out'):
        if path.exists():
            try:
                info = bag_info(path)
            except BagError:
                return f'{path.relative_to(folder)}: nothing readable'
            return (f'{path.relative_to(folder)}: {sum(info.counts.values())} messages, '
                    f'{info.duration_s:.1f} s{", marked as damaged" if info.damage else ""}')
    return 'nothing'


def files_left(folder: Path) -> str:
    """Folders and files of the first level, with the number of files in them."""
    found = []
    for path in sorted(folder.glob('out*')):
        files = sum(one.is_file() for one in path.rglob('*'))
        found.append(f'{path.name}: {files} files')
    return ', '.join(found) or 'nothing'


def run_left(folder: Path) -> str:
    """What a training has."""
    run = folder / 'out'
    names = [name for name in ('checkpoint.pt', 'metrics.csv', 'bundle') if (run / name).exists()]
    rows = (run / 'metrics.csv').read_text().count('\n') - 1 if 'metrics.csv' in names else 0
    return f'{", ".join(names) or "nothing"}; {rows} rows of curves'


def writers(folder: Path) -> Iterator[Writer]:
    """All of them. Inputs are made in ``folder`` first."""
    drive, streets = str(folder / 'drive'), str(folder / 'streets')
    bundle = str(write_tiny_bundle(folder / 'bundle'))
    _run([*SIM, 'bag', drive, '--duration', '20', '--size', '160', '--quiet'])
    _run([*SIM, 'dataset', streets, '--train', '8', '--val', '4', '--test', '0', '--size', '64',
          '--camera-size', '128', '--quiet'])
    for storage in ('mcap', 'sqlite3'):
        yield Writer(
            name=f'segment_bag, {storage}', left=recording_left, begun_bytes=3 << 20,
            arguments=lambda out, storage=storage: (
                '-m', 'anymodal_seg_ros.segment_bag', drive, '--out', str(out / 'out'),
                '--bundle', bundle, '--storage', storage, '--color'))
        yield Writer(
            name=f'bag_recorder_node, {storage}', left=recording_left, begun_bytes=3 << 20,
            arguments=lambda out, storage=storage: (
                '-m', 'anymodal_seg_ros.ros.bag_recorder_node', '--ros-args',
                '-p', f'bag:={out / "out"}', '-p', f'storage:={storage}',
                '-p', "topics:=['/camera/image sensor_msgs/msg/Image', "
                      "'/lidar/points sensor_msgs/msg/PointCloud2']"),
            companion=('-m', 'anymodal_seg_ros.ros.bag_player_node', '--ros-args',
                       '-p', f'bag:={drive}', '-p', 'loop:=true',
                       '-p', 'wait_for_subscribers_s:=60.0'))
        yield Writer(
            name=f'sim bag, {storage}', left=recording_left, begun_bytes=3 << 20,
            arguments=lambda out, storage=storage: (
                *SIM, 'bag', str(out / 'out'), '--duration', '60', '--size', '256', '--quiet',
                '--storage', storage))
    yield Writer(
        name='sim dataset', left=files_left, begun_bytes=1 << 19,
        arguments=lambda out: (*SIM, 'dataset', str(out / 'out'), '--size', '512', '--quiet'))
    yield Writer(
        name='extract_bag.py', left=files_left, begun_bytes=1 << 20,
        arguments=lambda out: (
            str(ROOT / 'training' / 'extract_bag.py'), drive, '--output', str(out / 'out'),
            '--split', 'train'))
    yield Writer(
        name='train.py', left=run_left, begun_bytes=1 << 20, disk_bytes=100 << 20,
        arguments=lambda out: (
            str(ROOT / 'training' / 'train.py'), '--recipe',
            str(ROOT / 'config' / 'training' / 'debug.yaml'), f'data.root={streets}',
            f'output={out / "out"}', 'val_epochs=0', 'epochs=200', 'checkpoint_steps=1'))


def _environment() -> dict[str, str]:
    return {**os.environ, 'PYTHONPATH': str(ROOT), 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
            'ROS_DOMAIN_ID': str(100 + os.getpid() % 100),
            'FASTDDS_DEFAULT_PROFILES_FILE': str(ROOT / 'config' / 'fastdds_shm.xml')}


def _run(arguments: Sequence[str]) -> None:
    subprocess.run([sys.executable, *arguments], env=_environment(), check=True)


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[bool]:
    """A file system of so many bytes at ``folder``; False where that is not permitted."""
    mounted = subprocess.run(
        ['mount', '-t', 'tmpfs', '-o', f'size={size_bytes}', 'tmpfs', str(folder)],
        capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(['umount', '-l', str(folder)], check=True)


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob('*'):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


def _limit_files(size_bytes: int) -> None:
    """In the child: EFBIG stands for ENOSPC."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, resource.RLIM_INFINITY))


def end(writer: Writer, ending: str, folder: Path) -> str:
    """Run it, end it so, and tell in a row of the table what was said and what is left."""
    number = ENDINGS[ending]
    with ExitStack() as stack:
        is_small = number is None and stack.enter_context(small_disk(folder, writer.disk_bytes))
        limit = (partial(_limit_files, writer.disk_bytes // 4)
                 if number is None and not is_small else None)
        if writer.companion:
            beside = stack.enter_context(subprocess.Popen(
                [sys.executable, *writer.companion], env=_environment(),
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            stack.callback(beside.kill)
        process = subprocess.Popen(
            [sys.executable, *writer.arguments(folder)], env=_environment(), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=limit)
        stack.callback(process.kill)
        if number is not None:
            deadline_s = time.monotonic() + TIMEOUT_S
            while process.poll() is None and _size(folder) < writer.begun_bytes:
                if time.monotonic() > deadline_s:
                    raise SystemExit(f'{writer.name} has not begun to write')
                time.sleep(POLL_S)
            process.send_signal(number)
        output, _ = process.communicate(timeout=TIMEOUT_S)
        trace = ', with a traceback' if 'Traceback' in output else ''
        code = 'killed' if process.returncode == -signal.SIGKILL else process.returncode
        if trace:
            sys.stderr.write(output)
        return f'| {writer.name} | {ending} | {code}{trace} | {writer.left(folder)} |'


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--only', nargs='+', default=[], metavar='WRITER',
                        help='those whose names begin so')
    options = parser.parse_args(arguments)
    sys.stdout.write('| Command | Ending | Exit code | Left |\n|---|---|---|---|\n')
    failed = False
    with tempfile.TemporaryDirectory(prefix='endings.') as base:
        for writer in writers(Path(base)):
            if options.only and not writer.name.startswith(tuple(options.only)):
                continue
            for ending in ENDINGS:
                folder = Path(base) / 'place'
                folder.mkdir()
                row = end(writer, ending, folder)
                failed |= 'traceback' in row
                sys.stdout.write(row + '\n')
                sys.stdout.flush()
                shutil.rmtree(folder)
    return int(failed)


if __name__ == '__main__':
    sys.exit(main())
