"""Messages of any type, generated from their descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import strategies as st

from pymesoskit.wire import v1

if TYPE_CHECKING:
    from google.protobuf.message import Message

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**63 - 1),  # Mesos JSON cannot say more
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(allow_nan=False),
    FieldDescriptor.CPPTYPE_FLOAT: st.floats(allow_nan=False, width=32),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_STRING: TEXT,
}


def all_types() -> list[Descriptor]:
    """Every message type of the package, the nested ones too; no map entries."""
    found: list[Descriptor] = []

    def add(descriptor: Descriptor) -> None:
        if not descriptor.GetOptions().map_entry:
            found.append(descriptor)
            for nested in descriptor.nested_types:
                add(nested)

    for name in v1.__all__:
        for descriptor in getattr(v1, name).DESCRIPTOR.message_types_by_name.values():
            add(descriptor)
    return found


def scalar(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=8)
    if field.enum_type is not None:
        return st.sampled_from([value.number for value in field.enum_type.values])
    return SCALARS[field.cpp_type]


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, depth: int = 3) -> Message:
    """A message with its required fields set and some of the others."""
    message = message_factory.GetMessageClass(descriptor)()
    taken: set[str] = set()
    for field in descriptor.fields:
        oneof = field.containing_oneof
        if oneof is not None and oneof.name in taken:
            continue
        if not field.is_required and (depth <= 0 or not draw(st.booleans())):
            continue
        if oneof is not None:
            taken.add(oneof.name)
        fill(draw, message, field, depth)
    return message


def fill(draw: st.DrawFn, message: Message, field: FieldDescriptor, depth: int) -> None:
    inner = field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        of_value = inner.fields_by_name["value"]
        for key in draw(st.lists(TEXT, max_size=2, unique=True)):
            if of_value.message_type is not None:
                getattr(message, field.name)[key].CopyFrom(draw(messages(of_value.message_type, depth - 1)))
            else:
                getattr(message, field.name)[key] = draw(scalar(of_value))
    elif field.is_repeated:
        one = scalar(field) if inner is None else messages(inner, depth - 1)
        getattr(message, field.name).extend(draw(st.lists(one, max_size=2)))
    elif inner is not None:
        getattr(message, field.name).CopyFrom(draw(messages(inner, depth - 1)))
        getattr(message, field.name).SetInParent()
    else:
        setattr(message, field.name, draw(scalar(field)))
