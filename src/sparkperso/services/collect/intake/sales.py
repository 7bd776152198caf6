"""The products of a sale, in the forms that clients send, and how many a request may have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from sparkperso.services.collect.intake.event_validation import Invalid
from sparkperso.services.collect.intake.typed_fields import identifier_of

PRODUCT_FIELDS = frozenset({"product_id", "sku", "productId", "name", "price", "quantity"})


@dataclass
class SaleLimits:
    """What the sales of one request may still take, since each line carries its order along."""

    lines: int = 10_000
    """Products of all orders."""
    size: int = 8_388_608
    """Bytes of JSON that lines repeat of their orders, and messages of their batch."""

    def take(self, lines: int, shared: Any) -> None:
        """Takes room for an order's lines, which all have `shared`; raises Invalid if it is full.

        Nothing is built before: a megabyte of empty products and properties would become gigabytes.
        """
        # One line repeats nothing, and too many are refused below without a look at their size.
        size = lines * _size(shared) if 1 < lines <= self.lines else 0
        if lines > self.lines or size > self.size:
            raise Invalid(
                f"the orders of a request should have {SaleLimits.lines} products at most, and "
                f"properties that are {SaleLimits.size} bytes at most when each product repeats "
                f"its order's: this order has {lines} products"
            )
        self.lines -= lines
        self.size -= size

    def repeat(self, times: int, shared: Any) -> None:
        """Takes room for what a batch says for `times` messages, `shared`, in bytes of JSON.

        Raises Invalid if it is full.
        """
        size = times * _size(shared) if times > 1 else 0
        if size > self.size:
            raise Invalid(
                f"what a batch says for all its messages should have {self.size} bytes at most "
                f"when each message repeats it: it has {size}"
            )
        self.size -= size


def _size(value: Any) -> int:
    try:
        return len(orjson.dumps(value))
    except TypeError as error:
        raise Invalid(f"a message should be JSON that is not nested too deeply: {error}") from None


def products_of(sent: Any) -> list[dict[str, Any]]:
    """Returns the products of a sale, in their order; empty when there are none that can be read.

    A list of objects, of ids, or of both; one product alone; or PHP's list, which becomes an object
    when its keys have a gap.

    >>> products_of(["A-1", {"sku": "B-2", "price": 3}])
    [{'product_id': 'A-1'}, {'sku': 'B-2', 'price': 3}]
    """
    if isinstance(sent, dict):
        is_one = not PRODUCT_FIELDS.isdisjoint(sent)
        sent = [sent] if is_one else list(sent.values())
    if not isinstance(sent, list):
        return []
    products = [_product(each) for each in sent]
    return [product for product in products if product is not None]


def _product(sent: Any) -> dict[str, Any] | None:
    if isinstance(sent, dict):
        return sent
    name = identifier_of(sent)
    return None if name is None else {"product_id": name}
