"""Errors that come together, for what an endpoint declares."""

from ablestack_api.core.errors import (
    ClusterFileDamaged,
    ClusterFileMissing,
    CommandFailed,
    CommandTimedOut,
    LibvirtFailed,
    LibvirtTimedOut,
    NotSetUp,
    PacemakerDown,
    ProgramMissing,
)

TOOL_ERRORS = (CommandFailed, CommandTimedOut, ProgramMissing)
CLUSTER_FILE_ERRORS = (ClusterFileMissing, ClusterFileDamaged)
LIBVIRT_ERRORS = (LibvirtFailed, LibvirtTimedOut)
PACEMAKER_ERRORS = (NotSetUp, PacemakerDown)
