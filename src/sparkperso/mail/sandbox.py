"""Jinja for mails: nothing undefined, nothing that was not given, and an end to all of it.

Turns of loops and calls cost steps, of which a text has `MAX_STEPS`, and it has `MAX_TEXT`
characters at most: a template that does not end fails, and holds nobody up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from jinja2 import (
    StrictUndefined,
    Template,
    TemplateSyntaxError,
    UndefinedError,
    nodes,
    pass_context,
)
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.meta import find_undeclared_variables
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sparkperso.config.mail.template import Price

MAX_STEPS = 10_000
"""Turns of loops, and calls, of one text."""
MAX_TEXT = 1_000_000
"""Characters of one text."""
MAX_ROW = 12
BUDGET, PRICE = "_budget", "_price"
"""What a template's variables hold beside those that it may name."""
FILTERS = (
    *("abs", "capitalize", "default", "d", "e", "escape", "first", "float", "groupby", "int"),
    *("items", "join", "last", "length", "count", "list", "lower", "map", "max", "min"),
    *("reject", "rejectattr", "reverse", "round", "select", "selectattr", "sort", "string"),
    *("striptags", "sum", "title", "trim", "truncate", "unique", "upper", "urlencode"),
    "wordcount",
)
"""Of Jinja's own filters those that make no long text of a short one."""
FORBIDDEN = {
    **dict.fromkeys((nodes.Include, nodes.Import, nodes.FromImport), "include and import"),
    **dict.fromkeys((nodes.Extends, nodes.Block), "extends and block"),
    **dict.fromkeys(
        (nodes.AssignBlock, nodes.FilterBlock, nodes.CallBlock), "set, filter and call with a body"
    ),
}
"""What reads other files, or writes where nobody counts."""
PLAIN = (str, bytes, int, float, list, tuple, set, frozenset)
"""Values whose methods no template calls: filters do what it needs, and do not pad."""
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""Characters that no HTML holds."""


class MailTemplateError(Exception):
    """A template that cannot be used, or not with what it was given; the text says where, why."""


@dataclass
class Budget:
    """What is left to a text."""

    steps: int = MAX_STEPS
    characters: int = MAX_TEXT

    def spend(self, steps: int) -> None:
        """Takes steps; raises SecurityError where there are no more."""
        self.steps -= steps
        if self.steps < 0:
            raise SecurityError(f"takes more than {MAX_STEPS:,} turns of loops and calls")

    def write(self, characters: int) -> None:
        """Takes characters; raises SecurityError where there are no more."""
        self.characters -= characters
        if self.characters < 0:
            raise SecurityError(f"has more than {MAX_TEXT:,} characters")


class _Sandbox(ImmutableSandboxedEnvironment):
    """Counts the turns of every loop and every call; multiplies and formats no text."""

    intercepted_binops = frozenset({"*", "%", "**"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Returns what an operator makes of two numbers; raises SecurityError for anything else."""
        if operator == "**" or not all(isinstance(one, int | float) for one in (left, right)):
            raise SecurityError(f"'{operator}' is for numbers, and ** for none")
        return super().call_binop(context, operator, left, right)

    def call(*arguments: Any, **named: Any) -> Any:  # as Jinja's own: any name may be an argument
        """Calls what a template calls, for one step."""
        context = arguments[1]
        context.resolve(BUDGET).spend(1)
        return ImmutableSandboxedEnvironment.call(*arguments, **named)

    def wrap_str_format(self, value: Any) -> None:
        """Gives no way to format: a text of any length can be asked for in a few characters."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Says whether a template may have an attribute: no method of a plain value."""
        is_method = isinstance(obj, PLAIN) and callable(value)
        return not is_method and super().is_safe_attribute(obj, attr, value)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for node in tree.find_all(tuple(FORBIDDEN)):
            words = f"{FORBIDDEN[type(node)]} are not for mails"
            raise TemplateSyntaxError(words, node.lineno, name)
        for loop in tree.find_all(nodes.For):
            if loop.recursive:
                raise TemplateSyntaxError("recursive loops are not for mails", loop.lineno, name)
            loop.iter = nodes.Filter(
                loop.iter, "_counted", [], [], None, None, lineno=loop.iter.lineno
            )
        for assignment in tree.find_all(nodes.Assign):
            assignment.node = nodes.Filter(
                assignment.node, "_kept", [], [], None, None, lineno=assignment.lineno
            )
        return tree


@pass_context
def _counted(context: Context, values: Iterable[Any]) -> list[Any]:
    listed = list(values)
    context.resolve(BUDGET).spend(len(listed))
    return listed


@pass_context
def _money(context: Context, amount: float) -> str:
    """Writes an amount as the mail's language does: 1234.5 is `£1,234.50`."""
    return money(amount, cast(Price, context.resolve(PRICE)))


def money(amount: float, price: Price) -> str:
    """Returns an amount with two decimals.

    >>> money(1234.5, Price(pattern="{} €", decimal=","))
    '1.234,50 €'
    """
    text = f"{amount:,.2f}"
    if price.decimal == ",":
        text = text.translate(str.maketrans(",.", ".,"))
    return price.pattern.replace("{}", text)


@pass_context
def _kept(context: Context, value: Any) -> Any:
    """Counts a text that gets a name: doubled again and again, it would fill the memory."""
    if isinstance(value, str):
        context.resolve(BUDGET).write(len(value))
    return value


def rows(values: Iterable[Any], n: int) -> list[list[Any]]:
    """Returns values in rows of `n`, the last one shorter.

    >>> rows("abc", 2)
    [['a', 'b'], ['c']]
    """
    if not isinstance(n, int) or not 1 <= n <= MAX_ROW:
        raise SecurityError(f"rows are of 1 to {MAX_ROW} values")
    listed = list(values)
    return [listed[start : start + n] for start in range(0, len(listed), n)]


@pass_context
def _written(context: Context, value: Any) -> Any:
    """Counts what is written, and leaves out what no HTML can hold: a title may have anything."""
    if not isinstance(value, str):
        return value
    context.resolve(BUDGET).write(len(value))
    return type(value)(CONTROLS.sub("", value)) if CONTROLS.search(value) else value


@cache
def sandbox(is_html: bool) -> _Sandbox:
    """Returns the environment of HTML, whose values are escaped, or of plain text."""
    environment = _Sandbox(
        autoescape=is_html,
        undefined=StrictUndefined,
        finalize=_written,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    environment.globals.clear()
    own = {name: environment.filters[name] for name in FILTERS}
    environment.filters = {
        **own,
        "money": _money,
        "rows": rows,
        "_counted": _counted,
        "_kept": _kept,
    }
    return environment


class Text:
    """A text of a template, compiled."""

    def __init__(self, source: str, place: str, *, is_html: bool) -> None:
        """Raises MailTemplateError, with the line, for a text that is no template."""
        self.source, self.place, self.is_html = source, place, is_html
        # Most texts of a mail are plain: they cost nothing.
        self._plain = source if not re.search(r"\{[{%#]", source) and not is_html else None
        self._template = None if self._plain is not None else self._compiled()

    def _compiled(self) -> Template:
        environment = sandbox(self.is_html)
        try:
            code = environment.compile(self.source, self.place, self.place)
            return environment.template_class.from_code(environment, code, {}, None)
        except TemplateSyntaxError as error:
            raise MailTemplateError(f"{self.place}, line {error.lineno}: {error.message}") from None
        except (SyntaxError, RecursionError, MemoryError) as error:
            raise MailTemplateError(f"{self.place}: {error}") from None

    @property
    def names(self) -> set[str]:
        """Returns the names that the text uses and does not give itself, in any branch."""
        if self._template is None:
            return set()
        return find_undeclared_variables(sandbox(self.is_html).parse(self.source))

    def render(self, variables: Mapping[str, Any], price: Price) -> str:
        """Returns the text; raises MailTemplateError, with the line, where it cannot be made."""
        if self._template is None:
            return self.source
        given = {**variables, BUDGET: Budget(), PRICE: price}
        try:
            return _bounded(self._template.generate(given))
        except Exception as error:
            raise MailTemplateError(f"{self._place_of(error)}: {_reason(error)}") from None

    def _place_of(self, error: Exception) -> str:
        """The line of the template that an error came from, as Jinja's traceback has it."""
        trace, line = error.__traceback__, None
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self.place:
                line = trace.tb_lineno
            trace = trace.tb_next
        return f"{self.place}, line {line}" if line else self.place


def _bounded(parts: Iterable[str]) -> str:
    texts, size = [], 0
    for part in parts:
        size += len(part)
        if size > MAX_TEXT:
            raise SecurityError(f"has more than {MAX_TEXT:,} characters")
        texts.append(part)
    return "".join(texts)


def _reason(error: Exception) -> str:
    if isinstance(error, UndefinedError | SecurityError | TemplateError):
        return str(error.message if isinstance(error, TemplateError) else error)
    return f"{type(error).__name__}: {error}"
