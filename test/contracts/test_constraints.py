# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What ``make setup HASHES=1`` installs is what ``make setup`` installs, and has hashes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
INSTALLERS = {'setuptools', 'pip', 'wheel'}
# Torch's file depends on the index and the GPU, and so does what torch alone needs.
WITHOUT_HASHES = {'torch', 'mpmath', 'networkx', 'sympy'}


def requirements(name):
    """(requirement, its hashes), by the lines of a file."""
    text = (ROOT / name).read_text(encoding='utf-8').replace('\\\n', ' ')
    for line in text.splitlines():
        if line and not line.startswith('#'):
            pin, *options = re.split(r'\s+(?=--)', line.strip())
            yield Requirement(pin), [option.removeprefix('--hash=') for option in options]


def pins(name, python):
    """Name to version, as they hold on Linux with one release of Python."""
    environment = {'python_version': python, 'python_full_version': f'{python}.9',
                   'sys_platform': 'linux', 'platform_system': 'Linux', 'os_name': 'posix',
                   'platform_machine': 'x86_64', 'implementation_name': 'cpython',
                   'platform_python_implementation': 'CPython'}
    found = {}
    for requirement, _ in requirements(name):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            [version] = requirement.specifier
            assert version.operator == '=='
            key = canonicalize_name(requirement.name)
            assert key not in found, f'{key} twice on Python {python}'
            found[key] = version.version
    return found


@pytest.mark.parametrize('python', ['3.10', '3.11', '3.12'])
def test_both_files_pin_the_same_versions(python):
    plain = pins('constraints.txt', python)
    hashed = pins('constraints.hashes.txt', python)
    differing = {name: (version, plain.get(name)) for name, version in hashed.items()
                 if version != plain.get(name) and name not in INSTALLERS}
    assert not differing, 'run scripts/hash_constraints.sh'
    assert set(plain) - set(hashed) == WITHOUT_HASHES


@pytest.mark.parametrize('old', [(), ('.ready',)])
def test_an_environment_whose_files_were_not_checked_is_made_anew(tmp_path, old):
    made = commands_of_setup(tmp_path, *old)
    assert '-m venv --clear ' in made and '--require-hashes' in made


def test_an_environment_whose_files_were_checked_is_kept(tmp_path):
    assert not commands_of_setup(tmp_path, '.ready', '.hashed')


def commands_of_setup(folder, *stamps):
    """What ``make setup HASHES=1`` would do where the environment has these stamps."""
    for stamp in stamps:
        (folder / stamp).touch()
    return subprocess.run(
        ['make', '-n', '-s', 'setup', 'HASHES=1', f'VENV={folder}', f'PYTHON={sys.executable}'],
        cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_every_file_has_a_sha256():
    for requirement, hashes in requirements('constraints.hashes.txt'):
        assert hashes, requirement
        assert all(re.fullmatch(r'sha256:[0-9a-f]{64}', one) for one in hashes), requirement
