# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which frames are extracted, what is stored of them, and that every bad input costs one line."""

import hashlib
import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from anymodal_seg_ros import bags
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.modalities import MODALITIES, LidarEncoder
from anymodal_seg_ros.placement import PlacedRig
from anymodal_seg_ros.segment_bag import recorded_sets
from anymodal_seg_ros.session import Session
from anymodal_seg_ros.sim.vehicle import SENSOR_NAMES
from training.datasets.recorded import RecordedDataset, read_frames
from training.extract_bag import main
from training.extraction import recorded_frames
from training.extraction.calibration import sha256_of
from training.extraction.encoding import EncodingOnly
from training.extraction.label_codes import load_label_codes

ROOT = Path(__file__).resolve().parents[3]
START_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000


def sets_of(path):
    """Sets as the vehicle forms them, with their encoded images."""
    encoding = EncodingOnly.from_settings(
        SENSOR_NAMES, 32, load_label_codes('carla-0.9.14').label_space)
    session = Session(encoding, PlacedRig(rig=bags.read_rig(path)))
    return [session.pipeline.encode(placed.sample_set, placed.rig)
            for placed in recorded_sets(path, session)]


def contents(root):
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in root.rglob('*') if p.is_file()}


def test_frames_are_the_sets_of_the_vehicle(labelled, stored):
    lines = read_frames(stored, 'noise')
    frames = RecordedDataset(stored, 'train')
    sets = sets_of(labelled)
    assert len(lines) == len(frames) == len(sets) >= 11
    for i, (line, (sample_set, images)) in enumerate(zip(lines, sets, strict=True)):
        assert line['id'] == frames[i].id == f'noise/{i:06d}'
        assert (line['stamp_ns'], line['reference']) == (sample_set.stamp_ns,
                                                         sample_set.reference)
        assert line['absent'] == dict(sample_set.absent)
        assert {name: (m['stamp_ns'], m['dt_ns'], m['received_ns'])
                for name, m in line['members'].items()} == {
            name: (s.stamp_ns, s.stamp_ns - sample_set.stamp_ns, s.received_ns)
            for name, s in sample_set.samples.items()}
        assert set(frames[i].images) == set(images)
        for name, image in images.items():
            np.testing.assert_array_equal(frames[i].images[name], image)
    full = [line for line in lines if 'lidar' in line['members']]
    assert full[-1]['members']['lidar']['dt_ns'] == -7_000_000


def test_labels_and_their_offset_are_stored_exactly(record, extract, tmp_path, bands):
    path = record(tmp_path / 'late', labels=lambda i: (bands(i), 'mono8'),
                  label_offset_ns=12_345_678)
    root = extract(path)
    frames = RecordedDataset(root, 'train')
    for i, line in enumerate(read_frames(root, 'late')):
        number = (line['stamp_ns'] - START_NS) // PERIOD_NS
        assert line['label'] == {'stamp_ns': line['stamp_ns'] + 12_345_678, 'dt_ns': 12_345_678}
        np.testing.assert_array_equal(frames[i].labels, bands(number))


def test_calibration_and_settings_are_stored(stored):
    details = json.loads((stored / 'noise' / 'recording.json').read_text())
    hashes = {line['calibration_sha256'] for line in read_frames(stored, 'noise')}
    assert hashes == {details['calibration_sha256']} == {sha256_of(details['calibration'])}
    assert details['camera_hw'] == [48, 64]
    assert details['encoders']['lidar'] == MODALITIES['lidar'].default_settings()
    assert details['selection'] == {'every': 1, 'min_gap_s': 0.0, 'max_dt_s': None,
                                    'require': [], 'keep_unlabelled': False}
    assert details['labels'] == {'topic': '/ground_truth/label', 'map': 'deliver',
                                 'form': 'auto', 'max_offset_s': 0.06}


@pytest.mark.parametrize(('name', 'form'), [
    ('carla-0.9.13', 'palette'), ('carla-0.9.16', 'tags')])
def test_bgra8_labels_of_carla(name, form, record, extract, tmp_path):
    codes = load_label_codes(name).codes
    values = np.array([code.value for code in codes], np.uint8)
    truth = np.array([code.class_id for code in codes], np.uint8)
    index = np.broadcast_to(np.arange(64) % len(codes), (48, 64))
    bgra = np.full((48, 64, 4), 255, np.uint8)
    if form == 'palette':
        bgra[..., :3] = np.array([code.color[::-1] for code in codes], np.uint8)[index]
    else:
        bgra[..., :3] = 0
        bgra[..., 2] = values[index]
    path = record(tmp_path / 'town', num_frames=4, labels=lambda i: (bgra, 'bgra8'))
    root = extract(path, '--label-map', name)
    frames = RecordedDataset(root, 'train')
    assert len(frames) >= 3
    for i in range(len(frames)):
        np.testing.assert_array_equal(frames[i].labels, truth[index])


def test_without_labels_every_pixel_is_unlabelled(record, extract, tmp_path):
    root = extract(record(tmp_path / 'bare'), '--labels', 'none')
    frames = RecordedDataset(root, 'train')
    assert len(frames) >= 11
    assert frames.describe()['labelled_frames'] == 0
    assert all((frames[i].labels == 255).all() for i in range(len(frames)))
    assert frames[0].labels.shape == (32, 32 * 4 // 3 // 32 * 32)
    assert not (root / 'bare' / 'label').exists()


def test_frames_are_dropped_by_reason(record, extract, tmp_path, bands):
    path = record(tmp_path / 'some', num_frames=20,
                  labels=lambda i: (bands(i), 'mono8') if i < 15 else None)
    extract(path, '--every', '2', '--min-gap-s', '0.3', '--max-label-offset-s', '0.01')
    lines = read_frames(tmp_path / 'data', 'some')
    stamps = [line['stamp_ns'] for line in lines]
    # Every second of those with labels, and of these every second again for the gap.
    assert {b - a for a, b in itertools.pairwise(stamps)} == {4 * PERIOD_NS}
    report = json.loads((tmp_path / 'data' / 'some' / 'recording.json').read_text())['report']
    dropped = report['dropped_frames']
    assert set(dropped) == {'no_label', 'every', 'min_gap'}
    assert dropped['no_label'] == 5
    assert report['frames'] == len(lines)
    assert sum(dropped.values()) + len(lines) == len(sets_of(path))
    assert f'no_label {dropped["no_label"]}' in extract.out


def test_unlabelled_and_incomplete_frames_on_request(record, extract, tmp_path, bands):
    path = record(tmp_path / 'some', labels=lambda i: (bands(i), 'mono8') if i < 6 else None)
    root = extract(path, '--keep-unlabelled', '--require', 'lidar', 'depth', '--max-dt-s',
                   '0.007')
    lines = read_frames(root, 'some')
    assert all({'lidar', 'depth'} <= set(line['members']) for line in lines)
    assert [line['label'] is not None for line in lines][-6:] == [False] * 6
    frames = RecordedDataset(root, 'train')
    assert (frames[len(frames) - 1].labels == 255).all()
    assert (frames[0].labels != 255).any()
    assert extract(path, '--max-dt-s', '0.006', '--require', 'lidar', '--overwrite',
                   fails=True).startswith(f'error: {path}: not one frame was left')


def test_a_sensor_whose_encoder_fails_is_in_no_frame(
        record, extract, tmp_path, bands, monkeypatch):
    def fail(*args):
        raise IndexError('index 7 is out of bounds')

    monkeypatch.setattr(LidarEncoder, 'encode', fail)
    path = record(tmp_path / 'some', labels=lambda i: (bands(i), 'mono8'))
    lines = read_frames(extract(path), 'some')
    assert lines and all('lidar' not in line['members'] for line in lines)
    assert lines[-1]['absent']['lidar'] == 'encoder_failed'
    report = json.loads((tmp_path / 'data' / 'some' / 'recording.json').read_text())['report']
    assert report['dropped_samples']['lidar']['encoder_failed'] > 0
    said = extract(path, '--require', 'lidar', '--overwrite', fails=True)
    assert f'{path}: not one frame was left' in said and 'encoder_failed' in said


def test_malformed_label_messages_are_counted(record, extract, tmp_path, bands):
    def label(i):
        message = bags.image_message(START_NS + i * PERIOD_NS, 'camera', bands(i), 'mono8')
        if i == 4:
            message.step = 7
        return message

    root = extract(record(tmp_path / 'torn', labels=label))
    report = json.loads((root / 'torn' / 'recording.json').read_text())['report']
    assert report['rejected_labels'] == {'bad_step': 1}
    assert report['dropped_frames'] == {'no_label': 1}


def test_recordings_go_to_their_splits(data, labelled, other, extract, tmp_path):
    (tmp_path / 'splits.yaml').write_text('{noise: train, other: val, unknown: test}')
    extract(labelled, other, split=('--splits', tmp_path / 'splits.yaml'))
    sizes = {}
    for split, name in (('train', 'noise'), ('val', 'other')):
        frames = RecordedDataset(data, split)
        sizes[split] = len(frames)
        assert {frames[i].id.partition('/')[0] for i in range(len(frames))} == {name}
    assert f'{sizes["train"]} train, {sizes["val"]} val, 0 test frames' in extract.out
    with pytest.raises(ConfigError, match="no 'test' frames"):
        RecordedDataset(data, 'test')


def test_running_again_adds_and_skips(data, labelled, other, extract, tmp_path):
    before = contents(data)
    extract(labelled)
    assert 'noise: is there, skipped' in extract.out
    assert contents(data) == before
    extract(labelled, other)
    after = contents(data)
    assert {path for path in before if after[path] != before[path]} == {'dataset.json'}
    in_one_run = contents(extract(other, labelled, output=tmp_path / 'one' / 'data'))
    assert in_one_run == after
    extract(labelled, '--overwrite', '--every', '3')
    assert len(read_frames(data, 'noise')) == 4


def test_what_an_ended_run_left_is_cleared_away(labelled, extract, tmp_path):
    work = tmp_path / 'data' / 'noise.unfinished' / 'noise'
    work.mkdir(parents=True)
    (work / 'frames.jsonl').write_text('half a li')
    (tmp_path / 'data' / 'dataset.json.unfinished').write_text('{')
    root = extract(labelled)
    assert not work.parent.exists()
    assert len(RecordedDataset(root, 'train')) == len(read_frames(root, 'noise'))


def test_interrupted_it_leaves_nothing_of_the_recording(data, other, extract, monkeypatch):
    before = contents(data)

    def interrupted(*arguments, **options):
        yield from itertools.islice(recorded_sets(*arguments, **options), 3)
        raise KeyboardInterrupt

    monkeypatch.setattr(recorded_frames, 'recorded_sets', interrupted)
    code = main([str(other), '--output', str(data), '--split', 'train', '--short-side-px', '32'])
    assert code == 130
    assert contents(data) == before


def test_a_failed_recording_leaves_the_others(data, record, extract, tmp_path, bands):
    before = contents(data)
    bad = record(tmp_path / 'bad', labels=lambda i: (
        bands(i) if i < 9 else np.full((48, 64), 77, np.uint8), 'mono8'))
    line = extract(bad, fails=True)
    assert f'{bad}: /ground_truth/label at {START_NS + 9 * PERIOD_NS} ns: ' in line
    assert 'holds label 77 at' in line
    assert contents(data) == before


def test_names_for_recordings_of_one_name(data, labelled, extract):
    line = extract(labelled, labelled, fails=True)
    assert line == (f"error: two recordings are called 'noise', {labelled} and {labelled}; "
                    'name one NAME=PATH')
    extract(f'again={labelled}')
    assert list(json.loads((data / 'dataset.json').read_text())['recordings']) == [
        'again', 'noise']
    assert read_frames(data, 'again')[0]['id'] == 'again/000000'
    assert "recording name is '.x'; allowed" in extract(f'.x={labelled}', fails=True)


def test_sensor_file_instead_of_recorded_calibration(record, extract, tmp_path, bands):
    path = record(tmp_path / 'plain', cameras=False, labels=lambda i: (bands(i), 'mono8'))
    assert 'no CameraInfo on /camera/camera_info' in extract(path, fails=True)
    root = extract(path, '--sensors', ROOT / 'config' / 'sensors' / 'sim.yaml')
    stored = json.loads((root / 'plain' / 'recording.json').read_text())['calibration']
    assert (stored['camera']['width_px'], stored['camera']['height_px']) == (64, 48)
    assert stored['camera']['K'][0][0] == pytest.approx(32.0)
    assert stored['camera_T']['lidar'][2][3] == pytest.approx(-0.4)


@pytest.mark.parametrize(('arguments', 'words'), [
    (['/nowhere/bag'], 'no such recording'),
    (['BAG', '--labels', '/nose'], 'nothing on /nose (label); recorded are /camera/camera_info'),
    (['BAG', '--topics', 'lidar=/nose'], 'nothing on /nose (lidar)'),
    (['BAG', '--topics', 'nose=/x'], "--topics 'nose=/x'"),
    (['BAG', '--modalities', 'nose'], "modality is 'nose'; allowed: rgb, depth, lidar, event"),
    (['BAG', '--require', 'radar'], "--require is 'radar'; allowed: rgb, depth, lidar, event"),
    (['BAG', '--label-map', 'nose'], "no label map 'nose'; allowed: carla-0.9.13"),
    (['BAG', '--label-map', 'carla-0.9.14', '--label-space', 'SPACE'],
     "leads to label space 'deliver', but 'two' is wanted"),
    (['BAG', '--label-space', 'SPACE'], "label 2 at"),
    (['BAG', '--label-form', 'colors'], 'the image has one channel'),
    (['BAG', '--every', '0'], 'every is 0; allowed: 1 and more'),
    (['BAG', '--min-gap-s', '-1'], 'min_gap_s is -1'),
    (['BAG', '--max-dt-s', 'nan'], 'max_dt_s is nan'),
    (['BAG', '--max-label-offset-s', '11'], '--max-label-offset-s is 11.0; allowed: 0 to 10'),
    (['BAG', '--faults', '/nowhere.yaml'], '/nowhere.yaml'),
    (['BAG', '--bundle', '/nowhere'], 'no bundle folder at /nowhere'),
    (['BAG', '--sensors', '/nowhere.yaml'], 'no sensor file at /nowhere.yaml'),
    (['BAG', '--splits', 'SPLITS'], "has no split for recording 'noise'; it has other"),
    (['BAG', '--splits', '/nowhere.yaml'], 'no file of splits at /nowhere.yaml'),
    (['BAG', '--splits', 'BAD'], "split 'trian' of recording 'noise'; allowed: train, val, test"),
    (['BAG', '--splits', 'SPACE'], 'of recording'),
    (['BAG', '--label-space', 'TORN'], 'torn.yaml is not YAML'),
    (['BAG', '--sensors', 'TORN'], 'torn.yaml is not YAML'),
    (['BAG', '--faults', 'TORN'], 'torn.yaml is not YAML'),
])
def test_bad_input_costs_one_line(labelled, extract, arguments, words, tmp_path):
    files = {'SPLITS': 'other: train', 'BAD': 'noise: trian', 'TORN': 'a: [\nb: c',
             'SPACE': '{name: two, classes: [{id: 0, name: a, color: [1, 1, 1]}, '
                      '{id: 1, name: b, color: [2, 2, 2]}]}'}
    names = {'BAG': labelled}
    for name, text in files.items():
        names[name] = tmp_path / f'{name.lower()}.yaml'
        names[name].write_text(text)
    split = () if '--splits' in arguments else ('--split', 'train')
    size = () if '--bundle' in arguments else ('--short-side-px', '32')
    line = extract(*(names.get(a, a) for a in arguments), fails=True, split=split, size=size)
    assert words in line
    assert not (tmp_path / 'data').exists() or not list((tmp_path / 'data').iterdir())


@pytest.mark.parametrize('option', [
    ('--label-map', 'carla-0.9.14'), ('--label-form', 'colors'), ('--keep-unlabelled',),
    ('--max-label-offset-s', '1')])
def test_options_of_labels_need_labels(tmp_path, capsys, option):
    with pytest.raises(SystemExit, match='2'):
        main(['bag', '--output', str(tmp_path), '--split', 'train', '--labels', 'none', *option])
    assert f'{option[0]} needs label images: --labels is none' in capsys.readouterr().err


def test_labels_of_another_size(record, extract, tmp_path, bands):
    path = record(tmp_path / 'odd', labels=lambda i: (bands(i)[:40], 'mono8'))
    assert '(40, 64) but the reference camera (48, 64)' in extract(path, fails=True)


def test_what_a_bundle_says_is_not_said_twice(labelled, extract):
    line = extract(labelled, '--bundle', '/nowhere', fails=True)
    assert line == 'error: --short-side-px comes from the bundle; give one of the two'


def test_image_size_must_survive_a_second_resizing(labelled, extract):
    line = extract(labelled, size=('--short-side-px', '100'), fails=True)
    assert line == 'error: short side 100 px; allowed: multiples of 32'


def test_the_scale_of_intensities_is_stored_for_the_vehicle(labelled, data, extract, tmp_path):
    """What was given is in the encoders that a bundle takes over; what was learnt is reported."""
    learnt = json.loads((data / 'noise' / 'recording.json').read_text())
    assert learnt['report']['known']['lidar'] == {
        'intensity_scale': 1.0, 'intensity_scale_source': 'learnt', 'intensity_scale_changes': 0}
    assert learnt['encoders']['lidar']['intensity_scale'] == 0.0
    given = extract(labelled, '--lidar-intensity-scale', '100', output=tmp_path / 'given')
    details = json.loads((given / 'noise' / 'recording.json').read_text())
    assert details['encoders']['lidar']['intensity_scale'] == 100.0
    assert details['report']['known']['lidar']['intensity_scale_source'] == 'given'
    assert 'intensity_scale: 100.0' in extract.out
    line = extract(labelled, '--lidar-intensity-scale', '100', fails=True)
    assert f'{data} was extracted with encoders' in line
    line = extract(labelled, '--lidar-intensity-scale', '-1', fails=True)
    assert '--lidar-intensity-scale is -1.0; allowed: 0, or 0.001 to' in line


def test_a_data_set_from_before_a_setting_of_the_encoders_is_added_to(data, other, extract):
    file = data / 'dataset.json'
    content = json.loads(file.read_text())
    del content['encoders']['lidar']['intensity_scale']
    file.write_text(json.dumps(content))
    extract(other)
    assert set(json.loads(file.read_text())['recordings']) == {'noise', 'other'}


def test_data_set_of_other_settings_or_of_another_kind(data, labelled, extract, tmp_path):
    line = extract(labelled, size=('--short-side-px', '64'), fails=True)
    assert f'{data} was extracted with short_side_px 32, not 64; name a new folder' in line
    line = extract(labelled, '--modalities', 'rgb', fails=True)
    assert 'was extracted with modalities ["rgb", "depth", "lidar", "event"], not ["rgb"]' in line
    line = extract(labelled, split=('--split', 'val'), fails=True)
    assert "with split 'train', not 'val'; replace it with --overwrite" in line
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full' / 'diary.txt').write_text('')
    assert 'is not empty' in extract(labelled, output=tmp_path / 'full', fails=True)


def test_another_recording_of_the_same_name(data, other, extract):
    line = extract(f'noise={other}', fails=True)
    assert f"{data} has another recording called 'noise'" in line


@pytest.mark.slow
def test_help_from_any_folder(tmp_path):
    done = subprocess.run([sys.executable, ROOT / 'training' / 'extract_bag.py', '--help'],
                          capture_output=True, text=True, cwd=tmp_path, check=True)
    assert '--label-map' in done.stdout
