# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SegRGB-X: its size, the paper's pair written out by hand, and what sensors may do to it."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models import build_model, modality_subsets
from anymodal_seg_ros.models.features import FeatureMaps
from anymodal_seg_ros.models.segrgbx.config import STEERINGS
from anymodal_seg_ros.models.segrgbx.map_norm import MapBatchNorm
from anymodal_seg_ros.models.segrgbx.steering import steering
from anymodal_seg_ros.models.segrgbx.streams import StreamPairs

pytestmark = pytest.mark.slow

SENSORS = ('rgb', 'depth', 'lidar', 'event')
PRESENT_BM = torch.tensor([[1, 0, 1, 1], [0, 1, 1, 0], [0, 0, 0, 1], [1, 1, 1, 1],
                           [1, 0, 0, 0]]).bool()
SMALL = {'backbone': 'b0', 'head_dim': 16, 'num_classes': 5, 'drop_path': 0.0, 'clip': 'tiny',
         'lora_rank': 2}


def build(seed=0, **settings):
    """With random weights everywhere, also where a fresh network has zeros and ones."""
    torch.manual_seed(seed)
    model = build_model('segrgbx', {**SMALL, 'modalities': SENSORS, **settings})
    with torch.no_grad():
        for name, value in (*model.named_parameters(), *model.named_buffers()):
            if 'lora_B' in name:
                value.normal_()
            elif name.startswith(('clip.', 'mean_M3', 'std_M3')):
                continue
            elif 'running_var' in name:
                value.uniform_(0.5, 1.5)
            elif 'running_mean' in name:
                value.normal_(std=0.5)
            elif 'gate' in name or 'dsrm.scale' in name:
                value.normal_()
            elif 'learned' in name or 'dsrm.universal.prompts' in name or 'grid' in name:
                value.normal_(std=0.5)
            elif 'encoder' not in name and value.ndim == 1:
                value.add_(0.3 * torch.randn_like(value))
            elif 'encoder' not in name and value.ndim == 2:
                value.normal_(std=value.shape[1] ** -0.5)
    return model.eval()


def images_of(batch=5, size_hw=(32, 64), seed=1):
    """Squares, which look different from afar too."""
    generator = torch.Generator().manual_seed(seed)
    images = {}
    for sensor in SENSORS:
        small = torch.randint(0, 256, (batch, 3, 2, 3), generator=generator).float()
        images[sensor] = F.interpolate(small, size=size_hw, mode='nearest')
    return images


def chosen(images, subset):
    return {sensor: images[sensor] for sensor in subset}


def assert_close(found, wanted):
    """Sums in another order: of float32 logits, the last digits in the largest."""
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() <= 1e-4 * wanted.abs().max()


def assert_differ(found, other):
    """By more than rounding."""
    assert (found - other).abs().max() > 5e-5 * other.abs().max()


# --- size -------------------------------------------------------------------------------------

DIMS = {'b0': (32, 64, 160, 256), 'b2': (64, 128, 320, 512)}
MIT = {'b0': 3_319_392, 'b2': 24_196_288}


def count(module):
    return sum(value.numel() for value in module.parameters())


def on_meta(**settings):
    with torch.device('meta'):
        return build_model('segrgbx', {'num_classes': 25, 'modalities': SENSORS, 'clip': 'tiny',
                                       **settings})


@pytest.mark.parametrize('norm', ['layer', 'batch'])
@pytest.mark.parametrize('backbone', MIT)
def test_the_ledger_of_parameters(backbone, norm):
    dims = DIMS[backbone]
    model = on_meta(backbone=backbone, fusion_norm=norm, clip='vit_b_16')
    assert count(model.encoder) == MIT[backbone]
    assert sum(count(f.rectify) for f in model.fusions) == sum(26*c*c + 9*c + 2 for c in dims)
    assert sum(count(f.fuse) for f in model.fusions) == sum(17*c*c + 26*c for c in dims)
    assert sum(count(f.alone) for f in model.fusions) == sum(c*c + 3*c for c in dims)
    c, s, heads, k = dims[-1], 512, 8, 8
    indicator = c*c//4 + c//4 + c//4*k + k
    modulation = s*128 + 128 + 128*2*c + 2*c
    assert count(model.dsrm) == (indicator + k*c*256 + c*256 + modulation + 8*(c*c + c)
                                 + heads + c)
    depths = {'b0': (2, 2, 2, 2), 'b2': (3, 4, 6, 3)}[backbone]
    assert sum(map(count, model.prompts)) == sum(
        s*s + s + s*c + c + 8*c*len(SENSORS) + n*h
        for c, n, h in zip(dims, depths, (1, 2, 5, 8), strict=True))
    assert count(model) - count(model.clip) == sum(map(count, (
        model.encoder, model.prompts, model.dsrm, model.fusions, model.head)))


def test_millions_of_parameters_of_the_paper():
    """As the modules have them in CMX, and the whole without CLIP."""
    model = on_meta(backbone='b2', clip='vit_b_16')
    millions = {name: sum(count(getattr(f, name)) for f in model.fusions) / 1e6
                for name in ('rectify', 'fuse')}
    assert {name: round(value, 2) for name, value in millions.items()} == {
        'rectify': 10.02, 'fuse': 6.57}
    assert round(count(model.dsrm) / 1e6, 2) == 3.55
    assert round(count(model.head) / 1e6, 3) == 1.589


def gmacs(call):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    return counter.get_total_flops() / 2e9


def test_multiplications_of_a_pair_at_512_pixels():
    """GMAC of the two passes of the MiT and of the refinement."""
    model = on_meta(backbone='b2', clip='vit_b_16').eval()
    both = gmacs(lambda: model.encoder(torch.empty(2, 3, 512, 512, device='meta')))
    assert both == pytest.approx(40.5, rel=0.01)
    maps, embeddings = torch.empty(2, 16, 16, 512, device='meta'), torch.empty(
        2, 512, device='meta')
    assert gmacs(lambda: model.dsrm(maps, embeddings)) == pytest.approx(1.24, rel=0.01)


# --- the paper's pair, by hand ----------------------------------------------------------------


def conv1x1(linear, x_1CHW):
    bias = linear.bias
    return F.conv2d(x_1CHW, linear.weight[:, :, None, None], bias)


def layer_norm(norm, x_1CHW):
    return F.layer_norm(x_1CHW.permute(0, 2, 3, 1), x_1CHW.shape[1:2], norm.weight, norm.bias,
                        norm.eps).permute(0, 3, 1, 2)


def map_norm_by_hand(norm, x_1CHW):
    if isinstance(norm, MapBatchNorm):
        inner = norm.norm
        affine = inner.layers['shared']
        return F.batch_norm(x_1CHW, inner.running_mean_OC[0], inner.running_var_OC[0],
                            affine.weight, affine.bias, False)
    return layer_norm(norm, x_1CHW)


def frm_by_hand(frm, a, b):
    both = torch.cat([a, b], 1)
    pooled = torch.cat([both.mean((2, 3)), both.flatten(2).max(2).values], 1)
    hidden = F.relu(F.linear(pooled, frm.channel[0].weight, frm.channel[0].bias))
    w = torch.sigmoid(F.linear(hidden, frm.channel[2].weight, frm.channel[2].bias))
    w1, w2 = (part[:, :, None, None] for part in w.split(a.shape[1], 1))
    s = torch.sigmoid(conv1x1(frm.spatial[2], F.relu(conv1x1(frm.spatial[0], both))))
    s1, s2 = s[:, :1], s[:, 1:]
    return a + 0.5 * w2 * b + 0.5 * s2 * b, b + 0.5 * w1 * a + 0.5 * s1 * a


def ffm_by_hand(ffm, a, b):
    halves, contexts = [], []
    dim, heads = a.shape[1], ffm.a.num_heads
    width = dim // heads
    for path, x in ((ffm.a, a), (ffm.b, b)):
        y, u = F.relu(conv1x1(path.split, x)).split(dim, 1)
        halves.append((y, u))
        k, v = conv1x1(path.kv, u)[0].flatten(1).split(dim, 0)
        contexts.append([torch.softmax(
            k[i*width:(i+1)*width] @ v[i*width:(i+1)*width].T / math.sqrt(width), 0)
            for i in range(heads)])
    out = []
    for path, x, (y, u), context in (
            (ffm.a, a, halves[0], contexts[1]), (ffm.b, b, halves[1], contexts[0])):
        u_CN = u[0].flatten(1)
        seen = torch.cat([(u_CN[i*width:(i+1)*width].T @ context[i]).T for i in range(heads)])
        told = torch.cat([y, seen.reshape(x.shape)], 1)
        out.append(layer_norm(path.norm, x + conv1x1(path.proj, told)))
    both, embed = torch.cat(out, 1), ffm.embed
    hidden = F.relu(embed.dwconv(conv1x1(embed.fc1, both)))
    mixed = map_norm_by_hand(embed.inner_norm, conv1x1(embed.fc2, hidden))
    return map_norm_by_hand(embed.norm, conv1x1(embed.residual, both) + mixed)


def channel_attention_by_hand(attention, prompt_NC, x_NC):
    q_NC, (k_NC, v_NC) = attention.q(prompt_NC), attention.kv(x_NC).split(x_NC.shape[1], 1)
    out = []
    for i, part in enumerate(torch.arange(x_NC.shape[1]).chunk(attention.num_heads)):
        q, k = q_NC[:, part].T, k_NC[:, part].T
        q = q / q.norm(dim=1, keepdim=True) if attention.is_spatial else q / math.sqrt(q.shape[1])
        k = k / k.norm(dim=1, keepdim=True)
        weights = torch.softmax(q @ k.T * attention.temperature[i], 1)
        out.append(weights @ v_NC[:, part].T)
    return attention.proj(torch.cat(out).T)


def spatial_attention_by_hand(attention, prompt_NC, x_NC):
    q_NC, (k_NC, v_NC) = attention.q(prompt_NC), attention.kv(x_NC).split(x_NC.shape[1], 1)
    out = []
    for part in torch.arange(x_NC.shape[1]).chunk(attention.num_heads):
        weights = torch.softmax(q_NC[:, part] @ k_NC[:, part].T / math.sqrt(len(part)), 1)
        out.append(weights @ v_NC[:, part])
    return attention.proj(torch.cat(out, 1))


def dsrm_by_hand(dsrm, x, s_D):
    size_hw = x.shape[2:]

    def tokens(grid_CHW):
        return F.interpolate(grid_CHW[None], size=size_hw, mode='bilinear')[0].flatten(1).T

    universal, query = dsrm.universal, dsrm.query
    share_K = torch.softmax(universal.indicator(x.mean((2, 3)))[0], 0)
    u_NC = tokens(sum(share * grid for share, grid in zip(share_K, universal.prompts,
                                                           strict=True)))
    scale_C, shift_C = query.modulation(s_D).split(x.shape[1])
    s_NC = tokens(query.grid[0]) * (1 + scale_C) + shift_C
    found_NC = x[0].flatten(1).T
    steps = [lambda y: channel_attention_by_hand(dsrm.channel, u_NC, y),
             lambda y: spatial_attention_by_hand(dsrm.spatial, s_NC, y)]
    for step in reversed(steps) if dsrm.is_reversed else steps:
        found_NC = step(found_NC)
    found = found_NC.T.reshape(x.shape)
    return found if dsrm.scale is None else x + dsrm.scale[:, None, None] * found


def block_by_hand(block, x, tokens_KC, gate_h):
    """The paper's [E; M] in one attention, whose answers for M are thrown away."""
    attention, dim = block.attention, x.shape[1]
    normed = layer_norm(block.norm1, x)
    tokens_KC = F.layer_norm(tokens_KC, (dim,), block.norm1.weight, block.norm1.bias,
                             block.norm1.eps)
    context = normed
    if attention.reduce is not None:
        context = layer_norm(attention.reduce_norm, attention.reduce(normed))
    e_NC, context_LC = normed[0].flatten(1).T, context[0].flatten(1).T
    q_NC = attention.q(torch.cat([e_NC, tokens_KC]))
    k_LC, v_LC = attention.kv(torch.cat([context_LC, tokens_KC])).split(dim, 1)
    out, num_patches = [], len(context_LC)
    for i, part in enumerate(torch.arange(dim).chunk(attention.num_heads)):
        scores = q_NC[:, part] @ k_LC[:, part].T / math.sqrt(len(part))
        if gate_h is None:
            out.append(torch.softmax(scores, 1) @ v_LC[:, part])
        else:
            out.append(torch.softmax(scores[:, :num_patches], 1) @ v_LC[:num_patches, part]
                       + torch.tanh(gate_h[i])
                       * torch.softmax(scores[:, num_patches:], 1) @ v_LC[num_patches:, part])
    out_NC = attention.proj(torch.cat(out, 1)[:len(e_NC)])
    x = x + out_NC.T.reshape(x.shape)
    return x + block.ffn(layer_norm(block.norm2, x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def stage_by_hand(model, i, x, modality, s_D):
    stage, prompts = model.encoder.stages[i], model.prompts[i]
    if stage.patch_embed is not None:
        x = stage.patch_embed(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    control_KC = prompts.control(s_D).reshape(-1, x.shape[1])
    tokens_KC = torch.cat([control_KC, prompts.learned[modality]])
    for j, block in enumerate(stage.blocks):
        x = block_by_hand(block, x, tokens_KC, None if prompts.gate is None else prompts.gate[j])
    return layer_norm(stage.norm, x)


def pair_by_hand(model, rgb, other, modality):
    """Logits of one camera image [1, 3, H, W] and one of another sensor, both in 0..255."""
    config = model.config
    s_r, s_m = (model.clip.embed(image, [modality])[0] for image in (rgb, other))
    steered = {'primary': (s_r, s_r), 'aligned': (s_r, s_m), 'cross': (s_m, s_r)}
    control, refining = steered[config.control], steered[config.dsrm_guidance]
    streams = [model.encoder.forward_stem(model.normalize(name, image)).permute(0, 3, 1, 2)
               for name, image in (('rgb', rgb), (modality, other))]
    fused = []
    for i, fusion in enumerate(model.fusions):
        streams = [stage_by_hand(model, i, x, name, s) for x, name, s in zip(
            streams, ('rgb', modality), control, strict=True)]
        if i == 3 and model.dsrm is not None:
            streams = [dsrm_by_hand(model.dsrm, x, s)
                       for x, s in zip(streams, refining, strict=True)]
        streams = list(frm_by_hand(fusion.rectify, *streams))
        fused.append(ffm_by_hand(fusion.fuse, *streams).permute(0, 2, 3, 1))
    return model.head(fused)


@pytest.mark.parametrize('settings', [
    {}, {'prompt_gate': False, 'dsrm_residual': False, 'fusion_norm': 'batch'},
    {'control': 'aligned', 'dsrm_guidance': 'cross'},
    {'control': 'cross', 'dsrm_guidance': 'primary'},
    {'dsrm': 'spatial_channel', 'dsrm_prompt': 'vector', 'control_prompts': 3},
    {'dsrm': 'none'}], ids=str)
@torch.no_grad()
def test_a_camera_and_one_other_sensor_are_the_papers_pair(settings):
    model, images = build(**settings), images_of(2)
    for modality in SENSORS[1:3]:
        found = model.logits(chosen(images, ('rgb', modality)))
        wanted = [pair_by_hand(model, images['rgb'][i:i + 1], images[modality][i:i + 1], modality)
                  for i in range(len(found))]
        assert_close(found, torch.cat(wanted))


@torch.no_grad()
def test_prompts_behind_a_closed_gate_leave_the_mix_transformer_as_it_is():
    model = build()
    for prompts in model.prompts:
        prompts.gate.zero_()
    x = {'rgb': torch.randn(2, 3, 64, 32)}
    seen = []
    for stage in model.encoder.stages:
        stage.norm.register_forward_hook(lambda _, args, out: seen.append(out))
    model.logits_of_normalized(x)
    found = list(seen)
    for maps, wanted in zip(found, model.encoder(x['rgb']), strict=True):
        torch.testing.assert_close(maps, wanted, rtol=1e-5, atol=1e-5)
    seen.clear()
    for prompts in model.prompts:
        prompts.gate.fill_(0.5)
    model.logits_of_normalized(x)
    assert all((a - b).abs().max() > 1e-3 for a, b in zip(seen, found, strict=True))


@torch.no_grad()
def test_a_fresh_network_does_not_ask_its_prompts():
    torch.manual_seed(0)
    fresh = build_model('segrgbx', {**SMALL, 'dsrm': 'none'}).eval()
    images = images_of()
    wanted = fresh.logits(images)
    for prompts in fresh.prompts:
        for value in prompts.learned.values():
            value.normal_()
    assert torch.equal(fresh.logits(images), wanted)


# --- several others, and none -----------------------------------------------------------------


@pytest.mark.parametrize('primary', SENSORS[:2])
@torch.no_grad()
def test_pairs_are_fused_each_as_if_alone_and_means_taken(primary):
    model = build(primary=primary)
    column = SENSORS.index(primary)
    streams = FeatureMaps.of_present((), PRESENT_BM)
    pairs = StreamPairs.of_streams(streams, column, torch.device('cpu'))
    keys = list(zip(streams.sample_P.tolist(), streams.modality_P.tolist(), strict=True))
    for fusion, dim in zip(model.fusions, DIMS['b0'], strict=True):
        x = torch.randn(len(keys), 4, 6, dim)
        out, fused = fusion(x, pairs)
        maps = {key: row.permute(2, 0, 1)[None] for key, row in zip(keys, x, strict=True)}
        after = {key: row.permute(2, 0, 1)[None] for key, row in zip(keys, out, strict=True)}
        for sample in range(len(PRESENT_BM)):
            mine = {c: maps[s, c] for s, c in keys if s == sample}
            others = [c for c in mine if c != column]
            if column not in mine or not others:
                mean = sum(mine.values()) / len(mine)
                wanted = map_norm_by_hand(fusion.alone[1], conv1x1(fusion.alone[0], mean))
                new = mine
            else:
                rectified = {c: frm_by_hand(fusion.rectify, mine[column], mine[c])
                             for c in others}
                wanted = sum(ffm_by_hand(fusion.fuse, *both) for both in rectified.values())
                wanted = wanted / len(others)
                new = {c: b for c, (_, b) in rectified.items()}
                new[column] = sum(a for a, _ in rectified.values()) / len(others)
            torch.testing.assert_close(fused[sample].permute(2, 0, 1)[None], wanted,
                                       rtol=1e-3, atol=1e-4)
            for c, value in new.items():
                torch.testing.assert_close(after[sample, c], value, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_pairs_are_one_batch():
    model, seen = build(), []
    for fusion in model.fusions:
        fusion.rectify.register_forward_hook(lambda _, args, out: seen.append(len(args[0])))
    model.logits(images_of(), PRESENT_BM)
    assert seen == [5] * 4


@torch.no_grad()
def test_without_a_pair_nothing_of_a_pair_is_asked_and_the_other_way_round():
    images = images_of()
    alone = (('rgb',), ('depth',), ('depth', 'event'))
    paired = (('rgb', 'depth'), SENSORS)
    for broken, whole, parts in ((paired, alone, ('rectify', 'fuse')),
                                 (alone, paired, ('alone',))):
        model = build()
        wanted = [model.logits(chosen(images, subset)) for subset in whole]
        for fusion in model.fusions:
            for part in parts:
                for value in getattr(fusion, part).parameters():
                    value.fill_(float('nan'))
        for subset, logits in zip(whole, wanted, strict=True):
            assert torch.equal(model.logits(chosen(images, subset)), logits)
        for subset in broken:
            assert model.logits(chosen(images, subset)).isnan().any()


@torch.no_grad()
def test_a_masked_slot_changes_nothing_and_samples_do_not_meet():
    model, images = build(), images_of()
    garbage = {sensor: image.clone() for sensor, image in images.items()}
    guidance = model.guide(images)
    dirty = guidance.clone()
    for i, sensor in enumerate(SENSORS):
        absent_B = ~PRESENT_BM[:, i]
        garbage[sensor][absent_B] = float('nan')
        dirty[absent_B, i] = float('nan')
        dirty[absent_B, len(SENSORS) + i] = float('nan')
    wanted = model.logits(images, PRESENT_BM)
    assert torch.equal(model.logits(garbage, PRESENT_BM), wanted)
    given = model.logits(images, PRESENT_BM, guidance_BGD=guidance)
    assert torch.equal(model.logits(garbage, PRESENT_BM, guidance_BGD=dirty), given)
    assert_close(given, wanted)
    for i, row_M in enumerate(PRESENT_BM):
        subset = [sensor for j, sensor in enumerate(SENSORS) if row_M[j]]
        alone = model.logits({sensor: images[sensor][i:i + 1] for sensor in subset})
        assert_close(wanted[i:i + 1], alone)


@torch.no_grad()
def test_the_order_of_sensors_in_the_settings_changes_nothing():
    model, images = build(), images_of()
    order = [3, 1, 0, 2]
    turned = build(modalities=tuple(SENSORS[i] for i in order))
    turned.load_state_dict({
        key: value[order] if key in ('mean_M3', 'std_M3') else value
        for key, value in model.state_dict().items()})
    for subset in (*modality_subsets(SENSORS)[-5:], SENSORS[:1], SENSORS[1:3]):
        assert_close(turned.logits(chosen(images, subset)), model.logits(chosen(images, subset)))


@pytest.mark.parametrize('size_hw', [(512, 512), (480, 640), (32, 32), (33, 100)])
@torch.no_grad()
def test_any_size(size_hw):
    model, images = build(), images_of(1, size_hw)
    for subset in (SENSORS[:2], SENSORS[:1]):
        logits = model.logits(chosen(images, subset))
        assert logits.shape == (1, 5, *(math.ceil(side / 4) for side in size_hw))
        assert torch.isfinite(logits).all()


# --- guidance ---------------------------------------------------------------------------------


@pytest.mark.parametrize('source', STEERINGS)
@pytest.mark.parametrize('primary', [0, 2])
def test_who_is_steered_by_what(primary, source):
    num = len(SENSORS)
    guidance = torch.randn(len(PRESENT_BM), 2 * num, 3)
    streams = FeatureMaps.of_present((), PRESENT_BM)
    found = steering(guidance, PRESENT_BM, primary, source)
    for row, sample, column in zip(found, streams.sample_P.tolist(),
                                   streams.modality_P.tolist(), strict=True):
        own, under = guidance[sample, :num], guidance[sample, num:]
        there = PRESENT_BM[sample].nonzero().flatten().tolist()
        others = [c for c in there if c != primary]
        if primary not in there or not others:
            wanted = own[column]
        elif column == primary:
            wanted = (own if source == 'cross' else under)[others].mean(0)
        else:
            wanted = own[column] if source == 'aligned' else under[column]
        torch.testing.assert_close(row, wanted)


@torch.no_grad()
def test_guidance_is_what_clip_says_of_each_image_under_each_adapter():
    model, images = build(), images_of()
    guidance = model.guide(images, PRESENT_BM)
    num = len(SENSORS)
    assert guidance.shape == (5, *model.guidance_shape) == (5, 2 * num, 16)
    assert guidance.dtype == torch.float32
    for sample, row_M in enumerate(PRESENT_BM):
        for c, sensor in enumerate(SENSORS):
            adapter = None if sensor == 'rgb' else sensor
            for slot, seen in ((c, sensor), (num + c, 'rgb')):
                is_there = row_M[c] and (slot < num or (row_M[0] and c > 0))
                wanted = torch.zeros(16)
                if is_there:
                    [wanted] = model.clip.embed(images[seen][sample:sample + 1], [adapter])
                torch.testing.assert_close(guidance[sample, slot], wanted, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_guidance_of_all_sensors_serves_every_subset():
    model, images = build(), images_of()
    guidance = model.guide(images)
    for subset in modality_subsets(SENSORS)[::2]:
        some = chosen(images, subset)
        assert_close(model.logits(some, guidance_BGD=guidance), model.logits(some))
    assert_differ(model.logits(images, guidance_BGD=guidance.roll(1, 0)), model.logits(images))
    zero = model.guide(images, PRESENT_BM, 'zero')
    assert_close(model.logits(images, PRESENT_BM, 'zero', zero),
                 model.logits(images, PRESENT_BM, 'zero'))


def test_clip_is_kept_frozen():
    model = build().train()
    assert not any(value.requires_grad for value in model.clip.parameters())
    assert not any(module.training for module in model.clip.modules())
    guidance = model.guide({sensor: x.requires_grad_() for sensor, x in images_of().items()})
    assert not guidance.requires_grad


def test_guidance_of_another_shape_is_refused():
    model, images = build(), images_of()
    guidance = model.guide(images)
    for wrong in (guidance[:2], guidance[:, :4], guidance[..., :3]):
        with pytest.raises(ValueError, match=r'guidance is .*; allowed: \(5, 8, 16\)'):
            model.logits(images, guidance_BGD=wrong)


@torch.no_grad()
def test_without_anything_to_steer_there_is_no_clip():
    model, images = build(control_prompts=0, learned_prompts=0, dsrm='none'), images_of()
    assert model.clip is None
    guidance = model.guide(images)
    assert guidance.shape == (5, 8, 16) and not guidance.any()
    assert torch.isfinite(model.logits(images, PRESENT_BM)).all()


# --- settings ---------------------------------------------------------------------------------


@pytest.mark.parametrize('settings', [
    {'learned_prompts': 0}, {'control_prompts': 0}, {'prompt_gate': False},
    {'control': 'aligned'}, {'control': 'cross'}, {'fusion_norm': 'batch'}, {'dsrm': 'none'},
    {'dsrm': 'spatial_channel'}, {'dsrm_prompt': 'vector'}, {'dsrm_residual': False},
    {'dsrm_guidance': 'cross'}, {'dsrm_guidance': 'primary'}, {'primary': 'depth'}], ids=str)
def test_every_option_changes_the_answer_and_learns(settings):
    model, usual = build(**settings), build()
    images = images_of(size_hw=(64, 64))
    shared = {key: value for key, value in usual.state_dict().items()
              if key in model.state_dict() and value.shape == model.state_dict()[key].shape}
    model.load_state_dict(shared, strict=False)
    assert_differ(model.logits(images), usual.logits(images))
    reached = set()
    for present_BM in (PRESENT_BM, torch.tensor([[True, False, False, False]] * 5)):
        model.zero_grad()
        model.train().logits(images, present_BM).square().mean().backward()
        reached |= {key for key, value in model.named_parameters()
                    if value.grad is not None and value.grad.any()}
    assert reached == {key for key, value in model.named_parameters() if value.requires_grad}


def test_some_answers_leave_parameters_out_which_several_processes_must_know():
    assert not on_meta().asks_every_parameter
    assert not on_meta(learned_prompts=0).asks_every_parameter
    with torch.device('meta'):
        assert build_model('m_segformer', {}).asks_every_parameter
        assert not build_model('m_segformer', {'encoder': 'adapters'}).asks_every_parameter


def test_one_pixel_in_a_batch_trains():
    for norm in ('layer', 'batch'):
        model = build(fusion_norm=norm).train()
        model.head.norm.eval()
        model(images_of(1, (32, 32))).square().mean().backward()
        assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
        assert all(torch.isfinite(value).all() for value in model.buffers())


def test_what_a_sensor_owns():
    model = build()
    for sensor in SENSORS:
        assert {id(p) for p in model.parameters_of(sensor)} == {
            id(prompts.learned[sensor]) for prompts in model.prompts}


@pytest.mark.parametrize(('settings', 'message'), [
    ({'primary': 'radar'}, "primary is 'radar'; allowed: rgb, depth, lidar, event"),
    ({'clip': 'vit_l_14'}, "clip is 'vit_l_14'; allowed: vit_b_16, vit_b_32, small, tiny"),
    ({'lora_rank': 0}, 'lora_rank is 0; allowed: a whole number, 1 to 256'),
    ({'control_prompts': -1}, 'control_prompts is -1'),
    ({'learned_prompts': 65}, 'learned_prompts is 65'),
    ({'prompt_gate': 1}, 'prompt_gate is 1; allowed: true, false'),
    ({'control': 'rgb'}, "control is 'rgb'; allowed: primary, aligned, cross"),
    ({'fusion_norm': 'group'}, "fusion_norm is 'group'; allowed: layer, batch"),
    ({'dsrm': True}, 'dsrm is True; allowed: channel_spatial, spatial_channel, none'),
    ({'dsrm_prompt': 'map'}, "dsrm_prompt is 'map'; allowed: spatial, vector"),
    ({'dsrm_residual': 0}, 'dsrm_residual is 0; allowed: true, false'),
    ({'dsrm_guidance': 'none'}, "dsrm_guidance is 'none'; allowed: primary, aligned, cross"),
])
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        build_model('segrgbx', {**SMALL, **settings})


def test_the_head_is_as_wide_as_the_backbone_asks():
    assert [on_meta(backbone=b, head_dim=0).config.head_dim for b in ('b0', 'b2')] == [256, 512]
