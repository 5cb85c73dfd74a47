"""The networks of the embedded demos."""

from compute.demo.networks import CLASSES, NETWORKS, PREPROCESSING, load_demo_weights
from compute.images.preprocessing import Preprocessing
from compute.models.architectures.architecture import Architecture
from compute.models.naming import RANDOM, check_weights
from compute.runtime.seeding import seeded


def demo(name: str, weights: str | None, seed: int) -> Architecture:
    """One of the embedded demos, with its shipped weights or random ones."""
    check_weights(name, weights)
    with seeded(seed):
        module = NETWORKS[name]()
    if weights != RANDOM:
        module.load_state_dict(load_demo_weights(name))
    facts = PREPROCESSING[name]
    preprocessing = Preprocessing((facts.size, facts.size), facts.size, facts.mean, facts.std)
    return Architecture(name, module, preprocessing, CLASSES[name])
