# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings that a power cut, a full disk or a bad copy has left: what is there is read."""

import shutil
import sqlite3
import struct
import tracemalloc
import zlib
from contextlib import closing

import lz4.frame
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from anymodal_seg_ros import bags
from anymodal_seg_ros.bags import compression
from anymodal_seg_ros.bags.compression import ZSTD_MAGIC
from anymodal_seg_ros.errors import BadMessageError, BagError

zstd = pytest.importorskip('backports.zstd')

START_NS = 50_000_000_000
STEP_NS = 10_000_000
NUM_MESSAGES = 24
PAGE_BYTES = 4096
MAGIC = b'\x89MCAP0\r\n'
# Examples draw positions only, from recordings that stay as they are.
CUTS = settings(max_examples=60, deadline=None)


def messages(num=NUM_MESSAGES, size=40):
    """Topic, recorded time and bytes; a camera and its info in turn, no two messages alike."""
    rng = np.random.default_rng(5)
    for i in range(num):
        stamp_ns = START_NS + i * STEP_NS
        yield ('/camera/image' if i % 2 else '/depth/image'), stamp_ns, bags.to_cdr(
            bags.image_message(stamp_ns, 'camera', rng.integers(0, 256, (1, size), np.uint8),
                               'mono8'))


def write(path, storage='mcap', num=NUM_MESSAGES, size=40):
    with bags.BagWriter(path, storage) as writer:
        for topic, stamp_ns, cdr in messages(num, size):
            writer.write_cdr(topic, 'sensor_msgs/msg/Image', cdr, stamp_ns)
    return path


def data_file(folder):
    return next(file for file in folder.iterdir() if file.name != 'metadata.yaml')


def read(path):
    """What a recording gives, and what it says is missing; both stand to reason alone."""
    with bags.read_bag(path) as reader:
        found = [(m.topic, m.recorded_ns, bytes(m.cdr)) for m in reader]
        assert sum(reader.info().counts.values()) >= len(found)
        return found, list(reader.damage)


def read_or_nothing(path):
    try:
        return read(path)
    except BagError as error:
        assert 'damaged' in str(error) and '\n' not in str(error)
        return [], [str(error)]


# --- MCAP by its specification (https://mcap.dev/spec) ---

def record(opcode, content):
    return struct.pack('<BQ', opcode, len(content)) + content


def text(value):
    data = value.encode()
    return struct.pack('<I', len(data)) + data


def channel_records():
    schema = struct.pack('<H', 1) + text('sensor_msgs/msg/Image') + text('ros2msg') + text('')
    yield record(0x03, schema)
    for channel_id, topic in ((1, '/depth/image'), (2, '/camera/image')):
        yield record(0x04, struct.pack('<HH', channel_id, 1) + text(topic) + text('cdr')
                     + struct.pack('<I', 0))


def message_record(topic, stamp_ns, cdr):
    channel_id = 2 if topic == '/camera/image' else 1
    return record(0x05, struct.pack('<HIQQ', channel_id, 0, stamp_ns, stamp_ns) + cdr)


def chunk_record(group, kind, checksum=True):
    records = b''.join(message_record(*message) for message in group)
    stored = {'': bytes, 'zstd': zstd.compress, 'lz4': lz4.frame.compress}[kind](records)
    times = [message[1] for message in group]
    return record(0x06, struct.pack('<QQQI', min(times), max(times), len(records),
                                    zlib.crc32(records) if checksum else 0)
                  + text(kind) + struct.pack('<Q', len(stored)) + stored)


def mcap(groups, kind=None):
    """A file, and the end of each group's messages in it; kind None writes no chunks."""
    content = MAGIC + record(0x01, text('ros2') + text('test')) + b''.join(channel_records())
    ends, index = [], []
    for group in groups:
        start = len(content)
        if kind is None:
            content += b''.join(message_record(*message) for message in group)
        else:
            content += chunk_record(group, kind)
            index.append(record(0x08, struct.pack(
                '<QQQQIQ', group[0][1], group[-1][1], start, len(content) - start, 0, 0)
                + text(kind) + struct.pack('<QQ', 0, 0)))
        ends.append(len(content))
    content += record(0x0F, struct.pack('<I', 0))
    summary_start = len(content)
    everything = [message for group in groups for message in group]
    per_channel = [sum(m[0] == topic for m in everything)
                   for topic in ('/depth/image', '/camera/image')]
    times = [message[1] for message in everything]
    content += b''.join([*channel_records(), *index, record(0x0B, struct.pack(
        '<QHIIIIQQI', len(everything), 1, 2, 0, 0, len(index), min(times), max(times), 20)
        + struct.pack('<HQHQ', 1, per_channel[0], 2, per_channel[1]))])
    content += record(0x02, struct.pack('<QQI', summary_start, 0, 0)) + MAGIC
    return content, ends


def groups(size=6):
    wanted = list(messages())
    return [wanted[i:i + size] for i in range(0, len(wanted), size)]


# --- cut at any byte ---

@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp('recordings')
    shutil.copy(data_file(write(folder / 'a')), folder / 'whole.mcap')
    shutil.copy(data_file(write(folder / 'b', 'sqlite3', num=60, size=900)),
                folder / 'whole.db3')
    shutil.copy(data_file(write(folder / 'c', 'sqlite3', num=12, size=30_000)),
                folder / 'large.db3')
    return folder


@CUTS
@given(share=st.floats(0.0, 1.0))
def test_mcap_that_the_writer_did_not_finish(folders, share):
    """Its one chunk is not compressed: each message is there whose last byte is."""
    content = (folders / 'whole.mcap').read_bytes()
    cut = round(share * len(content))
    file = folders / 'cut.mcap'
    file.write_bytes(content[:cut])
    wanted = [m for m in messages() if content.find(m[2]) + len(m[2]) <= cut]
    found, damage = read_or_nothing(file)
    assert found == wanted
    assert bool(damage) == (cut < len(content))


@pytest.mark.slow
@pytest.mark.parametrize('kind', [None, '', 'zstd', 'lz4'])
@CUTS
@given(share=st.floats(0.0, 1.0))
def test_mcap_in_chunks(folders, kind, share):
    content, ends = mcap(groups(), kind)
    cut = round(share * len(content))
    file = folders / 'cut.mcap'
    file.write_bytes(content[:cut])
    found, damage = read_or_nothing(file)
    wanted = list(messages())
    num_whole = 6 * sum(end <= cut for end in ends)
    assert found == wanted[:len(found)]
    assert num_whole <= len(found) <= min(num_whole + 6, NUM_MESSAGES)
    assert bool(damage) == (cut < len(content))
    if kind in (None, ''):
        assert len(found) == sum(content.find(m[2]) + len(m[2]) <= cut for m in wanted)


@pytest.mark.slow
@CUTS
@given(share=st.floats(0.0, 1.0))
def test_database_that_was_cut(folders, share):
    """A message of up to a page's size is there when its page is."""
    content = (folders / 'whole.db3').read_bytes()
    cut = round(share * len(content))
    file = folders / 'cut.db3'
    file.write_bytes(content[:cut])
    whole_pages = cut // PAGE_BYTES * PAGE_BYTES
    wanted = [m for m in messages(60, 900) if content.find(m[2]) + len(m[2]) <= whole_pages]
    found, damage = read_or_nothing(file)
    assert found == wanted
    assert bool(damage) == (cut < len(content))
    if wanted and cut < len(content):
        assert f'{cut} of {len(content)} bytes' in damage[0]
        assert f'{len(wanted)} messages' in damage[0]


@settings(max_examples=25, deadline=None)
@given(share=st.floats(0.0, 1.0))
def test_database_of_messages_larger_than_a_page(folders, share):
    """The pages of a message that are not there are not taken for zeros."""
    content = (folders / 'large.db3').read_bytes()
    cut = round(share * len(content))
    file = folders / 'cut.db3'
    file.write_bytes(content[:cut])
    wanted = list(messages(12, 30_000))
    found, _ = read_or_nothing(file)
    assert found == wanted[:len(found)]
    # One message takes eight pages; those before the last ones that are there are complete.
    assert len(found) >= min(cut // (10 * PAGE_BYTES) - 2, 12)
    assert len(found) <= cut // 30_000


# --- damage elsewhere ---

@pytest.mark.slow
@pytest.mark.parametrize('storage', ['mcap', 'zstd', 'database'])
@settings(max_examples=80, deadline=None)
@given(share=st.floats(0.0, 1.0), noise=st.binary(min_size=1, max_size=300))
def test_overwritten_bytes(folders, storage, share, noise):
    """Nothing but the package's own errors comes out, and reading ends."""
    content = (folders / 'whole.db3').read_bytes() if storage == 'database' else mcap(
        groups(), 'zstd' if storage == 'zstd' else '')[0]
    at = round(share * (len(content) - 1))
    broken = (content[:at] + noise + content[at + len(noise):])[:len(content)]
    file = folders / 'overwritten'
    file.write_bytes(broken)
    try:
        with bags.read_bag(file) as reader:
            for recorded in reader:
                try:
                    recorded.message()
                except (BadMessageError, BagError):
                    continue
    except BagError as error:
        assert '\n' not in str(error)


def test_chunk_with_another_checksum(tmp_path):
    content, ends = mcap(groups(), '')
    at = content.find(list(messages())[8][2]) + 50
    broken = content[:at] + bytes([content[at] ^ 1]) + content[at + 1:]
    (tmp_path / 'bag.mcap').write_bytes(broken)
    found, damage = read(tmp_path / 'bag.mcap')
    assert found == [m for i, m in enumerate(messages()) if i // 6 != 1]
    [line] = damage
    assert 'checksum' in line and f'byte {ends[0]}' in line


@pytest.mark.parametrize('kind', ['zstd', 'lz4'])
def test_chunk_that_cannot_be_decompressed(tmp_path, kind):
    content, ends = mcap(groups(), kind)
    # The frame's own header, behind 9 bytes of the record's and 40 and the kind's of the chunk's.
    at = ends[0] + 49 + len(kind)
    broken = content[:at] + b'\xff' * 20 + content[at + 20:]
    (tmp_path / 'bag.mcap').write_bytes(broken)
    found, damage = read(tmp_path / 'bag.mcap')
    assert found == [m for i, m in enumerate(messages()) if i // 6 != 1]
    [line] = damage
    assert f'damaged at byte {ends[0]}: 0 of' in line


def test_zeros_at_the_end_of_a_file_after_a_power_cut(tmp_path):
    content, ends = mcap(groups(), None)
    (tmp_path / 'bag.mcap').write_bytes(content[:ends[1]] + bytes(5000))
    found, damage = read(tmp_path / 'bag.mcap')
    assert found == list(messages())[:12]
    assert '12 messages were found' in damage[0] and f'5000 of {ends[1] + 5000}' in damage[0]


def test_messages_out_of_order_are_sorted_with_index_and_without(tmp_path):
    """Chunks that overlap in time, and messages that are not sorted in one."""
    wanted = list(messages())
    mixed = [[wanted[i] for i in (2, 0, 5, 9)], [wanted[i] for i in (1, 4, 3, 8)],
             [wanted[i] for i in (10, 11, 7, 6)]]
    ordered = [sorted(group, key=lambda m: m[1]) for group in mixed]
    for name, some in (('mixed', mixed), ('ordered', ordered)):
        content, ends = mcap(some, 'zstd')
        (tmp_path / f'{name}_cut.mcap').write_bytes(content[:ends[-1]])
        assert read(tmp_path / f'{name}_cut.mcap')[0] == wanted[:12]
    (tmp_path / 'whole.mcap').write_bytes(mcap(ordered, 'zstd')[0])
    assert read(tmp_path / 'whole.mcap') == (wanted[:12], [])


def test_chunk_that_claims_to_hold_too_much(tmp_path):
    """A kilobyte of zstd can hold gigabytes; what comes out is bounded by what is stated."""
    bomb = zstd.compress(bytes(2**26))
    content = MAGIC + b''.join(channel_records()) + record(
        0x06, struct.pack('<QQQI', 0, 1, 1000, 0) + text('zstd') + struct.pack('<Q', len(bomb))
        + bomb)
    (tmp_path / 'bag.mcap').write_bytes(content)
    tracemalloc.start()
    with pytest.raises(BagError, match='cut off'):
        read(tmp_path / 'bag.mcap')
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2**24


LIMIT = 2**26
"""A chunk or message of little data may hold as much."""


def peak_bytes(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_chunk_that_holds_and_claims_too_much(tmp_path):
    bomb = zstd.compress(bytes(2 * LIMIT))
    (tmp_path / 'bag.mcap').write_bytes(MAGIC + b''.join(channel_records()) + record(
        0x06, struct.pack('<QQQI', 0, 1, 2 * LIMIT, 0) + text('zstd')
        + struct.pack('<Q', len(bomb)) + bomb))

    def refused():
        with pytest.raises(BagError, match=f'{LIMIT} of {2 * LIMIT} bytes can be read'):
            read(tmp_path / 'bag.mcap')

    assert peak_bytes(refused) < 1.5 * LIMIT


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_message_that_holds_too_much(tmp_path, storage):
    """A black picture of 4K is none."""
    black = zstd.compress(bytes(3 * 3840 * 2160))
    bomb = zstd.compress(bytes(2 * LIMIT))
    with bags.BagWriter(tmp_path / 'bag', storage) as writer:
        for i, data in enumerate([black, bomb, b'last']):
            writer.write_cdr('/camera/image', 'sensor_msgs/msg/Image', data, i)
    found, damage = [], []

    def sizes():
        with bags.read_bag(tmp_path / 'bag') as reader:
            found.extend(len(message.cdr) for message in reader)
            damage.extend(reader.damage)

    assert peak_bytes(sizes) < 2.5 * LIMIT
    assert found == [3 * 3840 * 2160, 4]
    assert damage == [f'/camera/image: a message of {len(bomb)} bytes unpacks to more than '
                      f'{LIMIT}: such ones are left out']


def test_file_that_holds_too_much(tmp_path, monkeypatch):
    """It is unpacked onto the disk, up to a thousand times its size or a limit."""
    monkeypatch.setattr(compression, '_FILE_BYTES', 2**20)
    path = write(tmp_path / 'bag')
    content = data_file(path).read_bytes()
    (tmp_path / 'bag.mcap.zstd').write_bytes(zstd.compress(content + bytes(2**25)))
    found, damage = read(tmp_path / 'bag.mcap.zstd')
    assert found == list(messages())
    limit = max(2**20, 1000 * (tmp_path / 'bag.mcap.zstd').stat().st_size)
    assert f'unpacks to more than {limit} bytes' in damage[0]
    assert 2**20 < limit < 2**25


def test_chunk_of_zeros_in_a_file_with_an_index(tmp_path):
    content, ends = mcap(groups(), '')
    (tmp_path / 'bag.mcap').write_bytes(
        content[:ends[0]] + bytes(ends[2] - ends[0]) + content[ends[2]:])
    found, damage = read(tmp_path / 'bag.mcap')
    assert found == [m for i, m in enumerate(messages()) if i // 6 in (0, 3)]
    assert [f'damaged at byte {ends[i]}' in line for i, line in enumerate(damage)] == [True] * 2


@pytest.mark.parametrize('offset', [0x8000_0000_0000_0000, 2**40])
def test_index_that_points_beyond_the_file(tmp_path, offset):
    content, ends = mcap(groups(), '')
    at = content.rindex(struct.pack('<Q', ends[1]))
    (tmp_path / 'bag.mcap').write_bytes(content[:at] + struct.pack('<Q', offset)
                                        + content[at + 8:])
    assert read(tmp_path / 'bag.mcap')[0] == list(messages())


def test_messages_whose_topic_is_lost(tmp_path):
    """The record that declares the second channel is not there any more."""
    *_, last = channel_records()
    content, ends = mcap(groups(), None)
    (tmp_path / 'bag.mcap').write_bytes(content[:ends[-1]].replace(last, b''))
    found, damage = read(tmp_path / 'bag.mcap')
    assert found == [m for m in messages() if m[0] == '/depth/image']
    assert any('channel 2' in line for line in damage)


def test_unknown_compression(tmp_path):
    broken = MAGIC + b''.join(channel_records()) + record(
        0x06, struct.pack('<QQQI', 0, 1, 10, 0) + text('brotli') + struct.pack('<Q', 3) + b'abc')
    (tmp_path / 'bag.mcap').write_bytes(broken)
    with pytest.raises(BagError, match="'brotli' is unknown; allowed: zstd, lz4"):
        read(tmp_path / 'bag.mcap')


# --- folders ---

@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_folder_without_metadata(tmp_path, caplog, storage):
    path = write(tmp_path / 'bag', storage)
    (path / 'metadata.yaml').unlink()
    assert read(path)[0] == list(messages())
    assert 'metadata.yaml is missing' in bags.bag_info(path).damage[0]
    lines = [r.getMessage() for r in caplog.records if 'metadata.yaml' in r.getMessage()]
    assert len(lines) == 1, 'said once, however often the recording is opened'
    assert str(path) in lines[0]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_storage_identifier_left_empty_by_reindexing(tmp_path, storage):
    path = write(tmp_path / 'bag', storage)
    content = yaml.safe_load((path / 'metadata.yaml').read_text())
    content['rosbag2_bagfile_information']['storage_identifier'] = ''
    (path / 'metadata.yaml').write_text(yaml.safe_dump(content))
    assert read(path) == (list(messages()), [])


def test_fewer_messages_than_the_metadata_counts(tmp_path):
    path = write(tmp_path / 'bag')
    file = data_file(path)
    last = list(messages())[-1][2]
    file.write_bytes(file.read_bytes().partition(last)[0])
    found, damage = read(path)
    assert found == list(messages())[:-1]
    assert any('23 of the 24 messages' in line for line in damage)


def test_none_of_the_messages_that_the_metadata_counts(tmp_path):
    path = write(tmp_path / 'bag', 'sqlite3')
    with closing(sqlite3.connect(data_file(path))) as database:
        database.execute('DELETE FROM messages')
        database.commit()
    with pytest.raises(BagError, match=r'0 of the 24 messages that metadata\.yaml counts'):
        read(path)


def split_recording(tmp_path):
    """Three files of a recording and the metadata that lists them."""
    path = tmp_path / 'split'
    path.mkdir()
    parts = [list(messages())[i::3] for i in range(3)]
    for i, part in enumerate(parts):
        (path / f'split_{i}.mcap').write_bytes(mcap([part], 'lz4')[0])
    information = {'version': 5, 'storage_identifier': 'mcap', 'message_count': NUM_MESSAGES,
                   'relative_file_paths': [f'split_{i}.mcap' for i in range(3)]}
    (path / 'metadata.yaml').write_text(
        yaml.safe_dump({'rosbag2_bagfile_information': information}))
    return path, parts


def test_files_of_a_recording_are_merged_by_time(tmp_path):
    path, _ = split_recording(tmp_path)
    assert read(path) == (list(messages()), [])


@pytest.mark.parametrize('loss', ['missing', 'empty', 'garbage'])
def test_one_file_of_several_is_lost(tmp_path, loss):
    path, parts = split_recording(tmp_path)
    lost = path / 'split_1.mcap'
    if loss == 'missing':
        lost.unlink()
    else:
        lost.write_bytes({'empty': b'', 'garbage': b'\1\2' * 3000}[loss])
    found, damage = read(path)
    assert found == sorted(parts[0] + parts[2], key=lambda m: m[1])
    assert 'split_1.mcap' in damage[0] and '16 of the 24' in damage[1]


def test_file_that_the_metadata_does_not_list(tmp_path):
    path, _ = split_recording(tmp_path)
    shutil.copy(path / 'split_0.mcap', path / 'copy.mcap')
    found, damage = read(path)
    assert found == list(messages())
    assert damage == ['copy.mcap: left out, for metadata.yaml does not list it']


@pytest.mark.parametrize('name', ['b' * 300 + '.mcap', 'b\0.mcap'], ids=['long', 'zero'])
def test_a_name_that_no_file_can_have_is_missing(tmp_path, name):
    path = write(tmp_path / 'bag')
    metadata = yaml.safe_load((path / 'metadata.yaml').read_text())
    metadata['rosbag2_bagfile_information']['relative_file_paths'] = [name]
    (path / 'metadata.yaml').write_text(yaml.safe_dump(metadata))
    found, damage = read(path)
    assert found == list(messages())
    assert damage == [f'{name} is missing, which metadata.yaml lists']
    with pytest.raises(BagError, match='no such recording'):
        read(tmp_path / name)


def test_renamed_file(tmp_path):
    path = write(tmp_path / 'bag')
    data_file(path).rename(path / 'other.mcap')
    found, damage = read(path)
    assert found == list(messages())
    assert damage == ['bag.mcap is missing, which metadata.yaml lists']


# --- write-ahead logs, journals, compressed files and messages ---

def test_write_ahead_log_beside_a_database(tmp_path):
    """As a power cut leaves it: half of the messages are in the log only. Nothing is written."""
    path = write(tmp_path / 'bag', 'sqlite3', num=8)
    file = data_file(path)
    later = list(messages())[8:]
    cut = tmp_path / 'cut'
    with closing(sqlite3.connect(file)) as database:
        database.execute('PRAGMA journal_mode=WAL')
        database.execute('PRAGMA wal_autocheckpoint=0')
        for topic, stamp_ns, cdr in later:
            database.execute('INSERT INTO messages (topic_id, timestamp, data) SELECT id, ?, ? '
                             'FROM topics WHERE name = ?', (stamp_ns, cdr, topic))
        database.commit()
        shutil.copytree(path, cut)
    (cut / f'{file.name}-shm').unlink()
    before = {f.name: f.read_bytes() for f in cut.iterdir()}
    assert before[f'{file.name}-wal']
    found, _ = read(cut)
    assert found == list(messages())
    assert {f.name: f.read_bytes() for f in cut.iterdir()} == before


def test_recording_that_ended_in_the_middle_of_a_write(tmp_path):
    path = write(tmp_path / 'bag', 'sqlite3', num=200, size=900)
    file = data_file(path)
    with closing(sqlite3.connect(file)) as database:
        database.execute('PRAGMA cache_size=1')
        database.execute('UPDATE messages SET timestamp = timestamp + 1')
        shutil.copytree(path, tmp_path / 'cut')
    before = {f.name: f.read_bytes() for f in (tmp_path / 'cut').iterdir()}
    assert before[f'{file.name}-journal']
    found, damage = read(tmp_path / 'cut')
    assert found == list(messages(200, 900))
    assert 'middle of a write' in damage[0]
    assert {f.name: f.read_bytes() for f in (tmp_path / 'cut').iterdir()} == before


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_compressed_file_that_was_cut(tmp_path, storage):
    path = write(tmp_path / 'bag', storage, num=60, size=3000)
    file = data_file(path)
    packed = zstd.compress(file.read_bytes())
    (path / f'{file.name}.zstd').write_bytes(packed)
    file.unlink()
    (path / 'metadata.yaml').unlink()
    assert read(path)[0] == list(messages(60, 3000))
    (path / f'{file.name}.zstd').write_bytes(packed[:len(packed) * 9 // 10])
    found, _ = read(path)
    wanted = list(messages(60, 3000))
    # zstd packs blocks of 128 KiB, of which the first is whole.
    assert 10 < len(found) < 60
    assert found == wanted[:len(found)]


def test_compressed_messages_need_no_metadata(tmp_path):
    with bags.BagWriter(tmp_path / 'bag') as writer:
        for topic, stamp_ns, cdr in messages():
            writer.write_cdr(topic, 'sensor_msgs/msg/Image', zstd.compress(cdr), stamp_ns)
    assert zstd.compress(b'').startswith(ZSTD_MAGIC)
    assert read(tmp_path / 'bag') == (list(messages()), [])


def test_ros1_recording(tmp_path):
    (tmp_path / 'a.bag').write_bytes(b'#ROSBAG V2.0\n' + bytes(100))
    with pytest.raises(BagError, match='rosbags-convert'):
        read(tmp_path / 'a.bag')
