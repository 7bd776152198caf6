"""Payment card numbers: prefixes and lengths of the schemes, and the check digit.

Any tenth number has a fitting check digit; without the prefixes, article and order numbers would
be taken for cards.
"""

from __future__ import annotations

from itertools import accumulate

MIN_DIGITS = 14
DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
"""Digit → its double, of two digits their sum."""
SCHEMES: tuple[tuple[int, int, tuple[int, ...]], ...] = (
    # First four digits from, to; lengths, the longest first.
    (2200, 2204, (19, 18, 17, 16)),  # Mir
    (2221, 2720, (16,)),  # Mastercard
    (3000, 3059, (19, 18, 17, 16, 14)),  # Diners Club
    (3095, 3095, (19, 18, 17, 16, 14)),
    (3400, 3499, (15,)),  # American Express
    (3528, 3589, (19, 18, 17, 16)),  # JCB
    (3600, 3699, (19, 18, 17, 16, 15, 14)),  # Diners Club
    (3700, 3799, (15,)),  # American Express
    (3800, 3999, (19, 18, 17, 16, 14)),  # Diners Club
    (4000, 4999, (19, 16)),  # Visa
    (5100, 5599, (16,)),  # Mastercard
    (6011, 6011, (19, 18, 17, 16)),  # Discover
    (6200, 6299, (19, 18, 17, 16)),  # UnionPay
    (6440, 6599, (19, 18, 17, 16)),  # Discover
)


LENGTHS = {
    f"{prefix:04}": lengths for low, high, lengths in SCHEMES for prefix in range(low, high + 1)
}
PLAIN_VALUES = bytes(max(code - 0x30, 0) % 10 for code in range(256))
DOUBLED_VALUES = bytes(DOUBLED[value] for value in PLAIN_VALUES)


class CardNumbers:
    """The card numbers in a row of digits, by sums that make each question cost the same."""

    def __init__(self, digits: str) -> None:
        self._digits = digits
        self._sums: tuple[list[int], list[int]] | None = None

    def lengths_at(self, begin: int) -> tuple[int, ...]:
        """Returns the lengths that a number with the prefix at `begin` may have, longest first."""
        return LENGTHS.get(self._digits[begin : begin + 4], ())

    def has_check_digit(self, begin: int, end: int) -> bool:
        """Says whether the last digit of the part from `begin` to `end` is the others' check digit.

        Luhn's sum is a difference of two running sums, so that a part of any length costs the same.
        """
        if self._sums is None:
            self._sums = _sums(self._digits)
        sums = self._sums[(end - 1) % 2]
        return (sums[end] - sums[begin]) % 10 == 0


def has_check_digit(digits: str) -> bool:
    """Says whether the last digit is the check digit of the others (Luhn 1960, ISO/IEC 7812-1).

    >>> has_check_digit("4111111111111111"), has_check_digit("4111111111111112")
    (True, False)
    """
    return CardNumbers(digits).has_check_digit(0, len(digits))


def is_card(digits: str) -> bool:
    """Says whether digits are a card number: a scheme's prefix and length, and the check digit.

    >>> is_card("4111111111111111"), is_card("1234567812345670")  # no scheme begins with 1
    (True, False)
    """
    fits = len(digits) in LENGTHS.get(digits[:4], ())
    return fits and has_check_digit(digits)


def _sums(digits: str) -> tuple[list[int], list[int]]:
    """Returns sums up to each place: of digits at even places and doubled others, and reversed.

    The check sum of a part is a difference of the one whose plain digits hold the part's last.
    """
    ascii_digits = digits.encode("ascii")
    plain, doubled = ascii_digits.translate(PLAIN_VALUES), ascii_digits.translate(DOUBLED_VALUES)
    even, odd = bytearray(plain), bytearray(doubled)
    even[1::2], odd[1::2] = doubled[1::2], plain[1::2]
    return list(accumulate(even, initial=0)), list(accumulate(odd, initial=0))
