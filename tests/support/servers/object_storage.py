"""An object store on loopback for tests: moto's server, which tells what was asked of it and can be told to
fail.
"""

import base64
import hashlib
import io
import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from moto.server import ThreadedMotoServer
from pytest import MonkeyPatch

from featurestore.objects import parts
from featurestore.objects.changes import Changes
from featurestore.objects.path import ObjectPath

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "a key",
    "AWS_SECRET_ACCESS_KEY": "a secret",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Answered(NamedTuple):
    method: str
    path: str
    status: int


class ObjectStorage:
    """answered: all requests, in order. before: called with each one's method and path; what it returns,
    such as "403 AccessDenied", is answered instead."""

    def __init__(self, server: ThreadedMotoServer):
        host, port = server.get_host_and_port()
        self.endpoint = f"http://{host}:{port}"
        self.answered: list[Answered] = []
        self.before: Callable[[str, str], str | None] = lambda method, path: None
        self._answer, self._one_put = server._server.app, threading.Lock()
        self._names = itertools.count()
        server._server.app = self

    def use(self, patch: MonkeyPatch, folder: Path) -> None:
        """Let object storage be this one for a test, which fails nothing and keeps its parts in `folder`."""
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        patch.setenv("AWS_ENDPOINT_URL", self.endpoint)
        patch.setenv(parts.FOLDER, str(folder))
        patch.setattr(self, "before", lambda method, path: None)

    def __call__(self, environ, start_response):
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        refusal = self.before(method, path) or _bad_digest(environ, body)
        if refusal:
            self.answered.append(Answered(method, path, int(refusal[:3])))
            code = refusal.partition(" ")[2]
            start_response(refusal, [("Content-Type", "application/xml")])
            return [f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()]

        def start(status, *rest):
            self.answered.append(Answered(method, path, int(status[:3])))
            return start_response(status, *rest)

        environ["wsgi.input"] = io.BytesIO(body)
        if method != "PUT":
            return self._answer(environ, start)
        with self._one_put:  # moto looks and puts in two steps, S3 in one
            return list(self._answer(environ, start))

    def place(self, prefix: str = "store") -> ObjectPath:
        """In a new bucket."""
        place = ObjectPath.parse(f"s3://bucket-{next(self._names)}/{prefix}")
        Changes(place.bucket)._client.create_bucket(Bucket=place.bucket.name)
        return place

    @contextmanager
    def meanwhile(self) -> Iterator[list[Answered]]:
        """The requests that were answered, once the block ends."""
        start, found = len(self.answered), []
        yield found
        found += self.answered[start:]


@contextmanager
def object_storage() -> Iterator[ObjectStorage]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        yield ObjectStorage(server)
    finally:
        server.stop()


def _bad_digest(environ, body) -> str | None:
    """S3 compares; moto does not."""
    said = environ.get("HTTP_X_AMZ_CHECKSUM_SHA256")
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    return "400 BadDigest" if environ["REQUEST_METHOD"] == "PUT" and said not in (None, digest) else None
