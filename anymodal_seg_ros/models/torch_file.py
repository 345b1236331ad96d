# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of ``torch.save``, read without trust. Layer: models; torch only.

They are archives with a checksum for each member, which torch writes and never compares.
"""

from __future__ import annotations

import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import torch

from anymodal_seg_ros.errors import ConfigError

READ_ERRORS = (
    pickle.UnpicklingError,
    struct.error,
    zipfile.BadZipFile,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What the readers raise on bytes that are no tensors: unpickling rubbish fails anywhere."""
_PIECE_BYTES = 1 << 20
_DOS_FOLDER = 0x10


def load_torch_file(path: Path) -> Any:  # noqa: ANN401 - whatever was saved
    """The tensors, on the CPU, and plain data of a file; nothing in it is executed.

    Nothing is unpickled before every checksum was found right. Files of the format that torch
    wrote before 2020 have none.

    Raises:
        ConfigError: damaged, and then it names the member of the archive; or no such file at all.
    """
    try:
        with path.open('rb') as file:
            is_archive = file.read(2) == b'PK'
        if is_archive:
            _check_members(path)
        return torch.load(path, map_location='cpu', weights_only=True)
    except READ_ERRORS as error:
        # torch's own words go on with the advice to load what is not trusted.
        reason = str(error).partition('\n')[0] or type(error).__name__
        raise ConfigError(f'{path} cannot be read: {reason}') from None


def _check_members(path: Path) -> None:
    """Compare all checksums, piece by piece, and refuse what stands for more than it holds."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > path.stat().st_size:
            raise ValueError('its members are larger than the file')
        for member in members:
            try:
                if member.compress_type != zipfile.ZIP_STORED:
                    raise ValueError('it is compressed')
                if member.external_attr & _DOS_FOLDER:
                    # torch would leave the memory of its tensor as it found it.
                    raise ValueError('it is marked as a folder')
                with archive.open(member) as stream:
                    while stream.read(_PIECE_BYTES):
                        pass
            except READ_ERRORS as error:
                raise ConfigError(f'{path} is damaged: member {member.filename!r}: {error}'
                                  ) from None
