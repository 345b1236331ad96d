# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bundles: round trip for every network, and one clear error for each kind of damage."""

import hashlib
import json
import os
import shutil
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from anymodal_seg_ros.bundle import FROM_DATASET, Bundle, tensors, weights
from anymodal_seg_ros.bundle import folder as bundle_folder
from anymodal_seg_ros.bundle.weights import load_bundle, save_bundle
from anymodal_seg_ros.errors import MAX_MESSAGE, BundleError, ConfigError, WriteError
from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.models import MODELS, build_model

pytestmark = pytest.mark.slow

SPACE = LabelSpace('three', ('road', 'car', 'sky'), ((1, 2, 3), (4, 5, 6), (7, 8, 9)))
MODEL_CONFIG = {'num_classes': 3, 'modalities': ['rgb', 'lidar'], 'head_dim': 32}


def make_bundle(name='m_segformer', **changes):
    settings = {
        'model_name': name,
        'model_config': MODEL_CONFIG,
        'encoders': {'rgb': {}, 'lidar': {'max_range_m': 80.0}},
        'label_space': SPACE,
        'short_side_px': 256,
        'provenance': {'seed': 1, 'scores': {'rgb': 41.5}},
    }
    return Bundle(**{**settings, **changes})


@pytest.fixture(scope='module')
def state():
    torch.manual_seed(0)
    model = build_model('m_segformer', MODEL_CONFIG)
    model.head.norm.running_var.fill_(1 + 2**-20)
    return model.state_dict()


@pytest.fixture(scope='module')
def pristine(tmp_path_factory, state):
    path = tmp_path_factory.mktemp('pristine') / 'b'
    save_bundle(path, make_bundle(), state)
    return path


@pytest.fixture
def folder(tmp_path, pristine):
    shutil.copytree(pristine, tmp_path / 'b')
    return tmp_path / 'b'


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def rewrite_json(folder, change):
    file = folder / 'bundle.json'
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))


def sign_weights(folder):
    """Make the checksum fit, so that the deeper checks are reached."""
    digest = hashlib.sha256((folder / 'weights.safetensors').read_bytes()).hexdigest()
    rewrite_json(folder, lambda data: data.update(weights_sha256=digest))


def rewrite_header(folder, change):
    file = folder / 'weights.safetensors'
    raw = file.read_bytes()
    (length,) = struct.unpack('<Q', raw[:8])
    header = json.loads(raw[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack('<Q', len(text)) + text + raw[8 + length :])
    sign_weights(folder)


@pytest.mark.parametrize('name', MODELS)
def test_round_trip(tmp_path, name):
    torch.manual_seed(0)
    bundle = make_bundle(name)
    model = build_model(name, MODEL_CONFIG).eval()
    save_bundle(tmp_path / 'deep' / 'b', bundle, model.state_dict())
    loaded, state = load_bundle(tmp_path / 'deep' / 'b')
    assert loaded == bundle
    assert loaded.modalities == ('rgb', 'lidar')
    again = build_model(loaded.model_name, loaded.model_config).eval()
    again.load_state_dict(state, strict=True)
    for key, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[key], value.half().to(value.dtype)) or (
            key in ('mean_M3', 'std_M3') and torch.equal(again.state_dict()[key], value)
        )
    images = {'rgb': torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)}
    with torch.inference_mode():
        assert (again(images) - model(images)).abs().max() < 0.02


def test_missing_mode_and_foreign_encoders_are_kept(tmp_path, state):
    bundle = make_bundle(missing_mode='zero', encoders={'rgb': {}, 'lidar': FROM_DATASET})
    save_bundle(tmp_path / 'b', bundle, state)
    loaded, _ = load_bundle(tmp_path / 'b')
    assert loaded == bundle
    assert loaded.missing_mode == 'zero' and loaded.encoders['lidar'] == {'source': 'dataset'}


@pytest.mark.parametrize(
    'form', [{'encoder': 'adapters'}, {'encoder': 'per_modality'}, {'fusion': 'reliability'}]
)
def test_every_form_of_a_network_is_kept(tmp_path, form):
    torch.manual_seed(0)
    config = {**MODEL_CONFIG, 'stem': 'per_modality', **form}
    model = build_model('m_segformer', config)
    bundle = make_bundle(model_config=config)
    save_bundle(tmp_path / 'b', bundle, model.state_dict())
    loaded, state = load_bundle(tmp_path / 'b')
    assert loaded == bundle
    assert {name: value.shape for name, value in state.items()} == {
        name: value.shape for name, value in model.state_dict().items()
    }


def test_saved_twice_is_byte_for_byte_equal(tmp_path, folder, state):
    save_bundle(tmp_path / 'c', make_bundle(), state)
    for name in ('bundle.json', 'weights.safetensors'):
        assert (tmp_path / 'c' / name).read_bytes() == (folder / name).read_bytes()


def test_statistics_stay_float32_and_weights_become_float16(folder, state):
    stored = load_file(folder / 'weights.safetensors')
    single = {name for name, value in stored.items() if value.dtype == torch.float32}
    assert single == {'head.norm.running_mean', 'head.norm.running_var', 'mean_M3', 'std_M3'}
    assert all(v.dtype == torch.float16 for n, v in stored.items() if n not in single)
    assert stored['head.norm.running_var'][0].item() == 1 + 2**-20
    assert names_in(folder) == ['bundle.json', 'weights.safetensors']
    assert names_in(folder.parent) == ['b']


def test_replaces_an_older_bundle_but_nothing_else(tmp_path, folder, state):
    save_bundle(folder, make_bundle(short_side_px=512), state)
    assert load_bundle(folder)[0].short_side_px == 512
    assert names_in(tmp_path) == ['b']
    other = tmp_path / 'photos'
    other.mkdir()
    (other / 'a.jpg').write_bytes(b'x')
    with pytest.raises(BundleError, match='photos exists and is no bundle'):
        save_bundle(other, make_bundle(), state)
    assert (other / 'a.jpg').read_bytes() == b'x'


def test_failed_save_leaves_the_old_bundle(folder, state, monkeypatch):
    before = (folder / 'bundle.json').read_bytes()

    def full_disk(*_, **__):
        raise OSError('no space left')

    monkeypatch.setattr(weights.Path, 'write_text', full_disk)
    with pytest.raises(WriteError, match=f'^cannot write {folder}: no space left$'):
        save_bundle(folder, make_bundle(short_side_px=512), state)
    monkeypatch.undo()
    assert (folder / 'bundle.json').read_bytes() == before
    load_bundle(folder)
    assert names_in(folder.parent) == ['b']


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda s: s.pop('mean_M3'), r"1 missing \['mean_M3'\]"),
        (lambda s: s.update(extra=torch.zeros(1)), r"1 unknown \['extra'\]"),
        (lambda s: s.update(mean_M3=torch.zeros(3, 3)), r'mean_M3 is \(3, 3\)'),
        (lambda s: s.update({'head.classifier.bias': torch.full((3,), 1e6)}), 'range of float16'),
        (lambda s: s.update({'head.classifier.bias': torch.full((3,), torch.nan)}), 'not finite'),
    ],
)
def test_saving_wrong_weights_is_refused(tmp_path, state, change, message):
    wrong = dict(state)
    change(wrong)
    with pytest.raises(BundleError, match=message):
        save_bundle(tmp_path / 'w', make_bundle(), wrong)
    assert names_in(tmp_path) == []


def test_provenance_must_be_json(tmp_path, state):
    for value in (float('nan'), object()):
        with pytest.raises(BundleError, match=r'bundle\.json cannot be written'):
            save_bundle(tmp_path / 'w', make_bundle(provenance={'x': value}), state)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'model_name': 'x'}, "model is 'x'; allowed: m_segformer"),
        ({'model_config': {**MODEL_CONFIG, 'num_classes': 4}}, '4 classes but label space'),
        ({'model_config': {**MODEL_CONFIG, 'depth': 4}}, "unknown model setting 'depth'"),
        ({'model_config': []}, 'model config'),
        ({'encoders': {'rgb': {}}}, 'one table of settings for each of rgb, lidar'),
        ({'encoders': {'rgb': {}, 'lidar': 3}}, 'one table of settings'),
        ({'short_side_px': 16}, 'short_side_px is 16'),
        ({'short_side_px': 31}, 'short_side_px is 31'),
        ({'short_side_px': 4097}, 'short_side_px is 4097'),
        ({'short_side_px': '256'}, 'short_side_px'),
        ({'missing_mode': 'mean'}, "missing_mode is 'mean'; allowed: .*drop.*zero"),
        ({'provenance': []}, 'provenance'),
    ],
)
def test_inconsistent_bundles_cannot_be_made(changes, message):
    with pytest.raises(ConfigError, match=message):
        make_bundle(**changes)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda d: d.update(format_version=4), 'format_version 4 is of a newer release; this one '
         'reads 1 to 3: install a newer anymodal_seg_ros, or export the bundle with this one'),
        (lambda d: d.update(format_version=0), 'format_version is 0; allowed: 1 to 3'),
        (lambda d: d.update(format_version='1'), "format_version is '1'; allowed: 1 to 3"),
        (lambda d: d.update(format_version=1), 'bundle of format_version 1 must have exactly'),
        (lambda d: d.update(code='import os'), "bundle must have exactly .* not .*'code'"),
        (lambda d: d.pop('provenance'), 'bundle must have exactly'),
        (lambda d: d.update(model=[]), r"model must have exactly \['config', 'name'\], not \[\]"),
        (lambda d: d['model'].pop('config'), 'model must have exactly'),
        (lambda d: d['model']['config'].pop('stem'), 'model config must have exactly'),
        (lambda d: d['model']['config'].pop('encoder'), 'model config must have exactly'),
        (lambda d: d['model']['config'].update(x=1), "unknown model setting 'x'"),
        (lambda d: d['model']['config'].update(num_classes=10**9), 'num_classes is 1000000000'),
        (lambda d: d['model'].update(name=['x']), r"model is \['x'\]; allowed: m_segformer"),
        (lambda d: d['label_space']['classes'].pop(), '3 classes but label space'),
        (lambda d: d.update(label_space=1), 'a label space is'),
        (lambda d: d.update(short_side_px=1e9), 'short_side_px'),
        (lambda d: d.update(weights_sha256='0' * 64), 'it was altered'),
        (lambda d: d.update(weights_sha256=None), 'weights_sha256'),
    ],
)
def test_wrong_config_is_named(folder, change, message):
    rewrite_json(folder, change)
    with pytest.raises(BundleError, match=message) as caught:
        load_bundle(folder)
    assert 'bundle.json' in str(caught.value)


HOSTILE = ('1e999', '-1e999', '1' + '0' * 400, '-1', '0', '1e308', '1' + '0' * 17, 'NaN', 'true',
           'null', '""', '"\\u0000"', '"\\ud800"', '[]', '{}', '[[]]', '{"": {}}',
           '"' + 'x' * 9000 + '"')


def places(data, path=()):
    """Of every value in nested tables and lists."""
    for key in data if isinstance(data, dict) else range(len(data)):
        yield (*path, key)
        if isinstance(data[key], (dict, list)):
            yield from places(data[key], (*path, key))


@pytest.mark.parametrize('value', HOSTILE, ids=lambda value: value[:9])
def test_no_value_anywhere_in_the_config_is_any_other_error(folder, value):
    file, mark = folder / 'bundle.json', 'to be replaced'
    (folder / 'weights.safetensors').unlink()
    text = file.read_text()
    for *way, last in places(json.loads(text)):
        data = json.loads(text)
        table = data
        for key in way:
            table = table[key]
        table[last] = mark
        file.write_text(json.dumps(data).replace(f'"{mark}"', value))
        with pytest.raises(BundleError) as caught:
            load_bundle(folder)
        assert len(str(caught.value)) < MAX_MESSAGE + 10


@pytest.mark.parametrize(
    'text',
    [b'', b'{', b'\xff\xfe', b'[]', b'NaN', b'{"a": 1, "a": 2}', b'[' * 99_999, b'{"a": NaN}'],
    ids=range(8),
)
def test_config_that_is_no_json_table(folder, text):
    (folder / 'bundle.json').write_bytes(text)
    with pytest.raises(BundleError, match=r'bundle\.json'):
        load_bundle(folder)


def tensor_file(change):
    def rewrite(folder):
        stored = load_file(folder / 'weights.safetensors')
        change(stored)
        save_file(stored, folder / 'weights.safetensors')
        sign_weights(folder)

    return rewrite


def header(change):
    return lambda folder: rewrite_header(folder, change)


def raw(change):
    def rewrite(folder):
        file = folder / 'weights.safetensors'
        file.write_bytes(change(file.read_bytes()))
        sign_weights(folder)

    return rewrite


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (raw(lambda b: b''), 'with 0 bytes claims a header'),
        (raw(lambda b: b[:5]), 'truncated'),
        (raw(lambda b: b[:100]), 'truncated'),
        (raw(lambda b: b[:7 + int.from_bytes(b[:8], 'little')]), 'truncated'),
        (raw(lambda b: b'\x01' + bytes(7) + b'1'), 'with 9 bytes claims a header of 1'),
        (raw(lambda b: b'\x02' + bytes(7) + b'{}'), r'\d+ missing'),
        (raw(lambda b: b'\x02' + bytes(7) + b'[]'), 'the header is not a table'),
        (raw(lambda b: b[:-1]), 'bytes but its header describes'),
        (raw(lambda b: b + b'x'), 'bytes but its header describes'),
        (raw(lambda b: b'\xff' * 8 + b[8:]), 'header of 18446744073709551615'),
        (raw(lambda b: b[:8] + b'}' + b[9:]), 'not valid JSON'),
        (tensor_file(lambda s: s.pop('std_M3')), r"1 missing \['std_M3'\]"),
        (tensor_file(lambda s: s.update(x=torch.zeros(2))), r"1 unknown \['x'\]"),
        (tensor_file(lambda s: s.update({n: torch.zeros(2) for n in 'wxyz'})),
         r"4 unknown \['w', 'x', 'y'\]"),
        (header(lambda h: [h.pop(name) for name in sorted(h)[:4]]),
         r"4 missing \['[^']+', '[^']+', '[^']+'\]"),
        (tensor_file(lambda s: s.update(std_M3=s['std_M3'].double())), "std_M3 is 'F64'; allowed"),
        (tensor_file(lambda s: s.update(std_M3=s['std_M3'][:1])), r'std_M3 is \[1, 3\]; the net'),
        (tensor_file(lambda s: s['std_M3'].fill_(torch.inf)), 'std_M3 has values'),
        (header(lambda h: h['mean_M3'].update(shape=[2**40, 2**40])), 'mean_M3 is'),
        (header(lambda h: h['mean_M3'].update(data_offsets=[0, 2**50])), 'mean_M3 lies at'),
        (header(lambda h: h['mean_M3'].update(data_offsets=[-4, 20])), 'mean_M3 lies at'),
        (header(lambda h: h['mean_M3'].update(data_offsets=[-1, 23])), 'mean_M3 lies at'),
        (header(lambda h: h['mean_M3'].update(data_offsets=[0.0, 24.0])), 'mean_M3 lies at'),
        (header(lambda h: h['mean_M3'].update(data_offsets=[0, 24, 0])), 'mean_M3 lies at'),
        (header(lambda h: h['mean_M3'].update(data_offsets='all')), 'mean_M3 lies at'),
        (
            header(lambda h: h['mean_M3'].update(data_offsets=h['std_M3']['data_offsets'])),
            'overlap or leave gaps',
        ),
        (header(lambda h: h['mean_M3'].pop('dtype')), 'mean_M3 is described by'),
        (header(lambda h: h['mean_M3'].update(dtype=[1])), 'mean_M3 is'),
    ],
)
def test_damaged_weights_are_named(folder, damage, message):
    damage(folder)
    with pytest.raises(BundleError, match=message) as caught:
        load_bundle(folder)
    assert 'weights.safetensors' in str(caught.value)


def test_one_flipped_bit_is_noticed(folder):
    file = folder / 'weights.safetensors'
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(BundleError, match=r'weights\.safetensors: its SHA-256'):
        load_bundle(folder)


def test_size_limits(folder, monkeypatch):
    size = (folder / 'weights.safetensors').stat().st_size
    load_bundle(folder, max_weights_bytes=size)
    with pytest.raises(BundleError, match=f'has {size} bytes; allowed: at most {size - 1}'):
        load_bundle(folder, max_weights_bytes=size - 1)
    monkeypatch.setattr(bundle_folder, 'MAX_CONFIG_BYTES', 10)
    with pytest.raises(BundleError, match=r'bundle\.json has \d+ bytes; allowed: at most 10'):
        load_bundle(folder)


def test_nothing_is_read_before_the_header_fits(folder, monkeypatch):
    rewrite_header(folder, lambda h: h['mean_M3'].update(shape=[1]))

    def never(_):
        raise AssertionError('weights were decoded')

    monkeypatch.setattr(tensors, 'load', never)
    with pytest.raises(BundleError, match='mean_M3'):
        load_bundle(folder)


def test_a_run_folder_is_told_from_its_bundle(folder, tmp_path):
    folder.rename(tmp_path / 'bundle')
    with pytest.raises(BundleError, match=f'the bundle of this run is {tmp_path / "bundle"}'):
        load_bundle(tmp_path)


@pytest.mark.parametrize('name', ['bundle.json', 'weights.safetensors'])
def test_missing_files_links_and_folders(folder, tmp_path, name):
    file = folder / name
    outside = tmp_path / 'outside'
    file.rename(outside)
    with pytest.raises(BundleError, match=f'{name} is missing'):
        load_bundle(folder)
    file.symlink_to(outside)
    with pytest.raises(BundleError, match=f'{name} is a link out of the bundle'):
        load_bundle(folder)
    file.unlink()
    file.symlink_to(file)
    with pytest.raises(BundleError, match=name):
        load_bundle(folder)
    file.unlink()
    file.mkdir()
    with pytest.raises(BundleError, match=name):
        load_bundle(folder)
    file.rmdir()
    os.mkfifo(file)
    with pytest.raises(BundleError, match='no regular file'):
        load_bundle(folder)


def test_no_folder(tmp_path):
    with pytest.raises(BundleError, match='no bundle folder at'):
        load_bundle(tmp_path / 'nothing')


def test_a_linked_folder_is_fine(folder, tmp_path):
    (tmp_path / 'link').symlink_to(folder)
    assert load_bundle(tmp_path / 'link')[0] == make_bundle()


@pytest.mark.parametrize('short_side_px', [32, 4096])
def test_networks_of_32_to_4096_pixels_a_side(short_side_px):
    assert make_bundle(short_side_px=short_side_px).short_side_px == short_side_px
