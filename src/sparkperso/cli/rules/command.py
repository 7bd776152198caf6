"""`sparkperso rules`: lists rules in their order, and shows what one person would see, and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from sparkperso.cli.content.shown import shown_rulebook
from sparkperso.cli.options import CONF_DIR, DEBUG, ENV, SET, SETTINGS_OPTIONS, with_options
from sparkperso.cli.rules.person import Person, read_items, read_list, read_person
from sparkperso.cli.rules.report import lines_of, rulebook_lines, slot_record
from sparkperso.config import Settings, load_settings
from sparkperso.core.errors import UsageError
from sparkperso.core.spellings import country_codes
from sparkperso.core.terminal import visible
from sparkperso.core.times import now, read_time
from sparkperso.decisions.decision import WEB, Choice, decide
from sparkperso.decisions.facts import Facts, may_personalise, read_context
from sparkperso.decisions.items import (
    ListedItems,
    active_rules,
    apply_item_rules,
    explain_item_rules,
)
from sparkperso.decisions.rulebook import Rulebook
from sparkperso.platform.lake_reader import LakeReader
from sparkperso.rules.context import SENT, TEXTS

SPARE = 50
"""Items of a list that are read beyond its places: rules leave some out."""


@click.group("rules", help="Lists rules, and shows what one person would see, and why.")
def command() -> None:
    """Groups what can be asked about rules."""


@command.command("list")
@with_options((ENV, CONF_DIR, SET, DEBUG))
def list_rules(env: str, conf_dir: Path | None, assignments: Sequence[str]) -> None:
    """List the rules of each slot in the order in which they are asked, then those for items."""
    settings = load_settings(env, conf_dir, assignments)
    for line in rulebook_lines(shown_rulebook(settings, conf_dir)):
        click.echo(visible(line))


@command.command("test")
@click.option("--user", metavar="ID", help="A user of the lake; without, an unknown visitor.")
@click.option(
    "--context",
    "sent",
    multiple=True,
    metavar="KEY=VALUE",
    help="A fact of the request: " + ", ".join(SENT) + ". Lists are separated by commas.",
)
@click.option("--slot", "slots", multiple=True, metavar="NAME", help="Only this slot.")
@click.option("--at", metavar="TIME", help="When the request comes (ISO 8601; UTC). Default: now.")
@click.option("--explain", is_flag=True, help="Every rule, and why it did or did not win.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@with_options((*SETTINGS_OPTIONS, DEBUG))
def preview(
    *,
    user: str | None,
    sent: Sequence[str],
    slots: Sequence[str],
    at: str | None,
    explain: bool,
    as_json: bool,
    env: str,
    conf_dir: Path | None,
    lake: str | None,
    assignments: Sequence[str],
) -> None:
    """Show what a person would see in each slot, by their segments, profile and consent.

    Nothing is written, and no Spark is started.
    """
    settings = load_settings(env, conf_dir, assignments, lake)
    book = shown_rulebook(settings, conf_dir)
    context = read_context(_pairs(sent), country_codes(settings.ingest.country_aliases))
    reader = LakeReader(settings.lake)
    person = read_person(reader, user) if user is not None else Person()
    facts = _facts(settings, person, context, at)
    channel = context.get("channel", WEB)
    asked = slots or [name for name, slot in book.slots.items() if channel in slot.channels]
    decision = decide(book, facts, asked, explain=explain)
    lists = {
        name: _listed(reader, book, facts, person, choice)
        for name, choice in decision.slots.items()
    }
    items = {name: listed for name, listed in lists.items() if listed is not None}
    looked_at = {
        name: explain_item_rules(book.item_rules, facts, name, choice.items.kind)
        for name, choice in decision.slots.items()
        if explain and choice.items
    }
    if as_json:
        record = {
            "user_id": person.user_id,
            "segments": list(person.segments),
            "strategy": decision.strategy,
            "slots": {
                name: slot_record(choice, items.get(name), looked_at.get(name, ()), explain)
                for name, choice in decision.slots.items()
            },
        }
        click.echo(json.dumps(record, ensure_ascii=False))
        return
    basis = settings.serving.consent
    for line in lines_of(person, decision, items, looked_at, basis):
        click.echo(visible(line))


def _facts(settings: Settings, person: Person, context: dict[str, Any], at: str | None) -> Facts:
    region = context.get("country") or person.attributes.get("country")
    try:
        moment = now() if at is None else read_time(at, now().tzinfo)
    except ValueError as error:
        raise UsageError("--at takes a time of ISO 8601", f"Found '{at}': {error}") from None
    return Facts(
        moment,
        context,
        person.user_id,
        person.attributes,
        frozenset(person.segments),
        may_personalise(settings, person.decision, region),
    )


def _listed(
    lake: LakeReader, book: Rulebook, facts: Facts, person: Person, choice: Choice
) -> ListedItems | None:
    """The items of a slot's list after the rules for items; None where it holds no list."""
    if choice.items is None:
        return None
    kind, n = choice.items.kind, choice.items.n
    rules = active_rules(book.item_rules, facts, choice.slot, kind)
    pinned = [item for one in rules for item in one.rule.pin or ()]
    items = read_list(lake, kind, person, facts.context, n + SPARE)
    excluded = {*facts.context.get("cart", ()), facts.context.get("in_view")} - {None}
    return apply_item_rules(
        items, rules, facts, n, excluded=excluded, catalogue=read_items(lake, pinned)
    )


def _pairs(sent: Sequence[str]) -> dict[str, Any]:
    """`cart=a,b` → {"cart": ["a", "b"]}; raises UsageError for what is no pair, or comes twice."""
    pairs: dict[str, Any] = {}
    for text in sent:
        name, equals, value = text.partition("=")
        if not equals or name in pairs:
            raise UsageError(
                "--context takes KEY=VALUE, each key once",
                f"Found '{text}'" + (" a second time" if equals else ""),
            )
        is_list = SENT.get(name) == TEXTS
        pairs[name] = [one for one in value.split(",") if one] if is_list else value
    return pairs
