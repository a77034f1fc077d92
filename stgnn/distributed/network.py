"""Which network interface the workers talk over, and at which address they find each other."""

import os
import socket
from collections.abc import Mapping

import psutil

from stgnn.errors import InputError

LOOPBACK = "127.0.0.1"


def loopback_name() -> str:
    """`lo` on Linux, `lo0` on macOS."""
    return next(
        (
            name
            for name, addresses in psutil.net_if_addrs().items()
            for each in addresses
            if each.address == LOOPBACK
        ),
        "lo",
    )


def address_of(interface: str) -> str:
    """The IPv4 address of a network interface of this machine.

    Raises:
        InputError: there is no such interface, or it has no IPv4 address.
    """
    found = psutil.net_if_addrs()
    for each in found.get(interface, []):
        if each.family == socket.AF_INET:
            return each.address
    problem = "has no IPv4 address" if interface in found else "is no network interface"
    todo = f"choose one of: {', '.join(sorted(found))}"
    raise InputError("--interface", f"{interface} {problem} on {socket.gethostname()}", todo)


def address_towards(host: str) -> str:
    """The address of this machine from which it reaches `host`.

    Raises:
        InputError: the name is not known here.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, 9))  # sends nothing: only asks for the route
        except OSError as error:
            todo = "name the interface between the compute nodes by --interface"
            raise InputError(
                host, f"no way there from {socket.gethostname()} ({error.strerror})", todo
            ) from None
        return str(probe.getsockname()[0])


def own_address(interface: str | None, peer: str) -> str:
    """The address at which this machine meets the others: of `interface`, or else the one on the way to `peer`."""
    return address_towards(peer) if interface is None else address_of(interface)


def free_port() -> int:
    """A TCP port that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def variables(interface: str | None) -> Mapping[str, str]:
    """The environment in which gloo and NCCL use `interface`; one that is set already is kept if none is named."""
    if interface is None:
        return {}
    return {"GLOO_SOCKET_IFNAME": interface, "NCCL_SOCKET_IFNAME": interface}


def interface_in_use(interface: str | None) -> str | None:
    """The named interface, or else the one that the site's environment names."""
    return interface or os.environ.get("GLOO_SOCKET_IFNAME") or os.environ.get("NCCL_SOCKET_IFNAME")
