# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The simulated street: four sensors and the truth, from a seed. Simulation layer, Open3D."""

from anymodal_seg_ros.sim.dataset import DatasetConfig, write_deliver_dataset
from anymodal_seg_ros.sim.failures import FAILURES
from anymodal_seg_ros.sim.parallel import parallel_outputs
from anymodal_seg_ros.sim.recording import write_bag
from anymodal_seg_ros.sim.simulator import SimConfig, SimOutput, Simulator
from anymodal_seg_ros.sim.street import STREET_KINDS, Street
from anymodal_seg_ros.sim.weather import WEATHERS

__all__ = [
    'FAILURES',
    'STREET_KINDS',
    'WEATHERS',
    'DatasetConfig',
    'SimConfig',
    'SimOutput',
    'Simulator',
    'Street',
    'parallel_outputs',
    'write_bag',
    'write_deliver_dataset',
]
