"""An object store on loopback for tests: moto's server, which tells what was asked of it and can be told to
fail.
"""

import base64
import dataclasses
import hashlib
import io
import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from moto.server import ThreadedMotoServer

from featurestore.layout import parse_shard_file
from featurestore.manifest import Manifest
from featurestore.objects.changes import Changes
from featurestore.objects.path import ObjectPath
from featurestore.reader import Run
from featurestore.shard import Shard
from featurestore.writers import open_writer

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "a key", "AWS_SECRET_ACCESS_KEY": "a secret", "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}  # fmt: skip


class ObjectStorage:
    """asked: method and path of each request. before: called with them, the body read; what it returns, such
    as "403 Forbidden", is answered instead."""

    def __init__(self, server: ThreadedMotoServer):
        host, port = server.get_host_and_port()
        self.endpoint = f"http://{host}:{port}"
        self.asked: list[tuple[str, str]] = []
        self.before: Callable[[str, str], str | None] = lambda method, path: None
        self._answer, self._one_put = server._server.app, threading.Lock()
        self._names = itertools.count()
        server._server.app = self

    def __call__(self, environ, start_response):
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.asked.append((method, path))
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        refusal = self.before(method, path)
        said = environ.get("HTTP_X_AMZ_CHECKSUM_SHA256")
        if method == "PUT" and said and said != base64.b64encode(hashlib.sha256(body).digest()).decode():
            refusal = "400 BadDigest"  # as S3 does, and moto does not
        if refusal:
            code = refusal.partition(" ")[2]
            start_response(refusal, [("Content-Type", "application/xml")])
            return [f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()]
        environ["wsgi.input"] = io.BytesIO(body)
        if method != "PUT":
            return self._answer(environ, start_response)
        with self._one_put:  # moto looks and puts in two steps, S3 in one
            return list(self._answer(environ, start_response))

    def place(self, prefix: str = "store") -> ObjectPath:
        """In a bucket of its own."""
        place = ObjectPath.parse(f"s3://bucket-{next(self._names)}/{prefix}")
        Changes(place.bucket)._client.create_bucket(Bucket=place.bucket.name)
        return place

    def count(self, method: str, ending: str = "") -> int:
        return sum(each == method and path.endswith(ending) for each, path in self.asked)

    @contextmanager
    def counting(self) -> Iterator[list[tuple[str, str]]]:
        """What is asked meanwhile."""
        start, found = len(self.asked), []
        yield found
        found += self.asked[start:]


@contextmanager
def object_storage() -> Iterator[ObjectStorage]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        yield ObjectStorage(server)
    finally:
        server.stop()


def copy_run(run: Run, place: ObjectPath, writer=None, **changed) -> Manifest:
    """The run of a folder, written anew into object storage. changed: fields of its manifest."""
    writer = writer or open_writer(place, run.fingerprint)
    for name, entry in run.manifest.files.items():
        writer.write_shard(*parse_shard_file(name), Shard(run.folder / name, entry).read())
    return writer.commit(fields_of(run) | changed)


def fields_of(run: Run) -> dict:
    """What `commit` takes."""
    of_commit = ("fingerprint", "files", "schema_version")
    return {each.name: getattr(run.manifest, each.name) for each in dataclasses.fields(run.manifest)
            if each.name not in of_commit}
