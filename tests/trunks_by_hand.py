"""The trunks' formulas written out over a checkpoint's tensors: no code of theirs is used."""

from torch.nn import functional


def batch_norm(x, t, name):
    return functional.batch_norm(
        x, t[f"{name}.running_mean"], t[f"{name}.running_var"], t[f"{name}.weight"],
        t[f"{name}.bias"],
    )  # fmt: skip


def instance_norm(x, t, name):
    mean = x.mean(dim=(2, 3), keepdim=True)
    variance = ((x - mean) ** 2).mean(dim=(2, 3), keepdim=True)
    scale, shift = t[f"{name}.weight"][:, None, None], t[f"{name}.bias"][:, None, None]
    return (x - mean) / (variance + 1e-5).sqrt() * scale + shift


def norm(x, t, name):
    """Whichever the checkpoint has under this name."""
    if f"{name}.IN.weight" in t:
        half = len(t[f"{name}.IN.weight"])
        x = x.clone()
        x[:, :half] = instance_norm(x[:, :half], t, f"{name}.IN")
        x[:, half:] = batch_norm(x[:, half:], t, f"{name}.BN")
        return x
    known = f"{name}.running_mean" in t
    return batch_norm(x, t, name) if known else instance_norm(x, t, name)


def conv(x, t, name, **how):
    return functional.conv2d(x, t[f"{name}.weight"], t.get(f"{name}.bias"), **how)


def resnet(t, x, units, *, last_stride, bottleneck):
    """layer4's map of a ResNet, plain or with IBN."""
    relu = functional.relu
    x = relu(norm(conv(x, t, "conv1", stride=2, padding=3), t, "bn1"))
    x = functional.max_pool2d(x, 3, 2, 1)
    for layer in (1, 2, 3, 4):
        for unit in range(units[layer - 1]):
            at = f"layer{layer}.{unit}"
            stride = {1: 1, 4: last_stride}.get(layer, 2) if unit == 0 else 1
            first = {} if bottleneck else {"stride": stride, "padding": 1}
            second = {"stride": stride, "padding": 1} if bottleneck else {"padding": 1}
            y = relu(norm(conv(x, t, f"{at}.conv1", **first), t, f"{at}.bn1"))
            y = norm(conv(y, t, f"{at}.conv2", **second), t, f"{at}.bn2")
            if bottleneck:
                y = norm(conv(relu(y), t, f"{at}.conv3"), t, f"{at}.bn3")
            if f"{at}.downsample.0.weight" in t:
                x = norm(conv(x, t, f"{at}.downsample.0", stride=stride), t, f"{at}.downsample.1")
            y = x + y
            x = relu(instance_norm(y, t, f"{at}.IN") if f"{at}.IN.weight" in t else y)
    return x


def _light(x, t, at):
    x = conv(x, t, f"{at}.conv1")
    x = conv(x, t, f"{at}.conv2", padding=1, groups=x.shape[1])
    return functional.relu(norm(x, t, f"{at}.bn"))


def _gate(x, t, at):
    v = x.mean(dim=(2, 3), keepdim=True)
    v = conv(functional.relu(conv(v, t, f"{at}.fc1")), t, f"{at}.fc2")
    return x / (1 + (-v).exp())


def _unit(x, t, at, ain):
    y = functional.relu(norm(conv(x, t, f"{at}.conv1.conv"), t, f"{at}.conv1.bn"))
    total = 0
    for depth in (1, 2, 3, 4):
        z = y
        for place in range(depth):
            name = f"{at}.conv2.{depth - 1}.layers.{place}"
            if not ain:
                name = f"{at}.conv2{'abcd'[depth - 1]}" + ("" if depth == 1 else f".{place}")
            z = _light(z, t, name)
        total = total + _gate(z, t, f"{at}.gate")
    y = conv(total, t, f"{at}.conv3.conv")
    if f"{at}.conv3.bn.weight" in t:
        y = norm(y, t, f"{at}.conv3.bn")
    if f"{at}.downsample.conv.weight" in t:
        x = norm(conv(x, t, f"{at}.downsample.conv"), t, f"{at}.downsample.bn")
    if f"{at}.IN.weight" not in t:
        return functional.relu(x + y)
    return functional.relu(
        x + instance_norm(y, t, f"{at}.IN") if ain else instance_norm(x + y, t, f"{at}.IN")
    )


def osnet(t, x):
    """The 512 numbers of an OSNet's `fc`, plain, IBN or AIN by its tensors' names."""
    ain = "pool2.0.conv.weight" in t
    x = functional.relu(norm(conv(x, t, "conv1.conv", stride=2, padding=3), t, "conv1.bn"))
    x = functional.max_pool2d(x, 3, 2, 1)
    for layer in (2, 3, 4):
        for unit in (0, 1):
            x = _unit(x, t, f"conv{layer}.{unit}", ain)
        if layer < 4:
            at = f"pool{layer}.0" if ain else f"conv{layer}.2.0"
            x = functional.relu(norm(conv(x, t, f"{at}.conv"), t, f"{at}.bn"))
            x = functional.avg_pool2d(x, 2)
    x = functional.relu(norm(conv(x, t, "conv5.conv"), t, "conv5.bn"))
    v = x.mean(dim=(2, 3)) @ t["fc.0.weight"].T + t["fc.0.bias"]
    return functional.relu(batch_norm(v, t, "fc.1"))
