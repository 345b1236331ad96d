# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of what a sample shows: pure judgements and the table of them. Health layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.health.health_config import HealthConfig
from anymodal_seg_ros.health.measures import (
    NUM_SECTORS,
    Data,
    Numbers,
    measure_depth,
    measure_events,
    measure_image,
    measure_scan,
)
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.samples import Payload

EXIT_FACTOR = 1.5
FINENESS_ENTER = 0.5
FINENESS_EXIT = 0.7
ROUNDING_SHARPNESS = 8.0
MIN_CONTRAST = 10.0
MIN_SECTOR_POINTS = 20
HALF = 0.5


class Verdict(IntEnum):
    """What a check says of one sample."""

    CLEAN = 0
    REPORTED = 1
    """Worth reporting, the sample stays usable."""
    WITHHELD = 2


Judge: TypeAlias = Callable[[Numbers, Numbers, HealthConfig, bool], Verdict]
"""(this sample's numbers, what is usual or {} while unknown, thresholds, whether the check spoke
on the sample before: then the exit threshold holds) -> verdict. NaN never speaks."""
Measure: TypeAlias = Callable[[Data, float], Numbers]


@dataclass(frozen=True, slots=True)
class Check:
    """One content check: its reason code and its judgement."""

    reason: str
    judge: Judge
    immediate: bool = False
    """True where the judgement already spans a time, so that one sample changes the state."""
    enter_count: int = 0
    """Samples in a row that change the state; 0 takes the sensor's own."""


@dataclass(frozen=True, slots=True)
class PayloadChecks:
    """How samples of a payload are measured and judged; the first check that withholds wins."""

    measure: Measure
    checks: tuple[Check, ...]


def _is_below(value: float, enter: float, exit_: float, active: bool) -> bool:
    return value < (exit_ if active else enter)


def _is_above(value: float, enter: float, exit_: float, active: bool) -> bool:
    return value > (exit_ if active else enter)


def _withhold(bad: bool) -> Verdict:
    return Verdict.WITHHELD if bad else Verdict.CLEAN


def _report(bad: bool) -> Verdict:
    return Verdict.REPORTED if bad else Verdict.CLEAN


def judge_black(now: Numbers, usual: Numbers, config: HealthConfig, active: bool) -> Verdict:
    """Dark, without highlights and without structure; a night scene has at least one of them."""
    limits = (('mean', config.black_mean), ('p99', config.black_p99),
              ('spread', config.black_spread))
    return _withhold(all(
        _is_below(float(now[name]), limit, limit * EXIT_FACTOR, active)
        for name, limit in limits))


def judge_overexposed(now: Numbers, usual: Numbers, config: HealthConfig, active: bool) -> Verdict:
    return _withhold(_is_above(float(now['saturated']), config.overexposed_enter,
                               config.overexposed_exit, active))


def judge_blurred(now: Numbers, usual: Numbers, config: HealthConfig, active: bool) -> Verdict:
    """Both sharpness and fineness far below what is usual (a plain wall lowers the first only),
    or contrast without more sharpness than rounding gives."""
    if not usual:
        return Verdict.CLEAN
    sharpness = float(now['sharpness']) / max(float(usual['sharpness']), 1e-9)
    fineness = float(now['fineness']) / max(float(usual['fineness']), 1e-9)
    is_smooth = float(now['contrast']) > MIN_CONTRAST and _is_below(
        float(now['sharpness']), ROUNDING_SHARPNESS, ROUNDING_SHARPNESS * EXIT_FACTOR, active)
    return _withhold(
        _is_below(sharpness, config.blurred_enter, config.blurred_exit, active)
        and (is_smooth or _is_below(fineness, FINENESS_ENTER, FINENESS_EXIT, active)))


def judge_covered(now: Numbers, usual: Numbers, config: HealthConfig, active: bool) -> Verdict:
    """Constant areas beyond what is usual; usable while they leave half of the image."""
    if not usual:
        return Verdict.CLEAN
    more = float(now['constant']) - float(usual['constant'])
    if not _is_above(more, config.covered_enter, config.covered_exit, active):
        return Verdict.CLEAN
    return Verdict.WITHHELD if more > HALF else Verdict.REPORTED


def judge_repeated(now: Numbers, usual: Numbers, config: HealthConfig, active: bool) -> Verdict:
    """The same picture as in the sample before, under a new stamp."""
    return _withhold(float(now['repeats']) >= 1)


def judge_depth_empty(now: Numbers, usual: Numbers, config: HealthConfig, active: bool) -> Verdict:
    limit = config.depth_min_share
    return _withhold(_is_below(float(now['returns']), limit, 2 * limit, active))


def judge_scan_empty(now: Numbers, usual: Numbers, config: HealthConfig, active: bool) -> Verdict:
    limit = config.scan_min_points
    return _withhold(_is_below(float(now['num_points']), limit, 2 * limit, active))


def judge_sector_blocked(
    now: Numbers, usual: Numbers, config: HealthConfig, active: bool
) -> Verdict:
    """Adjoining sectors that usually give returns and give none; usable up to half of them."""
    if not usual:
        return Verdict.CLEAN
    seen = usual['sectors'] >= MIN_SECTOR_POINTS
    blocked = seen & (now['sectors'] < config.sector_share * usual['sectors'])
    widest_deg = longest_run(blocked) * (360 / NUM_SECTORS)
    # A run must reach the threshold, not exceed it: sectors are counted in whole steps.
    if widest_deg < (config.sector_exit_deg if active else config.sector_enter_deg):
        return Verdict.CLEAN
    return Verdict.WITHHELD if blocked.sum() > HALF * seen.sum() else Verdict.REPORTED


def longest_run(flags: npt.NDArray[np.bool_]) -> int:
    """The most adjoining True in a circle of flags."""
    if flags.all():
        return len(flags)
    start = int(np.argmin(flags))
    longest = current = 0
    for flag in np.roll(flags, -start):
        current = current + 1 if flag else 0
        longest = max(longest, current)
    return longest


def judge_jitter(now: Numbers, usual: Numbers, config: HealthConfig, active: bool) -> Verdict:
    """The ground tilts from scan to scan, or is thick, far beyond what is usual."""
    if not usual:
        return Verdict.CLEAN
    ease = EXIT_FACTOR if active else 1.0
    limits = (('tilt_step', config.jitter_tilt_deg), ('thickness', config.jitter_spread_m))
    return _report(any(
        float(now[name]) * ease > max(config.jitter_factor * float(usual[name]), least)
        for name, least in limits))


def judge_silence(now: Numbers, usual: Numbers, config: HealthConfig, active: bool) -> Verdict:
    """Nearly no events for too long; one livelier batch ends it."""
    return _withhold(float(now['silent_s']) >= config.event_silence_s)


def judge_storm(now: Numbers, usual: Numbers, config: HealthConfig, active: bool) -> Verdict:
    """More events than any scene gives, or many more than usual and spread like noise."""
    rate_hz = float(now['rate_hz']) * (EXIT_FACTOR if active else 1.0)
    if rate_hz > config.storm_hz:
        return Verdict.WITHHELD
    if not usual or rate_hz < config.storm_min_hz:
        return Verdict.CLEAN
    return _withhold(rate_hz > config.storm_factor * float(usual['rate_hz'])
                     and float(now['unevenness']) < config.storm_evenness)


CHECKS: Mapping[Payload, PayloadChecks] = {
    Payload.IMAGE: PayloadChecks(measure_image, (
        Check('image_black', judge_black),
        Check('image_overexposed', judge_overexposed),
        Check('image_frozen', judge_repeated),
        Check('image_covered', judge_covered),
        Check('image_blurred', judge_blurred),
    )),
    Payload.DEPTH: PayloadChecks(measure_depth, (
        Check('depth_empty', judge_depth_empty),
        Check('depth_frozen', judge_repeated),
    )),
    Payload.CLOUD: PayloadChecks(measure_scan, (
        Check('scan_empty', judge_scan_empty),
        Check('scan_frozen', judge_repeated),
        Check('scan_sector_blocked', judge_sector_blocked),
        Check('scan_jitter', judge_jitter, enter_count=3),
    )),
    Payload.EVENTS: PayloadChecks(measure_events, (
        Check('event_silence', judge_silence, immediate=True),
        Check('event_frozen', judge_repeated),
        Check('event_storm', judge_storm),
    )),
}
"""Content checks by payload. A new check is a function and a row."""


def checks_of(modality: str) -> PayloadChecks | None:
    """Those of its payload. One that is no row of ``MODALITIES`` has none: it is judged by its
    timing, stamps, frame and size only."""
    row = MODALITIES.get(modality)
    return CHECKS[row.payload] if row else None


def check_reasons(modality: str) -> tuple[str, ...]:
    """The reason codes of a modality's content checks: those that may be skipped."""
    row = checks_of(modality)
    return tuple(check.reason for check in row.checks) if row else ()


def check_skipped(modality: str, config: HealthConfig) -> None:
    """Raises ConfigError where ``skip_checks`` names a check that the modality has not."""
    allowed = check_reasons(modality)
    for reason in sorted(config.skip_checks - set(allowed)):
        raise ConfigError(f'skip_checks of {modality} has {reason!r}; allowed: '
                          f'{", ".join(allowed) or "none"}')
