# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is there and what is not, whatever the name."""

import pytest

from anymodal_seg_ros.existence import exists, is_dir, is_file


def test_files_and_folders(tmp_path):
    file = tmp_path / 'file'
    file.touch()
    assert (exists(file), is_file(file), is_dir(file)) == (True, True, False)
    assert (exists(tmp_path), is_file(tmp_path), is_dir(tmp_path)) == (True, False, True)


@pytest.mark.parametrize('name', ['nothing', 'n' * 300, 'n' * 5000, 'n\0', 'file/below', '\udc80'])
@pytest.mark.parametrize('ask', [exists, is_file, is_dir])
def test_a_name_that_nothing_has_or_can_have_is_nothing(tmp_path, ask, name):
    (tmp_path / 'file').touch()
    assert not ask(tmp_path / name)
