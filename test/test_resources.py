# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where data is found: in a checkout, and where pip or colcon installed it."""

import pytest

from anymodal_seg_ros import resources
from anymodal_seg_ros.errors import ConfigError


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The package in a site-packages folder, beside a stranger's package named config."""
    site_packages = tmp_path / 'lib' / 'python3.11' / 'site-packages'
    (site_packages / 'config').mkdir(parents=True)
    monkeypatch.setattr(resources, '__file__',
                        str(site_packages / resources.PACKAGE / 'resources.py'))
    monkeypatch.setattr('sys.prefix', str(tmp_path / 'elsewhere'))
    return tmp_path


def test_checkout_comes_first():
    assert (resources.resource_path('config') / 'anymodal_seg.yaml').is_file()


def test_share_of_the_prefix_and_not_a_neighbour(installed):
    share = installed / 'share' / resources.PACKAGE / 'config'
    share.mkdir(parents=True)
    assert resources.resource_path('config') == share


def test_neighbour_alone_is_nothing(installed):
    with pytest.raises(ConfigError, match="'config' of anymodal_seg_ros is not installed"):
        resources.resource_path('config')
