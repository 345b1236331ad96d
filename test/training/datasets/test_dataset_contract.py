# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every row of ``DATASETS`` keeps, tried on two frames in its layout."""

import json
from pathlib import PurePosixPath

import numpy as np
import pytest

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.labels import load_label_space
from training.datasets import DATASETS

NAMES = tuple(DATASETS)
MADE_BY_USERS = {('nyuv2', 'val')}
UNUSED = ('5_6',)


def splits_of(name):
    return [split for split in DATASETS[name].SPLITS if (name, split) not in MADE_BY_USERS]


def read_all(name, root):
    frames = []
    for split in splits_of(name):
        source = DATASETS[name](root, split)
        frames += [source[index] for index in range(len(source))]
    return frames


@pytest.mark.parametrize('name', NAMES)
def test_every_split_is_read(name, root_of):
    root = root_of(name)
    space = load_label_space(DATASETS[name].LABEL_SPACE)
    for split in splits_of(name):
        source = DATASETS[name](root, split)
        assert len(source) == (2 if split == 'train' else 1)
        for index in range(len(source)):
            frame = source[index]
            assert tuple(frame.images) == DATASETS[name].modalities_of(root)
            for image in frame.images.values():
                assert image.shape == (8, 12, 3) and image.flags.c_contiguous
                assert image.dtype in (np.uint8, np.float32)
                assert image.min() >= 0 and 1 < image.max() <= 255
            assert frame.labels.shape == (8, 12) and frame.labels.dtype == np.uint8
            assert ((frame.labels < space.num_classes) | (frame.labels == 255)).all()
            assert frame.failure and frame.condition not in ('', 'all')


@pytest.mark.parametrize('name', NAMES)
def test_ids_are_unique_relative_paths(name, root_of):
    root = root_of(name)
    ids = [frame.id for frame in read_all(name, root)]
    assert len(set(ids)) == len(ids)
    assert all(i == PurePosixPath(i).as_posix() and not i.startswith('/') and str(root) not in i
               and '..' not in i for i in ids)


@pytest.mark.parametrize('name', NAMES)
def test_description_is_json_and_repeatable(name, root_of):
    root = root_of(name)
    first = DATASETS[name](root, 'train').describe()
    assert json.loads(json.dumps(first)) == DATASETS[name](root, 'train').describe()
    assert first['layout'] == name and first['frames'] == 2 and first['split'] == 'train'
    assert first['label_space'] == DATASETS[name].LABEL_SPACE
    assert set(first['folders']) == set(DATASETS[name].modalities_of(root))
    assert first['sha256'] != DATASETS[name](root, splits_of(name)[-1]).describe()['sha256']


@pytest.mark.parametrize('name', NAMES)
def test_one_modality_may_be_chosen(name, root_of):
    root = root_of(name)
    for modality in DATASETS[name].modalities_of(root):
        frame = DATASETS[name](root, 'train', [modality])[1]
        assert list(frame.images) == [modality]


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize(('arguments', 'match'), [
    ({'split': 'dev'}, "split is 'dev'; allowed: train"),
    ({'modalities': ['sonar']}, "modality is 'sonar'; allowed: rgb"),
    ({'modalities': []}, 'no modality'),
    ({'conditions': ['monsoon']}, "condition is 'monsoon'"),
    ({'failures': ['flat tyre']}, 'flat tyre'),
    ({'options': {'speed': 1}}, "option of .* 'speed'"),
])
def test_wrong_arguments_are_named(name, arguments, match, root_of):
    with pytest.raises(ConfigError, match=match):
        DATASETS[name](root_of(name), **{'split': 'train', **arguments})


@pytest.mark.parametrize('name', NAMES)
def test_a_missing_folder_is_named(name, root_of):
    root = root_of(name)
    with pytest.raises(ConfigError, match='nowhere'):
        DATASETS[name](root.parent / 'nowhere', 'train')
    for folder in set(DATASETS[name](root, 'train').describe()['folders'].values()):
        found = next(path for path in sorted(root.rglob(PurePosixPath(folder).name))
                     if path.is_dir())
        away = found.with_name('elsewhere')
        found.rename(away)
        with pytest.raises(ConfigError, match=PurePosixPath(folder).name):
            read_all(name, root)
        away.rename(found)


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('damage', [
    lambda path: path.write_bytes(path.read_bytes()[:-len(path.read_bytes()) // 2]),
    lambda path: path.write_bytes(b'nothing that can be read'),
    lambda path: path.write_bytes(b''),
    lambda path: path.unlink(),
], ids=['cut short', 'other contents', 'empty', 'gone'])
def test_each_damaged_file_is_named(name, damage, root_of):
    root = root_of(name)
    # A scene without its first image or its label is not listed: all are listed before.
    sources = [DATASETS[name](root, split) for split in splits_of(name)]
    files = [path for path in sorted(root.rglob('*'))
             if path.suffix in ('.png', '.npy', '.npz', '.jpg') and path.stem not in UNUSED]
    for path in files:
        good = path.read_bytes()
        damage(path)
        problems = [problem for source in sources for problem in problems_of(source)]
        path.write_bytes(good)
        assert problems and all(path.stem in problem and '\n' not in problem
                                for problem in problems)


def problems_of(source):
    for index in range(len(source)):
        try:
            source[index]
        except ConfigError as error:
            yield str(error)


@pytest.mark.parametrize('name', [name for name in NAMES if name != 'recorded'])
def test_a_list_or_folder_without_frames_is_an_error(name, root_of):
    root = root_of(name)
    for path in root.rglob('*.txt'):
        path.write_text('\n')
    if not list(root.rglob('*.txt')):
        for path in list(root.rglob('*.png')):
            path.unlink()
    with pytest.raises(ConfigError, match="no 'train' frames"):
        DATASETS[name](root, 'train')


LISTS = pytest.mark.parametrize(('name', 'path'), [
    ('mcubes', 'list_folder/train.txt'), ('mfnet', 'train.txt'), ('nyuv2', 'train.txt'),
    ('kitti360', 'train.txt'),
])


@LISTS
def test_lists_may_be_from_windows_repeat_entries_and_have_blank_lines(name, path, root_of,
                                                                       caplog):
    root = root_of(name)
    whole = DATASETS[name](root, 'train')
    lines = (root / path).read_text(encoding='utf-8').splitlines()
    text = '\ufeff' + '\r\n'.join(['', lines[0], '  ', *lines, *lines]) + '\r\n\r\n'
    (root / path).write_bytes(text.encode())
    again = DATASETS[name](root, 'train')
    assert [again[i].id for i in range(len(again))] == [whole[i].id for i in range(len(whole))]
    [record] = caplog.records
    assert f'{root / path} lists {len(lines)} frames more than once' in record.getMessage()
    assert 'in lines 2 and 4' in record.getMessage()


@LISTS
@pytest.mark.parametrize('entry', ['../../secret', '/etc/passwd', 'a/../../b', '..\\up', 'c:/a'])
def test_lists_cannot_lead_out_of_the_data_set(name, path, entry, root_of):
    root = root_of(name)
    (root / path).write_text(entry + '\n')
    with pytest.raises(ConfigError, match=r"train\.txt, line 1: .*allowed: a path without '\.\.'"):
        DATASETS[name](root, 'train')
    (root / path).unlink()
    with pytest.raises(ConfigError, match=r'no list of the split: .*train\.txt'):
        DATASETS[name](root, 'train')
