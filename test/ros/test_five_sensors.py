# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A simulated vehicle with a thermal camera, over real topics: player, injector and node."""

from dataclasses import replace
from types import MappingProxyType

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from ros_streams.fault_run import values_of
from ros_streams.tiny_bundle import write_tiny_bundle
from sensor_msgs.msg import Image

from anymodal_seg_ros.bags import TOPICS, BagWriter, events_message, read_bag
from anymodal_seg_ros.bags.faults import cdr_stamp_ns, with_cdr_stamp
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.sim import drive_bag, simulator
from anymodal_seg_ros.sim.simulator import SimConfig
from anymodal_seg_ros.sim.vehicle import ALL_SENSORS, load_sensors

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(300)]

SIZE_PX = 64
LAP_S = 1.5
LAPS = 80
"""More than any test drives: where a recording begins anew, all is forgotten."""
SMALLER = {'lidar': {'beams': 16, 'azimuths': 128}, 'thermal': {'width_px': 80, 'height_px': 64}}


@pytest.fixture(scope='module')
def drive(tmp_path_factory):
    """2 minutes of five sensors: 1.5 s of a street, again and again."""
    folder = tmp_path_factory.mktemp('drive')
    sensors = {name: replace(spec, options=MappingProxyType(
        {**spec.options, **SMALLER.get(name, {})})) for name, spec in load_sensors().items()}
    with pytest.MonkeyPatch.context() as patch:
        for module in (drive_bag, simulator):
            patch.setattr(module, 'load_sensors', lambda: sensors)
        drive_bag.write_bag(folder / 'lap', SimConfig(
            seed=5, sensors=ALL_SENSORS, width_px=SIZE_PX, height_px=SIZE_PX,
            event_width_px=SIZE_PX, event_height_px=SIZE_PX, duration_s=LAP_S))
    with BagWriter(folder / 'drive') as bag:
        lap = list(read_bag(folder / 'lap'))
        for number in range(LAPS):
            shift_ns = round(number * LAP_S * 1e9)
            for one in lap[1:] if number else lap:
                stamp_ns = cdr_stamp_ns(one.cdr) + shift_ns
                if one.topic == TOPICS['event']:
                    message = one.message()
                    events = MODALITIES['event'].decode(message)
                    events['t_ns'] += shift_ns
                    bag.write(one.topic, events_message(stamp_ns, message.header.frame_id, events),
                              one.recorded_ns + shift_ns)
                elif one.topic == '/tf_static':
                    bag.write_cdr(one.topic, one.msgtype, one.cdr, one.recorded_ns)
                else:
                    bag.write_cdr(one.topic, one.msgtype, with_cdr_stamp(one.cdr, stamp_ns),
                                  one.recorded_ns + shift_ns)
    return folder / 'drive'


class Vehicle:
    """The node behind the injector, behind the player; what it said so far."""

    def __init__(self, start_node, probe, drive, bundle):
        self.probe = probe
        self.labels = probe.subscribe(Image, '/anymodal_seg/label', qos=100)
        self.fusion = probe.subscribe(DiagnosticArray, '/anymodal_seg/fusion_info', qos=100)
        self.diagnostics = probe.subscribe(DiagnosticArray, '/diagnostics', qos=100)
        self.node = start_node('segmentation_node', params={
            'use_sim_time': True, 'bundle': str(bundle), 'extrinsics_bag': str(drive),
            'model.num_threads': 1, 'model.warm_up': False})
        self.injector = start_node('fault_injector_node', params={'use_sim_time': True})
        probe.spin_until(lambda: 'ready' in self.node.output, 150.0, self.node.output)
        start_node('bag_player_node', params={
            'bag': str(drive), 'rate': 0.5, 'wait_for_subscribers_s': 60.0,
            'exclude_topics': ['/ground_truth/label']},
            remaps={topic: f'/raw{topic}' for topic in TOPICS.values()})

    def until(self, predicate):
        self.probe.spin_until(predicate, what=self.node.output)

    @property
    def states(self):
        """Sensor to its newest (state, reason)."""
        found = {}
        for message in self.diagnostics:
            for status in message.status:
                values = values_of(status)
                if 'modality' in values:
                    found[values['modality']] = values['state'], values['reason']
        return found

    def is_well(self, *sensors):
        states = self.states
        return all(states.get(name) == ('ok', '') for name in sensors)

    def set_fault(self, **faults):
        results = self.probe.set_parameters('fault_injector', {
            f'live.{name}.fault': fault for name, fault in faults.items()})
        assert all(result.successful for result in results), results

    def until_made_of(self, *, count=3, with_all=(), without=()):
        """Until the newest label images, all published from now on, have these sensors in them and
        not those."""
        labels, begin = len(self.labels), len(self.fusion)

        def is_so():
            return (len(self.labels) >= labels + count and len(self.fusion) >= begin + count
                    and all(used and used >= set(with_all) and not used & set(without)
                            for used in map(used_in, self.fusion[-count:])))

        self.until(is_so)


def used_in(message):
    """The sensors that a label image is made of."""
    return {status.name for status in message.status
            if values_of(status).get('used') == 'true'}


def test_a_thermal_camera_s_faults_are_noticed_and_label_images_go_on(
        start_node, probe, drive, tmp_path):
    bundle = write_tiny_bundle(tmp_path / 'bundle', modalities=ALL_SENSORS)
    vehicle = Vehicle(start_node, probe, drive, bundle)
    vehicle.until(lambda: vehicle.is_well(*ALL_SENSORS))
    vehicle.until_made_of(count=1, with_all=ALL_SENSORS)
    for fault, state in (('drop', ('lost', 'timeout')), ('freeze', ('degraded', 'image_frozen')),
                         ('black', ('degraded', 'image_black'))):
        vehicle.set_fault(thermal=fault)
        vehicle.until(lambda state=state: vehicle.states['thermal'] == state)
        vehicle.until_made_of(without=['thermal'])
        vehicle.set_fault(thermal='')
        vehicle.until(lambda: vehicle.is_well(*ALL_SENSORS))
        vehicle.until_made_of(count=1, with_all=ALL_SENSORS)
    told = {values_of(status)['modality']: values_of(status)
            for message in vehicle.diagnostics for status in message.status
            if 'modality' in values_of(status)}
    assert told['thermal']['extrinsic_source'] == 'recording'
    vehicle.node.stop()


def test_equiseg_drives_on_while_its_sensors_fail(start_node, probe, drive, tmp_path):
    bundle = write_tiny_bundle(tmp_path / 'bundle', modalities=ALL_SENSORS, model='equiseg',
                               settings={'profile': 'lite'})
    vehicle = Vehicle(start_node, probe, drive, bundle)
    vehicle.until(lambda: vehicle.is_well(*ALL_SENSORS))
    vehicle.until_made_of(count=1, with_all=ALL_SENSORS)
    faults = {'rgb': 'black', 'lidar': 'drop', 'thermal': 'freeze', 'event': 'drop'}
    for number, (name, fault) in enumerate(faults.items(), 1):
        vehicle.set_fault(**{name: fault})
        vehicle.until(lambda name=name: vehicle.states[name][0] in ('degraded', 'lost'))
        vehicle.until_made_of(without=list(faults)[:number])
    vehicle.set_fault(**dict.fromkeys(faults, ''))
    vehicle.until(lambda: vehicle.is_well(*ALL_SENSORS))
    vehicle.until_made_of(count=1, with_all=ALL_SENSORS)
    assert (vehicle.labels[-1].height, vehicle.labels[-1].width) == (SIZE_PX, SIZE_PX)
    vehicle.node.stop()
