"""filter and order of list methods."""

import re
from datetime import datetime

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")

OPERATORS = {
    "": lambda have, want: same(have, want), "=": lambda have, want: same(have, want),
    "!": lambda have, want: not same(have, want), "!=": lambda have, want: not same(have, want),
    ">": lambda have, want: key(have) > key(want), ">=": lambda have, want: key(have) >= key(want),
    "<": lambda have, want: key(have) < key(want), "<=": lambda have, want: key(have) <= key(want),
    "@": lambda have, want: same(have, want), "%": lambda have, want: str(want).lower() in str(have).lower(),
}


def key(value):
    """Numbers and moments by their value and before all text, text by its letters."""
    text = "" if value is None else str(value)
    if re.fullmatch(r"-?\d+", text):
        return 0, int(text), ""
    if MOMENT.fullmatch(text):
        return 0, datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp(), ""
    return 1, 0, text


def same(have, want):
    wanted = want if isinstance(want, list) else list(want.values()) if isinstance(want, dict) else [want]
    return any(key(have) == key(one) for one in wanted)


def fits(row, wanted):
    """Whether ROW passes the filter: {prefix and name: value}; names in any case, unknown ones are ignored."""
    names = {name.lower(): name for name in row}
    for prefixed, value in (wanted.items() if isinstance(wanted, dict) else ()):
        operator, name = re.fullmatch(r"([=!<>@%]*)(.*)", prefixed, re.DOTALL).groups()
        if name.lower() in names and not OPERATORS.get(operator, OPERATORS["="])(row[names[name.lower()]], value):
            return False
    return True


def ordered(rows, order, view=lambda row: row):
    """ROWS by {name: ASC or DESC}, the first name first; VIEW makes a dict of a row."""
    for name, direction in reversed(list(order.items() if isinstance(order, dict) else ())):
        def of(row, name=name.lower()):
            return key(next((value for field, value in view(row).items() if field.lower() == name), None))
        rows = sorted(rows, key=of, reverse=str(direction).upper() == "DESC")
    return rows
