# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Adapters learn, and nothing else does; a run is resumed to the same weights; the command."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from transformers import CLIPVisionModelWithProjection

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models.segrgbx.clip_folder import load_clip
from anymodal_seg_ros.models.segrgbx.clip_tower import CLIP_SIZES, ModalityClip
from anymodal_seg_ros.resources import resource_path
from training.ma_clip import __main__ as command
from training.ma_clip.config import MaClipConfig
from training.ma_clip.contrastive import scene_loss
from training.ma_clip.pairs import PairMaker
from training.ma_clip.retrieval import retrieval
from training.ma_clip.run import train
from training.ma_clip.sets import open_sets
from training.ma_clip.texts import embed_texts
from training.recipe_keys import keys_page

pytestmark = pytest.mark.slow

RECIPES = resource_path('config') / 'training' / 'ma_clip'
TINY = CLIP_SIZES['tiny']
MODALITIES = ('depth', 'event')


def guide_of(config):
    tower = ModalityClip(TINY, MODALITIES, config.rank)
    tower.load_pretrained(f'{config.output}/guide')
    return tower


def loss(tower, config):
    """Of all pairs of each sensor, without dropout."""
    texts = {}
    sets = open_sets(config, 'train', texts, TINY.image_px)
    texts_UD = embed_texts(Path(config.clip), list(texts), torch.device('cpu'))
    pairs = PairMaker(sets, replace(config, batch=6, flip=0))
    batches = {batch.modality: batch for batch in map(pairs.make, range(pairs.steps_per_epoch))}
    total = 0.0
    for modality, batch in batches.items():
        vectors = [tower.embed(images, [modality] * 6) for images in batch.images.values()]
        total += float(scene_loss(dict(enumerate(vectors)), texts_UD[batch.caption_B],
                                  batch.caption_B, 14.0, literal=False,
                                  false_negatives='mask')['total'])
    return total / len(batches)


def test_a_few_steps_lower_the_loss_and_move_adapters_alone(config, tiny_clip):
    config = replace(config, epochs=25)
    start = ModalityClip(TINY, MODALITIES, config.rank)
    load_clip(start, tiny_clip)
    assert train(config)
    trained = guide_of(config)
    assert loss(trained, config) < 0.5 * loss(start, config)
    before, after = start.state_dict(), trained.state_dict()
    vision = [name for name in before if not name.startswith('adapters.')]
    assert all(torch.equal(before[name], after[name]) for name in vision)
    assert all((after[name] != 0).any() for name in before if name.endswith('lora_B.weight'))


def test_a_run_leaves_everything_behind(config):
    lines = []
    assert train(config, log=lines.append)
    run = Path(config.output)
    assert {path.name for path in run.iterdir()} == {
        'recipe.yaml', 'metrics.csv', 'tensorboard', 'checkpoint.pt', 'scores.json', 'guide'}
    assert MaClipConfig.from_yaml(run / 'recipe.yaml') == config
    rows = (run / 'metrics.csv').read_text('utf-8').splitlines()
    assert rows[0].endswith(',total,rgb,sensor,depth,event') and len(rows) == 1 + 2 * 4
    scores = json.loads((run / 'scores.json').read_text('utf-8'))
    assert set(scores) == set(MODALITIES) and scores['depth']['frames'] == 3
    told = json.loads((run / 'guide' / 'guide.json').read_text('utf-8'))
    assert told['recipe'] == config.to_dict() and told['steps'] == 8 and told['scores'] == scores
    assert any('nearest is own' in line for line in lines)
    assert CLIPVisionModelWithProjection.from_pretrained(run / 'guide') is not None


@pytest.mark.parametrize('literal', [True, False])
def test_an_interrupted_run_ends_at_the_same_weights(config, literal):
    config = replace(config, literal=literal, score_split='none')
    whole = replace(config, output=f'{config.output}_whole')
    assert train(whole)
    asked = iter([False, False, True])
    assert not train(config, should_stop=lambda: next(asked))
    with pytest.raises(ConfigError, match='continue it with --resume'):
        train(config)
    with pytest.raises(ConfigError, match=r'another run: lr was 0\.01, now 0\.001'):
        train(replace(config, lr=1e-3), resume=True)
    assert train(replace(config, workers=2), resume=True)
    expected, found = guide_of(whole).state_dict(), guide_of(config).state_dict()
    assert all(torch.equal(value, found[name]) for name, value in expected.items())
    metrics = [(path / 'metrics.csv').read_text('utf-8').splitlines()
               for path in (Path(whole.output), Path(config.output))]
    assert [row.split(',')[0] for row in metrics[0]] == [row.split(',')[0] for row in metrics[1]]


def test_retrieval_is_counted(config, tiny_clip):
    """Of a tower whose vectors are the captions' own every frame is right."""
    texts = {}
    sets = open_sets(config, 'val', texts, TINY.image_px)
    texts_UD = torch.eye(16)[:len(texts)]

    class Knowing:
        adapters = MODALITIES

        def embed(self, images, adapters):
            """Odd rows are of the sensor; without an adapter all answers are the first text."""
            if adapters[0] is None:
                return texts_UD[:1].repeat(len(images), 1)
            frames = [sets[0].frames[i] for i in range(len(sets[0].frames))]
            own = {f.images['rgb'].tobytes(): sets[0].captions[f.id] for f in frames}
            rows = [own[images[i - i % 2].numpy().tobytes()] for i in range(len(images))]
            return texts_UD[rows]

    found = retrieval(Knowing(), sets, texts_UD, 0, torch.device('cpu'))
    assert set(found) == set(MODALITIES)
    for of in found.values():
        assert of.frames == 6 and of.captions == len(texts)
        assert of.top1 == {'clip': pytest.approx(100 / 6), 'adapter': 100}
        assert of.alignment == {'clip': pytest.approx(1), 'adapter': pytest.approx(1)}


@pytest.mark.parametrize(('change', 'told'), [
    ({'output': ''}, 'names no output; add output=FOLDER'),
    ({'clip': ''}, 'names no clip; add clip=FOLDER'),
    ({'clip': 'nowhere'}, 'no CLIP at nowhere: config.json is missing'),
    ({'score_split': 'dev'}, "score_split is 'dev'; allowed: train, val, test, none"),
    ({'sets': [{'root': ''}]}, 'names no data; add sets.0.root=FOLDER'),
    ({'sets': [{'modalities': ('thermal',)}]}, "sets.modalities is 'thermal'; allowed: rgb")])
def test_what_is_missing_is_one_line(config, change, told):
    if 'sets' in change:
        change = {'sets': tuple(replace(config.sets[0], **each) for each in change['sets'])}
    with pytest.raises(ConfigError) as error:
        train(replace(config, **change))
    assert told in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize('recipe', sorted(path.name for path in RECIPES.iterdir()))
def test_recipes_are_read(recipe):
    config = MaClipConfig.from_yaml(RECIPES / recipe)
    assert MaClipConfig.from_yaml(RECIPES / recipe, ('sets.0.root=D', 'lr=1.0e-5')).lr == 1e-5
    assert yaml.safe_load(yaml.safe_dump(config.to_dict())) == config.to_dict()


@pytest.mark.parametrize(('override', 'told'), [
    ('sets=[]', 'sets is empty'), ('batch=1', 'batch is 1'), ('sets.0.name=x', "name is 'x'"),
    ('sets.0.modalities=[rgb]', 'sensors beside rgb'), ('false_negatives=x', 'mask, positive'),
    ('optim.lr=1', "unknown key 'optim'")])
def test_wrong_recipes_are_named(override, told):
    with pytest.raises(ConfigError) as error:
        MaClipConfig.from_yaml(RECIPES / 'debug.yaml', (override,))
    assert told in str(error.value)


def test_the_command_trains_and_says_what_is_wrong(
    config, deliver_root, captions, tiny_clip, tmp_path, capsys
):
    data = shutil.copytree(deliver_root, tmp_path / 'data')
    arguments = ['train', '--recipe', str(RECIPES / 'debug.yaml'), f'sets.0.root={data}',
                 f'clip={tiny_clip}', f'output={config.output}', '--threads', '1']
    assert command.main(arguments) == 1
    assert 'python -m training.ma_clip captions' in capsys.readouterr().err
    shutil.copy(captions, data)
    assert command.main(arguments) == 0
    tower = ModalityClip(TINY, ('depth', 'lidar', 'event'))
    tower.load_pretrained(Path(config.output) / 'guide')


def test_help_teaches(capsys):
    for arguments in (['--help'], ['train', '--help'], ['captions', '--help']):
        with pytest.raises(SystemExit) as ended:
            command.main(arguments)
        assert ended.value.code == 0
        shown = capsys.readouterr().out
        assert 'examples:' in shown or '1. Put a CLIP' in shown
    with pytest.raises(SystemExit):
        command.main(['train', '--keys', 'sets'])
    assert capsys.readouterr().out.strip() == keys_page('sets', MaClipConfig).strip()
    assert 'sets.N.captions' in keys_page('', MaClipConfig)
