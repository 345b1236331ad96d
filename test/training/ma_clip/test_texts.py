# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Captions through CLIP's text tower are what transformers makes of them."""

import json
import shutil

import numpy as np
import pytest
import torch
from fuzzing.inputs import broken_json
from fuzzing.mutation import damaged
from transformers import CLIPModel, CLIPTextModelWithProjection, CLIPTokenizer

from anymodal_seg_ros.errors import ConfigError
from training.ma_clip.texts import embed_texts, read_logit_scale

TEXTS = ['a road', 'a driving scene at night with road, sky and building', 'z']
CPU = torch.device('cpu')


def test_vectors_and_scale_are_those_of_transformers(tiny_clip):
    model = CLIPModel.from_pretrained(tiny_clip).eval()
    tokenizer = CLIPTokenizer.from_pretrained(tiny_clip)
    found = embed_texts(tiny_clip, TEXTS, CPU)
    with torch.no_grad():
        for vector, text in zip(found, TEXTS, strict=True):
            answer = model.get_text_features(**tokenizer([text], return_tensors='pt'))
            # An output with fields since transformers 5, before it the vectors themselves.
            expected = getattr(answer, 'pooler_output', answer)[0]
            torch.testing.assert_close(vector, expected / expected.norm(), rtol=1e-4, atol=1e-5)
        scale = float(model.logit_scale.exp())
    assert read_logit_scale(tiny_clip) == pytest.approx(scale, rel=1e-6)
    assert scale == pytest.approx(1 / 0.07, rel=1e-3)


def test_a_long_text_is_cut(tiny_clip):
    long = 'x' * 2000
    once, twice = (embed_texts(tiny_clip, [text], CPU) for text in (long, long * 2))
    assert torch.equal(once, twice)


@pytest.fixture
def folder(tiny_clip, tmp_path):
    return shutil.copytree(tiny_clip, tmp_path / 'clip')


def test_without_a_tokenizer(folder):
    (folder / 'vocab.json').unlink()
    with pytest.raises(ConfigError, match=r'no tokenizer; put tokenizer\.json or vocab\.json'):
        embed_texts(folder, TEXTS, CPU)


@pytest.mark.parametrize(('change', 'told'), [
    ({'text_config': None}, 'no text tower'),
    ({'model_type': 'clip_vision_model'}, 'no text tower'),
    ({'text_config': {'vocab_size': 10**9}}, 'text_config.vocab_size is 1000000000; allowed'),
    ({'text_config': {'hidden_size': 33}}, 'hidden_size is 33; allowed: multiples of'),
    ({'text_config': {'hidden_size': 64}}, 'model.safetensors')])
def test_a_config_that_does_not_fit(folder, change, told):
    path = folder / 'config.json'
    data = json.loads(path.read_text())
    text = change.get('text_config')
    change = {**change, **({'text_config': {**data['text_config'], **text}} if text else {})}
    path.write_text(json.dumps({**data, **change}))
    with pytest.raises(ConfigError) as error:
        embed_texts(folder, TEXTS, CPU)
    assert told in str(error.value)


def test_weights_are_looked_at_before_memory_is_taken(folder, monkeypatch):
    built = []

    class Watched(CLIPTextModelWithProjection):
        def __init__(self, config):
            super().__init__(config)
            built.append(next(self.parameters()).device.type)

    monkeypatch.setattr('transformers.CLIPTextModelWithProjection', Watched)
    embed_texts(folder, TEXTS, CPU)
    assert built == ['meta', 'cpu']
    data = json.loads((folder / 'config.json').read_text())
    data['text_config']['intermediate_size'] = 16384
    (folder / 'config.json').write_text(json.dumps(data))
    with pytest.raises(ConfigError, match=r'model\.safetensors'):
        embed_texts(folder, TEXTS, CPU)
    assert built[2:] == ['meta']


@pytest.mark.slow
@pytest.mark.parametrize('file', ['config.json', 'vocab.json', 'merges.txt', 'model.safetensors'])
def test_what_is_damaged_is_refused_or_harmless(folder, file):
    path = folder / file
    good, refused = path.read_bytes(), 0
    for case in range(40):
        rng = np.random.default_rng(case)
        path.write_bytes(broken_json(rng, json.loads(good)) if file == 'config.json'
                         else damaged(rng, good))
        try:
            embed_texts(folder, TEXTS, CPU)
            read_logit_scale(folder)
        except ConfigError:
            refused += 1
    assert refused or file == 'merges.txt'
