# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Each sensor x each fault x recovery, over real topics: states, times, labels."""

import re
import warnings
from itertools import pairwise

import pytest
from ros_streams.fault_run import SETTLE_S, FaultRun, node_parameters
from ros_streams.scene import MODALITIES, Stream

pytestmark = [pytest.mark.slow, pytest.mark.alone]

DETECT_S, RECOVER_S, GAP_S = 0.5, 1.0, 0.5
MAX_DOUBTFUL = 4
WITHHELD = r'degraded probation ok'
SEQUENCES = {
    'stop': r'(degraded )?lost probation ok',
    'freeze': WITHHELD,
    'empty': WITHHELD,
    # Nothing comes until the first late sample does.
    'delay': r'(degraded )?(lost )?(degraded )?probation ok',
    'stamp_jump': WITHHELD,
    'garbage': WITHHELD,
    'rate_halved': r'degraded ok',
}
REASONS = {
    'stop': {'timeout'},
    'freeze': {'image_frozen', 'depth_frozen', 'scan_frozen', 'event_frozen'},
    'empty': {'image_black', 'depth_empty', 'scan_empty', 'event_silence'},
    'delay': {'timeout', 'latency_high', 'stamp_stale'},
    'stamp_jump': {'stamp_future'},
    'garbage': {'malformed'},
    'rate_halved': {'rate_low'},
}


def test_the_table_covers_every_fault():
    assert set(SEQUENCES) == set(REASONS) == set(Stream.FAULTS)


@pytest.mark.timeout(240)
def test_every_fault_on_every_sensor(start_node, ros_domain, tiny_bundle):
    node = start_node('segmentation_node', params=node_parameters(tiny_bundle))
    run = FaultRun(ros_domain)
    try:
        assert run.wait_until_all_ok(60), f'{run.states}\n{node.output}'
        run.run_for(SETTLE_S)
        num_before = len(run.changes)
        outcomes = list(run.matrix())
        assert {part for _, part, _, _ in run.changes[num_before:]} == set(MODALITIES)
        doubtful = [outcome for outcome in outcomes if problems_of(outcome)]
        problems = [text for outcome in doubtful for text in problems_of(outcome)]
        assert len(doubtful) <= MAX_DOUBTFUL, '\n'.join(problems)
        # Where other work held one up, it is fine when it is tried again.
        for outcome in doubtful:
            run.run_for(SETTLE_S)
            again = problems_of(run.inject(outcome.modality, outcome.fault))
            assert not again, '\n'.join([*problems, 'and again:', *again])
        if problems:
            warnings.warn('fine at the second try only: ' + '; '.join(problems), stacklevel=1)
    finally:
        run.close()
    node.stop()
    assert len(outcomes) == len(Stream.FAULTS) * len(MODALITIES)
    stamps = [stamp_ns for _, stamp_ns in run.labels]
    assert all(a < b for a, b in pairwise(stamps))


def problems_of(outcome):
    """What is wrong with one fault's outcome, one line each."""
    name = f'{outcome.fault} of {outcome.modality}'
    expected = SEQUENCES[outcome.fault]
    checks = {
        f'states {outcome.sequence!r}': re.fullmatch(expected, outcome.sequence) is not None,
        f'reasons {outcome.reasons}': bool(outcome.reasons & REASONS[outcome.fault]),
        f'detected after {outcome.detected_after_s:.2f} s': outcome.detected_after_s <= DETECT_S,
        f'recovered after {outcome.recovered_after_s:.2f} s':
            outcome.recovered_after_s <= RECOVER_S,
        f'label gap {outcome.label_gap_s:.2f} s': outcome.label_gap_s < GAP_S,
        f'false alarms {outcome.others}': not outcome.others,
        'used although lost': outcome.used_while_distrusted == 0,
    }
    return [f'{name}: {text}' for text, is_fine in checks.items() if not is_fine]
