# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every fault on every sensor of a running node, over real topics: how fast it is noticed.

Prints the table of docs/measurements.md. The test of the same name drives the same code.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from ros_streams.fault_run import markdown, running_node
from ros_streams.tiny_bundle import write_tiny_bundle


def measure(bundle: Path, domain_id: int) -> str:
    """Start the node, run all faults, stop it; returns the table."""
    with running_node(bundle, domain_id) as (run, _):
        return markdown(list(run.matrix()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--bundle', type=Path, help='bundle to run instead of random weights')
    parser.add_argument('--domain', type=int, default=97, help='ROS domain to use')
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bundle = options.bundle or write_tiny_bundle(Path(folder) / 'bundle')
        sys.stdout.write(measure(bundle, options.domain) + '\n')


if __name__ == '__main__':
    main()
