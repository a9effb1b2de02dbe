"""Shapes of `/cube/security/patch` (contract 06 §3.1)."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class PatchRequest(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    json_path: str = Field(default="", alias="json", description="cluster.json of this node; no other file is taken")
    new_port: int | None = Field(default=None, description="SSH listens there afterwards")
    targets: list[str] = Field(default_factory=list, description="ablecube, scvm, ccvm, all (default)")
    ssh_user: str = "root"
    ssh_port: int | None = Field(default=None, description="where SSH listens now; this node's own port by default")
    dry_run: bool = Field(default=False, description="show the commands, call nobody")
    retname: str = "Security Update"
    add_host: bool = Field(default=False, description="this host, and its storage VM")
    port_change: bool = Field(default=False, description="only the SSH port")
    update_json_file: bool = Field(default=False, description="only set the flag of cluster.json")
    local: bool = Field(default=False, description="this node only")
    ceph_ssh_change: bool = Field(default=False, description="only the port that cephadm calls on")


class PatchResult(BaseModel):
    """One node, keys as ever. `changes` are the lines of the script's report."""

    model_config = ConfigDict(populate_by_name=True)

    ip: str
    target_kind: str = Field(alias="targetKind")
    script_path: str = Field(alias="scriptPath")
    connect_port: int | None = Field(default=None, alias="connectPort")
    change_to: int | None = Field(default=None, alias="changeTo")
    ok: bool = False
    rc: int = 0
    stdout: str | None = None
    stderr: str | None = None
    changes: list[str] | None = None
    skipped: str | None = Field(default=None, description="why nothing was done there")
    dry_run_cmd: str | None = Field(default=None, alias="dryRunCmd")
    retries_planned: int | None = Field(default=None, alias="retriesPlanned")
    retry_delay_sec: int | None = Field(default=None, alias="retryDelaySec")
    attempts: int | None = None
    success_attempt: int | None = Field(default=None, alias="successAttempt")
    success_pattern: str = Field(alias="successPattern")
    cluster_type: str = Field(alias="clusterType")
    is_local: bool | None = Field(default=None, alias="isLocal")
    transport: str = "ssh"


class PatchAnswer(BaseModel):
    code: int
    val: dict[str, Any] = Field(description="summary, and targets: one PatchResult a node")
    retname: str
    message: str
