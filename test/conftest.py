# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What all tests share: the streams of ``benchmarks`` and a bundle with random weights."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'benchmarks'))


@pytest.fixture(scope='session')
def tiny_bundle(tmp_path_factory):
    """Folder of a MiT-B0 bundle of all modalities with random weights, 64 px short side."""
    from ros_streams.tiny_bundle import write_tiny_bundle

    return write_tiny_bundle(tmp_path_factory.mktemp('bundles') / 'tiny')
