"""The one tree of errors. An error says what failed, what state things are in now and what to do about it.

Every class has a `kind` that never changes and is never reused; docs/errors.md lists them all.
`web.problems` turns an error into the body of an answer, `cli` into a line on stderr.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ApiError(Exception):
    """What an operator is told. `members` become further members of the answer's body."""

    status = 500
    kind = "internal_error"
    title = "The daemon failed"
    # True: nothing is wrong, whatever the status says. The request log then does not call it an error.
    is_normal = False

    def __init__(
        self,
        detail: str,
        *,
        fields: "Sequence[tuple[str, str]]" = (),
        headers: "Mapping[str, str] | None" = None,
        **members: object,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = tuple(fields)
        self.headers = dict(headers or {})
        self.members = members


class BadInput(ApiError):
    status = 400
    kind = "bad_input"
    title = "The request is not valid"


def bad_field(field: str, reason: str, message: str | None = None) -> BadInput:
    """One wrong field; `message` where 0.1.2 had a text of its own that clients compare."""
    return BadInput(message or f"{field}: {reason}", fields=[(field, reason)])


def bad_fields(faults: "Sequence[tuple[str, str]]") -> BadInput:
    """Several wrong fields; the first one is told in the message, all are in `errors`."""
    return BadInput(f"invalid request: {faults[0][0]}: {faults[0][1]}", fields=faults)


class Unauthorized(ApiError):
    status = 401
    kind = "unauthorized"
    title = "Credentials are missing or not accepted"


class NotFound(ApiError):
    status = 404
    kind = "not_found"
    title = "There is no such resource"


class MethodNotAllowed(ApiError):
    status = 405
    kind = "method_not_allowed"
    title = "The resource does not offer this method"


class Busy(ApiError):
    """Somebody else holds it. Members: `holder` (text), `age_seconds` (number); `job` (its id) where it is long work."""

    status = 409
    kind = "busy"
    title = "Another change is running"


class Conflict(ApiError):
    status = 409
    kind = "conflict"
    title = "The present state does not allow this"


class Cancelled(ApiError):
    """Somebody asked for it, or the daemon is being stopped; what was done is undone where the work knows how."""

    status = 409
    kind = "cancelled"
    title = "The work was cancelled"


class RevisionChanged(ApiError):
    status = 412
    kind = "revision_changed"
    title = "The configuration was changed by somebody else"


class BodyTooLarge(ApiError):
    status = 413
    kind = "body_too_large"
    title = "The request body is too large"


class UnsupportedMediaType(ApiError):
    status = 415
    kind = "unsupported_media_type"
    title = "The request body is of a type that is not understood"


class TooManyAttempts(ApiError):
    """Header `Retry-After` says after how many seconds to come back."""

    status = 429
    kind = "too_many_attempts"
    title = "Too many attempts"


class ClusterFileMissing(ApiError):
    kind = "cluster_file_missing"
    title = "This node has no cluster.json"


class ClusterFileDamaged(ApiError):
    kind = "cluster_file_damaged"
    title = "cluster.json cannot be understood"


class StateFileDamaged(ApiError):
    kind = "state_file_damaged"
    title = "A file of the daemon cannot be understood"


class FileUnusable(ApiError):
    """The operating system refused a read or a write."""

    kind = "file_unusable"
    title = "A file could not be read or written"


class DiskFull(FileUnusable):
    status = 507
    kind = "disk_full"
    title = "There is no space left for a file"


class TemplateUnusable(ApiError):
    """A template of a machine is missing or broken. Member: `path`."""

    kind = "template_unusable"
    title = "A template of this node cannot be used"


class NotSetUp(ApiError):
    """A feature that nobody has set up on this node: a normal state, which 0.1.2 answers with 500 all the same."""

    kind = "not_set_up"
    title = "This is not set up on this node"
    is_normal = True


class AuthNotInitialized(ApiError):
    kind = "auth_not_initialized"
    title = "This node has no signing value yet"


class PeersFailed(ApiError):
    """A call to other nodes went wrong. Member `results`: one entry a target (see docs/errors.md)."""

    status = 502
    kind = "peers_failed"
    title = "At least one node failed"


class CommandFailed(ApiError):
    """A program ended with an exit code that is not success. Members: `program`, `exit_code`."""

    status = 502
    kind = "command_failed"
    title = "A program of the system failed"


class LibvirtFailed(ApiError):
    status = 502
    kind = "libvirt_failed"
    title = "libvirt failed"


class ProgramMissing(ApiError):
    """Members: `program`, `package`."""

    status = 503
    kind = "program_missing"
    title = "A program is not installed on this node"


class PacemakerDown(ApiError):
    """The cluster of Pacemaker is set up, but does not run on this node."""

    status = 503
    kind = "pacemaker_down"
    title = "Pacemaker does not run on this node"


class CommandTimedOut(ApiError):
    """Members: `program`, `seconds`."""

    status = 504
    kind = "command_timed_out"
    title = "A program of the system did not end in time"


class LibvirtTimedOut(ApiError):
    status = 504
    kind = "libvirt_timed_out"
    title = "libvirt did not answer in time"
