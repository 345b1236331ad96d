# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From images and captions to a network that a CLIP guides, by the commands of docs/clip.md."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch
from transformers import CLIPModel, CLIPTokenizer

from anymodal_seg_ros.bundle.weights import load_bundle
from anymodal_seg_ros.inference import build_segmenter
from anymodal_seg_ros.metrics import ConfusionMatrix
from anymodal_seg_ros.models.segrgbx.clip_sizes import CLIP_SIZES
from anymodal_seg_ros.models.segrgbx.clip_tower import ModalityClip
from anymodal_seg_ros.resources import resource_path
from training import train as train_command
from training.datasets import DeliverDataset
from training.ma_clip import __main__ as ma_clip_command
from training.ma_clip.captions import read_captions
from training.ma_clip.texts import embed_texts, read_logit_scale

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PATH = Path(__file__).parents[3] / 'scripts/small_clip.py'
spec = importlib.util.spec_from_file_location('small_clip', PATH)
small_clip = importlib.util.module_from_spec(spec)
spec.loader.exec_module(small_clip)
RECIPES = resource_path('config') / 'training'


@pytest.fixture(scope='module')
def made(deliver_root, captions, tmp_path_factory):
    """Folder with ``clip``, ``ma_clip`` and ``segrgbx``, each made from the one before."""
    folder = tmp_path_factory.mktemp('made')
    torch.set_num_threads(1)
    recipe = ['--recipe', str(RECIPES / 'ma_clip' / 'debug.yaml'), '--threads', '1',
              f'sets.0.root={deliver_root}', f'sets.0.captions={captions}']
    assert small_clip.main([str(folder / 'clip'), *recipe, '--size', 'tiny', '--epochs', '200',
                            '--lr', '0.003']) == 0
    assert ma_clip_command.main(['train', *recipe, f'clip={folder / "clip"}', 'lr=0.01', 'rank=2',
                                 f'output={folder / "ma_clip"}']) == 0
    assert train_command.main([
        '--recipe', str(RECIPES / 'segrgbx' / 'debug.yaml'), '--threads', '1', 'val_epochs=0',
        f'guide={folder / "ma_clip" / "guide"}', f'data.root={deliver_root}',
        'data.modalities=[rgb,depth]', f'output={folder / "segrgbx"}']) == 0
    return folder


def test_the_folder_is_a_clip_of_transformers_and_of_ours(made):
    clip = CLIPModel.from_pretrained(made / 'clip').eval()
    tokenizer = CLIPTokenizer.from_pretrained(made / 'clip')
    text = 'A driving scene, with a Zebra'
    assert tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True
                            ).replace(' ', '') == text.lower().replace(' ', '')
    found = embed_texts(made / 'clip', [text], torch.device('cpu'))
    ids = tokenizer([text], return_tensors='pt')
    expected = clip(**ids, pixel_values=torch.zeros(1, 3, 32, 32)).text_embeds
    torch.testing.assert_close(found, expected.detach(), rtol=1e-4, atol=1e-5)
    assert read_logit_scale(made / 'clip') == pytest.approx(clip.logit_scale.exp().item())
    assert ModalityClip.from_clip(made / 'clip', ()).size == CLIP_SIZES['tiny']


def test_images_find_their_captions(made, deliver_root, captions):
    """Chance would find one of six."""
    told = read_captions(captions, 'train')
    texts_TD = embed_texts(made / 'clip', list(told.values()), torch.device('cpu'))
    tower = ModalityClip.from_clip(made / 'clip', ())
    frames = DeliverDataset(deliver_root, 'train', ['rgb'])
    found = 0
    for frame in map(frames.__getitem__, range(len(frames))):
        x_1CHW = torch.from_numpy(frame.images['rgb']).permute(2, 0, 1)[None]
        nearest = int((tower.embed(x_1CHW, [None]) @ texts_TD.T).argmax())
        found += list(told.values())[nearest] == told[frame.id]
    assert len(frames) == 6 and found >= 4


def test_the_network_has_of_the_guide_what_it_needs_as_it_was_trained(made):
    bundle, state = load_bundle(made / 'segrgbx' / 'bundle')
    clip = ModalityClip(CLIP_SIZES['tiny'], ('depth',), 2)
    clip.load_pretrained(made / 'ma_clip' / 'guide')
    assert bundle.modalities == ('rgb', 'depth')
    for name, value in clip.state_dict().items():
        # A bundle keeps what was frozen in half precision.
        assert torch.equal(state[f'clip.{name}'], value.half())
        assert value.any()


@pytest.mark.parametrize('sensors', [('rgb', 'depth'), ('rgb',), ('depth',)])
def test_the_bundle_labels_as_the_evaluator_scored(made, deliver_root, sensors):
    scores = json.loads((made / 'segrgbx' / 'scores.json').read_text(encoding='utf-8'))
    segmenter = build_segmenter(made / 'segrgbx' / 'bundle', device='cpu', num_threads=1)
    frames = DeliverDataset(deliver_root, 'val', sensors)
    counted = ConfusionMatrix(25)
    for frame in map(frames.__getitem__, range(len(frames))):
        labels, _ = segmenter.predict(dict(frame.images), frame.labels.shape)
        counted.update(labels, frame.labels)
    # A pixel between two classes may fall either way: frames are scored in batches.
    assert scores['subsets']['+'.join(sensors)]['miou'] == pytest.approx(
        100 * counted.miou(), abs=0.5)


def test_a_folder_that_is_there_is_left_alone(made, deliver_root, captions, capsys):
    before = (made / 'clip' / 'model.safetensors').read_bytes()
    assert small_clip.main([str(made / 'clip'), '--recipe',
                            str(RECIPES / 'ma_clip' / 'debug.yaml'), '--size', 'tiny',
                            f'sets.0.root={deliver_root}', f'sets.0.captions={captions}']) == 1
    assert 'exists already' in capsys.readouterr().err
    assert (made / 'clip' / 'model.safetensors').read_bytes() == before
