"""pcs and cibadmin: syntax by release, secrets, and the CIB as the real pcs made it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.secret import Secret
from ablestack_api.tools import cib, pcs
from ablestack_api.tools.cib import Location
from ablestack_api.tools.pcs import Pcs
from tests.support.doubles import QueuedRunner

DATA = Path(__file__).parents[2] / "data/cib"
EL9 = (0, 11, 5)


@pytest.fixture
def runner() -> QueuedRunner:
    return QueuedRunner()


@pytest.mark.parametrize(
    ("printed", "version"), [("0.11.5\n", (0, 11, 5)), ("0.12", (0, 12, 0)), ("0.11.9.1+dirty\n", (0, 11, 9))]
)
def test_version(runner: QueuedRunner, printed: str, version: pcs.Version) -> None:
    runner.expect(["pcs", "--version"], stdout=printed)
    assert pcs.connect(runner).version == version


def test_a_version_that_is_none() -> None:
    with pytest.raises(CommandFailed, match="did not tell its version"):
        pcs.parse_version("pcs")


@pytest.mark.parametrize(
    ("version", "words"),
    [((0, 11, 5), ["--group", "g"]), ((0, 11, 7), ["group", "g"]), ((0, 12, 1), ["group", "g"])],
)
def test_how_a_group_is_named(runner: QueuedRunner, version: pcs.Version, words: list[str]) -> None:
    runner.expect(["pcs", "resource", "create", "r", "ocf:x:y", "a=b", "op", "monitor", "interval=1s", *words])
    pcs.resource_create(Pcs(runner, version), "r", "ocf:x:y", {"a": "b"}, operations=["monitor", "interval=1s"], group="g")


@pytest.mark.parametrize(("version", "force"), [((0, 11, 9), []), ((0, 12, 0), []), ((0, 12, 1), ["--force"])])
def test_disabling_the_last_fence_device(runner: QueuedRunner, version: pcs.Version, force: list[str]) -> None:
    runner.expect(["pcs", "stonith", "disable", "fence-a", *force])
    pcs.stonith_disable(Pcs(runner, version), "fence-a")


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (lambda to: pcs.resource_clone(to, "r"), "resource clone r interleave=true"),
        (lambda to: pcs.resource_enable(to, "a", "b"), "resource enable a b"),
        (lambda to: pcs.resource_disable(to, "a"), "resource disable a"),
        (lambda to: pcs.resource_delete(to, "a"), "resource delete a --force"),
        (pcs.resource_cleanup, "resource cleanup"),
        (lambda to: pcs.order(to, "a", "b"), "constraint order start a then b"),
        (lambda to: pcs.colocate(to, "a", "b"), "constraint colocation add a with b"),
        (lambda to: pcs.avoid(to, "a", "n"), "constraint location a avoids n"),
        (lambda to: pcs.constraint_remove(to, "c"), "constraint delete c"),
        (lambda to: pcs.stonith_create(to, "f", "fence_x", {"a": "1"}), "stonith create f fence_x a=1"),
        (lambda to: pcs.stonith_update(to, "f", {"a": ""}), "stonith update f a="),
        (lambda to: pcs.stonith_enable(to, "f"), "stonith enable f"),
        (lambda to: pcs.set_properties(to, {"a": "1", "b": "2"}), "property set a=1 b=2"),
        (lambda to: pcs.alert_remove(to, "a"), "alert remove a"),
        (lambda to: pcs.alert_recipient_add(to, "a", "r", "/x"), "alert recipient add a id=r value=/x"),
        (
            lambda to: pcs.cluster_setup(to, "c", ["10.0.0.1", "10.0.0.2"]),
            "cluster setup c --start 10.0.0.1 10.0.0.2 quorum wait_for_all=1 last_man_standing=1",
        ),
        (pcs.cluster_enable, "cluster enable --all"),
        (pcs.cluster_stop, "cluster stop --all"),
        (pcs.cluster_destroy, "cluster destroy"),
        (lambda to: pcs.push_cib(to, "/o", "/n"), "cluster cib-push /n diff-against=/o"),
    ],
)
def test_words(runner: QueuedRunner, work: Callable[[Pcs], None], words: str) -> None:
    runner.expect(["pcs", *words.split()])
    work(Pcs(runner, EL9))
    runner.expect(["pcs", "-f", "/cib.xml", *words.split()])
    work(Pcs(runner, EL9).on_file("/cib.xml"))
    runner.finish()


def test_the_password_is_given_where_pcs_asks_for_it(runner: QueuedRunner) -> None:
    runner.expect(["pcs", "host", "auth", "10.0.0.1", "10.0.0.2", "-u", "hacluster"], stdin="secret\n")
    pcs.host_auth(Pcs(runner, EL9), ["10.0.0.1", "10.0.0.2"], "hacluster", Secret("secret"))
    runner.finish()


def test_fencing_and_locks_as_pcs_wrote_them() -> None:
    facts = cib.parse((DATA / "fencing.xml").read_text())
    assert [each.id for each in facts.fence_devices] == ["fence-ablecube31-1", "fence-ablecube31-2"]
    device = facts.primitives["fence-ablecube31-1"]
    assert (device.agent, device.disabled) == ("stonith:fence_ipmilan", False)
    assert device.options["password_script"] == "cat /etc/ablestack/fence/ablecube31-1.password"
    assert facts.primitives["glue-dlm"].agent == "ocf:pacemaker:controld"
    assert (facts.clones, facts.groups) == (
        {"glue-locking-clone": ("glue-locking",)},
        {"glue-locking": ("glue-dlm", "glue-lvmlockd")},
    )
    assert facts.locations[0] == Location(
        "location-fence-ablecube31-1-10.10.31.1--INFINITY", "fence-ablecube31-1", "10.10.31.1", "-INFINITY"
    )
    assert facts.properties == {"stonith-enabled": "true", "stonith-action": "reboot"}
    assert "glue-locking" in facts
    assert "glue-gfs" not in facts


def test_a_file_system_as_pcs_wrote_it() -> None:
    facts = cib.parse((DATA / "gfs.xml").read_text())
    assert facts.clones["glue-gfs_res-clone"] == ("glue-gfs_res",), "taken out of its group, which is gone"
    assert "glue-gfs-group" not in facts
    assert dict(facts.primitives["glue-gfs"].options) == {
        "device": "/dev/vg_glue/lv_glue",
        "directory": "/mnt/glue-gfs",
        "fstype": "gfs2",
        "options": "noatime",
    }


def test_a_resource_that_an_operator_stopped() -> None:
    text = (DATA / "gfs.xml").read_text()
    stopped = '<meta_attributes id="m"><nvpair id="n" name="target-role" value="Stopped"/></meta_attributes></primitive>'
    first = text.replace("</primitive>", stopped, 1)
    assert [each.id for each in cib.parse(first).primitives.values() if each.disabled] == ["fence-ablecube31-1"]


@pytest.mark.parametrize("printed", ["", "no", "<pacemaker-result/>", "<!DOCTYPE cib []><cib/>", "<cib>"])
def test_what_is_no_cib(printed: str) -> None:
    with pytest.raises(CommandFailed, match="no configuration that can be understood"):
        cib.parse(printed)


def test_query_and_verify(runner: QueuedRunner) -> None:
    runner.expect(["cibadmin", "--query"], stdout="<cib/>")
    assert cib.query(runner) == "<cib/>"
    runner.expect(["crm_verify", "--verbose", "--xml-file", "/x"], code=78, stderr="error: bad")
    with pytest.raises(CommandFailed, match="bad"):
        cib.verify(runner, "/x")
