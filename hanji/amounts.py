"""Amounts of tokens as a person writes them: ``300B``, ``2.5M``, ``4096``."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_UNITS = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "B": 10**9, "G": 10**9, "T": 10**12}
_WRITTEN = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kKMBGT]?)")


def parse_amount(value: Any) -> Any:
    """A whole number from "300B", "2.5M", "64k" or "4_096"; anything but text is handed back as it is.

    Raises ValueError for text that is no amount, or not a whole one ("1.5").
    """
    if not isinstance(value, str):
        return value
    found = _WRITTEN.fullmatch(value.strip().replace("_", "").replace(",", ""))
    if found is None:
        raise ValueError("write a number of tokens, or one with k, M, B or T: 300B, 2.5M, 4096")
    amount = Decimal(found[1]) * _UNITS[found[2]]
    if amount != int(amount):
        raise ValueError(f"{value} is no whole number of tokens")
    return int(amount)


MOST_TOKENS = 10**18
TokenAmount = Annotated[int, BeforeValidator(parse_amount), Field(gt=0, le=MOST_TOKENS)]
"""A number of tokens, at least one, and few enough that sums of them are whole numbers of 64 bits."""


def shown_amount(tokens: int) -> str:
    """An amount as :func:`parse_amount` reads it, exactly: "300B", "1234567"."""
    for unit in ("T", "B", "M"):
        size = _UNITS[unit]
        if tokens and tokens % (size // 10) == 0 and tokens >= size:
            whole, tenths = divmod(tokens // (size // 10), 10)
            return f"{whole}.{tenths}{unit}" if tenths else f"{whole}{unit}"
    return str(tokens)
