"""POST /cube/ccvm/service/control (contract 03 §10)."""

from typing import Any

import pytest

from ablestack_api.core.errors import CommandTimedOut
from tests.support import documents, whole_system
from tests.support.node_under_test import NodeUnderTest

PATH = "/cube/ccvm/service/control"
HEADER = "X-Cube-CCVM-Service-Local"
CCVM = "10.10.31.10"


@pytest.fixture
def inside(ccvm: NodeUnderTest) -> NodeUnderTest:
    """The node in the VM, where systemd is asked."""
    return whole_system.believe(ccvm)


def known(node: NodeUnderTest, unit: str = "mold.service", code: int = 0) -> None:
    node.runner.expect(["systemctl", "cat", "--", unit], code=code)


@pytest.mark.parametrize("action", ["start", "stop", "restart"])
@pytest.mark.parametrize("name", ["mold", "mold.service"])
def test_inside_the_vm(inside: NodeUnderTest, action: str, name: str) -> None:
    known(inside)
    inside.runner.expect(["systemctl", action, "--", "mold.service"])
    answer = inside.call("POST", PATH, {"action": f" {action.upper()} ", "service_name": name})
    assert answer.body == {"code": 200, "val": f"{name} service {action} control success"}


@pytest.mark.parametrize(("state", "status"), [("active", 200), ("inactive", 502), ("failed", 502)])
def test_status(inside: NodeUnderTest, state: str, status: int) -> None:
    known(inside)
    inside.runner.expect(
        ["systemctl", "is-active", "--", "mold.service"], stdout=f"{state}\n", code=0 if status == 200 else 3
    )
    answer = inside.call("POST", PATH, {"action": "status", "service_name": "mold"})
    assert answer.status == status
    if status != 200:
        assert (answer.body["val"], answer.body["state"]) == ("mold service status control error", state)


def test_a_service_that_is_not_there(inside: NodeUnderTest) -> None:
    known(inside, "nonsense.service", code=1)
    answer = inside.call("POST", PATH, {"action": "start", "service_name": "nonsense"})
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "service_name")


def test_a_service_that_fails_says_why(inside: NodeUnderTest) -> None:
    known(inside)
    told = "Job for mold.service failed because the control process exited with error code."
    inside.runner.expect(["systemctl", "start", "--", "mold.service"], code=1, stderr=told)
    answer = inside.call("POST", PATH, {"action": "start", "service_name": "mold"})
    assert (answer.status, answer.body["val"]) == (502, "mold service start control error")
    assert told in answer.body["message"]


def test_a_service_that_hangs(inside: NodeUnderTest) -> None:
    """W3: 0.1.2 waited without end."""
    known(inside)
    hung = CommandTimedOut("systemctl did not end within 100 s and was killed", program="systemctl", seconds=100)
    inside.runner.expect(["systemctl", "stop", "--", "mold.service"], raises=hung)
    assert inside.call("POST", PATH, {"action": "stop", "service_name": "mold"}).status == 504


def test_a_host_asks_the_vm_with_the_marker(host: NodeUnderTest) -> None:
    """W4: without it, a VM that does not know its own address calls itself without end."""
    host.peers.expect(CCVM, "POST", PATH, body={"code": 200, "val": "mold service stop control success"})
    answer = host.call("POST", PATH, {"action": "stop", "service_name": "mold"})
    assert answer.body == {"code": 200, "val": "mold service stop control success"}
    [call] = host.peers.made
    assert (call.headers[HEADER], call.body) == ("1", {"action": "stop", "service_name": "mold"})


def test_a_marked_call_is_never_passed_on(host: NodeUnderTest) -> None:
    whole_system.believe(host)
    known(host)
    host.runner.expect(["systemctl", "stop", "--", "mold.service"])
    headers = {**host.internal(), HEADER: "1"}
    assert host.call("POST", PATH, {"action": "stop", "service_name": "mold"}, headers=headers).status == 200


def test_what_the_vm_told_is_told(host: NodeUnderTest) -> None:
    """W3: 0.1.2 lost the text."""
    told = {"code": 502, "message": "systemctl ended with code 1: Unit is masked", "val": "mold service start control error"}
    host.peers.expect(CCVM, "POST", PATH, status=502, body=told)
    answer = host.call("POST", PATH, {"action": "start", "service_name": "mold"})
    assert (answer.status, answer.body["val"]) == (502, "mold service start control error")
    assert answer.body["message"].startswith("ccvm service control failed: ccvm (10.10.31.10): systemctl ended with code 1")


def test_a_vm_that_is_off(host: NodeUnderTest) -> None:
    host.peers.expect_unreachable(CCVM, "POST", PATH, "no connection in time")
    answer = host.call("POST", PATH, {"action": "start", "service_name": "mold"})
    assert (answer.status, answer.body["val"]) == (502, "mold service start control error")


@pytest.mark.parametrize(
    "name",
    [
        "--host=evil", "-H", "-a", "--", "mold;reboot", "mold service", "../mold", "/etc/passwd", "mold.socket",
        "default.target", ".service", "$(id)", "a" * 241, "mold\x00", "몰드",
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ["host", "inside"])
def test_names_that_are_none(place: str, name: str, request: pytest.FixtureRequest) -> None:
    """W2: 0.1.2 passed every text on. Refused before anything is run or sent."""
    node: NodeUnderTest = request.getfixturevalue(place)
    answer = node.call("POST", PATH, {"action": "stop", "service_name": name})
    assert answer.status == 400
    assert answer.body["errors"][0]["field"] == "service_name"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"action": "kill", "service_name": "mold"}, "unsupported action"),
        ({"service_name": "mold"}, "unsupported action"),
        ({"action": "stop"}, "service_name required"),
        ({"action": "stop", "service_name": "  "}, "service_name required"),
    ],
)
def test_bad_input(host: NodeUnderTest, body: dict[str, Any], message: str) -> None:
    answer = host.call("POST", PATH, body)
    assert (answer.status, answer.body["message"]) == (400, message)


def test_the_daemon_itself(inside: NodeUnderTest) -> None:
    answer = inside.call("POST", PATH, {"action": "restart", "service_name": "ablestack-api"})
    assert answer.status == 409


def test_without_an_address_of_the_vm(host: NodeUnderTest) -> None:
    document = documents.document()
    document["clusterConfig"]["ccvm"]["ip"] = ""
    host.write_cluster(document)
    answer = host.call("POST", PATH, {"action": "stop", "service_name": "mold"})
    assert (answer.status, answer.body["message"]) == (400, "ccvm ip required")


def test_a_node_in_a_folder_touches_no_service(ccvm: NodeUnderTest) -> None:
    answer = ccvm.call("POST", PATH, {"action": "stop", "service_name": "mold"})
    assert (answer.status, "lives in a folder" in answer.body["message"]) == (409, True)
