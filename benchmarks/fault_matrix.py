# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every fault on every sensor of a running node, over real topics: how fast it is noticed.

Prints the table of docs/measurements.md. The test of the same name drives the same code.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from ros_streams.fault_run import SETTLE_S, FaultRun, markdown, node_parameters
from ros_streams.tiny_bundle import write_tiny_bundle

ROOT = Path(__file__).resolve().parents[1]
START_TIMEOUT_S = 90.0


def measure(bundle: Path, domain_id: int) -> str:
    """Start the node, run all faults, stop it; returns the table."""
    os.environ['ROS_DOMAIN_ID'] = str(domain_id)
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    arguments = ['--ros-args']
    for name, value in node_parameters(bundle).items():
        arguments += ['-p', f'{name}:={json.dumps(value)}']
    module = 'anymodal_seg_ros.ros.segmentation_node'
    node = subprocess.Popen([sys.executable, '-m', module, *arguments], cwd=ROOT)
    run = FaultRun(domain_id)
    try:
        if not run.wait_until_all_ok(START_TIMEOUT_S):
            raise SystemExit(f'not all sensors became ok: {run.states}')
        run.run_for(SETTLE_S)
        return markdown(list(run.matrix()))
    finally:
        run.close()
        node.send_signal(signal.SIGINT)
        node.wait(20)


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
