"""A lake whose segments change, and a conf/ with triggers, for tests."""

from __future__ import annotations

import base64
import os
from datetime import datetime, timedelta, timezone

import pyarrow as pa
import yaml
from deltalake import DeltaTable, write_deltalake
from tests.web_stub import WebStub

KEY = b"0123456789abcdefghijklmn"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
OLD_KEY = b"another key of 24 bytes!"
OLD_SECRET = "whsec_" + base64.b64encode(OLD_KEY).decode()
BEGIN = datetime(2026, 6, 1, tzinfo=timezone.utc)
UTC = pa.timestamp("us", tz="UTC")
TEXTS = ("user_id", "segment_id", "segmentation", "label", "change")
HISTORY = pa.schema(
    [pa.field(name, pa.string(), nullable=False) for name in TEXTS]
    + [
        pa.field("as_of", UTC, nullable=False),
        pa.field("model_version", pa.string(), nullable=False),
        pa.field("assigned_at", UTC, nullable=False),
    ]
)
PROFILES = pa.schema(
    [
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("country", pa.string()),
        pa.field("consents", pa.map_(pa.string(), pa.bool_())),
    ]
)
SEGMENTS = """
kind: rules
segments:
  new: {when: {attribute: frequency, at_most: 1}}
  loyal: {label: Loyal customers, when: {attribute: frequency, at_least: 5}}
"""


class Shop:
    """A lake, its conf/, and the environment that holds the secrets."""

    def __init__(self, folder):
        self.lake, self.conf = folder / "lake", folder / "conf"
        self.environ = {"SHOP_SECRET": SECRET}
        self.n = 0
        self.write("segments/people.yaml", SEGMENTS)
        self.settings_of(poll_seconds=0.05, wait_seconds=0.05, most_wait_seconds=0.2)

    def write(self, path, text):
        place = self.conf / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def settings_of(self, outbound=None, serving=None, store=None, **triggers):
        """Writes the settings of base."""
        local = {"allowed_hosts": ["http://127.0.0.1:*"], "allow_private": ["127.0.0.0/8"]}
        tree = {
            "segments": {"segmentations": ["people"]},
            "outbound": local if outbound is None else outbound,
            "serving": {"consent": serving or "required"},
            "triggers": triggers,
            **({"store": store} if store else {}),
        }
        self.write("local/own.yaml", yaml.safe_dump(tree))

    def trigger(self, name, url, **more):
        given = {"segments": ["new"], "url": url, "secret_env": "SHOP_SECRET", "on": "both"}
        self.write(f"triggers/{name}.yaml", yaml.safe_dump({**given, **more}))

    def history(self):
        """Makes the history, which is empty."""
        return DeltaTable.create(
            self.lake / "gold/segment_history",
            HISTORY,
            mode="ignore",
            configuration={"delta.enableChangeDataFeed": "true"},
        )

    def change(self, *changes):
        """Adds (user, segment, change) in one commit; each has a time of its own."""
        self.history()
        rows = []
        for user, segment, change in changes:
            self.n += 1
            rows.append(
                {
                    "user_id": user,
                    "segment_id": segment,
                    "segmentation": "people",
                    "label": segment,
                    "change": change,
                    "as_of": BEGIN,
                    "model_version": "m",
                    "assigned_at": BEGIN + timedelta(seconds=self.n),
                }
            )
        write_deltalake(
            self.lake / "gold/segment_history", pa.Table.from_pylist(rows, HISTORY), mode="append"
        )

    def profiles(self, **consents):
        """Writes gold/profiles: user → what they said on personalisation, None: nothing."""
        rows = [
            {
                "user_id": user,
                "country": "DE",
                "consents": [] if said is None else [("personalisation", said)],
            }
            for user, said in consents.items()
        ]
        write_deltalake(
            self.lake / "gold/profiles", pa.Table.from_pylist(rows, PROFILES), mode="overwrite"
        )

    @property
    def arguments(self):
        return ["--conf-dir", str(self.conf), "--lake", str(self.lake)]

    @property
    def process_environ(self):
        return {**os.environ, **self.environ}


def stub_of(*answers):
    """A receiver that answers with these statuses in turn, then with the last one."""
    left = list(answers)

    def answer(request):
        one = left.pop(0) if len(left) > 1 else left[0]
        status, headers = one if isinstance(one, tuple) else (one, {})
        return status, headers, b"said"

    return WebStub(answer)
