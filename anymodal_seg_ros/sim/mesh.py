# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Triangle meshes whose triangles know their class and material, and the shapes they are built
from. Simulation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.labels import load_label_space
from anymodal_seg_ros.sim.surfaces import SURFACES

Float32Array = npt.NDArray[np.float32]
Color = tuple[float, float, float]
_ROWS = {name: row for row, name in enumerate(SURFACES)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mesh:
    """Triangles with what they are made of; metres, x forward, y left, z up."""

    vertices: Float32Array
    """[V, 3]"""
    triangles: npt.NDArray[np.uint32]
    """[T, 3] rows of ``vertices``."""
    label: npt.NDArray[np.uint8]
    """[T] class ids of the label space ``deliver``."""
    texture: npt.NDArray[np.uint8]
    """[T] values of ``surfaces.Texture``."""
    optics: Float32Array
    """[T, 5] linear red, green, blue albedo, LiDAR reflectivity, emission."""
    surface: npt.NDArray[np.uint8]
    """[T] rows of ``surfaces.SURFACES``."""

    def moved(self, x_m: float, y_m: float, yaw_rad: float) -> Mesh:
        """A copy turned about z, then put at (x, y)."""
        c, s = math.cos(yaw_rad), math.sin(yaw_rad)
        vertices = self.vertices @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]], np.float32)
        vertices += np.array([x_m, y_m, 0], np.float32)
        return replace(self, vertices=vertices)


def merge(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh of many, triangles in the order given."""
    offsets = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]]).astype(np.uint32)
    return Mesh(
        vertices=np.concatenate([mesh.vertices for mesh in meshes]),
        triangles=np.concatenate([m.triangles + o for m, o in zip(meshes, offsets, strict=True)]),
        label=np.concatenate([mesh.label for mesh in meshes]),
        texture=np.concatenate([mesh.texture for mesh in meshes]),
        optics=np.concatenate([mesh.optics for mesh in meshes]),
        surface=np.concatenate([mesh.surface for mesh in meshes]),
    )


@lru_cache(maxsize=1)
def _class_ids() -> dict[str, int]:
    space = load_label_space('deliver')
    return {name: space.id_of(name) for name in space.class_names}


class MeshBuilder:
    """Collects shapes; ``place`` sets where following shapes go."""

    def __init__(self) -> None:
        self._vertices: list[Float32Array] = []
        self._triangles: list[npt.NDArray[np.uint32]] = []
        self._looks: list[tuple[int, int, int, tuple[float, ...], int]] = []
        self._count = 0
        self._x, self._y, self._cos, self._sin = 0.0, 0.0, 1.0, 0.0

    def place(self, x_m: float, y_m: float, yaw_rad: float) -> None:
        """Following shapes are given in a frame at (x, y), turned by yaw."""
        self._x, self._y = x_m, y_m
        self._cos, self._sin = math.cos(yaw_rad), math.sin(yaw_rad)

    def add(self, surface: str, vertices: Float32Array, triangles: npt.NDArray[np.uint32],
            color: Color | None = None) -> None:
        """Add triangles [T, 3] over vertices [V, 3] of the current frame."""
        look = SURFACES[surface]
        moved = np.empty_like(vertices, dtype=np.float32)
        moved[:, 0] = self._x + self._cos * vertices[:, 0] - self._sin * vertices[:, 1]
        moved[:, 1] = self._y + self._sin * vertices[:, 0] + self._cos * vertices[:, 1]
        moved[:, 2] = vertices[:, 2]
        self._vertices.append(moved)
        self._triangles.append(triangles + np.uint32(self._count))
        self._count += len(vertices)
        optics = (*(color or look.color), look.reflectivity, look.emission)
        self._looks.append((len(triangles), _class_ids()[look.class_name], look.texture, optics,
                            _ROWS[surface]))

    def box(self, surface: str, center: Sequence[float], size: Sequence[float],
            color: Color | None = None, taper: float = 1.0, lean: float = 0.0) -> None:
        """A box; ``taper`` scales its top, ``lean`` moves its top forward."""
        vertices = _BOX * np.asarray(size, np.float32)
        top = vertices[:, 2] > 0
        vertices[top, :2] *= taper
        vertices[top, 0] += lean
        self.add(surface, vertices + np.asarray(center, np.float32), _BOX_TRIANGLES, color)

    def cylinder(self, surface: str, base: Sequence[float], radius: float, height: float,
                 color: Color | None = None, num_sides: int = 6, taper: float = 1.0) -> None:
        """An upright prism with a closed top; a cone for ``taper`` 0."""
        unit, triangles = _cylinder(num_sides)
        vertices = unit * np.array([radius, radius, height], np.float32)
        vertices[unit[:, 2] > 0, :2] *= taper
        self.add(surface, vertices + np.asarray(base, np.float32), triangles, color)

    def blob(self, surface: str, center: Sequence[float], radii: Sequence[float],
             rng: np.random.Generator | None = None, color: Color | None = None) -> None:
        """An ellipsoid of 80 triangles, rough when ``rng`` is given."""
        unit, triangles = _icosphere()
        vertices = unit * np.asarray(radii, np.float32)
        if rng is not None:
            vertices = vertices * rng.uniform(0.78, 1.15, (len(unit), 1)).astype(np.float32)
        self.add(surface, vertices + np.asarray(center, np.float32), triangles, color)

    def strip(self, surface: str, left: npt.NDArray[np.float64], right: npt.NDArray[np.float64],
              z_left: float, z_right: float, color: Color | None = None) -> None:
        """A ribbon between two polylines [N, 2] in the current frame at two heights."""
        n = len(left)
        vertices = np.empty((2 * n, 3), np.float32)
        vertices[:n, :2], vertices[:n, 2] = left, z_left
        vertices[n:, :2], vertices[n:, 2] = right, z_right
        i = np.arange(n - 1)
        quads = np.concatenate([np.stack([i, i + n, i + 1], 1),
                                np.stack([i + 1, i + n, i + n + 1], 1)])
        self.add(surface, vertices, quads.astype(np.uint32), color)

    def build(self) -> Mesh:
        """The mesh of all that was added."""
        counts = np.array([look[0] for look in self._looks])
        labels = np.array([look[1] for look in self._looks], np.uint8)
        textures = np.array([look[2] for look in self._looks], np.uint8)
        optics = np.array([look[3] for look in self._looks], np.float32)
        surfaces = np.array([look[4] for look in self._looks], np.uint8)
        return Mesh(
            vertices=np.concatenate(self._vertices), triangles=np.concatenate(self._triangles),
            label=np.repeat(labels, counts), texture=np.repeat(textures, counts),
            optics=np.repeat(optics, counts, axis=0), surface=np.repeat(surfaces, counts))


_BOX = np.array([[x, y, z] for x in (-.5, .5) for y in (-.5, .5) for z in (-.5, .5)], np.float32)
_BOX_TRIANGLES = np.array([
    [0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1],
    [2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]], np.uint32)


@lru_cache(maxsize=8)
def _cylinder(num_sides: int) -> tuple[Float32Array, npt.NDArray[np.uint32]]:
    angles = np.arange(num_sides) * (2 * np.pi / num_sides)
    ring = np.stack([np.cos(angles), np.sin(angles), np.zeros(num_sides)], 1)
    vertices = np.concatenate([ring, ring + np.array([0, 0, 1]), [[0, 0, 1]]]).astype(np.float32)
    i = np.arange(num_sides)
    j = (i + 1) % num_sides
    triangles = np.concatenate([
        np.stack([i, j, j + num_sides], 1), np.stack([i, j + num_sides, i + num_sides], 1),
        np.stack([i + num_sides, j + num_sides, np.full(num_sides, 2 * num_sides)], 1)])
    return vertices, triangles.astype(np.uint32)


@lru_cache(maxsize=1)
def _icosphere() -> tuple[Float32Array, npt.NDArray[np.uint32]]:
    """Unit icosahedron with each triangle cut in four."""
    g = (1 + math.sqrt(5)) / 2
    corners = [(-1, g, 0), (1, g, 0), (-1, -g, 0), (1, -g, 0), (0, -1, g), (0, 1, g),
               (0, -1, -g), (0, 1, -g), (g, 0, -1), (g, 0, 1), (-g, 0, -1), (-g, 0, 1)]
    vertices = [np.array(corner) / math.hypot(*corner) for corner in corners]
    faces = [(0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9), (5, 11, 4),
             (11, 10, 2), (10, 7, 6), (7, 1, 8), (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8),
             (3, 8, 9), (4, 9, 5), (2, 4, 11), (6, 2, 10), (8, 6, 7), (9, 8, 1)]
    middles: dict[tuple[int, int], int] = {}

    def middle(a: int, b: int) -> int:
        key = (min(a, b), max(a, b))
        if key not in middles:
            point = vertices[a] + vertices[b]
            vertices.append(point / np.linalg.norm(point))
            middles[key] = len(vertices) - 1
        return middles[key]

    cut = []
    for a, b, c in faces:
        ab, bc, ca = middle(a, b), middle(b, c), middle(c, a)
        cut += [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
    return np.array(vertices, np.float32), np.array(cut, np.uint32)
