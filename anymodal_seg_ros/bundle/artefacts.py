# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a bundle may hold beside its weights: declared with kind, size and hash; data only."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from anymodal_seg_ros import limits
from anymodal_seg_ros.errors import ConfigError

KINDS: Mapping[str, tuple[str, ...]] = {
    'graph': ('.onnx',),
    'text_embeddings': ('.safetensors', '.json'),
    'prototypes': ('.safetensors', '.json'),
}
"""Kind to the endings of its files. A new kind raises the format version."""
MAX_ARTEFACTS = 16
MAX_ARTEFACT_BYTES = 1 << 30
WEIGHTS_STEM = 'weights'
_NAME = re.compile(r'[a-z][a-z0-9_]{0,63}')
_SHA256 = re.compile(r'[0-9a-f]{64}')


@dataclass(frozen=True, kw_only=True)
class Artefact:
    """A file of the bundle's folder. Raises ConfigError for a value that is not allowed."""

    name: str
    """Unique in the bundle: small letters, digits and _."""
    kind: str
    """A row of ``KINDS``."""
    file: str
    """``name`` and one of the kind's endings; never a path."""
    size_bytes: int
    sha256: str

    def __post_init__(self) -> None:
        name, kind, size = self.name, self.kind, self.size_bytes
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name == WEIGHTS_STEM:
            raise ConfigError.of('artefact', name, 'a name of up to 64 small letters, digits '
                                 f'and _, but {WEIGHTS_STEM!r}')
        limits.one_of(f'artefact {name!r}: kind', kind, KINDS)
        limits.one_of(f'artefact {name!r}: file', self.file,
                      [f'{name}{ending}' for ending in KINDS[kind]])
        limits.whole(f'artefact {name!r}: size_bytes', size, 1, MAX_ARTEFACT_BYTES)
        if not isinstance(self.sha256, str) or not _SHA256.fullmatch(self.sha256):
            raise ConfigError.of(f'artefact {name!r}: sha256', self.sha256,
                                 '64 hexadecimal digits')

    @classmethod
    def of(cls, data: bytes, *, name: str, kind: str, ending: str) -> Artefact:
        """The declaration of a file's content."""
        return cls(name=name, kind=kind, file=f'{name}{ending}', size_bytes=len(data),
                   sha256=hashlib.sha256(data).hexdigest())

    def fits(self, data: bytes) -> bool:
        """Whether this is the content that was declared."""
        return (len(data) == self.size_bytes
                and hashlib.sha256(data).hexdigest() == self.sha256)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return asdict(self)


def artefacts_from(data: object) -> tuple[Artefact, ...]:
    """A list of ``Artefact.to_dict``; raises ConfigError for anything else."""
    keys = {item.name for item in fields(Artefact)}
    if not isinstance(data, list) or not all(
            isinstance(entry, dict) and set(entry) == keys for entry in data):
        raise ConfigError.of('artefacts', data, f'a list of tables with {sorted(keys)}')
    return tuple(Artefact(**entry) for entry in data)


def check_artefacts(artefacts: Sequence[Artefact]) -> None:
    """Raises ConfigError for too many, or a name that is there twice."""
    if len(artefacts) > MAX_ARTEFACTS:
        raise ConfigError(f'{len(artefacts)} artefacts; at most {MAX_ARTEFACTS}')
    names = [artefact.name for artefact in artefacts]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f'artefact {name!r} is declared twice')
