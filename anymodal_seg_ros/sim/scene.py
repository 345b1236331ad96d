# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ray casting into the street: what a ray meets, and what that is made of. Simulation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.errors import MissingDependencyError
from anymodal_seg_ros.sim.mesh import Mesh

Float32Array = npt.NDArray[np.float32]
_SUM = np.ones((1, 3), np.float32)


def _open3d() -> Any:  # noqa: ANN401 - a module
    try:
        import open3d
    except ImportError as error:
        if isinstance(error.__cause__, KeyboardInterrupt):
            # So a compiled module answers a signal that falls into its initialization.
            raise KeyboardInterrupt from None
        raise MissingDependencyError(
            f'the simulated street needs Open3D ({error}); install it with: '
            'pip install open3d-cpu (Linux) or open3d') from None
    return open3d


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Hits:
    """What N rays met; ``origin`` + ``distance`` * ``direction``."""

    origin: Float32Array
    """[3]"""
    direction: Float32Array
    """[N, 3], not necessarily of unit length."""
    distance: Float32Array
    """[N] in lengths of ``direction``; inf where the ray meets nothing."""
    normal: Float32Array
    """[N, 3] unit, towards the sensor; zero where nothing was met."""
    triangle: npt.NDArray[np.int32]
    """[N] row of the material tables; the last row is the sky."""
    label: npt.NDArray[np.uint8]
    """[T + 1] class of each triangle."""
    texture: npt.NDArray[np.uint8]
    """[T + 1]"""
    optics: Float32Array
    """[T + 1, 5]: red, green, blue albedo, LiDAR reflectivity, emission."""
    surface: npt.NDArray[np.uint8]
    """[T + 1] rows of ``surfaces.SURFACES``; of the sky any."""
    num_static: int
    """Triangles from this one on belong to what moves."""


class Caster:
    """Casts rays into one mesh that stands still and one that changes."""

    def __init__(self, static: Mesh, sky_label: int, num_threads: int = 0) -> None:
        self._o3d = _open3d()
        self._threads = num_threads
        self._static = static
        self._static_scene = self._scene(static)
        self._sky_label = sky_label
        self._moving_scene: Any = None
        self._num_static = len(static.triangles)
        self._set_tables(None)

    def set_moving(self, moving: Mesh | None) -> None:
        """Replace the mesh that changes."""
        self._moving_scene = None if moving is None else self._scene(moving)
        self._set_tables(moving)

    def cast(self, origin: npt.NDArray[Any], direction: Float32Array) -> Hits:
        """Nearest hits of rays from one point [3] along ``direction`` [N, 3]."""
        rays = np.empty((len(direction), 6), np.float32)
        rays[:, :3] = origin
        rays[:, 3:] = direction
        tensor = self._o3d.core.Tensor.from_numpy(rays)
        found = self._static_scene.cast_rays(tensor, nthreads=self._threads)
        distance = found['t_hit'].numpy()
        triangle = found['primitive_ids'].numpy().view(np.int32)
        normal = found['primitive_normals'].numpy()
        if self._moving_scene is not None:
            moved = self._moving_scene.cast_rays(tensor, nthreads=self._threads)
            nearer = np.flatnonzero(moved['t_hit'].numpy() < distance)
            distance[nearer] = moved['t_hit'].numpy()[nearer]
            triangle[nearer] = (moved['primitive_ids'].numpy().view(np.int32)[nearer]
                                + np.int32(self._num_static))
            normal[nearer] = moved['primitive_normals'].numpy()[nearer]
        triangle[~np.isfinite(distance)] = len(self._label) - 1
        facing = cv2.transform(cv2.multiply(normal, direction)[:, None], _SUM).reshape(-1, 1)
        normal *= np.where(facing > 0, np.float32(-1), np.float32(1))
        return Hits(origin=rays[0, :3].copy(), direction=direction, distance=distance,
                    normal=normal, triangle=triangle, label=self._label, texture=self._texture,
                    optics=self._optics, surface=self._surface, num_static=self._num_static)

    def occluded(self, origins: Float32Array, direction: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Whether the static mesh is in the way from each origin [N, 3] along one direction."""
        rays = np.empty((len(origins), 6), np.float32)
        rays[:, :3] = origins
        rays[:, 3:] = direction
        tensor = self._o3d.core.Tensor(rays)
        blocked: npt.NDArray[Any] = self._static_scene.test_occlusions(
            tensor, nthreads=self._threads).numpy()
        return blocked

    def _scene(self, mesh: Mesh) -> Any:  # noqa: ANN401 - of Open3D, which has no types
        tensor = self._o3d.core.Tensor
        scene = self._o3d.t.geometry.RaycastingScene(nthreads=self._threads)
        scene.add_triangles(tensor(np.ascontiguousarray(mesh.vertices)),
                            tensor(np.ascontiguousarray(mesh.triangles)))
        return scene

    def _set_tables(self, moving: Mesh | None) -> None:
        meshes = [self._static] if moving is None else [self._static, moving]
        self._label = np.concatenate([m.label for m in meshes]
                                     + [np.array([self._sky_label], np.uint8)])
        self._texture = np.concatenate([m.texture for m in meshes] + [np.zeros(1, np.uint8)])
        self._optics = np.concatenate([m.optics for m in meshes]
                                      + [np.zeros((1, 5), np.float32)])
        self._surface = np.concatenate([m.surface for m in meshes] + [np.zeros(1, np.uint8)])
