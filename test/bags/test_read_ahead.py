# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading ahead changes nothing but when it is read, and holds no more than it may."""

import threading
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anymodal_seg_ros.bags import BagMessage, read_ahead
from anymodal_seg_ros.bags.read_ahead import ReadAhead
from anymodal_seg_ros.errors import BagError


def message(i, size=1):
    return BagMessage(topic='/a', msgtype='std_msgs/msg/String', recorded_ns=i, cdr=bytes(size),
                      _deserialise=None)


class Watched:
    """A source that knows how many of its messages were taken, and when it may rest."""

    def __init__(self, sizes):
        self._sizes = sizes
        self.num_taken = 0

    def __iter__(self):
        for i, size in enumerate(self._sizes):
            self.num_taken += 1
            yield message(i, size)


@given(sizes=st.lists(st.integers(0, 20), max_size=40), max_messages=st.integers(1, 9),
       max_bytes=st.integers(1, 30))
def test_all_in_order_and_never_more_than_there_is_room_for(sizes, max_messages, max_bytes):
    source = Watched(sizes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read_ahead, 'MAX_BYTES', max_bytes)
        ahead = ReadAhead(source, max_messages)
        for i in range(len(sizes)):
            # What waits, and the one for which there is no room.
            held = sizes[i:source.num_taken - 1]
            assert len(held) <= max_messages
            assert len(held) < 2 or sum(held) <= max_bytes
            assert next(ahead).recorded_ns == i
        with pytest.raises(StopIteration):
            next(ahead)
        ahead.stop()


def test_what_ended_the_source_comes_after_its_messages():
    def broken():
        yield message(0)
        raise BagError('torn')

    ahead = ReadAhead(broken(), 5)
    assert next(ahead).recorded_ns == 0
    for _ in range(2):
        with pytest.raises(BagError, match='torn'):
            next(ahead)


def test_it_can_be_stopped_while_it_waits_for_room():
    before = threading.active_count()
    ahead = ReadAhead((message(i) for i in count()), 3)
    next(ahead)
    ahead.stop()
    assert threading.active_count() == before
