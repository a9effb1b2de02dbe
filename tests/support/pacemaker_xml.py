"""What crm_mon prints of an invented cluster of three nodes, in the form of Pacemaker 2.1.5 (tests/data/crm_mon)."""

from collections.abc import Sequence

NODES = ("10.10.32.1", "10.10.32.2", "10.10.32.3")
OFFLINE = {"online": "false", "unclean": "false"}


def status(
    role: str = "Started",
    where: str = NODES[0],
    *,
    nodes: Sequence[str] = NODES,
    off: Sequence[str] = (),
    standby: Sequence[str] = (),
    quorum: bool = True,
    resource: str | None = "cloudcenter_res",
    failures: str = "",
    **attributes: str,
) -> str:
    """`where` is ignored unless the role is Started; `off` and `standby` name nodes; `attributes` are the resource's."""
    lines = []
    for number, name in enumerate(nodes, 1):
        online = "false" if name in off else "true"
        resting = "true" if name in standby else "false"
        dc = "true" if number == 1 else "false"
        lines.append(
            f'<node name="{name}" id="{number}" online="{online}" standby="{resting}" standby_onfail="false" '
            f'maintenance="false" pending="false" unclean="false" shutdown="false" expected_up="true" is_dc="{dc}" '
            'resources_running="1" type="member"/>'
        )
    return (
        '<pacemaker-result api-version="2.25" request="crm_mon">'
        f'<summary><current_dc present="true" name="{nodes[0]}" with_quorum="{str(quorum).lower()}"/></summary>'
        f"<nodes>{''.join(lines)}</nodes><resources>{_resource(resource, role, where, attributes)}</resources>"
        f"<failures>{failures}</failures><status code='0' message='OK'/></pacemaker-result>"
    )


def failed_start(node: str, resource: str = "cloudcenter_res") -> str:
    """It could not be started there. In the history the clean-up stop that followed is the last operation, and went well."""
    return (
        f'<failure op_key="{resource}_start_0" node="{node}" exitstatus="error" exitcode="1" call="22" task="start" '
        'exitreason="Unable to determine domain name" status="complete" interval="0"/>'
    )


def _resource(name: str | None, role: str, where: str, attributes: dict[str, str]) -> str:
    if name is None:
        return ""
    runs = role == "Started"
    told = {"active": str(runs).lower(), "blocked": "false", "failed": "false", "managed": "true", **attributes}
    more = "".join(f' {key}="{value}"' for key, value in told.items())
    inner = f'<node name="{where}" id="1" cached="true"/>' if runs else ""
    count = "1" if runs else "0"
    return (
        f'<resource id="{name}" resource_agent="ocf:heartbeat:VirtualDomain" role="{role}" nodes_running_on="{count}"{more}>'
        f"{inner}</resource>"
    )
