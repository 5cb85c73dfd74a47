"""Which format a file is of, by its first bytes, whatever it is called."""

import re

HEAD = 32
"""Bytes that tell."""

HEADERS = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "WEBP": rb"RIFF.{4}WEBP",
    "BMP": rb"BM.{4}\0{4}.{4}[\x0c\x28\x34\x38\x40\x6c\x7c]\0{3}",
    "GIF": rb"GIF8[79]a",
    "TIFF": rb"II[*+]\0|MM\0[*+]",
    "PPM": rb"P[1-6][ \t\r\n][ \t\r\n]*[#0-9]",
    "AVIF": rb".{4}ftypavi[fs]",
    "JPEG2000": rb"\0{3}\x0cjP {2}\r\n\x87\n|\xff\x4f\xff\x51",
}
"""How a file of each format begins: of those that `compute.images.decoding` decodes."""


def image_format(head: bytes) -> str | None:
    """Return the format of a picture whose first bytes these are; None where they are of no picture."""
    return next((name for name, said in HEADERS.items() if re.match(said, head, re.DOTALL)), None)
