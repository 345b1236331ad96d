# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One drive from its messages to its label images, without ROS. Layer: above pipeline.

The node and the bag driver are shells around it: messages in, label images out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from anymodal_seg_ros.errors import BadMessageError
from anymodal_seg_ros.geometry import Rig
from anymodal_seg_ros.health import HealthConfig
from anymodal_seg_ros.inference import Segmenter
from anymodal_seg_ros.intrinsics import fit_rig, image_size
from anymodal_seg_ros.modalities import Decoder, Decoding
from anymodal_seg_ros.modalities.base import LastBuilt
from anymodal_seg_ros.pipeline import Pipeline
from anymodal_seg_ros.placement import Placement, misfit
from anymodal_seg_ros.samples import HealthReport, Prediction, Sample, SampleSet
from anymodal_seg_ros.sync import SyncConfig, SyncInputConfig

Config = TypeVar('Config')
OnRefused = Callable[[str, str, str], None]
"""(modality, reason code, text for the user) of a message that cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """What may change while a session runs. What is not given takes the components' defaults;
    modalities that the bundle does not know are passed over."""

    sync: SyncConfig = field(default_factory=SyncConfig)
    inputs: Mapping[str, SyncInputConfig] = field(default_factory=dict)
    health: Mapping[str, HealthConfig] = field(default_factory=dict)
    """Here a sensor is switched off, too."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlacedSet:
    """A set on its way to the network, with what was known when it was formed."""

    sample_set: SampleSet
    """Not empty; its members can be placed by ``rig``."""
    rig: Rig
    """In the sizes of the set's own images."""
    reports: Mapping[str, HealthReport]
    epoch: int
    """How often time had restarted before it."""

    @property
    def received_steady_ns(self) -> int:
        """When the last of its members arrived, as in ``Sample``."""
        return max(one.received_steady_ns for one in self.sample_set.samples.values())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labelled:
    """One finished label image with what it was made from."""

    prediction: Prediction
    sample_set: SampleSet
    """The sensors that the network saw."""
    rig: Rig


class Session:
    """Decodes, places and judges messages, forms sets, and labels them.

    What a driver does: each message goes to ``receive``; ``poll`` lets time pass, at
    ``next_deadline`` at the latest; each set that these return goes to ``place`` at once, and
    what that returns to ``label``. Stamps of sets strictly increase until time restarts: by
    ``restart``, or where all sensors' stamps run back.

    Two threads may share it. ``label``, as ``encode`` and ``predict`` of ``pipeline``, belongs to
    the inference thread, ``is_current`` to both, and all else, with what is read through
    ``pipeline``, to the receiving one. No clock is read here: ``now_ns`` is the clock of the
    stamps, ``steady_ns`` one that never stops or jumps.

    Args:
        segmenter: a loaded bundle; its modalities are the session's inputs.
        placement: where the sensors sit; asked anew for each message and each set.
        settings: see ``reconfigure``.
        decoding: settings of the decoders, before those that the bundle has for them.
        on_refused: told of every message that cannot be used.

    Raises:
        ConfigError: as ``Pipeline``.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        placement: Placement,
        *,
        settings: SessionSettings | None = None,
        decoding: Decoding | None = None,
        on_refused: OnRefused | None = None,
    ) -> None:
        settings = settings or SessionSettings()
        known = segmenter.bundle.encoders
        self.pipeline = Pipeline(
            segmenter, sync=settings.sync, inputs=_of(known, settings.inputs),
            health=_of(known, settings.health), decoding=decoding)
        self.placement = placement
        self._on_refused = on_refused
        self._epoch = 0
        self._labelled: tuple[int, int] | None = None
        self._fitted: LastBuilt[tuple[Rig, dict[str, str]]] = LastBuilt()

    @property
    def modalities(self) -> tuple[str, ...]:
        """The bundle's sensors."""
        return self.pipeline.modalities

    def receive(
        self, modality: str, read: Callable[[Decoder], Sample], now_ns: int
    ) -> list[SampleSet]:
        """Take a message in; returns the sets that are ready because of it.

        ``read`` decodes it with the decoder that it is given; where it raises BadMessageError, or
        the sample cannot be placed, the message is refused: counted, and told of.
        """
        try:
            sample = read(self.pipeline.decoders[modality])
            problem = self._placing_problem(sample)
            if not problem:
                return self.pipeline.push(sample, now_ns)
        except BadMessageError as error:
            self._tell(modality, f'bad_{error.field}', str(error))
            return self.reject(modality, f'bad_{error.field}', now_ns)
        self._tell(modality, problem, f'frame {sample.frame_id!r}: {problem}')
        return self.reject(modality, problem, now_ns, problem)

    def reject(
        self, modality: str, reason: str, now_ns: int, state_reason: str = 'malformed'
    ) -> list[SampleSet]:
        """Count a message that the driver could not read; see ``Pipeline.reject``."""
        return self.pipeline.reject(modality, reason, now_ns, state_reason)

    def poll(self, now_ns: int, steady_ns: int | None = None) -> list[SampleSet]:
        """Let time pass; see ``Pipeline.poll``."""
        return self.pipeline.poll(now_ns, steady_ns)

    def next_deadline(self) -> int | None:
        """The time at which ``poll`` has a set to close, or None while no set is open."""
        return self.pipeline.next_deadline()

    def flush(self, now_ns: int) -> list[SampleSet]:
        """Close every open set now, at the end of a recording."""
        return self.pipeline.flush(now_ns)

    def place(self, sample_set: SampleSet, now_ns: int) -> PlacedSet | None:
        """A set that has just been formed, with the rig that places it; None for one of which
        no member can be placed (any more)."""
        problems = {name: problem for name in sample_set.samples
                    if (problem := self.placement.problem(name))}
        sample_set, rig = self._fit(sample_set.without(problems))
        if not sample_set.samples:
            return None
        return PlacedSet(sample_set=sample_set, rig=rig, epoch=self._epoch,
                         reports=self.pipeline.health.reports(now_ns))

    def reconfigure(self, settings: SessionSettings, now_ns: int) -> list[SampleSet]:
        """Go on with other settings, in place; returns the sets due by them.

        Health states, counters, waiting samples and all that was learnt stay; those of a sensor
        that is switched off or on do not.

        Raises:
            ConfigError: the settings contradict each other; then nothing has changed.
        """
        known = self.pipeline.encoders
        return self.pipeline.reconfigure(
            now_ns, sync=settings.sync, inputs=_of(known, settings.inputs),
            health=_of(known, settings.health))

    def restart(self, now_ns: int, reason: str) -> None:
        """Time has jumped: forget samples and statistics; sets formed before are not current."""
        self._epoch += 1
        self.pipeline.reset(now_ns, reason)

    def is_current(self, placed: PlacedSet) -> bool:
        """Whether time has not restarted since the set was formed."""
        return placed.epoch == self._epoch

    def label(
        self, placed: PlacedSet, on_stage: Callable[[str], object] | None = None
    ) -> Labelled | None:
        """Encode a set and run the network on it; None where none of its sensors was encoded.

        ``on_stage`` is told ``encode`` and ``predict`` when these are done.
        """
        self._forget_another_scene(placed)
        rig = placed.rig
        sample_set, images = self.pipeline.encode(placed.sample_set, rig)
        if not images:
            return None
        if on_stage is not None:
            on_stage('encode')
        prediction = self.pipeline.predict(sample_set, images, rig)
        if on_stage is not None:
            on_stage('predict')
        return Labelled(prediction=prediction, sample_set=sample_set, rig=rig)

    def _forget_another_scene(self, placed: PlacedSet) -> None:
        """No label image rests on one of before time restarted."""
        before, now = self._labelled, (placed.epoch, placed.sample_set.stamp_ns)
        if before is not None and (now[0] != before[0] or now[1] < before[1]):
            self.pipeline.segmenter.forget()
        self._labelled = now

    def _placing_problem(self, sample: Sample) -> str:
        """Learn where a sample's sensor sits; why it cannot be placed, as a reason code, or ''."""
        # Health withholds a sample of another frame or size; nothing is learnt from it.
        if self.pipeline.health.mismatch(sample):
            return ''
        modality = sample.modality
        self.placement.on_sample(modality, sample.frame_id, sample.data)
        return self.placement.problem(modality) or misfit(sample, self.placement.rig)

    def _fit(self, sample_set: SampleSet) -> tuple[SampleSet, Rig]:
        """The rig in the sizes of the set's own images, and the set without those whose
        calibration is of another aspect than their images. The label image has the rgb image's
        size."""
        rig = self.placement.rig
        sizes = {name: size for name, sample in sample_set.samples.items()
                 if (size := image_size(name, sample.data)) is not None}
        key = tuple(side for name in self.modalities for side in sizes.get(name, (0, 0)))
        fitted_rig, misfits = self._fitted.get(rig, key, lambda: fit_rig(rig, sizes))
        return sample_set.without(misfits), fitted_rig

    def _tell(self, modality: str, reason: str, text: str) -> None:
        if self._on_refused is not None:
            self._on_refused(modality, reason, text)


def _of(known: Mapping[str, object], configs: Mapping[str, Config]) -> dict[str, Config]:
    return {name: config for name, config in configs.items() if name in known}
