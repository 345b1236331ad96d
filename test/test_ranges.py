# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers that settings may be: the ends, the one beside them, and their order."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import pytest

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.ranges import Range, check_config, range_beside, ranges_of

RATE = Range(0.5, 10.0, also=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    name: str = ''
    least_s: Annotated[float, Range(0.0, 60.0)] = 1.0
    usual_s: Annotated[float, Range(0.0, 60.0)] = 2.0
    most_s: Annotated[float, Range(1.0, 60.0, also=0.0)] = 3.0
    tries: Annotated[int, Range(1, 9)] = 1
    ORDER: ClassVar = (('least_s', 'usual_s'), ('usual_s', 'most_s'))

    def __post_init__(self):
        check_config(self)


@pytest.mark.parametrize('value', [0.5, 10.0, 10, 0.0, -0.0, 0])
def test_the_ends_and_the_value_beside_them_are_in_it(value):
    RATE.check('rate_hz', value)


@pytest.mark.parametrize('value', [
    0.4999999, 10.000001, 1e-300, -1.0, 10**400, float('nan'), float('inf'), True, '1', None, [1]])
def test_what_is_not_in_it_is_named_with_what_is(value):
    with pytest.raises(ConfigError) as caught:
        RATE.check('rate_hz', value)
    assert str(caught.value) == f'rate_hz is {value!r}; allowed: 0, or 0.5 to 10'


def test_a_whole_number_is_asked_for():
    Range(1, 9).check('tries', 9, whole=True)
    with pytest.raises(ConfigError, match=r'^tries is 2.0; allowed: a whole number, 1 to 9$'):
        Range(1, 9).check('tries', 2.0, whole=True)


@pytest.mark.parametrize(('values', 'message'), [
    ({'least_s': -1.0}, 'least_s is -1.0; allowed: 0 to 60'),
    ({'tries': 1.0}, 'tries is 1.0; allowed: a whole number, 1 to 9'),
    ({'usual_s': 0.5}, 'least_s is 1.0; at most usual_s (0.5) is allowed'),
    ({'most_s': 1.5}, 'usual_s is 2.0; at most most_s (1.5) is allowed'),
    ({'most_s': 0.5}, 'most_s is 0.5; allowed: 0, or 1 to 60'),
])
def test_a_field_out_of_its_range_or_order_is_named(values, message):
    with pytest.raises(ConfigError) as caught:
        Waiting(**values)
    assert str(caught.value) == message


def test_equal_ones_are_in_order_and_a_value_with_its_own_meaning_has_no_place_in_it():
    Waiting(least_s=2.0)
    Waiting(most_s=0.0)


def test_the_fields_that_have_a_range():
    assert set(ranges_of(Waiting)) == {'least_s', 'usual_s', 'most_s', 'tries'}
    assert ranges_of(Waiting)['tries'] == Range(1, 9)


def test_what_stays_beside_a_field_narrows_it():
    waiting = Waiting()
    everything = ranges_of(Waiting)
    assert range_beside(waiting, 'usual_s', everything) == everything['usual_s']
    assert range_beside(waiting, 'usual_s', {'usual_s'}) == Range(1.0, 3.0)
    assert range_beside(waiting, 'usual_s', {'usual_s', 'least_s'}) == Range(0.0, 3.0)
    assert range_beside(waiting, 'most_s', {'most_s'}) == Range(2.0, 60.0, also=0.0)
    assert range_beside(Waiting(most_s=0.0), 'usual_s', {'usual_s'}) == Range(1.0, 60.0)
