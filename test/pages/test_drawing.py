# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Drawings are markup that is safe in a page, always alike, and leave matplotlib as it was."""

import os
import re
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from anymodal_seg_ros.errors import MissingDependencyError
from anymodal_seg_ros.pages import check_libraries
from anymodal_seg_ros.pages.charts import Bar, Row, curve, histogram, timeline
from anymodal_seg_ros.pages.drawing import INK, drawing

ROOT = Path(__file__).resolve().parents[2]
SVG = '{http://www.w3.org/2000/svg}'
HOSTILE = '<b>&"\'$x^2$\x00\ud800\n</svg><script>'


def hostile_timeline():
    bars = [Bar(start_s=1.0, end_s=9.0, color=INK, tip=HOSTILE, text=HOSTILE)]
    return timeline([Row(name=HOSTILE, truth=bars, reported=bars)], 100.0, HOSTILE)


def test_hostile_names_stay_text():
    text = hostile_timeline()
    root = ElementTree.fromstring(text)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        'svg', 'title', 'g', 'path', 'text', 'defs', 'clipPath', 'rect', 'use'}
    shown = HOSTILE.replace('\x00', '\ufffd').replace('\ud800', '\ufffd').replace('\n', '\ufffd')
    assert shown in [element.text for element in root.iter(f'{SVG}title')]
    assert shown in [element.text for element in root.iter(f'{SVG}text')]
    text.encode('utf-8')


def test_nothing_is_loaded_and_the_page_gives_the_colours():
    text = hostile_timeline() + histogram([1.0, 2.0], 'ms', 'x')
    assert set(re.findall(r'https?://[^"]*', text)) == {'http://www.w3.org/2000/svg'}
    assert not re.search(r'url\((?!#)|@import|<style|<metadata|href="(?!#)', text)
    assert 'currentColor' in text and 'var(--one)' in text and INK not in text


def test_groups_of_two_drawings_have_no_equal_names():
    names = re.findall(r'<g[^>]* id=', hostile_timeline())
    assert names == []


def test_the_same_drawing_is_the_same_text_whatever_the_users_settings_are():
    def drawn():
        return curve(np.arange(3.0), np.array([1.0, 3.0, 2.0]), 'x')

    before = drawn()
    with matplotlib.rc_context({'font.size': 30, 'axes.grid': False, 'lines.linestyle': ':'}):
        mine = dict(matplotlib.rcParams)
        assert drawn() == before == drawn()
        assert dict(matplotlib.rcParams) == mine


def test_letters_that_no_font_has_are_not_complained_about():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        with drawing(200, 100) as chart:
            chart.text(chart.axes(0, 0, 0, 0), 0.5, 0.5, '雪')
            assert '雪' in chart.svg('x')


@pytest.mark.slow
def test_a_home_that_cannot_be_written_is_not_complained_about(tmp_path):
    home = tmp_path / 'file'
    home.touch()
    environment = {**os.environ, 'HOME': str(home), 'XDG_CACHE_HOME': str(home),
                   'XDG_CONFIG_HOME': str(home), 'MPLCONFIGDIR': str(home / 'sub')}
    done = subprocess.run(
        [sys.executable, '-c', 'from anymodal_seg_ros.pages.charts import histogram; '
         'print(len(histogram([1.0], "ms", "x")))'],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == '' and int(done.stdout) > 1000


@pytest.mark.parametrize('module', ['matplotlib.figure', 'jinja2'])
def test_a_missing_library_is_named_with_what_to_do(module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependencyError, match=f'{module}.*pip install matplotlib Jinja2'):
        check_libraries()
