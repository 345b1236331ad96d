# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A recording that is written: whole, interrupted, killed, or on a full disk."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import yaml

from anymodal_seg_ros import bags
from anymodal_seg_ros.errors import BagError

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


WRITE_AND_WAIT = """
import sys, time
import numpy as np
from anymodal_seg_ros import bags
with bags.BagWriter('bag', sys.argv[1]) as writer:
    image = np.zeros((512, 512), np.uint8)
    for i in range(20):
        writer.write('/label', bags.image_message(7, 'camera', image, 'mono8'), 5 + i)
    print('ready', flush=True)
    time.sleep(60)
"""


@STORAGES
def test_after_a_kill_the_same_command_begins_anew(tmp_path, storage, suffix):
    environment = {**os.environ, 'PYTHONPATH': str(Path(__file__).resolve().parents[1])}
    with subprocess.Popen([sys.executable, '-c', WRITE_AND_WAIT, storage], cwd=tmp_path,
                          env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == 'ready\n'
        finally:
            process.kill()
    assert names_in(tmp_path) == ['bag.unfinished']
    with bags.BagWriter(tmp_path / 'bag', storage) as writer:
        writer.write('/label', image(), 5)
    assert names_in(tmp_path) == ['bag']
    assert bags.bag_info(tmp_path / 'bag').counts == {'/label': 1}


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
