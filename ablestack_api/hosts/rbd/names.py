"""Names and sizes of RBD images as a request gives them (contract 02 §9)."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ablestack_api.core.errors import bad_field
from ablestack_api.hosts.rbd.models import RbdRequest

CREATE, DELETE, CHECK = "create", "delete", "check"
DEFAULT_POOL, DEFAULT_PREFIX = "rbd", "gfs"
DEVICE_FOLDER = "/dev/rbd/"
PIECE_GIB = 2000
# 250 images: more than one file system or group was ever made of.
LARGEST_GIB = 250 * PIECE_GIB
# What Ceph itself allows is wider; none of these needs quoting in rbdmap, in a path of /dev/rbd or in a shell.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class Wanted:
    """A request whose every value was checked. `names` are `pool/image`, `pieces` sizes in GiB."""

    action: str
    pool: str
    prefix: str
    names: tuple[str, ...]
    pieces: tuple[int, ...]
    map: bool
    force: bool


def checked(request: RbdRequest, *, local: bool) -> Wanted:
    """`local`: another node asks for this node's part. Raises BadInput with 0.1.2's messages where it had one."""
    action = _action(request, local)
    pool = _name(request.pool_name or DEFAULT_POOL, "pool_name")
    prefix = _name(request.image_prefix or DEFAULT_PREFIX, "image_prefix")
    names = _names(request, pool)
    pieces: tuple[int, ...] = ()
    if local and not names:
        raise bad_field("images", "required", "images required")
    if action == DELETE and not names:
        raise bad_field("image_name", "required, or images", "image_name or images required")
    if action == CREATE and not local:
        pieces, names = _pieces(request.size), ()
    return Wanted(action, pool, prefix, names, pieces, request.map, request.force)


def next_number(names: Iterable[str], prefix: str) -> int:
    """One more than the highest number behind the prefix."""
    found = [re.fullmatch(f"{re.escape(prefix)}([0-9]+)", name) for name in names]
    return max((int(match[1]) for match in found if match), default=0) + 1


def numbered(prefix: str, number: int) -> str:
    return f"{prefix}{number:02d}"


def _action(request: RbdRequest, local: bool) -> str:
    action = request.action.lower()
    if action not in ((CREATE, DELETE, CHECK) if local else (CREATE, DELETE)):
        raise bad_field("action", "is none of create, delete", "unsupported action")
    return action


def _pieces(size: int | None) -> tuple[int, ...]:
    if size is None or size <= 0:
        raise bad_field("size", "must be a whole number of GiB above 0", "size required")
    if size > LARGEST_GIB:
        raise bad_field("size", f"must be at most {LARGEST_GIB} GiB")
    whole, rest = divmod(size, PIECE_GIB)
    return (PIECE_GIB,) * whole + ((rest,) if rest else ())


def _names(request: RbdRequest, pool: str) -> tuple[str, ...]:
    """List entries first, then the parts of the comma list; each once (contract 02 §0.6)."""
    given = [("images", name) for name in request.images]
    given += [("image_name", name) for name in request.image_name.split(",")]
    full = [_full_name(name.strip(), field, pool) for field, name in given if name.strip()]
    return tuple(dict.fromkeys(full))


def _full_name(text: str, field: str, pool: str) -> str:
    """`image`, `pool/image` and `/dev/rbd/pool/image`; another pool than the request's is an error, never replaced."""
    parts: Sequence[str] = text.removeprefix(DEVICE_FOLDER).split("/")
    if len(parts) > 2:
        raise bad_field(field, f"{text[:120]!r} is none of image, pool/image, {DEVICE_FOLDER}pool/image")
    if len(parts) == 2 and parts[0] != pool:
        raise bad_field(field, f"{text[:120]!r} names another pool than pool_name, {pool}")
    return f"{pool}/{_name(parts[-1], field)}"


def _name(text: str, field: str) -> str:
    if not NAME.fullmatch(text):
        raise bad_field(field, f"{text[:120]!r} is no name: letters, digits, _ . -, at most 64, no dash or dot in front")
    return text
