"""What is not believed: cut off files, wrong checksums, web pages, dead links, certificates."""

import re
from pathlib import Path

import pytest

from stgnn.retrieve import retrieve
from tests.retrieve.site import (
    BODY,
    CERTIFICATE,
    HTML,
    SHA256,
    Site,
    answers,
    breaks_off,
    declare,
    leave_part,
    patient,
    refusal,
)


def test_a_truncated_file_is_refused(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"], site.script = BODY, [breaks_off(200_000)] * 10
    patience, waits = patient(1.0, 2.0)
    message = refusal(declare(site.url("a.bin"), sha256=None), tmp_path / "town", patience=patience)
    assert re.search(rf"a\.bin breaks off after \d+ of {len(BODY)} bytes \(tried 3 times\)", message)
    assert "give that folder as mirror" in message
    assert waits == [1.0, 2.0]


def test_tries_are_counted_anew_when_bytes_arrived(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"], site.script = BODY, [breaks_off(stop) for stop in (100_000, 200_000, 300_000)]
    patience, waits = patient(1.0)
    assert retrieve(declare(site.url("a.bin")), "a.bin", tmp_path, patience=patience).read_bytes() == BODY
    assert waits == [1.0, 1.0, 1.0]


def test_an_archive_cut_off_without_a_length_is_refused(site: Site, tmp_path: Path) -> None:
    site.files["a.zip"], site.sends_length = BODY, False
    assert "is cut off" in refusal(declare(site.url("a.zip"), "a.zip", sha256=None), tmp_path / "town")


def test_a_wrong_checksum_is_refused_with_both(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"] = BODY[:-1] + b"?"
    message = refusal(declare(site.url("a.bin")), tmp_path / "town")
    assert f"town/a.bin: {site.url('a.bin')} has sha256 " in message
    assert f"expected {SHA256[:12]}" in message and f"put a.bin (sha256 {SHA256})" in message


def test_a_wrong_size_is_refused_before_the_bytes_come(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"] = BODY
    assert f"announces {len(BODY)} bytes, expected 7" in refusal(
        declare(site.url("a.bin"), size=7), tmp_path / "town"
    )


@pytest.mark.parametrize("name", ["a.h5", "a.zip", "a.json", "a.pkl", "a.csv", "a.npy", "a.bin"])
@pytest.mark.parametrize("sha256", [SHA256, None])
def test_a_web_page_is_no_data(site: Site, tmp_path: Path, name: str, sha256: str | None) -> None:
    site.files[name] = HTML
    message = refusal(declare(site.url(name), name, sha256), tmp_path / "town")
    assert f"{site.url(name)} is a web page" in message


def test_what_is_declared_a_web_page_is_none_if_the_checksum_is_right(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"], site.content_type = BODY, "text/html; charset=utf-8"
    assert "is declared a web page" in refusal(declare(site.url("a.bin"), sha256=None), tmp_path / "town")
    retrieve(declare(site.url("a.bin")), "a.bin", tmp_path)


@pytest.mark.parametrize("code", [404, 403, 410])
def test_a_dead_link_is_asked_once(site: Site, tmp_path: Path, code: int) -> None:
    site.script = [answers(code)]
    patience, waits = patient(1.0, 1.0)
    message = refusal(declare(site.url("a.bin")), tmp_path / "town", patience=patience)
    assert f"{site.url('a.bin')} answers {code}" in message
    assert len(site.seen) == 1 and waits == []


def test_a_dead_link_takes_the_part_file_with_it(site: Site, tmp_path: Path) -> None:
    leave_part(tmp_path / "town", BODY[:100_000], site.url("a.bin"), '"v1"')
    refusal(declare(site.url("a.bin")), tmp_path / "town")


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_busy_server_is_asked_again(site: Site, tmp_path: Path, code: int) -> None:
    site.files["a.bin"], site.script = BODY, [answers(code), answers(code, Retry_After="7")]
    patience, waits = patient(1.0, 2.0)
    assert retrieve(declare(site.url("a.bin")), "a.bin", tmp_path, patience=patience).read_bytes() == BODY
    assert waits == [1.0, 7.0]


def test_a_retry_date_is_honoured_and_an_absurd_one_is_not_waited_for(site: Site, tmp_path: Path) -> None:
    site.files["a.bin"], site.script = BODY, [answers(503, Retry_After="Wed, 01 Jan 2020 00:00:00 GMT")]
    patience, waits = patient(1.0)
    retrieve(declare(site.url("a.bin")), "a.bin", tmp_path, patience=patience)
    assert waits == [1.0]
    site.script = [answers(503, Retry_After="86400")]
    assert "asks to wait 86400 s" in refusal(declare(site.url("a.bin")), tmp_path / "town", patience=patience)


def test_a_refused_connection_is_one_clear_line(site: Site, tmp_path: Path) -> None:
    site.scheme = "http"
    with Site() as closed:
        address = closed.url("a.bin")
    patience, waits = patient(1.0, 2.0)
    message = refusal(declare(address), tmp_path / "town", patience=patience)
    assert f"{address} cannot be reached (Connection refused) (tried 3 times)" in message
    assert waits == [1.0, 2.0]


def test_a_certificate_signed_by_itself_is_refused(secure_site: Site, tmp_path: Path) -> None:
    secure_site.files["a.bin"] = BODY
    patience, waits = patient(1.0)
    message = refusal(declare(secure_site.url("a.bin")), tmp_path / "town", patience=patience)
    assert "has a certificate that" in message and "CERTIFICATE_VERIFY_FAILED" in message
    assert secure_site.seen == [] and waits == []


def test_an_encrypted_address_must_not_lead_to_a_plain_one(
    secure_site: Site, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "authorities.pem").write_text(CERTIFICATE[CERTIFICATE.index("-----BEGIN CERT") :])
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authorities.pem"))
    secure_site.files["a.bin"] = site.files["a.bin"] = BODY
    dataset = declare(secure_site.url("a.bin"))
    assert retrieve(dataset, "a.bin", tmp_path / "trusted").read_bytes() == BODY
    secure_site.script = [answers(302, Location=site.url("a.bin"))]
    assert "without encryption" in refusal(dataset, tmp_path / "town")
