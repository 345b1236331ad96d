# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two training frames and one of every other split of each data set, in its exact layout.

Values are random but repeatable. Images are 8 x 12 pixels unless the layout fixes the width.
"""

import json

import cv2
import numpy as np
import pytest

from anymodal_seg_ros.modalities import MODALITIES

SIZE_HW = (8, 12)


def write_image(path, image):
    """As cv2 writes it: blue first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


def write_array(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == '.npz':
        np.savez_compressed(path, array)
    else:
        np.save(path, array)


def color(rng, size_hw=SIZE_HW):
    return rng.integers(1, 255, (*size_hw, 3), np.uint8)


def stored_labels(rng, highest, size_hw=SIZE_HW):
    labels = rng.integers(1, highest + 1, size_hw).astype(np.uint8)
    labels[0, :2] = 0, 255
    return labels


def frames_of(splits, conditions=('',)):
    """(split, condition, number) of two training frames and one of each other split; a number is
    the same in every split and condition, as the released files' are."""
    for split in splits:
        for number in range(2 if split == 'train' else 1):
            yield split, conditions[number % len(conditions)], 0 if conditions[0] else number


def write_deliver(root, rng):
    for split, condition, number in frames_of(('train', 'val', 'test'), ('fog', 'night')):
        scene = 'MAP_1_point2' if condition == 'fog' else 'MAP_1_point2_motionblur'
        for folder, suffix in (('img', 'rgb'), ('hha', 'depth'), ('lidar', 'lidar'),
                               ('event', 'event')):
            write_image(root / folder / condition / split / scene
                        / f'{number:06d}_{suffix}_front.png', color(rng))
        labels = np.zeros((*SIZE_HW, 4), np.uint8)
        labels[:, :, 2] = stored_labels(rng, 25)
        write_image(root / 'semantic' / condition / split / scene
                    / f'{number:06d}_semantic_front.png', labels)


def write_muses(root, rng):
    for split, time, number in frames_of(('train', 'val', 'test'), ('fog/day', 'fog/night')):
        name = f'{split}/{time}/REC{number:04d}_frame_000123'
        write_image(root / f'frame_camera/{name}_frame_camera.png', color(rng))
        projected = root / 'projected_to_rgb'
        counts = rng.integers(0, 6, (*SIZE_HW, 3)).astype(np.uint8)
        counts[:, :, 2] = 0
        write_image(projected / f'event_camera/{name}_event_camera.png', counts)
        for sensor in ('lidar', 'radar'):
            values = np.zeros((*SIZE_HW, 3), np.float32)
            values[2:6] = rng.uniform((1, 0, -3), (60, 255, 10), (4, SIZE_HW[1], 3))
            write_image(projected / sensor / f'{name}_{sensor}.png',
                        ((values + 100) * 150).astype(np.uint16))
        if split != 'test':
            labels = rng.integers(0, 19, SIZE_HW).astype(np.uint8)
            labels[0] = 255
            write_image(root / f'gt_semantic/{name}_gt_labelTrainIds.png', labels)


def write_mcubes(root, rng):
    size_hw = (8, 192 + 12)
    names = {split: [] for split in ('train', 'val', 'test')}
    for split, _, number in frames_of(tuple(names)):
        name = f'{split}_outscene{number:02d}'
        names[split].append(name)
        write_image(root / f'polL_color/{name}.png',
                    rng.integers(0, 65536, (*size_hw, 3)).astype(np.uint16))
        write_image(root / f'NIR_warped/{name}.png', rng.integers(0, 256, size_hw, np.uint8))
        for folder in ('polL_aolp_sin', 'polL_aolp_cos', 'polL_dolp'):
            write_array(root / folder / f'{name}.npy',
                        rng.uniform(-1.5, 1.5, size_hw).astype(np.float32))
        write_image(root / f'GT/{name}.png', rng.integers(0, 20, size_hw).astype(np.uint8))
    (root / 'list_folder').mkdir()
    for split, listed in names.items():
        (root / f'list_folder/{split}.txt').write_text('\n'.join(listed) + '\n')


def write_mfnet(root, rng):
    names = {'train': ['00001D', '00002N'], 'val': ['00003D'], 'test': ['00004N']}
    for split, listed in names.items():
        (root / f'{split}.txt').write_text('\n'.join([*listed, f'{listed[0]}_flip']) + '\n')
        for name in listed:
            write_image(root / f'images/{name}.png',
                        rng.integers(0, 256, (*SIZE_HW, 4), np.uint8))
            write_image(root / f'labels/{name}.png',
                        rng.integers(0, 9, SIZE_HW).astype(np.uint8))


def write_nyuv2(root, rng):
    names = {'train': ['0', '1'], 'test': ['2']}
    for split, listed in names.items():
        (root / f'{split}.txt').write_text('\n'.join(listed) + '\n')
        for name in listed:
            for folder in ('RGB', 'HHA'):
                write_image(root / folder / f'{name}.jpg', color(rng))
            write_image(root / f'Label/{name}.png', stored_labels(rng, 40))


def write_zju_rgbp(root, rng):
    for split, _, number in frames_of(('train', 'val')):
        name = f'20200101_{number}'
        for angle in (0, 45, 90, 135):
            write_image(root / split / str(angle) / f'{name}_{angle}.png', color(rng))
        write_image(root / split / f'{split}_label' / f'{name}.png', stored_labels(rng, 8))


PALETTE = [(168, 198, 168), (198, 0, 0), (202, 154, 198), (0, 0, 0), (100, 198, 198),
           (198, 100, 0), (52, 42, 198), (154, 52, 192), (198, 0, 168), (0, 198, 0),
           (198, 186, 90), (108, 107, 161), (156, 200, 26), (158, 179, 202)]


def write_urbanlf(root, rng):
    """The training scenes are real, the others synthetic."""
    for split, _, number in frames_of(('train', 'val', 'test')):
        scene = root / split / f'Image{number}'
        for view in ('5_5', '1_1', '5_6'):
            write_image(scene / f'{view}.png', color(rng))
        if split == 'train':
            ids = rng.integers(0, 14, SIZE_HW)
            write_image(scene / 'label.png', np.array(PALETTE, np.uint8)[ids][..., ::-1])
        else:
            write_array(scene / '5_5_label.npy', stored_labels(rng, 14))


def write_kitti360(root, rng):
    lists = {'train': [], 'val': []}
    for split, _, number in frames_of(tuple(lists)):
        drive = f'2013_05_28_drive_000{len(split)}_sync'
        frame = f'{number:010d}'
        lists[split].append(f'data_2d_raw/{drive}/image_00/data_rect/{frame}.png other/{frame}')
        rect = f'{drive}/image_00/data_rect'
        write_image(root / f'data_2d_raw/{rect}/{frame}.png', color(rng))
        write_image(root / f'data_2d_hha/{rect}/{frame}.png', color(rng))
        lidar = np.full((*SIZE_HW, 3), 255, np.uint8)
        lidar[3] = color(rng, (1, SIZE_HW[1]))[0]
        write_image(root / f'data_2d_lidar/{rect}/{frame}_color.png', lidar)
        write_image(root / f'data_2d_event/{drive}/{frame}_event_image.png', color(rng))
        write_image(root / f'data_2d_semantics/train/{drive}/image_00/semantic/{frame}.png',
                    rng.integers(0, 45, SIZE_HW).astype(np.uint8))
    for split, lines in lists.items():
        (root / f'{split}.txt').write_text('\n'.join(lines) + '\n')


def write_recorded(root, rng):
    recordings = {}
    for split in ('train', 'val', 'test'):
        lines = []
        recordings[f'drive_{split}'] = {'split': split, 'condition': 'sun'}
        for number in range(2 if split == 'train' else 1):
            for name in MODALITIES:
                write_image(root / f'drive_{split}/{name}/{number:06d}.png', color(rng))
            write_image(root / f'drive_{split}/label/{number:06d}.png',
                        rng.integers(0, 25, SIZE_HW).astype(np.uint8))
            lines.append(json.dumps({
                'id': f'drive_{split}/{number:06d}', 'label': {},
                'members': {name: {} for name in MODALITIES}}))
        (root / f'drive_{split}/frames.jsonl').write_text('\n'.join(lines) + '\n')
    classes = [{'id': i, 'name': f'class {i}', 'color': [i, i, i]} for i in range(25)]
    (root / 'dataset.json').write_text(json.dumps({
        'layout': 'recorded', 'format_version': 1, 'recordings': recordings,
        'modalities': list(MODALITIES),
        'label_space': {'name': 'deliver', 'classes': classes}}))


WRITERS = {
    'deliver': write_deliver, 'muses': write_muses, 'mcubes': write_mcubes, 'mfnet': write_mfnet,
    'nyuv2': write_nyuv2, 'zju_rgbp': write_zju_rgbp, 'urbanlf': write_urbanlf,
    'kitti360': write_kitti360, 'recorded': write_recorded,
}


@pytest.fixture(scope='session')
def write_dataset():
    """Writes the data set of a row of ``DATASETS`` into a new folder."""

    def write(name, root):
        root.mkdir(parents=True)
        WRITERS[name](root, np.random.default_rng(0))
        return root

    return write


@pytest.fixture
def root_of(write_dataset, tmp_path):
    """A fresh copy of the data set of a row. The path has every token that paths are parsed by."""
    return lambda name: write_dataset(name, tmp_path / 'sunset_img_rgb' / 'train' / name)


@pytest.fixture(name='write_array')
def write_array_fixture():
    return write_array
