# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tables of the sensors, from the rows of ``MODALITIES``."""

from anymodal_seg_ros.corruption import FAULTS
from anymodal_seg_ros.health import check_reasons
from anymodal_seg_ros.modalities import MODALITIES, Modality


def input_rows() -> list[list[str]]:
    """The topics that the node takes, and what may come on them."""
    rows = [['Input', 'Launch argument', 'Sensor', 'Messages']]
    rows += [[f'`{row.topic}`', f'`{row.argument}_topic`', f'`{name}`', _messages(name, row)]
             for name, row in MODALITIES.items()]
    cameras = [row for row in MODALITIES.values() if row.camera_info_topic]
    return [*rows, [_names([row.camera_info_topic for row in cameras]),
                    _names([f'{row.argument}_info_topic' for row in cameras]), 'each camera',
                    '`sensor_msgs/CameraInfo`']]


def sensor_rows() -> list[list[str]]:
    """What else follows from a row: launch arguments, the network's picture, checks and faults."""
    own = [name for name, fault in FAULTS.items() if fault.modalities != tuple(MODALITIES)]
    rows = [['Sensor', 'Launch arguments', "Channels of the network's picture", 'Content checks',
             'Faults beside those of every sensor']]
    for name, row in MODALITIES.items():
        arguments = [f'{row.argument}_topic']
        if row.camera_info_topic:
            arguments.append(f'{row.argument}_info_topic')
        faults = [fault for fault in own if name in FAULTS[fault].modalities]
        channels = dict.fromkeys(row.encoder_type().channel_names)
        rows.append([f'`{name}`', _names(arguments), ', '.join(channels),
                     _names(check_reasons(name)), _names(faults)])
    return rows


def _messages(name: str, row: Modality) -> str:
    first, *others = row.forms.items()
    text = f'{row.messages}: `{_short(first[1].message_type)}`'
    for form, other in others:
        where = f' on `{row.topic}{other.topic_suffix}`' if other.topic_suffix else ''
        text += f'; `{_short(other.message_type)}`{where} with `inputs.{name}.form: {form}`'
    return text


def _short(message_type: str) -> str:
    return message_type.replace('/msg/', '/')


def _names(names: list[str] | tuple[str, ...]) -> str:
    return ', '.join(f'`{name}`' for name in names)
