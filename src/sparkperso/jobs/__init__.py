"""One module or package per command: read, call what computes, write.

A job is a `Step` (pipeline.step): its tables, its function, its checks. `run` carries out those
from raw events to lists, in their order.
"""
