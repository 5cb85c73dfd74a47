"""From a job to a committed run of a store: here alone images, model, stages and store come together.

job        what is to be computed, and its fingerprint
shards     the units of work, pure functions of the job and the images' ids
open_run   what of a run is there already
build      the stages in their order, and the commit
"""
