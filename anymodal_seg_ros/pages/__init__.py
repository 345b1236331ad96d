# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pages for people: one look, charts by matplotlib, markup by Jinja2. Layer: pages.

Both libraries are loaded when something is drawn; ``check_libraries`` says beforehand whether
they are there.
"""

from anymodal_seg_ros.pages.libraries import check_libraries
from anymodal_seg_ros.pages.template import Table, jpeg_uri, render

__all__ = ['Table', 'check_libraries', 'jpeg_uri', 'render']
