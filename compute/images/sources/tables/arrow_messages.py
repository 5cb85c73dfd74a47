"""What an Arrow stream's messages say of their batches of rows, told without unpacking any.

Metadata are FlatBuffers (https://flatbuffers.dev/internals) of the tables that Arrow's Message.fbs
describes. pyarrow has checked that their offsets lie inside, but shows neither rows nor what compressed
buffers unpack to.
"""

import struct

import pyarrow as pa

ROWS, VALUES = "record batch", "dictionary"
"""What pyarrow calls messages of rows, and of a dictionary's values."""

HEADER, DICTIONARY_DATA = 2, 1
"""Fields of the tables Message and DictionaryBatch."""

LENGTH, BUFFERS, COMPRESSION = 0, 2, 3
"""Fields of the table RecordBatch."""

NOT_COMPRESSED = -1
"""What stands before a buffer, in place of its unpacked length, that was left as it is."""


def rows_of(message: pa.Message) -> int:
    """Rows of a batch."""
    metadata = message.metadata.to_pybytes()
    place = _field(metadata, _batch(message, metadata), LENGTH)
    return 0 if place is None else _int64(metadata, place)


def unpacked_bytes(message: pa.Message) -> int:
    """Bytes that a batch of rows, or of a dictionary's values, takes when it is unpacked; 0 for one
    that is used as it lies in the file."""
    metadata, body = message.metadata.to_pybytes(), message.body
    batch = _batch(message, metadata)
    buffers = _field(metadata, batch, BUFFERS)
    if _field(metadata, batch, COMPRESSION) is None or buffers is None:
        return 0
    vector = _follow(metadata, buffers)
    (number,) = struct.unpack_from("<I", metadata, vector)
    places = struct.iter_unpack("<qq", metadata[vector + 4 : vector + 4 + 16 * number])
    return sum(_unpacked(body, start, length) for start, length in places if length)


def _unpacked(body: pa.Buffer, start: int, length: int) -> int:
    if start < 0 or length < 8 or start + length > body.size:
        raise ValueError("a buffer does not lie in its message")
    said = _int64(body[start : start + 8].to_pybytes(), 0)
    return length if said == NOT_COMPRESSED else max(said, 0)


def _batch(message: pa.Message, metadata: bytes) -> int:
    """Where the table RecordBatch lies."""
    header = _follow(metadata, _wanted(metadata, _follow(metadata, 0), HEADER))
    return header if message.type == ROWS else _follow(metadata, _wanted(metadata, header, DICTIONARY_DATA))


def _wanted(metadata: bytes, table: int, field: int) -> int:
    place = _field(metadata, table, field)
    if place is None:
        raise ValueError("a message has no content")
    return place


def _field(metadata: bytes, table: int, field: int) -> int | None:
    """Where a table's field lies; None where it was left out."""
    virtual = table - struct.unpack_from("<i", metadata, table)[0]
    (size,) = struct.unpack_from("<H", metadata, virtual)
    entry = 4 + 2 * field
    (offset,) = struct.unpack_from("<H", metadata, virtual + entry) if entry + 2 <= size else (0,)
    return table + offset if offset else None


def _follow(metadata: bytes, place: int) -> int:
    return place + struct.unpack_from("<I", metadata, place)[0]


def _int64(data: bytes, place: int) -> int:
    return struct.unpack_from("<q", data, place)[0]
