# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Thresholds of a sensor's health, with the defaults of each modality. Health layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.ranges import Range, check_config

Seconds = Annotated[float, Range(1e-3, 3600.0)]
SecondsOrNone = Annotated[float, Range(0.0, 3600.0)]
Periods = Annotated[float, Range(1.0, 1000.0)]
Count = Annotated[int, Range(1, 1000)]
Share = Annotated[float, Range(1e-6, 1.0)]
Grey = Annotated[float, Range(1e-3, 255.0)]
Degrees = Annotated[float, Range(1e-3, 360.0)]
Factor = Annotated[float, Range(1e-3, 1000.0)]
EventRate = Annotated[float, Range(1.0, 1e12)]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthConfig:
    """How one sensor is judged. Every time is in seconds of the node's clock.

    Where a threshold has an enter and an exit value, evidence begins beyond the first and ends
    only beyond the second.
    """

    enabled: bool = True
    grace_s: SecondsOrNone = 3.0
    """How long a sensor may stay silent after the start before it counts as never received."""
    start_count: Count = 3
    """Good samples in a row that turn WAITING into OK."""

    expected_rate_hz: Annotated[float, Range(0.01, 10_000.0, also=0.0)] = 0.0
    """0 learns it: the median interval of clean running."""
    timeout_periods: Periods = 3.2
    timeout_floor_s: Seconds = 0.3
    initial_timeout_s: Seconds = 2.5
    """The timeout while the period is still unknown."""
    rate_enter: Periods = 1.6
    """Two intervals in a row longer than this many periods are a low rate."""
    rate_exit: Periods = 1.25
    """The median of three intervals must be below this many periods again."""
    rate_wait: Periods = 1.4
    rate_slack_s: SecondsOrNone = 0.025
    """After one long interval, waiting this many periods for the next sample is the second; it
    may come this much late for jitter."""

    latency_enter_s: Seconds = 0.15
    """Latency above its own median that is reported, samples staying usable."""
    latency_exit_s: Seconds = 0.08
    max_latency_s: Seconds = 0.25
    """Latency above its own median from which samples are withheld."""
    stale_s: Seconds = 1.0
    """Latency from which a sample counts as stale, whatever is usual."""
    future_s: Seconds = 0.2
    """How far a stamp may lie ahead of the node's clock."""

    enter_count: Count = 2
    """Bad samples in a row that change the state; a single one is only withheld."""
    enter_total: Count = 3
    enter_window: Count = 8
    """``enter_total`` bad ones among the last ``enter_window`` samples change the state too."""
    stray_count: Count = 3
    """Samples in a row older than, or as old as, an accepted one that change the state."""
    exit_count: Count = 3
    """Samples in a row without it that end evidence which leaves the samples usable."""
    probation_count: Count = 4
    probation_s: SecondsOrNone = 0.25
    """Good samples in a row, and the least time they must span, before trust returns."""
    probation_max_s: SecondsOrNone = 4.0
    """Each relapse within ``flap_window_s`` doubles ``probation_s`` up to this."""
    flap_window_s: SecondsOrNone = 5.0

    frame_id: str = ''
    """The frame a sample must carry; any when empty."""
    size_hw: tuple[int, int] | None = None
    """Rows and columns an image must have; learnt from the first good one when None."""
    skip_checks: frozenset[str] = field(default_factory=frozenset)
    """Reason codes of content checks that are off. A noiseless simulated camera that stands
    still repeats its picture exactly: skip its ``*_frozen`` check."""
    baseline_count: Count = 10
    """Clean samples before a check that compares with what is usual may speak."""

    black_mean: Grey = 4.0
    black_p99: Grey = 12.0
    black_spread: Grey = 3.0
    """Grey levels of 0..255; all three must be undercut. They end at 1.5 times as much."""
    overexposed_enter: Share = 0.60
    overexposed_exit: Share = 0.45
    """Share of pixels at 250 or above."""
    blurred_enter: Share = 0.25
    blurred_exit: Share = 0.40
    """Sharpness relative to what is usual."""
    covered_enter: Share = 0.25
    covered_exit: Share = 0.15
    """Share of constant tiles above what is usual."""
    depth_min_share: Share = 0.02
    """Share of pixels with a return; ends at twice as much."""
    scan_min_points: Annotated[int, Range(0, 10_000_000)] = 50
    """Points in a scan; ends at twice as many."""
    sector_share: Share = 0.10
    """A sector with fewer points than this share of what is usual is blocked."""
    sector_enter_deg: Degrees = 30.0
    sector_exit_deg: Degrees = 15.0
    """Degrees of adjoining blocked sectors."""
    jitter_factor: Factor = 4.0
    jitter_tilt_deg: Degrees = 1.5
    jitter_spread_m: Annotated[float, Range(1e-3, 100.0)] = 0.12
    """The ground's tilt from scan to scan and its thickness must exceed both the factor times
    what is usual and the value given here."""
    event_silence_s: Seconds = 0.25
    event_silence_hz: Annotated[float, Range(0.0, 1e12)] = 50.0
    """Silence is at most this rate for at least this long. A standing vehicle sees few events,
    but more than none; lengthen this where a noiseless sensor stands still."""
    storm_hz: EventRate = 10e6
    """Events per second that are a storm whatever they look like."""
    storm_factor: Factor = 4.0
    storm_min_hz: EventRate = 2e5
    storm_evenness: Share = 0.5
    """A storm too: this many times the usual rate, at least this rate, and spread so evenly that
    the relative deviation over a 16 x 16 grid is below ``storm_evenness``."""

    ORDER: ClassVar[tuple[tuple[str, str], ...]] = (
        ('overexposed_exit', 'overexposed_enter'), ('blurred_enter', 'blurred_exit'),
        ('covered_exit', 'covered_enter'), ('sector_exit_deg', 'sector_enter_deg'),
        ('latency_exit_s', 'latency_enter_s'), ('latency_enter_s', 'max_latency_s'),
        ('max_latency_s', 'stale_s'), ('rate_exit', 'rate_enter'), ('rate_wait', 'rate_enter'),
        ('rate_enter', 'timeout_periods'), ('probation_s', 'probation_max_s'),
        ('enter_total', 'enter_window'),
    )

    def __post_init__(self) -> None:
        check_config(self)
        if self.size_hw is not None and (len(self.size_hw) != 2 or min(self.size_hw) < 1):
            raise ConfigError.of('size_hw', self.size_hw, 'two positive numbers')


DEFAULTS: Mapping[str, HealthConfig] = {
    name: HealthConfig(**modality.health) for name, modality in MODALITIES.items()}
