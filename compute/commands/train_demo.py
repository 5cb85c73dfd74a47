"""python -m compute train-demo: trains a demo network by the recipe that made its shipped weights."""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import torch

from compute.training import RECIPES, Recipe, TrainingStep, initial_network, save_weights, train, training_facts

REPORT_SECONDS = 5.0


def add_parser(subparsers) -> None:
    parser = subparsers.add_parser("train-demo", help="train an embedded demo's network", description=__doc__)
    parser.add_argument("--network", choices=RECIPES, default="demo", help="which demo's (default: %(default)s)")
    parser.add_argument("--epochs", type=int, help="passes over as many random crops (default: the recipe's)")
    parser.add_argument("--seed", type=int, help="of the initial weights and the crops (default: the recipe's)")
    parser.add_argument("--out", type=Path, help="weights file to write (default: NETWORK.safetensors)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    out = arguments.out or Path(f"{arguments.network}.safetensors")
    chosen = {key: getattr(arguments, key) for key in ("epochs", "seed") if getattr(arguments, key) is not None}
    recipe = replace(RECIPES[arguments.network], **chosen)
    torch.set_num_threads(recipe.threads)
    network = initial_network(recipe)
    started = reported = time.monotonic()
    for step in train(network, recipe):
        if time.monotonic() - reported > REPORT_SECONDS:
            reported = time.monotonic()
            print(progress_line(step, recipe, reported - started), flush=True)
    facts = training_facts(network, recipe, time.monotonic() - started)
    save_weights(network, facts, out)
    print(f"held-out accuracy {facts['test_accuracy']:.3f} on {facts['test_images']} images never trained on, "
          f"training accuracy {facts['train_accuracy']:.3f}, {facts['parameters']:,} parameters, "
          f"{facts['seconds']:.0f} s; weights in {out}")
    return 0


def progress_line(step: TrainingStep, recipe: Recipe, seconds: float) -> str:
    done = step.index + 1
    left = seconds / done * (step.total - done)
    return (f"step {done}/{step.total}, loss {step.loss:.3f}, {done * recipe.batch / seconds:.0f} images/s, "
            f"{left // 60:.0f}:{left % 60:02.0f} left")
