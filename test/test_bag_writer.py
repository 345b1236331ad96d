# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A recording that is written: whole, interrupted, killed, or on a full disk."""

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from anymodal_seg_ros import bags
from anymodal_seg_ros.errors import BagError

pytestmark = pytest.mark.slow

STORAGES = pytest.mark.parametrize(('storage', 'suffix'), [('mcap', 'mcap'), ('sqlite3', 'db3')])
LIMIT = 1 << 20


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def image(size=8):
    return bags.image_message(7, 'camera', np.zeros((size, size), np.uint8), 'mono8')


@STORAGES
def test_files_are_named_after_the_folder_that_they_end_in(tmp_path, storage, suffix):
    with bags.BagWriter(tmp_path / 'drive', storage) as writer:
        writer.write('/label', image(), 5)
        assert names_in(tmp_path) == ['drive.unfinished']
    assert names_in(tmp_path) == ['drive']
    assert names_in(tmp_path / 'drive') == [f'drive.{suffix}', 'metadata.yaml']
    metadata = yaml.safe_load((tmp_path / 'drive' / 'metadata.yaml').read_text('utf-8'))
    assert metadata['rosbag2_bagfile_information']['relative_file_paths'] == [f'drive.{suffix}']


@STORAGES
def test_an_interrupted_recording_can_be_read_but_has_not_its_name(tmp_path, storage, suffix):
    with pytest.raises(KeyboardInterrupt), bags.BagWriter(tmp_path / 'bag', storage) as writer:
        writer.write('/label', image(), 5)
        raise KeyboardInterrupt
    assert names_in(tmp_path) == ['bag.unfinished']
    assert bags.bag_info(tmp_path / 'bag.unfinished' / 'bag').counts == {'/label': 1}
    with pytest.raises(BagError, match=r'bag: no such recording; .*unfinished is what an interr'):
        bags.bag_info(tmp_path / 'bag')
    with bags.BagWriter(tmp_path / 'bag', storage) as writer:
        writer.write('/label', image(), 6)
        writer.write('/label', image(), 7)
    assert names_in(tmp_path) == ['bag']
    assert bags.bag_info(tmp_path / 'bag').counts == {'/label': 2}


def test_an_interrupted_recording_is_not_kept_where_it_can_be_made_again(tmp_path):
    with (pytest.raises(KeyboardInterrupt),
          bags.BagWriter(tmp_path / 'bag', keep=False) as writer):
        writer.write('/label', image(), 5)
        raise KeyboardInterrupt
    assert names_in(tmp_path) == []


# --- killed ---

SAVED_S = 1.0


def noise(i, size):
    """A serialized message, no two alike."""
    pixels = np.random.default_rng(i).integers(0, 256, (1, size), np.uint8)
    return bags.to_cdr(bags.image_message(i, 'camera', pixels, 'mono8'))


def read_messages(path):
    with bags.read_bag(path) as reader:
        return [(item.recorded_ns, bytes(item.cdr)) for item in reader], reader.damage


@STORAGES
@settings(max_examples=10, phases=[Phase.generate])
@given(steps=st.lists(st.tuples(st.floats(0.0, 1.5), st.sampled_from([9, 3000, 300_000])),
                      min_size=1, max_size=20))
def test_a_killed_writer_loses_less_than_a_second_of_messages(tmp_path_factory, storage, suffix,
                                                              steps):
    """A copy of the files is what a kill at that moment would leave."""
    folder = tmp_path_factory.mktemp('killed')
    written, now_ns = [], 50_000_000_000
    with bags.BagWriter(folder / 'bag', storage) as writer:
        for i, (step_s, size) in enumerate(steps):
            now_ns += round(step_s * 1e9)
            written.append((now_ns, noise(i, size)))
            writer.write_cdr('/label', 'sensor_msgs/msg/Image', written[-1][1], now_ns)
        shutil.copytree(folder / 'bag.unfinished' / 'bag', folder / 'left')
    found, damage = read_messages(folder / 'left')
    assert found == written[:len(found)]
    assert all(now_ns - stamp_ns < SAVED_S * 1e9 for stamp_ns, _ in written[len(found):])
    assert any('metadata.yaml is missing' in line for line in damage)
    assert read_messages(folder / 'bag') == (written, [])


@STORAGES
def test_what_is_saved_outlives_a_kill(tmp_path, storage, suffix):
    with bags.BagWriter(tmp_path / 'bag', storage) as writer:
        for i in range(5):
            writer.write('/label', image(), 10 + i)
        writer.save()
        shutil.copytree(tmp_path / 'bag.unfinished' / 'bag', tmp_path / 'left')
    assert bags.bag_info(tmp_path / 'left').counts == {'/label': 5}


WRITE_UNTIL_KILLED = """
import sys
from itertools import count
import numpy as np
from anymodal_seg_ros import bags
with bags.BagWriter('bag', sys.argv[1]) as writer:
    image = np.zeros((512, 512), np.uint8)
    for i in count():
        writer.write('/label', bags.image_message(i, 'camera', image, 'mono8'), i * 10**8)
        print(i, flush=True)
"""


@STORAGES
def test_a_killed_recording_can_be_read_and_the_same_command_begins_anew(tmp_path, storage,
                                                                         suffix):
    environment = {**os.environ, 'PYTHONPATH': str(Path(__file__).resolve().parents[1])}
    with subprocess.Popen([sys.executable, '-c', WRITE_UNTIL_KILLED, storage], cwd=tmp_path,
                          env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = [int(process.stdout.readline()) for _ in range(25)]
        finally:
            process.kill()
        # A kill may cut the last line.
        said += [int(line) for line in process.stdout if line.endswith('\n')]
    assert names_in(tmp_path) == ['bag.unfinished']
    found, _ = read_messages(tmp_path / 'bag.unfinished' / 'bag')
    assert [stamp_ns for stamp_ns, _ in found] == [i * 10**8 for i in range(len(found))]
    assert len(found) > said[-1] - 10
    with bags.BagWriter(tmp_path / 'bag', storage) as writer:
        writer.write('/label', image(), 5)
    assert names_in(tmp_path) == ['bag']
    assert bags.bag_info(tmp_path / 'bag').counts == {'/label': 1}


# --- on a full disk ---

@STORAGES
@pytest.mark.parametrize('goes_on', [False, True])
def test_a_full_disk_costs_one_line_and_the_recording_its_name(tmp_path, full_disk, storage,
                                                               suffix, goes_on):
    """``goes_on``: a caller that passes over the error, as a node's callback may."""
    with (pytest.raises(BagError) as caught, ExitStack() as disk,
          bags.BagWriter(tmp_path / 'bag', storage) as writer):
        writer.write('/label', image(), 5)
        disk.enter_context(full_disk(LIMIT))
        for i in range(6):
            try:
                writer.write('/label', image(1024), 6 + i)
            except BagError:
                if not goes_on:
                    raise
    text = str(caught.value)
    assert text.startswith(f'{tmp_path / "bag"}: cannot be written: ') and '\n' not in text
    assert text.endswith(f'; what was written is in {tmp_path / "bag"}.unfinished')
    assert names_in(tmp_path) == ['bag.unfinished']
    left = tmp_path / 'bag.unfinished' / 'bag'
    assert not (left / 'metadata.yaml').exists(), 'it would count what is lost'
    found, _ = read_messages(left)
    assert found[0] == (5, bags.to_cdr(image()))
    assert len(found) <= 2
