"""The official messages of a trace, but with a span's attributes left as the bytes that they came in.

On the wire a message within a message is bytes with a length, so that both types read the same request. A fleet's spans
repeat most of their attributes: what is read of one is remembered by its bytes, at a tenth of the cost of reading it.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from opentelemetry.proto.trace.v1 import trace_pb2

_PACKAGE = "tollbook.otlp"


def _made() -> type[Message]:
    file = descriptor_pb2.FileDescriptorProto()
    trace_pb2.DESCRIPTOR.CopyToProto(file)
    official, file.package = f".{file.package}.", _PACKAGE
    file.name = f"tollbook/{file.name}"
    for message in file.message_type:
        for described in (message, *message.nested_type):
            for field in described.field:
                if field.type_name:
                    field.type_name = field.type_name.replace(official, f".{_PACKAGE}.")
                if message.name == described.name == "Span" and field.name == "attributes":
                    field.type = field.TYPE_BYTES
                    field.ClearField("type_name")
    # A pool of its own would know none of the files that this one names.
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.TracesData"))


TracesData: Any = _made()
"""`ExportTraceServiceRequest` has the same one field under the same number."""
