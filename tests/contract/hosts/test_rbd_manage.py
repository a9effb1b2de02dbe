"""POST /cube/rbd/manage (contract 02 §9): images that every host maps, made and deleted all or nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import documents, lsblk_output
from tests.support.answer import Answer
from tests.support.doubles import QueuedRunner
from tests.support.lsblk_output import device, physical_volume
from tests.support.network import Network
from tests.support.node_under_test import INTERNAL_TOKEN, NodeUnderTest
from tests.support.whole_system import believe

PATH = "/cube/rbd/manage"
LOCAL = {"X-Cube-Internal-Token": INTERNAL_TOKEN, "X-Cube-RBD-Manage-Local": "1"}
SECOND, THIRD = "10.10.31.2", "10.10.31.3"
RBD = ["rbd", "--client-mount-timeout", "5"]
LS = [*RBD, "ls", "--format", "json", "--", "rbd"]
DEVICES = ["rbd", "device", "list", "--format", "json"]
ENABLE = ["systemctl", "enable", "--", "rbdmap.service"]
START = ["systemctl", "start", "--no-block", "--", "rbdmap.service"]
OPTIONS = "id=admin,keyring=/etc/ceph/ceph.client.admin.keyring"
OLD_MAP = "# RbdDevice\n\nrbd/backup id=backup\nrbd/gfs01 id=admin,keyring=/k  # operator's"
MODULE_MISSING = (
    "modprobe: FATAL: Module rbd not found\nrbd: sysfs write failed\nrbd: map failed: (2) No such file or directory\n"
)
BUSY = "rbd: error: image still has watchers\n"


def create_argv(image: str, gib: int) -> list[str]:
    return [*RBD, "create", "--size", f"{gib}G", "--image-feature", "layering", "--no-progress", "--", image]


def remove_argv(image: str) -> list[str]:
    return [*RBD, "rm", "--no-progress", "--", image]


def status_argv(image: str) -> list[str]:
    return [*RBD, "status", "--format", "json", "--", image]


def map_argv(image: str) -> list[str]:
    return [*RBD, "device", "map", "--id", "admin", "--keyring", "/etc/ceph/ceph.client.admin.keyring", "--", image]


def unmap_argv(path: str) -> list[str]:
    return ["rbd", "device", "unmap", "--", path]


def mapped(**images: str) -> str:
    """`gfs01="/dev/rbd0"` as `rbd device list` prints it."""
    rows = [
        {"id": path[-1], "pool": "rbd", "namespace": "", "name": name, "snap": "-", "device": path}
        for name, path in images.items()
    ]
    return json.dumps(rows)


def watchers(*addresses: str) -> str:
    return json.dumps({"watchers": [{"address": f"{each}:0/11", "client": 4151, "cookie": 1} for each in addresses]})


@pytest.fixture
def cube(node: NodeUnderTest) -> NodeUnderTest:
    """The first of three hosts, one that maps images; its rbdmap has lines of others."""
    node.write_cluster(documents.document("ablestack-hci"))
    rbdmap_file(node).parent.mkdir(parents=True)
    rbdmap_file(node).write_text(OLD_MAP)
    return believe(node)


def rbdmap_file(node: NodeUnderTest) -> Path:
    return node.root / "etc/ceph/rbdmap"


def ask(node: NodeUnderTest, body: Any, query: str = "", **more: Any) -> Answer:
    return node.call("POST", f"{PATH}{query}", body, **more)


def sent(node: NodeUnderTest, address: str) -> list[dict[str, Any]]:
    return [call.body for call in node.peers.made if call.address == address]


def expect_attached(runner: QueuedRunner, *images: str) -> None:
    for number, image in enumerate(images, 5):
        runner.expect(DEVICES, stdout="[]")
        runner.expect(map_argv(image), stdout=f"/dev/rbd{number}\n")
    runner.expect(ENABLE)
    runner.expect(START)


def lines(*images: str) -> str:
    return "".join(f"\n{image} {OPTIONS}" for image in images) + "\n"


# --- create ----------------------------------------------------------------------------------------------------------


def test_create(cube: NodeUnderTest) -> None:
    runner = cube.runner
    runner.expect(LS, stdout='["backup","gfs01","gfs07","gfs007x","agfs99"]')
    runner.expect(create_argv("rbd/gfs08", 2000))
    runner.expect(create_argv("rbd/gfs09", 500))
    expect_attached(runner, "rbd/gfs08", "rbd/gfs09")
    images = ["rbd/gfs08", "rbd/gfs09"]
    for address in (SECOND, THIRD):
        cube.peers.expect(address, "POST", PATH, body={"code": 200, "val": images})
    answer = ask(cube, {"action": "create", "size": 2500})
    assert answer.status == 200
    results = answer.body.pop("results")
    told = {"retname": "RBD Manage", "message": "rbd manage success", "action": "create", "pool": "rbd"}
    assert answer.body == {"code": 200, "val": images, **told}
    assert [entry["target"] for entry in results] == ["10.10.31.1", SECOND, THIRD]
    assert [(entry["hostname"], entry["code"], entry["message"], entry["images"]) for entry in results] == [
        (f"ablecube31-{number}", 200, "ok", images) for number in (1, 2, 3)
    ]
    assert rbdmap_file(cube).read_text() == OLD_MAP + lines(*images)
    assert sent(cube, THIRD) == [{"action": "create", "images": images, "pool_name": "rbd", "map": True, "force": False}]
    assert {call.headers["X-Cube-RBD-Manage-Local"] for call in cube.peers.made} == {"1"}


@pytest.mark.parametrize(
    ("size", "pieces"),
    [(1, [1]), (2000, [2000]), (2001, [2000, 1]), (4000, [2000, 2000]), (500_000, [2000] * 250)],
)
def test_sizes_are_cut_into_pieces(cube: NodeUnderTest, size: int, pieces: list[int]) -> None:
    cube.runner.expect([*LS[:-1], "glue"], stdout="[]")
    body = {"action": "create", "size": size, "pool_name": "glue", "image_prefix": "disk-"}
    steps = ask(cube, body, "?plan=true").body["val"]["steps"]
    assert [step["text"] for step in steps[:-1]] == [
        f"create glue/disk-{number:02d}, {gib} GiB" for number, gib in enumerate(pieces, 1)
    ]
    assert rbdmap_file(cube).read_text() == OLD_MAP


def test_a_name_that_somebody_else_takes_meanwhile(cube: NodeUnderTest) -> None:
    """rbd create itself is the check: exit code 17 is EEXIST."""
    runner = cube.runner
    runner.expect(LS, stdout='["gfs01"]')
    runner.expect(create_argv("rbd/gfs02", 3), code=17, stderr="rbd: create error: (17) File exists\n")
    runner.expect(LS, stdout='["gfs01","gfs02","gfs03"]')
    runner.expect(create_argv("rbd/gfs04", 3))
    expect_attached(runner, "rbd/gfs04")
    for address in (SECOND, THIRD):
        cube.peers.expect(address, "POST", PATH)
    assert ask(cube, {"action": "create", "size": 3}).body["val"] == ["rbd/gfs04"]


def test_images_that_are_only_listed(cube: NodeUnderTest) -> None:
    cube.runner.expect(LS, stdout="[]")
    cube.runner.expect(create_argv("rbd/gfs01", 1))
    cube.runner.expect(ENABLE)
    rbdmap_file(cube).write_text("")
    for address in (SECOND, THIRD):
        cube.peers.expect(address, "POST", PATH)
    assert ask(cube, {"action": "create", "size": 1, "map": False}).status == 200
    assert rbdmap_file(cube).read_text() == f"rbd/gfs01 {OPTIONS}\n"
    assert sent(cube, SECOND)[0]["map"] is False


def test_the_second_image_fails_and_the_first_is_removed(cube: NodeUnderTest) -> None:
    runner = cube.runner
    runner.expect(LS, stdout="[]")
    runner.expect(create_argv("rbd/gfs01", 2000))
    runner.expect(create_argv("rbd/gfs02", 2000), code=28, stderr="rbd: create error: (28) No space left on device\n")
    runner.expect(remove_argv("rbd/gfs01"))
    answer = ask(cube, {"action": "create", "size": 6000})
    assert answer.status == 502
    assert "undone: create-rbd/gfs01" in answer.body["message"]
    assert "No space left" in answer.body["message"]


def test_this_node_cannot_map_and_nobody_else_is_asked(cube: NodeUnderTest) -> None:
    runner = cube.runner
    runner.expect(LS, stdout="[]")
    runner.expect(create_argv("rbd/gfs01", 1))
    runner.expect(DEVICES, stdout="[]")
    runner.expect(map_argv("rbd/gfs01"), code=2, stderr=MODULE_MISSING)
    runner.expect(remove_argv("rbd/gfs01"))
    rbdmap_file(cube).unlink()
    answer = ask(cube, {"action": "create", "size": 1})
    assert answer.status == 502
    assert "rbdmap update failed: 10.10.31.1: step map-rbd/gfs01 failed" in answer.body["message"]
    assert "Module rbd not found" in answer.body["message"]
    assert [entry["outcome"] for entry in answer.body["results"]] == ["failed", "skipped", "skipped"]
    assert rbdmap_file(cube).read_text() == ""


@pytest.mark.parametrize("step", ["enable", "start", "second map"])
def test_what_fails_after_an_image_was_mapped_unmaps_it(cube: NodeUnderTest, step: str) -> None:
    runner = cube.runner
    runner.expect(DEVICES, stdout="[]")
    runner.expect(map_argv("rbd/gfs08"), stdout="/dev/rbd5\n")
    if step == "second map":
        runner.expect(DEVICES, stdout="[]")
        runner.expect(map_argv("rbd/gfs09"), code=110)
    else:
        runner.expect(DEVICES, stdout=mapped(gfs09="/dev/rbd3"))  # mapped already: not once more, and not unmapped below
        runner.expect(ENABLE, code=1 if step == "enable" else 0)
        if step == "start":
            runner.expect(START, code=1)
    runner.expect(unmap_argv("/dev/rbd5"))
    body = {"action": "create", "images": ["gfs08", "gfs09"]}
    assert ask(cube, body, headers=LOCAL).status == 502
    assert rbdmap_file(cube).read_text().rstrip("\n") == OLD_MAP


def test_another_node_fails_and_all_is_taken_back(cube: NodeUnderTest) -> None:
    """The one that failed has undone its part itself; a silent one may have done it and is asked to undo it."""
    runner = cube.runner
    runner.expect(LS, stdout="[]")
    runner.expect(create_argv("rbd/gfs01", 1))
    rbdmap_file(cube).write_text("")
    expect_attached(runner, "rbd/gfs01")
    cube.peers.expect(SECOND, "POST", PATH, 502, {"code": 502, "message": "no keyring here"})
    cube.peers.expect_unreachable(THIRD, "POST", PATH, "no complete answer", timed_out=True, connected=True)
    runner.expect(DEVICES, stdout=mapped(gfs01="/dev/rbd5"))
    lsblk_output.expect(runner, device("disk", "rbd5"))
    runner.expect(unmap_argv("/dev/rbd5"))
    cube.peers.expect(THIRD, "POST", PATH)
    runner.expect(remove_argv("rbd/gfs01"))
    answer = ask(cube, {"action": "create", "size": 1})
    assert answer.status == 502
    message = answer.body["message"]
    assert f"{SECOND}: no keyring here; {THIRD}: no complete answer" in message
    assert "undone: create-rbd/gfs01" in message
    assert [entry["outcome"] for entry in answer.body["results"]] == ["ok", "failed", "unreachable"]
    assert sent(cube, THIRD)[1] == {
        "action": "delete",
        "images": ["rbd/gfs01"],
        "pool_name": "rbd",
        "map": True,
        "force": True,
    }
    assert len(sent(cube, SECOND)) == 1
    assert rbdmap_file(cube).read_text() == ""


def test_a_node_that_cannot_undo_is_named(cube: NodeUnderTest) -> None:
    runner = cube.runner
    runner.expect(LS, stdout="[]")
    runner.expect(create_argv("rbd/gfs01", 1))
    runner.expect(ENABLE)
    rbdmap_file(cube).write_text("")
    cube.peers.expect(SECOND, "POST", PATH)
    cube.peers.expect(THIRD, "POST", PATH, 500, {"code": 500, "message": "disk full"})
    runner.expect(DEVICES, stdout="[]")
    cube.peers.expect_unreachable(SECOND, "POST", PATH, "no connection")
    runner.expect(remove_argv("rbd/gfs01"))
    answer = ask(cube, {"action": "create", "size": 1, "map": False})
    outcomes = {entry["step"]: entry["outcome"] for entry in answer.body["steps"]}
    assert outcomes == {"create-rbd/gfs01": "undone", "attach-everywhere": "undo failed"}
    assert f"{SECOND}: no connection" in answer.body["message"]


def test_three_nodes_that_really_call_each_other(tmp_path: Path) -> None:
    """In folders nothing is mapped; lines and answers are as on the real ones."""
    network = Network(tmp_path)
    first, *others = nodes = network.add_hosts("ablestack-hci", documents.document("ablestack-hci"))
    first.runner.expect(LS, stdout="[]")
    first.runner.expect(create_argv("rbd/gfs01", 1))
    assert ask(first, {"action": "create", "size": 1}).status == 200
    assert [rbdmap_file(node).read_text() for node in nodes] == [f"rbd/gfs01 {OPTIONS}\n"] * 3

    first.runner.expect(LS, stdout='["gfs01"]')
    first.runner.expect(create_argv("rbd/gfs02", 1))
    first.runner.expect(remove_argv("rbd/gfs02"))
    rbdmap_file(others[1]).rename(tmp_path / "aside")
    rbdmap_file(others[1]).mkdir()  # nothing can be written there
    answer = ask(first, {"action": "create", "size": 1})
    assert answer.status == 502
    assert [entry["outcome"] for entry in answer.body["results"]] == ["ok", "ok", "failed"]
    assert [rbdmap_file(node).read_text() for node in nodes[:2]] == [f"rbd/gfs01 {OPTIONS}\n"] * 2

    rbdmap_file(others[1]).rmdir()
    (tmp_path / "aside").rename(rbdmap_file(others[1]))
    first.runner.expect(LS, stdout='["gfs01"]')
    first.runner.expect(status_argv("rbd/gfs01"), stdout=watchers())
    first.runner.expect(remove_argv("rbd/gfs01"))
    assert ask(first, {"action": "delete", "image_name": "gfs01"}).status == 200
    assert [rbdmap_file(node).read_text() for node in nodes] == [""] * 3
    network.finish()


@pytest.mark.parametrize("size", [None, 0, -1, 1.5, 2.0, "10", True, 500_001, 10**30, [1]])
def test_sizes_that_are_none(cube: NodeUnderTest, size: Any) -> None:
    answer = ask(cube, {"action": "create", "size": size})
    assert answer.status == 400
    assert answer.body["errors"][0]["field"] == "size"


def test_create_without_a_size_says_what_the_original_said(cube: NodeUnderTest) -> None:
    assert ask(cube, {"action": "create"}).body["message"] == "size required"


@pytest.mark.parametrize("field", ["pool_name", "image_prefix"])
@pytest.mark.parametrize("name", ["-p", "a/b", "a b", "a;b", "$(id)", "a@b", ".", "../x", "a\nb", "a" * 65, "가"])
def test_names_that_are_none(cube: NodeUnderTest, field: str, name: str) -> None:
    answer = ask(cube, {"action": "create", "size": 1, field: name})
    assert answer.status == 400
    assert answer.body["errors"][0]["field"] == field


def test_a_pool_that_is_not_there(cube: NodeUnderTest) -> None:
    cube.runner.expect([*LS[:-1], "none"], code=2, stderr="rbd: error opening pool 'none': (2) No such file or directory\n")
    answer = ask(cube, {"action": "create", "size": 1, "pool_name": "none"})
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "pool_name")


def test_a_ceph_that_does_not_answer(cube: NodeUnderTest) -> None:
    cube.runner.expect(LS, code=110, stderr="rbd: couldn't connect to the cluster!\n")
    answer = ask(cube, {"action": "create", "size": 1})
    assert answer.status == 502
    assert "couldn't connect" in answer.body["message"]


def test_a_node_that_is_not_configured(node: NodeUnderTest) -> None:
    assert ask(node, {"action": "create", "size": 1}).status == 500
    node.write_cluster({})
    answer = ask(node, {"action": "create", "size": 1})
    assert answer.status == 409
    assert "hosts[].ablecube required" in answer.body["message"]


# --- delete ----------------------------------------------------------------------------------------------------------


def usage(image: str, *devices: str, listed: bool = True, uses: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"image": image, "listed": listed, "devices": list(devices), "uses": list(uses)}


def expect_checked(cube: NodeUnderTest, *usages: dict[str, Any], own: str = "[]", devices: Any = ()) -> None:
    """Every node is asked about the images: this one has them as `own` says, the others as `usages`."""
    cube.runner.expect(LS, stdout='["gfs01","gfs07","gfs08"]')
    cube.runner.expect(DEVICES, stdout=own)
    if devices:
        lsblk_output.expect(cube.runner, *devices)
    for address in (SECOND, THIRD):
        cube.peers.expect(address, "POST", PATH, body={"code": 200, "val": list(usages)})


@pytest.mark.parametrize(
    "body",
    [
        {"image_name": "gfs07"},
        {"image_name": " rbd/gfs07 , /dev/rbd/rbd/gfs07"},
        {"images": ["/dev/rbd/rbd/gfs07"], "image_name": "gfs07,"},
    ],
)
def test_delete(cube: NodeUnderTest, body: dict[str, Any]) -> None:
    rbdmap_file(cube).write_text(f"{OLD_MAP}\nrbd/gfs07 {OPTIONS}\ngfs07 id=x\n# end")
    runner = cube.runner
    rbd3 = device("disk", "rbd3")
    expect_checked(cube, usage("rbd/gfs07", "/dev/rbd0"), own=mapped(gfs07="/dev/rbd3"), devices=(rbd3,))
    runner.expect(status_argv("rbd/gfs07"), stdout=watchers("10.1.1.1", "10.1.1.2", "10.1.1.3"))
    runner.expect(DEVICES, stdout=mapped(gfs07="/dev/rbd3", gfs01="/dev/rbd4"))
    lsblk_output.expect(runner, rbd3)
    runner.expect(unmap_argv("/dev/rbd3"))
    for address in (SECOND, THIRD):
        cube.peers.expect(address, "POST", PATH)
    runner.expect(remove_argv("rbd/gfs07"))
    answer = ask(cube, {"action": "delete", **body})
    assert (answer.status, answer.body["val"], answer.body["action"]) == (200, ["rbd/gfs07"], "delete")
    assert [entry["outcome"] for entry in answer.body["results"]] == ["ok", "ok", "ok"]
    assert rbdmap_file(cube).read_text() == f"{OLD_MAP}\n# end"
    assert [body["action"] for body in sent(cube, SECOND)] == ["check", "delete"]


def test_the_plan_of_a_delete(cube: NodeUnderTest) -> None:
    expect_checked(cube, usage("rbd/gfs07"))
    cube.runner.expect(status_argv("rbd/gfs07"), stdout=watchers())
    answer = ask(cube, {"action": "delete", "image_name": "gfs07"}, "?plan=true")
    assert [step["step"] for step in answer.body["val"]["steps"]] == ["detach-everywhere", "remove-rbd/gfs07"]
    assert [body["action"] for body in sent(cube, SECOND)] == ["check"]


@pytest.mark.parametrize("query", ["", "?plan=true"])
def test_an_image_that_something_stands_on_is_not_deleted(cube: NodeUnderTest, query: str) -> None:
    expect_checked(cube, usage("rbd/gfs07", "/dev/rbd0", uses=("mounted at /mnt/glue-gfs",)))
    answer = ask(cube, {"action": "delete", "image_name": "gfs07"}, query)
    assert answer.status == 409
    assert f"rbd/gfs07 on {SECOND}: mounted at /mnt/glue-gfs" in answer.body["message"]


def test_this_nodes_own_use_counts_too(cube: NodeUnderTest) -> None:
    expect_checked(
        cube,
        usage("rbd/gfs07"),
        own=mapped(gfs07="/dev/rbd3"),
        devices=(device("disk", "rbd3", **physical_volume()),),
    )
    answer = ask(cube, {"action": "delete", "image_name": "gfs07"})
    assert answer.status == 409
    assert "physical volume" in answer.body["message"]


def test_an_image_that_a_program_has_open_is_not_deleted(cube: NodeUnderTest) -> None:
    """Two nodes have it mapped, three clients watch it: the third is somebody else."""
    for force in (False, True):
        expect_checked(cube, usage("rbd/gfs07", "/dev/rbd0"))
        cube.runner.expect(status_argv("rbd/gfs07"), stdout=watchers("10.1.1.2", "10.1.1.3", "10.1.1.3"))
        answer = ask(cube, {"action": "delete", "image_name": "gfs07", "force": force})
        assert answer.status == 409
        assert "rbd/gfs07 is open on 10.1.1.2, 10.1.1.3" in answer.body["message"]


def test_an_image_that_is_opened_at_the_last_moment(cube: NodeUnderTest) -> None:
    """The nodes get back what is still there: the second image, not the first."""
    runner = cube.runner
    rbdmap_file(cube).write_text(f"rbd/gfs07 {OPTIONS}\nrbd/gfs08 id=own\n")
    both = {"gfs07": "/dev/rbd3", "gfs08": "/dev/rbd4"}
    disks = (device("disk", "rbd3"), device("disk", "rbd4"))
    expect_checked(cube, usage("rbd/gfs07"), usage("rbd/gfs08"), own=mapped(**both), devices=disks)
    for image in ("rbd/gfs07", "rbd/gfs08"):
        runner.expect(status_argv(image), stdout=watchers("10.1.1.1"))
    runner.expect(DEVICES, stdout=mapped(**both))
    lsblk_output.expect(runner, *disks)
    runner.expect(unmap_argv("/dev/rbd3"))
    runner.expect(unmap_argv("/dev/rbd4"))
    for address in (SECOND, THIRD):
        cube.peers.expect(address, "POST", PATH)
    runner.expect(remove_argv("rbd/gfs07"))
    runner.expect(remove_argv("rbd/gfs08"), code=16, stderr=BUSY)
    expect_attached(runner, "rbd/gfs08")
    for address in (SECOND, THIRD):
        cube.peers.expect(address, "POST", PATH)
    answer = ask(cube, {"action": "delete", "images": ["gfs07", "gfs08"]})
    assert answer.status == 409
    message = answer.body["message"]
    assert "rbd/gfs08 was opened by somebody a moment ago" in message
    assert "undone: detach-everywhere" in message
    assert "stays done: remove-rbd/gfs07" in message
    assert sent(cube, SECOND)[2] == {
        "action": "create",
        "images": ["rbd/gfs08"],
        "pool_name": "rbd",
        "map": False,
        "force": False,
    }


def test_a_node_that_cannot_unmap_keeps_all_images(cube: NodeUnderTest) -> None:
    """The kernel has the last word: a device that is open stays mapped, and its line stays."""
    runner = cube.runner
    text = f"rbd/gfs07 {OPTIONS}\n"
    rbdmap_file(cube).write_text(text)
    rbd3 = device("disk", "rbd3")
    expect_checked(cube, usage("rbd/gfs07"), own=mapped(gfs07="/dev/rbd3"), devices=(rbd3,))
    runner.expect(status_argv("rbd/gfs07"), stdout=watchers("10.1.1.1"))
    runner.expect(DEVICES, stdout=mapped(gfs07="/dev/rbd3"))
    lsblk_output.expect(runner, rbd3)
    runner.expect(unmap_argv("/dev/rbd3"), code=16, stderr="rbd: unmap failed: (16) Device or resource busy\n")
    runner.expect(DEVICES, stdout=mapped(gfs07="/dev/rbd3"))
    runner.expect(ENABLE)
    runner.expect(START)
    for address in (SECOND, THIRD):
        cube.peers.expect(address, "POST", PATH)
    answer = ask(cube, {"action": "delete", "image_name": "gfs07"})
    assert answer.status == 409
    assert "rbd/gfs07 is in use: a program of this node has /dev/rbd3 open" in answer.body["message"]
    assert rbdmap_file(cube).read_text() == text


def test_a_silent_node_stops_a_delete_unless_forced(cube: NodeUnderTest) -> None:
    runner = cube.runner
    body = {"action": "delete", "image_name": "gfs07"}
    for force in (False, True):
        runner.expect(LS, stdout='["gfs07"]')
        runner.expect(DEVICES, stdout="[]")
        cube.peers.expect(SECOND, "POST", PATH, body={"code": 200, "val": [usage("rbd/gfs07", listed=False)]})
        cube.peers.expect_unreachable(THIRD, "POST", PATH, "no connection")
        if not force:
            answer = ask(cube, body)
            assert answer.status == 502
            assert f"{THIRD}: no connection" in answer.body["message"]
    runner.expect(status_argv("rbd/gfs07"), stdout=watchers())
    runner.expect(DEVICES, stdout="[]")
    cube.peers.expect(SECOND, "POST", PATH)
    runner.expect(remove_argv("rbd/gfs07"))
    answer = ask(cube, {**body, "force": True})
    assert answer.status == 200
    assert [entry["outcome"] for entry in answer.body["results"]] == ["ok", "ok", "unreachable"]


def test_an_image_that_is_not_there(cube: NodeUnderTest) -> None:
    cube.runner.expect(LS, stdout='["gfs01"]')
    answer = ask(cube, {"action": "delete", "image_name": "gfs01,gfs98,gfs99"})
    assert answer.status == 404
    assert "rbd/gfs98, rbd/gfs99" in answer.body["message"]


def test_what_the_nodes_still_have_of_a_missing_image(cube: NodeUnderTest) -> None:
    rbdmap_file(cube).write_text(f"rbd/gfs98 {OPTIONS}\n")
    expect_checked(cube, usage("rbd/gfs98"))
    cube.runner.expect(DEVICES, stdout="[]")
    for address in (SECOND, THIRD):
        cube.peers.expect(address, "POST", PATH)
    answer = ask(cube, {"action": "delete", "image_name": "gfs98", "force": True})
    assert (answer.status, answer.body["val"]) == (200, [])
    assert rbdmap_file(cube).read_text() == ""


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"image_name": "glue/gfs01"}, "image_name"),
        ({"images": ["/dev/rbd/glue/gfs01"]}, "images"),
        ({"image_name": "rbd/gfs01", "pool_name": "glue"}, "image_name"),
        ({"image_name": "a/b/c"}, "image_name"),
        ({"image_name": "/dev/sda"}, "image_name"),
        ({"image_name": "rbd/"}, "image_name"),
        ({"image_name": "-rf"}, "image_name"),
        ({"image_name": "gfs01@snap"}, "image_name"),
        ({"images": ["gfs01\nrbd/x"]}, "images"),
        ({"images": ["x" * 100_000]}, "images"),
        ({"images": ["gfs01"] * 257}, "images"),
    ],
)
def test_delete_refuses_names_that_are_none(cube: NodeUnderTest, body: dict[str, Any], field: str) -> None:
    """Another pool in a name is never silently replaced (weakness 40)."""
    answer = ask(cube, {"action": "delete", **body})
    assert answer.status == 400
    assert answer.body["errors"][0]["field"] == field


@pytest.mark.parametrize("body", [{}, {"image_name": " , "}, {"images": []}, {"images": None, "image_name": None}])
def test_delete_without_a_name(cube: NodeUnderTest, body: dict[str, Any]) -> None:
    answer = ask(cube, {"action": "delete", **body})
    assert (answer.status, answer.body["message"]) == (400, "image_name or images required")


@pytest.mark.parametrize("action", ["", "check", "list", "map"])
def test_unsupported_action(cube: NodeUnderTest, action: str) -> None:
    answer = ask(cube, {"action": action, "images": ["gfs01"]})
    assert (answer.status, answer.body["message"]) == (400, "unsupported action")


# --- one node's part -------------------------------------------------------------------------------------------------


def test_the_local_part_wants_images(cube: NodeUnderTest) -> None:
    for action in ("create", "check"):
        answer = ask(cube, {"action": action, "size": 5}, headers=LOCAL)
        assert (answer.status, answer.body["message"]) == (400, "images required")


def test_the_local_part_asks_nobody(cube: NodeUnderTest) -> None:
    cube.runner.expect(DEVICES, stdout=mapped(gfs01="/dev/rbd0"))
    cube.runner.expect(DEVICES, stdout=mapped(gfs01="/dev/rbd0"))
    cube.runner.expect(map_argv("rbd/gfs09"), stdout="/dev/rbd1\n")
    cube.runner.expect(ENABLE)
    cube.runner.expect(START)
    answer = ask(cube, {"action": "create", "images": ["rbd/gfs01", "gfs09"]}, headers=LOCAL)
    assert answer.status == 200
    assert answer.body["val"] == ["rbd/gfs01", "rbd/gfs09"]
    assert answer.body["results"][0].pop("hostname")
    assert answer.body["results"] == [
        {
            "target": "local",
            "code": 200,
            "outcome": "ok",
            "message": "ok",
            "images": ["rbd/gfs01", "rbd/gfs09"],
        }
    ]
    assert rbdmap_file(cube).read_text() == OLD_MAP + lines("rbd/gfs09")
    assert (rbdmap_file(cube).with_name("rbdmap.ablestack-backup")).read_text() == OLD_MAP
    assert cube.peers.made == []


def test_the_local_part_tells_what_an_image_is_used_for(cube: NodeUnderTest) -> None:
    cube.runner.expect(DEVICES, stdout=mapped(gfs01="/dev/rbd0"))
    lsblk_output.expect(cube.runner, device("disk", "rbd0", mountpoints=["/data"]))
    answer = ask(cube, {"action": "check", "images": ["gfs01", "gfs02"]}, headers=LOCAL)
    assert answer.body["val"] == [
        {"image": "rbd/gfs01", "listed": True, "devices": ["/dev/rbd0"], "uses": ["mounted at /data"]},
        {"image": "rbd/gfs02", "listed": False, "devices": [], "uses": []},
    ]


def test_the_local_part_refuses_to_take_away_what_is_used(cube: NodeUnderTest) -> None:
    cube.runner.expect(DEVICES, stdout=mapped(gfs01="/dev/rbd0"))
    lsblk_output.expect(cube.runner, device("disk", "rbd0", mountpoints=["/data"]))
    answer = ask(cube, {"action": "delete", "images": ["gfs01"]}, headers=LOCAL)
    assert answer.status == 409
    assert rbdmap_file(cube).read_text() == OLD_MAP


def test_the_marker_of_somebody_else_means_nothing(cube: NodeUnderTest) -> None:
    answer = ask(cube, {"action": "check", "images": ["gfs01"]}, headers={**cube.bearer(), "X-Cube-RBD-Manage-Local": "1"})
    assert answer.status in (400, 401)


def test_a_credential_is_needed(cube: NodeUnderTest) -> None:
    assert ask(cube, {"action": "create", "size": 1}, headers={}).status == 401
