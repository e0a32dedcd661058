"""What every number and text of a stored result must be, so that no report trips over a changed file."""

from typing import Any

_MAX = 1e18  # no count of pixels and no seconds of a run come near
_ROUNDING = 1e-6  # a weighted mean of ones may end a little above 1


def require_text(name: str, value: Any) -> None:
    """Raise ValueError unless `value` is text."""
    _require(isinstance(value, str), name, value)


def require_table(name: str, value: Any) -> None:
    """Raise ValueError unless `value` is a mapping read from JSON."""
    _require(isinstance(value, dict), name, value)


def require_share(name: str, value: Any) -> None:
    """Raise ValueError unless `value` is a number from 0 to 1."""
    _require(_is_number(value) and 0 <= value <= 1 + _ROUNDING, name, value)


def require_amount(name: str, value: Any) -> None:
    """Raise ValueError unless `value` is a number that a count or a time can have."""
    _require(_is_number(value) and 0 <= value <= _MAX, name, value)


def refuse_constant(constant: str) -> None:
    """Raise ValueError; for `json.loads`, which would take NaN and Infinity."""
    raise ValueError(f"it holds {constant}, which is no number")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)  # a bool is no number here


def _require(fits: bool, name: str, value: Any) -> None:
    if not fits:
        raise ValueError(f"{name} cannot be {str(value)[:40]!r}")
