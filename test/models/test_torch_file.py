# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever happens to a file of ``torch.save``: one error, or what was saved."""

import io
import struct
import zipfile

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models.torch_file import load_torch_file

STATE = {'model': {'weight': torch.arange(24.0).reshape(4, 6), 'steps': torch.tensor(7)},
         'half': torch.arange(8).to(torch.bfloat16), 'recipe': {'seed': 3, 'names': ['a', 'b']}}


def saved(state=STATE, **options):
    stream = io.BytesIO()
    torch.save(state, stream, **options)
    return stream.getvalue()


WHOLE = saved()


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    return tmp_path_factory.mktemp('saved') / 'state.pt'


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    return bool(a == b)


def payloads():
    """(name, first byte, number of bytes) of every member, by the format's local headers."""
    for member in zipfile.ZipFile(io.BytesIO(WHOLE)).infolist():
        name, extra = struct.unpack_from('<HH', WHOLE, member.header_offset + 26)
        yield member.filename, member.header_offset + 30 + name + extra, member.file_size


PAYLOADS = list(payloads())
LAST_TENSOR_BYTE = max(at + size for name, at, size in PAYLOADS if '/data/' in name) - 1
FIRST_DIRECTORY_ENTRY = WHOLE.index(b'PK\x01\x02')
ATTRIBUTES = [at + 38 for at in range(FIRST_DIRECTORY_ENTRY, len(WHOLE))
              if WHOLE[at:at + 4] == b'PK\x01\x02']
"""Where the members' attributes are, among which is that of a folder."""


@pytest.mark.parametrize('options', [{}, {'_use_new_zipfile_serialization': False}])
def test_what_was_saved_comes_back(path, options):
    path.write_bytes(saved(**options))
    assert same(load_torch_file(path), STATE)


def assert_found_or_harmless(path, position, bit):
    damaged = bytearray(WHOLE)
    damaged[position] ^= 1 << bit
    path.write_bytes(damaged)
    try:
        state = load_torch_file(path)
    except ConfigError:
        return
    assert same(state, STATE)


def test_a_member_that_is_marked_as_a_folder_is_refused(path):
    """Its checksum is right all the same."""
    for position in ATTRIBUTES:
        damaged = bytearray(WHOLE)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(ConfigError, match='it is marked as a folder'):
            load_torch_file(path)


@pytest.mark.slow
@settings(max_examples=300)
@given(position=st.integers(0, len(WHOLE) - 1), bit=st.integers(0, 7))
@example(position=LAST_TENSOR_BYTE, bit=0)
def test_a_flipped_bit_is_found_or_changes_nothing(path, position, bit):
    assert_found_or_harmless(path, position, bit)


@pytest.mark.parametrize(('name', 'at', 'size'), [part for part in PAYLOADS if part[2]])
def test_the_damaged_member_is_named_and_nothing_is_unpickled(path, name, at, size, monkeypatch):
    damaged = bytearray(WHOLE)
    damaged[at + size // 2] ^= 0x10
    path.write_bytes(damaged)
    monkeypatch.setattr(torch, 'load', None)
    with pytest.raises(ConfigError) as caught:
        load_torch_file(path)
    assert str(caught.value).startswith(f'{path} is damaged: member {name!r}: Bad CRC-32')


@given(length=st.integers(0, len(WHOLE) - 1))
def test_a_file_that_is_cut_short_is_no_state(path, length):
    path.write_bytes(WHOLE[:length])
    with pytest.raises(ConfigError, match=r'state\.pt'):
        load_torch_file(path)


def test_members_are_no_larger_than_their_file(path):
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('a/data.pkl', bytes(100))
    with pytest.raises(ConfigError, match=r"member 'a/data\.pkl': it is compressed"):
        load_torch_file(path)
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('a/data.pkl', bytes(1000))
        archive.filelist += archive.filelist * 2
    with pytest.raises(ConfigError, match='its members are larger than the file'):
        load_torch_file(path)


def test_a_tensor_is_no_larger_than_what_is_stored_of_it(path):
    """The pickle says 24 numbers; the archive, whose checksums are right, holds eight."""
    source = zipfile.ZipFile(io.BytesIO(saved({'x': torch.arange(24.0)})))
    with zipfile.ZipFile(path, 'w') as archive:
        for member in source.infolist():
            data = source.read(member)
            archive.writestr(member.filename, data[:32] if '/data/0' in member.filename else data)
    with pytest.raises(ConfigError, match=r'state\.pt'):
        load_torch_file(path)
