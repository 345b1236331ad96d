# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The literal table of sensor faults. A new fault is a function and a row here."""

from __future__ import annotations

from collections.abc import Mapping

from anymodal_seg_ros.corruption import events, images, payload, points
from anymodal_seg_ros.corruption.fault import ALL_MODALITIES, ContentFunction, Fault


def _content(
    description: str,
    severity: str,
    functions: Mapping[str, ContentFunction],
    is_static: bool = False,
) -> Fault:
    return Fault(kind='content', description=description, severity=severity,
                 modalities=tuple(functions), functions=functions, is_static=is_static)


def _stream(description: str, severity: str) -> Fault:
    return Fault(kind='stream', description=description, severity=severity,
                 modalities=ALL_MODALITIES)


FAULTS: Mapping[str, Fault] = {
    'drop': _stream('messages are lost', 'probability that a message is lost; 1 loses all'),
    'freeze': _stream('the same content comes again under new stamps',
                      'probability that a message is the frozen one; 1 freezes all'),
    'delay': _stream('messages come late under their own stamps', 'severity * 1 s late'),
    'stamp_offset': _stream('stamps lie in the future', 'severity * 10 s ahead'),
    'rate_division': _stream('only one message in n comes',
                             'n = 1 / (1 - severity), rounded, 2 to 10'),
    'black': _content(
        'the sensor sees nothing',
        'rgb: share of the brightness removed; depth, lidar: nothing from beyond '
        '(1 - severity) * 100 m; event: share of the events lost',
        {'rgb': images.dim, 'depth': images.shorten_depth, 'lidar': points.shorten_range,
         'event': events.thin}),
    'overexposure': _content('the image is blown out', 'severity * 8 stops too bright',
                             {'rgb': images.overexpose}),
    'underexposure': _content('the image is too dark', 'severity * 6 stops too dark',
                              {'rgb': images.underexpose}),
    'blur': _content('out of focus', 'sigma of severity * width / 64',
                     {'rgb': images.blur}),
    'motion_blur': _content('smeared by motion', 'path of severity * width / 16',
                            {'rgb': images.motion_blur}),
    'noise': _content(
        'noisy measurements',
        'rgb: sigma of severity * 80 levels; depth: sigma of severity * 10 % of the depth; '
        'lidar: sigma of severity * 0.5 m; event: severity random events for each real one',
        {'rgb': images.camera_noise, 'depth': images.depth_noise, 'lidar': points.range_noise,
         'event': events.event_noise}),
    'block_mask': _content('parts of the image are covered',
                           'share of the cells of an 8 x 8 grid',
                           {'rgb': images.block_camera, 'depth': images.block_depth},
                           is_static=True),
    'sector_blockage': _content('a sector ahead gives no returns', 'severity * 360 degrees',
                                {'lidar': points.block_sector}, is_static=True),
    'jitter': _content('the mount is loose',
                       'up to severity * 2 degrees and severity * 2 cm on each axis',
                       {'lidar': points.jitter}),
    'dropoff': _content('returns are lost at random', 'probability that a point is lost',
                        {'lidar': points.drop_points}),
    'low_resolution': _content('coarse pixels', 'from 2 x 2 to 4 x 4 pixels in one',
                               {'event': events.coarsen}),
    'storm': _content('a flood of random events',
                      'severity * max(100 000, 10 N) events more; frame: share of the pixels lit',
                      {'event': events.storm}),
    'garbage': Fault(kind='bytes', description='the payload is cut short and random',
                     severity='share of random bytes; half that share is cut off',
                     modalities=ALL_MODALITIES,
                     functions=dict.fromkeys(ALL_MODALITIES, payload.garbage)),
}
