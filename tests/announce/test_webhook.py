"""Posting to a webhook (S2): what is sent, where it may go, how long it may take, and that nobody learns the address."""

from __future__ import annotations

import logging
import socket
import ssl
from http.client import HTTPMessage
from threading import Thread

import pytest

from pgerase.errors import UsageError
from pgerase.webhook import Answer, Failure, Webhook, _retry_after
from tests.announce.conftest import Hook

SECRET = "s3cr3t-path"


def at(url: str) -> Webhook:
    return Webhook.read("HOOK", {"HOOK": url})


@pytest.mark.parametrize(("environment", "said"), [({}, "is not set"), ({"HOOK": " "}, "is empty")])
def test_a_variable_that_is_not_set_is_told_from_an_empty_one(environment: dict[str, str], said: str):
    with pytest.raises(UsageError, match=f"the environment variable HOOK {said}"):
        Webhook.read("HOOK", environment)


def test_a_message_arrives_as_json_with_its_number(hook: Hook):
    assert at(hook.url).post({"text": "Grüße"}, key="n1") == Answer(200)
    ((path, headers, body),) = hook.posted
    assert path == "/services/T0/B0/s3cr3t-path?x=1"
    assert body == {"text": "Grüße"}
    assert (headers["Idempotency-Key"], headers["Content-Type"]) == ("n1", "application/json")


@pytest.mark.parametrize(
    ("status", "accepted", "final"),
    [
        (200, True, False),
        (204, True, False),
        (301, False, True),
        (302, False, True),
        (400, False, True),
        (403, False, True),
        (404, False, True),
        (410, False, True),
        (408, False, False),
        (425, False, False),
        (429, False, False),
        (500, False, False),
        (503, False, False),
    ],
)
def test_an_answer_is_accepted_final_or_neither(status: int, accepted: bool, final: bool):
    assert (Answer(status).accepted, Answer(status).final) == (accepted, final)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "30"}, 30.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "9" * 400}, 999_999_999.0),
        ({"Date": "Sun, 22 Nov 2026 10:00:00 GMT", "Retry-After": "Sun, 22 Nov 2026 10:02:00 GMT"}, 120.0),
        ({"Date": "Sun, 22 Nov 2026 10:00:00 GMT", "Retry-After": "Sun, 22 Nov 2026 09:00:00 GMT"}, 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(headers: dict[str, str], seconds: float | None):
    message = HTTPMessage()
    for name, value in headers.items():
        message[name] = value
    assert _retry_after(message) == seconds


def test_retry_after_comes_with_the_answer(hook: Hook):
    hook.answers = [(429, {"Retry-After": "30"})]
    assert at(hook.url).post({}, key="n") == Answer(429, retry_after=30.0)


def test_a_redirect_is_not_followed(hook: Hook, hook_server):
    elsewhere = hook_server()
    hook.answers = [(307, {"Location": elsewhere.url})]
    answer = at(hook.url).post({"text": "x"}, key="n")
    assert (answer.status, answer.final) == (307, True)
    assert elsewhere.posted == []


@pytest.mark.parametrize(
    "address",
    [
        "",
        "  ",
        "hooks.example.org/s3cr3t-path",
        "http://hooks.example.org/s3cr3t-path",
        "http://127.0.0.1.example.org/s3cr3t-path",
        "http://localhost.example.org/s3cr3t-path",
        "http://10.0.0.1/s3cr3t-path",
        "ftp://127.0.0.1/s3cr3t-path",
        "file:///s3cr3t-path",
        "https://",
        "https://u:s3cr3t-path@hooks.example.org/",
        "https://hooks.example.org:port/s3cr3t-path",
        "https://[::1/s3cr3t-path",
        "https://hooks.example.org/s3cr3t-path\nHost: x",
        "https://hooks.example.org/s3cr3t-path x",
        "https://hööks.example.org/s3cr3t-path",
    ],
)
def test_threat_an_address_that_is_no_webhook_is_refused_and_not_shown(address: str):
    with pytest.raises(UsageError, match="the environment variable HOOK") as error:
        at(address)
    assert SECRET not in f"{error.value} {error.value.hint}"
    assert "example" not in f"{error.value} {error.value.hint}"


@pytest.mark.parametrize(
    "address", ["https://hooks.example.org", "http://localhost:9", "http://[::1]:9/x", "http://127.8.8.8"]
)
def test_https_goes_anywhere_and_http_to_this_machine(address: str):
    assert SECRET not in repr(at(f"{address}/{SECRET}"))


def test_threat_the_address_is_in_no_log(hook: Hook, caplog):
    with caplog.at_level(logging.DEBUG):
        at(hook.url).post({}, key="n")
        at("http://127.0.0.1:9/s3cr3t-path").post({}, key="n")
    assert SECRET not in caplog.text


def listening() -> tuple[socket.socket, str]:
    server = socket.create_server(("127.0.0.1", 0))
    return server, f"http://127.0.0.1:{server.getsockname()[1]}/{SECRET}"


def test_nobody_there_is_unreachable():
    server, url = listening()
    server.close()
    assert at(url).post({}, key="n") == Answer(None, Failure.UNREACHABLE)


def test_threat_a_webhook_that_never_answers_ends_at_the_deadline():
    server, url = listening()
    with server:
        assert at(url).post({}, key="n", deadline=0.2) == Answer(None, Failure.TIMEOUT)


def test_threat_a_webhook_that_trickles_ends_at_the_deadline():
    server, url = listening()
    with server:

        def trickle() -> None:
            connection, _ = server.accept()
            with connection:
                try:
                    while True:
                        connection.sendall(b"H")
                        connection.settimeout(0.01)
                        try:
                            if not connection.recv(65536):
                                return
                        except TimeoutError:
                            continue
                except OSError:
                    return

        thread = Thread(target=trickle, daemon=True)
        thread.start()
        answer = at(url).post({}, key="n", deadline=0.3)
        thread.join(10)
    assert answer.status is None
    # A line that long is no answer either: whichever comes first.
    assert answer.failure in {Failure.TIMEOUT, Failure.PROTOCOL}


def test_what_is_no_http_is_a_protocol_failure():
    server, url = listening()
    with server:

        def talk() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"220 smtp.example.org ESMTP\r\n")

        thread = Thread(target=talk, daemon=True)
        thread.start()
        assert at(url).post({}, key="n") == Answer(None, Failure.PROTOCOL)
        thread.join(10)


def test_threat_a_webhook_without_a_certificate_is_not_posted_to(hook: Hook):
    answer = at(hook.url.replace("http://", "https://")).post({}, key="n")
    assert answer == Answer(None, Failure.TLS)
    assert hook.posted == []
    assert ssl.create_default_context().check_hostname


def test_a_proxy_learns_the_host_and_no_more(monkeypatch):
    server, url = listening()
    asked: list[bytes] = []
    with server:

        def refuse() -> None:
            connection, _ = server.accept()
            with connection:
                asked.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")

        thread = Thread(target=refuse, daemon=True)
        thread.start()
        monkeypatch.setenv("https_proxy", url.replace("127.0.0.1", "user:word@127.0.0.1"))
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        answer = at(f"https://hooks.example.org/{SECRET}").post({"text": "x"}, key="n")
        thread.join(10)
    assert answer == Answer(None, Failure.UNREACHABLE)
    (request,) = asked
    assert request.startswith(b"CONNECT hooks.example.org:443 ")
    assert b"Proxy-Authorization: Basic dXNlcjp3b3Jk" in request
    assert SECRET.encode() not in request
