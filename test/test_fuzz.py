# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A sample of ``benchmarks/fuzz.py``, by the same code; docs/damaged_input.md has the million."""

import collections

import fuzz
import pytest

pytestmark = pytest.mark.slow

CASES_OF_EACH = 25


@pytest.fixture(scope='module')
def fuzzer():
    with fuzz.Fuzzer(seed=1) as running:
        yield running


def test_nothing_but_the_package_s_own_errors(fuzzer):
    """Time and memory are for the million to judge: here they would be this machine's."""
    found, seen = [], collections.Counter()
    for target in fuzzer.targets:
        for case in range(CASES_OF_EACH):
            _, read = fuzzer.make(case, target)
            try:
                read()
                seen[target.name, 'read'] += 1
            except fuzz.AnymodalError:
                seen[target.name, 'refused'] += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
                found.append(f'--seed 1 --only "{target.name}" --case {case}: {error!r}')
    assert not found
    assert all(seen[target.name, 'refused'] for target in fuzzer.targets if target.refuses)
    assert sum(bool(seen[target.name, 'read']) for target in fuzzer.targets) > 20


def test_a_case_is_the_same_every_time(fuzzer):
    for case in (3, 14, 159):
        target, read = fuzzer.make(case)
        outcome = error_of(read)
        target_again, read_again = fuzzer.make(case)
        assert (target_again, error_of(read_again)) == (target, outcome)


def error_of(read):
    try:
        read()
    except fuzz.AnymodalError as error:
        return str(error)
    return None
