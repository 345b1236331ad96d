# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""HTML that needs nothing beside it: the page, its look and its plain parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_STYLE = """
:root { color-scheme: light dark; --bg: #fff; --fg: #1a1f26; --mute: #59636f; --line: #dfe3e8;
  --card: #f4f6f8; --one: #2264c7; --two: #d9822b; --warn: #fff3dc; }
@media (prefers-color-scheme: dark) { :root { --bg: #12151a; --fg: #e3e7ec; --mute: #9aa5b1;
  --line: #2b323b; --card: #1b2027; --one: #6ba4f8; --two: #f0a857; --warn: #3a2f17; } }
* { box-sizing: border-box; }
body { background: var(--bg); color: var(--fg); font: 16px/1.55 system-ui, sans-serif;
  max-width: 1080px; margin: 0 auto; padding: 2em 1.2em 4em; overflow-wrap: break-word; }
a { color: var(--one); }
h1 { font-size: 1.7em; line-height: 1.2; margin: 0 0 .2em; }
h2 { font-size: 1.25em; margin: 2.4em 0 .3em; } h3 { font-size: 1em; margin: 1.4em 0 .3em; }
p { margin: .3em 0 .9em; max-width: 75ch; } .mute, figcaption { color: var(--mute); }
.lead { font-size: 1.12em; } .warn { background: var(--warn); border-radius: 8px;
  padding: .6em 1em; margin: .5em 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .7em;
  margin: 1.2em 0; }
.tiles div { background: var(--card); border-radius: 10px; padding: .7em 1em; }
.tiles b { display: block; font-size: 1.7em; line-height: 1.25; }
.tiles span { display: block; font-size: .88em; color: var(--mute); }
.level { display: grid; grid-template-columns: 9.5em 1fr; gap: .2em 1em; align-items: center;
  margin: .55em 0; }
.level p { margin: 0; line-height: 1.3; } .level small { color: var(--mute); display: block; }
.cells { display: grid; gap: 4px; grid-template-columns: repeat(auto-fit, minmax(116px, 1fr)); }
.cells div { border-radius: 7px; padding: .4em .5em; text-align: center; line-height: 1.25;
  font-variant-numeric: tabular-nums; font-size: .84em; }
.cells b { display: block; font-size: 1.5em; }
.scale { display: flex; align-items: center; gap: .6em; font-size: .88em; color: var(--mute);
  margin: .8em 0; } .scale i { height: 10px; width: 220px; border-radius: 3px; }
.wide { overflow-x: auto; margin: .6em 0; } .wide svg { display: block; }
table { border-collapse: collapse; font-size: .94em; }
th, td { text-align: left; padding: .32em 1em .32em 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { font-weight: 600; white-space: nowrap; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.classes { columns: 2 400px; column-gap: 2.5em; margin: 1em 0; }
.classes div { display: grid; grid-template-columns: 8.5em 1fr 6.4em; gap: .7em;
  align-items: center; break-inside: avoid; font-size: .92em; padding: .14em 0; }
.classes div > :first-child { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.classes .bars { display: block; background: var(--card); border-radius: 3px; overflow: hidden; }
.classes .bars i { display: block; height: 7px; } .bars .one, .key .one { background: var(--one); }
.bars .two, .key .two { background: var(--two); }
.classes .n { text-align: right; font-variant-numeric: tabular-nums; color: var(--mute); }
.classes .n b { color: var(--fg); font-weight: 600; }
.key { font-size: .92em; } .key span { margin-right: 1.4em; white-space: nowrap; }
.key i, .swatch { display: inline-block; width: .8em; height: .8em; border-radius: 2px;
  margin-right: .45em; } .swatch { outline: 1px solid #8888; }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(290px, 1fr));
  gap: 1.2em 1.4em; margin: 1em 0; }
.panels figure { margin: 0; } .panels figcaption { font-size: .92em; color: var(--fg); }
.panels figcaption b { float: right; font-variant-numeric: tabular-nums; }
.curve { width: 100%; display: block; } .line { fill: none; stroke: var(--one);
  stroke-width: 1.8; stroke-linejoin: round; } .band { fill: var(--one); opacity: .2; }
figure.sheet { margin: 1.2em 0; } figure.sheet img { width: 100%; border-radius: 8px; }
pre { background: var(--card); border-radius: 10px; padding: 1em; overflow-x: auto;
  font: .86em/1.5 ui-monospace, monospace; }
@media (max-width: 620px) { body { font-size: 15px; padding: 1.2em .9em 3em; }
  .level { grid-template-columns: 1fr; margin: 1em 0; }
  .level small { display: inline; margin-left: .6em; }
  .cells { grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); }
  .classes div { grid-template-columns: 7.6em 1fr 5.8em; }
  figure.sheet { overflow-x: auto; } figure.sheet img { width: 820px; max-width: none; } }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """A whole document."""
    return ('<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<title>{escape(title)}</title><style>{_STYLE}</style></head>\n'
            f'<body>{"".join(parts)}</body></html>\n')


def section(title: str, body: str, lead: str = '') -> str:
    """A heading, a sentence (plain text) and HTML; nothing at all where there is no body."""
    if not body:
        return ''
    said = f'<p class="mute">{escape(lead)}</p>' if lead else ''
    return f'\n<section><h2>{escape(title)}</h2>{said}{body}</section>'


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of plain text, figures to the right; the first column names the rows."""
    rows = [list(row) for row in rows]
    is_number = [i > 0 and all(_is_figure(str(row[i])) for row in rows)
                 for i in range(len(heads))]
    kinds = [' class="n"' if number else '' for number in is_number]
    head = ''.join(f'<th{kind}>{escape(text)}</th>'
                   for kind, text in zip(kinds, heads, strict=True))
    body = ''.join('<tr>' + ''.join(f'<td{kind}>{escape(str(cell))}</td>'
                                    for kind, cell in zip(kinds, row, strict=True)) + '</tr>'
                   for row in rows)
    return (f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
            f'<tbody>{body}</tbody></table></div>')


def _is_figure(text: str) -> bool:
    return text[:1] in '+−–0123456789' and not any(letter.isalpha() for letter in text)


def tiles(entries: Iterable[tuple[str, str, str]]) -> str:
    """Large figures: what it is, the figure, a remark."""
    return '<div class="tiles">' + ''.join(
        f'<div><span>{escape(name)}</span><b>{escape(value)}</b><span>{escape(remark)}</span></div>'
        for name, value, remark in entries) + '</div>'


def percent(value: float | None) -> str:
    """One digit after the point; a dash for what was not measured."""
    return '–' if value is None or value != value else f'{value:.1f}'


def change(value: float | None) -> str:
    """A difference with its sign; none where it rounds to zero."""
    if value is None or value != value:
        return '–'
    said = f'{value:+.1f}'
    return '0.0' if said[1:] == '0.0' else said.replace('-', '−')
