# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a sensor is: a row of the table ``MODALITIES``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.modalities.base import Decoder, Encoder, Settings
from anymodal_seg_ros.ranges import Range
from anymodal_seg_ros.samples import Payload


@dataclass(frozen=True, slots=True)
class Form:
    """One way in which a sensor's messages may come."""

    message_type: str
    """Such as ``'sensor_msgs/msg/Image'``."""
    topic_suffix: str = ''
    """Behind the sensor's topic, as image transports have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderSetting:
    """What a user may say of a sensor's messages: a parameter of the nodes and an option of the
    command lines, named ``<modality>.<name>`` and ``--<modality>-<name>`` there."""

    name: str
    """Keyword of the decoder."""
    default: float
    range: Range
    text: str
    unset: str = ''
    """What 0 stands for where no bundle says more; '' for a setting that is always given."""

    @property
    def text_with_bundle(self) -> str:
        """For whoever has a bundle, which may have it too."""
        return self._text_with("the bundle's, else ")

    @property
    def text_without_bundle(self) -> str:
        """For whoever has none."""
        return self._text_with('')

    def _text_with(self, before: str) -> str:
        return f'{self.text}; 0 = {before}{self.unset}' if self.unset else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Modality:
    """One kind of sensor. All that others know of it is read from here.

    Topics, parameters, launch arguments, extrinsics, keys of recordings, the fault injector and
    the tables of the docs derive from these fields.
    """

    name: str
    """In parameters, data sets, bundles and diagnostics."""
    title: str
    """In sentences, behind an article."""
    payload: Payload
    """Says which faults fit it and which content checks judge it."""
    is_camera_plane: bool
    """Whether it measures along a camera's pixels, so that it can lead a sample set, and may have
    a lens of its own, told by a CameraInfo."""
    topic: str
    """Relative, and the default in recordings too."""
    argument: str
    """Begins its launch arguments: ``lidar`` those of ``lidar_topic``."""
    messages: str
    """What may come on the topic, for users."""
    forms: Mapping[str, Form]
    """By the name that ``inputs.<modality>.form`` takes; the first is the default."""
    decoder_type: Callable[..., Decoder]
    encoder_type: Callable[..., Encoder]
    decoder_settings: tuple[DecoderSetting, ...] = ()
    shared_settings: tuple[str, ...] = ()
    """Settings of the encoder, and so of a bundle, that the decoder takes too; 0 = not given."""
    sync: Mapping[str, Any] = field(default_factory=dict)
    """Fields of ``sync.SyncInputConfig`` that differ from its defaults."""
    health: Mapping[str, Any] = field(default_factory=dict)
    """Fields of ``health.HealthConfig`` that differ from its defaults."""
    qos_depth: int = 2
    """Messages kept while the node is busy."""

    @property
    def message_types(self) -> tuple[str, ...]:
        """All that its decoder reads."""
        return tuple(dict.fromkeys(form.message_type for form in self.forms.values()))

    @property
    def camera_info_topic(self) -> str:
        """Relative, of a sensor that may have its own lens; else ''."""
        return f'{self.topic.partition("/")[0]}/camera_info' if self.is_camera_plane else ''

    def decode(self, msg: Any) -> npt.NDArray[Any]:  # noqa: ANN401 - one of many message classes
        """A lone message, of a sensor of which nothing is known. See ``Decoder.decode``."""
        return self.decoder_type().decode(msg)

    def build_encoder(self, settings: Mapping[str, Any]) -> Encoder:
        """An encoder from plain JSON settings; what is left out has its default.

        Raises:
            ConfigError: an unknown key, or a value that is not allowed.
        """
        allowed = self.default_settings()
        unknown = sorted(set(settings) - set(allowed))
        if unknown:
            raise ConfigError(f'unknown setting {unknown[0]!r} of the {self.name} encoder; '
                              f'allowed: {", ".join(allowed) or "none"}')
        return self.encoder_type(**settings)

    def default_settings(self) -> Settings:
        """The encoder's settings as plain JSON."""
        return self.encoder_type().settings()


IMAGE_FORMS: Mapping[str, Form] = {
    'raw': Form('sensor_msgs/msg/Image'),
    'compressed': Form('sensor_msgs/msg/CompressedImage', '/compressed'),
}
