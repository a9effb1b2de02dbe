"""Programs around the appliance machines: arguments, exit codes, secrets."""

import shutil

import pytest

from ablestack_api.core.errors import CommandFailed
from ablestack_api.core.runner import SystemRunner
from ablestack_api.core.secret import Secret
from ablestack_api.core.settings import DEFAULT_PROGRAM_PATH
from ablestack_api.tools import ceph, cloud_init, openssl, ping, sysctl, virt_xml_validate
from tests.support.doubles import QueuedRunner

SYSTEM = SystemRunner(DEFAULT_PROGRAM_PATH, "/")
PING = ["ping", "-c", "1", "-W", "3", "--", "10.10.31.10"]
GOOD = "<domain type='qemu'><name>a</name><memory>1024</memory><os><type>hvm</type></os></domain>"


@pytest.fixture
def runner() -> QueuedRunner:
    return QueuedRunner()


def test_a_password_goes_over_stdin(runner: QueuedRunner) -> None:
    runner.expect(["openssl", "passwd", "-6", "-stdin"], stdin="S3cret\n", stdout="$6$salt$hash\n")
    assert openssl.hash_password(runner, Secret("S3cret")) == "$6$salt$hash"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_the_real_openssl_salts_every_hash_anew() -> None:
    first, second = (openssl.hash_password(SYSTEM, Secret("S3cret")) for _ in range(2))
    assert first.startswith("$6$")
    assert second.startswith("$6$")
    assert first != second


@pytest.mark.parametrize(("code", "answers"), [(0, True), (1, False)])
def test_ping(runner: QueuedRunner, code: int, answers: bool) -> None:
    runner.expect(PING, code=code)
    assert ping.answers(runner, "10.10.31.10") is answers


def test_a_ping_that_cannot_be_sent_is_an_error(runner: QueuedRunner) -> None:
    runner.expect(PING, code=2, stderr="ping: connect: Network is unreachable")
    with pytest.raises(CommandFailed, match="unreachable"):
        ping.answers(runner, "10.10.31.10")


@pytest.mark.parametrize(("code", "warned"), [(0, False), (2, True)])
def test_the_status_of_cloud_init(runner: QueuedRunner, code: int, warned: bool) -> None:
    runner.expect(["cloud-init", "status"], stdout="\nstatus: done\n\n", code=code)
    assert cloud_init.read_status(runner) == (["status: done"], warned)


def test_cloud_init_that_failed(runner: QueuedRunner) -> None:
    runner.expect(["cloud-init", "status"], stdout="status: error\n", code=1)
    with pytest.raises(CommandFailed, match="status: error"):
        cloud_init.read_status(runner)


def test_a_key_of_ceph_is_a_secret(runner: QueuedRunner) -> None:
    runner.expect(["ceph", "--connect-timeout", "5", "auth", "get-key", "client.admin"], stdout="QVFC==\n")
    key = ceph.read_key(runner, "client.admin")
    assert (str(key), key.reveal()) == ("****", "QVFC==")


def test_one_setting_of_the_kernel(runner: QueuedRunner) -> None:
    runner.expect(["sysctl", "-q", "-w", "vm.nr_hugepages=100"])
    sysctl.set_value(runner, "vm.nr_hugepages", "100")
    runner.finish()


@pytest.mark.skipif(shutil.which("virt-xml-validate") is None, reason="libvirt-clients is not installed")
def test_the_real_schema() -> None:
    assert virt_xml_validate.domain_fault(SYSTEM, GOOD) == ""
    fault = virt_xml_validate.domain_fault(SYSTEM, GOOD.replace("<name>a</name>", "<nonsense/>"))
    assert "fails to validate" in fault
