"""Posts JSON to a webhook: one request, no redirects, a deadline for all of it. The only module that speaks HTTP.

Whoever has the address of a webhook can post to it, so it is a secret: it comes from an environment variable, and no error,
no representation and no log has it. What the other side answers is not read beyond its status and Retry-After.
"""

from __future__ import annotations

import json
import re
import ssl
from base64 import b64encode
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPSConnection
from ipaddress import ip_address
from socket import SHUT_RDWR, socket
from threading import Event, Timer
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from pgerase.errors import UsageError

DEADLINE = 15.0
"""Seconds for one request. Looking up the host's name is not part of it: the system's resolver has bounds of its own."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Failure(StrEnum):
    """Why there was no answer."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    PROTOCOL = "protocol"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request: a status, or a failure where there was no answer. `retry_after` is in seconds."""

    status: int | None
    failure: Failure | None = None
    retry_after: float | None = None

    @property
    def accepted(self) -> bool:
        """Whether the other side took it."""
        return self.status is not None and 200 <= self.status <= 299

    @property
    def final(self) -> bool:
        """Whether it will be no use to try again: refused, or pointed elsewhere, where nobody asked us to post."""
        return self.status is not None and 300 <= self.status <= 499 and self.status not in {408, 425, 429}


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where to post. `variable` is the environment variable that holds the address."""

    variable: str
    _url: SplitResult = field(repr=False)

    @classmethod
    def read(cls, variable: str, environment: Mapping[str, str]) -> Webhook:
        """The webhook whose address an environment variable holds.

        Raises UsageError, which names the variable and never shows the address, where there is no such variable, or what it holds
        is no address, or one that is neither https nor on this machine.
        """
        if not _VARIABLE.fullmatch(variable):
            # Perhaps the address itself.
            raise UsageError("that is no name of an environment variable", hint="Give the name, never the address.")
        address = environment.get(variable, "").strip()
        if not address:
            raise UsageError(
                f"the environment variable {variable} is {'empty' if variable in environment else 'not set'}",
                hint="It holds the webhook's address; it is named in audit.yaml or by an option, and never stands there itself.",
            )
        wrong = _fault(address)
        if wrong:
            raise UsageError(
                f"what the environment variable {variable} holds {wrong}", hint="It is not shown: it is a secret."
            )
        return cls(variable, urlsplit(address))

    def post(self, body: Mapping[str, Any], *, key: str, deadline: float = DEADLINE) -> Answer:
        """Post `body` as JSON, with `key` as Idempotency-Key: the same one says that it is the same message. Raises nothing."""
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": key,
            "User-Agent": "pgerase",
            "Connection": "close",
        }
        target = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        connection = self._connection(deadline)
        late = Event()
        try:
            with _until(connection, deadline, late):
                connection.request("POST", target, json.dumps(body, ensure_ascii=False).encode(), headers)
                response = connection.getresponse()
                return Answer(response.status, retry_after=_retry_after(response.headers))
        except (OSError, HTTPException, ValueError) as error:
            return Answer(None, Failure.TIMEOUT if late.is_set() else _failure(error))
        finally:
            connection.close()

    def _connection(self, seconds: float) -> HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._url.scheme == "http":
            return HTTPConnection(host, port, timeout=seconds)
        context = ssl.create_default_context()
        proxy = None if _is_here(host) or proxy_bypass(host) else getproxies().get("https")
        if not proxy:
            return HTTPSConnection(host, port, timeout=seconds, context=context)
        # The proxy learns the host's name and no more.
        through = urlsplit(proxy if "//" in proxy else f"//{proxy}")
        connection = HTTPSConnection(through.hostname or "", through.port or 8080, timeout=seconds, context=context)
        connection.set_tunnel(host, port or 443, _proxy_login(through))
        return connection


def _fault(address: str) -> str:
    """What is wrong with an address, "" where nothing is; without the address."""
    if not address.isascii() or not address.isprintable() or " " in address:
        return "is no address: it has blanks or letters that addresses do not have"
    try:
        url = urlsplit(address)
        host, _ = url.hostname, url.port
    except ValueError:
        return "is no address"
    if url.scheme not in {"http", "https"} or not host:
        return "is no address that begins with https://"
    if url.username is not None or url.password is not None:
        return "has a user or a password in it, which is not sent"
    if url.scheme == "http" and not _is_here(host):
        return "begins with http://, and the host is another machine: only https goes there"
    return ""


def _is_here(host: str) -> bool:
    """Whether a host is this machine, by its name or address alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _proxy_login(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(login.encode()).decode()}"}


@contextmanager
def _until(connection: HTTPConnection, seconds: float, late: Event) -> Generator[None]:
    """End the connection after so many seconds. A timeout of the socket alone begins anew with every byte that trickles in."""

    def end() -> None:
        late.set()
        if connection.sock is not None:
            try:
                # Not the method of a TLS socket, which the other thread may be reading from.
                socket.shutdown(connection.sock, SHUT_RDWR)
            except OSError:
                return  # it has ended by itself

    connection.connect()
    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _failure(error: Exception) -> Failure:
    match error:
        case TimeoutError():
            return Failure.TIMEOUT
        case ssl.SSLError():
            return Failure.TLS
        case OSError():
            return Failure.UNREACHABLE
        case _:
            return Failure.PROTOCOL


def _retry_after(headers: HTTPMessage) -> float | None:
    """How long to wait, by the other side's clock where it gives a date (RFC 9110, Retry-After); None where it does not say."""
    said = (headers.get("Retry-After") or "").strip()
    if said.isascii() and said.isdigit():
        return float(said[:9])
    try:
        until = parsedate_to_datetime(said)
        now = parsedate_to_datetime(headers["Date"]) if headers.get("Date") else datetime.now(UTC)
        return max((until - now).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None
