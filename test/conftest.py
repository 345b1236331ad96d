# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What all tests share: the streams of ``benchmarks``, a bundle with random weights, and the rule
that nothing is skipped but what needs a ROS distribution or a GPU."""

import importlib.util
import json
import logging
import os
import resource
import shutil
import signal
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples in every run; searching on is for whoever changes the code. How long one takes
# says what else the machine does.
settings.register_profile('repeatable', derandomize=True, deadline=None)
settings.load_profile('repeatable')

# A worker of pytest-xdist has one core; torch, whose threads are those of the machine, is imported
# after this, and in processes that tests start.
if 'PYTEST_XDIST_WORKER' in os.environ:
    os.environ.setdefault('OMP_NUM_THREADS', '1')

MAX_WORKERS = 4

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'benchmarks'))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """One for each core; each takes up to 2 GB."""
    return min(len(os.sched_getaffinity(0)), MAX_WORKERS)


@pytest.fixture(scope='session')
def tiny_bundle(tmp_path_factory):
    """Folder of a MiT-B0 bundle of all modalities with random weights, 64 px short side."""
    from ros_streams.tiny_bundle import write_tiny_bundle

    return write_tiny_bundle(tmp_path_factory.mktemp('bundles') / 'tiny')


@pytest.fixture(scope='session')
def tiny_clip(tmp_path_factory):
    """Folder of a CLIP of the size 'tiny' with random weights; its tokens are letters."""
    import torch
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPConfig, CLIPModel

    folder = tmp_path_factory.mktemp('clip')
    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, *(f'{letter}</w>' for letter in letters), '<|startoftext|>',
              '<|endoftext|>']
    begin, end = len(tokens) - 2, len(tokens) - 1
    tower = {'hidden_size': 32, 'num_hidden_layers': 2, 'num_attention_heads': 2,
             'intermediate_size': 128, 'projection_dim': 16}
    torch.manual_seed(0)
    CLIPModel(CLIPConfig(
        projection_dim=16, vision_config={**tower, 'image_size': 32, 'patch_size': 8},
        text_config={**tower, 'vocab_size': len(tokens), 'bos_token_id': begin,
                     'eos_token_id': end, 'pad_token_id': end})).save_pretrained(folder)
    (folder / 'vocab.json').write_text(json.dumps({t: i for i, t in enumerate(tokens)}), 'utf-8')
    (folder / 'merges.txt').write_text('#version: 0.2\n', 'utf-8')
    return folder


@pytest.fixture
def toy(monkeypatch):
    """Name of a network of the tests, entered as any other: its file and its row."""
    from anymodal_seg_ros.models import MODELS, ModelRow

    monkeypatch.syspath_prepend(Path(__file__).parent / 'models')
    from toy_network import ToyConfig

    monkeypatch.setitem(MODELS, 'toy', ModelRow(
        config=ToyConfig, module='toy_network', network='ToyNetwork', abilities=(),
        smallest={'width': 16}))
    return 'toy'


@pytest.fixture
def joint(monkeypatch):
    """Name of another one, which has features and is not separable."""
    from anymodal_seg_ros.models import FEATURES, MODELS, ModelRow

    monkeypatch.syspath_prepend(Path(__file__).parent / 'models')
    from joint_network import JointConfig

    monkeypatch.setitem(MODELS, 'joint', ModelRow(
        config=JointConfig, module='joint_network', network='JointNetwork',
        abilities=(FEATURES,), smallest={}))
    return 'joint'


@pytest.fixture()
def caplog(caplog, monkeypatch):
    """pytest's, also where ``launch`` was imported: its class for all loggers made afterwards
    keeps their records from the root logger, on which pytest listens and whose level it lowers."""
    standard, replaced = logging.Logger, logging.getLoggerClass()
    for name, logger in logging.Logger.manager.loggerDict.items():
        if name.startswith(('anymodal_seg_ros', 'training')) and isinstance(logger, standard):
            monkeypatch.setattr(logger, 'propagate', True)
    logging.setLoggerClass(standard)
    caplog.set_level(logging.WARNING)
    yield caplog
    logging.setLoggerClass(replaced)


@pytest.fixture(scope='session', autouse=True)
def imitated_cpu(tmp_path_factory):
    """``IMITATED_CPU_FLAGS`` in the environment: what /proc/cpuinfo is to say."""
    flags = os.environ.get('IMITATED_CPU_FLAGS')
    if flags is None:
        yield
        return
    from anymodal_seg_ros.inference import precision

    cpuinfo = tmp_path_factory.mktemp('cpu') / 'cpuinfo'
    cpuinfo.write_text(f'flags : {flags}\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(precision, 'CPUINFO', cpuinfo)
        yield


@pytest.fixture(autouse=True)
def cpu_threads():
    """PyTorch's threads belong to the process: a test that sets them does so for itself."""
    torch = sys.modules.get('torch')
    before = torch and torch.get_num_threads()
    yield
    if torch and torch.get_num_threads() != before:
        torch.set_num_threads(before)


@pytest.fixture(scope='session')
def full_disk():
    """A block within which no file can grow beyond so many bytes: EFBIG stands for ENOSPC.

    A block and not a test: what pytest says may go to a file, which is larger.
    """
    @contextmanager
    def filled(size_bytes):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)

    return filled


@pytest.fixture(scope='session')
def near_ties():
    """Where rounding may choose the class: bool [H, W] of logits [K, H, W].

    Kernels differ in the order of their sums from CPU to CPU and with the size of a batch.
    Labels are compared where this is False, and counts of labels but for so many pixels.
    """
    def of(logits_KHW, error=1e-5):
        """``error`` of one logit, in the largest."""
        first_HW, second_HW = logits_KHW.float().topk(2, dim=0).values
        return first_HW - second_HW < 2 * error * logits_KHW.abs().max()

    return of


MAY_BE_ABSENT = ('cv_bridge', 'launch_ros', 'sensor_msgs_py', 'tf2_ros', 'vision_msgs',
                 'publication_sequence_number', 'CUDA')
if importlib.util.find_spec('rclpy') is None:
    MAY_BE_ABSENT += ('sensor_msgs',)
_unexpected_skips = []
WANTED_SHARED_MB = 500
"""For as many nodes as tests start at once."""


def _note_skip(report):
    if report.skipped and not hasattr(report, 'wasxfail'):
        reason = str(report.longrepr)
        if not any(name in reason for name in MAY_BE_ABSENT):
            _unexpected_skips.append(f'{report.nodeid}: {reason}')


def pytest_runtest_logreport(report):
    _note_skip(report)


def pytest_collectreport(report):
    _note_skip(report)


def pytest_sessionfinish(session):
    if _unexpected_skips and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    for skip in _unexpected_skips:
        terminalreporter.write_line(f'skipped without leave: {skip}', red=True)
    if {'failed', 'error'} & set(terminalreporter.stats):
        with suppress(OSError):
            free_mb = shutil.disk_usage('/dev/shm').free / 1e6
            if free_mb < WANTED_SHARED_MB:
                terminalreporter.write_line(
                    f'/dev/shm has {free_mb:.0f} MB free, and Fast DDS wants 70 for each process: '
                    'without them it loses images. Give a container --shm-size=1g', red=True)
