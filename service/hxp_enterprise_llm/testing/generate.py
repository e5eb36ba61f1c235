"""Data of any pydantic model, from its own schema: for property tests and as plain examples.

Needs hypothesis. Every document is accepted by the model, its rules over several fields included.

```python
@given(documents(HealthStatus))
def test_it_survives_json(document): ...

(simple,) = examples(HealthStatus, 1)
```
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

Node = Mapping[str, Any]
ModelT = TypeVar("ModelT", bound=BaseModel)
_MOST = 3
"""Entries of a list or a map beyond the fewest that it must have."""


def documents(
    model: type[BaseModel],
    *,
    fields: Mapping[str, SearchStrategy[Any]] | None = None,
    **given: Any,
) -> SearchStrategy[dict[str, Any]]:
    """Return a strategy of plain data that a model accepts.

    Args:
        model: Its schema says what is drawn; keys are as in files (aliases).
        fields: Key, wherever it stands → what to draw for it, where the schema says too little.
        given: Keys of the document that have one value.
    """
    schema = model.model_json_schema(by_alias=True)
    drawn = _Drawing(schema.get("$defs", {}), fields or {}).of(schema)
    return drawn.map(lambda document: document | given).filter(lambda one: _accepted(model, one))


def instances(model: type[ModelT], **options: Any) -> SearchStrategy[ModelT]:
    """Return a strategy of a model's instances; options as `documents` takes them."""
    return documents(model, **options).map(model.model_validate)


def examples(model: type[BaseModel], count: int, *, seed: int = 0, **options: Any) -> list[Any]:
    """Return so many documents of a model, the same at each call; the simplest comes first.

    Args:
        model: As `documents` takes it.
        count: How many at most; a model of few documents has no more.
        seed: Another one gives other documents.
        options: As `documents` takes them.

    Raises:
        hypothesis.errors.Unsatisfiable: None was found; say more in `fields` or by name.
    """
    import hypothesis

    found: list[dict[str, Any]] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(documents(model, **options))
    def collect(document: dict[str, Any]) -> None:
        found.append(document)

    collect()
    return found


def _accepted(model: type[BaseModel], document: Any) -> bool:
    try:
        model.model_validate(document)
    except ValidationError:
        return False
    return True


class _Drawing:
    """Strategies of the nodes of one JSON Schema (draft 2020-12, as pydantic writes it)."""

    def __init__(self, shared: Node, fields: Mapping[str, SearchStrategy[Any]]) -> None:
        self._shared, self._fields = shared, fields
        self._made: dict[str, SearchStrategy[Any]] = {}

    def of(self, node: Node) -> SearchStrategy[Any]:
        from hypothesis import strategies as st

        if "$ref" in node:
            return self._named(node["$ref"].rpartition("/")[2])
        if "const" in node:
            return st.just(node["const"])
        if "enum" in node:
            return st.sampled_from(node["enum"])
        for word in ("anyOf", "oneOf"):
            if word in node:
                return st.one_of([self.of(one) for one in node[word]])
        return self._typed(node)

    def _named(self, name: str) -> SearchStrategy[Any]:
        from hypothesis import strategies as st

        if name not in self._made:
            # Deferred: a model may hold itself.
            self._made[name] = st.deferred(lambda: self.of(self._shared[name]))
        return self._made[name]

    def _typed(self, node: Node) -> SearchStrategy[Any]:
        from hypothesis import strategies as st

        kinds: dict[str, Callable[[Node], SearchStrategy[Any]]] = {
            "object": self._map,
            "array": self._list,
            "string": _text,
            "integer": _integer,
            "number": _number,
            "boolean": lambda _: st.booleans(),
            "null": lambda _: st.none(),
        }
        if "type" not in node:
            return st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8))
        return kinds[node["type"]](node)

    def _map(self, node: Node) -> SearchStrategy[Any]:
        from hypothesis import strategies as st

        required = node.get("required", ())
        parts = {
            key: self._fields[key] if key in self._fields else self.of(value)
            for key, value in node.get("properties", {}).items()
        }
        own = st.fixed_dictionaries(
            {key: part for key, part in parts.items() if key in required},
            optional={key: part for key, part in parts.items() if key not in required},
        )
        pattern, value = self._entries(node)
        if value is None:
            return own
        least = node.get("minProperties", 0)
        keys = _text(node.get("propertyNames", {"pattern": pattern} if pattern else {}))
        more = st.dictionaries(keys, self.of(value), min_size=least, max_size=least + _MOST)
        return st.tuples(more, own).map(lambda both: both[0] | both[1])

    def _entries(self, node: Node) -> tuple[str, Node | None]:
        """Return which further keys a map takes, and the schema of their values."""
        for pattern, value in node.get("patternProperties", {}).items():
            return pattern, value
        more = node.get("additionalProperties")
        if isinstance(more, Mapping):
            return "", more
        return "", {} if more is True and not node.get("properties") else None

    def _list(self, node: Node) -> SearchStrategy[Any]:
        from hypothesis import strategies as st

        if "prefixItems" in node:
            return st.tuples(*(self.of(one) for one in node["prefixItems"])).map(list)
        least = node.get("minItems", 0)
        most = min(node.get("maxItems", least + _MOST), least + _MOST)
        unique = repr if node.get("uniqueItems") else None
        items = self.of(node.get("items", {}))
        return st.lists(items, min_size=least, max_size=most, unique_by=unique)


def _text(node: Node) -> SearchStrategy[Any]:
    from hypothesis import strategies as st

    named = {
        "date": st.dates().map(str),
        "date-time": st.datetimes(timezones=st.timezones()).map(lambda time: time.isoformat()),
        "uuid": st.uuids().map(str),
        "time": st.times().map(str),
    }
    if node.get("format") in named:
        return named[node["format"]]
    if node.get("enum"):
        return st.sampled_from(node["enum"])
    least, most = node.get("minLength", 0), node.get("maxLength")
    if "pattern" in node:
        drawn = st.from_regex(node["pattern"])
        return drawn.filter(lambda text: least <= len(text) and (most is None or len(text) <= most))
    return st.text(st.characters(codec="utf-8"), min_size=least, max_size=most)


def _integer(node: Node) -> SearchStrategy[Any]:
    from hypothesis import strategies as st

    least, most = node.get("minimum"), node.get("maximum")
    if "exclusiveMinimum" in node:
        least = node["exclusiveMinimum"] + 1
    if "exclusiveMaximum" in node:
        most = node["exclusiveMaximum"] - 1
    step = node.get("multipleOf", 1)
    first = None if least is None else -(-least // step)
    last = None if most is None else most // step
    return st.integers(first, last).map(lambda number: number * step)


def _number(node: Node) -> SearchStrategy[Any]:
    from hypothesis import strategies as st

    above, below = node.get("exclusiveMinimum"), node.get("exclusiveMaximum")
    return st.floats(
        min_value=node.get("minimum", above),
        max_value=node.get("maximum", below),
        exclude_min=above is not None,
        exclude_max=below is not None,
        allow_nan=False,
        allow_infinity=False,
    )
