"""One module or package per command: read, one call into the package that computes, write.

A job is a `Step` (pipeline.step): its tables, its function, its checks. `run` carries out all.
"""
