# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The Fast DDS profile: camera-sized best-effort images arrive, all of them."""

import xml.etree.ElementTree as ET

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from anymodal_seg_ros.resources import resource_path

NUM_IMAGES = 30
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


def test_images_between_processes_are_not_lost(start_node, probe, tmp_path):
    """From the first that is heard on: what was sent while they got connected does not count."""
    (tmp_path / 'examples').mkdir()
    (tmp_path / 'examples' / 'talker.py').write_text(TALKER)
    qos = QoSProfile(depth=NUM_IMAGES, reliability=ReliabilityPolicy.BEST_EFFORT,
                     durability=DurabilityPolicy.VOLATILE)
    images = probe.subscribe(Image, 'image', qos)
    start_node('examples.talker')
    probe.spin_until(lambda: len(images) >= NUM_IMAGES)
    numbers = [int(image.header.frame_id) for image in images]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert all(len(image.data) == 512 * 512 * 3 for image in images)
