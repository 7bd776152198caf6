"""Copies of content through killed processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.cms import GOOD, Shop, documents
from tests.web_stub import JSON, WebStub

from sparkperso.services.content.copies import Copies

WRITER = """
import sys
from pathlib import Path
from tests.cms import Shop
class Stub: url = "http://127.0.0.1:9"
shop = Shop(Path(sys.argv[1]), Stub)
from sparkperso.services.content.copies import Copies
copies = Copies(shop.settings())
one = copies.read("shop")["offers"]
print("ready", flush=True)
number = 0
while True:
    number += 1
    body = {"any": {"en": "<p>" + str(number) * 20_000 + "</p>"}}
    changed = one.content.model_copy(update={"bodies": body})
    copies.write("shop", {"offers": one.__class__(changed, one.place)})
"""


def test_a_writer_that_is_killed_leaves_a_whole_copy(tmp_path):
    with WebStub(None) as stub:
        stub.answer = lambda request: (200, JSON, json.dumps(documents({"id": 1, **GOOD})).encode())
        shop = Shop(tmp_path, stub)
        shop.fetched()
    copies = Copies(shop.settings())
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(shop.folder)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert writer.stdout.readline() == b"ready\n"
        for _ in range(20):
            assert list(copies.read("shop")) == ["offers"]
        writer.kill()
        writer.wait()
        writer.stdout.close()
        assert list(copies.read("shop")) == ["offers"]
