# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An output is whole, or bears a name that says unfinished: after errors, kills and full disks."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from anymodal_seg_ros.errors import WriteError
from anymodal_seg_ros.unfinished import put_aside, whole_file, whole_folder, write_whole

LIMIT = 4096


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def killed_after(code, cwd):
    """Runs Python code that says 'ready' in the midst of its writing, and kills it there."""
    command = [sys.executable, '-c', f'import time\n{code}\nprint("ready", flush=True)\n'
               'time.sleep(60)']
    environment = {**os.environ, 'PYTHONPATH': str(Path(__file__).resolve().parents[1])}
    with subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.PIPE,
                          text=True) as process:
        try:
            assert process.stdout.readline() == 'ready\n'
            yield
        finally:
            process.kill()


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / 'new' / 'scores.json'
    with whole_file(path) as file:
        file.write(b'{}')
        assert names_in(path.parent) == ['scores.json.unfinished']
    assert names_in(path.parent) == ['scores.json'] and path.read_bytes() == b'{}'


@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_older_file(tmp_path, error):
    path = tmp_path / 'a.txt'
    write_whole(path, 'äld')
    with pytest.raises(error), whole_file(path) as file:
        file.write(b'new')
        raise error
    assert names_in(tmp_path) == ['a.txt'] and path.read_text(encoding='utf-8') == 'äld'


def test_a_full_disk_leaves_the_older_file_and_costs_one_line(tmp_path, full_disk):
    path = tmp_path / 'a.bin'
    write_whole(path, b'old')
    with (pytest.raises(WriteError, match=rf'^cannot write {path}: File too large$'),
          full_disk(LIMIT)):
        write_whole(path, bytes(LIMIT + 1))
    assert names_in(tmp_path) == ['a.bin'] and path.read_bytes() == b'old'


def test_a_device_is_written_to_and_not_replaced():
    write_whole('/dev/null', b'x')
    assert not Path('/dev/null').is_file()
    with pytest.raises(WriteError, match=r'^cannot write /dev/full: No space left on device$'):
        write_whole('/dev/full', b'x')


def test_a_link_is_followed(tmp_path):
    (tmp_path / 'data').mkdir()
    (tmp_path / 'link').symlink_to('data/file')
    write_whole(tmp_path / 'link', b'x')
    assert (tmp_path / 'link').is_symlink()
    assert (tmp_path / 'data' / 'file').read_bytes() == b'x'


@pytest.mark.parametrize('path', ['file/below', 'folder'])
def test_a_place_that_cannot_be_written_costs_one_line(tmp_path, path):
    (tmp_path / 'file').write_bytes(b'')
    (tmp_path / 'folder').mkdir()
    with pytest.raises(WriteError, match=f'^cannot write {tmp_path / path}: '):
        write_whole(tmp_path / path, b'x')


def test_a_folder_appears_when_it_is_complete(tmp_path):
    path = tmp_path / 'way' / 'drive.v1'
    with whole_folder(path) as folder:
        folder.mkdir()
        (folder / 'a').write_bytes(b'x')
        assert folder.name == 'drive.v1', 'files may be named after it'
        assert names_in(path.parent) == ['drive.v1.unfinished']
    assert names_in(path.parent) == ['drive.v1'] and names_in(path) == ['a']


def test_an_existing_folder_is_not_replaced_unless_wanted(tmp_path):
    path = tmp_path / 'out'
    path.mkdir()
    for _ in range(2):  # an empty one may be there
        with whole_folder(path, replace=(path / 'a').exists()) as folder:
            folder.mkdir()
            (folder / 'a').write_bytes(b'x')
            (folder / 'b').mkdir()
    assert names_in(path) == ['a', 'b'] and names_in(tmp_path) == ['out']
    with pytest.raises(WriteError, match='out exists already'), whole_folder(path):
        pass
    (path / 'file').write_bytes(b'x')
    with (pytest.raises(WriteError, match='file: it is no folder'),
          whole_folder(path / 'file', replace=True)):
        pass
    (path / 'file').unlink()
    assert names_in(path) == ['a', 'b'] and names_in(tmp_path) == ['out']


@pytest.mark.parametrize('keep', [False, True])
def test_after_an_error_the_old_folder_is_there(tmp_path, keep):
    path = tmp_path / 'out'
    path.mkdir()
    (path / 'old').write_bytes(b'')
    with pytest.raises(ValueError), whole_folder(path, replace=True, keep=keep) as folder:
        folder.mkdir()
        (folder / 'a').write_bytes(b'')
        raise ValueError
    assert names_in(path) == ['old']
    assert names_in(tmp_path) == (['out', 'out.unfinished'] if keep else ['out'])
    if keep:
        assert names_in(tmp_path / 'out.unfinished' / 'out') == ['a']


@pytest.mark.parametrize('code', [errno.EIO, errno.ESTALE])
def test_a_folder_that_the_disk_does_not_show_is_not_taken_for_absent(tmp_path, monkeypatch, code):
    path, stat = tmp_path / 'out', Path.stat
    path.mkdir()

    def failing(asked, **options):
        if asked == path:
            raise OSError(code, os.strerror(code))
        return stat(asked, **options)

    with (pytest.raises(WriteError, match=f'^cannot write {path}: {os.strerror(code)}$'),
          whole_folder(path, replace=True) as folder):
        folder.mkdir()
        (folder / 'new').write_bytes(b'')
        monkeypatch.setattr(Path, 'stat', failing)
    monkeypatch.undo()
    assert names_in(tmp_path) == ['out'] and not names_in(path)


def test_a_full_disk_in_a_folder_costs_one_line(tmp_path, full_disk):
    path = tmp_path / 'out'
    with (pytest.raises(WriteError, match=rf'^cannot write {path}: File too large$'),
          full_disk(LIMIT), whole_folder(path) as folder):
        folder.mkdir()
        (folder / 'a').write_bytes(bytes(LIMIT + 1))
    assert names_in(tmp_path) == []


WRITE_A_FOLDER = """
from anymodal_seg_ros.unfinished import whole_folder
with whole_folder('out', replace=True) as folder:
    folder.mkdir()
    (folder / 'cut').write_bytes(b'')
    print('ready', flush=True)
    time.sleep(60)
"""


def test_after_a_kill_the_next_try_begins_anew(tmp_path):
    path = tmp_path / 'out'
    for _ in killed_after(WRITE_A_FOLDER, tmp_path):
        with (pytest.raises(WriteError, match='is being written by another process'),
              whole_folder(path)):
            pass
    assert names_in(tmp_path) == ['out.unfinished']
    assert names_in(tmp_path / 'out.unfinished' / 'out') == ['cut']
    with whole_folder(path) as folder:
        folder.mkdir()
        (folder / 'a').write_bytes(b'')
    assert names_in(tmp_path) == ['out'] and names_in(path) == ['a']


KILL_BETWEEN_RENAMES = """
from pathlib import Path
from anymodal_seg_ros.unfinished import whole_folder
rename = Path.rename
def wait(self, target):
    if self.parent.name == 'out.unfinished':
        print('ready', flush=True)
        time.sleep(60)
    return rename(self, target)
Path.rename = wait
with whole_folder('out', replace=True) as folder:
    folder.mkdir()
"""


def test_a_kill_while_a_folder_is_replaced_loses_nothing(tmp_path):
    path = tmp_path / 'out'
    path.mkdir()
    (path / 'old').write_bytes(b'')
    for _ in killed_after(KILL_BETWEEN_RENAMES, tmp_path):
        pass
    assert names_in(tmp_path) == ['out.unfinished']
    with pytest.raises(ValueError), whole_folder(path, replace=True):
        raise ValueError
    assert names_in(tmp_path) == ['out'] and names_in(path) == ['old']


def test_what_cannot_be_made_again_is_put_aside(tmp_path):
    path = tmp_path / 'out'
    assert put_aside(path) is None
    for number in (1, 2):
        with pytest.raises(ValueError), whole_folder(path, keep=True) as folder:
            folder.mkdir()
            (folder / f'{number}').write_bytes(b'')
            raise ValueError
        assert put_aside(path) == tmp_path / f'out.cut-{number}'
    assert names_in(tmp_path) == ['out.cut-1', 'out.cut-2']
    assert names_in(tmp_path / 'out.cut-2') == ['2']
