# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Judges each sensor's health from timing, stamps and content, and debounces it into a state.

    WAITING ──good samples──► OK ◄──────► DEGRADED (samples usable)
       │                      │ ▲              │
       │                      ▼ └── PROBATION ─┤ (good samples in a row)
       └─────────────► DEGRADED (withheld) ◄─► LOST

- WAITING: nothing received yet, or fewer than ``start_count`` good samples. Trusted from the
  first good one on. ``never_received`` after the grace time.
- OK: trusted.
- DEGRADED: it speaks, but evidence is bad. ``rate_low``, a modest ``latency_high``,
  ``scan_jitter``, ``encoder_failed`` and a ``scan_sector_blocked`` or ``image_covered`` of less
  than half leave it trusted and end by their own exit thresholds. Everything else withholds its
  samples and takes its trust.
- LOST: silent for longer than its timeout (``timeout``).
- PROBATION: good samples again; trusted after enough of them over enough time, which doubles
  with each relapse.
- DISABLED: switched off by the user.

A lower rate is ``rate_low`` until the sensor has kept to it for half a minute; then it is usual,
and the state becomes OK by ``new_rate``. See ``settling``.

A single bad sample is withheld and does not change the state. A lasting change of the image size
stays ``wrong_size`` until a reset, since everything learnt belongs to the old size.
"""

from anymodal_seg_ros.health.checks import (
    CHECKS,
    Check,
    PayloadChecks,
    Verdict,
    check_reasons,
    checks_of,
)
from anymodal_seg_ros.health.health_config import DEFAULTS, HealthConfig
from anymodal_seg_ros.health.monitor import HealthMonitor
from anymodal_seg_ros.health.sensor import Transition

__all__ = ['CHECKS', 'DEFAULTS', 'Check', 'HealthConfig', 'HealthMonitor', 'PayloadChecks',
           'Transition', 'Verdict', 'check_reasons', 'checks_of']
