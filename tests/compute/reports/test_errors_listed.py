"""Which images are listed as errors."""

import pyarrow as pa

from compute.reports.mistakes import cell

IMAGES = pa.table(
    {
        "image_id": [0, 1, 2, 3],
        "label": ["cat", "cat", "moon", "dog"],
        "predicted": ["cat", "dog", "dog", "cat"],
        "probability": [0.9, 0.6, 0.99, 0.7],
        "correct": pa.array([True, False, None, False], pa.bool_()),
    }
)


def test_what_is_no_class_of_the_networks_is_no_error():
    assert cell(IMAGES)["image_id"].to_pylist() == [3, 1]
    assert cell(IMAGES, predicted="dog")["image_id"].to_pylist() == [1]


def test_it_is_listed_where_its_label_is_asked_for():
    assert cell(IMAGES, label="moon")["image_id"].to_pylist() == [2]
