"""The connection to libvirt. Nothing else in the package imports libvirt."""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ablestack_api.core.errors import LibvirtFailed, LibvirtTimedOut, ProgramMissing

if TYPE_CHECKING:
    import libvirt

T = TypeVar("T")
KEEPALIVE_SECONDS = 5
KEEPALIVE_MISSES = 3
# Until libvirt's own word that an agent is silent has come through.
AGENT_GRACE_SECONDS = 2.0
# libvirt knows at once that nobody listens: that is not the same as not getting an answer.
NO_AGENT = "agent is not connected"


class Libvirt(Protocol):
    def call(self, work: "Callable[[libvirt.virConnect], T]", *, timeout: float) -> T:
        """Do `work` with an open connection, for at most `timeout` seconds.

        Raises LibvirtFailed with libvirt's own message, LibvirtTimedOut, ProgramMissing (no libvirt library).
        """

    def ask_agent(self, domain: str, command: str, *, timeout: float) -> str:
        """Send one command (JSON) to the QEMU guest agent of a domain; its answer (JSON).

        Raises LibvirtTimedOut when the agent does not answer in time, else as `call`.
        """


class SystemLibvirt:
    """Opened on first use, one connection for the process, opened again when it died.

    Every call has a thread of its own: one that hangs costs its caller the deadline and nobody else anything.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._lock = threading.Lock()
        self._connection: Any = None

    def call(self, work: "Callable[[libvirt.virConnect], T]", *, timeout: float) -> T:
        answer: Future[T] = Future()
        threading.Thread(target=self._do, args=(work, answer), name="libvirt", daemon=True).start()
        try:
            return answer.result(timeout)
        except TimeoutError as error:
            self._forget()
            raise LibvirtTimedOut(f"libvirt ({self._uri}) did not answer within {timeout:g} s") from error

    def ask_agent(self, domain: str, command: str, *, timeout: float) -> str:
        """libvirt itself stops waiting after the time (whole seconds), so that a silent agent keeps no thread."""
        seconds = max(1, round(timeout))

        def work(connection: "libvirt.virConnect") -> str:
            import libvirt
            import libvirt_qemu

            try:
                return str(libvirt_qemu.qemuAgentCommand(connection.lookupByName(domain), command, seconds, 0))
            except libvirt.libvirtError as error:
                # The second code came with libvirt 9.1.
                codes = (libvirt.VIR_ERR_AGENT_UNRESPONSIVE, getattr(libvirt, "VIR_ERR_AGENT_COMMAND_TIMEOUT", None))
                if error.get_error_code() in codes and NO_AGENT not in str(error):
                    raise LibvirtTimedOut(f"the guest agent of {domain} does not answer: {error}") from error
                raise

        return self.call(work, timeout=seconds + AGENT_GRACE_SECONDS)

    def _do(self, work: "Callable[[libvirt.virConnect], T]", answer: "Future[T]") -> None:
        try:
            answer.set_result(work(self._open()))
        except BaseException as error:
            answer.set_exception(_translated(error, self._uri))

    def _open(self) -> "libvirt.virConnect":
        import libvirt  # 15 MB and 100 ms that a node without guests never pays

        with self._lock:
            connection = self._connection
        if connection is not None:
            with contextlib.suppress(libvirt.libvirtError):  # it may be too dead to say so
                if connection.isAlive():
                    return connection
        _start_event_loop(libvirt)
        connection = libvirt.open(self._uri)
        with contextlib.suppress(libvirt.libvirtError):  # the test driver has no keep-alive
            connection.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_MISSES)
        with self._lock:
            self._connection = connection
        return connection

    def _forget(self) -> None:
        with self._lock:
            self._connection = None


_event_loop = threading.Event()


def _start_event_loop(libvirt: Any) -> None:
    """Keep-alive needs somebody to run libvirt's event loop, once a process."""
    if _event_loop.is_set():
        return
    _event_loop.set()
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    libvirt.virEventRegisterDefaultImpl()

    def turn() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()

    threading.Thread(target=turn, name="libvirt-events", daemon=True).start()


def _translated(error: BaseException, uri: str) -> BaseException:
    if isinstance(error, ImportError):
        return ProgramMissing(
            "the libvirt library is not installed on this node; the package libvirt-libs (Debian: libvirt0) brings it",
            program="libvirt",
            package="libvirt-libs",
        )
    if type(error).__module__ == "libvirt":
        return LibvirtFailed(f"libvirt ({uri}): {error}")
    return error
