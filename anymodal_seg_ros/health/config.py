# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Thresholds of a sensor's health, with the defaults of each modality. Health layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from anymodal_seg_ros.errors import ConfigError

_MAY_BE_ZERO = frozenset({
    'expected_rate_hz', 'grace_s', 'rate_slack_s', 'probation_s', 'flap_window_s',
    'event_silence_hz', 'scan_min_points',
})
_SHARES = frozenset({
    'overexposed_enter', 'overexposed_exit', 'blurred_enter', 'blurred_exit', 'covered_enter',
    'covered_exit', 'depth_min_share', 'sector_share', 'storm_evenness',
})
_COUNTS = frozenset({
    'start_count', 'enter_count', 'enter_total', 'enter_window', 'stray_count', 'exit_count',
    'probation_count', 'baseline_count', 'scan_min_points',
})


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthConfig:
    """How one sensor is judged. Every time is in seconds of the node's clock.

    Where a threshold has an enter and an exit value, evidence begins beyond the first and ends
    only beyond the second.
    """

    enabled: bool = True
    grace_s: float = 3.0
    """How long a sensor may stay silent after the start before it counts as never received."""
    start_count: int = 3
    """Good samples in a row that turn WAITING into OK."""

    expected_rate_hz: float = 0.0
    """0 learns it: the median interval of clean running."""
    timeout_periods: float = 3.2
    timeout_floor_s: float = 0.3
    initial_timeout_s: float = 2.5
    """The timeout while the period is still unknown."""
    rate_enter: float = 1.6
    """Two intervals in a row longer than this many periods are a low rate."""
    rate_exit: float = 1.25
    """The median of three intervals must be below this many periods again."""
    rate_wait: float = 1.4
    rate_slack_s: float = 0.025
    """After one long interval, waiting this many periods for the next sample is the second; it
    may come this much late for jitter."""

    latency_enter_s: float = 0.15
    """Latency above its own median that is reported, samples staying usable."""
    latency_exit_s: float = 0.08
    max_latency_s: float = 0.25
    """Latency above its own median from which samples are withheld."""
    stale_s: float = 1.0
    """Latency from which a sample counts as stale, whatever is usual."""
    future_s: float = 0.2
    """How far a stamp may lie ahead of the node's clock."""

    enter_count: int = 2
    """Bad samples in a row that change the state; a single one is only withheld."""
    enter_total: int = 3
    enter_window: int = 8
    """``enter_total`` bad ones among the last ``enter_window`` samples change the state too."""
    stray_count: int = 3
    """Samples in a row older than, or as old as, an accepted one that change the state."""
    exit_count: int = 3
    """Samples in a row without it that end evidence which leaves the samples usable."""
    probation_count: int = 4
    probation_s: float = 0.25
    """Good samples in a row, and the least time they must span, before trust returns."""
    probation_max_s: float = 4.0
    """Each relapse within ``flap_window_s`` doubles ``probation_s`` up to this."""
    flap_window_s: float = 5.0

    frame_id: str = ''
    """The frame a sample must carry; any when empty."""
    size_hw: tuple[int, int] | None = None
    """Rows and columns an image must have; learnt from the first good one when None."""
    skip_checks: frozenset[str] = field(default_factory=frozenset)
    """Reason codes of content checks that are off. A noiseless simulated camera that stands
    still repeats its picture exactly: skip its ``*_frozen`` check."""
    baseline_count: int = 10
    """Clean samples before a check that compares with what is usual may speak."""

    black_mean: float = 4.0
    black_p99: float = 12.0
    black_spread: float = 3.0
    """Grey levels of 0..255; all three must be undercut. They end at 1.5 times as much."""
    overexposed_enter: float = 0.60
    overexposed_exit: float = 0.45
    """Share of pixels at 250 or above."""
    blurred_enter: float = 0.25
    blurred_exit: float = 0.40
    """Sharpness relative to what is usual."""
    covered_enter: float = 0.25
    covered_exit: float = 0.15
    """Share of constant tiles above what is usual."""
    depth_min_share: float = 0.02
    """Share of pixels with a return; ends at twice as much."""
    scan_min_points: int = 50
    """Points in a scan; ends at twice as many."""
    sector_share: float = 0.10
    """A sector with fewer points than this share of what is usual is blocked."""
    sector_enter_deg: float = 30.0
    sector_exit_deg: float = 15.0
    """Degrees of adjoining blocked sectors."""
    jitter_factor: float = 4.0
    jitter_tilt_deg: float = 1.5
    jitter_spread_m: float = 0.12
    """The ground's tilt from scan to scan and its thickness must exceed both the factor times
    what is usual and the value given here."""
    event_silence_s: float = 0.25
    event_silence_hz: float = 50.0
    """Silence is at most this rate for at least this long. A standing vehicle sees few events,
    but more than none; lengthen this where a noiseless sensor stands still."""
    storm_hz: float = 10e6
    """Events per second that are a storm whatever they look like."""
    storm_factor: float = 4.0
    storm_min_hz: float = 2e5
    storm_evenness: float = 0.5
    """A storm too: this many times the usual rate, at least this rate, and spread so evenly that
    the relative deviation over a 16 x 16 grid is below ``storm_evenness``."""

    def __post_init__(self) -> None:
        for spec in fields(self):
            value = getattr(self, spec.name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                continue
            self._check_number(spec.name, value)
        self._check_order()
        if self.size_hw is not None and (len(self.size_hw) != 2 or min(self.size_hw) < 1):
            raise ConfigError(f'size_hw is {self.size_hw!r}; two positive numbers are allowed')

    @staticmethod
    def _check_number(name: str, value: float) -> None:
        if name in _COUNTS and not isinstance(value, int):
            raise ConfigError(f'{name} is {value!r}; a whole number is needed')
        lowest_ok = value >= 0 if name in _MAY_BE_ZERO else value > 0
        if not (math.isfinite(value) and lowest_ok):
            allowed = '0 or more' if name in _MAY_BE_ZERO else 'more than 0'
            raise ConfigError(f'{name} is {value!r}; {allowed} is allowed')
        if name in _SHARES and value > 1:
            raise ConfigError(f'{name} is {value!r}; a share up to 1 is allowed')

    def _check_order(self) -> None:
        ordered = (
            ('overexposed_exit', 'overexposed_enter'), ('blurred_enter', 'blurred_exit'),
            ('covered_exit', 'covered_enter'), ('sector_exit_deg', 'sector_enter_deg'),
            ('latency_exit_s', 'latency_enter_s'), ('latency_enter_s', 'max_latency_s'),
            ('max_latency_s', 'stale_s'), ('rate_exit', 'rate_enter'),
            ('rate_wait', 'rate_enter'), ('rate_enter', 'timeout_periods'),
            ('probation_s', 'probation_max_s'), ('enter_total', 'enter_window'),
        )
        for low, high in ordered:
            if getattr(self, low) > getattr(self, high):
                raise ConfigError(f'{low} is {getattr(self, low)!r}; at most {high} '
                                  f'({getattr(self, high)!r}) is allowed')
        for name in ('rate_exit', 'rate_wait'):
            if getattr(self, name) < 1:
                raise ConfigError(f'{name} is {getattr(self, name)!r}; 1 or more is allowed')


DEFAULTS: Mapping[str, HealthConfig] = {
    'rgb': HealthConfig(skip_checks=frozenset({'image_covered'})),
    'depth': HealthConfig(),
    'lidar': HealthConfig(),
    'event': HealthConfig(),
}
"""``image_covered`` is off by default: a plain sky and a noiseless wall are constant too."""
