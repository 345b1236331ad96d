# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The way from samples to label images, without ROS and without knowing where sensors sit.

``encode`` and ``predict`` belong to one thread, all else to another, the one that receives. A
``Session`` drives it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.bundle import FROM_DATASET, Bundle
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.geometry import Rig
from anymodal_seg_ros.health import DEFAULTS as HEALTH_DEFAULTS
from anymodal_seg_ros.health import HealthConfig, HealthMonitor
from anymodal_seg_ros.inference import Segmenter
from anymodal_seg_ros.modalities import (
    MODALITIES,
    Decoding,
    Encoder,
    SetEncoder,
    build_decoders,
    decoding_for,
    network_size,
)
from anymodal_seg_ros.samples import HealthReport, Prediction, Sample, SampleSet
from anymodal_seg_ros.sync import DEFAULT_INPUTS, SyncConfig, Synchronizer, SyncInputConfig

Images = dict[str, npt.NDArray[np.uint8]]
Config = TypeVar('Config')


def build_encoders(bundle: Bundle) -> dict[str, Encoder]:
    """The encoders of a bundle's modalities, which make its input from sensor data.

    Raises:
        ConfigError: a modality without an encoder here, one whose images came encoded from a
            data set, or a setting that is not allowed.
    """
    foreign = [
        name
        for name, settings in bundle.encoders.items()
        if name not in MODALITIES or settings == FROM_DATASET
    ]
    if foreign:
        raise ConfigError(
            f'the bundle was trained on {", ".join(foreign)} as encoded by the authors of a data '
            f'set; allowed for live sensors and recordings: bundles with settings for encoders '
            f'of {", ".join(MODALITIES)}'
        )
    return {
        name: MODALITIES[name].build_encoder(settings)
        for name, settings in bundle.encoders.items()
    }


def check_together(sync: SyncConfig, health: Mapping[str, HealthConfig]) -> None:
    """Raises ConfigError where samples that health takes for good would be in no set."""
    for name, config in health.items():
        for judged, dropped in (('stale_s', 'max_past_s'), ('future_s', 'max_future_s')):
            value, limit = getattr(config, judged), getattr(sync, dropped)
            if value > limit:
                raise ConfigError(f'health.{name}.{judged} is {value!r}; at most sync.{dropped} '
                                  f'({limit!r}) is allowed')


def output_hw(rig: Rig) -> tuple[int, int]:
    """Height and width of the label image: those of the reference camera."""
    return rig.camera.height_px, rig.camera.width_px


class Pipeline:
    """Health decides what is trusted, the synchronizer forms sets, the segmenter labels them.

    Args:
        segmenter: a loaded bundle; its modalities are the pipeline's inputs.
        sync, inputs, health: settings; those not given take the components' defaults.
        decoding: settings of the decoders, before those that the bundle has for them.

    Raises:
        ConfigError: a modality of the bundle that only a data set's authors can encode,
            settings for one that the bundle does not know, or that contradict each other.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        *,
        sync: SyncConfig | None = None,
        inputs: Mapping[str, SyncInputConfig] | None = None,
        health: Mapping[str, HealthConfig] | None = None,
        decoding: Decoding | None = None,
    ) -> None:
        bundle = segmenter.bundle
        self.modalities = tuple(bundle.encoders)
        self.segmenter = segmenter
        self.encoders = build_encoders(bundle)
        self.decoding = decoding_for(self.encoders, decoding)
        self.decoders = build_decoders(self.decoding)
        sync, healths = sync or SyncConfig(), self._filled(health, HEALTH_DEFAULTS)
        check_together(sync, healths)
        self.health = HealthMonitor(healths)
        self.synchronizer = Synchronizer(self._filled(inputs, DEFAULT_INPUTS), sync)
        self._set_encoder = SetEncoder(self.encoders)
        self._trusted: frozenset[str] | None = None

    def push(self, sample: Sample, now_ns: int) -> list[SampleSet]:
        """Take a decoded sample; returns the sets that are ready because of it."""
        self._note_encoded(now_ns)
        withheld = self.health.observe(sample, now_ns)
        sets = self._update_trust(now_ns)
        if withheld:
            return sets
        gathered = self.decoders[sample.modality].gather(sample.data)
        if gathered is not sample.data:
            sample = replace(sample, data=gathered)
        return sets + self.synchronizer.add(sample, now_ns)

    def reject(
        self, modality: str, reason: str, now_ns: int, state_reason: str = 'malformed'
    ) -> list[SampleSet]:
        """Count a message that could not be used; returns sets that need not wait for it."""
        self.health.reject(modality, reason, now_ns, state_reason)
        return self._update_trust(now_ns)

    def poll(self, now_ns: int, steady_ns: int | None = None) -> list[SampleSet]:
        """Let time pass: judge ages, close sets whose deadline has come.

        ``steady_ns`` is a clock that never stops; with it a paused simulation is told from dead
        sensors.
        """
        self._note_encoded(now_ns)
        self.health.tick(now_ns, steady_ns)
        return self._update_trust(now_ns) + self.synchronizer.expire(now_ns)

    def reports(self, now_ns: int) -> dict[str, HealthReport]:
        """The health of every sensor by modality, with what became of its samples until now."""
        self._note_encoded(now_ns)
        return self.health.reports(now_ns)

    def next_deadline(self) -> int | None:
        """The time at which ``poll`` has a set to close, or None while no set is open."""
        return self.synchronizer.next_deadline()

    def reconfigure(
        self,
        now_ns: int,
        *,
        sync: SyncConfig | None = None,
        inputs: Mapping[str, SyncInputConfig] | None = None,
        health: Mapping[str, HealthConfig] | None = None,
    ) -> list[SampleSet]:
        """Go on with other settings, given as at the construction; returns the sets due by them.

        Health states, counters, waiting samples and all that was learnt stay.

        Raises:
            ConfigError: settings for a modality that the bundle does not know, or that
                contradict each other; then nothing has changed.
        """
        input_configs, sync = self._filled(inputs, DEFAULT_INPUTS), sync or SyncConfig()
        healths = self._filled(health, HEALTH_DEFAULTS)
        check_together(sync, healths)
        self.health.reconfigure(healths, now_ns)
        sets = self._update_trust(now_ns)
        return sets + self.synchronizer.reconfigure(input_configs, sync, now_ns)

    def flush(self, now_ns: int) -> list[SampleSet]:
        """Close every open set now, at the end of a recording."""
        return self.synchronizer.flush(now_ns)

    def reset(self, now_ns: int, reason: str) -> None:
        """Forget all samples and statistics, after the clock jumped or a recording restarted."""
        self.synchronizer.reset(reason)
        self.health.reset(now_ns)
        self._trusted = None
        for decoder in self.decoders.values():
            decoder.restart()

    def encode(self, sample_set: SampleSet, rig: Rig) -> tuple[SampleSet, Images]:
        """Camera-plane images at network size, uint8 [h, w, 3], and the set with their sensors.

        ``rig`` has the sizes of the set's own images. A sensor whose encoder fails is in neither,
        which may be empty; its health will say so.
        """
        size_hw = network_size(output_hw(rig), self.segmenter.bundle.short_side_px)
        return self._set_encoder.encode(sample_set, rig, size_hw)

    def predict(self, sample_set: SampleSet, images: Images, rig: Rig) -> Prediction:
        """Labels at camera resolution from images that were encoded with ``rig``."""
        labels, confidence = self.segmenter.predict(images, output_hw(rig))
        return Prediction(
            stamp_ns=sample_set.stamp_ns,
            labels=labels,
            confidence=confidence,
            used=tuple(sorted(images)),
        )

    def _filled(
        self, given: Mapping[str, Config] | None, defaults: Mapping[str, Config]
    ) -> dict[str, Config]:
        """Settings of every modality, those not given by default."""
        for name in given or {}:
            if name not in self.modalities:
                raise ConfigError(
                    f'settings for {name!r}, but the bundle knows {", ".join(self.modalities)}'
                )
        return {name: (given or {}).get(name, defaults[name]) for name in self.modalities}

    def _note_encoded(self, now_ns: int) -> None:
        """Tell health, which belongs to the receiving thread, what the encoders met."""
        for outcome in self._set_encoder.outcomes():
            self.health.note_encoded(outcome.modality, outcome.failure, now_ns)

    def _update_trust(self, now_ns: int) -> list[SampleSet]:
        trusted = self.health.trusted()
        if trusted == self._trusted:
            return []
        self._trusted = trusted
        return self.synchronizer.set_trusted(trusted, now_ns)
