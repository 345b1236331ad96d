# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What mypy is told of ROS messages is what the installed classes are."""

import ast
import importlib.util
from array import array
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
STUBS = ROOT / 'stubs'
spec = importlib.util.spec_from_file_location('message_stubs', ROOT / 'scripts/message_stubs.py')
message_stubs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(message_stubs)
CONTAINERS = {'array.array': array, 'numpy.typing.NDArray': np.ndarray, 'list': list}
DTYPES = {'numpy.float32': np.float32, 'numpy.float64': np.float64, 'numpy.uint8': np.uint8}


def classes():
    for path in sorted(STUBS.glob('*/msg/__init__.pyi')):
        for node in ast.parse(path.read_text(encoding='utf-8')).body:
            if isinstance(node, ast.ClassDef):
                yield pytest.param(path.parts[-3], node, id=f'{path.parts[-3]}/{node.name}')


def test_they_are_what_the_script_writes():
    written = {str(path.relative_to(STUBS)): path.read_text(encoding='utf-8')
               for path in STUBS.rglob('*.pyi')}
    assert written == message_stubs.stubs(), 'run scripts/message_stubs.py'


@pytest.mark.parametrize(('package', 'stub'), classes())
def test_each_attribute_is_there_and_of_its_type(package, stub):
    real = message_stubs.message_class(f'{package}/{stub.name}')
    declared = {node.target.id: ast.unparse(node.annotation) for node in stub.body
                if isinstance(node, ast.AnnAssign)}
    [constructor] = [node for node in stub.body if isinstance(node, ast.FunctionDef)]
    fields = {name for name, kind in declared.items() if not kind.startswith('ClassVar')}
    assert fields == {argument.arg for argument in constructor.args.kwonlyargs}
    message = real(**{name: getattr(real(), name) for name in fields}, check_fields=True)
    for name, kind in declared.items():
        value = getattr(message, name)
        container, _, held = kind.partition('[')
        if container == 'ClassVar':
            assert type(getattr(real, name)).__name__ == held.rstrip(']')
        elif container == 'numpy.typing.NDArray':
            assert value.dtype == DTYPES[held.rstrip(']')]
        elif container in CONTAINERS:
            assert isinstance(value, CONTAINERS[container])
        elif '.msg.' in kind:
            assert (type(value).__module__.split('.')[0], type(value).__name__) == (
                kind.split('.')[0], kind.split('.')[-1])
        else:
            assert type(value).__name__ == kind
