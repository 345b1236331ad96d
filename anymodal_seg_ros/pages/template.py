# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""HTML that needs nothing beside it: no script, no other file, no connection. Layer: pages."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.pages.libraries import load_library


@dataclass(frozen=True, slots=True)
class Table:
    """Plain text in rows; the first column names them, and columns of figures stand right."""

    heads: Sequence[str]
    rows: Sequence[Sequence[object]]

    @property
    def is_number(self) -> list[bool]:
        """For each column, whether it stands right."""
        return [i > 0 and all(_is_figure(str(row[i])) for row in self.rows)
                for i in range(len(self.heads))]


def _is_figure(text: str) -> bool:
    """Whether it is a number, with seconds or without a unit, or nothing."""
    return re.fullmatch(r'([+−–\d][^A-Za-z]*( s)?)?', text) is not None


def render(package: str, name: str, **values: object) -> str:
    """The text of a page.

    Args:
        package: the module whose folder holds the template.
        name: the template's file; it extends ``page.html`` and has the macros of ``parts.html``
            for what pages have in common.
        values: for the template, which escapes every text in them.

    Raises:
        MissingDependencyError: Jinja2 is not installed.
    """
    jinja2 = load_library('jinja2')
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package, ''),
                                    jinja2.PackageLoader(__package__, '')]),
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    text: str = environment.get_template(name).render(values)
    return text


def jpeg_uri(image: npt.NDArray[np.uint8]) -> str:
    """An image, uint8 [H, W, 3] blue first, as a data URI."""
    encoded = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 86])[1]
    return 'data:image/jpeg;base64,' + base64.b64encode(encoded.tobytes()).decode('ascii')
