# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command line: recordings into a training set, encoded as the vehicle's node encodes them.

    python training/extract_bag.py BAG... --output FOLDER --split train
    python training/extract_bag.py BAG... --output FOLDER --splits splits.yaml --labels none

The data set is read back under the name 'recorded'. Running again adds recordings.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == '__main__':
    if not __package__:
        # Run as a file: its own folder comes first on the path instead of the repository.
        sys.path[0] = str(Path(__file__).resolve().parents[1])
    from anymodal_seg_ros.stopping import COMMAND_STOPPED, run_main
    sys.exit(run_main('training.extract_bag', COMMAND_STOPPED))

import argparse
import logging
import math
from collections.abc import Mapping, Sequence

from tqdm import tqdm

from anymodal_seg_ros import limits
from anymodal_seg_ros.bags import TOPICS
from anymodal_seg_ros.corruption import FaultSchedule
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.existence import is_file
from anymodal_seg_ros.labels import load_label_space
from anymodal_seg_ros.modalities import MODALITIES
from anymodal_seg_ros.modalities.options import add_decoding_options, decoding_from
from anymodal_seg_ros.sim.vehicle import SENSOR_NAMES
from anymodal_seg_ros.stopping import errors_in_a_line
from training.datasets.recorded import DATASET_FILE, RECORDING, RecordedDataset
from training.extraction.dataset import ExtractedDataset
from training.extraction.encoding import EncodingOnly
from training.extraction.job import (
    Job,
    Recording,
    Selection,
    default_modalities,
    is_there,
    plan,
    splits_from_yaml,
)
from training.extraction.label_codes import FORMS, LabelCodes, load_label_codes
from training.extraction.recorded_frames import Report, extract
from training.extraction.truth import MAX_TRUTH_OFFSET_NS, NS_PER_S, LabelSource

NO_LABELS = 'none'
OF_LABELS = ('label_map', 'label_form', 'max_label_offset_s', 'keep_unlabelled')
"""Options that mean nothing without label images."""


@errors_in_a_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status (130 when interrupted)."""
    parser = _parser()
    args = parser.parse_args(arguments)
    for name in OF_LABELS if args.labels == NO_LABELS else ():
        if getattr(args, name) != parser.get_default(name):
            parser.error(f'--{name.replace("_", "-")} needs label images: --labels is {NO_LABELS}')
    logging.basicConfig(level=logging.WARNING, format='%(levelname)s %(message)s')
    try:
        _run(args)
    except KeyboardInterrupt:
        sys.stderr.write('interrupted; recordings that were complete are kept\n')
        raise
    return 0


def _run(args: argparse.Namespace) -> None:
    job = _job(args)
    split_of = splits_from_yaml(args.splits) if args.splits else lambda name: str(args.split)
    recordings = plan(args.bags, split_of, args.condition, job)
    dataset = ExtractedDataset(args.output, job.encoding.bundle)
    todo = [r for r in recordings if args.overwrite or not is_there(dataset, r)]
    for recording in recordings:
        if recording not in todo:
            sys.stdout.write(f'{recording.name}: is there, skipped\n')
            continue
        report = _extract_with_progress(dataset, recording, job)
        sys.stdout.write(_summary(recording, report) + '\n')
    frames = {split: sum(r['frames'] for r in dataset.recordings.values() if r['split'] == split)
              for split in ('train', 'val', 'test')}
    sys.stdout.write(f'{args.output}: {len(dataset.recordings)} recordings, '
                     + ', '.join(f'{n} {split}' for split, n in frames.items()) + ' frames\n')


def _extract_with_progress(dataset: ExtractedDataset, recording: Recording, job: Job) -> Report:
    info = recording.info
    with tqdm(total=round(info.duration_s, 1), unit='s', desc=recording.name,
              disable=None) as bar:
        def on_set(stamp_ns: int) -> None:
            done_s = (stamp_ns - info.start_ns) / NS_PER_S
            bar.update(min(max(done_s, 0.0), bar.total) - bar.n)

        return extract(dataset, recording, job, on_set)


def _summary(recording: Recording, report: Report) -> str:
    lines = [f'{recording.name}: {report.frames} {recording.split} frames, '
             f'{report.labelled_frames} labelled']
    lines += [f'{count:8d}  {sensors}' for sensors, count in report.sensors.most_common()]
    for what, reasons in (('sets became no frame', report.dropped_frames),
                          ('label images refused', report.rejected_labels),
                          *((f'{name} samples unused', dropped)
                            for name, dropped in report.dropped_samples.items())):
        if reasons:
            detail = ', '.join(f'{reason} {count}' for reason, count in reasons.items())
            lines.append(f'{sum(reasons.values()):8d}  {what}: {detail}')
    lines += [f'{name:>8}  {key}: {value}'
              for name, known in report.known.items() for key, value in known.items()]
    return '\n'.join(lines)


def _job(args: argparse.Namespace) -> Job:
    decoding = decoding_from(args)
    topics = dict(TOPICS)
    given = []
    for pair in args.topics:
        name, separator, topic = pair.partition('=')
        allowed = [key for key in TOPICS if key != 'label']
        if name not in allowed or not separator or not topic:
            raise ConfigError(f'--topics {pair!r}; NAME=TOPIC is needed with NAME one of '
                              f'{", ".join(allowed)}')
        topics[name] = topic
        given.append(name)
    encoding = _encoding(args, topics).with_decoding(decoding)
    space = encoding.bundle.label_space
    for name in args.require:
        limits.one_of('--require', name, encoding.bundle.encoders)
    limits.number('--max-label-offset-s', args.max_label_offset_s, 0.0, 10.0)
    labels = None
    if args.labels != NO_LABELS:
        codes = load_label_codes(args.label_map) if args.label_map else LabelCodes.of_space(space)
        if codes.label_space != space:
            raise ConfigError(f'label map {codes.name!r} leads to label space '
                              f'{codes.label_space.name!r}, but {space.name!r} is wanted')
        topics['label'] = args.labels
        labels = LabelSource(topic=args.labels, codes=codes, form=args.label_form,
                             max_offset_ns=round(args.max_label_offset_s * NS_PER_S))
    return Job(
        encoding=encoding, labels=labels, topics=topics, wanted_topics=tuple(given),
        selection=Selection(every=args.every, min_gap_s=args.min_gap_s,
                            max_dt_s=args.max_dt_s, require=tuple(args.require),
                            keep_unlabelled=args.keep_unlabelled),
        schedule=FaultSchedule.from_yaml(args.faults) if args.faults else None,
        decoding=decoding, sensors=args.sensors)


def _encoding(args: argparse.Namespace, topics: Mapping[str, str]) -> EncodingOnly:
    if args.bundle is None:
        modalities = args.modalities or (
            RecordedDataset.modalities_of(args.output) if is_file(args.output / DATASET_FILE)
            else default_modalities(args.bags, topics))
        return EncodingOnly.from_settings(
            modalities, args.short_side_px or 512,
            load_label_space(args.label_space or 'deliver'))
    for option in ('modalities', 'short_side_px', 'label_space'):
        if getattr(args, option):
            raise ConfigError(f'--{option.replace("_", "-")} comes from the bundle; give one of '
                              'the two')
    return EncodingOnly.from_bundle(args.bundle)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='extract_bag.py',
        description='Recordings into a training set, encoded as the node encodes them. Running '
                    'again into the same folder adds recordings.')
    add = parser.add_argument
    add('bags', nargs='+', metavar='BAG',
        help='rosbag2 folder, .mcap or .db3 file; NAME=PATH to call it otherwise')
    add('--output', type=Path, required=True, metavar='FOLDER',
        help='data set to write or to add to')
    split = parser.add_mutually_exclusive_group(required=True)
    split.add_argument('--split', choices=('train', 'val', 'test'), help='of all the recordings')
    split.add_argument('--splits', type=Path, metavar='FILE',
                       help='YAML file with a line "recording: split" for each')
    add('--condition', default=RECORDING, help='tag of all the frames (default %(default)s)')
    add('--overwrite', action='store_true', help='extract anew what is there')

    group = parser.add_argument_group('encoding')
    add = group.add_argument
    add('--bundle', type=Path, help='take encoders, size and label space from this bundle')
    add('--modalities', nargs='+', metavar='NAME',
        help=f'of {", ".join(MODALITIES)}; {", ".join(SENSOR_NAMES)} and what else was '
             'recorded, or what is in the output')
    add('--short-side-px', type=int, help='of the images, a multiple of 32 (512)')
    add('--topics', nargs='+', default=[], metavar='NAME=TOPIC',
        help='topics with other names than: '
             + ', '.join(f'{k}={t}' for k, t in TOPICS.items() if k != 'label'))
    add('--sensors', type=Path, metavar='FILE',
        help='calibration like config/sensors/sim.yaml instead of CameraInfo and /tf_static')
    add_decoding_options(group)
    add('--faults', type=Path, help='YAML schedule of sensor faults to apply')

    group = parser.add_argument_group('ground truth')
    add = group.add_argument
    add('--labels', default=TOPICS['label'], metavar='TOPIC',
        help="label images, or 'none' (default %(default)s)")
    add('--label-space', help='name or YAML file (deliver)')
    add('--label-map', metavar='NAME',
        help="what the simulator's tags and colours mean: carla-0.9.13, carla-0.9.14 (and other "
             'versions), or a YAML file; without one they are ids or colours of the label space')
    add('--label-form', choices=FORMS, default='auto',
        help='values: ids or tags, in colour images in the red channel; colors: palette '
             '(default %(default)s)')
    add('--max-label-offset-s', type=float, default=MAX_TRUTH_OFFSET_NS / NS_PER_S,
        help='farthest label image in time (default %(default)s)')

    group = parser.add_argument_group('which frames')
    add = group.add_argument
    add('--every', type=int, default=1, metavar='N', help='each N-th set')
    add('--min-gap-s', type=float, default=0.0, help='least time between frames')
    add('--max-dt-s', type=float, default=math.inf,
        help='only frames whose samples are this near to their stamp')
    add('--require', nargs='+', default=[], metavar='NAME', help='only frames with these sensors')
    add('--keep-unlabelled', action='store_true', help='also frames without label near them')
    return parser
