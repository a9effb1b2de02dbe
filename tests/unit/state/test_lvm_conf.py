"""Single settings of lvm.conf: everything else stays byte for byte."""

import pytest

from ablestack_api.core.errors import FileUnusable
from ablestack_api.state import lvm_conf
from tests.support.node_under_test import NodeUnderTest

LOCKD = "global/use_lvmlockd"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("global {\n\tuse_lvmlockd = 0\n}\n", "global {\n\tuse_lvmlockd = 1\n}\n"),
        ("global{\n use_lvmlockd=0\n}", "global{\n use_lvmlockd=1\n}"),
        ("global {\n use_lvmlockd = 0 # why\n}\n", "global {\n use_lvmlockd = 1 # why\n}\n"),
        # A comment is not a setting: 0.1.2 made `# # use_lvmlockd` of it.
        ("global {\n\t# use_lvmlockd = 1\n}\n", "global {\n\t# use_lvmlockd = 1\n\tuse_lvmlockd = 1\n}\n"),
        ("# use_lvmlockd = 0\nglobal {\n}\n", "# use_lvmlockd = 0\nglobal {\n\tuse_lvmlockd = 1\n}\n"),
        # The same name elsewhere is something else.
        (
            "other {\n\tuse_lvmlockd = 0\n}\nglobal {\n}\n",
            "other {\n\tuse_lvmlockd = 0\n}\nglobal {\n\tuse_lvmlockd = 1\n}\n",
        ),
        ("global/use_lvmlockd = 0\n", "global/use_lvmlockd = 1\n"),
        ("global {\n use_lvmlockd = 0\n use_lvmlockd = 0\n}\n", "global {\n use_lvmlockd = 1\n use_lvmlockd = 1\n}\n"),
        ("devices {\n}\n", "devices {\n}\nglobal {\n\tuse_lvmlockd = 1\n}\n"),
        ("", "global {\n\tuse_lvmlockd = 1\n}\n"),
        (
            'global {\n\tfilter = "a}b{ # c"\n\tuse_lvmlockd = 0\n}\n',
            'global {\n\tfilter = "a}b{ # c"\n\tuse_lvmlockd = 1\n}\n',
        ),
        (
            "allocation {\n\tcache {\n\t}\n}\nglobal {\n\tuse_lvmlockd = 0\n}\n",
            "allocation {\n\tcache {\n\t}\n}\nglobal {\n\tuse_lvmlockd = 1\n}\n",
        ),
    ],
)
def test_edited(before: str, after: str) -> None:
    assert lvm_conf.edited(before, {LOCKD: "1"}).rstrip("\n") == after.rstrip("\n")
    assert lvm_conf.edited(after, {LOCKD: "1"}) == after, "again changes nothing"


def test_several_settings() -> None:
    text = "devices {\n}\nglobal {\n}\n"
    wanted = "devices {\n\tuse_devicesfile = 1\n}\nglobal {\n\tuse_lvmlockd = 1\n}\n"
    assert lvm_conf.edited(text, {LOCKD: "1", "devices/use_devicesfile": "1"}) == wanted


def test_the_first_content_is_kept_and_can_be_restored(node: NodeUnderTest) -> None:
    path = node.root / "etc/lvm/lvm.conf"
    path.parent.mkdir(parents=True)
    path.write_bytes(b'global {\n\tx = "\xff"\n}\n')
    path.chmod(0o640)
    before = lvm_conf.change(node.settings, {LOCKD: "1"})
    assert before == b'global {\n\tx = "\xff"\n}\n'
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b'global {\n\tuse_lvmlockd = 1\n\tx = "\xff"\n}\n', 0o640)
    assert lvm_conf.change(node.settings, {LOCKD: "1"}) is None
    lvm_conf.change(node.settings, {LOCKD: "0"})
    assert (path.parent / "lvm.conf.before-ablestack").read_bytes() == before
    lvm_conf.restore(node.settings, before)
    assert path.read_bytes() == before


def test_no_file(node: NodeUnderTest) -> None:
    with pytest.raises(FileUnusable, match="install the package lvm2"):
        lvm_conf.change(node.settings, {LOCKD: "1"})
