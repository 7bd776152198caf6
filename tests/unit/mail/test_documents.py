"""What docs/email.md shows is so."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import yaml

from sparkperso.config.mail.section import MailConfig
from sparkperso.config.mail.template import MailForm, MailList, MailTexts
from sparkperso.mail.sandbox import MAX_STEPS, MAX_TEXT
from sparkperso.mail.variables import MailItem, MailPerson, MailSlot

PAGE = (Path(__file__).parents[3] / "docs" / "email.md").read_text(encoding="utf-8")


def test_the_mail_of_the_page_is_sound():
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    form = MailForm.model_validate({"name": "picks", **yaml.safe_load(block)})
    assert set(form.languages) == {"en", "de"}


def test_the_code_of_the_page_runs():
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        exec(compile(block, "docs/email.md", "exec"), {})


def test_every_key_and_every_name_is_explained():
    keys = {"from" if name == "from_" else name for name in MailForm.model_fields} - {"name"}
    keys |= {*MailList.model_fields, *MailTexts.model_fields}
    keys |= {one.name for kind in (MailItem, MailPerson, MailSlot) for one in fields(kind)}
    assert [key for key in sorted(keys) if not re.search(rf"\b{key}\b", PAGE)] == []
    settings = {f"mail.{name}" for name in MailConfig.model_fields} - {"mail.smtp"}
    assert [name for name in sorted(settings) if f"`{name}`" not in PAGE] == []


def test_the_bounds_are_those_of_the_page():
    assert f"{MAX_STEPS:,} turns" in PAGE
    assert (MAX_TEXT, "a million characters" in PAGE) == (1_000_000, True)
