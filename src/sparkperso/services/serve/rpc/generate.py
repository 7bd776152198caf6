"""Writes the Python of personalization.proto anew; needs grpcio-tools (of the group `dev`)."""

from __future__ import annotations

import sys
from pathlib import Path

from sparkperso.core.errors import JobError

HERE = Path(__file__).parent
SOURCES = HERE.parents[3]
PROTO = HERE / "personalization.proto"


def generate(folder: Path) -> None:
    """Writes personalization_pb2.py, its types and personalization_pb2_grpc.py below a folder.

    They stand below it where they stand below the folder of the package. Raises JobError.
    """
    from grpc_tools import protoc

    well_known = Path(protoc.__file__).parent / "_proto"
    places = [f"--{kind}_out={folder}" for kind in ("python", "pyi", "grpc_python")]
    line = ["protoc", f"-I{SOURCES}", f"-I{well_known}", *places, str(PROTO)]
    if status := protoc.main(line):
        raise JobError(f"protoc should make Python of {PROTO.name}", f"It ended with {status}")


if __name__ == "__main__":
    generate(SOURCES)
    sys.stdout.write(f"Written beside {PROTO.name}\n")
