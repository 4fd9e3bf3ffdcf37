"""Offer constraints: which agents a framework wants to see at all, compiled from the message.

The errors have Mesos's texts. Regular expressions are RE2's, with Mesos's bounds. They need the package ``google-re2``
(the extra ``constraints``), which has no wheels for musl; all other constraints work without it.
Source: docs/reference/scheduler-api.md, section 10.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

from pymesoskit.resources import Attribute, ValueType
from pymesoskit.wire.v1 import scheduler

if TYPE_CHECKING:
    from pymesoskit.testing.allocator.api import AgentOptions

#: Bounds of ``--offer_constraints_re2_max_mem`` (bytes) and ``--offer_constraints_re2_max_program_size``.
RE2_MAX_MEMORY = 4096
RE2_MAX_PROGRAM_SIZE = 100

_Selector = scheduler.AttributeConstraint.Selector

#: What a constraint looks at: an attribute, a text (hostname, region, zone), or nothing if the agent has none.
_Selected: TypeAlias = Attribute | str | None
_Select: TypeAlias = Callable[["AgentOptions"], _Selected]
_Holds: TypeAlias = Callable[[_Selected], bool]


class ConstraintsError(ValueError):
    """Offer constraints that a master refuses. The text is Mesos's, unless ``google-re2`` is missing."""


@frozen
class CompiledConstraints:
    """Constraints by role; an agent fits if all of one group hold. Keeps the `OfferConstraints` protocol."""

    groups: Mapping[str, Sequence[Sequence[tuple[_Select, _Holds]]]]

    def excludes(self, role: str, agent: AgentOptions) -> bool:
        """Whether the agent must not be offered for this role; roles without constraints take any."""
        groups = self.groups.get(role)
        if groups is None:
            return False
        return not any(all(holds(select(agent)) for select, holds in group) for group in groups)


def compile_constraints(
    message: scheduler.OfferConstraints,
    *,
    max_memory: int = RE2_MAX_MEMORY,
    max_program_size: int = RE2_MAX_PROGRAM_SIZE,
) -> CompiledConstraints:
    """The constraints of a SUBSCRIBE or UPDATE_FRAMEWORK call, ready to be asked.

    Raises ``ConstraintsError`` if they are invalid.
    """
    groups: dict[str, Sequence[Sequence[tuple[_Select, _Holds]]]] = {}
    for role, constraints in message.role_constraints.items():
        if not constraints.groups:
            raise ConstraintsError(
                f"'OfferConstraints::role_constraints' has an empty 'RoleConstraints::groups' for role {role}"
            )
        compiled = []
        for group in constraints.groups:
            if not group.attribute_constraints:
                raise ConstraintsError(  # the missing space is Mesos's
                    f"'OfferConstraints::RoleConstraints::groups' for role {role}"
                    "contains an empty RoleConstraints::Group"
                )
            try:
                compiled.append(
                    [
                        (_selector(constraint.selector), _predicate(constraint.predicate, max_memory, max_program_size))
                        for constraint in group.attribute_constraints
                    ]
                )
            except ConstraintsError as error:
                raise ConstraintsError(f"A role {role} has an invalid 'AttributeConstraint': {error}") from None
        groups[role] = compiled
    return CompiledConstraints(groups)


# What a constraint looks at


def _selector(message: scheduler.AttributeConstraint.Selector) -> _Select:
    chosen = message.WhichOneof("selector")
    if chosen is None:
        raise ConstraintsError(
            "Exactly one of 'AttributeConstraint::Selector::name' or"
            " 'AttributeConstraint::Selector::pseudoattribute_type' must be set"
        )
    if chosen == "attribute_name":
        name = message.attribute_name
        return lambda agent: next((attribute for attribute in agent.attributes if attribute.name == name), None)
    select = _PSEUDO_ATTRIBUTES.get(message.pseudoattribute_type)
    if select is None:
        raise ConstraintsError("Unknown pseudoattribute type")
    return select


_PSEUDO_ATTRIBUTES: dict[int, _Select] = {
    _Selector.HOSTNAME: lambda agent: agent.hostname,
    _Selector.REGION: lambda agent: agent.domain.region if agent.domain is not None else None,
    _Selector.ZONE: lambda agent: agent.domain.zone if agent.domain is not None else None,
}


# What it demands


def _predicate(message: scheduler.AttributeConstraint.Predicate, max_memory: int, max_program_size: int) -> _Holds:
    kind = message.WhichOneof("predicate")
    if kind == "exists":
        return lambda selected: selected is not None
    if kind == "not_exists":
        return lambda selected: selected is None
    if kind == "text_equals":
        return _on_text(_equals(message.text_equals.value), if_absent=False)
    if kind == "text_not_equals":
        return _on_text(_not(_equals(message.text_not_equals.value)), if_absent=True)
    if kind == "text_matches":
        return _on_text(_matches(message.text_matches.regex, max_memory, max_program_size), if_absent=False)
    if kind == "text_not_matches":
        return _on_text(_not(_matches(message.text_not_matches.regex, max_memory, max_program_size)), if_absent=True)
    raise ConstraintsError("Unknown predicate type")


def _on_text(test: Callable[[str], bool], *, if_absent: bool) -> _Holds:
    """The test on texts; attributes that are no text pass."""

    def holds(selected: _Selected) -> bool:
        if selected is None:
            return if_absent
        if isinstance(selected, str):
            return test(selected)
        return selected.type is not ValueType.TEXT or test(str(selected.value))

    return holds


def _equals(value: str) -> Callable[[str], bool]:
    return lambda text: text == value


def _not(test: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda text: not test(text)


def _matches(pattern: str, max_memory: int, max_program_size: int) -> Callable[[str], bool]:
    """Returns a test for a match of the whole text. Raises ``ConstraintsError`` for patterns that Mesos refuses."""
    try:
        import re2
    except ImportError as error:
        raise ConstraintsError(
            f"Cannot compile regex '{pattern}': the package google-re2 is not installed in the cluster's environment;"
            " install it with: pip install 'pymesoskit[constraints]'"
        ) from error
    options = re2.Options()
    options.max_mem = max_memory
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0]
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise ConstraintsError(f"Failed to construct regex from pattern '{pattern}': {text}") from None
    if compiled.programsize > max_program_size:
        raise ConstraintsError(
            f"Regex '{pattern}' is too complex: program size of {compiled.programsize}"
            f" is larger than maximum of {max_program_size} allowed"
        )
    return lambda text: compiled.fullmatch(text) is not None
