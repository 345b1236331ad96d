# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Smooth functions over an image, computed at few pixels and interpolated. numpy only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Float64Array = npt.NDArray[np.float64]
PixelFunction = Callable[[Float64Array], Float64Array]
"""Takes pixels (u, v) float64 [N, 2] to values float64 [N, C], NaN where it has none."""

NUM_CELLS = 64
"""The image is cut into so many cells along each axis."""
_STENCIL = 4


class SmoothGrid:
    """``function`` at all pixels of ``columns`` [W] x ``rows`` [H], both ascending.

    It is computed at the corners of 64 x 64 cells, with cubic interpolation in between. Every
    cell is checked in its middle, where interpolation is at its worst. Where that differs by more
    than ``tolerance``, or some corners are NaN, all pixels of the cell and of those around it are
    computed one by one. Where only NaN is around, all is NaN.
    """

    def __init__(self, function: PixelFunction, columns: Float64Array, rows: Float64Array,
                 tolerance: float) -> None:
        self._function = function
        self._columns, self._rows = columns, rows
        self._is_small = columns.size * rows.size <= 2 * (NUM_CELLS + 1) ** 2
        if self._is_small:
            return
        across, down = _Axis(columns), _Axis(rows)
        corners = self._computed(across.corners, down.corners)
        is_nan = np.isnan(corners[0])
        corners[:, is_nan] = 0.0
        middles = self._computed(across.middles, down.middles)
        at_middles = _weights(np.arange(0.5, NUM_CELLS))
        error = np.abs(at_middles @ corners @ at_middles.T - middles).max(axis=0)
        num_nan = sliding_window_view(is_nan, (2, 2)).sum(axis=(2, 3))
        self._is_void = (num_nan == 4) & np.isnan(middles[0])
        is_rough = ((num_nan > 0) | ~(error <= tolerance)) & ~self._is_void
        near_rough = sliding_window_view(np.pad(is_rough, 1), (3, 3)).sum(axis=(2, 3))
        self._is_exact = near_rough > 0
        self._cells = down.cells, across.cells
        self._down = _weights(down.positions)
        self._across = corners @ _weights(across.positions).T

    def values(self, first_row: int, end_row: int) -> Float64Array:
        """float64 [C, end_row - first_row, W]"""
        rows = self._rows[first_row:end_row]
        if self._is_small:
            return self._computed(self._columns, rows)
        values: Float64Array = self._down[first_row:end_row] @ self._across
        cells = self._cells[0][first_row:end_row, None], self._cells[1]
        values[:, self._is_void[cells]] = np.nan
        row, column = np.nonzero(self._is_exact[cells])
        if row.size:
            pixels = np.stack([self._columns[column], rows[row]], axis=-1)
            values[:, row, column] = self._function(pixels).T
        return values

    def _computed(self, columns: Float64Array, rows: Float64Array) -> Float64Array:
        u, v = np.meshgrid(columns, rows)
        values = self._function(np.stack([u, v], axis=-1).reshape(-1, 2))
        return values.T.reshape(-1, rows.size, columns.size)


class _Axis:
    """Where pixels lie among the cells along one axis; positions count in cells."""

    def __init__(self, pixels: Float64Array) -> None:
        first, last = float(pixels[0]), float(pixels[-1])
        self.corners = np.linspace(first, last, NUM_CELLS + 1)
        self.middles = (self.corners[1:] + self.corners[:-1]) / 2.0
        self.positions = (pixels - first) * (NUM_CELLS / max(last - first, 1e-9))
        self.cells = np.minimum(self.positions.astype(np.intp), NUM_CELLS - 1)


def _weights(positions: Float64Array) -> Float64Array:
    """[N, NUM_CELLS + 1]: Lagrange's weights of the four corners around each position."""
    first = np.clip(positions.astype(np.intp) - 1, 0, NUM_CELLS + 1 - _STENCIL)
    distances = (positions - first)[:, None] - np.arange(_STENCIL)
    weights = np.zeros((positions.size, NUM_CELLS + 1))
    for corner in range(_STENCIL):
        others = [other for other in range(_STENCIL) if other != corner]
        scale = np.prod([corner - other for other in others])
        weights[np.arange(positions.size), first + corner] = (
            distances[:, others].prod(axis=1) / scale)
    return weights
