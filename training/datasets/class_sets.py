# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A data set's classes as sets of the classes that a network answers in, by those tables in
``config/label_maps`` whose entries are lists.

    from: urbanlf
    to: unified
    classes: {sky: [sky], vehicle: [vehicle, car, bus, truck], ...}    # every class of 'from'

Labels stay as they are. Data sets that name the same things more or less finely can so train one
network, and be scored each in its own classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.labels import LabelSpace


@dataclass(frozen=True, kw_only=True)
class ClassSets:
    """Which classes of ``target`` each class of ``source`` is."""

    name: str
    source: LabelSpace
    """Of the labels."""
    target: LabelSpace
    """Of the network."""
    ids: tuple[tuple[int, ...], ...]
    """Of each class of ``source``: ids in ``target``, one at least and none twice."""

    @classmethod
    def from_names(
        cls, name: str, source: LabelSpace, target: LabelSpace,
        classes: Mapping[str, Sequence[str]],
    ) -> ClassSets:
        """By class names; raises ConfigError for a name unknown, left out, too much or in two
        sets, and for an empty set."""
        for class_name in classes:
            source.id_of(class_name)
        ids, taken = [], dict[str, str]()
        for class_name in source.class_names:
            if not classes.get(class_name):
                raise ConfigError(f'label map {name!r} does not say what {class_name!r} is')
            for wanted in classes[class_name]:
                if wanted in taken:
                    raise ConfigError(f'label map {name!r}: {wanted!r} is both '
                                      f'{taken[wanted]!r} and {class_name!r}')
                taken[wanted] = class_name
            ids.append(tuple(target.id_of(wanted) for wanted in classes[class_name]))
        return cls(name=name, source=source, target=target, ids=tuple(ids))
