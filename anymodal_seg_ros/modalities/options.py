# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command-line options of every tool that reads recordings: what is known of the sensors."""

from __future__ import annotations

import argparse

from anymodal_seg_ros.modalities import Decoding, build_decoders
from anymodal_seg_ros.modalities.depth import MILLIMETRE_M
from anymodal_seg_ros.modalities.intensity import LEARN


def add_decoding_options(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """``--depth-unit-m`` and ``--lidar-intensity-scale``."""
    parser.add_argument('--depth-unit-m', type=float, default=MILLIMETRE_M, metavar='M',
                        help='metres to one step of raw integer depth (default %(default)s)')
    parser.add_argument('--lidar-intensity-scale', type=float, default=LEARN, metavar='MAX',
                        help="intensity of a full return; 0: the bundle's, else learn it "
                             '(default %(default)g)')


def decoding_from(args: argparse.Namespace) -> Decoding:
    """The decoders' settings from the parsed options. Raises ConfigError for a wrong one."""
    decoding = {'depth': {'unit_m': args.depth_unit_m},
                'lidar': {'intensity_scale': args.lidar_intensity_scale}}
    build_decoders(decoding)
    return decoding
