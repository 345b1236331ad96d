# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m anymodal_seg_ros.corruption``: the table of faults that docs/faults.md holds."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from anymodal_seg_ros.corruption.table import FAULTS
from anymodal_seg_ros.modalities import MODALITIES


def markdown() -> str:
    """A line for each row of ``FAULTS``: name, sensors, what happens, what severity means."""
    lines = ['| Fault | Sensors | What happens | What `severity` means |', '|---|---|---|---|']
    for name, fault in FAULTS.items():
        sensors = ('all' if fault.modalities == tuple(MODALITIES)
                   else ', '.join(fault.modalities))
        lines.append(f'| `{name}` | {sensors} | {fault.description} | {fault.severity} |')
    return '\n'.join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    argparse.ArgumentParser(
        prog='python -m anymodal_seg_ros.corruption',
        description='Prints every sensor fault with the sensors it applies to and what its '
                    'severity means, as a Markdown table.').parse_args(arguments)
    sys.stdout.write(markdown() + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
