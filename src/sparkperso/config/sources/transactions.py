"""Lines of orders as events: what a source of kind `transactions` is short for."""

from __future__ import annotations

from sparkperso.config.ingest import RuleConfig
from sparkperso.config.sources.source import SourceConfig

OF_ORDERS = ("order_id", "quantity", "unit_price", "title", "category")
"""Fields of a transaction that are keys of the event's metadata."""
NOT_OF_EVENTS = (*OF_ORDERS, "status")


def as_events(source: SourceConfig) -> SourceConfig:
    """Returns a source of transactions as one of events; any other as it is.

    A line becomes a `purchase`, or a `refund` where its status says so or its quantity is below
    zero. Its value is quantity × unit_price in its currency, never below zero; order_id, quantity,
    unit_price, title and category stand in the metadata, where the suite reads them.
    """
    if source.kind != "transactions":
        return source
    own = source.columns
    columns = {name: text for name, text in own.items() if name not in NOT_OF_EVENTS}
    columns |= {f"metadata.{name}": own[name] for name in OF_ORDERS if name in own}
    if "quantity" in own:
        columns["metadata.quantity"] = f"abs({_number(own['quantity'])})"
    columns["event_type"] = _event_type(source)
    columns["value"] = _value(source)
    changes = {
        "kind": "events",
        "columns": columns,
        "statuses": {},
        "rules": (*source.rules, *_rules(source)),
    }
    return source.model_copy(update=changes)


def _number(expression: str) -> str:
    return f"try_cast(({expression}) AS DOUBLE)"


def _status(source: SourceConfig) -> str:
    return f"lower(trim(CAST(({source.columns['status']}) AS STRING)))"


def _texts(source: SourceConfig, sale: str | None = None) -> str:
    texts = [text for text, meaning in source.statuses.items() if sale in (None, meaning)]
    quoted = (text.strip().lower().replace("\\", "\\\\").replace("'", "\\'") for text in texts)
    return ", ".join(f"'{text}'" for text in quoted)


def _event_type(source: SourceConfig) -> str:
    refunds = []
    if refunded := "status" in source.columns and _texts(source, "refund"):
        refunds.append(f"{_status(source)} IN ({refunded})")
    if "quantity" in source.columns:
        refunds.append(f"{_number(source.columns['quantity'])} < 0")
    return (
        f"CASE WHEN {' OR '.join(refunds)} THEN 'refund' ELSE 'purchase' END"
        if refunds
        else ("'purchase'")
    )


def _value(source: SourceConfig) -> str:
    own = source.columns
    if "value" in own:
        return f"abs({_number(own['value'])})"
    quantity = f"abs({_number(own['quantity'])}) * " if "quantity" in own else ""
    return f"{quantity}{_number(own['unit_price'])}"


def _rules(source: SourceConfig) -> list[RuleConfig]:
    rules = []
    for name in ("quantity", "unit_price", "value"):
        if name in source.columns:
            text = source.columns[name]
            given, is_bad = f"({text}) IS NOT NULL", f"{_number(text)} IS NULL"
            rules.append(
                RuleConfig(
                    code="wrong_type",
                    when=f"{given} AND {is_bad}",
                    message=f"{name} is not a number",
                    shows=text,
                )
            )
    if "status" in source.columns:
        status = _status(source)
        rules.append(
            RuleConfig(
                code="out_of_range",
                when=f"{status} NOT IN ({_texts(source)})",
                message="status is none of statuses",
                shows=source.columns["status"],
            )
        )
    return rules
