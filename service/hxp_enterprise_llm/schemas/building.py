"""Makes models: records with ids and times from where they are told, frozen models key by key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from hxp_enterprise_llm.core.exceptions import InvalidInputError
from hxp_enterprise_llm.schemas.common import Record, new_id, now
from hxp_enterprise_llm.utilities.validation import model

ModelT = TypeVar("ModelT", bound=BaseModel)
RecordT = TypeVar("RecordT", bound=Record)


class RecordFactory:
    """Makes records of any kind with ids and times from one source.

    Args:
        clock: Returns the time, with its zone.
        new_id: Returns a new id.

    Example:
        >>> factory = RecordFactory(new_id=lambda: "a1")
        >>> factory.make(Record, status="ready").id
        'a1'
    """

    def __init__(
        self, *, clock: Callable[[], datetime] = now, new_id: Callable[[], str] = new_id
    ) -> None:
        self._clock, self._new_id = clock, new_id

    def make(self, kind: type[RecordT], **fields: Any) -> RecordT:
        """Return a new record; fields that are given count before the factory's own."""
        return kind.model_validate({"id": self._new_id(), "timestamp": self._clock()} | fields)


class Builder(Generic[ModelT]):
    """Collects the keys of a model one by one, and makes it at once, checked.

    Args:
        kind: The model.

    Example:
        >>> Builder(Record).set("id", "a1").set("status", "ready").build().status
        'ready'
    """

    def __init__(self, kind: type[ModelT]) -> None:
        self._kind = kind
        self._data: dict[str, Any] = {}

    def set(self, path: str, value: Any) -> Builder[ModelT]:
        """Set the key under a dotted path; return the builder.

        Args:
            path: Such as `resources.memory_mb`.
            value: Replaces what stood there.

        Raises:
            InvalidInputError: A key above holds a value that has no keys.
        """
        *above, last = path.split(".")
        section = self._data
        for length, part in enumerate(above, start=1):
            below = section.setdefault(part, {})
            if not isinstance(below, dict):
                raise InvalidInputError(
                    f"{'.'.join(above[:length])} is set to a value, which has no keys",
                    next_step=f"Set {path} first, or leave the other out.",
                )
            section = below
        section[last] = value
        return self

    def build(self) -> ModelT:
        """Return the model.

        Raises:
            InvalidInputError: Names every key that is wrong, and no value.
        """
        return model(self._kind, self._data, where=self._kind.__name__)
