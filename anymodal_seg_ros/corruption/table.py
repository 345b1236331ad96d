# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The literal table of sensor faults. A new fault is a function and a row here."""

from __future__ import annotations

from collections.abc import Mapping

from anymodal_seg_ros.corruption import events, images, payload, points
from anymodal_seg_ros.corruption.fault import ContentFunction, Fault
from anymodal_seg_ros.samples import Payload


def _content(
    description: str,
    severity: str,
    functions: Mapping[Payload, ContentFunction],
    is_static: bool = False,
) -> Fault:
    return Fault(kind='content', description=description, severity=severity,
                 functions=functions, is_static=is_static)


def _stream(description: str, severity: str) -> Fault:
    return Fault(kind='stream', description=description, severity=severity)


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
        'image: share of the brightness removed; depth, cloud: nothing from beyond '
        '(1 - severity) * 100 m; events: share of the events lost',
        {Payload.IMAGE: images.dim, Payload.DEPTH: images.shorten_depth,
         Payload.CLOUD: points.shorten_range, Payload.EVENTS: events.thin}),
    'overexposure': _content('the image is blown out', 'severity * 8 stops too bright',
                             {Payload.IMAGE: images.overexpose}),
    'underexposure': _content('the image is too dark', 'severity * 6 stops too dark',
                              {Payload.IMAGE: images.underexpose}),
    'blur': _content('out of focus', 'sigma of severity * width / 64',
                     {Payload.IMAGE: images.blur}),
    'motion_blur': _content('smeared by motion', 'path of severity * width / 16',
                            {Payload.IMAGE: images.motion_blur}),
    'noise': _content(
        'noisy measurements',
        'image: sigma of severity * 80 levels; depth: sigma of severity * 10 % of the depth; '
        'cloud: sigma of severity * 0.5 m; events: severity random events for each real one',
        {Payload.IMAGE: images.camera_noise, Payload.DEPTH: images.depth_noise,
         Payload.CLOUD: points.range_noise, Payload.EVENTS: events.event_noise}),
    'block_mask': _content('parts of the image are covered',
                           'share of the cells of an 8 x 8 grid',
                           {Payload.IMAGE: images.block_camera, Payload.DEPTH: images.block_depth},
                           is_static=True),
    'sector_blockage': _content('a sector ahead gives no returns', 'severity * 360 degrees',
                                {Payload.CLOUD: points.block_sector}, is_static=True),
    'jitter': _content('the mount is loose',
                       'up to severity * 2 degrees and severity * 2 cm on each axis',
                       {Payload.CLOUD: points.jitter}),
    'dropoff': _content('returns are lost at random', 'probability that a point is lost',
                        {Payload.CLOUD: points.drop_points}),
    'low_resolution': _content('coarse pixels', 'from 2 x 2 to 4 x 4 pixels in one',
                               {Payload.EVENTS: events.coarsen}),
    'storm': _content('a flood of random events',
                      'severity * max(100 000, 10 N) events more; frame: share of the pixels lit',
                      {Payload.EVENTS: events.storm}),
    'garbage': Fault(kind='bytes', description='the payload is cut short and random',
                     severity='share of random bytes; half that share is cut off',
                     functions=dict.fromkeys(Payload, payload.garbage)),
}
