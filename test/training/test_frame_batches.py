# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Order, errors and batches of frames that threads read ahead."""

import itertools

import pytest

from anymodal_seg_ros.errors import ConfigError
from training.datasets import DeliverDataset
from training.frame_batches import QUEUE_LENGTH, Workers, read_batches


@pytest.mark.parametrize('count', [0, 1, 3])
def test_results_keep_their_order_and_errors_their_place(count):
    def half(n):
        if n % 2:
            raise ConfigError(f'{n} is odd')
        return n // 2

    with Workers(count) as workers:
        assert list(workers.map(half, range(0, 100, 2))) == list(range(50))
        results = workers.map(half, [2, 4, 5, 6])
        assert [next(results), next(results)] == [1, 2]
        with pytest.raises(ConfigError, match='5 is odd'):
            next(results)


def test_workers_stay_only_a_little_ahead():
    asked = itertools.count()
    with Workers(2) as workers:
        results = workers.map(str, iter(asked.__next__, 100))
        assert [next(results), next(results)] == ['0', '1']
        assert next(asked) == 2 + 2 + QUEUE_LENGTH
        results.close()


@pytest.mark.parametrize('count', [-1, 257, 1.5, True])
def test_bad_numbers_of_threads(count):
    with pytest.raises(ConfigError, match='allowed: a whole number, 0 to 256'):
        Workers(count)


def test_batches_hold_neighbours_of_one_kind(deliver_root):
    frames = DeliverDataset(deliver_root, 'val')

    class Mixed:
        def __len__(self):
            return 6

        def __getitem__(self, index):
            frame = frames[index]
            if index == 2:
                del frame.images['event']
            return frame

    with Workers(2) as workers:
        batches = list(read_batches(Mixed(), range(6), 32, workers, batch_size=2))
        assert [[frame.id[-1] for frame in batch] for batch in batches] == [
            ['0', '1'], ['2'], ['0', '1'], ['2']]
        assert {image.shape for batch in batches for frame in batch
                for image in frame.images.values()} == {(32, 32, 3)}
        assert batches[0][0].labels.shape == (64, 64)
        [[frame]] = read_batches(Mixed(), [0], 32, workers, batch_size=2, label_size='network')
        assert frame.labels.shape == (32, 32)
        for wrong in ({'batch_size': 0}, {'batch_size': 1, 'label_size': 'odd'}):
            with pytest.raises(ConfigError, match='allowed'):
                next(read_batches(Mixed(), [0], 32, workers, **wrong))
