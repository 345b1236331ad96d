# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The street and its traffic."""

import numpy as np
import pytest

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.labels import load_label_space
from anymodal_seg_ros.sim.mesh import MeshBuilder, merge
from anymodal_seg_ros.sim.scene import Caster
from anymodal_seg_ros.sim.street import STREET_KINDS, CenterLine, Street
from anymodal_seg_ros.sim.surfaces import Surface
from anymodal_seg_ros.sim.traffic import Traffic

SPACE = load_label_space('deliver')


@pytest.mark.parametrize('kind', STREET_KINDS)
def test_a_street_is_whole_and_repeatable(kind):
    first, second = Street(5, kind, 150.0), Street(5, kind, 150.0)
    mesh = first.mesh
    assert mesh.vertices.tobytes() == second.mesh.vertices.tobytes()
    assert mesh.triangles.max() == len(mesh.vertices) - 1
    assert len(mesh.label) == len(mesh.texture) == len(mesh.optics) == len(mesh.triangles)
    assert np.isfinite(mesh.vertices).all()
    assert mesh.label.max() < SPACE.num_classes
    assert len(np.unique(mesh.label)) >= 15


def test_the_line_has_unit_speed_and_offsets_to_the_left():
    line = CenterLine(200.0, 'curve', np.random.default_rng(1))
    poses = np.array([line.pose(s) for s in np.arange(0, 200, 1.0)])
    assert np.hypot(*np.diff(poses[:, :2], axis=0).T) == pytest.approx(1.0, abs=1e-6)
    assert np.abs(np.diff(poses[:, 2])).max() > 0.005
    x, y, heading = line.pose(80.0)
    left_x, left_y, _ = line.pose(80.0, 2.0)
    assert (left_x - x, left_y - y) == pytest.approx((-2 * np.sin(heading), 2 * np.cos(heading)))
    ahead, end = np.array(line.pose(210.0)), np.array(line.pose(200.0))
    assert np.hypot(*(ahead - end)[:2]) == pytest.approx(10.0)


def test_the_ego_lane_is_free_of_standing_things():
    for seed in range(6):
        street = Street(seed, STREET_KINDS[seed % 3], 200.0)
        caster = Caster(street.mesh, SPACE.id_of('Sky'))
        for s in range(0, 190, 2):
            x, y, heading = street.line.pose(float(s), street.ego_y_m)
            ahead = np.array([[np.cos(heading), np.sin(heading), 0.0]], np.float32)
            hits = caster.cast([x, y, 1.2], ahead)
            assert hits.distance[0] > 2.0


def test_traffic_moves_and_stays_around_the_ego_vehicle():
    traffic = Traffic(Street(2, 'straight', 400.0), 2, 8.0)
    assert len(traffic.actors) > 20
    for actor in traffic.actors:
        before, after = actor.ahead_m(3.0, 8.0), actor.ahead_m(3.5, 8.0)
        moved = after - before
        expected = 0.5 * (actor.speed_m_s - 8.0)
        assert moved == pytest.approx(expected) or abs(moved - expected) == pytest.approx(125.0)
        assert -30.0 <= before < 95.0


def test_rays_meet_the_nearer_of_standing_and_moving_things():
    def wall(surface, x):
        builder = MeshBuilder()
        builder.box(surface, (x, 0, 0), (1.0, 4.0, 4.0))
        return builder.build()

    caster = Caster(wall('wall', 10.5), SPACE.id_of('Sky'))
    rays = np.array([[1, 0, 0], [-1, 0, 0]], np.float32)

    def met():
        hits = caster.cast([0, 0, 0], rays)
        names = [SPACE.class_names[i] for i in hits.label[hits.triangle]]
        return np.round(hits.distance, 4).tolist(), names

    assert met() == ([10.0, np.inf], ['Wall', 'Sky'])
    caster.set_moving(wall('car', 5.5))
    assert met() == ([5.0, np.inf], ['Cars', 'Sky'])
    caster.set_moving(merge([wall('car', 20.5), wall('bus', -7.5)]))
    assert met() == ([10.0, 7.0], ['Wall', 'Bus'])
    caster.set_moving(None)
    assert met() == ([10.0, np.inf], ['Wall', 'Sky'])
    assert caster.cast([0, 0, 0], rays).normal[0] == pytest.approx([-1.0, 0.0, 0.0])


def test_wrong_values_are_refused():
    with pytest.raises(ConfigError, match='straight, curve, crossing'):
        Street(0, 'spiral', 100.0)
    with pytest.raises(ConfigError, match='60 to 20000'):
        Street(0, 'curve', 10.0)
    with pytest.raises(ConfigError, match='reflectivity is 2'):
        Surface(class_name='Road', color=(0, 0, 0), reflectivity=2)
