"""Whether the hub answers: a web server does whatever it says, and nothing else does."""

import socket
import threading

import pytest

from compute.models.architectures.hub import is_reachable


@pytest.fixture
def served():
    """`served(answer)` is the address of a server that says these bytes to the next one who connects."""
    listeners = []

    def serve(answer: bytes) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def say() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        threading.Thread(target=say, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield serve
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize(
    ("answer", "answers"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", True),
        (b"SSH-2.0-OpenSSH_9.9\r\n", False),
        (b"", False),
    ],
)
def test_a_web_server_answers_whatever_it_says(served, answer, answers):
    assert is_reachable(served(answer)) is answers


def test_nobody_answers():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert not is_reachable(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("endpoint", ["file:///etc/passwd", "huggingface.co", "ftp://127.0.0.1/"])
def test_other_addresses_are_refused(endpoint):
    with pytest.raises(ValueError, match=r"HF_ENDPOINT is .* must begin with https"):
        is_reachable(endpoint)
