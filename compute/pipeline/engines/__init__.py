"""Where shards are computed: in this process, in worker processes of this machine, or on a Ray cluster.

engine      what the pipeline asks of each of them, and the engine of this process
dispatch    shards to workers, and again where a worker died
processes   workers that are processes of this machine
child       how one of these begins, and ends with its parent
ray_tasks   workers that are Ray actors
choice      from the command line's options to an engine
"""
