"""The servers."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.retrieve.site import CERTIFICATE, Site, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Site]:
    yield from serving(Site())


@pytest.fixture
def site(server: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("NO_PROXY", "*")
    server.reset()
    return server


@pytest.fixture
def secure_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("NO_PROXY", "*")
    (tmp_path / "pair.pem").write_text(CERTIFICATE)
    site = Site()
    site.scheme = "https"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pair.pem")
    site.socket = context.wrap_socket(site.socket, server_side=True)
    yield from serving(site)
