# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The Fast DDS profile: camera-sized best-effort images arrive, all of them."""

import xml.etree.ElementTree as ET
from types import SimpleNamespace

import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from anymodal_seg_ros.resources import resource_path
from anymodal_seg_ros.ros import shared_memory

NUM_IMAGES = 30
WITHOUT = 'Fast DDS did not get its shared memory'
# 768 KiB each, more than the built-in shared-memory segment of Fast DDS holds.
TALKER = '''
import array, sys
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from anymodal_seg_ros.ros.lifetime import OwningNode, run_node


class Talker(OwningNode):
    """Images whose frames are named 0, 1, 2, ..."""

    def __init__(self):
        super().__init__('talker')
        self.publisher = self.create_publisher(Image, 'image', qos_profile_sensor_data)
        self.sent = 0
        self.data = array.array('B', bytes(512 * 512 * 3))
        self.create_timer(0.1, self.send)

    def send(self):
        image = Image(height=512, width=512, encoding='rgb8', step=1536, data=self.data)
        image.header.frame_id = str(self.sent)
        self.sent += 1
        self.publisher.publish(image)


sys.exit(run_node(Talker))
'''


def test_the_profile_asks_for_what_it_says():
    names = {'d': 'http://www.eprosima.com'}
    root = ET.parse(resource_path('config') / 'fastdds_shm.xml').getroot()
    shm = root.find('.//d:transport_descriptor[d:type="SHM"]', names)
    assert int(shm.find('d:segment_size', names).text) == 64 * 2**20
    assert int(shm.find('d:maxMessageSize', names).text) == 16 * 2**20
    participant = root.find('.//d:participant', names)
    assert participant.get('is_default_profile') == 'true'
    assert participant.find('.//d:useBuiltinTransports', names).text == 'false'
    used = [x.text for x in participant.findall('.//d:userTransports/d:transport_id', names)]
    declared = [x.text for x in root.findall('.//d:transport_descriptor/d:transport_id', names)]
    assert used == declared


@pytest.mark.slow
@pytest.mark.alone
def test_images_between_processes_are_not_lost(start_node, probe, tmp_path):
    """From the first that is heard on: what was sent while they got connected does not count."""
    (tmp_path / 'examples').mkdir()
    (tmp_path / 'examples' / 'talker.py').write_text(TALKER)
    qos = QoSProfile(depth=NUM_IMAGES, reliability=ReliabilityPolicy.BEST_EFFORT,
                     durability=DurabilityPolicy.VOLATILE)
    images = probe.subscribe(Image, 'image', qos)
    talker = start_node('examples.talker')
    probe.spin_until(lambda: len(images) >= NUM_IMAGES)
    assert WITHOUT not in talker.output
    numbers = [int(image.header.frame_id) for image in images]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert all(len(image.data) == 512 * 512 * 3 for image in images)


@pytest.fixture()
def machine(monkeypatch, tmp_path):
    """One on which Fast DDS, with a profile, has mapped what ``mapped`` says."""
    def of(mapped, profile='/opt/fastdds_shm.xml', middleware='rmw_fastrtps_cpp'):
        library = '7f0000-7f1000 r--p 00000000 08:01 1   /usr/lib/libc.so.6\n'
        (tmp_path / 'maps').write_text(library + mapped)
        monkeypatch.setattr(shared_memory, 'MAPPED_FILES', tmp_path / 'maps')
        monkeypatch.setenv('FASTDDS_DEFAULT_PROFILES_FILE', profile)
        monkeypatch.delenv('FASTRTPS_DEFAULT_PROFILES_FILE', raising=False)
        monkeypatch.setattr(
            shared_memory, 'get_rmw_implementation_identifier', lambda: middleware)
        monkeypatch.setattr(shared_memory.shutil, 'disk_usage', lambda path: SimpleNamespace(
            total=67_108_864, used=67_000_000, free=108_864))
        return shared_memory.shared_memory_problem()
    return of


SEGMENT = ' rw-s 00000000 00:18 9   /dev/shm/fastdds_0128f7ce4d2c6ae0\n'


def test_a_machine_with_too_little_shared_memory_is_named(machine):
    words = 'lost: /dev/shm has 0 of 67 MB free, and each process wants 67'
    assert words in machine('')
    # What Fast DDS takes without a profile, beside the large one that it did not get.
    assert words in machine(f'7f6000000000-7f6000080000{SEGMENT}')
    assert not machine(f'7f6000000000-7f6004000000{SEGMENT}7f7000000000-7f7000080000{SEGMENT}')


def test_with_another_profile_or_middleware_nothing_is_said(machine):
    assert not machine('', profile='')
    assert not machine('', profile='/opt/mine.xml')
    assert not machine('', middleware='rmw_cyclonedds_cpp')


def test_a_process_that_talks_by_fast_dds_has_its_shared_memory_mapped(probe):
    """So that what the two tests above look for is what there is."""
    assert not shared_memory.shared_memory_problem()
    assert '/dev/shm/fastdds_' in shared_memory.MAPPED_FILES.read_text()
