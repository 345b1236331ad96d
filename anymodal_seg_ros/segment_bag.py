# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A recording through a session at full speed, without ROS. Layer: above session and bags.

Usage: ``python -m anymodal_seg_ros.segment_bag IN_BAG --out OUT_BAG``
"""

from __future__ import annotations

import sys

from anymodal_seg_ros.stopping import COMMAND_STOPPED, ends_at_once, run_main

if __name__ == '__main__':
    sys.exit(run_main('anymodal_seg_ros.segment_bag', COMMAND_STOPPED))

import argparse
import heapq
import logging
import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

from tqdm import tqdm

from anymodal_seg_ros.bag_summary import summarise, summary_lines, why_nothing
from anymodal_seg_ros.bags import (
    TOPICS,
    BagMessage,
    BagWriter,
    FaultRelay,
    bag_info,
    decode_message,
    diagnostics_message,
    image_message,
    read_bag,
    read_recorded_rig,
)
from anymodal_seg_ros.bundle import read_description
from anymodal_seg_ros.corruption import FaultSchedule
from anymodal_seg_ros.errors import AnymodalError, BagError, ConfigError
from anymodal_seg_ros.inference import build_segmenter
from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.modalities import MODALITIES, Decoder, Decoding
from anymodal_seg_ros.modalities.options import add_decoding_options, decoding_from
from anymodal_seg_ros.resources import resource_path
from anymodal_seg_ros.samples import Sample, SampleSet
from anymodal_seg_ros.session import Labelled, PlacedSet, Session
from anymodal_seg_ros.unfinished import left_over

NS_PER_S = 1_000_000_000
TICK_NS = 50_000_000
"""Silent sensors are looked for this often in recorded time, as the node does."""
SETTLED_NS = 100 * NS_PER_S
"""After so long a silence nothing changes any more."""
OUTPUT_PREFIX = '/anymodal_seg'
_OK, _STALE = 0, 3

logger = logging.getLogger(__name__)


def decode_recorded(modality: str, recorded: BagMessage, decoder: Decoder) -> Sample:
    """A recorded message as a sample that arrived when it was recorded.

    Raises:
        BadMessageError: it is malformed, or of a type that this sensor does not have.
    """
    message, data = decode_message(modality, recorded, decoder)
    stamp = message.header.stamp
    return Sample(modality=modality, stamp_ns=stamp.sec * NS_PER_S + stamp.nanosec,
                  received_ns=recorded.recorded_ns,
                  frame_id=message.header.frame_id.lstrip('/'), data=data)


def segment_recording(
    path: Path | str,
    session: Session,
    *,
    topics: Mapping[str, str] = TOPICS,
    schedule: FaultSchedule | None = None,
    start_s: float = 0.0,
    max_seconds: float = math.inf,
) -> Iterator[Labelled]:
    """Drive ``session`` with a recording, recorded time as its clock, and label every set.

    A set none of whose sensors could be encoded has no labels; their health counts it.

    Args:
        path: the recording.
        topics: modality to topic; other keys, and modalities the bundle does not know, are
            passed over.
        schedule: sensor faults to apply on the way, as the injector node would.
        start_s, max_seconds: which part of the recording to use.

    Raises:
        BagError: the recording is damaged, or holds none of the topics.
    """
    for placed in recorded_sets(path, session, topics=topics, schedule=schedule,
                                start_s=start_s, max_seconds=max_seconds):
        labelled = session.label(placed)
        if labelled is not None:
            yield labelled


def recorded_sets(
    path: Path | str,
    session: Session,
    *,
    topics: Mapping[str, str] = TOPICS,
    schedule: FaultSchedule | None = None,
    start_s: float = 0.0,
    max_seconds: float = math.inf,
) -> Iterator[PlacedSet]:
    """The sets alone, unlabelled; arguments and errors as for ``segment_recording``."""
    modality_of = {topics[name]: name for name in session.modalities if name in topics}
    info = bag_info(path)
    if not any(info.counts.get(topic) for topic in modality_of):
        raise BagError(f'{path}: nothing on {", ".join(modality_of) or "no topic"}; '
                       f'recorded are {", ".join(info.topics) or "no topics"}')
    messages = _arrivals(path, modality_of, schedule, session.pipeline.decoding, start_s)
    start_ns = info.start_ns + round(start_s * NS_PER_S)
    last_ns = now_ns = start_ns
    for modality, recorded in messages:
        if recorded.recorded_ns - start_ns > max_seconds * NS_PER_S:
            break
        now_ns = max(now_ns, recorded.recorded_ns)
        yield from _let_time_pass(session, last_ns, now_ns)
        last_ns = now_ns
        sets = session.receive(modality, partial(decode_recorded, modality, recorded), now_ns)
        yield from _placed(session, sets, now_ns)
    yield from _placed(session, session.flush(now_ns), now_ns)


def _placed(session: Session, sets: Iterable[SampleSet], now_ns: int) -> Iterator[PlacedSet]:
    for sample_set in sets:
        placed = session.place(sample_set, now_ns)
        if placed is not None:
            yield placed


def _let_time_pass(session: Session, last_ns: int, now_ns: int) -> Iterator[PlacedSet]:
    """Poll at every tick and deadline after ``last_ns`` up to ``now_ns``.

    A recorder's clock that was set in the midst of a drive jumps by decades: a silence is looked
    at until it has settled, and at its end.
    """
    at_ns = last_ns
    while True:
        tick_ns = (at_ns // TICK_NS + 1) * TICK_NS
        deadline_ns = session.next_deadline()
        at_ns = tick_ns if deadline_ns is None else max(min(tick_ns, deadline_ns), at_ns + 1)
        if at_ns > now_ns:
            return
        if at_ns > last_ns + SETTLED_NS:
            at_ns = now_ns
        yield from _placed(session, session.poll(at_ns), at_ns)


def _arrivals(path: Path | str, modality_of: Mapping[str, str], schedule: FaultSchedule | None,
              decoding: Decoding, start_s: float) -> Iterator[tuple[str, BagMessage]]:
    """Modality and message in the order of arrival, under the schedule's faults."""
    source = read_bag(path, tuple(modality_of), start_s)
    if schedule is None:
        yield from ((modality_of[recorded.topic], recorded) for recorded in source)
        return
    relay = FaultRelay(schedule, decoding=decoding)
    order = count()
    held: list[tuple[int, int, BagMessage]] = []
    for recorded in source:
        while held and held[0][0] <= recorded.recorded_ns:
            late = heapq.heappop(held)[2]
            yield modality_of[late.topic], late
        modality = modality_of[recorded.topic]
        if recorded.msgtype not in MODALITIES[modality].message_types:
            yield modality, recorded
            continue
        for out in relay.relay(modality, recorded.msgtype, recorded.cdr):
            arrival_ns = recorded.recorded_ns + out.delay_ns
            passed = replace(recorded, cdr=out.cdr, recorded_ns=arrival_ns)
            if out.delay_ns > 0:
                heapq.heappush(held, (arrival_ns, next(order), passed))
            else:
                yield modality, passed
    for _, _, late in sorted(held, key=lambda item: item[:2]):
        yield modality_of[late.topic], late


def write_prediction(writer: BagWriter, labelled: Labelled, modalities: Iterable[str], *,
                     palette: LabelSpace | None = None) -> None:
    """Label, confidence, fusion info of ``modalities`` and, with ``palette``, colour of a set."""
    prediction, sample_set = labelled.prediction, labelled.sample_set
    stamp_ns, frame = prediction.stamp_ns, labelled.rig.camera_frame
    images = {'label': (prediction.labels, 'mono8'),
              'confidence': (prediction.confidence, 'mono8')}
    if palette is not None:
        images['label_color'] = (palette.palette()[prediction.labels], 'rgb8')
    for name, (array, encoding) in images.items():
        writer.write(f'{OUTPUT_PREFIX}/{name}', image_message(stamp_ns, frame, array, encoding),
                     stamp_ns)
    statuses = []
    for modality in modalities:
        used = modality in prediction.used
        values = {'used': str(used).lower(), 'stamp_offset_ms': 'nan', 'age_ms': 'nan',
                  'reason': sample_set.absent.get(modality, '')}
        if modality in sample_set.samples:
            sample = sample_set.samples[modality]
            values['stamp_offset_ms'] = f'{sample_set.offset_ns(modality) / 1e6:.3f}'
            values['age_ms'] = f'{(sample.received_ns - sample.stamp_ns) / 1e6:.3f}'
        statuses.append((_OK if used else _STALE, modality, values['reason'] or 'used', values))
    writer.write(f'{OUTPUT_PREFIX}/fusion_info',
                 diagnostics_message(stamp_ns, frame, statuses), stamp_ns)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 when done, 2 for bad input or a full disk, 130 after Ctrl-C."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format='%(levelname)s %(message)s')
    try:
        summary = _run(options)
    except AnymodalError as error:
        sys.stderr.write(f'segment_bag: {error}\n')
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(f'segment_bag: interrupted{left_over(options.out)}\n')
        return 130
    sys.stdout.write(summary + '\n')
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='segment_bag', description='Label a rosbag2 recording with a bundle.')
    parser.add_argument('bag', type=Path, help='rosbag2 folder, .mcap or .db3 file')
    parser.add_argument('--out', type=Path, required=True, help='recording to write; must be new')
    parser.add_argument('--bundle', type=Path, help='bundle folder; default: the one installed')
    parser.add_argument('--faults', type=Path, help='YAML schedule of sensor faults to apply')
    parser.add_argument('--topics', nargs='+', default=[], metavar='NAME=TOPIC',
                        help='topics with other names than: '
                             + ', '.join(f'{name}={topic}' for name, topic in TOPICS.items()))
    add_decoding_options(parser)
    parser.add_argument('--storage', choices=('mcap', 'sqlite3'), default='mcap',
                        help='file format of the output (default %(default)s)')
    parser.add_argument('--start-s', type=float, default=0.0, help='seconds to skip')
    parser.add_argument('--max-seconds', type=float, default=math.inf,
                        help='recorded seconds to label')
    parser.add_argument('--color', action='store_true', help='write coloured labels too')
    parser.add_argument('--device', default='auto', help="'auto', 'cpu' or 'cuda'")
    parser.add_argument('--precision', default='auto',
                        help="'fp32', 'bf16', 'fp16' or, as in the node, 'auto': the fastest that "
                             'the device has natively')
    parser.add_argument('--num-threads', type=int, default=0, help='0: as many as there are cores')
    parser.add_argument('--guidance-frames', type=int, default=1,
                        help='frames that what CLIP sees serves in a segrgbx')
    return parser


def _topics(pairs: Sequence[str]) -> dict[str, str]:
    topics = dict(TOPICS)
    for pair in pairs:
        name, separator, topic = pair.partition('=')
        if name not in TOPICS or not separator or not topic:
            raise ConfigError(f'--topics {pair!r}; NAME=TOPIC is needed with NAME one of '
                              f'{", ".join(TOPICS)}')
        topics[name] = topic
    name_of: dict[str, str] = {}
    for name, topic in topics.items():
        if topic in name_of:
            raise ConfigError(f'--topics: {topic} is both {name_of[topic]} and {name}; a topic '
                              'has one sensor')
        name_of[topic] = name
    return topics


def _check_part(start_s: float, max_seconds: float, duration_s: float) -> None:
    if not 0.0 <= start_s <= duration_s:
        raise ConfigError(f'--start-s {start_s:g}; allowed: 0 to the {duration_s:g} s of the '
                          'recording')
    if not max_seconds > 0.0:
        raise ConfigError(f'--max-seconds {max_seconds:g}; allowed: more than 0')


def _run(options: argparse.Namespace) -> str:
    topics = _topics(options.topics)
    schedule = None if options.faults is None else FaultSchedule.from_yaml(options.faults)
    info = bag_info(options.bag)
    decoding = decoding_from(options)
    _check_part(options.start_s, options.max_seconds, info.duration_s)
    bundle = options.bundle or resource_path('bundles') / 'default'
    modalities = read_description(bundle).modalities
    placed = read_recorded_rig(options.bag, topics, modalities=modalities)
    with ends_at_once(COMMAND_STOPPED):
        segmenter = build_segmenter(bundle, device=options.device, precision=options.precision,
                                    num_threads=options.num_threads,
                                    guidance_frames=options.guidance_frames)
    session = Session(segmenter, placed, decoding=decoding)
    palette = segmenter.bundle.label_space if options.color else None
    seconds = min(max(info.duration_s - options.start_s, 0.0), options.max_seconds)
    used: Counter[str] = Counter()
    started = time.perf_counter()
    with ExitStack() as stack:
        writer = stack.enter_context(BagWriter(options.out, options.storage))
        progress = stack.enter_context(tqdm(total=round(seconds, 1), unit='s', desc='labelling'))
        for labelled in segment_recording(
                options.bag, session, topics=topics, schedule=schedule,
                start_s=options.start_s, max_seconds=options.max_seconds):
            write_prediction(writer, labelled, session.modalities, palette=palette)
            used['+'.join(labelled.prediction.used)] += 1
            done_s = (labelled.prediction.stamp_ns - info.start_ns) / NS_PER_S - options.start_s
            progress.update(min(max(done_s, 0.0), progress.total) - progress.n)
        sensors = summarise(session.pipeline, info, topics)
        if not used:
            raise BagError(f'{options.bag}: not one label image: {why_nothing(sensors)}')
    elapsed_s = max(time.perf_counter() - started, 1e-9)
    sets = session.pipeline.synchronizer.stats().sets
    return '\n'.join([
        f'{options.out}: {used.total()} label images of {sets} sets',
        f'{used.total() / elapsed_s:.1f} sets/s, {seconds / elapsed_s:.2f} x real time; '
        f'{segmenter.description}',
        *(f'{number:6d}  {combination}' for combination, number in used.most_common()),
        *summary_lines(sensors),
        *(f'damaged: {line}' for line in info.damage),
    ])
