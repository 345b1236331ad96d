# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command-line options of every tool that reads recordings: what is known of the sensors."""

from __future__ import annotations

import argparse

from anymodal_seg_ros.modalities import (
    MODALITIES,
    DecoderSetting,
    Decoding,
    check_decoding,
    gathered_decoding,
)


def add_decoding_options(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """``--<modality>-<setting>`` for each setting of a decoder, such as ``--depth-unit-m``."""
    for name, modality in MODALITIES.items():
        for setting in modality.decoder_settings:
            parser.add_argument(_option(name, setting), type=float, default=setting.default,
                                metavar='NUMBER',
                                help=f'{setting.text_with_bundle} (default %(default)g)')


def decoding_from(args: argparse.Namespace) -> Decoding:
    """The decoders' settings from the parsed options. Raises ConfigError for a wrong one."""
    decoding = gathered_decoding(vars(args), '{}_')
    for name, settings in decoding.items():
        for setting in MODALITIES[name].decoder_settings:
            setting.range.check(_option(name, setting), settings[setting.name])
    check_decoding(decoding, '--{}-')
    return decoding


def _option(modality: str, setting: DecoderSetting) -> str:
    return f'--{modality}-{setting.name}'.replace('_', '-')
