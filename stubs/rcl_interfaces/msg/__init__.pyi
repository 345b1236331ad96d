# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
# Written by scripts/message_stubs.py.

from typing import ClassVar

class FloatingPointRange:
    from_value: float
    to_value: float
    step: float
    def __init__(
        self,
        *,
        from_value: float = ...,
        to_value: float = ...,
        step: float = ...,
    ) -> None: ...


class IntegerRange:
    from_value: int
    to_value: int
    step: int
    def __init__(
        self,
        *,
        from_value: int = ...,
        to_value: int = ...,
        step: int = ...,
    ) -> None: ...


class ParameterDescriptor:
    READ_ONLY__DEFAULT: ClassVar[bool]
    DYNAMIC_TYPING__DEFAULT: ClassVar[bool]
    name: str
    type: int
    description: str
    additional_constraints: str
    read_only: bool
    dynamic_typing: bool
    floating_point_range: list[FloatingPointRange]
    integer_range: list[IntegerRange]
    def __init__(
        self,
        *,
        name: str = ...,
        type: int = ...,
        description: str = ...,
        additional_constraints: str = ...,
        read_only: bool = ...,
        dynamic_typing: bool = ...,
        floating_point_range: list[FloatingPointRange] = ...,
        integer_range: list[IntegerRange] = ...,
    ) -> None: ...


class SetParametersResult:
    successful: bool
    reason: str
    def __init__(
        self,
        *,
        successful: bool = ...,
        reason: str = ...,
    ) -> None: ...
