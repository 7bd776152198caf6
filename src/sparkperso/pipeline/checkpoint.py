"""The checkpoint of a stream, and the id under which Delta knows the stream's writes.

Delta carries out each (id, number) once. An id with another checkpoint would make it take new
micro-batches for old ones and drop them silently: so the id lies in the checkpoint, is drawn anew
for every new one, and is held against what the tables hold before the stream starts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from uuid import uuid4

from pyspark.sql import functions as F

from sparkperso.core.errors import JobError, UsageError
from sparkperso.core.locks import try_lock
from sparkperso.core.places import local_path
from sparkperso.pipeline.job import Job
from sparkperso.platform.filesystem import FileSystem

IDENTITY = "sparkperso.json"
LOCK = "sparkperso.lock"


@dataclass(frozen=True)
class Identity:
    """Whose checkpoint it is; `rules_hash` names the rules of its last micro-batch.

    `generation` is drawn anew for every new checkpoint: it begins the names of its writes.
    """

    source: str
    input: str
    place: str
    rules_hash: str
    generation: str = ""

    @property
    def owner(self) -> tuple[str, str, str]:
        """Returns what must stay the same for the life of a checkpoint."""
        return (self.source, self.input, self.place)

    def batch_name(self, number: int) -> str:
        """Returns the ingest_batch of a micro-batch."""
        return f"{self.generation}-{number}"


def checkpoint_place(job: Job, source: str) -> str:
    """Returns where the checkpoint of a source's stream lies, one for each kind of input."""
    return f"{checkpoint_root(job)}/ingest-events-{source}-{job.settings.stream.input}"


def checkpoint_root(job: Job) -> str:
    """Returns the folder of all checkpoints."""
    root = job.settings.stream.checkpoint_root or f"{job.settings.lake.root}/_checkpoints"
    return root.rstrip("/")


def open_checkpoint(job: Job, place: str, expected: Identity) -> Identity:
    """Returns the identity that lies in a checkpoint, a new one in a new checkpoint.

    Raises UsageError for a checkpoint of another source, for one that has lost its id or its
    progress, and for rules that changed amid a micro-batch.
    """
    files = FileSystem(job.spark)
    files.create(place)
    text = files.read(f"{place}/{IDENTITY}")
    begun, done = (_last(files.names(f"{place}/{log}")) for log in ("offsets", "commits"))
    if text is None and begun >= 0:
        raise _mixed(place, f"It has micro-batches, but no {IDENTITY}, which holds their id")
    stored = (
        Identity(**json.loads(text)) if text else replace(expected, generation=uuid4().hex[:12])
    )
    if stored.owner != expected.owner:
        raise UsageError(
            f"The checkpoint {place} should be that of source '{expected.source}' from "
            f"{expected.input} {expected.place}",
            f"It belongs to source '{stored.source}' from {stored.input} {stored.place}",
            "Name the source that it belongs to, or another stream.checkpoint_root",
        )
    _refuse_old_id(job, place, stored, begun)
    if begun > done and stored.rules_hash != expected.rules_hash:
        _refuse_other_rules(job, stored, begun)
    current = replace(stored, rules_hash=expected.rules_hash)
    if current != stored or not text:
        files.write(f"{place}/{IDENTITY}", json.dumps(asdict(current), indent=1) + "\n")
    return current


@contextmanager
def locked(place: str) -> Iterator[None]:
    """Keeps a second stream of this machine from a checkpoint; the lock ends with the process."""
    folder = local_path(place)
    if folder is None:
        yield
        return
    with (Path(folder) / LOCK).open("w") as file:
        try:
            is_alone = try_lock(file)
        except OSError as error:
            raise JobError(
                "A stream locks its checkpoint, so that no second one of this machine uses it",
                f"{place} cannot be locked: {error.strerror}",
                "Name a folder of a local disk with stream.checkpoint_root",
            ) from None
        if not is_alone:
            raise UsageError(
                "One stream may use a checkpoint at a time",
                f"Another process uses {place}",
                "Stop it first",
            )
        yield


def _last(names: Iterable[str]) -> int:
    """The number of the last micro-batch among the names in one of Spark's logs, -1 for none."""
    return max((int(name) for name in names if name.isdecimal()), default=-1)


def _refuse_old_id(job: Job, place: str, identity: Identity, begun: int) -> None:
    """Tables that hold later micro-batches of this id saw another checkpoint before this one."""
    prefix = identity.batch_name(0)[:-1]
    quality = job.lake.ref("ops/data_quality").read()
    of_stream = quality.where(F.col("ingest_batch").startswith(prefix))
    number = F.substring_index("ingest_batch", "-", -1).cast("int")
    row = of_stream.agg(F.max(number)).first()
    last = -1 if row is None or row[0] is None else row[0]
    if last > begun or _has_written(job, identity, begun + 1):
        written = max(last, begun + 1)
        raise _mixed(
            place,
            f"Its id {identity.generation} wrote micro-batch {written}, which it knows nothing of",
        )


def _refuse_other_rules(job: Job, identity: Identity, begun: int) -> None:
    if _has_written(job, identity, begun):
        raise UsageError(
            "A micro-batch should end under the rules (source, tracking plan, section ingest) that "
            "it began under",
            f"Micro-batch {begun} was interrupted, and the rules have changed since",
            "Start the stream once with the former rules (--available-now), then change them",
        )


def _has_written(job: Job, identity: Identity, number: int) -> bool:
    bronze = job.lake.ref("bronze/events").read()
    return not bronze.where(F.col("ingest_batch") == identity.batch_name(number)).isEmpty()


def _mixed(place: str, finding: str) -> UsageError:
    return UsageError(
        f"The checkpoint {place} and the id of its writes should belong together",
        finding,
        "Restore the checkpoint whole, or move it away whole: a new one starts from the beginning "
        "under a new id, and what is in silver already counts as duplicate",
    )
