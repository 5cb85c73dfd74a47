"""A store whose run has pictures of what some channels look for."""

from pathlib import Path

from compute.methods.synthesis.ascent import Ascent
from compute.models.zoo import ModelSpec, load
from compute.pipeline.fixed_threads import fixed_threads
from compute.pipeline.stages import showcase
from featurestore.reader import Run, Store
from featurestore.writing.run_writer import RunWriter
from tests.support.stores.copied_run import fields_of


def add_showcase(path: Path, channels: range, method: Ascent | None = None) -> Run:
    """Add those of some channels, at most a shard of them, of the last layer to the store's run.

    method: with other parameters than the stage's
    """
    run = Store(path).open()
    model = load(ModelSpec.from_dict(run.manifest.model["spec"]), "cpu", run.class_names)
    shards = showcase.shards_of_channels(model.layers.values())
    layer = list(model.layers)[-1]
    (number,) = (n for n, each in enumerate(shards) if each.layer == layer and channels[0] in each.channels)
    before = showcase.METHOD
    try:
        showcase.METHOD = method or before
        with fixed_threads(run.manifest.threads):
            some = showcase.ChannelsShard(layer, channels)
            rows = showcase.showcase_table(model, some, run.fingerprint, lambda done: None)
    finally:
        showcase.METHOD = before
    writer = RunWriter(path, run.fingerprint)
    writer.write_shard("showcase", number, rows)
    writer.commit(fields_of(run))
    return Store(path).open()
