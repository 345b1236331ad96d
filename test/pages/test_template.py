# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parts that all pages have."""

import base64

import cv2
import numpy as np
import pytest

from anymodal_seg_ros.pages import Table, jpeg_uri, render


def test_columns_of_figures_stand_right():
    rows = [('1', '1.5', '−0.3', '5.0 s', 'sun', '1.5'), ('2', '–', '', '12.5 s', '2', 'x1')]
    assert Table(('a',) * 6, rows).is_number == [False, True, True, True, False, False]


def test_tables_and_captions_are_escaped(tmp_path, monkeypatch):
    package = tmp_path / 'pages_for_a_test'
    package.mkdir()
    (package / '__init__.py').touch()
    (package / 'a.html').write_text(
        '{% extends "page.html" %}{% from "parts.html" import key, section, sheet, table, tiles %}'
        '{% block body %}{% call section(bad, bad) %}{{ table(content) }}{% endcall %}'
        '{{ tiles([(bad, bad, bad)]) }}{{ sheet(bad, bad) }}{{ key([(bad, bad)]) }}{% endblock %}')
    monkeypatch.syspath_prepend(str(tmp_path))
    bad = '<script>&"'
    text = render('pages_for_a_test', 'a.html', title=bad, bad=bad,
                  content=Table((bad, bad), [(bad, '1')]))
    assert text.count('&lt;script&gt;&amp;&#34;') == 14 and '<script' not in text
    assert text.count('class="n"') == 2


def test_a_value_that_a_template_lacks_is_a_defect():
    with pytest.raises(Exception, match="'title' is undefined"):
        render('anymodal_seg_ros.pages', 'page.html')


def test_a_picture_survives_its_way_into_a_page():
    image = np.zeros((16, 16, 3), np.uint8)
    image[:, :, 2] = 200
    head, data = jpeg_uri(image).split(',')
    assert head == 'data:image/jpeg;base64'
    back = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(back.astype(int) - image).max() <= 3
