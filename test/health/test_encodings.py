# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When an encoder counts as failing, by the rule that ``HealthConfig`` states for bad samples."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from anymodal_seg_ros.health import HealthConfig
from anymodal_seg_ros.health.encodings import Encodings

CONFIG = HealthConfig()


@pytest.mark.parametrize(('outcomes', 'is_failing'), [
    ('', False), ('x', False), ('xx', True), ('.x.', False),
    ('x.x.', False), ('x.x.x', True),
    ('x......x', False), ('x..x...x', True), ('x...x...x', False),
    ('xx..', True), ('xx...', False), ('xx..x.x', True), ('x.x.x...', False),
])
def test_two_in_a_row_or_three_of_eight_begin_it_and_three_in_a_row_end_it(outcomes, is_failing):
    encodings = Encodings(CONFIG)
    for outcome in outcomes:
        encodings.add('ValueError: x' if outcome == 'x' else '')
    assert bool(encodings.failure) == is_failing


@given(st.lists(st.booleans(), max_size=60))
def test_what_fails_at_last_or_works_at_last_is_said(outcomes):
    encodings = Encodings(CONFIG)
    for has_failed in outcomes:
        encodings.add('x' if has_failed else '')
    if outcomes[-CONFIG.enter_count:] == [True] * CONFIG.enter_count:
        assert encodings.failure == 'x'
    if outcomes[-CONFIG.exit_count:] == [False] * CONFIG.exit_count:
        assert encodings.failure == ''
