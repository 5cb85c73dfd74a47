"""The HTTP routes on a small real store: right bytes, kept for ever, and one line for what is not there."""

import io
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from compute.reports.drawing.coloring import VERDICTS, coloring
from compute.reports.maps import grid
from dashboard.components import loader
from dashboard.server.routes import answering
from dashboard.server.routes.of_runs import make_routes
from dashboard.views import urls
from featurestore.reader import Store
from tests.support.pictures import decoded
from tests.support.stores.small import (
    CLASSES,
    COLORS,
    COUNT,
    FINGERPRINT,
    MISSING_CELL,
    SIDE,
    thumbnail,
    write_store,
)

MAP = ("small", FINGERPRINT, "pca")
TILES = f"/tiles/small/{FINGERPRINT}/pca/unique"


def make_client(store):
    run = store.open()

    def open_run(name, fingerprint):
        if (name, fingerprint) != ("small", FINGERPRINT):
            raise ValueError(f"{store.path} has no {name}/{fingerprint}")
        return run

    return TestClient(Starlette(routes=make_routes(open_run)))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("routes") / "small")


@pytest.fixture(scope="module")
def client(store):
    return make_client(store)


def picture(response):
    assert response.status_code == 200
    return decoded(response.content, "RGBA").astype(int)


def test_thumbnail_is_the_stored_one_and_is_kept(client):
    response = client.get("/" + urls.thumbnail("small", FINGERPRINT, 7))
    assert response.content == thumbnail(7)
    assert response.headers["content-type"] == "image/png"
    assert response.headers["cache-control"] == "private, max-age=31536000, immutable"
    again = client.get(response.url.path, headers={"If-None-Match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get("/" + urls.thumbnail("small", FINGERPRINT, 8))
    assert other.headers["etag"] != response.headers["etag"]


def test_caption_names_label_and_prediction(client):
    caption = client.get("/" + urls.captions("small", FINGERPRINT) + "7").json()
    assert caption["label"] == CLASSES[1]
    assert caption["predicted"] == CLASSES[0]
    assert caption["correct"] is False
    assert caption["probability"] == pytest.approx(0.57)


@pytest.mark.parametrize(
    "path",
    [
        "/thumbnail/other/small-run/1",
        "/thumbnail/small/other/1",
        f"/thumbnail/small/small-run/{COUNT}",
        "/thumbnail/small/small-run/-1",
        "/thumbnail/small/small-run/one",
        f"/thumbnail/small/small-run/{'9' * 30}",
        f"/thumbnail/small/small-run/{'9' * 5000}",
        "/caption/small/small-run/1.5",
        "/points/small/small-run/tsne",
        "/colors/small/small-run/sha256",
        "/colors/small/small-run/nothing",
        "/frontend/0/other.js",
        f"{TILES}/picture/5/1_0.webp",
        f"{TILES}/picture/5/0_-1.webp",
        f"{TILES}/picture/6/0_0.webp",
        f"{TILES}/picture/a/0_0.webp",
        f"{TILES}/other/5/0_0.webp",
        "/tiles/small/small-run/pca/other/grid.png",
        "/sprites/small/small-run/tsne",
        "/clusters/small/small-run/tsne",
        "/sprites/small/small-run/pca/13/0_0",
        "/sprites/small/small-run/pca/1/2_0",
        "/sprites/small/small-run/pca/1/0_-1",
        "/sprites/small/small-run/pca/a/0_0",
    ],
)
def test_what_is_not_there_is_one_line(client, store, path):
    response = client.get(path)
    assert response.status_code == 404
    assert response.text == answering.NOT_FOUND
    assert "immutable" not in response.headers.get("cache-control", "")


def test_points_are_the_map(client):
    buffer = client.get("/" + urls.scatter_map(*MAP, "label").points).content
    x, y = np.frombuffer(buffer, "<f4", 2 * COUNT).reshape(2, COUNT)
    np.testing.assert_array_equal(np.frombuffer(buffer, "<u4", offset=8 * COUNT), np.arange(COUNT))
    np.testing.assert_array_equal(x, np.arange(COUNT) % SIDE)
    np.testing.assert_array_equal(y, -(np.arange(COUNT) // SIDE))


def test_colors_of_classes_follow_the_network_and_agree(client, store):
    label = np.frombuffer(client.get("/" + urls.colors("small", FINGERPRINT, "label")).content, "<f4")
    np.testing.assert_array_equal(label, np.arange(COUNT) % 3)
    predicted = coloring(store.open(), "predicted")
    assert predicted.categories == CLASSES
    np.testing.assert_array_equal(predicted.values[:8], [0, 1, 2, 0, 1, 2, 0, 0])


def test_colors_of_verdicts_and_values(store):
    run = store.open()
    correct = coloring(run, "correct")
    assert correct.categories == VERDICTS
    np.testing.assert_array_equal(correct.values[5:8], [1, 1, 0])
    loss = coloring(run, "loss")
    np.testing.assert_allclose(loss.values, np.arange(COUNT) / 10, rtol=1e-6)
    assert (loss.low, loss.high) == pytest.approx((0.035, 3.465))
    assert (loss.categories, loss.unit) == (None, "nat")


def test_tile_shows_each_image_in_its_cell(client):
    cells = picture(client.get(f"{TILES}/picture/5/0_0.webp"))
    assert cells.shape == (SIDE * 32, SIDE * 32, 4)
    for index in range(COUNT - 1):
        row, col = divmod(index, SIDE)
        # A crop of the middle 12 of 20 columns; the stripe at column index % 20 is somewhere in it or not.
        cell = cells[row * 32 + 8 : row * 32 + 24, col * 32 : col * 32 + 32]
        np.testing.assert_allclose(np.median(cell, axis=(0, 1)), [*COLORS[index % 3], 255], atol=8)
    row, col = MISSING_CELL
    assert cells[row * 32 + 2 :, col * 32 + 2 :, 3].max() == 0


def test_small_cells_are_averages_of_large_ones(store):
    run = store.open()
    sprites = grid.grid(run, "pca", "nearest").sprites
    cells = np.arange(COUNT).reshape(SIDE, SIDE)
    for level in (0, 2, 3):
        small, large = sprites.mosaic(cells, level), sprites.mosaic(cells, 4)
        block = 2 ** (4 - level)
        mean = large.reshape(SIDE * 2**level, block, SIDE * 2**level, block, 4).mean(axis=(1, 3))
        np.testing.assert_allclose(small, mean, atol=2.5)


def test_seams_grow_with_distance(client):
    seams = picture(client.get(f"{TILES}/seams/5/0_0.webp"))
    # Distances to the right are col / SIDE, so the seam after column 4 is the strongest and after 0 is none.
    middle = seams[16, :, 3]
    borders = [int(middle[32 * col - 4 : 32 * col + 4].max()) for col in range(1, SIDE)]
    assert borders[0] == 0
    assert borders == sorted(borders)
    assert borders[-1] == round(255 * grid.SEAM_OPACITY)
    widths = [int((middle[32 * col - 8 : 32 * col + 8] > 0).sum()) for col in range(1, SIDE)]
    assert widths == sorted(widths)
    assert widths[-1] > widths[-2] > 0
    assert tuple(seams[16, 32 * 5, :3]) == grid.SEAM_COLOR


def test_seams_continue_from_tile_to_tile(store):
    made = grid.grid(store.open(), "pca", "unique")
    whole = grid.seams(made, slice(0, SIDE), slice(0, SIDE), 5)
    part = grid.seams(made, slice(2, 4), slice(3, 6), 5)
    np.testing.assert_array_equal(part, whole[64:128, 96:192])


def test_picture_to_save_is_whole_and_says_where_it_is_from(client):
    response = client.get("/" + urls.grid_picture("small", FINGERPRINT, "pca", "unique"))
    assert response.headers["content-disposition"] == "attachment; filename*=UTF-8''small-grid-pca-unique.png"
    saved = Image.open(io.BytesIO(response.content))
    assert saved.size == (SIDE * 32, SIDE * 32)
    recipe = json.loads(saved.text["featurescope"])
    assert (recipe["run"], recipe["method"], recipe["kind"]) == (FINGERPRINT, "pca", "unique")
    assert saved.getpixel((SIDE * 32 - 1, SIDE * 32 - 1)) == (255, 255, 255)
    with_seams = picture(client.get("/" + urls.grid_picture(*MAP, "unique", with_seams=True)))
    assert tuple(with_seams[16, 32 * 5, :3]) != saved.getpixel((32 * 5, 16))


def test_sheets_have_every_thumbnail_once_and_say_whose_it_is(client):
    address = "/" + urls.scatter_map(*MAP, "label").sprites
    said = client.get(address).json()
    assert said == {"deepest": 0, "across": 8, "side": 64}
    content = client.get(f"{address}/0/0_0").content
    count = int(np.frombuffer(content, "<u4", 1)[0])
    ids = np.frombuffer(content, "<u4", count, 4)
    np.testing.assert_array_equal(ids, np.arange(COUNT))
    np.testing.assert_array_equal(np.frombuffer(content, np.uint8, count, 4 + 4 * count), np.zeros(count))
    sheet = decoded(content[4 + 5 * count :], "RGB").astype(int)
    assert sheet.shape == (6 * 64, 6 * 64, 3)
    for place, image in enumerate(ids):
        row, col = divmod(place, 6)
        cell = sheet[row * 64 + 16 : row * 64 + 48, col * 64 : col * 64 + 64]
        np.testing.assert_allclose(np.median(cell, axis=(0, 1)), COLORS[image % 3], atol=8)


def test_clusters_are_where_the_plot_has_them(client):
    (cluster,) = client.get("/" + urls.scatter_map(*MAP, "label").clusters).json()["clusters"]
    assert (cluster["name"], cluster["images"]) == (sorted(CLASSES)[0], COUNT)
    assert cluster["share"] == pytest.approx(1 / 3)
    (ring,) = cluster["rings"]
    x, y = np.reshape(ring, (-1, 2)).T
    assert -1.05 < min(x) < -0.9 < 0.9 < max(x) < 1.05
    assert -1.05 < min(y) < -0.9 < 0.9 < max(y) < 1.05


def test_sheets_are_kept_by_browsers(client):
    address = "/" + urls.scatter_map(*MAP, "label").sprites + "/0/0_0"
    first = client.get(address)
    assert first.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert client.get(address, headers={"If-None-Match": first.headers["etag"]}).status_code == 304


def test_cells_say_which_image_they_show(client):
    cells = np.frombuffer(client.get(f"{TILES}/cells").content, "<i4")
    np.testing.assert_array_equal(cells, [*range(COUNT - 1), grid.EMPTY])


def test_many_tiles_at_once_are_the_same(store):
    client = make_client(store)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: client.get(f"{TILES}/picture/5/0_0.webp").content, range(24)))
    assert len(set(answers)) == 1


def test_bundle_is_served_at_its_address(client):
    if loader.bundle("image_grid") is None:
        pytest.skip("the front end is not built")
    response = client.get("/" + loader.bundle_url("image_grid"))
    assert response.content == loader.bundle("image_grid")
    assert response.headers["content-type"].startswith("text/javascript")


def test_a_damaged_store_is_one_line_without_its_path(tmp_path):
    path = write_store(tmp_path / "small").path
    shard = next(path.glob("runs/*/images-*.parquet"))
    content = bytearray(shard.read_bytes())
    for place in range(50, len(content) - 2000, 40):
        content[place] ^= 0xFF
    shard.write_bytes(content)
    response = make_client(Store(path)).get(f"/thumbnail/small/{FINGERPRINT}/3")
    assert response.status_code == 500
    assert response.text == answering.BROKEN
    assert str(tmp_path) not in response.text


def test_a_grid_has_as_many_cells_as_its_table_has_rows():
    class Odd:
        fingerprint = "odd"

        def grid(self, method, kind):
            far = [0, 10**9]
            names = ("row", "col", "image_id", "right_distance", "down_distance")
            return pa.table(dict.fromkeys(names, far))

    with pytest.raises(
        ValueError, match=r"names a cell in row 1,000,000,000, column 1,000,000,000, and has 2"
    ):
        grid.grid(Odd(), "pca", "nearest")
