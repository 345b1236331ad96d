# SPDX-FileCopyrightText: 2026 The anymodal_seg_ros authors
# SPDX-License-Identifier: Apache-2.0
"""EQUISeg: its size, its cross-modal blocks against the equations, what sensors may do to it."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from anymodal_seg_ros.errors import ConfigError
from anymodal_seg_ros.models import build_model, modality_subsets
from anymodal_seg_ros.models.equiseg_config import PROFILES
from anymodal_seg_ros.models.equiseg_partners import Partners
from anymodal_seg_ros.models.equiseg_ppx import with_pools
from anymodal_seg_ros.models.features import FeatureMaps
from anymodal_seg_ros.models.owned_layers import OwnedBatchNorm, Owners

pytestmark = pytest.mark.slow

SENSORS = ('rgb', 'depth', 'lidar', 'event')
PRESENT_BM = torch.tensor([[1, 0, 1, 1], [0, 1, 1, 0], [0, 0, 0, 1], [1, 1, 1, 1]]).bool()
SMALL = {'backbone': 'b0', 'head_dim': 16, 'num_classes': 5, 'drop_path': 0.0}


def build(seed=0, **settings):
    """With random weights everywhere, also where a fresh network has zeros and ones."""
    torch.manual_seed(seed)
    model = build_model('equiseg', {**SMALL, 'modalities': SENSORS, **settings})
    with torch.no_grad():
        for name, value in (*model.named_parameters(), *model.named_buffers()):
            if 'running_var' in name:
                value.uniform_(0.5, 1.5)
            elif 'running_mean' in name:
                value.normal_(std=0.5)
            elif 'encoder' not in name and value.ndim == 1:
                value.add_(0.3 * torch.randn_like(value))
            elif '.proj.' in name and 'blocks' in name:
                value.normal_(std=0.05)
    return model.eval()


def images_of(batch=4, size_hw=(64, 96), seed=1):
    generator = torch.Generator().manual_seed(seed)
    return {sensor: torch.randint(0, 256, (batch, 3, *size_hw), generator=generator).float()
            for sensor in SENSORS}


def chosen(images, subset):
    return {sensor: images[sensor] for sensor in subset}


profiles = pytest.mark.parametrize('profile', PROFILES)

# --- size -------------------------------------------------------------------------------------

MIT = {'b0': 3_319_392, 'b2': 24_196_288}
DIMS = {'b0': (32, 64, 160, 256), 'b2': (64, 128, 320, 512)}
REDUCTIONS, RATIOS = (8, 4, 2, 1), (8, 8, 4, 4)


def scorers(dims):
    """Depthwise 3x3 and 1x1 to one channel, with biases."""
    return sum(9 * c + c + c + 1 for c in dims)


def mixers(dims):
    return sum(
        2 * c + 50 * c + c * c + c + c + 3  # norm, 7x7, 1x1, scale, gate
        + 2 * c + r * c * c + r * c + 10 * r * c + r * c * c + c + c  # norm, 1x1, 3x3, 1x1, scale
        for c, r in zip(dims, RATIOS, strict=True))


def attentions(dims):
    return sum(4 * c * c + 4 * c + (r * r * c * c + 3 * c if r > 1 else 0)
               for c, r in zip(dims, REDUCTIONS, strict=True))


def head(dims, width, classes=25):
    return sum(c * width + width for c in dims) + 4 * width**2 + 2 * width + (width + 1) * classes


def count(module):
    return sum(value.numel() for value in module.parameters())


def on_meta(**settings):
    with torch.device('meta'):
        return build_model('equiseg', {'num_classes': 25, 'modalities': SENSORS, **settings})


@pytest.mark.parametrize('backbone', MIT)
@profiles
def test_the_ledger_of_parameters(backbone, profile):
    dims, model = DIMS[backbone], on_meta(backbone=backbone, profile=profile)
    sets = 4 if profile == 'parity' else 1
    assert count(model.encoder) == MIT[backbone]
    assert sum(count(b.hub) for b in model.blocks) == scorers(dims) * (3 * 4 if sets == 4 else 4)
    assert sum(count(b.mixer) for b in model.blocks) == sets * mixers(dims)
    assert sum(count(b.attention) for b in model.blocks) == sets * attentions(dims)
    assert count(model.head) == head(dims, 768 if sets == 4 else 256)
    assert count(model) == sum(map(count, (model.encoder, model.blocks, model.head)))


@pytest.mark.parametrize(('settings', 'millions'), [
    # MiT-B2, 25 classes, four sensors; the paper says 52.77.
    ({'backbone': 'b2'}, 52.39),
    ({'backbone': 'b2', 'head_dim': 512}, 50.8),
    ({'backbone': 'b2', 'head_dim': 256}, 49.75),
    ({'backbone': 'b2', 'cmtb_every_block': True}, 52.70),
    ({'backbone': 'b2', 'profile': 'lite'}, 31.0),
    ({'backbone': 'b2', 'profile': 'one_hub'}, 31.0),
    ({'backbone': 'b2', 'profile': 'lite', 'head_dim': 768}, 33.6),
    ({'backbone': 'b2', 'cross_attention': False}, 27.37),
    ({'backbone': 'b2', 'cross_attention': False, 'head_dim': 256}, 24.73),
    ({'backbone': 'b0', 'head_dim': 256}, 10.13),
    ({'backbone': 'b0', 'profile': 'lite'}, 5.33),
    ({'backbone': 'b0', 'cross_attention': False, 'head_dim': 256}, 3.72),
])
def test_millions_of_parameters(settings, millions):
    digits = len(str(millions).partition('.')[2])
    assert round(count(on_meta(**settings)) / 1e6, digits) == millions


def gmacs(call):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    return counter.get_total_flops() / 2e9


@pytest.mark.parametrize('backbone_profile', [('b2', 'parity'), ('b2', 'lite')])
def test_multiplications_of_the_encoder_at_1024_pixels(backbone_profile):
    """GMAC of the MiT, the mixers, the cross-attentions and the hubs. The head is not in: it is
    applied at the maps' own sizes, for a fraction of what the published form costs."""
    backbone, profile = backbone_profile
    model = on_meta(backbone=backbone, profile=profile).eval()
    x = {sensor: torch.empty(1, 3, 1024, 1024, device='meta') for sensor in SENSORS}
    wanted = 510.6 + 65.0 + 83.3 + 1.0
    assert gmacs(lambda: model.encode_normalized(x)) == pytest.approx(wanted, rel=0.01)
    alone = gmacs(lambda: model.encode_normalized(chosen(x, SENSORS[:1])))
    assert alone == pytest.approx(510.6 / 4, rel=0.001)


DEPTHS = (3, 4, 6, 3)


def test_the_ledger_with_cross_attention_after_every_block():
    """Hubs and mixers stay as they are; all sensors share the cross-attentions."""
    model, once = on_meta(backbone='b2', cmtb_every_block=True), on_meta(backbone='b2')
    of_stage = [count(block.attention) // 4 for block in once.blocks]
    every = sum(depth * of_one for depth, of_one in zip(DEPTHS, of_stage, strict=True))
    assert every / 1e6 == pytest.approx(10.232, abs=0.01)
    assert count(model) == count(once) - 4 * sum(of_stage) + every
    x = {sensor: torch.empty(1, 3, 1024, 1024, device='meta') for sensor in SENSORS}
    more = gmacs(lambda: model.eval().encode_normalized(x)) - gmacs(
        lambda: once.eval().encode_normalized(x))
    assert more == pytest.approx(237, rel=0.01)


def test_one_hub_merges_and_reduces_once():
    costs = {}
    for profile in PROFILES:
        model = on_meta(backbone='b2', profile=profile).eval()
        x = {sensor: torch.empty(1, 3, 512, 512, device='meta') for sensor in SENSORS}
        costs[profile] = gmacs(lambda model=model, x=x: model.encode_normalized(x))
    assert costs['one_hub'] < 0.93 * costs['lite'] and costs['lite'] <= costs['parity']


def test_another_sensor_costs_scorers_alone_where_blocks_are_shared():
    lite = {n: count(on_meta(profile='lite', modalities=SENSORS[:n])) for n in (3, 4)}
    assert lite[4] - lite[3] == scorers(DIMS['b0'])
    parity = {n: count(on_meta(modalities=SENSORS[:n])) for n in (2, 3, 4)}
    assert parity[4] - parity[3] > parity[3] - parity[2] > mixers(DIMS['b0'])


# --- the blocks against the equations ---------------------------------------------------------


def layer(owned, owner):
    return owned.layers[owner if owner in owned.layers else 'shared']


def hub_by_hand(hub, merge, maps, owner):
    """maps: modality to [1, C, H, W]."""
    of_owner = hub.scorers[owner if owner in hub.scorers else 'shared']
    weighted = []
    for source, s_1CHW in maps.items():
        scorer = of_owner[source]
        weight_11HW = torch.sigmoid(scorer.point(scorer.depthwise(s_1CHW)))
        weighted.append(s_1CHW * (1 + weight_11HW))
    stacked = torch.stack(weighted)
    return stacked.amax(0) if merge == 'max' else stacked.mean(0)


def norm_by_hand(norm, x_1CHW, owner, column):
    affine = layer(norm, owner)
    if isinstance(norm, OwnedBatchNorm):
        return F.batch_norm(x_1CHW, norm.running_mean_OC[column], norm.running_var_OC[column],
                            affine.weight, affine.bias, False)
    x_1HWC = F.layer_norm(x_1CHW.permute(0, 2, 3, 1), x_1CHW.shape[1:2], affine.weight,
                          affine.bias, norm.eps)
    return x_1HWC.permute(0, 3, 1, 2)


def linear_by_hand(owned, x_1CHW, owner):
    return layer(owned, owner)(x_1CHW.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def mixer_by_hand(mixer, x, owner, column):
    u = norm_by_hand(mixer.norm1, x, owner, column)
    z = layer(mixer.local, owner)(u)
    q = z + sum(F.avg_pool2d(z, k, 1, k // 2, count_include_pad=False) for k in (3, 7, 11))
    y = u * torch.sigmoid(linear_by_hand(mixer.mix, q, owner)) + u
    x = x + layer(mixer.scale1, owner).weight[:, None, None] * y
    gate = torch.sigmoid(layer(mixer.gate, owner)(x.mean((2, 3))[:, None]))[:, 0, :, None, None]
    hidden = linear_by_hand(mixer.fc1, norm_by_hand(mixer.norm2, x, owner, column), owner)
    hidden = F.gelu(layer(mixer.dwconv, owner)(hidden))
    return gate * x + layer(mixer.scale2, owner).weight[:, None, None] * linear_by_hand(
        mixer.fc2, hidden, owner)


def attention_by_hand(attention, x, context, owner):
    def normed(y):
        return F.layer_norm(y.permute(0, 2, 3, 1), y.shape[1:2], eps=1e-6).permute(0, 3, 1, 2)

    _, dim, height, width = x.shape
    context = normed(context)
    if attention.reduce is not None:
        reduced = layer(attention.reduce, owner)(context).permute(0, 2, 3, 1)
        context = layer(attention.reduce_norm, owner)(reduced).permute(0, 3, 1, 2)
    q_NC = layer(attention.q, owner)(normed(x)[0].flatten(1).T)
    k_NC, v_NC = layer(attention.kv, owner)(context[0].flatten(1).T).split(dim, dim=1)
    head_dim = dim // attention.num_heads
    heads = []
    for part in torch.arange(dim).split(head_dim):
        scores = q_NC[:, part] @ k_NC[:, part].T / head_dim**0.5
        heads.append(torch.softmax(scores, dim=1) @ v_NC[:, part])
    out_NC = layer(attention.proj, owner)(torch.cat(heads, dim=1))
    return out_NC.T.reshape(1, dim, height, width)


def block_by_hand(model, stage, own, source):
    """{(sample, column): [1, C, H, W]} of own maps and sources to the same after the block."""
    block, config = model.blocks[stage], model.config
    new = {}
    for (sample, column), x in own.items():
        mates = {SENSORS[c]: source[s, c] for s, c in own if s == sample}
        owner = SENSORS[column]
        others = {m: s for m, s in mates.items() if m != owner}
        if not others:
            new[sample, column] = x
            continue
        merged = mates if PROFILES[config.profile].one_hub else others
        context = hub_by_hand(block.hub, config.hub, merged, owner)
        context = mixer_by_hand(block.mixer, context, owner, column)
        seen = attention_by_hand(block.attention, x, context, owner)
        new[sample, column] = x + seen if config.residual else seen
    return new


def pairs_of(present_BM):
    return FeatureMaps.of_present((), present_BM)


@pytest.mark.parametrize('stage', range(4))
@pytest.mark.parametrize('settings', [
    {'profile': 'parity'}, {'profile': 'lite'}, {'profile': 'one_hub'},
    {'profile': 'parity', 'hub': 'mean'}, {'profile': 'lite', 'hub': 'mean'},
    {'profile': 'parity', 'residual': False}, {'profile': 'lite', 'residual': False}], ids=str)
def test_the_batched_block_is_what_the_equations_give_pair_by_pair(settings, stage):
    model = build(**settings)
    pairs = pairs_of(PRESENT_BM)
    size_hw = [(16, 24), (8, 13), (5, 6), (2, 3)][stage]
    generator = torch.Generator().manual_seed(3)
    x, source = (torch.randn(len(pairs.sample_P), *size_hw, DIMS['b0'][stage],
                             generator=generator) for _ in range(2))
    one_hub = PROFILES[settings['profile']].one_hub
    partners = Partners.of_pairs(pairs, torch.device('cpu'), one_hub=one_hub)
    keys = list(zip(pairs.sample_P.tolist(), pairs.modality_P.tolist(), strict=True))

    def table(maps):
        return {key: maps[i].permute(2, 0, 1)[None] for i, key in enumerate(keys)}

    with torch.no_grad():
        found = table(model.blocks[stage](x, source, partners))
        wanted = block_by_hand(model, stage, table(x), table(source))
    for key in keys:
        torch.testing.assert_close(found[key], wanted[key], rtol=1e-4, atol=2e-5)
    lonely = (2, SENSORS.index('event'))
    assert torch.equal(found[lonely], table(x)[lonely])
    assert all((found[key] - table(x)[key]).abs().max() > 0.01 for key in keys if key != lonely)


@pytest.mark.parametrize('hub_source', ['pre', 'post'])
def test_a_stage_is_embedding_blocks_cross_modal_block_and_norm(hub_source):
    model = build(hub_source=hub_source)
    images = {sensor: image / 255 for sensor, image in images_of().items()}
    with torch.no_grad():
        maps = model.encode_normalized(images).maps
        partners = Partners.of_pairs(pairs_of(torch.ones(4, 4).bool()), torch.device('cpu'),
                                     one_hub=False)
        x = torch.cat([model.encoder.forward_stem(images[sensor]) for sensor in SENSORS])
        for i, stage in enumerate(model.encoder.stages):
            start = x if stage.patch_embed is None else stage.patch_embed(x)
            mixed = start
            for block in stage.blocks:
                mixed = block(mixed)
            x = stage.norm(model.blocks[i](mixed, start if hub_source == 'pre' else mixed,
                                           partners))
            torch.testing.assert_close(maps[i], x, rtol=1e-4, atol=1e-4)


@profiles
def test_cross_attention_after_every_block(profile):
    """One merged map of the stage for all, and a cross-attention of its own for each block."""
    model = build(profile=profile, cmtb_every_block=True)
    images = {sensor: image / 255 for sensor, image in images_of().items()}
    with torch.no_grad():
        maps = model.encode_normalized(images).maps
        partners = Partners.of_pairs(pairs_of(torch.ones(4, 4).bool()), torch.device('cpu'),
                                     one_hub=PROFILES[profile].one_hub)
        x = torch.cat([model.encoder.forward_stem(images[sensor]) for sensor in SENSORS])
        for i, (stage, cross) in enumerate(zip(model.encoder.stages, model.blocks, strict=True)):
            x = x if stage.patch_embed is None else stage.patch_embed(x)
            context = cross.mixer(cross.hub(x, partners), partners.context_owners)
            attentions = [*cross.earlier, cross.attention]
            assert len({id(each) for each in attentions}) == len(stage.blocks) == 2
            for block, attention in zip(stage.blocks, attentions, strict=True):
                x = block(x)
                x = x + attention(x, context, partners)
            x = stage.norm(x)
            torch.testing.assert_close(maps[i], x, rtol=1e-4, atol=1e-4)


@profiles
def test_a_primary_sees_others_alone_but_with_one_hub(profile):
    model, one_hub = build(profile=profile), PROFILES[profile].one_hub
    pairs = pairs_of(torch.ones(1, 4).bool())
    partners = Partners.of_pairs(pairs, torch.device('cpu'), one_hub=one_hub)
    x, source = torch.randn(2, 4, 8, 8, 32)
    changed = source.clone()
    changed[1] += 3.0
    with torch.no_grad():
        before, after = (model.blocks[0](x, s, partners) for s in (source, changed))
    moved = [(a - b).abs().max() > 1e-4 for a, b in zip(after, before, strict=True)]
    assert moved == [True, one_hub, True, True]


def test_pools_are_means_of_the_pixels_within_the_image():
    for size_hw in ((1, 1), (2, 9), (16, 13)):
        x = torch.randn(2, *size_hw, 3)
        x_NCHW = x.permute(0, 3, 1, 2)
        wanted = x_NCHW + sum(F.avg_pool2d(x_NCHW, k, 1, k // 2, count_include_pad=False)
                              for k in (3, 7, 11))
        torch.testing.assert_close(with_pools(x), wanted.permute(0, 2, 3, 1))


def test_batch_norm_of_owners_is_a_batch_norm_of_each():
    norm = OwnedBatchNorm(SENSORS, 6)
    alone = {sensor: nn.BatchNorm2d(6) for sensor in SENSORS}
    for sensor in SENSORS:
        nn.init.normal_(alone[sensor].weight)
        nn.init.normal_(alone[sensor].bias)
        norm.layers[sensor].load_state_dict(
            {key: getattr(alone[sensor], key) for key in ('weight', 'bias')})
    columns = torch.tensor([0, 0, 1, 3, 3, 3])
    owners = Owners(columns, is_each_once=False)
    for is_training in (True, True, False):
        norm.train(is_training)
        x = 2.0 + 3.0 * torch.randn(6, 4, 5, 6)
        found = norm(x, owners)
        for column, sensor in enumerate(SENSORS):
            if (columns == column).any():
                alone[sensor].train(is_training)
                wanted = alone[sensor](x[columns == column].permute(0, 3, 1, 2))
                torch.testing.assert_close(found[columns == column],
                                           wanted.permute(0, 2, 3, 1), rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(norm.running_mean_OC[column], alone[sensor].running_mean)
            torch.testing.assert_close(norm.running_var_OC[column], alone[sensor].running_var)


def test_one_pixel_in_a_batch_trains():
    model = build().train()
    model.head.norm.eval()
    logits = model(images_of(1, (32, 32)))
    logits.square().mean().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    assert all(torch.isfinite(value).all() for value in model.buffers())


# --- sensors ----------------------------------------------------------------------------------


def m_segformer_of(model):
    """With the same encoder and head."""
    plain = build_model('m_segformer', {**SMALL, 'modalities': model.config.modalities}).eval()
    plain.load_state_dict({key: value for key, value in model.state_dict().items()
                           if not key.startswith('blocks.')})
    return plain


@profiles
def test_one_sensor_alone_has_no_cross_term(profile):
    model = build(profile=profile)
    plain, images = m_segformer_of(model), images_of()
    with torch.no_grad():
        for subset in modality_subsets(SENSORS):
            found, wanted = (net.logits(chosen(images, subset)) for net in (model, plain))
            if len(subset) == 1:
                torch.testing.assert_close(found, wanted)
            else:
                assert (found - wanted).abs().max() > 1e-3 * wanted.abs().max()


def test_without_cross_attention_it_is_m_segformer_and_shared_blocks_start_as_that():
    images = images_of()
    for settings in ({'cross_attention': False}, {'profile': 'lite'}, {'profile': 'one_hub'},
                     {'profile': 'lite', 'cmtb_every_block': True}):
        torch.manual_seed(0)
        model = build_model('equiseg', {**SMALL, 'modalities': SENSORS, **settings}).eval()
        with torch.no_grad():
            torch.testing.assert_close(model.logits(images, PRESENT_BM),
                                       m_segformer_of(model).logits(images, PRESENT_BM))


@profiles
@pytest.mark.parametrize('every', [False, True])
def test_a_masked_slot_changes_nothing_and_samples_do_not_meet(profile, every):
    model, images = build(profile=profile, cmtb_every_block=every), images_of()
    garbage = {sensor: image.clone() for sensor, image in images.items()}
    for i, sensor in enumerate(SENSORS):
        garbage[sensor][~PRESENT_BM[:, i]] = float('nan')
    with torch.no_grad():
        wanted = model.logits(images, PRESENT_BM)
        assert torch.equal(model.logits(garbage, PRESENT_BM), wanted)
        for i, row_M in enumerate(PRESENT_BM):
            subset = [sensor for j, sensor in enumerate(SENSORS) if row_M[j]]
            alone = model.logits({sensor: images[sensor][i:i + 1] for sensor in subset})
            torch.testing.assert_close(wanted[i:i + 1], alone, rtol=1e-3, atol=1e-4)


@profiles
def test_the_order_of_sensors_in_the_settings_changes_nothing(profile):
    model, images = build(profile=profile), images_of()
    turned = build(profile=profile, modalities=SENSORS[::-1])
    turned.load_state_dict({
        key: value.flip(0) if key in ('mean_M3', 'std_M3')
        or ('running' in key and value.ndim == 2) else value
        for key, value in model.state_dict().items()})
    with torch.no_grad():
        for subset in (SENSORS, SENSORS[:3], SENSORS[1:3]):
            torch.testing.assert_close(turned.logits(chosen(images, subset)),
                                       model.logits(chosen(images, subset)),
                                       rtol=1e-3, atol=1e-4)


@profiles
def test_a_prepared_network_answers_the_same(profile):
    model, prepared = build(profile=profile), build(profile=profile)
    prepared.prepare_for_inference(torch.float32)
    images = images_of()
    with torch.inference_mode():
        for subset in (SENSORS, SENSORS[1:], SENSORS[:1]):
            torch.testing.assert_close(prepared.logits(chosen(images, subset)),
                                       model.logits(chosen(images, subset)),
                                       rtol=1e-3, atol=1e-4)
    half = build(profile=profile)
    half.prepare_for_inference(torch.bfloat16)
    with torch.inference_mode():
        assert half.logits(images).dtype == torch.bfloat16


def test_the_present_are_one_batch_through_the_encoder():
    model, seen = build(), []
    model.encoder.stems['shared'].register_forward_hook(lambda _, args, out: seen.append(len(out)))
    for stage in model.encoder.stages:
        stage.norm.register_forward_hook(lambda _, args, out: seen.append(len(out)))
    with torch.no_grad():
        model.logits(images_of(), PRESENT_BM)
    assert seen == [int(PRESENT_BM.sum())] * 5


@profiles
def test_cross_modal_blocks_are_one_batch_of_all_primaries(profile):
    """Nine of the ten pairs have a partner; with one hub their three samples have one context."""
    model, seen = build(profile=profile), []
    for block in model.blocks:
        for part in (block.hub, block.mixer, block.attention):
            part.register_forward_hook(lambda _, args, out: seen.append(len(out)))
    with torch.no_grad():
        model.logits(images_of(), PRESENT_BM)
    contexts = 3 if PROFILES[profile].one_hub else 9
    assert seen == [contexts, contexts, 9] * 4


@profiles
def test_what_a_sensor_owns(profile):
    model = build(profile=profile)
    own = {sensor: {id(p) for p in model.parameters_of(sensor)} for sensor in SENSORS}
    for sensor in SENSORS:
        of_others = set().union(*(own[other] for other in SENSORS if other != sensor))
        assert own[sensor] and not own[sensor] & of_others
    blocks = {id(p) for p in model.blocks.parameters()}
    assert (set().union(*own.values()) == blocks) == (profile == 'parity')
    assert {id(p) for p in model.encoder_parameters()} == blocks | {
        id(p) for p in model.encoder.parameters()}


@pytest.mark.parametrize(('settings', 'message'), [
    ({'profile': 'large'}, "profile is 'large'; allowed: parity, one_hub, lite"),
    ({'profile': ['lite']}, 'allowed: parity'),
    ({'hub_source': 'middle'}, "hub_source is 'middle'; allowed: '', pre, post"),
    ({'hub': 'sum'}, "hub is 'sum'; allowed: max, mean"),
    ({'cmtb_every_block': 1}, 'cmtb_every_block is 1; allowed: true, false'),
    ({'cmtb_every_block': True, 'hub_source': 'post'}, "hub_source is 'post'; allowed: pre with"),
    ({'residual': 1}, 'residual is 1; allowed: true, false'),
    ({'cross_attention': 'no'}, "cross_attention is 'no'; allowed: true, false"),
    ({'backbone': 'b9'}, "backbone is 'b9'"),
    ({'drop_path': 1.0}, r'drop_path is 1\.0'),
])
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        build_model('equiseg', settings)


def test_settings_that_a_profile_decides():
    for profile, wanted in (('parity', ('pre', 768)), ('lite', ('post', 256)),
                            ('one_hub', ('post', 256))):
        config = on_meta(profile=profile).config
        assert (config.hub_source, config.head_dim) == wanted
    assert on_meta(profile='lite', hub_source='pre', head_dim=64).config.hub_source == 'pre'
    assert on_meta(profile='lite', cmtb_every_block=True).config.hub_source == 'pre'
