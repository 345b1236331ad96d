# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings of both formats, compressed or not, read as every tool reads them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from backports import zstd
from rosbags.interfaces import Connection
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from anymodal_seg_ros import bags
from anymodal_seg_ros.errors import AnymodalError
from anymodal_seg_ros.geometry import CameraModel
from anymodal_seg_ros.labels import load_label_space
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.segment_bag import recorded_sets
from anymodal_seg_ros.session import Session
from fuzzing.inputs import read_in
from fuzzing.messages import STAMP_NS
from fuzzing.mutation import altered_text, damaged, pick
from fuzzing.target import Read, Target
from training.extraction.encoding import EncodingOnly

Rng = np.random.Generator
_STORAGES = {'mcap': StoragePlugin.MCAP, 'sqlite3': StoragePlugin.SQLITE3}


def targets(folder: Path) -> Iterator[Target]:
    """Recordings of both formats. ``folder`` is for their files, best in memory."""
    stored: dict[tuple[str, str], tuple[Path, bytes]] = {}
    for storage, suffix in (('mcap', '.mcap'), ('sqlite3', '.db3')):
        for packing in ('', 'message', 'chunk') if storage == 'mcap' else ('', 'message'):
            source = folder / f'source_{storage}_{packing}'
            _write_recording(source, storage, packing)
            file = next(path for path in source.iterdir() if path.suffix == suffix)
            stored[storage, packing] = file, (source / 'metadata.yaml').read_bytes()
    for storage in ('mcap', 'sqlite3'):
        yield _recording_target(folder / f'bag_{storage}', storage, [
            kept for (format_name, _), kept in stored.items() if format_name == storage],
            [file.read_bytes() for file, _ in stored.values()])


def _write_recording(path: Path, storage: str, packing: str) -> None:
    """``packing``: what of it is compressed, 'message', 'chunk' or nothing."""
    camera = CameraModel.from_fov(16, 8, 90.0)
    opened = Writer(path, version=9, storage_plugin=_STORAGES[storage])
    if packing == 'chunk':
        opened.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with opened as writer:
        connections: dict[str, Connection] = {}

        def write(topic: str, message: Any, stamp_ns: int) -> None:  # noqa: ANN401
            if topic not in connections:
                connections[topic] = writer.add_connection(
                    topic, message.__msgtype__, typestore=get_typestore(Stores.LATEST))
            cdr = bags.to_cdr(message)
            writer.write(connections[topic], stamp_ns,
                         zstd.compress(cdr) if packing == 'message' else cdr)

        write('/tf_static', bags.tf_static_message(
            [('camera', 'lidar', (0, 0, 0), (0, 0, 0, 1))]), STAMP_NS)
        for i in range(3):
            stamp_ns = STAMP_NS + i * 10**8
            for topic, message in {
                '/camera/camera_info': bags.camera_info_message(stamp_ns, 'camera', camera),
                '/camera/image': bags.image_message(
                    stamp_ns, 'camera', np.ones((8, 16, 3), np.uint8), 'rgb8'),
                '/lidar/points': bags.cloud_message(
                    stamp_ns, 'lidar', np.ones((20, 4), np.float32)),
            }.items():
                write(topic, message, stamp_ns)


def _recording_target(root: Path, storage: str, stored: list[tuple[Path, bytes]],
                      others: list[bytes]) -> Target:
    def prepare(rng: Rng) -> Read:
        shutil.rmtree(root, ignore_errors=True)
        file, metadata = pick(rng, stored)
        data, name = file.read_bytes(), file.name
        if rng.random() < 0.8:
            data = _broken_recording(rng, data, pick(rng, others))
        if rng.random() < 0.1:
            data, name = zstd.compress(data), f'{name}.zstd'
            data = damaged(rng, data) if rng.random() < 0.5 else data
        files = {name: data}
        if rng.random() < 0.7:
            files['metadata.yaml'] = (altered_text(rng, metadata.decode()).encode(
                'utf-8', 'surrogatepass') if rng.random() < 0.3 else metadata)
        at = '' if rng.random() < 0.7 else name
        return read_in(root, files, lambda path: _read_recording(path / at))

    return Target(name=f'{storage} recording', weight=2, prepare=prepare)


def _broken_recording(rng: Rng, data: bytes, other: bytes) -> bytes:
    kind = rng.random()
    if kind < 0.4:
        return damaged(rng, data, other)
    if kind < 0.7:
        # An index lies at the end.
        at = max(len(data) - int(rng.integers(1, 2000)), 0)
        return data[:at] + damaged(rng, data[at:], other)
    # What a power cut leaves of pages that were never stored.
    size = int(rng.integers(1, 9000))
    at = int(rng.integers(len(data) + 1))
    return (data[:at] + bytes(size) + data[at + size:])[:len(data)]


def _read_recording(path: Path) -> None:
    """As the tools, ``segment_bag`` and the player read it; who plays looks into no message."""
    decoders = {bags.TOPICS[name]: modality for name, modality in MODALITIES.items()}
    error: AnymodalError | None = None
    with bags.read_bag(path) as reader:
        reader.info()
        for recorded in reader:
            try:
                message = recorded.message()
                if recorded.topic in decoders:
                    decoders[recorded.topic].decode(message)
            except AnymodalError as refused:
                error = refused
    for _ in bags.read_bag(path, ['/camera/image'], 0.1):
        pass
    session = Session(_encoding(), bags.read_recorded_rig(path))
    for _ in recorded_sets(path, session):
        pass
    if error is not None:
        raise error


@cache
def _encoding() -> EncodingOnly:
    return EncodingOnly.from_settings(tuple(MODALITIES), 32, load_label_space('deliver'))
