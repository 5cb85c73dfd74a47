"""What changes a bucket: whole objects, on a condition. By botocore, since pyarrow's S3FileSystem overwrites
always.

A PUT is atomic: an object is there wholly or not at all, also after a kill in the middle. Each one carries
the SHA-256 of its bytes, and the server refuses bytes that are others.
"""

import base64
import hashlib
import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from featurestore.errors import Unavailable
from featurestore.objects.bucket import Bucket
from featurestore.objects.connection import ATTEMPTS, CONNECT_SECONDS, Connection

REQUIREMENTS = "requirements-s3.txt"
ANSWER_SECONDS = 60
"""To a PUT, once its bytes are sent."""
CONFLICT, CONFLICTS = 409, 6
"""The status of a PUT that met another one on its way, and how often it is sent all the same."""
AT_ONCE = 1000
"""Objects that one request may remove."""


@dataclass(frozen=True)
class Stored:
    """An object. sha256: hexadecimal, as the server reckoned it from the bytes that it got; "" where it did
    not.
    """

    etag: str
    bytes: int
    sha256: str


class Changes:
    """Changes to one bucket. Raises Unavailable as `Bucket` does, ValueError where botocore is not
    installed.
    """

    def __init__(self, bucket: Bucket):
        self._bucket, self._client = bucket, _client(bucket.connection)

    def create(self, key: str, content: bytes | Path) -> bool:
        """Put an object where there is none; False where there is one, which stays."""
        return self._put(key, content, IfNoneMatch="*")

    def replace(self, key: str, content: bytes | Path, etag: str) -> bool:
        """Put an object in place of the one with this ETag; False where that isn't there any more."""
        return self._put(key, content, IfMatch=etag)

    def put(self, key: str, content: bytes | Path) -> None:
        """Whatever is there."""
        self._put(key, content)

    def stored(self, key: str) -> Stored | None:
        """None where there is no object."""
        answer = self._ask("head_object", key, ChecksumMode="ENABLED")
        if isinstance(answer, int):
            return None
        said = answer.get("ChecksumSHA256", "")
        digest = "" if "-" in said else base64.b64decode(said).hex()  # with one: of an upload in parts
        return Stored(self._etag(key, answer), answer["ContentLength"], digest)

    def read(self, key: str) -> tuple[bytes, str] | None:
        """An object's bytes and ETag; None where there is none."""
        answer = self._ask("get_object", key)
        if isinstance(answer, int):
            return None
        with self._bucket.connection.explained(self._bucket.address(key)):
            return answer["Body"].read(), self._etag(key, answer)

    def remove(self, keys: Sequence[str]) -> None:
        """Those that are there."""
        for start in range(0, len(keys), AT_ONCE):
            with self._bucket.connection.explained(self._bucket.address(keys[start])):
                named = [{"Key": key} for key in keys[start : start + AT_ONCE]]
                wanted = {"Objects": named, "Quiet": True}
                answer = self._client.delete_objects(Bucket=self._bucket.name, Delete=wanted)
            for error in answer.get("Errors", []):
                raise Unavailable(f"{self._bucket.address(error['Key'])} could not be removed: {error}")
        self._bucket.forget()

    def _etag(self, key: str, answer: Mapping[str, Any]) -> str:
        """What a later change can be made to depend on."""
        if not answer.get("ETag"):
            where, server = self._bucket.address(key), self._bucket.connection
            raise Unavailable(
                f"{where}: {server} answers without an ETag, so that nobody can tell whether another writer "
                "changes it meanwhile; stores can be read there, not written"
            )
        return str(answer["ETag"])

    def _put(self, key: str, content: bytes | Path, **condition: str) -> bool:
        """Whether the condition held; another PUT that is on its way (409) is waited for."""
        digest = base64.b64encode(_sha256(content)).decode()
        for attempt in range(CONFLICTS):
            time.sleep(0.2 * attempt)
            with _opened(content) as body:
                answer = self._ask(
                    "put_object",
                    key,
                    Body=body,
                    ChecksumAlgorithm="SHA256",
                    ChecksumSHA256=digest,
                    **condition,
                )
            self._bucket.forget()
            if answer != CONFLICT:
                return not isinstance(answer, int)
        return False

    def _ask(self, method: str, key: str, **arguments: Any) -> Any:
        """The answer; or the status where there is no such object, or a condition did not hold."""
        with self._bucket.connection.explained(self._bucket.address(key)):
            try:
                return getattr(self._client, method)(Bucket=self._bucket.name, Key=key, **arguments)
            except self._client.exceptions.ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if status not in (404, CONFLICT, 412) or error.response["Error"]["Code"] == "NoSuchBucket":
                    raise
                return status


@cache
def _client(connection: Connection) -> Any:
    try:
        from botocore.config import Config
        from botocore.session import get_session
    except ImportError as error:
        raise ValueError(
            f"to write to object storage, install what {REQUIREMENTS} names: pip install -r {REQUIREMENTS}"
        ) from error
    patience = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=ANSWER_SECONDS,
        signature_version="s3v4",
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=32,
        s3={"addressing_style": "path" if connection.endpoint else "auto"},
    )
    with connection.explained(str(connection)):
        return get_session().create_client(
            "s3",
            region_name=connection.region or None,
            config=patience,
            endpoint_url=connection.endpoint or None,
            verify=connection.authorities or None,
        )


def _opened(content: bytes | Path) -> io.BytesIO | io.BufferedReader:
    return io.BytesIO(content) if isinstance(content, bytes) else open(content, "rb")


def _sha256(content: bytes | Path) -> bytes:
    with _opened(content) as file:
        return hashlib.file_digest(file, "sha256").digest()
