import math

import pytest
import torch

from passerby.losses.memory import cluster_contrast, cosines, inter_camera, intra_camera, updated
from passerby.types import InputError

CAMERAS = torch.tensor([0, 1, 0, 1, 2, 0, 1])
CLUSTERS = torch.tensor([0, 0, 1, 1, 1, 2, 3])


def unit(rows, width, seed):
    x = torch.randn(rows, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return x / x.norm(dim=1, keepdim=True)


def exps(f, memory, t):
    return [[math.exp(float(q @ k) / t) for k in memory] for q in f]


def test_cluster_contrast_against_a_loop():
    f, memory, labels = unit(5, 4, 0), unit(7, 4, 1), [3, 0, 6, 6, 2]
    s = exps(f, memory, 0.05)
    expected = -sum(math.log(s[i][y] / sum(s[i])) for i, y in enumerate(labels)) / 5
    found = cluster_contrast(cosines(f, memory), torch.tensor(labels), 0.05)
    assert float(found) == pytest.approx(expected)


def test_intra_camera_against_a_loop():
    f, memory, proxies = unit(6, 4, 2), unit(7, 4, 3), [0, 1, -1, 2, 4, 5]
    s, cameras = exps(f, memory, 0.07), CAMERAS.tolist()
    expected = 0.0
    for camera in (0, 1, 2):
        mine = [i for i, j in enumerate(proxies) if j >= 0 and cameras[j] == camera]
        own = [k for k in range(7) if cameras[k] == camera]
        losses = [-math.log(s[i][proxies[i]] / sum(s[i][k] for k in own)) for i in mine]
        expected += sum(losses) / len(losses)
    found = intra_camera(cosines(f, memory), torch.tensor(proxies), CAMERAS, 0.07)
    assert float(found) == pytest.approx(expected)


@pytest.mark.parametrize("hard", [1, 2, 50])
def test_inter_camera_against_a_loop(hard):
    # Proxies 5 and 6 are alone in their clusters: nothing draws their pictures to other cameras.
    f, memory, proxies = unit(6, 4, 4), unit(7, 4, 5), [0, 3, -1, 4, 5, 6]
    s, losses = exps(f, memory, 0.07), []
    for i, j in enumerate(proxies):
        p = [
            k
            for k in range(7)
            if j >= 0 and CLUSTERS[k] == CLUSTERS[j] and CAMERAS[k] != CAMERAS[j]
        ]
        if not p:
            continue
        q = sorted((s[i][k] for k in range(7) if CLUSTERS[k] != CLUSTERS[j]), reverse=True)[:hard]
        total = sum(s[i][k] for k in p) + sum(q)
        losses.append(-sum(math.log(s[i][k] / total) for k in p) / len(p))
    assert len(losses) == 3
    found = inter_camera(cosines(f, memory), torch.tensor(proxies), CAMERAS, CLUSTERS, 0.07, hard)
    assert float(found) == pytest.approx(sum(losses) / 3)


def test_where_no_picture_counts_the_losses_are_0_and_so_are_their_gradients():
    f = unit(2, 4, 6).requires_grad_()
    near = cosines(f, unit(7, 4, 7))
    nobody, alone = torch.tensor([-1, -1]), torch.tensor([5, 6])
    for loss in (
        intra_camera(near, nobody, CAMERAS),
        inter_camera(near, nobody, CAMERAS, CLUSTERS),
        inter_camera(near, alone, CAMERAS, CLUSTERS),
    ):
        (gradient,) = torch.autograd.grad(loss, f, retain_graph=True)
        assert float(loss) == 0
        assert float(gradient.abs().max()) == 0


def test_gradients_are_finite_and_draw_pictures_to_their_own():
    memory, f = unit(7, 4, 8), unit(3, 4, 9).requires_grad_()
    proxies = torch.tensor([0, 2, 4])
    near = cosines(f, memory)
    loss = intra_camera(near, proxies, CAMERAS) + inter_camera(near, proxies, CAMERAS, CLUSTERS)
    (gradient,) = torch.autograd.grad(loss, f)
    assert torch.isfinite(gradient).all()
    moved = cosines(f.detach() - 1e-4 * gradient, memory)
    after = intra_camera(moved, proxies, CAMERAS) + inter_camera(moved, proxies, CAMERAS, CLUSTERS)
    assert float(after) < float(loss)


def test_the_memory_takes_picture_after_picture():
    memory, f, rows = unit(3, 4, 10), unit(4, 4, 11), [1, 1, -1, 0]
    expected = [row.clone() for row in memory]
    for i, row in enumerate(rows):
        if row >= 0:
            mixed = 0.2 * expected[row] + 0.8 * f[i]
            expected[row] = mixed / float((mixed**2).sum()) ** 0.5
    before = memory.clone()
    found = updated(memory, f, torch.tensor(rows), 0.2)
    torch.testing.assert_close(found, torch.stack(expected))
    torch.testing.assert_close(memory, before)
    with pytest.raises(InputError, match="1.5"):
        updated(memory, f, torch.tensor(rows), 1.5)


def test_half_precision_is_computed_in_float32():
    f, memory = unit(3, 4, 12), unit(7, 4, 13)
    with torch.autocast("cpu", torch.bfloat16):
        found = cosines(f.bfloat16(), memory.float())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, f.bfloat16().float() @ memory.float().T)
