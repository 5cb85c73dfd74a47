"""The tables of a run: columns with their types, units and shapes. This is the store's public interface.

Every column's field metadata says what it holds ("description"), its "unit" and, for lists, its "shape".
Types are those that pandas, polars and DuckDB read as they are: no extension types, no half precision.
"""

from collections.abc import Collection

import pyarrow as pa

SCHEMA_VERSION = 1

ROWS_PER_GROUP = 1000
"""Rows of a row group, the unit that a point look-up reads."""

SHORT_ROWS = {"neighbors": 10, "embeddings": 10, "grids": 10}
"""How many times as many rows a group has of tables with a few numbers a row. Each group has an entry in the
manifest and a checksum a column: of a million images' lists they would cost more than the rows."""

HISTOGRAM_BINS = 32

PLACES = tuple(
    f"place_{what}" for what in ("height", "width", "stride_y", "stride_x", "offset_y", "offset_x")
)
OPTIONAL = {"layers": PLACES}
"""Columns, by table, that only some stores have."""


def column(
    name: str, type: pa.DataType, description: str, unit: str = "", shape: str = "", key: bool = False
) -> pa.Field:
    """One Arrow field. A key has no nulls; other columns are null where an image could not be read."""
    metadata = {"description": description, "unit": unit, "shape": shape}
    return pa.field(name, type, nullable=not key, metadata={k: v for k, v in metadata.items() if v})


def image_id(key: bool = True, description: str = "dense, in the order of the sorted paths") -> pa.Field:
    return column("image_id", pa.int64(), description, key=key)


STRING, BOOL, INT32, INT64, FLOAT = pa.string(), pa.bool_(), pa.int32(), pa.int64(), pa.float32()
FLOATS = pa.list_(FLOAT)
THUMBNAIL = pa.struct([("bytes", pa.binary()), ("path", STRING)])
TOP = pa.list_(pa.struct([("class", STRING), ("probability", FLOAT)]))
LAYER = column("layer", STRING, "a convolution's name, as in named_modules()", key=True)
MAP_METHOD = column("method", STRING, "name of the embedding: pca, tsne, umap", key=True)

TABLES: dict[str, pa.Schema] = {
    "images": pa.schema(
        [
            image_id(),
            column("path", STRING, "of the source, relative to its folder"),
            column("sha256", STRING, "of the source's bytes", "hex"),
            column("label", STRING, "class name the image came with"),
            column("split", STRING, "train, test, ..."),
            column("width", INT32, "of the original, EXIF rotation applied", "pixel"),
            column("height", INT32, "of the original, EXIF rotation applied", "pixel"),
            column("thumbnail", THUMBNAIL, "encoded picture (PNG or JPEG) and a path, null"),
            column("predicted", STRING, "class name of the greatest logit"),
            column("probability", FLOAT, "softmax probability of `predicted`", "0..1"),
            column("top5", TOP, "most probable classes, best first", "0..1", "(5,)"),
            column("loss", FLOAT, "cross entropy against the label", "nat"),
            column("correct", BOOL, "predicted equals label"),
        ]
    ),
    "columns": pa.schema(
        [
            column("column", STRING, "name of a further column of the list of images", key=True),
            image_id(),
            column("text", STRING, "its value, as the list has it"),
            column("number", pa.float64(), "the same as a number, where all of the column's values are"),
        ]
    ),
    "features": pa.schema(
        [
            image_id(),
            column(
                "feature", FLOATS, "input of the last linear layer, as the network gives it", shape="(D,)"
            ),
        ]
    ),
    "layers": pa.schema(
        [
            column("position", INT32, "order in the network's forward pass, from 0", key=True),
            LAYER,
            column("kind", STRING, "type of the module"),
            column("tap", STRING, "after what the value is taken: conv, batch norm, nonlinearity"),
            column("in_channels", INT32, "channels of the convolution's input"),
            column("channels", INT32, "channels of its output"),
            column("height", INT32, "of the feature map", "map position"),
            column("width", INT32, "of the feature map", "map position"),
            column("rf_height", INT32, "receptive field", "input pixel"),
            column("rf_width", INT32, "receptive field", "input pixel"),
            column("stride_y", FLOAT, "input pixels between neighbouring map positions", "input pixel"),
            column("stride_x", FLOAT, "input pixels between neighbouring map positions", "input pixel"),
            column("offset_y", FLOAT, "upper edge of the receptive field of map position 0", "input pixel"),
            column("offset_x", FLOAT, "left edge of the receptive field of map position 0", "input pixel"),
            column("rf_size", INT32, "rf_height: the usual square case", "input pixel"),
            column("rf_stride", FLOAT, "stride_y: the usual square case", "input pixel"),
            column("rf_offset", FLOAT, "offset_y: the usual square case", "input pixel"),
            column("place_height", INT32, "of the patch a token stands for, if it sees all", "input pixel"),
            column("place_width", INT32, "of the patch a token stands for, if it sees all", "input pixel"),
            column("place_stride_y", FLOAT, "input pixels between neighbouring patches", "input pixel"),
            column("place_stride_x", FLOAT, "input pixels between neighbouring patches", "input pixel"),
            column("place_offset_y", FLOAT, "upper edge of the patch of map position 0", "input pixel"),
            column("place_offset_x", FLOAT, "left edge of the patch of map position 0", "input pixel"),
        ]
    ),
    "channels": pa.schema(
        [
            LAYER,
            column("channel", INT32, "index in the layer, from 0", key=True),
            column("mean", FLOAT, "over all images and positions", "activation"),
            column("max", FLOAT, "over all images and positions", "activation"),
            column("active_share", FLOAT, "share of map positions above 0, over all images", "0..1"),
            column(
                "dead", BOOL, "one value at every place of every image; behind a nonlinearity, none above 0"
            ),
            column("top_class", STRING, "class with the greatest mean activation"),
            column(
                "selectivity",
                FLOAT,
                "(m - r) / (m + r), m the mean in top_class, r in the others (Morcos 2018)",
                "0..1",
            ),
            column(
                "histogram",
                pa.list_(INT64, HISTOGRAM_BINS),
                "images by spatial maximum, equal bins",
                "images",
                f"({HISTOGRAM_BINS},)",
            ),
            column("histogram_low", FLOAT, "lower edge of the first bin", "activation"),
            column("histogram_high", FLOAT, "upper edge of the last bin", "activation"),
        ]
    ),
    "top_patches": pa.schema(
        [
            LAYER,
            column("channel", INT32, "index in the layer, from 0", key=True),
            column("rank", INT32, "0 is the strongest; ties go to the smaller image_id", key=True),
            image_id(key=False, description="one hit an image: its spatial maximum"),
            column("value", FLOAT, "the channel's spatial maximum", "activation"),
            column("y", INT32, "row of the maximum", "map position"),
            column("x", INT32, "column of the maximum", "map position"),
            *(
                column(
                    side, FLOAT, "edge of the receptive field; may pass the border", "original image's pixel"
                )
                for side in ("left", "top", "right", "bottom")
            ),
        ]
    ),
    "occlusion": pa.schema(
        [
            image_id(),
            column("target", STRING, "class name whose probability and logit are mapped", key=True),
            column("patch", INT32, "side of the occluding square", "input pixel"),
            column("stride", INT32, "between windows; the last one reaches the border", "input pixel"),
            column("rows", INT32, "window positions down"),
            column("cols", INT32, "window positions across"),
            column("probability", FLOATS, "of target, window by window", "0..1", "rows x cols, row-major"),
            column("logit", FLOATS, "of target, window by window", "logit", "rows x cols, row-major"),
            column(
                "argmax",
                pa.list_(INT32),
                "index of the greatest logit",
                "class index",
                "rows x cols, row-major",
            ),
            column("unoccluded", FLOAT, "probability of target on the whole image", "0..1"),
            column("unoccluded_logit", FLOAT, "logit of target on the whole image", "logit"),
        ]
    ),
    "embeddings": pa.schema(
        [
            MAP_METHOD,
            image_id(),
            column("x", FLOAT, "to the right", "arbitrary"),
            column("y", FLOAT, "upwards", "arbitrary"),
        ]
    ),
    "maps": pa.schema(
        [
            MAP_METHOD,
            column("trustworthiness", FLOAT, "Venna and Kaski 2001", "0..1"),
            column("knn_preservation", FLOAT, "share of feature neighbours that are map neighbours", "0..1"),
            column("seed", INT64, "of the method's random choices"),
            column("parameters", STRING, "all of the method's parameters and versions", "JSON object"),
        ]
    ),
    "neighbors": pa.schema(
        [
            column("space", STRING, "feature (cosine) or pixel (Euclidean)", key=True),
            image_id(description="the query"),
            column("rank", INT32, "0 is the nearest; ties go to the smaller neighbor_id", key=True),
            column("neighbor_id", INT64, "neither the query nor a byte-identical copy of it"),
            column("distance", FLOAT, "1 - cosine similarity, or Euclidean distance of [0, 1] pixels"),
        ]
    ),
    "graphs": pa.schema(
        [
            column("space", STRING, "feature or pixel", key=True),
            column("method", STRING, "how its neighbours were found: exact or approximate"),
            column("recall", FLOAT, "share of the true nearest that are found; null where exact", "0..1"),
            column("sample", INT32, "random images that recall was measured on", "images"),
            column("at", INT32, "nearest neighbours of each that were looked for", "images"),
        ]
    ),
    "grids": pa.schema(
        [
            column("method", STRING, "the embedding that was laid out", key=True),
            column("kind", STRING, "nearest (images may repeat) or unique (each at most once)", key=True),
            column("row", INT32, "from the top", "cell", key=True),
            column("col", INT32, "from the left", "cell", key=True),
            image_id(key=False, description="null where the cell is empty"),
            column("right_distance", FLOAT, "feature distance to the cell on the right", "1 - cosine"),
            column("down_distance", FLOAT, "feature distance to the cell below", "1 - cosine"),
        ]
    ),
    "showcase": pa.schema(
        [
            LAYER,
            column("channel", INT32, "index in the layer, from 0", key=True),
            column("image", THUMBNAIL, "what gradient ascent finds: PNG with its recipe, and a path, null"),
            column("value", FLOAT, "the channel's spatial maximum in the picture", "activation"),
            column("mean", FLOAT, "of the channel's map, which is what was maximised", "activation"),
            column("dead", BOOL, "0 at every place of the picture: no picture was found that it answers to"),
            column("predicted", STRING, "class name that the network sees in the picture"),
            column("seed", INT64, "of the start and of every perturbation"),
            column("parameters", STRING, "all of the method's parameters", "JSON object"),
        ]
    ),
    "filters": pa.schema(
        [
            column("channel", INT32, "output channel of the first convolution", key=True),
            column("in_channels", INT32, "channels of one filter"),
            column("height", INT32, "of one filter", "input pixel"),
            column("width", INT32, "of one filter", "input pixel"),
            column("weight", FLOATS, "as learnt, on normalised input", shape="in_channels x height x width"),
            column(
                "std",
                FLOATS,
                "input's standard deviation, for filters in pixel space",
                "0..1",
                "(in_channels,)",
            ),
        ]
    ),
    "problems": pa.schema(
        [
            image_id(),
            column("path", STRING, "of the source, relative to its folder"),
            column("reason", STRING, "why the image could not be read"),
        ]
    ),
}

SORT_KEYS: dict[str, tuple[str, ...]] = {
    name: tuple(field.name for field in schema if not field.nullable) for name, schema in TABLES.items()
}
"""Columns that name a row: rows are in their order, within a shard and from shard to shard."""

SORT_KEYS["layers"] = ("position",)

NETWORK_WIDTHS = {"features": "feature"}
"""Columns that are FixedSizeLists of a width that only the network knows."""

STAGES = {
    "occlusion": "occlusion",
    "embeddings": "embeddings",
    "maps": "embeddings",
    "neighbors": "neighbors",
    "graphs": "neighbors",
    "grids": "grid",
    "showcase": "showcase",
}
"""The stage that makes a table, where it is not `activations`."""

ADDED_TABLES = ("showcase",)
"""Those that a run may gain, file by file, once it is committed."""


def check_table(name: str) -> str:
    """`name`, or a ValueError that lists the tables there are."""
    if name not in TABLES:
        raise ValueError(f"unknown table {name!r}; tables are {', '.join(TABLES)}")
    return name


def schema(name: str, width: int | None = None) -> pa.Schema:
    """Schema of a table as it is written; `width` is D of `features`, which depends on the network."""
    declared = TABLES[check_table(name)]
    if name not in NETWORK_WIDTHS:
        return declared
    if width is None or width < 1:
        raise ValueError(f"table {name!r} needs the width of its vectors, a positive number, not {width!r}")
    index = declared.get_field_index(NETWORK_WIDTHS[name])
    field = declared.field(index)
    return declared.set(index, field.with_type(pa.list_(field.type.value_type, width)))


def without_optional(name: str, wanted: pa.Schema, present: Collection[str]) -> pa.Schema:
    """`wanted` without those optional columns of table `name` that are not among `present`."""
    for column_name in OPTIONAL.get(name, ()):
        if column_name not in present:
            wanted = wanted.remove(wanted.get_field_index(column_name))
    return wanted


def conform(name: str, table: pa.Table) -> pa.Table:
    """`table` with exactly the columns, types and metadata of table `name`.

    ValueError names columns that are missing, unknown, of a type that does not cast, or null in a key.
    """
    wanted = without_optional(name, schema(name, _width(name, table)), table.column_names)
    missing = [c for c in wanted.names if c not in table.column_names]
    unknown = [c for c in table.column_names if c not in wanted.names]
    if missing or unknown:
        raise ValueError(
            f"table {name!r} lacks columns {missing} and has unknown columns {unknown}; "
            f"its columns are {', '.join(wanted.names)}"
        )
    return pa.Table.from_arrays([_conform_column(name, table, field) for field in wanted], schema=wanted)


def _width(name: str, table: pa.Table) -> int | None:
    vector = NETWORK_WIDTHS.get(name)
    if vector is None or vector not in table.column_names:
        return None if vector is None else 1
    type = table.schema.field(vector).type
    if not pa.types.is_fixed_size_list(type):
        raise ValueError(f"column {vector!r} of table {name!r} must be a FixedSizeList, not {type}")
    return type.list_size


def _conform_column(name: str, table: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    values = table[field.name]
    if values.null_count and not field.nullable:
        raise ValueError(f"column {field.name!r} of table {name!r} is a key and must have no nulls")
    if values.type == field.type:
        return values
    try:
        return values.cast(field.type)
    except pa.ArrowException as error:
        raise ValueError(
            f"column {field.name!r} of table {name!r} is {values.type}, not {field.type}: {error}"
        ) from error
