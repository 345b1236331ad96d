# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writing rosbag2 recordings that ``ros2 bag`` reads. Layer: bags."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError
from rosbags.rosbag2.storage_mcap import McapWriter
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Writer
from rosbags.serde import SerdeError
from rosbags.typesys import TypesysError

from anymodal_seg_ros import limits
from anymodal_seg_ros.bags.reading import default_typestore, to_cdr
from anymodal_seg_ros.errors import BagError, WriteError
from anymodal_seg_ros.unfinished import unfinished_path, whole_folder

if TYPE_CHECKING:
    from rosbags.interfaces import Connection

STORAGES: Mapping[str, StoragePlugin] = {
    'mcap': StoragePlugin.MCAP,
    'sqlite3': StoragePlugin.SQLITE3,
}
LATCHED_TOPICS = frozenset({'/tf_static'})
"""Recorded as transient local, so that players offer them to late subscribers."""
SAVE_EVERY_NS = 1_000_000_000
"""Messages of less than so much recorded time are lost when the process is killed."""

_FOREVER = QosTime(2147483647, 4294967295)


def _qos(latched: bool) -> Qos:
    durability = QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE
    return Qos(QosHistory.KEEP_LAST, 10, QosReliability.RELIABLE, durability, _FOREVER,
               _FOREVER, QosLiveliness.AUTOMATIC, _FOREVER, False)


class BagWriter:
    """A new recording; use as a context manager, which completes it on leaving.

    It has its name from then on. When the body raises, the disk is full or the process is killed,
    what was saved until then can be read too, but under the name that says unfinished, until the
    next try: see ``whole_folder``. Messages are saved after every ``SAVE_EVERY_NS`` of their time;
    who may have to wait for the next one calls ``save``.

    Args:
        path: new folder.
        storage: 'mcap' or 'sqlite3'.
        keep: False leaves nothing of a recording that is not completed.

    Raises:
        ConfigError: ``storage`` is neither ``'mcap'`` nor ``'sqlite3'``.
        BagError: on entering, if ``path`` exists or cannot be created; on leaving, if the
            recording could not be completed or lacks a message.
    """

    def __init__(self, path: Path | str, storage: str = 'mcap', *, keep: bool = True) -> None:
        limits.one_of('storage', storage, STORAGES)
        self.path = Path(path)
        self._keep = keep
        self._storage = STORAGES[storage]
        self._writer: Writer | None = None
        self._connections: dict[tuple[str, str], Connection] = {}
        self._failure: BagError | None = None
        self._saved_ns: int | None = None
        self._closing = ExitStack()

    def __enter__(self) -> BagWriter:
        with self._failure_as_bag_error(), ExitStack() as stack:
            folder = stack.enter_context(whole_folder(self.path, keep=self._keep))
            self._writer = Writer(folder, version=9, storage_plugin=self._storage)
            self._writer.open()
            stack.callback(self._complete)
            self._closing = stack.pop_all()
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None,
                 traceback: TracebackType | None) -> None:
        with self._failure_as_bag_error():
            self._closing.__exit__(exc_type, exc, traceback)

    def _complete(self) -> None:
        writer, self._writer = self._writer, None
        self._connections.clear()
        if writer is None:
            return
        if self._failure is not None:
            # Metadata would count what is lost.
            _abort(writer)
            raise self._failure
        with self._failure_as_bag_error(), ExitStack() as stack:
            stack.callback(_abort, writer)
            writer.close()
            stack.pop_all()

    def write(self, topic: str, message: Any, stamp_ns: int) -> None:  # noqa: ANN401
        """Add a message made by this package's builders or read from a recording.

        ``stamp_ns`` is the recorded (arrival) time.
        """
        cdr = to_cdr(message)
        self.write_cdr(topic, message.__msgtype__, cdr, stamp_ns)

    def write_cdr(self, topic: str, msgtype: str, cdr: bytes | memoryview,
                  stamp_ns: int) -> None:
        """Add a serialized message as it is; BagError for a type without known definition."""
        if self._writer is None:
            raise BagError(f'{self.path}: the recording is not open for writing')
        if self._failure is not None:
            raise self._failure
        with self._failure_as_bag_error():
            connection = self._connections.get((topic, msgtype))
            if connection is None:
                connection = self._writer.add_connection(
                    topic, msgtype, typestore=default_typestore(),
                    offered_qos_profiles=[_qos(topic in LATCHED_TOPICS)])
                self._connections[topic, msgtype] = connection
            self._writer.write(connection, stamp_ns, cdr)
        if self._saved_ns is None or abs(stamp_ns - self._saved_ns) >= SAVE_EVERY_NS:
            self.save()
            self._saved_ns = stamp_ns

    def save(self) -> None:
        """From now on what was written can be read, also when the process is killed."""
        if self._writer is not None and self._failure is None:
            with self._failure_as_bag_error():
                _to_file(self._writer)

    @contextmanager
    def _failure_as_bag_error(self) -> Generator[None, None, None]:
        try:
            yield
        except WriteError as error:
            raise BagError(str(error)) from None
        except (WriterError, SerdeError, TypesysError, OSError, LookupError, ValueError, TypeError,
                AttributeError, OverflowError, sqlite3.Error) as error:
            text = ' '.join(str(getattr(error, 'strerror', None) or error).split())
            failure = BagError(f'{self.path}: cannot be written: {text or type(error).__name__}')
            if isinstance(error, (OSError, sqlite3.Error)):
                if self._keep:
                    failure = BagError(f'{failure}; what was written is in '
                                       f'{unfinished_path(self.path)}')
                self._failure = self._failure or failure
            raise failure from None


def _to_file(writer: Writer) -> None:
    storage = writer.storage
    if isinstance(storage, Sqlite3Writer):
        storage.conn.commit()
    elif isinstance(storage, McapWriter):
        if storage.chunk.msgs:
            storage.close_chunk()
        storage.bio.flush()


def _abort(writer: Writer) -> None:
    """Close the files of a writer that could not complete them."""
    with suppress(OSError, sqlite3.Error):
        writer.abort()
