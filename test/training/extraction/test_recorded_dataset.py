# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading extracted recordings: filters, what a description tells, and damaged files."""

import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.labels import load_label_space
from training.datasets import DATASETS
from training.datasets.files import UnreadableFrameError
from training.datasets.recorded import RecordedDataset
from training.scored_frames import open_frames

FULL = ('rgb', 'depth', 'lidar')


def ids(frames):
    return [frames[i].id for i in range(len(frames))]


def test_it_is_a_row_of_the_table():
    assert DATASETS['recorded'] is RecordedDataset


def test_absent_sensors_are_absent_keys(stored):
    everything = RecordedDataset(stored, 'train')
    assert everything.modalities == (*FULL, 'event')
    wanted = RecordedDataset(stored, 'train', FULL)
    assert len(wanted) == len(everything)
    for i in range(len(wanted)):
        frame = wanted[i]
        missing = [name for name in FULL if name not in frame.images]
        assert frame.failure == ('_'.join(['no', *missing]) if missing else 'normal')
        assert everything[i].failure == '_'.join(['no', *missing, 'event'])


def test_filters_by_sensors_and_condition(stored):
    frames = RecordedDataset(stored, 'train', FULL)
    counts = frames.describe()['failures']
    assert sum(counts.values()) == len(frames)
    for failure, count in counts.items():
        assert len(RecordedDataset(stored, 'train', FULL, failures=[failure])) == count
    assert ids(RecordedDataset(stored, 'train', FULL, conditions=['recording'])) == ids(frames)
    only = RecordedDataset(stored, 'train', ['lidar'])
    assert len(only) == sum(count for name, count in counts.items() if 'lidar' not in name)
    assert set(only[0].images) == {'lidar'}


def test_description(stored):
    description = RecordedDataset(stored, 'train', FULL).describe()
    assert description['layout'] == 'recorded'
    assert description['label_space'] == 'deliver'
    assert description['frames'] == description['labelled_frames'] == 12
    assert description['recordings'] == 1
    assert description['manifest']['recordings'] == 1
    other = RecordedDataset(stored, 'train', ['lidar']).describe()
    assert other['sha256'] != description['sha256']
    json.dumps(description)


@pytest.mark.parametrize(('arguments', 'words'), [
    ({'split': 'trian'}, "split is 'trian'; allowed: train, val, test"),
    ({'split': 'val'}, "no 'val' frames in"),
    ({'modalities': ['radar']}, "modality is 'radar'; allowed: rgb, depth, lidar, event"),
    ({'modalities': []}, 'no modality to read'),
    ({'conditions': ['fog']}, "condition is 'fog'; allowed: recording"),
    ({'failures': ['no_rgb']}, "no 'train' frames"),
    ({'options': {'nose': 1}}, "option of recorded is 'nose'; allowed: none")])
def test_wrong_arguments(stored, arguments, words):
    with pytest.raises(ConfigError, match=words):
        RecordedDataset(stored, **{'split': 'train', **arguments})


def truncate(path):
    path.write_bytes(path.read_bytes()[:-20])


def repaint(path, image):
    assert cv2.imwrite(str(path), image)


@pytest.mark.parametrize(('file', 'damage', 'words'), [
    ('depth', truncate, r'depth/000003.png is not a readable image: data: \d+ bytes; .*cut short'),
    ('depth', lambda path: path.unlink(), 'no file .*depth/000003.png'),
    ('depth', lambda path: repaint(path, np.zeros((32, 64, 3), np.uint8)),
     r'depth/000003.png is \(32, 64\) but rgb is \(32, 32\)'),
    ('label', lambda path: repaint(path, np.full((48, 64), 25, np.uint8)),
     'label/000003.png holds label 25 at 3072 pixels; allowed: 0 to 24, 255'),
    ('label', lambda path: path.unlink(), 'no file .*label/000003.png')])
def test_damaged_files_are_named(data, file, damage, words):
    damage(data / 'noise' / file / '000003.png')
    frames = RecordedDataset(data, 'train')
    assert frames[2].id == 'noise/000002'
    with pytest.raises(UnreadableFrameError, match=words):
        frames[3]


def test_a_bundle_is_scored_with_the_sensors_that_were_extracted(data):
    change(data, modalities=['rgb', 'lidar'])
    bundle = SimpleNamespace(modalities=FULL, label_space=load_label_space('deliver'))
    frames, _, sensors = open_frames(bundle, data, 'train', name='recorded')
    assert sensors == RecordedDataset.modalities_of(data) == ('rgb', 'lidar')
    assert set(frames[0].images) <= set(sensors)


def change(data, **entries):
    path = data / 'dataset.json'
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


@pytest.mark.parametrize(('entries', 'words'), [
    ({'recordings': []}, r'recordings is \[\]; allowed: a table'),
    ({'label_space': 'x'}, r'dataset\.json: a label space is'),
    ({'recordings': {'noise': {'split': 'train'}}}, "recording 'noise' is .*split and condition"),
    ({'recordings': {'../x': {'split': 'train', 'condition': 'a'}}}, r"'\.\./x'; allowed: the n"),
    ({'modalities': 3}, 'modalities is 3; allowed: a list of names'),
    ({'modalities': [3]}, r'modalities is \[3\]; allowed')])
def test_wrong_entries_of_the_description(data, entries, words):
    change(data, **entries)
    with pytest.raises(ConfigError, match=words):
        RecordedDataset(data, 'train')


@pytest.mark.parametrize(('text', 'words'), [
    ('{', 'is not valid JSON'),
    ('[]', 'does not describe recordings; needed: layout'),
    ('{"layout": "deliver", "format_version": 1, "label_space": {}, "modalities": [], '
     '"recordings": {}}', "has layout 'deliver' version 1; allowed: 'recorded' 1")])
def test_damaged_descriptions(data, text, words):
    (data / 'dataset.json').write_text(text)
    with pytest.raises(ConfigError, match=words):
        RecordedDataset(data, 'train')


@pytest.mark.parametrize('line', [
    'half a li', '{"id": "noise/1"}', '{"id": "noise/../../x", "members": {}, "label": null}',
    '{"id": "other/1", "members": {}, "label": null}', '[]'])
def test_damaged_lists_of_frames(data, line):
    with (data / 'noise' / 'frames.jsonl').open('a') as lines:
        lines.write(line + '\n')
    with pytest.raises(ConfigError, match=r'frames.jsonl, line 13, is no frame'):
        RecordedDataset(data, 'train')


def test_a_list_of_frames_that_is_no_text(data):
    (data / 'noise' / 'frames.jsonl').write_bytes(b'\xff\xfe')
    with pytest.raises(ConfigError, match=r'frames.jsonl is no text'):
        RecordedDataset(data, 'train')


def test_missing_data_set(tmp_path):
    with pytest.raises(ConfigError, match=r'dataset\.json is missing'):
        RecordedDataset(tmp_path / 'nowhere', 'train')
