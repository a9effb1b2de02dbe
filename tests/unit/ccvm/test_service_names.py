"""Which texts are names of services."""

import pytest

from ablestack_api.ccvm.service_control import unit_name
from ablestack_api.core.errors import BadInput


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("mold", "mold.service"),
        ("mold.service", "mold.service"),
        ("getty@tty1", "getty@tty1.service"),
        ("systemd-fsck@dev-disk-by\\x2duuid", "systemd-fsck@dev-disk-by\\x2duuid.service"),
        ("my.socket.service", "my.socket.service"),
    ],
)
def test_names(text: str, unit: str) -> None:
    assert unit_name(text) == unit


@pytest.mark.parametrize("text", ["", "-H", "--now", "a b", "a/b", "a.timer", "a\n", "@", "ä", "a;b", "a" * 300])
def test_no_names(text: str) -> None:
    with pytest.raises(BadInput):
        unit_name(text)
