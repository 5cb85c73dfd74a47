"""python -m compute train-demo: trains a demo network by the recipe that made its shipped weights."""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from compute.demo.training import RECIPES, initial_network, save_weights, train, training_facts
from compute.runtime.progress import Progress


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser("train-demo", help="train an embedded demo's network", description=__doc__)
    parser.add_argument("--network", choices=RECIPES, default="demo", help="default: %(default)s")
    parser.add_argument("--epochs", type=int, help="rounds of fresh random images (default: the recipe's)")
    parser.add_argument("--seed", type=int, help="of first weights and images (default: the recipe's)")
    parser.add_argument("--out", type=Path, help="weights file to write (default: NETWORK.safetensors)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    out = arguments.out or Path(f"{arguments.network}.safetensors")
    asked = {"epochs": arguments.epochs, "seed": arguments.seed}
    chosen = {key: value for key, value in asked.items() if value is not None}
    recipe = replace(RECIPES[arguments.network], **chosen)
    torch.set_num_threads(recipe.threads)
    network, progress = initial_network(recipe), Progress()
    with progress.stage("training", recipe.steps * recipe.batch) as stage:
        for _ in train(network, recipe):
            stage.advance(recipe.batch)
    facts = training_facts(network, recipe)
    save_weights(network, facts, out)
    print(
        f"held-out accuracy {facts['test_accuracy']:.3f} on {facts['test_images']} images never trained on, "
        f"training accuracy {facts['train_accuracy']:.3f}, {facts['parameters']:,} parameters: {out}"
    )
    return 0
