"""`GET /pcs` and `/pcs/resources` as the first releases answered them (contract 04 §2), from a cached reading."""

from collections.abc import Mapping
from typing import Any

from ablestack_api.core.readings import Reading
from ablestack_api.env import Env
from ablestack_api.tools import crm_mon
from ablestack_api.tools.crm_mon import ClusterState, Resource

Shape = dict[str, Any]

SUMMARY = {
    "Stack": ("stack", {"Type": "type", "PCSdState": "pacemakerd-state"}),
    "CurrentDc": (
        "current_dc",
        {
            "Present": "present",
            "Version": "version",
            "Name": "name",
            "ID": "id",
            "WithQuorum": "with_quorum",
            "MixedVersion": "mixed_version",
        },
    ),
    "LastUpdate": ("last_update", {"Time": "time", "Origin": "origin"}),
    "LastChange": ("last_change", {"Time": "time", "User": "user", "Client": "client", "Origin": "origin"}),
    "NodesConfigured": ("nodes_configured", {"Number": "number"}),
    "ResourcesConfigured": (
        "resources_configured",
        {"Number": "number", "Disabled": "disabled", "Blocked": "blocked"},
    ),
    "ClusterOptions": (
        "cluster_options",
        {
            "StonithEnabled": "stonith-enabled",
            "SymmetricCluster": "symmetric-cluster",
            "NoQuorumPolicy": "no-quorum-policy",
            "MaintenanceMode": "maintenance-mode",
            "StopAllResources": "stop-all-resources",
            "StonithTimeoutMs": "stonith-timeout-ms",
            "PriorityFencingDelayMs": "priority-fencing-delay-ms",
        },
    ),
}
NODE = {
    "Name": "name",
    "ID": "id",
    "Online": "online",
    "Standby": "standby",
    "StandbyOnfail": "standby_onfail",
    "Maintenance": "maintenance",
    "Pending": "pending",
    "Unclean": "unclean",
    "Health": "health",
    "FeatureSet": "feature_set",
    "Shutdown": "shutdown",
    "ExpectedUp": "expected_up",
    "IsDc": "is_dc",
    "ResourcesRunning": "resources_running",
    "Type": "type",
}
RESOURCE = {
    "ID": "id",
    "ResourceAgent": "resource_agent",
    "Role": "role",
    "Active": "active",
    "Orphaned": "orphaned",
    "Blocked": "blocked",
    "Maintenance": "maintenance",
    "Managed": "managed",
    "Failed": "failed",
    "FailureIgnored": "failure_ignored",
    "NodesRunningOn": "nodes_running_on",
}
OPERATION = {
    "Call": "call",
    "Task": "task",
    "Rc": "rc",
    "RcText": "rc_text",
    "LastRcChange": "last-rc-change",
    "ExecTime": "exec-time",
    "QueueTime": "queue-time",
    "Interval": "interval",
}
BAN = {
    "ID": "id",
    "Resource": "resource",
    "Node": "node",
    "Weight": "weight",
    "PromotedOnly": "promoted-only",
    "MasterOnly": "master_only",
}


def read(env: Env, *, refresh: bool) -> Shape:
    reading = _reading(env, refresh)
    return {**view(reading.value), "Status": {"Code": "0", "Message": "OK"}, **_times(reading)}


def read_resources(env: Env, *, refresh: bool) -> Shape:
    """Those that are in no clone and no group."""
    reading = _reading(env, refresh)
    plain = [_resource(each) for each in reading.value.resources if not each.clone and not each.group]
    return {"PCSResource": plain, **_times(reading)}


def view(state: ClusterState) -> Shape:
    """Lists that are empty are null, as they were."""
    clones = dict.fromkeys(each.clone for each in state.resources if each.clone)
    plain = [_resource(each) for each in state.resources if not each.clone and not each.group]
    return {
        "Summary": {key: _picked(state.summary.get(part, {}), names) for key, (part, names) in SUMMARY.items()},
        "Nodes": {"Node": [_picked(node.attributes, NODE) for node in state.nodes] or None},
        "Resources": {"Resource": plain or None, "Clone": [_clone(state, name) for name in clones] or None},
        "NodeHistory": {"Node": _history(state) or None},
        "Bans": {"Ban": [_picked(ban.attributes, BAN) for ban in state.bans] or None},
    }


def _reading(env: Env, refresh: bool) -> Reading[ClusterState]:
    return env.readings.get(crm_mon.READING, lambda: crm_mon.read(env.runner, env.settings), refresh=refresh)


def _times(reading: Reading[ClusterState]) -> Shape:
    return {"RefreshTime": reading.at.isoformat(timespec="seconds"), **reading.freshness()}


def _clone(state: ClusterState, name: str) -> Shape:
    members = [each for each in state.resources if each.clone == name]
    groups = dict.fromkeys(each.group for each in members if each.group)
    return {
        "ID": name,
        "Group": [
            {"ID": group, "Resource": [_resource(each) for each in members if each.group == group]} for group in groups
        ]
        or None,
        "Resource": [_resource(each) for each in members if not each.group] or None,
    }


def _resource(resource: Resource) -> Shape:
    node = {"Node": {"Name": resource.nodes[0]}} if resource.nodes else {}
    return {**_picked(resource.attributes, RESOURCE), **node}


def _history(state: ClusterState) -> list[Shape]:
    nodes = dict.fromkeys(entry.node for entry in state.history)
    return [
        {
            "Name": node,
            "ResourceHistory": [
                {"ID": entry.resource, "OperationHistory": [_picked(each, OPERATION) for each in entry.operations] or None}
                for entry in state.history
                if entry.node == node
            ],
        }
        for node in nodes
    ]


def _picked(attributes: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    return {key: attributes.get(name, "") for key, name in names.items()}
