"""Calls of Airflow's command line, one after the other in one process, which takes long to start.

A script for Airflow's own Python: `python airflow_calls.py < calls.json`. A call is a pair of its
arguments and its environment; after its output stands a line END and its exit status.
"""

from __future__ import annotations

import json
import os
import sys
import traceback

END = "=== end of the call:"


def call(arguments, environment):
    """Carries out one command; returns its exit status."""
    from airflow.cli.cli_parser import get_parser

    os.environ.update(environment)
    try:
        parsed = get_parser().parse_args(arguments)
        parsed.func(parsed)
    except SystemExit as end:
        return end.code
    except Exception:
        traceback.print_exc(file=sys.stdout)
        return 1
    finally:
        for name in environment:
            del os.environ[name]
    return 0


if __name__ == "__main__":
    for arguments, environment in json.load(sys.stdin):
        status = call(arguments, environment)
        sys.stdout.flush()
        sys.stderr.flush()
        print(END, status, flush=True)
