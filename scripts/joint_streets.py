# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two data sets with different labels from one of simulated streets, for ``streets_joint.yaml``.

    python scripts/joint_streets.py STREETS OUTPUT

OUTPUT/deliver links every other scene of the training split, and all of the others. OUTPUT/mfnet
has the rest in MFNet's layout: its nine classes, of which five occur, and a simulated thermal
camera, which sees a class's temperature, blurred and noisy, in light and in the dark alike.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from anymodal_seg_ros.labels import LabelSpace, load_label_space
from training.datasets import DeliverDataset, Frame, LabelMap

UInt8 = npt.NDArray[np.uint8]
SPLITS = ('train', 'val', 'test')
LABELS: dict[str, str | None] = {
    'Pedestrian': 'person', 'Cars': 'car', 'TwoWheeler': 'bike', 'GroundRail': 'guardrail',
    'Bus': None, 'Truck': None}
"""All others are 'unlabeled'; the data set does not say what buses and trucks are."""
WARMTH = {'Sky': 15, 'Water': 60, 'Vegetation': 80, 'Terrain': 90, 'Building': 105, 'Wall': 105,
          'Road': 120, 'RoadLine': 120, 'SideWalk': 115, 'TwoWheeler': 150, 'Cars': 165,
          'Bus': 170, 'Truck': 170, 'Pedestrian': 215}
"""Gray value of a class, 0 to 255; all others are as warm as the air."""
AIR, NOISE, BLUR_PX = 100, 12.0, 1.2


def main() -> None:
    """Writes both."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('streets', type=Path)
    parser.add_argument('output', type=Path)
    args = parser.parse_args()
    link_scenes(args.streets.resolve(), args.output / 'deliver')
    write_mfnet(args.streets, args.output / 'mfnet')


def is_of_deliver(frame_id: str) -> bool:
    """Whether a training scene is left to the data set in DELIVER's layout."""
    scene = Path(frame_id).parent.name
    return int(scene.split('point')[1].split('_')[0]) // 5 % 2 == 0


def link_scenes(streets: Path, output: Path) -> None:
    """Every other scene of the training split and all others, as links."""
    output.mkdir(parents=True)
    (output / 'dataset.json').symlink_to(streets / 'dataset.json')
    for folder in streets.iterdir():
        for scene in folder.glob('*/*/*/'):
            if scene.parent.name != 'train' or is_of_deliver(f'{scene.name}/frame'):
                link = output / scene.relative_to(streets)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(scene)


def write_mfnet(streets: Path, output: Path) -> None:
    """The other scenes of the training split, and all of the others."""
    for folder in ('rgb', 'ther', 'labels'):
        (output / folder).mkdir(parents=True)
    rng, deliver = np.random.default_rng(0), load_label_space('deliver')
    labels = LabelMap.from_names('streets', deliver, load_label_space('mfnet'), {
        name: LABELS.get(name, 'unlabeled') for name in deliver.class_names})
    for split in SPLITS:
        if not any(streets.glob(f'img/*/{split}')):
            continue
        frames = DeliverDataset(streets, split, ['rgb'])
        names = []
        for frame in map(frames.__getitem__, range(len(frames))):
            if split == 'train' and is_of_deliver(frame.id):
                continue
            names.append(f'{split}{len(names):05d}' + ('N' if frame.condition == 'night' else 'D'))
            write_frame(output, names[-1], frame, labels, rng)
        (output / f'{split}.txt').write_text('\n'.join(names) + '\n', encoding='utf-8')


def write_frame(
    output: Path, name: str, frame: Frame, labels: LabelMap, rng: np.random.Generator
) -> None:
    """One instant in MFNet's layout."""
    for folder, image in (('rgb', frame.images['rgb'][..., ::-1]),
                          ('ther', thermal(frame.labels, labels.source, rng)),
                          ('labels', labels.apply(frame.labels))):
        if not cv2.imwrite(str(output / folder / f'{name}.png'), image):
            raise OSError(f'cannot write {name}.png in {output / folder}')


def thermal(labels: UInt8, space: LabelSpace, rng: np.random.Generator) -> UInt8:
    """What a thermal camera sees of labels [H, W]."""
    warmth = np.full(256, AIR, np.float32)
    for class_id, class_name in enumerate(space.class_names):
        warmth[class_id] = WARMTH.get(class_name, AIR)
    image = cv2.GaussianBlur(warmth[labels], (0, 0), BLUR_PX)
    noisy = image + rng.normal(0.0, NOISE, image.shape)
    seen: UInt8 = np.clip(noisy, 0, 255).astype(np.uint8)
    return seen


if __name__ == '__main__':
    main()
