# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a sensor is, one file each: its messages decoded, its data encoded. numpy and OpenCV."""

from __future__ import annotations

from collections.abc import Mapping

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
        for key in MODALITIES[name].shared_settings:
            settings = decoding.setdefault(name, {})
            settings[key] = settings.get(key) or encoder.settings()[key]
    return decoding


def build_decoders(decoding: Decoding | None = None) -> dict[str, Decoder]:
    """A decoder for each modality, for one input each. Raises ConfigError for a wrong setting."""
    settings = decoding or {}
    return {name: modality.decoder_type(**settings.get(name, {}))
            for name, modality in MODALITIES.items()}


__all__ = [
    'MODALITIES', 'Decoder', 'DecoderSetting', 'Decoding', 'DepthEncoder', 'Encoder',
    'EventEncoder', 'EventWindow', 'Form', 'LidarEncoder', 'Modality', 'RgbEncoder',
    'SetEncoder', 'Settings', 'build_decoders', 'decoding_for', 'network_size',
]
