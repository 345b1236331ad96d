# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files beside the weights: declared, checked, and nothing but what was declared."""

import json
import tracemalloc
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save

from anymodal_seg_ros.bundle import KINDS, Artefact, Bundle, read_artefact, read_description
from anymodal_seg_ros.bundle.artefacts import MAX_ARTEFACT_BYTES
from anymodal_seg_ros.bundle.tensors import load_tensors
from anymodal_seg_ros.bundle.weights import load_bundle, save_bundle
from anymodal_seg_ros.errors import BundleError, ConfigError
from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.models import build_model

GRAPH = Artefact.of(b'a graph', name='all_sensors', kind='graph', ending='.onnx')
WORDS = Artefact.of(b'{"road": [1]}', name='words', kind='text_embeddings', ending='.json')
DATA = {'all_sensors': b'a graph', 'words': b'{"road": [1]}'}
CONFIG = {'num_classes': 1, 'modalities': ['rgb'], 'head_dim': 32}
BUNDLE = Bundle(model_name='m_segformer', model_config=CONFIG, encoders={'rgb': {}},
                label_space=LabelSpace('one', ('road',), ((1, 2, 3),)), short_side_px=64,
                artefacts=(GRAPH, WORDS))


@pytest.fixture(scope='module')
def state():
    torch.manual_seed(0)
    return build_model('m_segformer', CONFIG).state_dict()


@pytest.fixture
def folder(tmp_path, state):
    save_bundle(tmp_path / 'b', BUNDLE, state, DATA)
    return tmp_path / 'b'


def test_round_trip_and_asking_by_kind(folder):
    bundle = read_description(folder)
    assert bundle == load_bundle(folder)[0] == BUNDLE
    assert bundle.artefacts_of('graph') == (GRAPH,)
    assert bundle.artefacts_of('prototypes') == ()
    assert {artefact.name: read_artefact(folder, artefact)
            for artefact in bundle.artefacts} == DATA
    assert sorted(path.name for path in folder.iterdir()) == [
        'all_sensors.onnx', 'bundle.json', 'weights.safetensors', 'words.json']


@pytest.mark.parametrize(('data', 'message'), [
    ({'words': DATA['words']}, r"\['words'\] were given; declared: \['all_sensors', 'words'\]"),
    ({**DATA, 'x': b''}, r"'x'\] were given"),
    ({**DATA, 'words': b'{"road": [2]}'}, "'words' is not of the declared size and SHA-256"),
])
def test_other_artefacts_than_declared_are_not_saved(tmp_path, state, data, message):
    with pytest.raises(BundleError, match=message):
        save_bundle(tmp_path / 'b', BUNDLE, state, data)
    assert not (tmp_path / 'b').exists()


@pytest.mark.parametrize(('changes', 'message'), [
    ({'name': 'bundle.json'}, "artefact is 'bundle.json'; allowed"),
    ({'name': '../x'}, r"artefact is '\.\./x'; allowed"),
    ({'name': 'weights'}, "artefact is 'weights'; allowed"),
    ({'name': 3}, 'artefact is 3; allowed'),
    ({'kind': 'code'}, "kind is 'code'; allowed: graph, text_embeddings, prototypes"),
    ({'kind': ['graph']}, 'kind .* allowed: graph'),
    ({'file': '/etc/passwd'}, r"file is '/etc/passwd'; allowed: all_sensors\.onnx"),
    ({'file': '../all_sensors.onnx'}, 'file'),
    ({'file': 'all_sensors.py'}, 'file'),
    ({'file': ['all_sensors.onnx']}, 'file'),
    ({'size_bytes': 0}, 'size_bytes is 0; allowed: a whole number, 1 to 1073741824'),
    ({'size_bytes': 1 << 31}, 'size_bytes is 2147483648'),
    ({'size_bytes': True}, 'size_bytes is True'),
    ({'sha256': 'A' * 64}, 'sha256'),
    ({'sha256': None}, 'sha256 is None; allowed: 64 hexadecimal digits'),
])
def test_wrong_declarations_are_named(folder, changes, message):
    with pytest.raises(ConfigError, match=message):
        replace(GRAPH, **changes)
    file = folder / 'bundle.json'
    data = json.loads(file.read_text())
    data['artefacts'][0].update(changes)
    file.write_text(json.dumps(data))
    with pytest.raises(BundleError, match=message):
        read_description(folder)


@pytest.mark.parametrize(('artefacts', 'message'), [
    (3, 'artefacts is 3; allowed: a list of tables'),
    ([3], 'allowed: a list of tables'),
    ([{'name': 'x'}], 'allowed: a list of tables'),
    ([GRAPH.to_dict()] * 2, "artefact 'all_sensors' is declared twice"),
    ([replace(GRAPH, name=f'n{i}', file=f'n{i}.onnx').to_dict() for i in range(17)],
     '17 artefacts; at most 16'),
])
def test_wrong_lists_are_named(folder, artefacts, message):
    file = folder / 'bundle.json'
    file.write_text(json.dumps({**json.loads(file.read_text()), 'artefacts': artefacts}))
    with pytest.raises(BundleError, match=message) as caught:
        load_bundle(folder)
    assert 'bundle.json' in str(caught.value)


@pytest.mark.parametrize(('content', 'message'), [
    (b'a grapH', 'its size or SHA-256 is not the one in bundle.json'),
    (b'a grap', 'its size or SHA-256'),
    (b'a graph and more', 'has 16 bytes; allowed: at most 7'),
])
def test_altered_files_are_refused(folder, content, message):
    (folder / 'all_sensors.onnx').write_bytes(content)
    with pytest.raises(BundleError, match=message) as caught:
        read_artefact(folder, GRAPH)
    assert 'all_sensors.onnx' in str(caught.value)


def test_memory_is_taken_for_the_file_and_not_for_what_is_declared(folder):
    declared = replace(GRAPH, size_bytes=MAX_ARTEFACT_BYTES)
    tracemalloc.start()
    try:
        with pytest.raises(BundleError, match='its size or SHA-256'):
            read_artefact(folder, declared)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_missing_files_and_links_are_refused(folder, tmp_path):
    file = folder / 'all_sensors.onnx'
    file.rename(tmp_path / 'outside')
    with pytest.raises(BundleError, match=r'all_sensors\.onnx is missing'):
        read_artefact(folder, GRAPH)
    file.symlink_to(tmp_path / 'outside')
    with pytest.raises(BundleError, match='link out of the bundle'):
        read_artefact(folder, GRAPH)


def with_tensors(tmp_path, state, data):
    artefact = Artefact.of(data, name='means', kind='prototypes', ending='.safetensors')
    save_bundle(tmp_path / 't', replace(BUNDLE, artefacts=(artefact,)), state, {'means': data})
    return tmp_path / 't', artefact


def test_tensors_of_an_artefact(tmp_path, state):
    means = {'rgb': torch.arange(6.0).reshape(2, 3), 'scale': torch.tensor(0.5).half()}
    read = load_tensors(*with_tensors(tmp_path, state, save(means)))
    assert set(read) == set(means)
    assert all(torch.equal(read[name], value) for name, value in means.items())


def stored(header, body=b''):
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, 'little') + text + body


@pytest.mark.parametrize(('data', 'message'), [
    (b'{}', 'with 2 bytes claims a header'),
    (save({'x': torch.ones(2).double()}), "x is 'F64'; allowed: F16, BF16, F32"),
    (save({'x': torch.tensor([1.0, torch.nan])}), 'x has values that are not finite'),
    (save({'x': torch.ones(2)})[:-1], 'bytes but its header describes'),
    (stored([]), 'the header is not a table'),
    (stored({'x': 3}), 'x is described by 3'),
    (stored({'x': {'dtype': 'F32', 'shape': [-1], 'data_offsets': [0, 4]}}), 'x is described by'),
    (stored({'x': {'dtype': 'F32', 'shape': [True], 'data_offsets': [0, 4]}}),
     'x is described by'),
    (stored({'x': {'dtype': 'F32', 'shape': [1] * 9, 'data_offsets': [0, 4]}}),
     'x is described by'),
    (stored({'x': {'dtype': 'F32', 'shape': [2**30] * 8, 'data_offsets': [0, 4]}}), 'x lies at'),
    (stored({'x': {'dtype': 'F32', 'shape': [1], 'data_offsets': [4, 8]}}, bytes(8)),
     'overlap or leave gaps'),
])
def test_damaged_tensors_of_an_artefact_are_named(tmp_path, state, data, message):
    with pytest.raises(BundleError, match=message) as caught:
        load_tensors(*with_tensors(tmp_path, state, data))
    assert 'means.safetensors' in str(caught.value)


def test_no_kind_holds_code():
    assert {ending for endings in KINDS.values() for ending in endings} <= {
        '.onnx', '.safetensors', '.json'}
