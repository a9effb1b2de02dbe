"""Shapes of the backup endpoints (contract 04 §3 to §6)."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]


class DbDumpRequest(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    action: Text = Field(
        default="", description="instantBackup, regularBackup, deleteOldBackup, checkBackup, deactiveBackup, verify"
    )
    path: Text = Field(default="", description="folder of the dumps on the Cloud Center VM; /home/db_backup when empty")
    repeat: Text = Field(default="", description="no, hourly, daily, weekly, monthly")
    timeone: Text = Field(default="", description="HH:mm; with repeat=no any time that at(1) understands")
    timetwo: Text = Field(default="", description="weekly: 0 (Sunday) to 6; monthly: interval-day, for example 1-15")
    delete: Text = Field(default="", description="deleteOldBackup: delete dumps older than so many days")
    check_option: Text = Field(default="", alias="checkOption", description="r: backup schedule, d: deletion schedule")
    file: Text = Field(default="", description="verify: file name of a dump; the newest complete one when empty")


class DbDumpAnswer(BaseModel):
    code: int
    val: Any = Field(description="path, text or verification, by action")
    message: str
    action: str
    target: str = Field(description="local, or the address of the Cloud Center VM")


class SnapshotRequest(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    action: Text = Field(default="", description="list, backup, rollback")
    snap_name: Text = Field(default="", description="rollback: which; backup: its name, the time when empty")
    require_running: bool = Field(default=False, description="between nodes: the VM was seen started on this node")


class SnapshotAnswer(BaseModel):
    model_config = ConfigDict(extra="allow")

    code: int
    val: Any = Field(description="list: the snapshots as rbd prints them, oldest first; else a text")
    message: str
    target: str = Field(description="node that did it")
    action: str
    snap_name: str | None = None
    consistency: str | None = Field(
        default=None, description="file systems: the guest's agent froze them; crash: as after a power cut"
    )
    existed: bool | None = Field(default=None, description="an automatic snapshot of that name was there already")
    deleted_snapshots: list[str] | None = Field(default=None, description="automatic ones beyond the newest ten")
    safety_snapshot: str | None = Field(default=None, description="rollback: what the disk held before")
    warnings: list[str] | None = None


class BackupRequest(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    action: Text = Field(
        default="",
        description="backup, status, list, overview, schedule, unschedule, schedule-delete, unschedule-delete",
    )
    target_dir: Text = Field(default="", description="folder of the backups, below ABLESTACK_BACKUP_ROOTS")
    repeat: Text = Field(default="", description="hourly, daily, monthly, yearly; for deletion daily or monthly")
    time: Text = Field(default="", description="HH:MM; of an hourly schedule only the minute counts")
    day: int = Field(default=0, description="1 to 31; in a shorter month its last day")
    month: int = Field(default=0, description="1 to 12")
    retain_months: int = Field(default=0, description="schedule-delete: delete what is older, of 30 days each")


class BackupAnswer(BaseModel):
    code: int
    val: Any = Field(default=None, description="object, list or text, by action")
    message: str
    target: str = Field(description="node that did it")
    action: str


class RestoreRequest(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    target_file: Text = Field(default="", description="file name of a backup in the folder of the backups")
