# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A matplotlib figure measured in pixels, for a page or as a picture. Layer: pages."""

from __future__ import annotations

import io
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from anymodal_seg_ros.pages.libraries import load_library

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes as Axes
    from matplotlib.figure import Figure

INK, ACCENT = '#010203', '#010204'
"""Dark in a picture; in a page its colour of text and its first colour of lines, which it
chooses by day and by night."""
_PAGE_COLORS = {INK: 'currentColor', ACCENT: 'var(--one)'}
_PX_PER_INCH = 72
_STYLE = {
    'font.family': 'DejaVu Sans', 'font.size': 13, 'text.parse_math': False,
    'svg.fonttype': 'none', 'svg.hashsalt': 'pages', 'path.simplify': False,
    'figure.facecolor': 'none', 'axes.facecolor': 'none', 'axes.axisbelow': True,
    'axes.grid': True, 'axes.grid.axis': 'y', 'grid.color': INK, 'grid.alpha': 0.14,
    'text.color': INK, 'xtick.color': INK, 'ytick.color': INK, 'axes.edgecolor': INK,
    'xtick.labelsize': 12, 'ytick.labelsize': 12, 'xtick.major.size': 0, 'ytick.major.size': 0,
    'xtick.major.pad': 9, 'ytick.major.pad': 6,
    **{f'axes.spines.{side}': False for side in ('left', 'right', 'top', 'bottom')},
}


@contextmanager
def drawing(width_px: float, height_px: float) -> Generator[Drawing, None, None]:
    """A drawing in the look of the pages, whatever the user's settings of matplotlib are.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    figure = load_library('matplotlib.figure')
    matplotlib = load_library('matplotlib')
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        # A browser has other fonts for what this one lacks.
        warnings.filterwarnings('ignore', 'Glyph .* missing from font')
        yield Drawing(figure.Figure((width_px / _PX_PER_INCH, height_px / _PX_PER_INCH),
                                    dpi=_PX_PER_INCH))


class Drawing:
    """What is drawn, and the texts that show when something is pointed at."""

    def __init__(self, figure: Figure) -> None:
        self.figure = figure
        self._tips: dict[str, str] = {}

    def axes(self, left_px: float, right_px: float, top_px: float, bottom_px: float) -> Axes:
        """Axes that leave so much room to each side."""
        width, height = self.figure.get_size_inches() * _PX_PER_INCH
        return self.figure.add_axes((left_px / width, bottom_px / height,
                                     1 - (left_px + right_px) / width,
                                     1 - (top_px + bottom_px) / height))

    def canvas(self, left_px: float = 0, top_px: float = 0) -> Axes:
        """Axes without a frame over all of the figure, in pixels from a place and downwards."""
        width, height = self.figure.get_size_inches() * _PX_PER_INCH
        axes = self.axes(0, 0, 0, 0)
        axes.set(xlim=(-left_px, width - left_px), ylim=(height - top_px, -top_px))
        axes.set(autoscale_on=False)
        axes.set_axis_off()
        return axes

    def text(self, axes: Axes, x: float, y: float, text: str, *, align: str = 'center',
             color: str = INK, size_px: float = 13, bold: bool = False) -> Artist:
        """Text whose middle line is at ``y``."""
        return axes.text(x, y, printable(text), ha=align, va='center_baseline', color=color,
                         fontsize=size_px, fontweight='bold' if bold else 'normal')

    def tip(self, artist: Artist, text: str) -> None:
        """Show a text where the artist is pointed at; pages only."""
        name = f'tip-{len(self._tips)}'
        self._tips[name] = printable(text)
        artist.set_gid(name)

    def svg(self, title: str) -> str:
        """An SVG element for a page; the same drawing gives the same text."""
        file = io.StringIO()
        self.figure.savefig(file, format='svg', metadata=dict.fromkeys(
            ('Creator', 'Date', 'Format', 'Type')))
        root = ElementTree.fromstring(file.getvalue())
        # Its only content here is a style for the whole page.
        root.remove(next(iter(root)))
        for element in root.iter():
            _make_inline(element, self._tips)
        head = ElementTree.Element('title')
        head.text = printable(title)
        root.insert(0, head)
        root.attrib = {'xmlns': 'http://www.w3.org/2000/svg', 'role': 'img',
                       'viewBox': root.attrib['viewBox'],
                       **{side: root.attrib[side].removesuffix('pt')
                          for side in ('width', 'height')}}
        return ElementTree.tostring(root, encoding='unicode')

    def png(self, scale: int = 2, ground: str = 'white', margin_px: float = 0) -> bytes:
        """A picture with so many pixels for one, and an empty margin around all."""
        file = io.BytesIO()
        width, height = self.figure.get_size_inches()
        margin = margin_px / _PX_PER_INCH
        box = load_library('matplotlib.transforms').Bbox.from_extents(
            -margin, -margin, width + margin, height + margin)
        self.figure.savefig(file, format='png', dpi=scale * _PX_PER_INCH, facecolor=ground,
                            bbox_inches=box)
        return file.getvalue()


def _make_inline(element: Any, tips: dict[str, str]) -> None:  # noqa: ANN401
    """Change an element of an SVG file into one of a page, whose names are without prefix."""
    element.tag = element.tag.partition('}')[2]
    attributes = {name.rpartition('}')[2]: value for name, value in element.attrib.items()}
    if element.tag == 'g':
        # Every drawing counts its groups anew, and a page may have many.
        text = tips.get(attributes.pop('id', ''))
        if text is not None:
            tip = ElementTree.Element('{}title')
            tip.text = text
            element.insert(0, tip)
    if 'style' in attributes:
        for color, of_page in _PAGE_COLORS.items():
            attributes['style'] = attributes['style'].replace(color, of_page)
        attributes['style'] = attributes['style'].replace("font-family: 'DejaVu Sans'; ", '')
    element.attrib = {name: ' '.join(value.split()) for name, value in attributes.items()}
    if element.text and not element.text.strip():
        element.text = None
    element.tail = None


def printable(text: str) -> str:
    """Text with a mark in place of each letter that XML or a font cannot have."""
    return ''.join(letter if letter.isprintable() else '\ufffd' for letter in text)
