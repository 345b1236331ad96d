# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Batches: one sensor each, every pair once in an epoch, the same again for the same step."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from anymodal_seg_ros.errors import ConfigError
from training.datasets import Frame
from training.ma_clip.pairs import CaptionedFrames, PairMaker, SquareFrames
from training.ma_clip.sets import open_sets

SIDE = 8


class Numbered:
    """Frames whose pixels tell their number, and which sensor they are of."""

    def __init__(self, absent=(), number=6):
        self.absent, self.number = dict(absent), number

    def __len__(self):
        return self.number

    def __getitem__(self, index):
        images = {name: np.full((16, 24, 3), 10 * index + offset, np.uint8)
                  for offset, name in enumerate(('rgb', 'depth', 'event'))
                  if name not in self.absent.get(index, ())}
        for image in images.values():
            image[:, :12] += 100
        return Frame(id=f'f{index}', condition='any', failure='normal', images=images,
                     labels=np.zeros((16, 24), np.uint8))


def captioned(source, modalities=('depth', 'event'), captions=None):
    captions = captions or {f'f{i}': i for i in range(len(source))}
    return CaptionedFrames(frames=SquareFrames(source, SIDE, keep=True), captions=captions,
                           modalities=modalities, weight=1.0, description={})


def seen(batch):
    """The frame's number of each pair, by the darker side of each of its images."""
    return {name: (images[:, 0, 0, [0, -1]].amin(1) // 10).tolist()
            for name, images in batch.images.items()}


def test_an_epoch_has_every_pair_once_and_one_sensor_a_batch(config):
    pairs = PairMaker([captioned(Numbered())], replace(config, batch=3))
    assert pairs.steps_per_epoch == 4 and pairs.modalities == ('depth', 'event')
    for epoch in range(3):
        found = {'depth': [], 'event': []}
        for step in range(4 * epoch, 4 * epoch + 4):
            batch = pairs.make(step)
            assert list(batch.images) == ['rgb', batch.modality]
            by_image = seen(batch)
            assert by_image['rgb'] == by_image[batch.modality] == batch.caption_B.tolist()
            found[batch.modality] += by_image['rgb']
        assert all(sorted(numbers) == list(range(6)) for numbers in found.values())


def test_a_step_is_the_same_again_and_ahead(config):
    pairs = PairMaker([captioned(Numbered())], config)
    for workers in (1, 3):
        again = PairMaker([captioned(Numbered())], replace(config, workers=workers))
        for step, batch in enumerate(again.stream(2, 7), 2):
            assert batch.modality == pairs.make(step).modality
            for name, images in batch.images.items():
                assert torch.equal(images, pairs.make(step).images[name])


def test_a_pair_is_mirrored_together(config):
    batch = PairMaker([captioned(Numbered())], replace(config, batch=64)).make(0)
    left = {name: images[:, 0, 0, 0] > images[:, 0, 0, -1] for name, images in
            batch.images.items()}
    assert torch.equal(*left.values())
    assert 10 < int(left['rgb'].sum()) < 54


def test_a_frame_without_the_sensor_is_passed_over(config):
    source = Numbered(absent={1: ('depth',), 2: ('rgb',), 3: ('rgb', 'depth')})
    pairs = PairMaker([captioned(source)], config)
    found = {'depth': set(), 'event': set()}
    for step in range(20):
        batch = pairs.make(step)
        found[batch.modality] |= set(batch.caption_B.tolist())
    assert found == {'depth': {0, 4, 5}, 'event': {0, 1, 4, 5}}
    with pytest.raises(ConfigError, match='no frame has both rgb and event'):
        PairMaker([captioned(Numbered(absent=dict.fromkeys(range(6), ('event',))), ('event',))],
                  config).make(0)


def test_several_data_sets_are_mixed_where_they_have_the_sensor(config):
    first, second = captioned(Numbered()), captioned(
        Numbered(number=4), ('event',), {f'f{i}': 100 + i for i in range(4)})
    pairs = PairMaker([first, second], replace(config, batch=2))
    assert pairs.steps_per_epoch == 3 + 5
    batches = [pairs.make(step) for step in range(8)]
    of_event = [c for b in batches if b.modality == 'event' for c in b.caption_B.tolist()]
    assert sorted(of_event) == [*range(6), *range(100, 104)]


def test_a_frame_without_a_caption_is_named(config, captions, tmp_path):
    with pytest.raises(ConfigError, match="frame 'f5' has no caption; 5 others have one"):
        found = captioned(Numbered(), captions={f'f{i}': i for i in range(5)})
        found.caption(found.frames[5])
    lacking = tmp_path / 'captions.json'
    lacking.write_text(captions.read_text('utf-8').replace('night/train', 'night/other'), 'utf-8')
    without = replace(config, sets=(replace(config.sets[0], captions=str(lacking)),))
    with pytest.raises(ConfigError, match=r"frame 'night/train/.*has no caption"):
        open_sets(without, 'train', {}, SIDE)


def test_a_caption_has_one_number_over_all_data_sets(config):
    texts = {}
    twice = replace(config, sets=config.sets * 2)
    first, second = open_sets(twice, 'train', texts, SIDE)
    assert first.captions == second.captions
    assert sorted(set(first.captions.values())) == list(range(len(texts)))


def test_a_data_set_without_another_sensor(config):
    with pytest.raises(ConfigError, match='no sensor beside rgb'):
        PairMaker([captioned(Numbered(), ())], config)
