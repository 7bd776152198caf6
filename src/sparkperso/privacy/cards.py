"""Payment card numbers: prefixes and lengths of the schemes, and the check digit.

Any tenth number has a fitting check digit; without the prefixes, article and order numbers would
be taken for cards.
"""

from __future__ import annotations

from collections.abc import Container

MIN_DIGITS = 14
DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
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


def card_length(digits: str, begin: int, ends: Container[int]) -> int | None:
    """Returns the length of the card number at `begin` that ends in one of `ends`, if there is one.

    It has a scheme's prefix and length, and a check digit.
    """
    for length in LENGTHS.get(digits[begin : begin + 4], ()):
        if begin + length in ends and has_check_digit(digits[begin : begin + length]):
            return length
    return None


def has_check_digit(digits: str) -> bool:
    """Says whether the last digit is the check digit of the others (Luhn 1960, ISO/IEC 7812-1)."""
    numbers = [int(digit) for digit in reversed(digits)]
    return (sum(numbers[::2]) + sum(DOUBLED[number] for number in numbers[1::2])) % 10 == 0
