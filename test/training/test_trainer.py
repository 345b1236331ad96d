# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop: exact resumption, learning, time limits, divergence, the whole command."""

import csv
import errno
import json
import math
import struct
from contextlib import ExitStack

import pytest
import torch
from tensorboardX.proto.event_pb2 import Event, SessionLog

from anymodal_seg_ros.bundle import Bundle
from anymodal_seg_ros.errors import ConfigError, WriteError
from anymodal_seg_ros.inference.precision import has_native_bfloat16
from anymodal_seg_ros.labels import load_label_space
from anymodal_seg_ros.models import NetworkConfig, build_model
from training.average import WeightAverage
from training.batch_maker import BatchMaker, stream
from training.checkpoint import (
    load_checkpoint,
    read_checkpoint,
    save_checkpoint,
    weights_hashes,
)
from training.datasets import DeliverDataset, FrameCache, JoinedFrames
from training.devices import fabric_precision, make_fabric
from training.journal import METRICS_FILE, Journal
from training.losses import build_loss
from training.methods import METHODS
from training.optimizer import build_optimizer
from training.train_config import TrainConfig
from training.trainer import DivergedError, Trainer

pytestmark = pytest.mark.slow

SMALL = {
    'seed': 3, 'epochs': 2, 'model_config': {'backbone': 'b0', 'head_dim': 16},
    'precision': 'fp32', 'device': 'cpu', 'checkpoint_minutes': 0, 'class_weights': 'none',
    'log_steps': 2,
    'data': {'short_side_px': 64},
    'stages': [{'until': 0.6, 'crop_px': 32, 'batch': 2},
               {'until': 1.0, 'crop_px': 64, 'batch': 2}],
}


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def frames(deliver_root):
    return JoinedFrames([FrameCache(DeliverDataset(deliver_root, 'train'))])


def make_trainer(frames, run, changes=None, **options):
    config = TrainConfig.from_dict({**SMALL, **(changes or {})})
    torch.manual_seed(config.seed)
    model = build_model(config.model, config.model_config)
    method = METHODS[config.method.name].build(build_loss(config.loss), model)
    run.mkdir(exist_ok=True)
    return Trainer(config, model, method, frames, run, fabric=make_fabric('cpu', 'fp32'),
                   **options)


class Stopper:
    """Says stop after a number of steps."""

    def __init__(self, steps):
        self.left = steps

    def __call__(self):
        self.left -= 1
        return self.left == 0


def curve(run):
    """The rows of metrics.csv without the seconds."""
    with (run / METRICS_FILE).open(newline='') as file:
        return [{k: v for k, v in row.items() if k != 'elapsed_s'} for row in csv.DictReader(file)]


def test_a_resumed_run_ends_with_the_same_weights(frames, tmp_path):
    straight = make_trainer(frames, tmp_path / 'a').fit()
    first = make_trainer(frames, tmp_path / 'b').fit(Stopper(3))
    assert not first.finished and first.samples == len(frames)
    second = make_trainer(frames, tmp_path / 'b')
    second.resume()
    resumed = second.fit()
    assert straight.finished and resumed.finished
    assert resumed.steps == straight.steps == 6
    for name, value in straight.state.items():
        assert torch.equal(value, resumed.state[name]), name
    assert curve(tmp_path / 'a') == curve(tmp_path / 'b')


def test_a_checkpoint_of_another_recipe_is_refused(frames, tmp_path):
    make_trainer(frames, tmp_path / 'a').fit(Stopper(1))
    other = make_trainer(frames, tmp_path / 'a', {'seed': 4})
    with pytest.raises(ConfigError, match='seed'):
        other.resume()


def test_how_often_a_run_is_scored_and_saved_may_change(frames, tmp_path):
    make_trainer(frames, tmp_path / 'a').save(None)
    make_trainer(frames, tmp_path / 'a', {
        'val_epochs': 1, 'val_frames': 7, 'score_frames': 7, 'checkpoint_minutes': 3,
        'checkpoint_steps': 5}).resume()
    with pytest.raises(ConfigError, match='log_steps'):
        make_trainer(frames, tmp_path / 'a', {'log_steps': 5}).resume()


def test_a_checkpoint_from_before_a_setting_of_the_data_was_known(frames, tmp_path):
    make_trainer(frames, tmp_path / 'a').save(None)
    path = tmp_path / 'a' / 'checkpoint.pt'
    state = read_checkpoint(path)
    del state['recipe']['data']['hold_out']
    save_checkpoint(path, state)
    make_trainer(frames, tmp_path / 'a').resume()
    with pytest.raises(ConfigError, match='hold_out'):
        make_trainer(frames, tmp_path / 'a', {'data': {'short_side_px': 64, 'hold_out': 0.5}}
                     ).resume()


def test_a_moved_start_is_accepted_and_a_replaced_one_refused(frames, tmp_path):
    bundle = Bundle(model_name='m_segformer', model_config={'modalities': ['rgb']},
                    encoders={'rgb': {}}, label_space=load_label_space('deliver'),
                    short_side_px=64)
    for name, digest in (('old', 'a'), ('moved', 'a'), ('replaced', 'b')):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'bundle.json').write_text(
            json.dumps({**bundle.to_dict(), 'weights_sha256': digest}))

    def trainer(name):
        return make_trainer(frames, tmp_path / 'run', {'method': {'init': str(tmp_path / name)}})

    trainer('old').save(None)
    trainer('moved').resume()
    with pytest.raises(ConfigError, match=r"the hash of method\.init was 'a', now 'b'"):
        trainer('replaced').resume()
    method = {'teacher': str(tmp_path / 'replaced'), 'init': 'teacher'}
    assert weights_hashes({'method': method}) == {'teacher': 'b'}
    state = read_checkpoint(tmp_path / 'run' / 'checkpoint.pt')
    del state['origins']
    save_checkpoint(tmp_path / 'run' / 'checkpoint.pt', state)
    trainer('old').resume()
    with pytest.raises(ConfigError, match='method'):
        trainer('moved').resume()


def test_the_loss_falls(frames, tmp_path):
    changes = {'epochs': 8, 'optim': {'lr': 2e-3, 'warmup': 0.1, 'ema': 0.0},
               'augment': {'fault': 0, 'color': 0, 'blur': 0, 'scale_min': 1, 'scale_max': 1},
               'stages': [{'until': 1.0, 'crop_px': 64, 'batch': 2}]}
    trainer = make_trainer(frames, tmp_path / 'a', changes)
    batch = BatchMaker(frames, trainer.config, trainer._raw_model.config).make(
        0, trainer.config.stages[0])

    def loss_now():
        trainer._raw_model.eval()
        with torch.no_grad():
            logits = trainer._raw_model(batch.images, batch.present)
        return float(build_loss('ce')(logits, batch.labels))

    before = loss_now()
    trainer.fit()
    assert loss_now() < 0.8 * before


def test_the_run_ends_when_the_time_is_over(frames, tmp_path):
    now = iter(float(i) for i in range(10**6))
    changes = {'epochs': 1000, 'max_minutes': 1}
    result = make_trainer(frames, tmp_path / 'a', changes, clock=lambda: next(now)).fit()
    assert result.finished
    assert 0 < result.steps < 60


def test_epochs_are_reported(frames, tmp_path):
    seen = []
    make_trainer(frames, tmp_path / 'a',
                 on_epoch=lambda epoch, state: seen.append(epoch) or {}).fit()
    assert seen == [1, 2]


def test_a_loss_that_is_no_number_stops_the_run(frames, tmp_path):
    trainer = make_trainer(frames, tmp_path / 'a')
    with torch.no_grad():
        trainer._raw_model.head.classifier.bias.fill_(float('nan'))
    with pytest.raises(DivergedError, match=r"'ce' is nan at step 0.*optim\.lr"):
        trainer.fit()


def test_norms_and_biases_are_not_decayed():
    config = TrainConfig.from_dict(SMALL)
    model = build_model(config.model, config.model_config)
    decayed, free = build_optimizer(
        model.parameters(), lr=1e-3, weight_decay=config.optim.weight_decay).param_groups
    assert decayed['weight_decay'] > 0 and free['weight_decay'] == 0
    assert all(p.ndim > 1 for p in decayed['params']) and all(p.ndim == 1 for p in free['params'])
    assert len(decayed['params']) + len(free['params']) == len(list(model.parameters()))


def test_precision_names():
    cpu = torch.device('cpu')
    assert fabric_precision('fp32', cpu) == '32-true'
    assert fabric_precision('bf16', cpu) == 'bf16-mixed'
    assert fabric_precision('fp16', torch.device('cuda')) == '16-mixed'
    native = has_native_bfloat16()
    assert fabric_precision('auto', cpu) == ('bf16-mixed' if native else '32-true')
    with pytest.raises(ConfigError, match=r"'fp16'; allowed: .*fp16 needs CUDA"):
        make_fabric('cpu', 'fp16')


def test_ranks_share_an_epoch_without_overlap(frames):
    config = TrainConfig.from_dict(SMALL)
    makers = [BatchMaker(frames, config, NetworkConfig(), rank=rank, world_size=2)
              for rank in range(2)]
    whole = BatchMaker(frames, config, NetworkConfig())
    stage = config.stages[0]
    first, second = (maker.make(0, stage) for maker in makers)
    assert first.end == second.end == 4
    assert torch.equal(second.labels, whole.make(2, stage).labels)


def test_the_stream_covers_its_range_in_order(frames):
    config = TrainConfig.from_dict(SMALL)
    maker = BatchMaker(frames, config, NetworkConfig())
    batches = list(stream(maker, config, 4, lambda position: position / 12))
    assert [batch.end for batch in batches] == [6, 8, 10, 12]
    assert [batch.labels.shape[1] for batch in batches] == [32, 32, 64, 64]
    assert all(batch.present.any(1).all() for batch in batches)
    for batch in batches:
        for column, name in enumerate(('rgb', 'depth', 'lidar', 'event')):
            assert (name in batch.images) == bool(batch.present[:, column].any())


def test_a_frame_that_cannot_be_read_stops_the_stream(frames, tmp_path):
    class Broken:
        def __len__(self):
            return 6

        def __getitem__(self, index):
            raise ConfigError('no file x')

    config = TrainConfig.from_dict(SMALL)
    maker = BatchMaker(JoinedFrames([FrameCache(Broken())]), config, NetworkConfig())
    with pytest.raises(ConfigError, match='no file x'):
        list(stream(maker, config, 0, lambda position: position / 12))


def test_weight_average_by_hand():
    layer = torch.nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(0.0)
    average = WeightAverage(layer, 0.5)
    layer.weight.data.fill_(1.0)
    average.update(layer, 1)
    assert average.state['weight'].item() == pytest.approx(1 - 2 / 11)
    average.update(layer, 1000)
    assert average.state['weight'].item() == pytest.approx(1 - 0.5 * 2 / 11)


def checkpoint(network, recipe):
    return {'model': network, 'average': network, 'optimizer': {'lr': 0.1}, 'method': {},
            'teacher': {}, 'progress': {'samples': 3, 'steps': 1, 'elapsed_s': 0.5},
            'recipe': recipe, 'world_size': 1, 'precision': {}}


def test_checkpoints_are_whole_and_plain(tmp_path):
    path = tmp_path / 'a.pt'
    network = {'w': torch.ones(2)}
    state = checkpoint(network, {'seed': 1})
    save_checkpoint(path, state)
    assert torch.equal(load_checkpoint(path, {'seed': 1}, network, {})['model']['w'],
                       torch.ones(2))
    assert list(tmp_path.iterdir()) == [path]
    for damaged in (path.read_bytes()[:100], b'.', b'h\x00.', b'X'):
        path.write_bytes(damaged)
        with pytest.raises(ConfigError, match='not a checkpoint'):
            read_checkpoint(path)
    torch.save({'model': {}}, path)
    with pytest.raises(ConfigError, match="lacks 'average'"):
        read_checkpoint(path)
    with pytest.raises(ConfigError, match='no checkpoint'):
        read_checkpoint(tmp_path / 'absent')


@pytest.mark.parametrize('network', [
    {'w': torch.ones(3)}, {'w': torch.ones(2), 'v': torch.ones(1)}, {}])
def test_a_checkpoint_of_another_network_is_refused(tmp_path, network):
    path = tmp_path / 'a.pt'
    right = {'w': torch.ones(2)}
    for key in ('model', 'average'):
        save_checkpoint(path, {**checkpoint(network, {}), key: right})
        with pytest.raises(ConfigError, match='another network'):
            load_checkpoint(path, {}, right, {})


@pytest.mark.parametrize(('changes', 'problem'), [
    ({'average': [1]}, "its 'average' is no table"), ({'origins': 3}, "its 'origins' is no table"),
    ({'optimizer': 0}, "its 'optimizer' is no"),
    ({'model': {'w': 'x'}}, "its 'model' has other values than tensors"),
    ({'progress': {'samples': 3, 'steps': '7'}}, "its 'progress' does not tell the steps"),
])
def test_a_checkpoint_with_other_entries_is_refused(tmp_path, changes, problem):
    path = tmp_path / 'a.pt'
    save_checkpoint(path, {**checkpoint({}, {}), **changes})
    with pytest.raises(ConfigError, match=f'is no checkpoint of this version: {problem}'):
        read_checkpoint(path)


def test_a_checkpoint_with_one_other_byte_in_a_tensor_is_refused(frames, tmp_path):
    make_trainer(frames, tmp_path / 'a').save(None)
    path = tmp_path / 'a' / 'checkpoint.pt'
    weight = read_checkpoint(path)['model']['head.classifier.weight'].numpy().tobytes()
    data = path.read_bytes()
    at = data.index(weight)
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1:])
    with pytest.raises(ConfigError, match=r"checkpoint\.pt is damaged: member '.*/data/\d+': .*"
                                          'bring a copy of it, or begin the run anew'):
        make_trainer(frames, tmp_path / 'a').resume()


@pytest.mark.parametrize(('part', 'content'), [
    ('optimizer', {}), ('optimizer', {'state': {}, 'param_groups': [{}]}),
    ('method', {'prototypes': torch.ones(2)})])
def test_a_part_that_does_not_fit_the_run_is_one_error(frames, tmp_path, part, content):
    make_trainer(frames, tmp_path / 'a').save(None)
    path = tmp_path / 'a' / 'checkpoint.pt'
    save_checkpoint(path, {**read_checkpoint(path), part: content})
    trainer = make_trainer(frames, tmp_path / 'a')
    with pytest.raises(ConfigError, match=r'checkpoint\.pt does not fit this run'):
        trainer.resume()


def test_accumulated_batches_make_one_step(frames, tmp_path):
    changes = {'optim': {'accumulate': 2}, 'stages': [{'until': 1.0, 'crop_px': 32, 'batch': 2}]}
    result = make_trainer(frames, tmp_path / 'a', changes).fit()
    assert result.samples == 12 and result.steps == 3


def test_accumulated_gradients_are_the_mean_of_the_batches(frames, tmp_path):
    """Two equal batches, no dropout: the same step as one of them."""
    changes = {'optim': {'ema': 0.0}, 'model_config': {'head_dim': 16, 'drop_path': 0.0},
               'stages': [{'until': 1.0, 'crop_px': 32, 'batch': 2}]}
    states = []
    for copies in (1, 2):
        trainer = make_trainer(frames, tmp_path / f'{copies}', changes)
        trainer._network.train()
        trainer._raw_model.head.dropout.p = 0.0
        batch = trainer._maker.make(0, trainer.config.stages[0])
        trainer._step([batch] * copies)
        states.append({k: v for k, v in trainer._raw_model.state_dict().items()
                       if 'head.norm' not in k})
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, msg=name, rtol=1e-5, atol=1e-6)


def test_the_schedule_reaches_the_weights(frames, tmp_path, monkeypatch):
    """Without a gradient AdamW only decays: every step multiplies by 1 - rate x decay."""
    lr, decay, warmup, power, num_steps = 0.5, 0.1, 0.5, 2.0, 6
    trainer = make_trainer(frames, tmp_path / 'a', {'optim': {
        'lr': lr, 'weight_decay': decay, 'warmup': warmup, 'power': power, 'ema': 0.0}})
    make = trainer._maker.make

    def unlabelled(first, stage):
        batch = make(first, stage)
        batch.labels.fill_(255)
        return batch

    monkeypatch.setattr(trainer._maker, 'make', unlabelled)
    told = []
    monkeypatch.setattr(trainer._method, 'begin_step', told.append)
    weight = trainer._raw_model.head.classifier.weight
    before = weight.detach().clone()
    assert trainer.fit().steps == num_steps
    shares = [step / num_steps for step in range(num_steps)]
    assert told == pytest.approx(shares)
    rates = [lr * (0.1 + 0.9 * t / warmup if t < warmup else ((1 - t) / (1 - warmup)) ** power)
             for t in shares]
    assert len(set(rates)) > 3
    torch.testing.assert_close(weight.detach(),
                               before * math.prod(1 - rate * decay for rate in rates))


@pytest.mark.parametrize('accumulate', [1, 2, 3])
def test_logged_losses_are_means_over_the_batches_of_a_step(frames, tmp_path, accumulate):
    """A network that says the same of every class has the loss ln(25) on every batch."""
    trainer = make_trainer(frames, tmp_path / 'a', {
        'log_steps': 1, 'optim': {'accumulate': accumulate, 'lr': 1e-9, 'weight_decay': 0.0}})
    with torch.no_grad():
        trainer._raw_model.head.classifier.weight.zero_()
        trainer._raw_model.head.classifier.bias.zero_()
    trainer.fit()
    rows = curve(tmp_path / 'a')
    assert len(rows) == 6 // accumulate
    for row in rows:
        assert float(row['total']) == pytest.approx(math.log(25), abs=1e-4)
        assert float(row['ce']) == pytest.approx(math.log(25), abs=1e-4)


@pytest.mark.parametrize('accumulate', [1, 2])
def test_measuring_the_pull_of_the_terms_changes_no_weight(frames, tmp_path, accumulate):
    changes = {'log_steps': 1, 'optim': {'accumulate': accumulate}}
    plain = make_trainer(frames, tmp_path / 'a', changes).fit()
    measured = make_trainer(frames, tmp_path / 'b', {**changes, 'gradient_steps': 2}).fit()
    assert all(torch.equal(value, measured.state[key]) for key, value in plain.state.items())
    with (tmp_path / 'b' / METRICS_FILE).open() as file:
        rows = list(csv.DictReader(file))
    assert [bool(row['gradient/ce']) for row in rows] == [i % 2 == 0 for i in range(len(rows))]
    assert all(float(row['gradient/ce'] or 1) > 0 for row in rows)
    with (tmp_path / 'a' / METRICS_FILE).open() as file:
        assert 'gradient/ce' not in next(csv.reader(file))


def test_a_full_disk_leaves_the_last_checkpoint_and_names_it(frames, tmp_path, full_disk):
    run = tmp_path / 'a'
    trainer = make_trainer(frames, run, {'checkpoint_steps': 2})
    stop = Stopper(4)
    with pytest.raises(WriteError) as caught, ExitStack() as disk:
        def fill_after_three():
            if stop.left == 2:
                disk.enter_context(full_disk(100_000))
            return stop()

        trainer.fit(fill_after_three)
    path = run / 'checkpoint.pt'
    assert str(caught.value) == (f'cannot write {path}: File too large; {path} of step 2 is '
                                 'whole, and --resume continues from it')
    assert sorted(p.name for p in run.iterdir()) == ['checkpoint.pt', METRICS_FILE, 'tensorboard']
    assert read_checkpoint(path)['progress']['steps'] == 2


def test_a_full_disk_at_the_start_is_told_as_such(frames, tmp_path, full_disk):
    trainer = make_trainer(frames, tmp_path / 'a')
    with (pytest.raises(WriteError, match=r'File too large; there is no checkpoint yet$'),
          full_disk(100_000)):
        trainer.fit()
    assert list((tmp_path / 'a').iterdir()) == []


@pytest.mark.parametrize('name', [METRICS_FILE, 'tensorboard'])
def test_a_full_disk_stops_the_curves_and_names_the_checkpoint(frames, tmp_path, name,
                                                                monkeypatch):
    trainer = make_trainer(frames, tmp_path / 'a', {'log_steps': 1})
    where = ('training.journal', 'csv.DictWriter.writerow') if name == METRICS_FILE else (
        'training.tensorboard', 'EventsWriter.flush')

    def full(*_):
        if trainer._steps:
            raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr('.'.join(where), full)
    with pytest.raises(WriteError, match=r'No space left on device; .*of step 0 is whole'):
        trainer.fit()


def test_rows_of_an_earlier_process_are_kept_up_to_its_checkpoint(tmp_path):
    path = tmp_path / METRICS_FILE
    path.write_text('step,samples,elapsed_s,lr,total\n2,4,0.5,0.1,7\n4,8,1.0,0.1,6\n'
                    '6,12,1.5,0.1,5\n8,1')
    with Journal(tmp_path, ('total',), 2, start_step=4):
        assert [row['step'] for row in curve(tmp_path)] == ['2', '4']


@pytest.mark.parametrize(('text', 'says'), [
    (b'step,total\n2,7\n\xff,6\n', r'metrics\.csv is not CSV, nor text'),
    (b'step,total\n2,7\nx,6\n', r'metrics\.csv, line 3 is no row of figures; move the file away'),
    (b'step,total\n2,7\n4\n', 'line 3 is no row'), ('step,total\n²,6\n'.encode(), 'line 2 is no'),
    (b'step,total\n' + b'9' * 5000 + b',6\n', 'line 2 is no row'), (b'a,b\n1,2\n', 'line 2 is no'),
    (b'step,total\n2,"' + b'7' * 200_000 + b'\n', 'is not CSV: field larger'),
])
def test_damaged_figures_of_an_earlier_process_are_named(tmp_path, text, says):
    (tmp_path / METRICS_FILE).write_bytes(text)
    with pytest.raises(ConfigError, match=says):
        Journal(tmp_path, ('total',), 2, start_step=4)
    assert (tmp_path / METRICS_FILE).read_bytes() == text


def test_curves_are_in_tensorboard_s_format(tmp_path):
    """Records of length, its checksum, an Event, its checksum: read by the format's own words."""
    with Journal(tmp_path, ('total',), 2, start_step=4) as journal:
        for step, total in ((5, 1.0), (6, 3.0)):
            journal.add(step, step * 2, 0.5, 0.25, {'total': total})
        journal.add_scores(6, {'rgb': 41.5})
    [path] = (tmp_path / 'tensorboard').iterdir()
    assert path.name.startswith('events.out.tfevents.')
    data, events = path.read_bytes(), []
    while data:
        length, = struct.unpack_from('<Q', data)
        events.append(Event.FromString(data[12:12 + length]))
        data = data[16 + length:]
    assert events[0].file_version == 'brain.Event:2'
    assert (events[1].step, events[1].session_log.status) == (5, SessionLog.START)
    points = [(event.step, value.tag, value.simple_value)
              for event in events[2:] for value in event.summary.value]
    assert points == [(6, 'lr', 0.25), (6, 'total', 2.0), (6, 'val/rgb', 41.5)]


def test_several_processes_cannot_go_by_the_clock(frames, tmp_path, monkeypatch):
    fabric = make_fabric('cpu', 'fp32')
    monkeypatch.setattr(type(fabric), 'world_size', 2)
    config = TrainConfig.from_dict({**SMALL, 'max_minutes': 1})
    model = build_model(config.model, config.model_config)
    with pytest.raises(ConfigError, match='max_minutes'):
        Trainer(config, model, METHODS['supervised'].build(build_loss('ce'), model), frames,
                tmp_path, fabric=fabric)
