"""What holds for the server whatever is asked: nothing written, nothing else reached, cancelled, bounded."""

import base64
import os
import subprocess
import threading
import time
from dataclasses import replace

import anyio
import pytest
from mcp.shared.exceptions import MCPError

from compute.cli.agents.delivery import check_save
from compute.cli.agents.server import tools_of
from compute.cli.agents.workspace import Workspace
from compute.methods import METHODS
from compute.methods.synthesis.ascent import Ascent
from tests.compute.cli.agents.test_tools import arguments_of
from tests.support.pictures import encoded, noise
from tests.support.servers.agents import asked, error, files_in, in_session, said, workspace
from tests.support.stores.served import OWN_NETWORK, copied_store, second_store, write_own_store

pytestmark = pytest.mark.slow

OTHERS = {
    "describe": {},
    "sql": {"select": "SELECT count(*) FROM images"},
    "find_images": {"search": "label:3"},
    "image": {"image_id": 1},
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return copied_store(tmp_path_factory.mktemp("agents") / "digits")


@pytest.fixture(scope="module")
def opened(store) -> Workspace:
    return workspace(store, "--other-stores", str(second_store()))


@pytest.mark.slow
def test_without_results_nothing_is_written(store, opened, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = files_in(store)
    for name in tools_of(opened):
        result = asked(opened, name, **(OTHERS[name] if name in OTHERS else arguments_of(name)))
        assert result.is_error == (name == "attention"), (name, result.content)
    assert files_in(store) == before and files_in(tmp_path) == {}
    assert error(asked(opened, "map", save="x.png")).startswith("map has no argument 'save'")


def test_tools_say_that_they_read_alone(opened, tmp_path):
    async def listed(client):
        return (await client.list_tools()).tools

    for each in in_session(opened, listed):
        assert each.annotations.read_only_hint and not each.annotations.destructive_hint
    saving = replace(opened, results=tmp_path)
    writing = {each.name for each in in_session(saving, listed) if not each.annotations.read_only_hint}
    assert writing == set(tools_of(opened)) - OTHERS.keys()


def test_results_are_written_into_their_folder_alone(opened, tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    server = replace(opened, results=folder)
    answer = said(asked(server, "classes", save="classes.csv"))
    assert answer["saved"] == "classes.csv" and answer["command"].endswith("--out classes.csv")
    content = (folder / "classes.csv").read_bytes()
    assert content.startswith(b"class")
    again = error(asked(server, "classes", save="classes.csv", split="test"))
    assert again.startswith("there is a file 'classes.csv' already") and "another name" in again
    assert (folder / "classes.csv").read_bytes() == content
    assert "can't be written as '.png'" in error(asked(server, "classes", save="x.png"))
    os.symlink(tmp_path / "outside.csv", folder / "link.csv")
    assert "already" in error(asked(server, "classes", save="link.csv"))
    assert files_in(tmp_path).keys() == {"results", "results/classes.csv", "results/link.csv"}


@pytest.mark.parametrize(
    "name",
    ["../x.csv", "/tmp/x.csv", "a/b.csv", "a\\b.csv", ".x.csv", "x.csv\n", "x\0.csv", "", " x.csv", "x.csv ",
     "x.py", "x", "-x.csv", "~x.csv", "x" * 300 + ".csv"],
)  # fmt: skip
def test_a_file_has_a_plain_name(name, opened, tmp_path):
    with pytest.raises(ValueError, match="save is"):
        check_save(name, tmp_path)
    assert error(asked(replace(opened, results=tmp_path), "classes", save=name)).startswith("save is")
    assert files_in(tmp_path) == {}


def test_no_file_can_be_named(opened, tmp_path):
    """No tool takes a path: neither as an argument of another name, nor within one that it has."""
    secret = tmp_path / "secret.png"
    secret.write_text("secret")
    for tool in tools_of(opened).values():
        for name in (
            "image",
            "second",
            "out",
            "store",
            "model",
            "checkpoint",
            "classes",
            "config",
            "run",
            "url",
        ):
            if name not in {each.name for each in tool.arguments}:
                given = {name: str(secret)}
                assert "has no argument" in error(asked(opened, tool.name, **given))
    for arguments in (
        {"select": f"SELECT * FROM read_text('{secret}')"},
        {"select": f"SELECT * FROM '{secret}'"},
        {"select": f"COPY images TO '{secret}'"},
    ):
        assert "secret" not in error(asked(opened, "sql", **arguments)).replace(str(secret), "")
    assert "image_base64" in error(asked(opened, "saliency", image_base64=str(secret)))
    assert "choose from" in error(asked(opened, "compare", other_store=str(tmp_path)))
    for run in ("../..", "/etc", "x"):
        assert error(asked(opened, "compare", other_store=str(second_store()), other_run=run))
    assert secret.read_text() == "secret"


def test_the_users_code_runs_only_if_the_person_named_it(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(OWN_NETWORK)
    store = write_own_store(tmp_path / "own", file)
    refused = error(asked(workspace(store), "saliency", image_id=0, variant="gradient"))
    assert "to run it, name it: --model" in refused
    allowed = workspace(store, "--model", f"{file}:net")
    answer = said(asked(allowed, "saliency", image_id=0, variant="gradient"))
    assert f"--model {file}:net" in answer["command"]


def test_an_unknown_tool_is_an_error_of_the_protocol(opened):
    async def talk(client):
        with pytest.raises(MCPError, match="there is no tool 'salency'; did you mean saliency"):
            await client.call_tool("salency", {})

    in_session(opened, talk)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_an_unexpected_error_tells_nothing_and_ends_nothing(mode, opened, monkeypatch, capsys):
    def broken(*given):
        raise RuntimeError("a path /home/somebody")

    monkeypatch.setattr(METHODS["saliency"], "steps", broken)

    async def talk(client):
        failed = await client.call_tool("saliency", {"image_id": 1, "variant": "gradient", "seed": 7})
        return failed, await client.call_tool("describe", {})

    failed, after = in_session(opened, talk, mode)
    assert error(failed) == "unexpected RuntimeError; the server's standard error says more"
    assert "a path /home/somebody" in capsys.readouterr().err and said(after)


def test_a_cancelled_question_ends_at_once(opened, monkeypatch):
    began, popen = [], subprocess.Popen

    def started(*arguments, **options):
        began.append(popen(*arguments, **options))
        return began[-1]

    monkeypatch.setattr(subprocess, "Popen", started)
    endless = "SELECT count(*) FROM range(10000000000) a, range(10000000000) b WHERE a.range = 7"

    async def talk(client):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.call_tool, "sql", {"select": endless})
            while not began:
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        started = time.monotonic()
        while began[0].poll() is None:
            await anyio.sleep(0.01)
        return time.monotonic() - started

    assert in_session(opened, talk) < 3


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_a_cancelled_method_ends_at_its_next_step(mode, opened, monkeypatch):
    """And meanwhile others are answered, and afterwards the next method is."""
    began, ended = threading.Event(), threading.Event()
    steps = Ascent.steps

    def watched(self, model, inputs):
        try:
            for step in steps(self, model, inputs):
                began.set()
                yield step
                time.sleep(0.01)
        finally:
            ended.set()

    monkeypatch.setattr(Ascent, "steps", watched)
    long = {"layer": "conv2", "channel": 1, "iterations": 4096}

    async def talk(client):
        told = []

        async def progress(done, total, message):
            told.append((done, total, message))

        async with anyio.create_task_group() as tasks:
            scope = anyio.CancelScope()

            async def ascend():
                with scope:
                    await client.call_tool("ascend", long, progress_callback=progress)

            tasks.start_soon(ascend)
            while not began.is_set() or len(told) < 3:
                await anyio.sleep(0.01)
            assert not (await client.call_tool("sql", {"select": "SELECT 1"})).is_error
            assert not ended.is_set()
            scope.cancel()
        started = time.monotonic()
        result = await client.call_tool("saliency", {"image_id": 2, "variant": "gradient"})
        return told, result, time.monotonic() - started

    told, result, seconds = in_session(opened, talk, mode)
    assert said(result) and ended.is_set() and seconds < 5
    assert [done for done, *_ in told] == sorted({done for done, *_ in told})
    assert told[-1][1:] == (4096, "ascend") and told[-1][0] < 4096


def test_a_cancelled_report_ends_at_the_next_file_that_it_reads(store):
    """And the one that is asked for next, which reads the same files, is answered."""
    server, read = workspace(store), []
    began, waiting = threading.Event(), threading.Event()
    originals = server.read

    def slow(run, image_id):
        content = originals(run, image_id)
        read.append(image_id)
        began.set()
        waiting.wait(60)
        return content

    vars(server)["read"] = slow
    sent = base64.b64encode(encoded(noise(40, 40))).decode()

    async def talk(client):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.call_tool, "neighbors", {"image_base64": sent})
            while not began.is_set():
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        # The server has the message before it answers the next one.
        assert not (await client.call_tool("describe", {})).is_error
        waiting.set()
        return await client.call_tool("neighbors", {"image_base64": sent, "count": 2})

    result = in_session(server, talk)
    assert said(result) and len(read) == 1 + server.run.image_count


def test_the_network_is_loaded_once_and_late(store):
    server, loaded = workspace(store), []
    load = server.load
    server.load = lambda: loaded.append(1) or load()
    said(asked(server, "describe"))
    said(asked(server, "confusion"))
    assert loaded == []
    for image_id in (1, 2):
        said(asked(server, "saliency", image_id=image_id, variant="gradient"))
    assert loaded == [1]


def test_methods_run_one_at_a_time(opened, monkeypatch):
    running, most = [], []
    steps = METHODS["saliency"].steps

    def watched(self, model, inputs):
        running.append(1)
        most.append(len(running))
        time.sleep(0.05)
        yield from steps(self, model, inputs)
        running.pop()

    monkeypatch.setattr(METHODS["saliency"], "steps", watched)

    async def talk(client):
        async with anyio.create_task_group() as tasks:
            for image_id in range(4):
                tasks.start_soon(
                    client.call_tool, "saliency", {"image_id": 20 + image_id, "variant": "gradient"}
                )

    in_session(opened, talk)
    assert most == [1, 1, 1, 1]


def test_two_calls_at_once_give_what_each_gives_alone(store):
    calls = [("map", {"method": "pca"}), ("confusion", {}), ("grid", {"method": "pca"}), ("classes", {})]
    alone = [said(asked(workspace(store), name, **given)) for name, given in calls]

    async def talk(client):
        found = {}

        async def one(index, name, given):
            found[index] = (await client.call_tool(name, given)).structured_content

        async with anyio.create_task_group() as tasks:
            for index, (name, given) in enumerate(calls):
                tasks.start_soon(one, index, name, given)
        return [found[index] for index in range(len(calls))]

    assert in_session(workspace(store), talk) == alone


def test_an_empty_name_is_no_folder_for_results(store):
    with pytest.raises(ValueError, match="--results names no folder"):
        workspace(store, "--results", "")


def test_kept_results_are_few(opened):
    made = []
    for key in range(10):
        opened.kept(f"few{key}", lambda key=key: made.append(key))
    assert len(opened._kept) <= 4
    opened.kept("few9", lambda: made.append("again"))
    assert made == list(range(10))
