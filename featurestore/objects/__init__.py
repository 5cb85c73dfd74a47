"""Stores in object storage, `s3://bucket/prefix`: the same files under the same names as in a folder.

connection  which server, from the usual variables of the environment; what its errors mean
bucket      reading: ranges, objects, listings (pyarrow)
changes     writing: whole objects, each with its checksum, on a condition (botocore, an optional requirement)
path        an object's place, with as much of `pathlib.Path` as readers of a store need
parts       ranges of objects that are kept on this machine's disk
shard       a Parquet file read by ranges
writer      a run: shards into a scratch folder, then up; the manifest by one conditional put
clearing    prune
"""
