# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one package definition, for colcon and for pip."""

from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = 'anymodal_seg_ros'
ROOT = Path(__file__).parent
REPORT = ['matplotlib>=3.8,<4', 'Jinja2>=3']
"""Draws the reports of training and of the demo."""
CLIP = ['transformers>=4.44', 'peft>=0.18,<1']
"""MA-CLIP, which steers SegRGB-X."""


def data_files() -> list[tuple[str, list[str]]]:
    """The resource marker and every file under config, launch, rviz and bundles."""
    found = [
        ('share/ament_index/resource_index/packages', [f'resource/{PACKAGE}']),
        (f'share/{PACKAGE}', ['package.xml']),
    ]
    for folder in ('config', 'launch', 'rviz', 'bundles'):
        directories = [ROOT / folder, *(ROOT / folder).rglob('*')]
        for directory in sorted(path for path in directories if path.is_dir()):
            files = sorted(
                str(path.relative_to(ROOT))
                for path in directory.iterdir()
                if path.is_file() and path.suffix != '.pyc'
            )
            if files:
                found.append((f'share/{PACKAGE}/{directory.relative_to(ROOT)}', files))
    return found


setup(
    name=PACKAGE,
    version='0.1.0',
    description='Semantic segmentation for vehicles that must keep seeing when sensors fail',
    license='Apache-2.0',
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*']),
    package_data={PACKAGE: ['py.typed', 'pages/*.html', 'pages/*.css', 'demo/*.html']},
    data_files=data_files(),
    python_requires='>=3.10',
    zip_safe=True,
    install_requires=[
        'setuptools',
        'numpy>=1.26',
        'opencv-python-headless>=4.8,<5',
        'PyYAML>=6',
        'rosbags>=0.11,<0.12',
        'apsw',
        'lz4>=4',
        "backports.zstd>=1; python_version < '3.14'",
        'safetensors>=0.4.3',
        'tqdm>=4.60',
    ],
    extras_require={
        'torch': ['torch>=2.4,<3'],
        'ros': [
            'ros-rclpy[fastrtps]',
            'ros-kilted-diagnostic-msgs',
            'ros-kilted-geometry-msgs',
            'ros-kilted-rosgraph-msgs',
            'ros-kilted-sensor-msgs',
            'ros-kilted-std-msgs',
        ],
        'sim': ["open3d-cpu>=0.19; platform_machine == 'x86_64'",
                "open3d>=0.19; platform_machine != 'x86_64'"],
        'report': REPORT,
        'clip': CLIP,
        'train': ['torch>=2.4,<3', 'lightning-fabric>=2.3', 'tensorboardX>=2.6', *REPORT],
        'test': [
            'hypothesis>=6',
            'mypy>=1.11',
            'pytest>=7.4,<8',
            'pytest-timeout>=2',
            'pytest-xdist>=3.5',
            'ruff>=0.6',
            'types-PyYAML',
            *CLIP,
        ],
    },
    entry_points={
        'console_scripts': [
            f'segmentation_node = {PACKAGE}.commands:segmentation_node',
            f'fault_injector_node = {PACKAGE}.commands:fault_injector_node',
            f'bag_player_node = {PACKAGE}.commands:bag_player_node',
            f'bag_recorder_node = {PACKAGE}.commands:bag_recorder_node',
            f'segment_bag = {PACKAGE}.commands:segment_bag',
            f'simulate_street = {PACKAGE}.commands:simulate_street',
        ],
    },
)
