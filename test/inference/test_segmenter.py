# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every backend of the table, and the torch backend's devices and precisions. Layer: inference."""

import math
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from anymodal_seg_ros.bundle import Bundle
from anymodal_seg_ros.bundle.weights import save_bundle
from anymodal_seg_ros.errors import BundleError, ConfigError
from anymodal_seg_ros.inference import BACKENDS, build_segmenter, modality_subsets, torch_backend
from anymodal_seg_ros.inference.answer import answer_at, labels_at
from anymodal_seg_ros.inference.precision import resolve_precision
from anymodal_seg_ros.labels import LabelSpace
from anymodal_seg_ros.models import MISSING_MODES, build_model

MODALITIES = ('rgb', 'depth', 'lidar', 'event')
NUM_CLASSES = 9
CONFIG = {'num_classes': NUM_CLASSES, 'modalities': MODALITIES}
SIZE_HW, OUT_HW = (64, 96), (120, 200)


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    built = build_model('m_segformer', CONFIG).eval()
    norm = built.head.norm
    norm.running_mean.normal_(0, 0.5)
    norm.running_var.uniform_(0.5, 2.0)
    nn.init.normal_(norm.bias, 0, 0.3)
    return built


@pytest.fixture(scope='module')
def bundle_path(tmp_path_factory, model):
    path = tmp_path_factory.mktemp('bundles') / 'b'
    names = tuple(f'class{i}' for i in range(NUM_CLASSES))
    space = LabelSpace('nine', names, tuple((i, i, i) for i in range(NUM_CLASSES)))
    bundle = Bundle(
        model_name='m_segformer',
        model_config=CONFIG,
        encoders={m: {} for m in MODALITIES},
        label_space=space,
        short_side_px=64,
    )
    save_bundle(path, bundle, model.state_dict())
    return path


@pytest.fixture(scope='module', params=BACKENDS)
def segmenter(request, bundle_path):
    return build_segmenter(bundle_path, backend=request.param, device='cpu', precision='fp32')


@pytest.fixture
def images():
    rng = np.random.default_rng(3)
    return {m: rng.integers(0, 256, (*SIZE_HW, 3), np.uint8) for m in MODALITIES}


def reference_logits(model, images, missing='drop'):
    """[K, H, W] at output size by the shortest code there is, in float32."""
    tensors = {m: torch.from_numpy(x).permute(2, 0, 1)[None] for m, x in images.items()}
    with torch.inference_mode():
        logits = model.logits(tensors, missing=missing)
        return F.interpolate(logits, size=OUT_HW, mode='bilinear', align_corners=False)[0]


def reference_probabilities(model, images):
    """Their softmax."""
    return reference_logits(model, images).softmax(0).numpy()


def test_every_subset_agrees_with_the_network(segmenter, model, images):
    for subset in modality_subsets(MODALITIES):
        chosen = {m: images[m] for m in subset}
        labels, confidence = segmenter.predict(chosen, OUT_HW)
        assert labels.shape == confidence.shape == OUT_HW
        assert labels.dtype == confidence.dtype == np.uint8
        expected = reference_probabilities(model, chosen)
        best_two = np.sort(expected, axis=0)[-2:]
        clear = best_two[1] - best_two[0] > 0.02
        assert clear.mean() > 0.2
        assert (labels == expected.argmax(0))[clear].all()


def test_same_input_same_bytes(segmenter, images):
    first = segmenter.predict(images, OUT_HW)
    segmenter.predict({'event': images['event']}, OUT_HW)
    again = segmenter.predict(images, OUT_HW)
    other_order = segmenter.predict(dict(reversed(images.items())), OUT_HW)
    for a, b, c in zip(first, again, other_order, strict=True):
        assert a.tobytes() == b.tobytes() == c.tobytes()


def test_earlier_answers_are_not_overwritten(segmenter, images):
    labels, confidence = segmenter.predict(images, OUT_HW)
    kept = labels.copy(), confidence.copy()
    segmenter.predict({'lidar': images['lidar']}, OUT_HW)
    assert np.array_equal(labels, kept[0]) and np.array_equal(confidence, kept[1])


def test_read_only_and_strided_images(segmenter, images):
    expected = segmenter.predict(images, OUT_HW)
    wide = {m: np.repeat(x, 2, axis=1)[:, ::2] for m, x in images.items()}
    for x in images.values():
        x.flags.writeable = False
    for changed in (wide, images):
        labels, confidence = segmenter.predict(changed, OUT_HW)
        assert np.array_equal(labels, expected[0])
        assert np.array_equal(confidence, expected[1])


FORMS = {
    'stems': {'stem': 'per_modality'},
    'encoders': {'stem': 'per_modality', 'encoder': 'per_modality'},
    'everything': {'encoder': 'adapters', 'fusion': 'reliability'},
}


def form_of_a_network(form, missing_mode):
    """A network whose parts all matter, and the bundle that goes with it."""
    torch.manual_seed(0)
    config = {**CONFIG, **FORMS[form]}
    network = build_model('m_segformer', config).eval()
    for part in (network.adapters, network.scores):
        for parameter in () if part is None else part.parameters():
            nn.init.normal_(parameter, 0.0, 0.2)
    names = tuple(f'class{i}' for i in range(NUM_CLASSES))
    bundle = Bundle(
        model_name='m_segformer',
        model_config=config,
        encoders={m: {} for m in MODALITIES},
        label_space=LabelSpace('nine', names, tuple((i, i, i) for i in range(NUM_CLASSES))),
        short_side_px=64,
        missing_mode=missing_mode,
    )
    return network, bundle


@pytest.mark.slow
@pytest.mark.parametrize('precision', ['fp32', 'bf16'])
@pytest.mark.parametrize('missing_mode', MISSING_MODES)
@pytest.mark.parametrize('form', FORMS)
def test_every_form_and_missing_mode(images, form, missing_mode, precision):
    network, bundle = form_of_a_network(form, missing_mode)
    segmenter = torch_backend.TorchSegmenter(
        bundle, network.state_dict(), device='cpu', precision=precision
    )
    margin = {'fp32': 1e-4, 'bf16': 0.3}[precision]
    for subset in (('depth',), ('rgb', 'event'), MODALITIES):
        chosen = {m: images[m] for m in subset}
        labels, _ = segmenter.predict(chosen, OUT_HW)
        expected = reference_logits(network, chosen, missing_mode)
        best_two = expected.topk(2, dim=0).values
        clear = best_two[0] - best_two[1] > margin * expected.std()
        assert clear.float().mean() > 0.2
        assert (torch.from_numpy(labels) == expected.argmax(0))[clear].all()


def test_zeros_follow_the_size_of_the_images(images):
    network, bundle = form_of_a_network('stems', 'zero')
    segmenter = torch_backend.TorchSegmenter(
        bundle, network.state_dict(), device='cpu', precision='fp32'
    )
    large = {'rgb': images['rgb']}
    small = {'rgb': images['rgb'][:32, :64]}
    first = segmenter.predict(large, OUT_HW)
    other = segmenter.predict(small, (32, 64))
    again = segmenter.predict(large, OUT_HW)
    assert all(map(np.array_equal, first, again))
    fresh = torch_backend.TorchSegmenter(
        bundle, network.state_dict(), device='cpu', precision='fp32'
    )
    assert all(map(np.array_equal, other, fresh.predict(small, (32, 64))))


def test_warm_up_runs_every_subset(segmenter, monkeypatch):
    seen = []
    monkeypatch.setattr(
        type(segmenter), 'predict', lambda _, images, out_hw: seen.append((*images, out_hw))
    )
    segmenter.warm_up(SIZE_HW, OUT_HW)
    assert seen == [(*subset, OUT_HW) for subset in modality_subsets(MODALITIES)]


@pytest.mark.parametrize(
    ('change', 'out_hw', 'message'),
    [
        (lambda d: d.clear(), OUT_HW, 'no images'),
        (lambda d: d.update(radar=d['rgb']), OUT_HW, "unknown modality 'radar'"),
        (lambda d: d.update(depth=d['depth'][..., 0]), OUT_HW, 'depth image is uint8 (64, 96)'),
        (lambda d: d.update(depth=d['depth'][..., :2]), OUT_HW, 'depth image is uint8'),
        (lambda d: d.update(lidar=d['lidar'] / 255), OUT_HW, 'lidar image is float64'),
        (lambda d: d.update(event=d['event'][:32]), OUT_HW, 'event image is (32, 96, 3)'),
        (lambda d: d.update(rgb=d['rgb'][:16]), OUT_HW, 'rgb image is (16, 96, 3)'),
        (lambda d: None, (0, 100), 'out_hw is (0, 100)'),
        (lambda d: None, (100.0, 100), 'out_hw is (100.0, 100)'),
        (lambda d: None, (100,), 'out_hw is (100,)'),
    ],
)
def test_wrong_input_is_named(segmenter, images, change, out_hw, message):
    change(images)
    with pytest.raises(ValueError, match=re.escape(message)):
        segmenter.predict(images, out_hw)


def test_loads_what_was_saved(segmenter, bundle_path):
    assert segmenter.bundle.modalities == MODALITIES
    assert segmenter.bundle.label_space.num_classes == NUM_CLASSES
    assert 'cpu' in segmenter.description


@pytest.mark.parametrize('precision', ['bf16', 'auto'])
def test_half_precision_is_close(bundle_path, model, images, precision):
    segmenter = build_segmenter(bundle_path, device='cpu', precision=precision)
    labels, _ = segmenter.predict(images, OUT_HW)
    expected = reference_probabilities(model, images)
    best_two = np.sort(expected, axis=0)[-2:]
    clear = best_two[1] - best_two[0] > 0.2
    assert clear.mean() > 0.02
    assert (labels == expected.argmax(0))[clear].mean() > 0.99


@pytest.mark.parametrize('out_hw', [(16, 24), (64, 96), (40, 50)])
def test_confidence_is_the_softmax_up_to_input_size(out_hw):
    torch.manual_seed(0)
    logits = 4 * torch.randn(1, 7, 16, 24)
    labels, confidence = answer_at(logits, out_hw, (64, 96))
    up = F.interpolate(logits, size=out_hw, mode='bilinear', align_corners=False)
    expected = up.softmax(1)[0]
    assert torch.equal(labels.long(), expected.argmax(0))
    assert (confidence - 255 * expected.amax(0)).abs().max() <= 0.501


def test_confidence_above_input_size_is_close_and_low_at_a_border():
    logits = torch.zeros(1, 2, 16, 16)
    logits[:, 0, :, :8] = 10.0
    logits[:, 1, :, 8:] = 10.0
    labels, confidence = answer_at(logits, (128, 128), (64, 64))
    up = F.interpolate(logits, size=(128, 128), mode='bilinear', align_corners=False)
    expected = 255 * up.softmax(1)[0].amax(0)
    assert torch.equal(labels.long(), up.argmax(1)[0])
    difference = (confidence - expected).abs()
    assert difference.max() < 40 and difference.mean() < 3
    assert confidence[:, :48].min() == confidence[:, 80:].min() == 255
    # The two logits differ by 2.5 where the border's nearest pixels of the input lie.
    assert confidence.min() == round(255 / (1 + math.exp(-2.5)))


@pytest.mark.parametrize('out_hw', [(300, 200), (257, 131), (61, 7), (4, 500), (1, 90)])
def test_an_answer_in_strips_is_that_in_one_piece(out_hw, monkeypatch):
    torch.manual_seed(1)
    logits = 4 * torch.randn(2, 5, 13, 9)
    whole = answer_at(logits[:1], out_hw, (52, 36))[1].int()
    monkeypatch.setattr('anymodal_seg_ros.inference.answer._WHOLE_PX', 1)
    monkeypatch.setattr('anymodal_seg_ros.inference.answer._STRIP_PX', 600)
    up = F.interpolate(logits, size=out_hw, mode='bilinear', align_corners=False)
    best_two = up.topk(2, dim=1)[0]
    clear = best_two[:, 0] - best_two[:, 1] > 1e-4
    assert clear.float().mean() > 0.99
    labels = labels_at(logits, out_hw)
    assert labels.dtype == torch.int64
    assert torch.equal(labels[clear], up.argmax(1)[clear])
    answered, confidence = answer_at(logits[:1], out_hw, (52, 36))
    assert torch.equal(answered[clear[0]].long(), up[0].argmax(0)[clear[0]])
    assert (confidence.int() - whole).abs().max() <= 1


def test_a_large_answer_never_has_all_its_logits_at_once(monkeypatch):
    upsampled = []

    def counted(maps, **options):
        upsampled.append(maps.shape[1] * options['size'][0] * options['size'][1])
        return interpolate(maps, **options)
    interpolate = F.interpolate
    monkeypatch.setattr(F, 'interpolate', counted)
    answer_at(torch.randn(1, 3, 8, 16), (1600, 3200), (32, 64))
    assert max(upsampled) <= 3 * 128 * 1024


def test_confidence_of_certain_and_uniform_logits():
    certain = torch.zeros(1, 4, 8, 8)
    certain[:, 2] = 100.0
    labels, confidence = answer_at(certain, (32, 32), (32, 32))
    assert set(labels.flatten().tolist()) == {2}
    assert set(confidence.flatten().tolist()) == {255}
    _, confidence = answer_at(torch.zeros(1, 4, 8, 8), (32, 32), (32, 32))
    assert set(confidence.flatten().tolist()) == {64}


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'backend': 'tensorflow'}, "backend is 'tensorflow'; allowed: torch"),
        ({'device': 'gpu'}, "device is 'gpu'; allowed: auto, cpu, cuda"),
        ({'device': 'cuda:x'}, "device is 'cuda:x'; allowed"),
        ({'precision': 'int8'}, "precision is 'int8'; allowed: auto, fp32, bf16, fp16"),
        ({'precision': 'fp16', 'device': 'cpu'}, 'bf16 on a CPU (fp16 needs CUDA)'),
        ({'num_threads': -1}, 'num_threads is -1; allowed'),
        ({'num_threads': 1000}, 'num_threads is 1000; allowed'),
    ],
)
def test_wrong_settings_are_named(bundle_path, settings, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        build_segmenter(bundle_path, **settings)


def test_absent_cuda_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    for name in ('cuda', 'cuda:0'):
        with pytest.raises(ConfigError, match=f"device '{name}': this PyTorch finds no CUDA GPU"):
            torch_backend.resolve_device(name)
    assert torch_backend.resolve_device('auto') == torch.device('cpu')


def test_cuda_devices_by_index(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    assert torch_backend.resolve_device('auto') == torch.device('cuda')
    assert torch_backend.resolve_device('cuda:1') == torch.device('cuda:1')
    with pytest.raises(ConfigError, match='allowed: cuda:0 to cuda:1'):
        torch_backend.resolve_device('cuda:2')


@pytest.mark.parametrize(
    ('flags', 'dtype'),
    [
        ('avx2 avx512f', torch.float32),
        ('avx512f avx512_bf16', torch.bfloat16),
        ('amx_bf16', torch.bfloat16),
    ],
)
def test_auto_precision_on_a_cpu(monkeypatch, tmp_path, flags, dtype):
    cpuinfo = tmp_path / 'cpuinfo'
    cpuinfo.write_text(f'processor\t: 0\nflags\t\t: fpu {flags} sse\n\nprocessor\t: 1\n')
    monkeypatch.setattr('anymodal_seg_ros.inference.precision.CPUINFO', cpuinfo)
    assert resolve_precision('auto', torch.device('cpu')) == dtype


@pytest.mark.parametrize(('capability', 'dtype'), [((7, 5), 'float16'), ((8, 0), 'bfloat16')])
def test_auto_precision_on_a_gpu(monkeypatch, capability, dtype):
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda _: capability)
    chosen = resolve_precision('auto', torch.device('cuda'))
    assert chosen == getattr(torch, dtype)


def test_number_of_threads(bundle_path):
    segmenter = build_segmenter(bundle_path, device='cpu', num_threads=1)
    assert torch.get_num_threads() == 1
    assert '1 threads' in segmenter.description


def test_missing_bundle(tmp_path):
    with pytest.raises(BundleError, match='no bundle folder'):
        build_segmenter(tmp_path / 'nothing')
