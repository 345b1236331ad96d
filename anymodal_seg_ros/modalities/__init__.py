# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a sensor is, one file each: its messages decoded, its data encoded. numpy and OpenCV."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.modalities.base import Decoder, Encoder, Settings
from anymodal_seg_ros.modalities.depth import DEPTH, DepthEncoder
from anymodal_seg_ros.modalities.encoding import SetEncoder
from anymodal_seg_ros.modalities.event import EVENT, EventEncoder, EventWindow
from anymodal_seg_ros.modalities.lidar import LIDAR, LidarEncoder
from anymodal_seg_ros.modalities.modality import DecoderSetting, Form, Modality
from anymodal_seg_ros.modalities.plane import network_size
from anymodal_seg_ros.modalities.rgb import RGB, RgbEncoder
from anymodal_seg_ros.modalities.thermal import THERMAL

MODALITIES: Mapping[str, Modality] = {
    'rgb': RGB,
    'depth': DEPTH,
    'lidar': LIDAR,
    'event': EVENT,
    'thermal': THERMAL,
}

Decoding = Mapping[str, Settings]
"""Modality to the settings of its decoder; what is left out has its default."""


def decoding_for(
    encoders: Mapping[str, Encoder], given: Decoding | None = None
) -> dict[str, Settings]:
    """The decoders' settings to go with these encoders: those given, else those they share."""
    decoding = {name: dict(settings) for name, settings in (given or {}).items()}
    for name, encoder in encoders.items():
        settings, saved = decoding.get(name, {}), encoder.settings()
        shared = given_shared(name, settings) or {
            key: saved[key] for key in MODALITIES[name].shared_settings}
        if shared:
            decoding[name] = {**settings, **shared}
    return decoding


def given_shared(modality: str, settings: Settings) -> Settings:
    """Of a decoder's settings those that its encoder has too: all of them once one is given.

    They are of one source, for a low of the user and a high of a bundle make no range.
    """
    shared = {key: settings.get(key, 0.0) for key in MODALITIES[modality].shared_settings}
    return shared if any(shared.values()) else {}


def gathered_decoding(values: Mapping[str, Any], prefix: str) -> dict[str, Settings]:
    """The decoders' settings that are there among values that are called ``prefix``, with ``{}``
    for the modality, and the setting's name."""
    return {name: {setting.name: values[key] for setting in modality.decoder_settings
                   if (key := prefix.format(name) + setting.name) in values}
            for name, modality in MODALITIES.items() if modality.decoder_settings}


def check_decoding(decoding: Decoding, prefix: str) -> None:
    """Raises ConfigError for settings of which no decoder can be made, and calls them as their
    user does: ``prefix``, such as ``'inputs.{}.'``, has ``{}`` for the modality."""
    for name, settings in decoding.items():
        try:
            MODALITIES[name].decoder_type(**settings)
        except ConfigError as error:
            raise ConfigError(f'{prefix.format(name)}{error}') from None


def build_decoders(decoding: Decoding | None = None) -> dict[str, Decoder]:
    """A decoder for each modality, for one input each. Raises ConfigError for a wrong setting."""
    settings = decoding or {}
    return {name: modality.decoder_type(**settings.get(name, {}))
            for name, modality in MODALITIES.items()}


__all__ = [
    'MODALITIES', 'Decoder', 'DecoderSetting', 'Decoding', 'DepthEncoder', 'Encoder',
    'EventEncoder', 'EventWindow', 'Form', 'LidarEncoder', 'Modality', 'RgbEncoder',
    'SetEncoder', 'Settings', 'build_decoders', 'check_decoding', 'decoding_for',
    'gathered_decoding', 'given_shared', 'network_size',
]
