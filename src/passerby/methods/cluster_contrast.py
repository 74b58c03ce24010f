"""Cluster contrast with camera-aware proxies: training without a label.

Dai, Wang, Yuan, Zhu, Tan: Cluster Contrast for Unsupervised Person Re-Identification, ACCV 2022
(arXiv 2103.11568), [CC] below. Wang, Lai, Huang, Gong, Hua: Camera-aware Proxies for Unsupervised
Person Re-Identification, AAAI 2021, [CAP] below.

Each epoch clusters the pictures as the network now sees them; a cluster's pictures count as one
person until the next epoch. A memory holds one mean feature for each cluster, and each picture is
drawn to its own and away from the others [CC]. What a camera does to pictures parts the clusters,
so a second memory holds one proxy for each cluster and camera: pictures learn to be told apart
within their camera, and drawn to the same cluster's proxies in other cameras [CAP].

Differs from the papers: both losses are added up; clusters are those of embeddings without their
cameras' moves (`passerby.ranking.profiles`); pictures of one track are one person; batches are
drawn by cluster, not by proxy [CAP]; and `small`, for a few hundred pictures and a small network,
takes a narrower neighbourhood than thousands of pictures and a ResNet-50 from ImageNet's weights.
No label of the data is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn, optim
from torch.nn import functional

from passerby.data.samplers import IdentityBalanced
from passerby.losses.gather import gathered
from passerby.losses.memory import cluster_contrast, cosines, inter_camera, intra_camera, updated
from passerby.method import EpochStart, Inputs, Method, ScheduledOptimizer, Stage, Turn
from passerby.methods import bag_of_tricks
from passerby.methods.bag_of_tricks import BagOfTricks
from passerby.methods.clusters import OUTLIER, Clustering, clusters, without_cameras
from passerby.methods.inputs import padded_crop, whole_picture
from passerby.methods.schedules import step_decay
from passerby.methods.weights import initialise_rest
from passerby.ranking.profiles import unit
from passerby.types import Batch, CameraChanges, InputError

MOST = 0.9
"""Share of all pictures that one cluster may hold."""
LEAST = 0.05
"""Share of all pictures that must be in clusters."""


class Memories(nn.Module):
    """What only training needs: the epoch's clusters, and a mean feature for each of them.

    Their number changes from epoch to epoch; a checkpoint says how many there are.
    """

    labels: Tensor
    """(N,) each picture's cluster, `OUTLIER` where it is in none."""
    proxy: Tensor
    """(N,) each picture's proxy, -1 where it has none."""
    cluster_means: Tensor
    """(K, D), phi [CC]."""
    proxy_means: Tensor
    """(M, D), K [CAP]."""
    camera_of_proxy: Tensor
    """(M,)"""
    cluster_of_proxy: Tensor
    """(M,)"""
    inter_weight: Tensor
    """() lambda, 0 in the first epochs [CAP]."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("labels", "proxy", "camera_of_proxy", "cluster_of_proxy"):
            self.register_buffer(name, torch.empty(0, dtype=torch.int64))
        for name in ("cluster_means", "proxy_means"):
            self.register_buffer(name, torch.empty(0, 0))
        self.register_buffer("inter_weight", torch.zeros(()))

    def renew(
        self,
        embeddings: NDArray[np.float32],
        labels: NDArray[np.int64],
        cameras: NDArray[np.int64],
        inter_weight: float,
    ) -> None:
        """Takes the clusters of an epoch, with the means of their pictures.

        There are no proxies where fewer than two cameras are known.

        Args:
            embeddings: (N, D), of length 1.
            labels: (N,), `OUTLIER` where there is none.
            cameras: (N,), -1 where the camera is not known.
            inter_weight: lambda.
        """
        known = (labels != OUTLIER) & (cameras >= 0)
        known &= len(np.unique(cameras[cameras >= 0])) > 1
        pairs = np.stack([labels[known], cameras[known]], 1)
        proxies, whose = np.unique(pairs, axis=0, return_inverse=True)
        proxy = np.full(len(labels), -1)
        proxy[known] = whose.reshape(-1)
        found = {
            "labels": labels,
            "proxy": proxy,
            "cluster_means": means(embeddings, labels),
            "proxy_means": means(embeddings, proxy),
            "cluster_of_proxy": proxies[:, 0],
            "camera_of_proxy": proxies[:, 1],
            "inter_weight": np.float32(inter_weight),
        }
        for name, value in found.items():
            setattr(self, name, torch.as_tensor(value, device=self.labels.device))

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        for name, own in self.named_buffers():
            if prefix + name in state_dict:
                setattr(self, name, torch.empty_like(state_dict[prefix + name], device=own.device))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def means(embeddings: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """(K, D): the mean of each row's embeddings, of length 1; -1 is no row."""
    sums = np.zeros((int(rows.max(initial=-1)) + 1, embeddings.shape[1]), np.float32)
    np.add.at(sums, rows[rows >= 0], embeddings[rows >= 0])
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(sums / lengths.clip(1e-12), np.float32)


@dataclass(frozen=True)
class Recipe:
    """The papers' numbers; [CC] and [CAP] are their experiments' sections."""

    trunk: str = "resnet50"
    """Trunk, as for bag_of_tricks [CC]."""
    weights: str = "imagenet"
    """Where training starts: none, imagenet, passerby (the model that comes with it) or a file; a
    run's `model.safetensors` gives pooling and neck too [CC]."""
    last_stride: int = 1
    """Stride of the trunk's last layer (the authors' program of CC)."""
    pooling: Literal["average", "gem"] = "gem"
    """How maps become one feature: their average, or the generalised mean [CC]."""
    height: int = 256
    """Height of the input in pixels [CC]."""
    width: int = 128
    """Width of the input in pixels [CC]."""
    flip: float = 0.5
    """Probability of a left-right flip [CC]."""
    pad: int = 10
    """Pixels of black border before the random crop [CC]."""
    camera: CameraChanges = field(default_factory=CameraChanges)
    """What of another camera a training picture is given (not the papers')."""
    erase: float = 0.5
    """Probability of random erasing [CC]."""
    limit: float = 0.6
    """Greatest Jaccard distance of neighbours in a cluster: DBSCAN's eps [CC]."""
    least: int = 4
    """Pictures that make a cluster: DBSCAN's minimum [CC]."""
    k1: int = 30
    """Neighbours that k-reciprocal sets are made of [CC]."""
    k2: int = 6
    """Neighbours whose encodings are averaged [CC]."""
    profiles: bool = True
    """Cluster embeddings without their cameras' moves (not the papers')."""
    returns: float = 1.0
    """Of a camera's clusters, how many are taken for one person who came back (not the papers')."""
    identities: int = 16
    """P: clusters in a batch; all, where there are fewer [CC]."""
    pictures: int = 16
    """K: pictures of each [CC]."""
    epochs: int = 50
    """Training epochs, each with clusters of its own [CC]."""
    steps: int = 400
    """Batches of an epoch (the authors' program of CC)."""
    learning_rate: float = 3.5e-4
    """Adam's [CC]."""
    weight_decay: float = 5e-4
    """Adam's [CC]."""
    milestones: tuple[int, ...] = (20, 40)
    """Epochs after which the learning rate falls to a tenth [CC]."""
    temperature: float = 0.05
    """Of the contrast of clusters [CC]."""
    keep: float = 0.1
    """m: share of a cluster's mean that a picture leaves [CC]."""
    camera_weight: float = 1.0
    """Weight of the cameras' losses beside that of the clusters; 0: there are none."""
    proxy_temperature: float = 0.07
    """Of the contrast of proxies [CAP]."""
    proxy_keep: float = 0.2
    """mu: share of a proxy that a picture leaves [CAP]."""
    hard: int = 50
    """Nearest proxies of other clusters that the loss between cameras looks at [CAP]."""
    inter_weight: float = 0.5
    """lambda: weight of the loss between cameras, of that within them [CAP]."""
    inter_from: int = 5
    """Epochs before the loss between cameras sets in [CAP]."""
    average: float = 0.0
    """Share of the weights' moving average that each step keeps, e.g. 0.99; the run ends with the
    average. 0: with the last step's weights (not the papers')."""
    feature: Literal["after", "before"] = "after"
    """Side of the neck that pictures are compared on [CC]."""
    mirror: bool = False
    """The embedding is the mean of the picture's and of its mirror image's (not the papers')."""
    metric: Literal["cosine", "euclidean"] = "cosine"
    """Distance between embeddings [CC]."""

    @classmethod
    def for_data(cls, name: str) -> Recipe:
        """The paper's values for a data set: MSMT17 takes another limit."""
        return cls(limit=0.7) if name == "msmt17" else cls()

    @classmethod
    def small(cls) -> Recipe:
        """For a CPU and a few hundred pictures: from the model that comes with passerby."""
        return cls(
            trunk="thin16_ibn_a",
            weights="passerby",
            height=128,
            width=64,
            pad=5,
            erase=0.0,
            limit=0.5,
            k1=10,
            pictures=4,
            epochs=4,
            steps=20,
            learning_rate=1e-3,
            milestones=(3,),
            inter_from=1,
            average=0.95,
            mirror=True,
        )


class ClusterContrastTurn(Turn):
    """L = L_CC + w (L_intra + lambda L_inter)."""

    def __init__(self, recipe: Recipe, network: BagOfTricks, memories: Memories) -> None:
        weights = [p for p in network.parameters() if p.requires_grad]
        adam = optim.Adam(weights, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        super().__init__([ScheduledOptimizer(adam, step_decay(recipe.milestones))])
        self.recipe = recipe
        self.network = network
        self.memories = memories

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The weighted terms; both memories then take the batch in."""
        r, m = self.recipe, self.memories
        q = functional.normalize(self.network.features(**batch.inputs).f_i, dim=1)
        q, indices = gathered(q), gathered(batch.indices)
        labels, proxies = m.labels[indices], m.proxy[indices]
        terms = {"cluster": cluster_contrast(cosines(q, m.cluster_means), labels, r.temperature)}
        if r.camera_weight > 0 and len(m.proxy_means) > 0:
            near = cosines(q, m.proxy_means)
            where = m.camera_of_proxy, m.cluster_of_proxy
            intra = intra_camera(near, proxies, where[0], r.proxy_temperature)
            inter = inter_camera(near, proxies, *where, r.proxy_temperature, r.hard)
            terms["intra_camera"] = r.camera_weight * intra
            terms["inter_camera"] = r.camera_weight * m.inter_weight * inter
        # New tensors: the products above still need the old ones.
        m.cluster_means = updated(m.cluster_means, q.detach(), labels, r.keep)
        m.proxy_means = updated(m.proxy_means, q.detach(), proxies, r.proxy_keep)
        return terms


def found_clusters(
    recipe: Recipe, embeddings: NDArray[np.float32], start: EpochStart
) -> NDArray[np.int64]:
    """The epoch's labels (N,), `OUTLIER` where there is none; notes what they are like.

    Raises:
        InputError: one cluster holds nearly all pictures, or nearly none is in any.
    """
    how = Clustering(recipe.limit, recipe.least, recipe.k1, recipe.k2)
    tracks = numbered_tracks(start)
    share = 0.0
    if recipe.profiles:
        embeddings, share = without_cameras(embeddings, start.cameras, tracks, how, recipe.returns)
    labels = clusters(embeddings, tracks, how)
    check_collapse(labels, start.epoch)
    inside = labels != OUTLIER
    start.note("clusters", int(labels.max()) + 1)
    start.note("outliers", float(1 - inside.mean()))
    start.note("taken_out", share)
    return labels


def numbered_tracks(start: EpochStart) -> NDArray[np.int64]:
    """(N,) the number of each picture's track; a picture without one has a number of its own."""
    numbers: dict[object, int] = {}
    keys = (
        (sample.track_id, camera) if sample.track_id else place
        for place, (sample, camera) in enumerate(
            zip(start.samples, start.cameras.tolist(), strict=True)
        )
    )
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


def check_collapse(labels: NDArray[np.int64], epoch: int) -> None:
    """Stops a run whose clusters say nothing any more.

    Raises:
        InputError: one cluster holds more than `MOST` of the pictures, or less than `LEAST` of them
            are in clusters.
    """
    inside = labels[labels != OUTLIER]
    sizes = np.bincount(inside) if len(inside) else np.zeros(1)
    where = f"epoch {epoch + 1} puts"
    if len(inside) < LEAST * len(labels) or len(inside) == 0:
        raise InputError(
            f"collapsed: {where} {len(inside)} of {len(labels)} pictures into clusters: "
            "raise --limit, give more pictures of each person, or start from a better model"
        )
    if sizes.max() > MOST * len(labels) or len(sizes) < 2:
        raise InputError(
            f"collapsed: {where} {int(sizes.max())} of {len(labels)} pictures into one cluster: "
            "lower --limit, --k1 or --learning-rate"
        )


def balanced_batches(
    recipe: Recipe, labels: NDArray[np.int64], start: EpochStart
) -> list[NDArray[np.int64]]:
    """`steps` batches of P clusters x K pictures, outliers left out."""
    inside = np.flatnonzero(labels != OUTLIER)
    count = min(recipe.identities, int(labels.max()) + 1)
    sampler = IdentityBalanced(count, recipe.pictures)
    batches: list[NDArray[np.int64]] = []
    passed = 0
    while len(batches) < recipe.steps:
        key = start.key * 10_000 + passed
        drawn = sampler.batches(labels[inside], seed=start.seed, epoch=key)
        batches += [inside[batch] for batch in drawn]
        passed += 1
    return batches[: recipe.steps]


def _inputs(recipe: Recipe) -> Inputs:
    return whole_picture(recipe.height, recipe.width, erase=True)


def _network(recipe: Recipe) -> BagOfTricks:
    names = ("trunk", "weights", "last_stride", "pooling", "feature", "mirror")
    same: dict[str, Any] = {name: getattr(recipe, name) for name in names}
    network = BagOfTricks(bag_of_tricks.Recipe(**same))
    initialise_rest(network, recipe.weights)
    return network


def _criterion(recipe: Recipe, network: nn.Module, identities: int) -> Memories:
    return Memories()


def _stages(recipe: Recipe, network: nn.Module, criterion: nn.Module) -> Sequence[Stage]:
    assert isinstance(network, BagOfTricks)
    assert isinstance(criterion, Memories)

    def at_epoch_start(start: EpochStart) -> list[NDArray[np.int64]]:
        embeddings = unit(start.embed())
        labels = found_clusters(recipe, embeddings, start)
        inter_weight = recipe.inter_weight if start.epoch >= recipe.inter_from else 0.0
        criterion.renew(embeddings, labels, start.cameras, inter_weight)
        return balanced_batches(recipe, labels, start)

    return [
        Stage(
            "train",
            recipe.epochs,
            [ClusterContrastTurn(recipe, network, criterion)],
            IdentityBalanced(recipe.identities, recipe.pictures),
            padded_crop(recipe),
            at_epoch_start,
            group=recipe.pictures,
            average=recipe.average,
        )
    ]


METHOD = Method(
    name="cluster_contrast",
    title="Dai et al. 2021: Cluster Contrast for Unsupervised Person Re-Identification",
    recipe=Recipe,
    inputs=_inputs,
    network=_network,
    criterion=_criterion,
    stages=_stages,
    descriptor=bag_of_tricks.METHOD.descriptor,
)
