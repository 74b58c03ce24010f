"""The papers' networks written out over their tensors, straight down: no code of theirs is used.

`t` are a network's tensors by name, `x` the picture (B, 3, H, W); all in eval mode.
"""

import torch
from torch.nn import functional

from trunks_by_hand import batch_norm, conv, norm

relu, sigmoid = functional.relu, torch.sigmoid


def part_of(t, name):
    """The tensors below a name."""
    return {key[len(name) + 1 :]: value for key, value in t.items() if key.startswith(name + ".")}


def stem(t, x):
    x = relu(norm(conv(x, t, "conv1", stride=2, padding=3), t, "bn1"))
    return functional.max_pool2d(x, 3, 2, 1)


def layers(t, x, units, last_stride, after=lambda layer, x: x, first=1):
    """The maps behind layer1 ... layer4 of a ResNet of basic blocks, from the stem's."""
    found = []
    for layer in range(first, 5):
        for unit in range(units[layer - 1]):
            at = f"layer{layer}.{unit}"
            stride = {1: 1, 4: last_stride}.get(layer, 2) if unit == 0 else 1
            y = relu(norm(conv(x, t, f"{at}.conv1", stride=stride, padding=1), t, f"{at}.bn1"))
            y = norm(conv(y, t, f"{at}.conv2", padding=1), t, f"{at}.bn2")
            if f"{at}.downsample.0.weight" in t:
                x = norm(conv(x, t, f"{at}.downsample.0", stride=stride), t, f"{at}.downsample.1")
            x = relu(x + y)
        x = after(layer, x)
        found.append(x)
    return found


def linear(x, t, name):
    return functional.linear(x, t[f"{name}.weight"], t.get(f"{name}.bias"))


def unit(x):
    return x / x.norm(dim=-1, keepdim=True)


# Luo et al. 2019: the strong baseline.


def bag_of_tricks(t, x, units):
    """Pooled before and after the neck."""
    f_t = layers(trunk := part_of(t, "trunk"), stem(trunk, x), units, 1)[-1].mean((2, 3))
    return f_t, batch_norm(f_t, t, "neck")


# MSReID.


def soft_attention(t, x):
    """Figure 3: the product whole, then W."""
    s = conv(x, t, "spatial.average")
    s = relu(batch_norm(conv(s, t, "spatial.conv1", stride=2, padding=1), t, "spatial.bn1"))
    s = functional.interpolate(s, x.shape[2:], mode="bilinear", align_corners=True)
    s = relu(batch_norm(conv(s, t, "spatial.conv2"), t, "spatial.bn2"))
    c = relu(batch_norm(linear(x.mean((2, 3)), t, "channel.conv1"), t, "channel.bn1"))
    c = relu(batch_norm(linear(c, t, "channel.conv2"), t, "channel.bn2"))
    product = s * c[:, :, None, None]
    y = functional.conv2d(product, t["join.weight"][:, :, None, None])
    return x * sigmoid(batch_norm(y, t, "bn"))


def bottleneck(t, x, last=relu):
    y = relu(batch_norm(conv(x, t, "conv1"), t, "bn1"))
    y = relu(batch_norm(conv(y, t, "conv2", padding=1), t, "bn2"))
    y = batch_norm(conv(y, t, "conv3"), t, "bn3")
    return last(y + batch_norm(conv(x, t, "shortcut"), t, "bn_shortcut"))


def msreid(t, x, units):
    """The mask; f of both features before and after their necks (Figure 2)."""
    trunk = part_of(t, "trunk")
    attended = lambda layer, x: soft_attention(part_of(t, f"attention.{layer - 1}"), x)  # noqa: E731
    _, _, layer3, layer4 = layers(trunk, stem(trunk, x), units, 1, attended)
    mask = bottleneck(part_of(t, "masking"), layer4, sigmoid)
    found = {}
    for name, maps, m in (("global", layer4, mask), ("local", layer3, 1 - mask)):
        masked = bottleneck(part_of(t, f"reduce.{name}"), maps) * m
        f = masked.mean((2, 3)) + masked.flatten(2).max(2).values
        found[name] = (f, batch_norm(f, t, f"necks.{name}"))
    return mask, found


# GAM.


def extractor(t, x, units):
    """F(a): the trunk with its own last stride, 1x1 convolution, BatchNorm, ReLU."""
    pooled = layers(trunk := part_of(t, "trunk"), stem(trunk, x), units, 2)[-1]
    pooled = pooled.mean((2, 3), keepdim=True)
    return relu(batch_norm(conv(pooled, t, "head.0"), t, "head.1")).flatten(1)


def generator(t, x, levels):
    """M(a): the U-Net."""

    def two(x, at):
        for step in "01":
            x = relu(batch_norm(conv(x, t, f"{at}.{step}.0", padding=1), t, f"{at}.{step}.1"))
        return x

    skipped = []
    for level in range(levels - 1):
        x = two(x, f"encoder.{level}")
        skipped.append(x)
        x = functional.max_pool2d(x, 2)
    x = two(x, "lowest")
    for level in range(levels - 1):
        x = functional.conv_transpose2d(x, t[f"up.{level}.weight"], t[f"up.{level}.bias"], stride=2)
        x = two(torch.cat([skipped.pop(), x], 1), f"decoder.{level}")
    return sigmoid(conv(x, t, "last"))


# MPM-LTL.


def pooled_mask(mask, kernel, stride, padding, threshold):
    """Window by window; what lies outside the picture does not count."""
    around = functional.pad(mask, [padding] * 4, value=-1.0)
    windows = functional.unfold(around, kernel, stride=stride)
    share = (windows > 0.5).sum(1) / (windows >= 0).sum(1)
    height = (mask.shape[2] + 2 * padding - kernel) // stride + 1
    return (share > threshold).to(mask).view(len(mask), 1, height, -1)


def mask_pooling(t, x, mask, units, parts, threshold):
    """H: the descriptors of the parts, (B, k, width)."""
    trunk = part_of(t, "trunk")
    beside = pooled_mask(pooled_mask(mask, 7, 2, 3, threshold), 3, 2, 1, threshold)
    maps = layers(trunk, torch.cat([stem(trunk, x), beside], 1), units, 1)[-1]
    tall = maps.shape[2] // parts
    found = []
    for part in range(parts):
        g = maps[:, :, tall * part : tall * (part + 1)].mean((2, 3), keepdim=True)
        h = batch_norm(conv(g, t, f"reduce.{part}.0"), t, f"reduce.{part}.1")
        found.append(relu(h).flatten(1))
    return torch.stack(found, 1)


# FMN.


def feature_mask(t, x, units, limit):
    """g, the mask, and l, masked at pool1."""
    trunk = part_of(t, "grn.trunk")
    f = stem(trunk, x)
    g = layers(trunk, f, units, 2)[-1].mean((2, 3))
    k = torch.tanh(relu(g @ t["mixing.transform.weight"].T) / limit) * limit
    h, w = f.shape[2:]
    m = torch.stack([k[:, j * h : (j + 1) * h] for j in range(w)], 2).exp()[:, None]
    local = layers(part_of(t, "lan.layers"), f * m, units, 2)[-1].mean((2, 3))
    return g, m, local


# ADN.


def table_1_unit(t, x, stride=1):
    y = relu(batch_norm(conv(x, t, "conv1", stride=stride), t, "bn1"))
    y = relu(batch_norm(conv(y, t, "conv2", padding=1), t, "bn2"))
    y = batch_norm(conv(y, t, "conv3"), t, "bn3")
    if "shortcut.0.weight" in t:
        x = batch_norm(conv(x, t, "shortcut.0", stride=stride), t, "shortcut.1")
    return relu(x + y)


def intra_attention(t, v, stride, pools):
    """m of a block (3.3, Figure 5): encoder, decoder, S, C, their product, 1x1, sigmoid."""
    a, encoded = table_1_unit(part_of(t, "entry"), v, stride), []
    for number in range(pools):
        a = table_1_unit(part_of(t, f"before_pooling.{number}"), a)
        encoded.append(a)
        a = functional.max_pool2d(a, 2)
    for skip in reversed(encoded):
        a = a.repeat_interleave(2, 2).repeat_interleave(2, 3) + skip
    s = batch_norm(conv(a, t, "spatial.0"), t, "spatial.1")
    c = batch_norm(conv(a.mean((2, 3), keepdim=True), t, "channel.0"), t, "channel.1")
    return sigmoid(conv(s * c, t, "join"))


def view(t, conv1, x, pool_stride):
    """E of one view (Table 1, Eq. 3 to 7)."""
    x = relu(batch_norm(functional.conv2d(x, conv1, stride=2, padding=1), t, "bn1"))
    v = functional.max_pool2d(x, 3, pool_stride, 1)
    for number, stride in enumerate((1, 2, 2, 1)):
        own = part_of(t, f"blocks.{number}")
        a = table_1_unit(part_of(own, "units.0"), v, stride)
        for index in (1, 2):
            a = table_1_unit(part_of(own, f"units.{index}"), a)
        if number > 0:
            m = intra_attention(part_of(own, "attention"), v, stride, 2 if number == 1 else 1)
            a = (1 + m) * a
        v = a
    return conv(v.mean((2, 3), keepdim=True), t, "reduce").flatten(1)


def attention_driven(t, views):
    """E_g, E_1 ... E_4, mu and E_l (Eq. 8 and 9)."""
    whole, *parts = views.values()
    conv1, side = t["conv1.weight"], part_of(t, "parts")
    e_g = view(part_of(t, "whole"), conv1, whole, 2)
    e = []
    for number, x in enumerate(parts):
        own = {k: v if v.ndim == 0 else v.chunk(4)[number] for k, v in side.items()}
        e.append(view(own, conv1, x, (1, 2)))
    names = list(views)[1:]
    mu = [sigmoid(linear(f, t, f"weights.{n}")) for n, f in zip(names, e, strict=True)]
    e_l = torch.cat([(m + 1) * f for m, f in zip(mu, e, strict=True)], 1)
    return e_g, e, torch.cat(mu, 1), e_l
