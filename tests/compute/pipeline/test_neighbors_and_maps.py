"""Tables of neighbours, the maps made from them, and how far these can be trusted, against brute force."""

import json

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.manifold import trustworthiness

from compute.neighbors import map_quality
from compute.neighbors.blocks import BlockSearch
from compute.neighbors.graph import Graph
from compute.pipeline.stages import embeddings
from compute.pipeline.stages.neighbors import graphs_table, neighbors_table

RNG = np.random.default_rng(0)


def nearest(points, k, metric):
    return BlockSearch(points, metric).nearest(np.arange(len(points)), k)


def test_table_has_image_ids():
    ids = np.array([2, 5, 9])
    rows = neighbors_table(
        "pixel", ids, nearest(np.array([[0.0], [3], [1]], np.float32), 2, "euclidean")
    ).to_pylist()
    assert [(row["image_id"], row["rank"], row["neighbor_id"], row["distance"]) for row in rows] == [
        (2, 0, 9, 1), (2, 1, 5, 3), (5, 0, 9, 2), (5, 1, 2, 3), (9, 0, 2, 1), (9, 1, 5, 2)
    ]  # fmt: skip


def test_where_all_are_copies_nobody_has_neighbors():
    alone = Graph(np.full((3, 2), -1), np.full((3, 2), np.inf, np.float32))
    assert neighbors_table("feature", np.arange(3), alone).num_rows == 0


def test_how_neighbors_were_found():
    exact, approximate = graphs_table("pixel", None, 9), graphs_table("feature", 0.5, 9)
    assert exact.to_pylist() == [
        {"space": "pixel", "method": "exact", "recall": None, "sample": None, "at": None}
    ]
    assert approximate.to_pylist() == [
        {"space": "feature", "method": "approximate", "recall": 0.5, "sample": 9, "at": 8}
    ]


class TestQuality:
    points = embeddings.normalised(load_iris().data.astype(np.float32) - 2)
    plane = points[:, :2].copy()

    def test_trustworthiness_is_scikit_learns(self):
        found = map_quality.quality(self.points, nearest(self.points, 30, "cosine"), self.plane, 0)
        expected = trustworthiness(self.points, self.plane, n_neighbors=15, metric="cosine")
        assert found["trustworthiness"] == pytest.approx(expected, abs=2e-3)  # duplicates rank anyhow there

    def test_preservation_is_the_share_of_common_neighbors(self):
        graph, on_map = nearest(self.points, 30, "cosine"), nearest(self.plane, 15, "euclidean")
        found = map_quality.quality(self.points, graph, self.plane, 0)
        common = [len({*a[:15]} & {*b}) / 15 for a, b in zip(graph.indices, on_map.indices, strict=True)]
        assert found["knn_preservation"] == pytest.approx(np.mean(common))

    def test_a_sample_is_near_the_whole(self):
        graph = nearest(self.points, 30, "cosine")
        whole = map_quality.quality(self.points, graph, self.plane, 0)
        some = map_quality.quality(self.points, graph, self.plane, 0, number=80)
        assert some["sample"] == 80 and some["trustworthiness"] == pytest.approx(
            whole["trustworthiness"], abs=0.03
        )

    def test_a_perfect_map_and_a_tiny_one(self):
        angle = np.sort(RNG.uniform(0, 1, 40))
        circle = np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)
        found = map_quality.quality(circle, nearest(circle, 20, "cosine"), circle, 0)
        assert found["trustworthiness"] == 1 and found["knn_preservation"] > 0.99
        assert map_quality.quality(circle[:2], nearest(circle[:2], 5, "cosine"), circle[:2], 0)["k"] == 0


def points_of(features, seed=0):
    unit = embeddings.normalised(features)
    graph = nearest(unit, embeddings.GRAPH_NEIGHBORS, "cosine")
    return embeddings.Points(unit, graph, embeddings.principal_components(unit, seed), seed, 1)


def clusters(number, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(number) % classes
    return labels, (4 * rng.normal(size=(classes, 10))[labels] + rng.normal(size=(number, 10))).astype(
        np.float32
    )


class TestMaps:
    @pytest.mark.parametrize("method", embeddings.METHODS)
    def test_classes_stay_together_and_the_seed_decides(self, method):
        labels, features = clusters(90)
        made, again, other = (embeddings.embed(method, points_of(features, seed)) for seed in (0, 0, 1))
        assert np.array_equal(made.coordinates, again.coordinates) and made.coordinates.dtype == np.float32
        assert method != "umap" or not np.array_equal(made.coordinates, other.coordinates)
        near = nearest(made.coordinates, 5, "euclidean").indices
        assert (labels[near] == labels[:, None]).mean() > 0.95

    def test_umap_of_many_points_starts_from_the_pca(self, monkeypatch):
        labels, features = clusters(90)
        points = points_of(features)
        spectral = embeddings.embed("umap", points)
        monkeypatch.setattr(embeddings, "SPECTRAL_POINTS", 89)
        made = embeddings.embed("umap", points)
        assert made.parameters["initialisation"] == "pca" and spectral.parameters != made.parameters
        near = nearest(made.coordinates, 5, "euclidean").indices
        assert (labels[near] == labels[:, None]).mean() > 0.95

    def test_pca_is_the_svds(self):
        _, features = clusters(50)
        points = points_of(features)
        centred = points.unit.astype(np.float64) - points.unit.mean(0)
        left, values, _ = np.linalg.svd(centred, full_matrices=False)
        np.testing.assert_allclose(
            np.abs(embeddings.pca(points).coordinates), np.abs(left * values)[:, :2], atol=1e-5
        )

    def test_many_points_have_the_same_components_by_blocks(self, monkeypatch):
        features = np.random.default_rng(1).normal(size=(1003, 60)).astype(np.float32) @ np.diag(
            np.linspace(3, 0.1, 60, dtype=np.float32)
        )
        whole = points_of(features)
        monkeypatch.setattr(embeddings, "BLOCK", 100)
        parts = points_of(features)
        assert whole.unit.tobytes() == parts.unit.tobytes() and parts.principal.shape == (1003, 50)
        np.testing.assert_allclose(parts.principal, whole.principal, atol=1e-9)

    @pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6, 9])
    @pytest.mark.parametrize("method", embeddings.METHODS)
    def test_any_number_of_images(self, method, number):
        points = points_of(clusters(number)[1])
        made = embeddings.embed(method, points)
        assert made.coordinates.shape == (number, 2) and np.isfinite(made.coordinates).all()
        parameters = json.loads(embeddings.maps_table(method, points, made)["parameters"][0].as_py())
        assert ("instead" in parameters) == (number < 5)

    @pytest.mark.parametrize("features", [np.ones((12, 4)), np.zeros((12, 4)), np.repeat(np.eye(2), 6, 0)])
    @pytest.mark.parametrize("method", embeddings.METHODS)
    def test_images_that_look_all_the_same(self, method, features):
        made = embeddings.embed(method, points_of(features.astype(np.float32)))
        assert np.isfinite(made.coordinates).all()

    def test_unreadable_images_have_nulls(self):
        rows = embeddings.embeddings_table("pca", 3, np.array([0, 2]), np.array([[1, 2], [3, 4]], np.float32))
        assert [(row["x"], row["y"]) for row in rows.to_pylist()] == [(1, 2), (None, None), (3, 4)]

    @pytest.mark.parametrize("number", [5, 8, 12, 20, 40])
    def test_tsne_of_few_images_is_no_point(self, number):
        for seed in range(4):
            rng = np.random.default_rng(seed)
            centres = rng.normal(size=(4, 64))[rng.integers(0, 4, number)]
            features = np.abs(centres + 0.7 * rng.normal(size=(number, 64))).astype(np.float32)
            extent = np.ptp(embeddings.embed("tsne", points_of(features)).coordinates, axis=0)
            assert extent.min() > 1 and extent.max() < 1000

    def test_equal_images_have_the_pcas_map_and_it_says_so(self):
        made = embeddings.embed("tsne", points_of(np.ones((12, 4), np.float32)))
        assert made.parameters["instead"] == "pca, all images have the same features"

    @pytest.mark.parametrize(
        "method, features, what",
        [
            ("umap", np.array([[1.0]] * 30 + [[-1.0]]), "not finite"),
            ("tsne", np.eye(30), "at one place"),
        ],
    )
    def test_a_method_without_a_map_says_why(self, method, features, what):
        with pytest.raises(embeddings.NoMap, match=what):
            embeddings.embed(method, points_of(features.astype(np.float32)))

    def test_a_library_that_stumbles_takes_its_own_map_alone(self, monkeypatch):
        def stumble(points):
            raise ZeroDivisionError("by zero")

        monkeypatch.setitem(embeddings.METHODS, "umap", stumble)
        points = points_of(clusters(20)[1])
        with pytest.raises(embeddings.NoMap, match=r"umap stumbles .*by zero"):
            embeddings.embed("umap", points)
        assert np.isfinite(embeddings.embed("pca", points).coordinates).all()


class TestChance:
    def test_shuffled_maps_are_found_out_and_true_ones_are_not(self):
        _, features = clusters(60)
        points = points_of(features)
        true = embeddings.embed("tsne", points).coordinates
        kept = map_quality.quality(points.unit, points.graph, true, 0)
        assert not map_quality.is_chance(kept["knn_preservation"], kept["k"], kept["sample"], 60)
        chance = []
        for seed in range(40):
            shuffled = np.random.default_rng(seed).permutation(true)
            found = map_quality.quality(points.unit, points.graph, shuffled, 0)
            chance.append(map_quality.is_chance(found["knn_preservation"], found["k"], found["sample"], 60))
        assert np.mean(chance) > 0.9
        assert map_quality.kept_by_chance(15, 61) == 0.25

    def test_of_three_images_nothing_can_be_told_from_chance(self):
        assert map_quality.is_chance(1.0, 1, 3, 3)
