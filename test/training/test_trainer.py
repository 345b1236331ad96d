# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop: exact resumption, learning, time limits, divergence, the whole command."""

import json
import signal

import pytest
import torch

from anymodal_seg_ros.bundle import load_bundle
from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models import build_model
from anymodal_seg_ros.resources import resource_path
from training import train as train_command
from training.average import WeightAverage
from training.batches import BatchMaker, stream
from training.checkpoint import load_checkpoint, save_checkpoint
from training.config import TrainConfig
from training.datasets import DeliverDataset, FrameCache
from training.losses import build_loss
from training.trainer import DivergedError, Trainer, build_optimizer, resolve_precision

SMALL = {
    'seed': 3, 'epochs': 2, 'model_config': {'backbone': 'b0', 'head_dim': 16},
    'precision': 'fp32', 'device': 'cpu', 'checkpoint_minutes': 0, 'class_weights': 'none',
    'data': {'short_side_px': 64},
    'stages': [{'until': 0.6, 'crop_px': 32, 'batch': 2},
               {'until': 1.0, 'crop_px': 64, 'batch': 2}],
}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def frames(deliver_root):
    return FrameCache(DeliverDataset(deliver_root, 'train'))


def make_trainer(frames, path, changes=None, **options):
    config = TrainConfig.from_dict({**SMALL, **(changes or {})})
    torch.manual_seed(config.seed)
    model = build_model(config.model, config.model_config)
    return Trainer(config, model, build_loss(config.loss), frames, path, **options)


class Stopper:
    """Says stop after a number of steps."""

    def __init__(self, steps):
        self.left = steps

    def __call__(self):
        self.left -= 1
        return self.left == 0


def test_a_resumed_run_ends_with_the_same_weights(frames, tmp_path):
    straight = make_trainer(frames, tmp_path / 'a.ckpt').fit()
    first = make_trainer(frames, tmp_path / 'b.ckpt').fit(Stopper(3))
    assert not first.finished and first.samples == len(frames)
    second = make_trainer(frames, tmp_path / 'b.ckpt')
    second.resume()
    resumed = second.fit()
    assert straight.finished and resumed.finished
    assert resumed.steps == straight.steps == 6
    for name, value in straight.state.items():
        assert torch.equal(value, resumed.state[name]), name


def test_a_checkpoint_of_another_recipe_is_refused(frames, tmp_path):
    make_trainer(frames, tmp_path / 'a.ckpt').fit(Stopper(1))
    other = make_trainer(frames, tmp_path / 'a.ckpt', {'seed': 4})
    with pytest.raises(ConfigError, match='seed'):
        other.resume()


def test_the_loss_falls(frames, tmp_path):
    changes = {'epochs': 8, 'optim': {'lr': 2e-3, 'warmup': 0.1, 'ema': 0.0},
               'augment': {'fault': 0, 'color': 0, 'blur': 0, 'scale_min': 1, 'scale_max': 1},
               'stages': [{'until': 1.0, 'crop_px': 64, 'batch': 2}]}
    trainer = make_trainer(frames, tmp_path / 'a.ckpt', changes)
    batch = BatchMaker(frames, trainer.config, trainer._raw_model.config.modalities).make(
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
    result = make_trainer(frames, tmp_path / 'a.ckpt', changes, clock=lambda: next(now)).fit()
    assert result.finished
    assert 0 < result.steps < 60


def test_epochs_are_reported(frames, tmp_path):
    seen = []
    make_trainer(frames, tmp_path / 'a.ckpt',
                 on_epoch=lambda epoch, state: seen.append(epoch)).fit()
    assert seen == [1, 2]


def test_a_loss_that_is_no_number_stops_the_run(frames, tmp_path):
    trainer = make_trainer(frames, tmp_path / 'a.ckpt')
    with torch.no_grad():
        trainer._raw_model.head.classifier.bias.fill_(float('nan'))
    with pytest.raises(DivergedError, match=r'loss is nan at step 0.*optim\.lr'):
        trainer.fit()


def test_norms_and_biases_are_not_decayed():
    config = TrainConfig.from_dict(SMALL)
    model = build_model(config.model, config.model_config)
    decayed, free = build_optimizer(model, config.optim).param_groups
    assert decayed['weight_decay'] > 0 and free['weight_decay'] == 0
    assert all(p.ndim > 1 for p in decayed['params']) and all(p.ndim == 1 for p in free['params'])
    assert len(decayed['params']) + len(free['params']) == len(list(model.parameters()))


def test_precision_names():
    assert resolve_precision('fp32', 'cpu') == '32-true'
    assert resolve_precision('bf16', 'cpu') == 'bf16-mixed'
    assert resolve_precision('auto', 'cpu') in ('bf16-mixed', '32-true')


def test_every_frame_comes_once_in_an_epoch_and_orders_differ(frames):
    maker = BatchMaker(frames, TrainConfig.from_dict(SMALL), ('rgb',))
    epochs = [[maker.frame_index(e * 6 + i) for i in range(6)] for e in range(4)]
    assert all(sorted(epoch) == list(range(6)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_ranks_share_an_epoch_without_overlap(frames):
    config = TrainConfig.from_dict(SMALL)
    names = ('rgb', 'depth', 'lidar', 'event')
    makers = [BatchMaker(frames, config, names, rank, 2) for rank in range(2)]
    whole = BatchMaker(frames, config, names)
    stage = config.stages[0]
    first, second = (maker.make(0, stage) for maker in makers)
    assert first.end == second.end == 4
    assert torch.equal(second.labels, whole.make(2, stage).labels)


def test_the_stream_covers_its_range_in_order(frames):
    config = TrainConfig.from_dict(SMALL)
    maker = BatchMaker(frames, config, ('rgb', 'depth', 'lidar', 'event'))
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
    maker = BatchMaker(FrameCache(Broken()), config, ('rgb',))
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


def test_checkpoints_are_whole_and_plain(tmp_path):
    path = tmp_path / 'a.ckpt'
    state = {'model': {'w': torch.ones(2)}, 'average': {}, 'optimizer': {'lr': 0.1},
             'progress': {'samples': 3}, 'recipe': {'seed': 1}}
    save_checkpoint(path, state)
    assert torch.equal(load_checkpoint(path, {'seed': 1})['model']['w'], torch.ones(2))
    assert list(tmp_path.iterdir()) == [path]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ConfigError, match='not a checkpoint'):
        load_checkpoint(path, {})
    torch.save({'model': {}}, path)
    with pytest.raises(ConfigError, match='must hold'):
        load_checkpoint(path, {})
    with pytest.raises(ConfigError, match='no checkpoint'):
        load_checkpoint(tmp_path / 'absent', {})


def test_the_command_makes_a_bundle_with_provenance(deliver_root, tmp_path, capsys):
    output = tmp_path / 'bundle'
    config = resource_path('config') / 'training' / 'debug.yaml'
    status = train_command.main(['--config', str(config), '--data', str(deliver_root),
                                 '--output', str(output), '--threads', '1'])
    assert status == 0
    bundle, state = load_bundle(output)
    provenance = bundle.provenance
    assert provenance['recipe'] == TrainConfig.from_yaml(config).to_dict()
    assert provenance['data']['frames'] == 6 and provenance['samples'] == 12
    assert len(provenance['scores']['val']['subsets']) == 15
    assert bundle.modalities == ('rgb', 'depth', 'lidar', 'event')
    assert not output.with_name('bundle.ckpt').exists()
    assert all(torch.isfinite(value).all() for value in state.values())
    json.dumps(dict(provenance))


def test_the_command_names_what_is_wrong(tmp_path, capsys):
    status = train_command.main(['--config', str(tmp_path / 'none.yaml'), '--data', 'x',
                                 '--output', 'y'])
    assert status == 1
    assert 'none.yaml' in capsys.readouterr().err


def test_a_folder_that_is_no_bundle_is_refused_before_training(deliver_root, tmp_path, capsys):
    config = resource_path('config') / 'training' / 'debug.yaml'
    assert train_command.main(['--config', str(config), '--data', str(deliver_root),
                               '--output', str(tmp_path)]) == 1
    assert 'is no bundle' in capsys.readouterr().err
    assert not tmp_path.with_name(f'{tmp_path.name}.ckpt').exists()


def test_an_interrupted_command_is_continued(deliver_root, tmp_path, monkeypatch):
    recipe = tmp_path / 'recipe.yaml'
    recipe.write_text(json.dumps(SMALL), encoding='utf-8')
    output = tmp_path / 'bundle'
    arguments = ['--config', str(recipe), '--data', str(deliver_root), '--output', str(output),
                 '--threads', '1']
    step = Trainer._step

    def step_and_interrupt(self, batch):
        signal.raise_signal(signal.SIGTERM)
        return step(self, batch)

    monkeypatch.setattr(Trainer, '_step', step_and_interrupt)
    assert train_command.main(arguments) == 130
    assert output.with_name('bundle.ckpt').is_file() and not output.exists()
    monkeypatch.setattr(Trainer, '_step', step)
    assert train_command.main(arguments) == 1, 'an unfinished run is not overwritten'
    assert train_command.main([*arguments, '--resume']) == 0
    assert load_bundle(output)[0].provenance['steps'] == 6


@pytest.mark.parametrize(('description', 'encoding'), [
    ({'folders': {'depth': 'hha'}}, 'hha'),
    ({'folders': {'depth': 'depth'}}, 'log'),
    ({'folders': {'depth': 'hha'}, 'manifest': {'encoders': {'depth': {'encoding': 'log'}}}},
     'log'),
])
def test_bundle_encodes_depth_as_the_data_set_did(description, encoding):
    model = build_model('m_segformer', {'backbone': 'b0', 'head_dim': 16})
    settings = train_command._encoder_settings(description, model)
    assert settings['depth']['encoding'] == encoding
