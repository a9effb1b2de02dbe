"""What the kernel and the resolver say of the network in files: /proc/net/route, resolv.conf(5)."""

import struct

GATEWAY_FLAG = 0x2  # RTF_GATEWAY of route(8)
ANY = "00000000"


def default_route(routes: str) -> tuple[str, str]:
    """(interface, gateway) of the preferred IPv4 default route in /proc/net/route; addresses are hexadecimal there, low byte
    first. Empty texts where there is none."""
    lines = (line.split() for line in routes.splitlines()[1:])
    defaults = [line for line in lines if len(line) > 7 and line[1] == line[7] == ANY]
    if not defaults:
        return "", ""
    interface, _, gateway, flags, *_ = min(defaults, key=lambda line: int(line[6]))
    dotted = ".".join(str(byte) for byte in struct.pack("<I", int(gateway, 16)))
    return interface, dotted if int(flags, 16) & GATEWAY_FLAG else ""


def name_server(resolv_conf: str) -> str:
    """The first one; empty when there is none."""
    lines = (line.split() for line in resolv_conf.splitlines())
    return next((words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"), "")
