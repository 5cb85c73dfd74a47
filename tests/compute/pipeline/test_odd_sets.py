"""Sets of images that a person may have and no benchmark has: what the command makes of them, and says."""

import json

import numpy as np
import pytest
from PIL import Image

from compute.__main__ import main
from compute.reports.mistakes import confusion_report
from featurestore.reader import Store
from featurestore.upkeep.verify import verify

pytestmark = pytest.mark.slow

ONE_FEATURE = """
import torch
from torch import nn

class RedMinusBlue(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 1, bias=False)
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(1, 2)
        self.conv.weight.data[:] = torch.tensor([1.0, 0.0, -1.0]).view(1, 3, 1, 1)

    def forward(self, x):
        return self.fc(torch.flatten(self.pool(self.conv(x)), 1))

def net():
    return RedMinusBlue()
"""


def build(folder, *arguments):
    """Build a store of the images in the folder by a small network; return its run."""
    network = folder.parent / "network.py"
    network.write_text(ONE_FEATURE)
    store = str(folder.parent / "out")
    options = f"--model {network}:net --images {folder} --size 16 --device cpu --threads 1".split()
    assert main(["store", *options, "--store", store, *arguments]) == 0
    assert verify(store) == []
    return Store(store).open()


def plain(color, side=16):
    return Image.new("RGB", (side, side), color)


def test_a_map_without_numbers_is_left_out_and_the_rest_is_there(tmp_path, capsys):
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(30):
        plain((200 + number, 30, 40)).save(folder / f"red{number:02}.png")
    plain((30, 30, 200)).save(folder / "blue.png")
    run = build(folder, "--stages", "neighbors,grid")
    assert run.table("maps")["method"].to_pylist() == ["pca", "tsne"]
    assert run.table("grids")["method"].unique().to_pylist() == ["pca", "tsne"]
    assert list(run.manifest.notes["left_out"]) == ["map umap"]
    assert any(line.startswith("left out: map umap: ") for line in run.manifest.remarks)
    said = capsys.readouterr()
    assert "note: left out: map umap" in said.out and "not finite" in said.err
    assert len(run.neighbors("feature", 3)) == 20


def test_equal_images_are_at_one_place_and_it_is_said(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(12):
        plain((9, 30, 40)).save(folder / f"{number}.png")
    run = build(folder, "--stages", "neighbors,grid")
    for row in run.table("maps").to_pylist():
        said = json.loads(row["parameters"])
        assert row["method"] == "pca" or said["instead"] == "pca, all images have the same features"
    assert np.isfinite(run.embedding("tsne")["x"].to_numpy()).all()
    assert run.table("neighbors").num_rows == 0


def test_one_fingerprint_is_one_set_of_problems(tmp_path):
    """Two folders of the same images, each with one that can't be read: other places, one store."""
    found = {}
    for place in ("one", "two"):
        folder = tmp_path / place / "images"
        folder.mkdir(parents=True)
        for number in range(3):
            plain((9 * number, 30, 40)).save(folder / f"{number}.png")
        (folder / "x.png").symlink_to(f"/nowhere/{place}")
        run = build(folder, "--stages", "activations")
        (shard,) = (tmp_path / place / "out" / "runs" / run.fingerprint).glob("problems*")
        found[place] = run.fingerprint, shard.read_bytes()
    assert found["one"] == found["two"]
    assert [row["reason"] for row in run.table("problems").to_pylist()] == ["there is no such file"]
    (folder / "x.png").unlink()
    (folder / "x.png").mkdir()
    (folder / "x.png" / "y.png").symlink_to("y.png")
    assert build(folder, "--stages", "activations").fingerprint != found["two"][0]


def test_an_image_that_is_alone_has_no_neighbors_and_that_is_no_error(tmp_path, capsys):
    folder = tmp_path / "images"
    folder.mkdir()
    plain((9, 30, 40)).save(folder / "0.jpg")
    run = build(folder, "--stages", "neighbors,grid")
    assert len(run.neighbors("feature", 0)) == len(run.neighbors("pixel", 0)) == 0
    out = str(tmp_path / "near.png")
    assert main(["neighbors", "--store", str(tmp_path / "out"), "--image-id", "0", "--out", out]) == 0
    with pytest.raises(ValueError, match="unknown space"):
        run.neighbors("sound", 0)
    with pytest.raises(ValueError, match="images are 0 to 0"):
        run.neighbors("feature", 1)


def test_images_that_were_moved_are_found_at_their_new_place(tmp_path, capsys):
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(3):
        plain((9 * number, 30, 40)).save(folder / f"{number}.png")
    before = build(folder, "--stages", "activations")
    moved = folder.rename(tmp_path / "moved")
    after = build(moved, "--stages", "activations")
    assert "is complete already" in capsys.readouterr().out
    assert after.fingerprint == before.fingerprint and after.manifest.files == before.manifest.files
    assert after.manifest.images["spec"] == after.manifest.images["root"] == str(moved)
    again = build(moved, "--stages", "activations")
    assert again.manifest == after.manifest
    tmp_path.joinpath("network.py").rename(tmp_path / "other.py")
    store = ["--store", str(tmp_path / "out"), "--stages", "activations"]
    options = f"--model {tmp_path}/other.py:net --images {moved} --size 16 --device cpu --threads 1".split()
    assert main(["store", *options, *store]) == 0
    spec = Store(tmp_path / "out").open().manifest.model["spec"]
    assert spec["model"] == f"{tmp_path}/other.py:net" and verify(tmp_path / "out") == []


def test_labels_that_the_network_does_not_know_are_judged_by_nobody(tmp_path):
    """The command's confusion matrix, the manifest and the table have one accuracy."""
    folder = tmp_path / "images"
    for label, color in (("a", (200, 9, 9)), ("b", (9, 9, 200)), ("unknown", (9, 200, 9))):
        (folder / label).mkdir(parents=True)
        for number in range(2):
            plain((*color[:2], color[2] + number)).save(folder / label / f"{number}.png")
    (tmp_path / "classes.txt").write_text("a\nb\n")
    run = build(folder, "--stages", "activations", "--classes", str(tmp_path / "classes.txt"))
    numbers = confusion_report(run).numbers
    assert (numbers["images"], numbers["judged"]) == (6, 4)
    assert numbers["share"] == pytest.approx(run.manifest.model["accuracy"]["all"])
