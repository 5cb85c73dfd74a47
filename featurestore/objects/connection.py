"""Where an object store is, and what its errors mean: the same for what pyarrow and what botocore does.

AWS_ENDPOINT_URL (or AWS_ENDPOINT_URL_S3) names a server other than Amazon's, AWS_REGION the region,
AWS_CA_BUNDLE own certificates. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_PROFILE and
their files are read by the libraries themselves.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from featurestore.errors import Unavailable

CONNECT_SECONDS = 5
SILENCE_SECONDS = 10
"""Without a byte, after which a request is tried again."""
ATTEMPTS = 3

_DENIED = re.compile("denied|forbidden|signature|accesskey|access_key|token|credential|40[13]", re.IGNORECASE)
_BUSY = re.compile(
    "slow_?down|service_?unavailable|internal_?(error|failure)|throttl|request_?limit|too_?many_?requests"
    r"|^(HTTP status )?(429|5\d\d)$",
    re.IGNORECASE,
)
"""What a server says that may be able to answer in a moment."""

_CUT_OFF = re.compile("partial file|bytes missing|incomplete ?read", re.IGNORECASE)
_NETWORK = re.compile("network|timeout|timed out|endpoint|connect", re.IGNORECASE)


@dataclass(frozen=True)
class Connection:
    """endpoint: URL of the server, "" for Amazon's. region: "" where it is not said. key: public part of the
    credentials, so that others are another connection. authorities: file of the certificates that are
    trusted, "" for the machine's own."""

    endpoint: str = ""
    region: str = ""
    key: str = ""
    authorities: str = ""

    @classmethod
    def of_environment(cls) -> "Connection":
        """ValueError where the endpoint is no URL."""
        said = os.environ.get
        endpoint = (said("AWS_ENDPOINT_URL_S3") or said("AWS_ENDPOINT_URL") or "").rstrip("/")
        if endpoint and (urlsplit(endpoint).scheme not in ("http", "https") or not urlsplit(endpoint).netloc):
            raise ValueError(f"AWS_ENDPOINT_URL is {endpoint!r}; it must be such as https://s3.example.org")
        region = said("AWS_REGION") or said("AWS_DEFAULT_REGION") or ("us-east-1" if endpoint else "")
        key = said("AWS_ACCESS_KEY_ID") or said("AWS_PROFILE") or ""
        return cls(endpoint, region, key, said("AWS_CA_BUNDLE", ""))

    def __str__(self) -> str:
        return self.endpoint or "Amazon S3"

    @contextmanager
    def explained(self, where: str, gone: str = "") -> Iterator[None]:
        """Unavailable, saying what to do, for whatever a library says of a request about `where`.

        FileNotFoundErrors pass; so they do, as they are, where there is no such bucket.
        """
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._meaning(where, str(error)) from error
        except Exception as error:
            if not type(error).__module__.startswith("botocore"):
                raise
            raise self._meaning(where, str(error)) from error

    def _meaning(self, where: str, text: str) -> Unavailable:
        code = re.search(r"AWS Error ([A-Z_]+)|An error occurred \((\w+)\)", text)
        said = next(filter(None, code.groups())) if code else text
        if re.search("no_?such_?bucket", said, re.IGNORECASE):
            return Unavailable(f"{where}: there is no such bucket on {self}")
        is_busy = _BUSY.search(said) or _BUSY.search(_status(text))
        if is_busy or _CUT_OFF.search(text):
            what = f"{self} is busy" if is_busy else f"what {self} sends is cut off on its way"
            return Unavailable(
                f"{where}: {what}, tried {ATTEMPTS} times ({_first(text)}); nothing is known to be "
                "wrong with what it holds: try again in a moment"
            )
        if _DENIED.search(said):
            return Unavailable(
                f"{where}: {self} denies access ({_first(text)}); AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or a profile, must be of someone who may"
            )
        if _NETWORK.search(said):
            return Unavailable(
                f"{where}: {self} can't be reached, tried {ATTEMPTS} times ({_first(text)}); "
                "AWS_ENDPOINT_URL names another server"
            )
        return Unavailable(f"{where}: {self} refused ({_first(text)})")


def _status(text: str) -> str:
    """The status of an HTTP answer, where an error says it."""
    found = re.search(r"HTTP status \d{3}", text)
    return found[0] if found else ""


def _first(text: str) -> str:
    return text.strip().splitlines()[0].rstrip(".")[:300] if text.strip() else "without a word"
