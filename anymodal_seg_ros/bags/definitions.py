# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a recording means by a standard message what everybody means. Layer: bags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore


def deviation(found: Typestore, standard: Typestore, msgtype: str) -> str:
    """The first field of the standard definition that ``found`` lacks or has as something else,
    as a path; '' where there is none, or no standard. Further fields are no deviation."""
    if msgtype not in standard.fielddefs:
        return ''
    fields = dict(found.fielddefs[msgtype][1]) if msgtype in found.fielddefs else {}
    for name, wanted in standard.fielddefs[msgtype][1]:
        if name not in fields or _kind(fields[name]) != _kind(wanted):
            return name
        kind = _kind(wanted)
        inner = deviation(found, standard, kind[-1]) if 'message' in kind else ''
        if inner:
            return f'{name}.{inner}'
    return ''


def _kind(node: Any) -> tuple[str, ...]:  # noqa: ANN401 - rosbags' nested tuples
    """'number', 'text' or 'message' and its type, after 'list' where there are several."""
    node_type, content = node
    if node_type.name == 'BASE':
        return ('text' if 'string' in content[0] else 'number',)
    if node_type.name == 'NAME':
        return 'message', content
    return 'list', *_kind(content[0])
