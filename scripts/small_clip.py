# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Train a small CLIP from scratch, where no pretrained one can be had.

It knows the camera images and captions that it is given and nothing else of the world. With it
MA-CLIP and SegRGB-X run and can be compared on one data set, and that is all: it is no substitute,
and nothing that comes out with it says what CLIP's own weights would give. Take those where they
can be had (docs/clip.md).

FOLDER gets the form of Hugging Face, as MA-CLIP reads it: config.json, model.safetensors,
vocab.json and merges.txt. The library that learns the tokens numbers them in another order each
time, so that two runs with one seed are alike and not the same.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from anymodal_seg_ros.models.segrgbx.clip_folder import config_of
from anymodal_seg_ros.models.segrgbx.clip_sizes import CLIP_SIZES, ClipSize
from anymodal_seg_ros.models.segrgbx.clip_tower import MEAN, STD, library
from anymodal_seg_ros.stopping import errors_in_a_line
from anymodal_seg_ros.unfinished import whole_folder
from training.learning_rate import rate_factor
from training.ma_clip.config import CAMERA, MASK, MaClipConfig
from training.ma_clip.contrastive import info_nce
from training.ma_clip.pairs import CaptionedFrames
from training.ma_clip.sets import TRAIN, check_sets, open_sets
from training.optimizer import build_optimizer
from training.train_config import OptimConfig

EPILOG = """\
Data, captions, seed and batch are those of a recipe of MA-CLIP, which is trained next:

  python -m training.ma_clip captions deliver out/streets --scene 'a driving scene'
  python scripts/small_clip.py out/clip --recipe config/training/ma_clip/streets.yaml
  python -m training.ma_clip train --recipe config/training/ma_clip/streets.yaml \\
      clip=out/clip output=out/ma_clip

At the end it says of how many images of the recipe's score_split the own caption is the nearest,
or among the nearest five.
"""
VOCABULARY, TOKENS = 1024, 77
BEGIN, END = '<|startoftext|>', '<|endoftext|>'
MAX_SCALE = 100.0
"""Of cosines, as CLIP's authors have it."""
SMALLEST_CROP, BRIGHTNESS, WEIGHT_DECAY = 0.8, 0.3, 0.1
BATCH = 64


@errors_in_a_line
def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=Path, help='of the CLIP; must not be there yet')
    parser.add_argument('--recipe', type=Path, required=True, help='of MA-CLIP')
    parser.add_argument('overrides', nargs='*', metavar='key=value',
                        help="instead of the recipe's, such as sets.0.root=FOLDER")
    parser.add_argument('--size', choices=tuple(CLIP_SIZES), default='small',
                        help='which model_config.clip names, too (default %(default)s)')
    parser.add_argument('--epochs', type=int, default=60,
                        help='how often each image is seen (default %(default)s)')
    parser.add_argument('--lr', type=float, default=1e-3, help='(default %(default)s)')
    parser.add_argument('--threads', type=int, default=0, help='CPU threads; 0 takes all cores')
    args = parser.parse_intermixed_args(arguments)
    if args.threads:
        torch.set_num_threads(args.threads)
    config = MaClipConfig.from_yaml(args.recipe, tuple(args.overrides))
    check_sets(config)
    size = CLIP_SIZES[args.size]
    texts: dict[str, int] = {}
    trained = _camera(open_sets(config, TRAIN, texts, size.image_px))
    learned = list(texts)
    scored = _camera(open_sets(config, config.score_split, texts, size.image_px))
    with whole_folder(args.folder) as folder:
        folder.mkdir(parents=True)
        write_tokenizer(folder, learned)
        tokenizer = library('transformers').CLIPTokenizer.from_pretrained(str(folder))
        tokens = tokenizer(list(texts), padding=True, truncation=True, max_length=TOKENS,
                           return_tensors='pt')
        torch.manual_seed(config.seed)
        clip = build_clip(size, tokenizer)
        train(clip, tokens, *trained, config, epochs=args.epochs, lr=args.lr)
        sys.stdout.write(f'{config.score_split}: {score(clip, tokens, *scored)}\n')
        clip.save_pretrained(folder)
    sys.stdout.write(f'wrote {args.folder}\n')
    return 0


def write_tokenizer(folder: Path, texts: Sequence[str]) -> None:
    """CLIP's kind: pairs of bytes that often follow one another, in lower case words."""
    tokenizers = library('tokenizers')
    split = tokenizers.pre_tokenizers.Split(
        tokenizers.Regex(r'\p{L}+|\p{N}|[^\s\p{L}\p{N}]+'), 'removed', invert=True)
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(end_of_word_suffix='</w>'))
    tokenizer.normalizer = tokenizers.normalizers.Lowercase()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [split, tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)])
    # Each letter by itself, so that words which no caption has are spelt.
    tokenizer.train_from_iterator(
        chain(texts, map(chr, range(32, 127))), tokenizers.trainers.BpeTrainer(
            vocab_size=VOCABULARY, special_tokens=[BEGIN, END], initial_alphabet=alphabet,
            end_of_word_suffix='</w>', show_progress=False))
    tokenizer.model.save(str(folder))


def build_clip(size: ClipSize, tokenizer: Any) -> Any:  # noqa: ANN401 - of transformers
    """With random weights, and a text tower of the image tower's size."""
    transformers = library('transformers')
    text = {'vocab_size': len(tokenizer), 'max_position_embeddings': TOKENS,
            'bos_token_id': tokenizer.bos_token_id, 'eos_token_id': tokenizer.eos_token_id,
            'pad_token_id': tokenizer.pad_token_id, 'hidden_size': size.width,
            'intermediate_size': size.mlp_dim, 'num_hidden_layers': size.layers,
            'num_attention_heads': size.heads, 'hidden_act': size.activation}
    return transformers.CLIPModel(transformers.CLIPConfig(
        text_config=text, vision_config=config_of(size), projection_dim=size.dim))


def train(
    clip: Any, tokens: Any, images_NCHW: Tensor, caption_N: Tensor, config: MaClipConfig, *,  # noqa: ANN401
    epochs: int, lr: float,
) -> None:
    """CLIP's loss, in which the same caption of another image is no wrong answer."""
    rates = OptimConfig(lr=lr, warmup=config.warmup, schedule='cosine')
    optimizer = build_optimizer(clip.parameters(), lr=lr, weight_decay=WEIGHT_DECAY)
    batch = min(config.batch, len(images_NCHW))
    by_epoch = len(images_NCHW) // batch
    steps = epochs * by_epoch
    batches = chain.from_iterable(
        torch.randperm(len(images_NCHW)).split(batch)[:by_epoch] for _ in range(epochs))
    clip.train()
    for step, chosen_B in enumerate(bar := tqdm(batches, total=steps, unit='step')):
        for group in optimizer.param_groups:
            group['lr'] = lr * rate_factor(step / steps, rates)
        image_BD, text_BD = embed(clip, tokens, augmented(images_NCHW[chosen_B]),
                                  caption_N[chosen_B])
        scale = clip.logit_scale.exp().clamp(max=MAX_SCALE)
        loss = info_nce(image_BD, text_BD, caption_N[chosen_B], scale, MASK)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(clip.parameters(), config.clip_norm)
        optimizer.step()
        bar.set_postfix(loss=f'{loss.item():.2f}', refresh=False)
    clip.eval()


def augmented(x_BCHW: Tensor) -> Tensor:
    """Mirrored, cut and lit by chance; the caption stays right."""
    side = x_BCHW.shape[-1]
    zoom_B, flip_B = torch.empty(2, len(x_BCHW)).uniform_()
    zoom_B = SMALLEST_CROP + (1 - SMALLEST_CROP) * zoom_B
    theta_B23 = torch.zeros(len(x_BCHW), 2, 3)
    theta_B23[:, 0, 0] = torch.where(flip_B < 0.5, -zoom_B, zoom_B)
    theta_B23[:, 1, 1] = zoom_B
    theta_B23[:, :, 2] = (1 - zoom_B[:, None]) * torch.empty(len(x_BCHW), 2).uniform_(-1, 1)
    grid_BHW2 = F.affine_grid(theta_B23, [len(x_BCHW), 3, side, side], align_corners=False)
    light_B111 = torch.empty(len(x_BCHW), 1, 1, 1).uniform_(1 - BRIGHTNESS, 1 + BRIGHTNESS)
    x_BCHW = F.grid_sample(x_BCHW.float(), grid_BHW2, padding_mode='border', align_corners=False)
    return (x_BCHW * light_B111).clamp(0, 255)


@torch.no_grad()
def score(clip: Any, tokens: Any, images_NCHW: Tensor, caption_N: Tensor) -> str:  # noqa: ANN401
    """How often the own caption is the nearest of all that the images have."""
    used = sorted(set(caption_N.tolist()))
    own_N = torch.tensor([used.index(caption) for caption in caption_N.tolist()])
    images_ND = torch.cat([embed(clip, tokens, part_BCHW, caption_B)[0] for part_BCHW, caption_B in
                           zip(images_NCHW.split(BATCH), caption_N.split(BATCH), strict=True)])
    texts_CD = torch.cat([embed(clip, tokens, images_NCHW[:1], part_B)[1]
                          for part_B in torch.tensor(used).split(BATCH)])
    hits_NK = (images_ND @ texts_CD.T).topk(min(5, len(used))).indices == own_N[:, None]
    first, five = (100 * float(hits_NK[:, :k].any(1).float().mean()) for k in (1, 5))
    return (f'own caption of {len(used)} nearest {first:.1f} %, among the nearest five '
            f'{five:.1f} % of {len(own_N)} images')


def embed(clip: Any, tokens: Any, x_BCHW: Tensor, caption_B: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401
    """Unit vectors of images in 0..255, and of captions by their numbers."""
    pixels_BCHW = (x_BCHW.float() - torch.tensor(MEAN)[:, None, None]) / torch.tensor(
        STD)[:, None, None]
    found = clip(pixel_values=pixels_BCHW, input_ids=tokens.input_ids[caption_B],
                 attention_mask=tokens.attention_mask[caption_B])
    return found.image_embeds, found.text_embeds


def _camera(sets: Sequence[CaptionedFrames]) -> tuple[Tensor, Tensor]:
    """uint8 [N, 3, S, S] of all frames that have the camera, and the numbers of their captions."""
    pairs = [(torch.from_numpy(frame.images[CAMERA]), each.caption(frame))
             for each in sets for frame in map(each.frames.__getitem__, range(len(each.frames)))
             if CAMERA in frame.images]
    images, captions = zip(*pairs, strict=True)
    return torch.stack(images), torch.tensor(captions)


if __name__ == '__main__':
    sys.exit(main())
