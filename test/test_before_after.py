# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How ``benchmarks/before_after.py`` judges; what it measures is not for a test."""

import before_after
import pytest


class Fake:
    """Takes as long as the next of a list says."""

    def __init__(self, **steps):
        self.steps = list(steps)
        self._left = {name: list(times) for name, times in steps.items()}

    def do(self, step):
        return self._left[step].pop(0)


def test_a_ratio_is_the_median_of_pairs_whatever_the_clock_does_between_them():
    assert before_after.figures([10, 100, 20], [11, 110, 30]) == (20, 30, pytest.approx(1.1))


def test_slower_is_what_is_slower_in_each_round(capsys):
    rounds = [{'same': (1, 1, 1.0), 'once': (1, 1, 1.2), 'always': (1, 1, 1.04)},
              {'same': (1, 1, 0.9), 'once': (1, 1, 1.0), 'always': (1, 1, 1.05)}]
    assert before_after.judged(rounds, 0.03) == ['always']
    assert before_after.judged(rounds, 0.04) == []
    assert '1.100  1.200 1.000' in capsys.readouterr().out


def test_turns_change_who_is_first_and_leave_out_the_warm_up():
    before = Fake(work=[1000.0] + [1.0] * 15)
    after = Fake(work=[1000.0] + [2.0] * 15)
    befores, afters = before_after.turns(before, after, 'work', seconds=0.001)
    assert befores == [1.0] * 15
    assert afters == [2.0] * 15


def test_nothing_in_common_is_no_comparison():
    with pytest.raises(SystemExit, match='no step in common'):
        before_after.compare(Fake(old=[]), Fake(new=[]), 1.0, 1)


def test_steps_that_one_tree_lacks_are_named(capsys):
    before_after.name_others(Fake(both=[], old=[]), Fake(both=[], new=[]))
    assert capsys.readouterr().out == 'only after: new\nonly before: old\n'
