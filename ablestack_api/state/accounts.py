"""Linux accounts: /etc/passwd, group and shadow below the sysroot, then the name service of the whole system.

Light on imports: `ablestack-auth-token` uses it.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ablestack_api.core.settings import Settings

DAY = 86400


class Account:
    """`password_changed_day` and `expires_day` count days since 1970; None when the system does not say."""

    def __init__(
        self,
        name: str,
        groups: "frozenset[str]",
        *,
        locked: bool = False,
        password_changed_day: "int | None" = None,
        expires_day: "int | None" = None,
    ) -> None:
        self.name = name
        self.groups = groups
        self.locked = locked
        self.password_changed_day = password_changed_day
        self.expires_day = expires_day


def read(settings: "Settings", name: str) -> "Account | None":
    """The account, or None when there is none of that name."""
    record = _line_of(settings.below("etc/passwd"), name)
    groups: frozenset[str] | None = None
    if record is not None:
        groups = _groups_in_file(settings, name, record[3])
    elif settings.is_whole_system:
        groups = _groups_of_name_service(name)
    if groups is None:
        return None
    shadow = _line_of(settings.below("etc/shadow"), name)
    if shadow is None:
        return Account(name, groups)
    return Account(
        name,
        groups,
        locked=_is_locked(shadow[1]),
        password_changed_day=_day(shadow, 2),
        expires_day=_day(shadow, 7),
    )


def _is_locked(password_field: str) -> bool:
    """Locked by `usermod -L` or `passwd -l`: a mark before a hash.

    A field that never held a hash (`*`, `!`, `!!`) only means that nobody can log in with a password (ADR 0006).
    """
    return password_field.startswith("!") and password_field.strip("!*") != ""


def _day(shadow: "list[str]", position: int) -> "int | None":
    text = shadow[position] if len(shadow) > position else ""
    return int(text) if text.isdigit() and int(text) > 0 else None


def _line_of(path: str, name: str) -> "list[str] | None":
    for fields in _lines(path):
        if fields[0] == name and len(fields) > 3:
            return fields
    return None


def _lines(path: str) -> "list[list[str]]":
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return [line.rstrip("\n").split(":") for line in file]
    except OSError:
        return []


def _groups_in_file(settings: "Settings", name: str, primary: str) -> "frozenset[str]":
    return frozenset(
        fields[0]
        for fields in _lines(settings.below("etc/group"))
        if len(fields) > 3 and (fields[2] == primary or name in fields[3].split(","))
    )


def _groups_of_name_service(name: str) -> "frozenset[str] | None":
    import grp
    import pwd

    try:
        account = pwd.getpwnam(name)
    except KeyError:
        return None
    names = set()
    for number in os.getgrouplist(name, account.pw_gid):
        try:
            names.add(grp.getgrgid(number).gr_name)
        except KeyError:
            continue
    return frozenset(names)
