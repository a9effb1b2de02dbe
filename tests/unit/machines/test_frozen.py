"""machines.frozen: a guest stands still for a moment and goes on, whatever happens in between."""

from dataclasses import replace

import pytest

from ablestack_api.core.errors import CommandFailed, LibvirtTimedOut, ProgramMissing
from ablestack_api.machines.frozen import frozen
from tests.support.machines import ScriptedAgent
from tests.support.node_under_test import NodeUnderTest

UNIT = "ablestack-thaw-0123456789ab"
TIMER = [
    *("systemd-run", "--quiet", "--collect", f"--unit={UNIT}", "--on-active=60", "--timer-property=AccuracySec=1s", "--"),
    *("virsh", "-c"),
]
STOP = ["systemctl", "stop", "--", f"{UNIT}.timer"]


@pytest.fixture
def agent(node: NodeUnderTest, monkeypatch: pytest.MonkeyPatch) -> ScriptedAgent:
    monkeypatch.setattr("uuid.uuid4", lambda: type("Fixed", (), {"hex": "0123456789abcdef"}))
    agent = ScriptedAgent(node.settings.libvirt_uri)
    node.env = replace(node.env, libvirt=agent)
    return agent


def asked(agent: ScriptedAgent) -> list[str]:
    return [str(each["execute"]).removeprefix("guest-") for each in agent.asked]


def timer(node: NodeUnderTest) -> list[str]:
    return [*TIMER, node.settings.libvirt_uri, "domfsthaw", "ccvm"]


def test_the_way_back_is_there_before_it_is_frozen(node: NodeUnderTest, agent: ScriptedAgent) -> None:
    agent.answers = {"guest-ping": {}, "guest-fsfreeze-freeze": 2, "guest-fsfreeze-thaw": 2}
    node.runner.expect(timer(node))
    with frozen(node.env, "ccvm") as still:
        assert still
        assert asked(agent) == ["ping", "fsfreeze-freeze"]
        node.runner.finish()
        node.runner.expect(STOP)
    assert asked(agent) == ["ping", "fsfreeze-freeze", "fsfreeze-thaw"]


def test_it_goes_on_when_the_copy_fails(node: NodeUnderTest, agent: ScriptedAgent) -> None:
    agent.answers = {"guest-ping": {}, "guest-fsfreeze-freeze": 1, "guest-fsfreeze-thaw": 1}
    node.runner.expect(timer(node))
    node.runner.expect(STOP)
    with pytest.raises(CommandFailed), frozen(node.env, "ccvm"):
        raise CommandFailed("rbd ended with code 1", program="rbd", exit_code=1)
    assert asked(agent)[-1] == "fsfreeze-thaw"


def test_a_thaw_that_fails_is_left_to_systemd(node: NodeUnderTest, agent: ScriptedAgent) -> None:
    """The timer is not stopped: it does what the daemon could not."""
    hangs = LibvirtTimedOut("the guest agent of ccvm does not answer")
    agent.answers = {"guest-ping": {}, "guest-fsfreeze-freeze": 1, "guest-fsfreeze-thaw": hangs}
    node.runner.expect(timer(node))
    with frozen(node.env, "ccvm") as still:
        assert still


def test_a_freeze_that_hangs_may_have_frozen(node: NodeUnderTest, agent: ScriptedAgent) -> None:
    hangs = LibvirtTimedOut("the guest agent of ccvm does not answer")
    agent.answers = {"guest-ping": {}, "guest-fsfreeze-freeze": hangs, "guest-fsfreeze-thaw": 1}
    node.runner.expect(timer(node))
    node.runner.expect(STOP)
    with frozen(node.env, "ccvm") as still:
        assert not still
    assert asked(agent)[-1] == "fsfreeze-thaw"


def test_without_an_agent_it_is_not_frozen(node: NodeUnderTest, agent: ScriptedAgent) -> None:
    agent.answers = {"guest-ping": LibvirtTimedOut("the guest agent of ccvm is not connected")}
    with frozen(node.env, "ccvm") as still:
        assert not still
    assert asked(agent) == ["ping"]


def test_without_a_way_back_it_is_not_frozen(node: NodeUnderTest, agent: ScriptedAgent) -> None:
    agent.answers = {"guest-ping": {}}
    node.runner.expect(timer(node), raises=ProgramMissing("systemd-run", program="systemd-run", package="systemd"))
    with frozen(node.env, "ccvm") as still:
        assert not still
    assert asked(agent) == ["ping"]
