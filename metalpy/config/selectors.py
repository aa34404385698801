"""Label selectors, in the spelling of the legacy configuration and in that of Kubernetes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metalpy.config.findings import shown
from metalpy.config.hints import EXPRESSION, SELECTOR, Section
from metalpy.config.values import check_label_key, check_label_value
from metalpy.model import LabelExpression, LabelSelector, Operator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metalpy.config.decoding import Decoder, Fields
    from metalpy.config.document import Node

Requirement = tuple[str, str, tuple[str, ...]]
Requirements = tuple[tuple[Requirement, ...], ...]


@dataclass(frozen=True, slots=True)
class SelectorForm:
    """How a format spells selectors, and whether it refuses what stands in one twice."""

    selector: Section
    expression: Section
    labels: str
    expressions: str
    refuses_repeats: bool


LEGACY_FORM = SelectorForm(SELECTOR, EXPRESSION, "match-labels", "match-expressions", refuses_repeats=False)
KUBERNETES_FORM = SelectorForm(
    Section("a label selector", ("matchLabels", "matchExpressions")),
    Section("a match expression", ("key", "operator", "values")),
    "matchLabels",
    "matchExpressions",
    refuses_repeats=True,
)


class SelectorReader:
    """Reads the label selectors of one text."""

    def __init__(self, decoder: Decoder, form: SelectorForm) -> None:
        self._decoder = decoder
        self._findings = decoder.findings
        self._form = form

    def selectors(self, fields: Fields, key: str) -> tuple[tuple[LabelSelector, ...], Requirements]:
        """Read a list of selectors; gives also their requirements as written, for comparing by the text."""
        # No selector at all is the same as one that fits every node.
        nodes = self._decoder.items(fields, key, "label selectors") if key in fields.values else None
        if not nodes:
            return (), ((),)
        selectors: list[LabelSelector] = []
        requirements = []
        known: dict[object, str] = {}
        for index, node in enumerate(nodes):
            path = f"{fields.path_of(key)}[{index}]"
            selector_fields = self._decoder.fields(node, path, self._form.selector)
            if selector_fields is None:
                continue
            selector, required = self._selector(selector_fields)
            self._refuse_repeat(known, canonical_selector(selector), node, path)
            selectors.append(selector)
            requirements.append(required)
        return tuple(selectors), tuple(requirements) or ((),)

    def selector(self, fields: Fields, key: str) -> LabelSelector:
        """Read one selector, which must be there; it may be empty and fit everything."""
        node = fields.get(key)
        if node is None or self._decoder.is_null_field(fields, key):
            self._decoder.error(fields, key, "is missing: give a label selector")
            return LabelSelector()
        inner = self._decoder.fields(node, fields.path_of(key), self._form.selector)
        return self._selector(inner)[0] if inner else LabelSelector()

    def _selector(self, fields: Fields) -> tuple[LabelSelector, tuple[Requirement, ...]]:
        labels = self._labels(fields)
        required: list[Requirement] = [(key, "=", (value,)) for key, value in labels]
        expressions = []
        known: dict[object, str] = {}
        nodes = self._decoder.items(fields, self._form.expressions, "match expressions") or []
        for index, node in enumerate(nodes):
            path = f"{fields.path_of(self._form.expressions)}[{index}]"
            expression_fields = self._decoder.fields(node, path, self._form.expression)
            if expression_fields is None:
                continue
            key, operator, values = self._expression(expression_fields)
            if operator is not None:
                expression = LabelExpression(key, operator, tuple(sorted(set(values))))
                self._refuse_repeat(known, expression, node, path)
                expressions.append(expression)
                required.append((key, operator, values))
        required.sort(key=lambda requirement: requirement[0])
        return LabelSelector(labels, tuple(expressions)), tuple(required)

    def _refuse_repeat(self, known: dict[object, str], what: object, node: Node, path: str) -> None:
        earlier = known.setdefault(what, path)
        if self._form.refuses_repeats and earlier != path:
            self._findings.error(node, path, f"is the same as {earlier}: remove one")

    def _labels(self, fields: Fields) -> tuple[tuple[str, str], ...]:
        labels = []
        for place, key, value in self._decoder.text_pairs(fields, self._form.labels):
            for check, text in ((check_label_key, key), (check_label_value, value or "")):
                try:
                    check(text)
                except ValueError as error:
                    self._findings.error(place.node, place.path, str(error), value=shown(text))
            labels.append((key, value or ""))
        return tuple(sorted(labels))

    def _expression(self, fields: Fields) -> tuple[str, Operator | None, tuple[str, ...]]:
        key = self._decoder.text_field(fields, "key")
        if key is not None:
            try:
                check_label_key(key)
            except ValueError as error:
                text = str(error) if key else "is missing: name the label"
                self._decoder.error(fields, "key", text, value=shown(key) if key else "")
        operator = self._operator(fields)
        values = self._values(fields)
        if operator is not None and values is not None:
            if operator in {Operator.IN, Operator.NOT_IN} and not values:
                self._decoder.error(fields, "values", f"must have an entry with operator {operator}")
            if operator in {Operator.EXISTS, Operator.DOES_NOT_EXIST} and values:
                self._decoder.error(fields, "values", f"must be empty with operator {operator}")
        return key or "", operator, values or ()

    def _operator(self, fields: Fields) -> Operator | None:
        text = self._decoder.text_field(fields, "operator")
        if text is None:
            return None
        try:
            return Operator(text)
        except ValueError:
            meant = next((known for known in Operator if known.lower() == text.lower()), None)
            wrong = f"must be one of {', '.join(Operator)}" if text else "is missing: In, NotIn, Exists or DoesNotExist"
            wrong += f": did you mean `{meant}`?" if meant else ""
            self._decoder.error(fields, "operator", wrong, value=shown(text) if text else "")
            return None

    def _values(self, fields: Fields) -> tuple[str, ...] | None:
        nodes = self._decoder.items(fields, "values", "texts")
        if nodes is None:
            return None
        values = []
        known: dict[object, str] = {}
        for index, node in enumerate(nodes):
            path = f"{fields.path_of('values')}[{index}]"
            text = self._decoder.text(node, path)
            if text is None:
                continue
            try:
                check_label_value(text)
            except ValueError as error:
                self._findings.error(node, path, str(error), value=shown(text))
            self._refuse_repeat(known, text, node, path)
            values.append(text)
        return tuple(values)


CanonicalSelector = tuple[LabelExpression, ...]


def canonical_selector(selector: LabelSelector) -> CanonicalSelector:
    """Give one spelling for selectors that say the same: labels as `In` expressions, everything sorted, once."""
    labels = {LabelExpression(key, Operator.IN, (value,)) for key, value in selector.match_labels}
    return tuple(sorted(labels.union(selector.match_expressions), key=_sort_key))


def canonical_selectors(selectors: Iterable[LabelSelector]) -> frozenset[CanonicalSelector]:
    """Give one spelling for lists of alternatives that say the same; empty if everything fits."""
    found = frozenset(canonical_selector(selector) for selector in selectors)
    return frozenset() if () in found else found


def _sort_key(expression: LabelExpression) -> tuple[str, str, tuple[str, ...]]:
    return expression.key, expression.operator, expression.values
