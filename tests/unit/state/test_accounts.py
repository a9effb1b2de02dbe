"""state.accounts: Linux accounts below the sysroot."""

from pathlib import Path

import pytest

from ablestack_api.core.settings import Settings
from ablestack_api.state import accounts

PASSWD = """root:x:0:0:root:/root:/bin/bash
operator:x:1000:1000:Operator:/home/operator:/bin/sh
nologin:x:1001:1001::/:/sbin/nologin

# a comment
broken
short:x:1
"""
GROUP = """root:x:0:
wheel:x:10:operator,other
ops:x:1000:
empty:x:11:
broken
tricky:x:12:operator2,anoperator
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    return Settings({"ABLESTACK_SYSROOT": str(tmp_path)})


def shadow(settings: Settings, line: str) -> None:
    Path(settings.below("etc/shadow")).write_text(f"root:!:1:0:99999:7:::\n{line}\n")


@pytest.mark.parametrize(("name", "groups"), [("root", {"root"}), ("operator", {"wheel", "ops"}), ("nologin", set())])
def test_groups(settings: Settings, name: str, groups: set[str]) -> None:
    account = accounts.read(settings, name)
    assert account is not None
    assert (account.name, account.groups) == (name, frozenset(groups))
    assert (account.locked, account.password_changed_day, account.expires_day) == (False, None, None)


@pytest.mark.parametrize(
    "name", ["nobody", "", "broken", "short", "operator ", "Operator", "-x", "root:x", "x" * 10_000, "\0", "#"]
)
def test_who_is_no_account(settings: Settings, name: str) -> None:
    assert accounts.read(settings, name) is None


def test_without_any_file(tmp_path: Path) -> None:
    assert accounts.read(Settings({"ABLESTACK_SYSROOT": str(tmp_path)}), "root") is None


@pytest.mark.parametrize(
    ("field", "locked"),
    [
        ("$6$salt$hash", False),
        ("$y$j9T$salt$hash", False),
        ("$5$salt$hash", False),
        ("$2b$05$hash", False),
        ("$1$salt$hash", False),
        ("", False),
        ("*", False),
        ("!", False),
        ("!!", False),
        ("!*", False),
        ("!$6$salt$hash", True),
        ("!!$6$salt$hash", True),
    ],
)
def test_locked_is_a_mark_before_a_hash(settings: Settings, field: str, locked: bool) -> None:
    shadow(settings, f"operator:{field}:19000:0:99999:7:::")
    account = accounts.read(settings, "operator")
    assert account is not None
    assert account.locked is locked


@pytest.mark.parametrize(
    ("line", "changed", "expires"),
    [
        ("operator:x:19000:0:99999:7::20000:", 19000, 20000),
        ("operator:x::0:99999:7:::", None, None),
        ("operator:x:0:0:99999:7::0:", None, None),
        ("operator:x:-1:0:99999:7::-1:", None, None),
        ("operator:x:soon:0:99999:7::never:", None, None),
        ("operator:x:19000:0", 19000, None),
    ],
)
def test_days(settings: Settings, line: str, changed: int | None, expires: int | None) -> None:
    shadow(settings, line)
    account = accounts.read(settings, "operator")
    assert account is not None
    assert (account.password_changed_day, account.expires_day) == (changed, expires)


def test_bytes_that_are_no_text(settings: Settings) -> None:
    Path(settings.below("etc/passwd")).write_bytes(b"caf\xe9:x:1:1::/:/bin/sh\n" + PASSWD.encode())
    assert accounts.read(settings, "operator") is not None
