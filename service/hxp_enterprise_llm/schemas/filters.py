"""Filters and orders of lists: typed, of fields that are released, never a part of SQL's text."""

from __future__ import annotations

import operator as compare
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from hxp_enterprise_llm.core.exceptions import InvalidInputError
from hxp_enterprise_llm.schemas.base import CitadelModel

FieldName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
MOST = 20
"""Conditions in one filter at most."""
MOST_VALUES = 100
"""Values of `in` at most."""
_FORM = re.compile(r"([a-z][a-z0-9_]{0,62})(?:\[([a-z-]+)\])?")
_COLUMN = re.compile(r"[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?")


class Operator(StrEnum):
    """How a field is compared."""

    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    IN = "in"
    CONTAINS = "contains"
    STARTS_WITH = "starts-with"


_SQL: Mapping[Operator, str] = {
    Operator.EQ: "{column} = {value}",
    # Unlike <>, it holds for a column without a value, as `matches` does.
    Operator.NE: "{column} IS DISTINCT FROM {value}",
    Operator.LT: "{column} < {value}",
    Operator.LE: "{column} <= {value}",
    Operator.GT: "{column} > {value}",
    Operator.GE: "{column} >= {value}",
    Operator.IN: "{column} = ANY({value})",
    Operator.CONTAINS: "{column} LIKE {value} ESCAPE '\\'",
    Operator.STARTS_WITH: "{column} LIKE {value} ESCAPE '\\'",
}
_TEXTS = frozenset({Operator.CONTAINS, Operator.STARTS_WITH})
_ORDERED = frozenset({Operator.LT, Operator.LE, Operator.GT, Operator.GE})


class Condition(CitadelModel):
    """One comparison."""

    field: FieldName = Field(description="Name of the field.")
    operator: Operator = Field(default=Operator.EQ, description="How it is compared.")
    value: Any = Field(description="What with; a list for `in`.")

    def matches(self, item: BaseModel) -> bool:
        """Return whether an item keeps to it; a field without a value keeps to none but `ne`."""
        found = getattr(item, self.field)
        if found is None:
            return self.operator is Operator.NE
        return _HOLDS[self.operator](found, self.value)


class Sort(CitadelModel):
    """What a list is ordered by."""

    field: FieldName = Field(description="Name of the field.")
    descending: bool = Field(default=False, description="The greatest first.")


@dataclass(frozen=True)
class Where:
    """A part of a query for PostgreSQL.

    Attributes:
        sql: Text with `$1`, `$2`, … and released columns; nothing of it comes from a caller.
        values: The values of the numbers, in order.
    """

    sql: str
    values: tuple[Any, ...]


class Filter(CitadelModel):
    """Conditions that all must hold."""

    conditions: tuple[Condition, ...] = Field(default=(), max_length=MOST, description="All hold.")

    def matches(self, item: BaseModel) -> bool:
        """Return whether an item keeps to all conditions."""
        return all(condition.matches(item) for condition in self.conditions)

    def where(self, columns: Mapping[str, str], *, first: int = 1) -> Where:
        """Return the filter for a query.

        Args:
            columns: Column of each field; small letters, digits and `_`.
            first: Number of the first value.

        Raises:
            ValueError: A column has another form; that is our own mistake.
        """
        parts, values = [], []
        for number, condition in enumerate(self.conditions, start=first):
            column = _column(columns[condition.field])
            parts.append(_SQL[condition.operator].format(column=column, value=f"${number}"))
            values.append(_bound(condition))
        return Where(" AND ".join(parts) or "TRUE", tuple(values))


class Filterable:
    """The fields of a model that callers may filter and sort by, and how each is compared.

    Args:
        model: The model of the items.
        fields: Names of the fields that are released; nothing else can be asked for.
    """

    def __init__(self, model: type[BaseModel], fields: Sequence[str]) -> None:
        self._adapters = {name: _adapter(model.model_fields[name]) for name in fields}

    def parse(self, query: Mapping[str, str]) -> Filter:
        """Return the filter of a query string: `status=ready`, `memory_mb[ge]=8192`.

        Raises:
            InvalidInputError: A field is not released, or a value has another type.
        """
        if len(query) > MOST:
            raise _refused(f"the filter has more than {MOST} conditions", "Ask for less at once")
        return Filter(conditions=tuple(self._condition(*item) for item in query.items()))

    def sort(self, text: str) -> tuple[Sort, ...]:
        """Return the order of a text: `name`, `-timestamp,name`.

        Raises:
            InvalidInputError: A field is not released.
        """
        found = tuple(
            Sort(field=self._released(part.removeprefix("-")), descending=part.startswith("-"))
            for part in text.split(",")
            if part
        )
        if len({sort.field for sort in found}) < len(found):
            raise _refused("the order names a field twice", "Name each once")
        return found

    def _condition(self, name: str, text: str) -> Condition:
        match = _FORM.fullmatch(name)
        field = self._released(match[1] if match else "")
        word = (match[2] if match else None) or Operator.EQ
        if word not in set(Operator):
            raise _refused(f"{field} cannot be compared so", f"Use one of {', '.join(Operator)}")
        operator = Operator(word)
        texts = text.split(",") if operator is Operator.IN else [text]
        if len(texts) > MOST_VALUES:
            raise _refused(f"{field}: more than {MOST_VALUES} values", "Ask for less at once")
        values = [self._value(field, operator, item) for item in texts]
        value = tuple(values) if operator is Operator.IN else values[0]
        return Condition(field=field, operator=operator, value=value)

    def _value(self, field: str, operator: Operator, text: str) -> Any:
        # PostgreSQL's texts cannot hold it, and nothing that we keep has one.
        if "\0" in text:
            raise _refused(f"{field}: the value has a NUL", "Leave it out")
        try:
            value = self._adapters[field].validate_strings(text)
        except ValidationError:
            raise _refused(f"{field}: the value has another type", "See the API's page") from None
        if operator in _TEXTS and not isinstance(value, str):
            raise _refused(f"{field} is no text", "Compare it with eq, ne, lt, le, gt, ge or in")
        if operator in _ORDERED and isinstance(value, bool):
            raise _refused(f"{field} is true or false", "Compare it with eq or ne")
        return value

    def _released(self, field: str) -> str:
        if field not in self._adapters:
            raise _refused(
                "a field that cannot be filtered by", f"Use one of {', '.join(self._adapters)}"
            )
        return field


def order_by(sorts: Sequence[Sort], columns: Mapping[str, str]) -> str:
    """Return the text behind ORDER BY; empty for no order.

    Args:
        sorts: What to order by, the first first.
        columns: Column of each field; small letters, digits and `_`.

    Raises:
        ValueError: A column has another form; that is our own mistake.
    """
    return ", ".join(
        f"{_column(columns[sort.field])} {'DESC' if sort.descending else 'ASC'}" for sort in sorts
    )


_HOLDS: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQ: compare.eq,
    Operator.NE: compare.ne,
    Operator.LT: compare.lt,
    Operator.LE: compare.le,
    Operator.GT: compare.gt,
    Operator.GE: compare.ge,
    Operator.IN: lambda found, value: found in value,
    Operator.CONTAINS: compare.contains,
    Operator.STARTS_WITH: str.startswith,
}


def _bound(condition: Condition) -> Any:
    if condition.operator is Operator.IN:
        return list(condition.value)
    if condition.operator not in _TEXTS:
        return condition.value
    literal = re.sub(r"([\\%_])", r"\\\1", condition.value)
    return f"%{literal}%" if condition.operator is Operator.CONTAINS else f"{literal}%"


def _column(name: str) -> str:
    if _COLUMN.fullmatch(name) is None:
        raise ValueError(f"{name!r} is not the name of a column")
    return name


def _adapter(field: FieldInfo) -> TypeAdapter[Any]:
    kind: Any = field.annotation
    # Without its marks a field of a constrained type would take any text.
    for mark in field.metadata:
        kind = Annotated[kind, mark]
    return TypeAdapter(kind)


def _refused(message: str, fix: str) -> InvalidInputError:
    return InvalidInputError(message, next_step=f"{fix}.")
