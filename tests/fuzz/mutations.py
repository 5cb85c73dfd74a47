"""Damaged files, each a function of a seed alone."""

import struct
import zlib
from collections.abc import Sequence
from random import Random

PNG = b"\x89PNG\r\n\x1a\n"
NUMBERS = (0, 1, 2, 7, 8, 16, 255, 256, 30_000, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Sizes and counts that programs trip over."""


def mutated(seeds: Sequence[bytes], seed: int) -> bytes:
    """One of the seeds with one to four changes; checksums of a PNG are made right in half of them."""
    random = Random(seed)
    data = bytearray(random.choice(seeds))
    for _ in range(random.randint(1, 4)):
        random.choice(CHANGES)(data, random, seeds)
    return _checksummed(bytes(data)) if random.random() < 0.5 else bytes(data)


def _flip(data: bytearray, random: Random, seeds: Sequence[bytes]) -> None:
    for _ in range(random.choice((1, 1, 4, 32))):
        if data:
            data[_place(data, random)] ^= 1 << random.randrange(8)


def _number(data: bytearray, random: Random, seeds: Sequence[bytes]) -> None:
    start = _place(data, random)
    kind = random.choice((">I", "<I", ">H", "<H", "B"))
    mask = 256 ** struct.calcsize(kind) - 1
    data[start : start + struct.calcsize(kind)] = struct.pack(kind, random.choice(NUMBERS) & mask)


def _cut(data: bytearray, random: Random, seeds: Sequence[bytes]) -> None:
    del data[_place(data, random) :]


def _remove(data: bytearray, random: Random, seeds: Sequence[bytes]) -> None:
    start = _place(data, random)
    del data[start : start + random.randint(1, 64)]


def _repeat(data: bytearray, random: Random, seeds: Sequence[bytes]) -> None:
    start = _place(data, random)
    part = data[start : start + random.randint(1, 128)]
    data[start:start] = part * random.choice((1, 2, 20))


def _noise(data: bytearray, random: Random, seeds: Sequence[bytes]) -> None:
    start = _place(data, random)
    data[start : start + random.randint(0, 16)] = random.randbytes(random.randint(1, 32))


def _splice(data: bytearray, random: Random, seeds: Sequence[bytes]) -> None:
    other = random.choice(seeds)
    data[_place(data, random) :] = other[random.randrange(len(other)) :]


CHANGES = (_flip, _flip, _number, _number, _number, _cut, _remove, _repeat, _noise, _splice)


def _place(data: bytearray, random: Random) -> int:
    """Anywhere, but half of the time in the header."""
    end = min(len(data), 96) if random.random() < 0.5 else len(data)
    return random.randrange(max(end, 1))


def _checksummed(data: bytes) -> bytes:
    """A PNG with right checksums, so that what its chunks say is read; other data as they are."""
    if not data.startswith(PNG):
        return data
    chunks, start = [PNG], len(PNG)
    while start + 8 <= len(data):
        end = start + 8 + int.from_bytes(data[start : start + 4], "big")
        if end + 4 > len(data):
            break
        body = data[start + 4 : end]
        chunks.append(data[start : start + 4] + body + zlib.crc32(body).to_bytes(4, "big"))
        start = end + 4
    return b"".join(chunks) + data[start:]
