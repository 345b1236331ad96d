# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The latest-item slot and the thread that works on it."""

import threading

import pytest

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.ros.worker import LatestSlot, LatestWorker


def test_a_newer_item_replaces_the_one_that_nobody_took():
    slot = LatestSlot()
    assert slot.put(1) is None
    assert slot.put(2) == 1
    assert slot.take() == 2
    assert slot.put(3) is None


def test_a_closed_slot_gives_nothing_even_when_full():
    slot = LatestSlot()
    slot.put(1)
    slot.close()
    assert slot.take() is None


def test_work_is_done_in_the_other_thread_newest_first():
    started, go_on, done = threading.Event(), threading.Event(), threading.Event()
    seen = []

    def work(item):
        seen.append((item, threading.current_thread().name))
        started.set()
        go_on.wait(10)
        if item == 3:
            done.set()

    worker = LatestWorker('inference', work, lambda error: None)
    worker.start()
    assert worker.submit(1) is None
    assert started.wait(10)
    assert worker.submit(2) is None
    assert worker.submit(3) == 2
    go_on.set()
    assert done.wait(10)
    assert worker.stop(10)
    assert seen == [(1, 'inference'), (3, 'inference')]


@pytest.mark.parametrize('error', [
    RuntimeError('out of memory'), ValueError('shape'), BadMessageError('step', 'is wrong'),
    AssertionError('a field has the wrong type')])
def test_an_error_is_handed_on_and_the_thread_goes_on(error):
    errors, done = [], threading.Event()

    def work(item):
        if item == 'bad':
            raise error
        done.set()

    failed = threading.Event()
    worker = LatestWorker('inference', work, lambda e: (errors.append(e), failed.set()))
    worker.start()
    worker.submit('bad')
    assert failed.wait(10)
    worker.submit('good')
    assert done.wait(10)
    assert worker.stop(10)
    assert errors == [error]


def test_discard_takes_back_what_was_not_started():
    worker = LatestWorker('inference', lambda item: None, lambda error: None)
    worker.submit('waiting')
    assert worker.discard() == 'waiting'
    assert worker.discard() is None
    assert worker.stop(1)


def test_stop_tells_when_the_work_does_not_end():
    started, go_on = threading.Event(), threading.Event()

    def work(item):
        started.set()
        go_on.wait(10)

    worker = LatestWorker('inference', work, lambda error: None)
    worker.start()
    worker.submit(1)
    assert started.wait(10)
    assert worker.stop(0.01) is False
    go_on.set()
    assert worker.stop(10)
