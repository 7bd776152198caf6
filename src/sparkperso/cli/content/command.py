"""`sparkperso content`: what can be shown and where it comes from; what a CMS says now."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import anyio
import click

from sparkperso.cli.options import DEBUG, SETTINGS_OPTIONS, with_options
from sparkperso.config import Settings, load_settings
from sparkperso.config.content.assets import CONTENT, Content
from sparkperso.core.errors import JobError, QualityGateError, UsageError
from sparkperso.core.suggest import did_you_mean
from sparkperso.core.terminal import visible
from sparkperso.core.times import iso
from sparkperso.services.content.cache import ContentCache, SourceStatus
from sparkperso.services.content.mapping import Mapped
from sparkperso.services.content.refresh import ContentRefresh
from sparkperso.services.content.sources import Sources
from sparkperso.services.http.outbound import open_outbound

Found = TypeVar("Found")
SOURCE = click.option("--source", "only", metavar="NAME", help="Only this source.")


@click.group("content", help="Lists what can be shown; asks content management systems.")
def command() -> None:
    """Groups what can be asked about content."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@with_options((*SETTINGS_OPTIONS, DEBUG))
def list_content(
    *,
    as_json: bool,
    env: str,
    conf_dir: Path | None,
    lake: str | None,
    assignments: Sequence[str],
) -> None:
    """List content with its slots, languages and place, and how the sources are. Asks nobody."""
    cache = ContentCache(load_settings(env, conf_dir, assignments, lake), conf_dir)
    contents = cache.shown_contents
    if as_json:
        records = [_record(cache, one) for one in contents]
        states = [_state_record(one) for one in cache.statuses]
        click.echo(json.dumps({"content": records, "sources": states}, ensure_ascii=False))
        return
    width = max((len(one.name) for one in contents), default=0)
    for one in contents:
        record = _record(cache, one)
        languages = ", ".join(record["languages"])
        slots = ", ".join(one.slots)
        click.echo(visible(f"{one.name:<{width}}  {slots}  ({languages})  {record['place']}"))
    for name, why in cache.waiting.items():
        click.echo(visible(f"! {name}: {why}"))
    _say(line for status in cache.statuses for line in _status_lines(status))


@command.command("refresh")
@SOURCE
@with_options((*SETTINGS_OPTIONS, DEBUG))
def refresh(
    *,
    only: str | None,
    env: str,
    conf_dir: Path | None,
    lake: str | None,
    assignments: Sequence[str],
) -> None:
    """Ask the sources now, and keep what they say; services take it within a second.

    Exit status 1 where one did not answer, or where what it says does not fit.
    """
    settings = load_settings(env, conf_dir, assignments, lake)
    names = _names(settings, only)
    cache = ContentCache(settings, conf_dir)

    async def ask(sources: Sources) -> list[SourceStatus]:
        asking = ContentRefresh(cache, sources, settings)
        return [await asking.refresh(name) for name in names]

    statuses = _with_sources(settings, ask)
    _say(line for status in statuses for line in _status_lines(status))
    if failed := [status.name for status in statuses if status.state.error]:
        raise JobError(
            "Every source should say what is shown",
            f"{', '.join(failed)} did not, as is told above",
            "What was shown before still is",
        )


@command.command("check")
@SOURCE
@with_options((*SETTINGS_OPTIONS, DEBUG))
def check(
    *,
    only: str | None,
    env: str,
    conf_dir: Path | None,
    lake: str | None,
    assignments: Sequence[str],
) -> None:
    """Ask the sources, and tell what would change, and which entries do not fit. Keeps nothing.

    Exit status 1 where a source does not answer, 3 where rules and content do not fit together.
    """
    settings = load_settings(env, conf_dir, assignments, lake)
    names = _names(settings, only)
    cache = ContentCache(settings, conf_dir)

    async def ask(sources: Sources) -> dict[str, Mapped]:
        return {name: await sources.fetch(name) for name in names}

    answers = _with_sources(settings, ask)
    assets, problems = cache.preview(answers)
    before = {one.name: one for one in cache.shown_contents}
    _say(_changes(before, assets.contents))
    for name in names:
        _say(f"· source {name}: left out: {problem}" for problem in problems[name])
    _say(f"! {fault}" for fault in assets.faults)
    if assets.faults:
        n = len(assets.faults)
        raise QualityGateError(
            "Rules and content should fit together",
            f"There {'are' if n > 1 else 'is'} {n} fault{'s' if n > 1 else ''}, named above",
            "Services would go on showing what they show now",
        )


def _names(settings: Settings, only: str | None) -> list[str]:
    known = list(settings.cms.sources)
    if not known:
        raise UsageError(
            "cms.sources should name a content management system",
            "It names none",
            "See docs/cms.md",
        )
    if only is not None and only not in known:
        raise UsageError(
            f"--source is one of {', '.join(known)}",
            f"There is no '{only}'",
            did_you_mean(only, known, "Name one of them"),
        )
    return [only] if only else known


def _with_sources(settings: Settings, work: Callable[[Sources], Awaitable[Found]]) -> Found:
    async def run() -> Found:
        async with open_outbound(settings.outbound) as client:
            return await work(Sources(settings, client, os.environ))

    return anyio.run(run)


def _record(cache: ContentCache, content: Content) -> dict[str, Any]:
    bodies = [content.bodies_of(name) for name in content.variants or (None,)]
    source = cache.source_of(content.name)
    return {
        "content_id": content.name,
        "source": source,
        "place": cache.place_of(content.name) or f"conf/{CONTENT}/{content.name}.yaml",
        "slots": list(content.slots),
        "languages": sorted({language for one in bodies for _, language in one}),
        "variants": list(content.variants),
        "priority": content.priority,
        "valid": str(content.valid),
    }


def _state_record(status: SourceStatus) -> dict[str, Any]:
    state = status.state.model_dump(mode="json", exclude={"settings"})
    return {"name": status.name, "kind": status.kind, "contents": status.contents, **state}


def _status_lines(status: SourceStatus) -> Iterator[str]:
    state = status.state
    when = f"as of {iso(state.good_at)}" if state.good_at else "it never answered yet"
    pieces = f"{status.contents} piece{'' if status.contents == 1 else 's'} of content"
    yield f"source {status.name} ({status.kind}): {pieces}, {when}"
    if state.error:
        yield f"  ! {state.error}"
    for problem in state.problems:
        yield f"  · left out: {problem}"


def _changes(before: Mapping[str, Content], after: Mapping[str, Content]) -> Iterator[str]:
    for name in sorted({*before, *after}):
        if name not in before:
            yield f"+ {name}"
        elif name not in after:
            yield f"- {name}"
        elif before[name] != after[name]:
            yield f"~ {name}"


def _say(lines: Iterator[str]) -> None:
    for line in lines:
        click.echo(visible(line))
