"""torch.fx patches nn.Module for the whole process while it traces: other threads must not notice."""

import threading

import torch
from torch import nn

from compute.network.tracing import trace
from tests.support.networks.tiny import Plain, tiny_image, tiny_model

WAIT = 20


class Slow(nn.Module):
    """While it is traced, waits until somebody else has run."""

    def __init__(self):
        super().__init__()
        self.inner, self.scale = Plain(), nn.Parameter(torch.ones(1))
        self.started, self.go_on = threading.Event(), threading.Event()

    def forward(self, images):
        self.started.set()
        assert self.go_on.wait(WAIT)
        return self.inner(images) * self.scale


def test_a_network_runs_in_one_thread_while_another_is_traced():
    model, slow = tiny_model("untraceable"), Slow().eval()
    image = tiny_image(model)[None]
    expected, traced = model.logits(image), []
    example = torch.zeros(1, 3, 24, 24)
    tracing = threading.Thread(
        target=lambda: traced.append(trace(slow, example, lambda scores: scores).graph)
    )
    tracing.start()
    assert slow.started.wait(WAIT)
    try:
        assert torch.equal(model.logits(image), expected)
        assert torch.equal(model.module(model.normalize(image)), expected)
    finally:
        slow.go_on.set()
        tracing.join()
    (graph,) = traced
    assert [node.target for node in graph.nodes if node.op == "call_module"] == [
        f"inner.{k}" for k in range(12)
    ]


def test_two_traces_at_once_leave_nothing_behind():
    call, get = nn.Module.__call__, nn.Module.__getattr__
    graphs, start = [], threading.Barrier(4)

    def work():
        start.wait()
        for _ in range(5):
            graphs.append(trace(Plain().eval(), torch.zeros(1, 3, 24, 24), lambda scores: scores).graph)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(graphs) == 20 and all(len(list(graph.nodes)) == len(list(graphs[0].nodes)) for graph in graphs)
    assert nn.Module.__call__ is call and nn.Module.__getattr__ is get
