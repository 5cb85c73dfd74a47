"""How much is checked and measured: all of it, or the short form that `make test` runs on the CPU."""

from dataclasses import dataclass

from compute.models.naming import EFFICIENTNET_LITE0
from tests.benchmarks.one_pass import NETWORKS


@dataclass(frozen=True)
class Size:
    """stores: names of `stores.STORES`
    stages: of the device's stores
    limit: images of each store, None for all
    brief: whether methods take few steps
    points: among which nearest neighbours are looked for, queries: for how many of them on the CPU
    networks: that are measured
    images: of the measured pass
    rounds: of every measurement
    stride: of the measured occlusion maps, in pixels
    compiler: backend of torch.compile
    """

    stores: tuple[str, ...]
    stages: str
    limit: int | None
    brief: bool
    points: int
    queries: int
    networks: tuple[str, ...]
    images: int
    rounds: int
    stride: int
    compiler: str


FULL = Size(
    stores=("demo", "digits", "photographs"),
    stages="activations,neighbors,occlusion,embeddings,grid",
    limit=None,
    brief=False,
    points=50_000,
    queries=4096,
    networks=(*NETWORKS, EFFICIENTNET_LITE0),
    images=512,
    rounds=5,
    stride=16,
    compiler="inductor",
)
SHORT = Size(
    stores=("demo", "digits"),
    stages="activations,neighbors,occlusion",
    limit=24,
    brief=True,
    points=1200,
    queries=300,
    networks=("squeezenet1_1",),
    images=12,
    rounds=1,
    stride=32,
    compiler="aot_eager",
)
