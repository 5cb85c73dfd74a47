"""Encoded pictures: their media type, and as data URLs."""

import base64

_SIGNATURES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


def media_type(content: bytes) -> str:
    """Return the media type of an encoded PNG, JPEG or WebP picture; ValueError for anything else."""
    for signature, name in _SIGNATURES.items():
        if content.startswith(signature):
            return name
    raise ValueError("the picture is neither PNG, JPEG nor WebP")


def data_url(content: bytes) -> str:
    """Return an encoded picture as a data URL, for pictures that no route serves."""
    return f"data:{media_type(content)};base64,{base64.b64encode(content).decode()}"
