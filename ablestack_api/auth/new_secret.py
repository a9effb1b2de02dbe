"""What a new internal token or signing value must be before a node stages it: a wrong one would lock the node out."""

from ablestack_api.core.errors import bad_field
from ablestack_api.orchestrator.participant import Payload

LONGEST = 512


def require(payload: Payload, field: str) -> None:
    """Raises BadInput. Its text never shows the value."""
    value = payload.get(field)
    if not isinstance(value, str) or not value.strip():
        raise bad_field(f"request.{field}", "required")
    if len(value) > LONGEST or not value.isprintable():
        raise bad_field(f"request.{field}", f"must be printable and at most {LONGEST} characters long")
