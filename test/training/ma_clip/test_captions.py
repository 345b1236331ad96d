# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files of captions, and captions written from labels."""

import json

import numpy as np
import pytest
from fuzzing.inputs import broken_json

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.labels import load_label_space
from training.datasets import DeliverDataset, Frame
from training.ma_clip import __main__ as command
from training.ma_clip.caption_text import caption
from training.ma_clip.captions import read_captions, write_captions

CLASSES = load_label_space('deliver')


def frame(shares, condition='sun'):
    """A frame whose labels have these classes, by name, with these shares of 1000 pixels."""
    labels = np.full(1000, 255, np.uint8)
    begin = 0
    for name, share in shares.items():
        labels[begin:begin + share] = CLASSES.id_of(name)
        begin += share
    return Frame(id='a', condition=condition, failure='normal', images={},
                 labels=labels.reshape(10, 100))


@pytest.mark.parametrize(('shares', 'condition', 'text'), [
    ({'Sky': 200, 'Road': 500, 'Building': 100}, 'night',
     'a driving scene at night with road, sky and building'),
    ({'TrafficLight': 10}, 'sun', 'a driving scene in sunshine with traffic light'),
    ({'Road': 10, 'Cars': 4}, 'fog_night', 'a driving scene in fog at night with road'),
    ({'Other': 900, 'Static': 50, 'Dynamic': 50}, 'any', 'a driving scene'),
    ({}, 'rain', 'a driving scene in rain'),
    ({name: 50 - i for i, name in enumerate(CLASSES.class_names[3:15])}, 'cloud',
     'a driving scene under clouds with pedestrian, pole, road line, road, side walk, vegetation, '
     'cars and wall')])
def test_a_caption_names_conditions_and_the_largest_classes(shares, condition, text):
    assert caption(frame(shares, condition), CLASSES) == text


def test_a_file_comes_back(tmp_path):
    path = tmp_path / 'captions.json'
    captions = {'train': {'a/1': 'a road', 'a/2': 'Straße'}, 'val': {}}
    write_captions(path, captions, 'people')
    assert read_captions(path, 'train') == captions['train']
    assert read_captions(path, 'val') == {}
    with pytest.raises(ConfigError, match="no captions of split 'test'; it has 'train', 'val'"):
        read_captions(path, 'test')


GOOD = {'format_version': 1, 'source': 'people', 'captions': {'train': {'a': 'a road'}}}


@pytest.mark.parametrize(('data', 'told'), [
    ([], 'allowed: a table'),
    ({**GOOD, 'format_version': 2}, 'format_version is 2; allowed: 1'),
    ({**GOOD, 'model': 'x'}, "unknown key 'model'"),
    ({**GOOD, 'captions': ['a road']}, 'captions is'),
    ({**GOOD, 'captions': {'train': ['a road']}}, "captions of 'train' is"),
    ({**GOOD, 'captions': {'train': {'a': 3}}}, "caption of 'a' is 3"),
    ({**GOOD, 'captions': {'train': {'a': ' '}}}, "caption of 'a' is ' '"),
    ({**GOOD, 'captions': {'train': {'a': 'x' * 2001}}}, 'a text of 1 to 2000 characters')])
def test_a_file_that_is_none(tmp_path, data, told):
    path = tmp_path / 'captions.json'
    path.write_text(json.dumps(data), encoding='utf-8')
    with pytest.raises(ConfigError) as error:
        read_captions(path, 'train')
    assert told in str(error.value) and str(path) in str(error.value)


def test_what_is_damaged_is_refused_or_harmless(tmp_path):
    path, refused = tmp_path / 'captions.json', 0
    for case in range(300):
        path.write_bytes(broken_json(np.random.default_rng(case), GOOD))
        try:
            captions = read_captions(path, 'train')
            assert all(isinstance(text, str) for pair in captions.items() for text in pair)
        except ConfigError:
            refused += 1
    assert refused > 100


def test_a_missing_file_says_how_to_write_one(tmp_path):
    with pytest.raises(ConfigError, match=r'python -m training\.ma_clip captions'):
        read_captions(tmp_path / 'captions.json', 'train')


def test_the_command_captions_every_frame(deliver_root, tmp_path, capsys):
    path = tmp_path / 'captions.json'
    assert command.main(['captions', 'deliver', str(deliver_root), '--output', str(path)]) == 0
    for split in ('train', 'val'):
        frames = DeliverDataset(deliver_root, split, ('rgb',))
        captions = read_captions(path, split)
        assert set(captions) == {frames[i].id for i in range(len(frames))}
        for i in range(len(frames)):
            assert captions[frames[i].id] == caption(frames[i], CLASSES)
    assert 'test: left out' in capsys.readouterr().out
    with pytest.raises(ConfigError, match='no captions of split'):
        read_captions(path, 'test')


def test_a_split_that_was_asked_for_must_be_there(deliver_root, tmp_path, capsys):
    path = tmp_path / 'captions.json'
    assert command.main(['captions', 'deliver', str(deliver_root), '--output', str(path),
                         '--splits', 'test']) == 1
    assert "no 'test' frames" in capsys.readouterr().err
    assert not path.exists()
