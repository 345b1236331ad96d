# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The errors this package raises on purpose; everything else is a defect."""

from __future__ import annotations

MAX_MESSAGE = 2000
"""Characters; an error may quote what was read, and that may be anything."""


class AnymodalError(Exception):
    """Base of every error a user can cause. The message names the value and what is allowed."""

    def __init__(self, message: str = '') -> None:
        if len(message) > MAX_MESSAGE:
            message = f'{message[:MAX_MESSAGE // 2]} ... {message[-MAX_MESSAGE // 2:]}'
        super().__init__(message)


class ConfigError(AnymodalError):
    """A parameter, YAML file or command line is wrong. Raised at start-up."""

    @classmethod
    def of(cls, name: str, value: object, allowed: object) -> ConfigError:
        """The one wording for a value that is not allowed."""
        return cls(f'{name} is {value!r}; allowed: {allowed}')


class BadMessageError(AnymodalError):
    """A sensor message cannot be used. Counted, reported and dropped; never ends the node.

    ``field`` names the offending message field, for example ``'step'``.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f'{field}: {problem}')
        self.field = field


class BundleError(AnymodalError):
    """A bundle folder is incomplete, oversized, inconsistent or tampered with."""


class BagError(AnymodalError):
    """A recording cannot be opened, read or written."""


class WriteError(AnymodalError):
    """An output cannot be written: the disk is full, the place is taken or not allowed."""


class MissingDependencyError(AnymodalError):
    """An optional library is needed for what was asked. The message says how to install it."""
