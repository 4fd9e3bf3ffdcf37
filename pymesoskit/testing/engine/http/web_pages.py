"""Which web pages may use a cluster: its own, and those that a flag allows.

A browser lets every page that its user looks at send requests to any address that the browser can reach, a cluster on
the same machine included. Whoever can call the API can run commands, so a request from a page of another origin is
refused. Clients that are not browsers send none of the headers that are looked at here, and may use any ``Host``.

A request counts as a browser's if it carries ``Origin``, ``Referer`` or a ``Sec-Fetch-…`` header, or if its
``User-Agent`` begins with ``Mozilla/`` or ``Opera/``. Three rules hold for it:

1. Its origin must be one of the cluster's own or an allowed one. The origin is that of ``Origin``, else that of
   ``Referer`` (a page can hide its address, but cannot invent one). It is not asked for if the browser vouches that the
   request comes from the same origin or from its user (``Sec-Fetch-Site: same-origin`` or ``none``), or if it says
   nothing of where the request comes from.
2. Its ``Host`` must be an IP address, ``localhost``, or a name of one of the cluster's servers or of an allowed origin.
   Otherwise a page could be of "the same origin" by pointing its own name at this machine (DNS rebinding).
3. A script that is asked for (``?jsonp=``) must come with its origin, and the function must be a name.

An origin is the cluster's own if one of its servers is bound to that address, or if it is ``localhost`` or the
configured name of one of them, each with a port at which they listen. It does not become one by being equal to
``Host``. Mesos has none of these rules. Source: docs/security.md.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from attrs import frozen

from pymesoskit.testing.engine.http.forms import decode_form

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Headers that only browsers send.
_SIGNS = frozenset({"origin", "referer", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "sec-fetch-user"})
_AGENTS = ("Mozilla/", "Opera/")

#: What browsers say of requests that no other page has caused.
_TRUSTED_SITES = frozenset({"same-origin", "none"})

#: Names of functions, as pages give them: ``callback``, ``angular.callbacks._0``, ``handlers[3]``.
_FUNCTION = re.compile(r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*|\[\d+\])*", re.ASCII)
_FUNCTION_LIMIT = 200  # characters

#: How much of a header is repeated in a refusal, in characters.
_SHOWN = 100

_DEFAULT_PORTS = {"http": 80, "https": 443}


class OriginError(ValueError):
    """The text is not the origin of a web page; the message says what one looks like."""


@frozen
class Origin:
    """Where a web page comes from."""

    scheme: str
    host: str  # in lower case; an IPv6 address without brackets
    port: int

    @classmethod
    def parse(cls, text: str) -> Origin:
        """Returns the origin that the text (``http://localhost:3000``) names. Raises ``OriginError``."""
        origin = cls.of_url(text)
        if origin is None or urlsplit(text)[2:] not in {("", "", ""), ("/", "", "")}:
            expected = "expected SCHEME://HOST[:PORT], such as http://localhost:3000"
            raise OriginError(f"'{text[:_SHOWN]}' is not an origin: {expected}")
        return origin

    @classmethod
    def of_url(cls, text: str) -> Origin | None:
        """Returns the origin of a page with that URL; None if the text is not an http(s) URL."""
        try:
            parts = urlsplit(text.strip())
            port = parts.port
        except ValueError:
            return None
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or not {"@", "\\"}.isdisjoint(parts.netloc):
            return None
        return cls(parts.scheme, parts.hostname, port if port is not None else _DEFAULT_PORTS[parts.scheme])

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port != _DEFAULT_PORTS[self.scheme] else "")


@frozen
class Refusal:
    """Why a request is not served: the status and the text of the answer."""

    status: int
    text: str


class WebPages:
    """Decides which requests of web pages the servers of one cluster take.

    ``allowed``: origins of other pages that may use the cluster, too. Raises ``OriginError``.
    """

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = frozenset(map(Origin.parse, allowed))
        self._names = {"localhost", *(origin.host for origin in self._allowed)}
        self._addresses: set[tuple[str, int]] = set()

    def add_server(self, ip: str, port: int, names: Iterable[str] = ()) -> None:
        """A server of the cluster listens at that address and is known by these names, too."""
        hosts = {"localhost", ip.lower(), *(name.lower() for name in names)}
        self._names |= hosts
        self._addresses.update((host, port) for host in hosts)

    def refusal(self, target: str, headers: Mapping[str, str], here: tuple[str, int] | None = None) -> Refusal | None:
        """Returns why a request is refused; None for a request that may be served.

        ``headers`` have lower-case names. ``here`` is the IP address and port at which the request arrived, which
        matters for a server that listens at all addresses of its machine.
        """
        if _SIGNS.isdisjoint(headers) and not headers.get("user-agent", "").startswith(_AGENTS):
            return None
        return self._bad_origin(headers, here) or self._bad_host(headers) or self._bad_script(target, headers)

    def _bad_origin(self, headers: Mapping[str, str], here: tuple[str, int] | None) -> Refusal | None:
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin is None and (site or "").strip() in _TRUSTED_SITES:
            return None
        claimed = origin if origin is not None else headers.get("referer")
        if claimed is None and site is None:
            return None
        if claimed is not None and self._is_welcome(Origin.of_url(claimed), here):
            return None
        page = _name_of(claimed)
        return _forbidden(
            f"A web page of {page} sent this request. Only pages of the cluster itself may use it, and pages of the "
            "origins that it was started with (--allow-origin)."
        )

    def _bad_host(self, headers: Mapping[str, str]) -> Refusal | None:
        host = headers.get("host", "").strip()
        name = _host_name(host)
        if name in self._names or _is_ip(name):
            return None
        return _forbidden(
            f"A browser asked for '{host[:_SHOWN]}', which is not a name of this server. Use its IP address, or start "
            "the cluster with that name as its hostname or with an --allow-origin of that name."
        )

    def _bad_script(self, target: str, headers: Mapping[str, str]) -> Refusal | None:
        try:
            function = decode_form(target.partition("?")[2].encode("latin-1")).get("jsonp")
        except ValueError:
            return None  # 400 later on
        if function is None:
            return None
        if len(function) > _FUNCTION_LIMIT or not _FUNCTION.fullmatch(function):
            return Refusal(400, "The value of 'jsonp' is not the name of a function.")
        if "origin" not in headers and "sec-fetch-site" not in headers and "referer" not in headers:
            return _forbidden("A script must be asked for with the header Referer or Sec-Fetch-Site.")
        return None

    def _is_welcome(self, origin: Origin | None, here: tuple[str, int] | None) -> bool:
        if origin is None:
            return False
        if origin in self._allowed:
            return True
        address = (origin.host, origin.port)
        return origin.scheme == "http" and (address in self._addresses or address == here)


def _forbidden(text: str) -> Refusal:
    return Refusal(403, f"403 Forbidden. {text}")


def _name_of(claimed: str | None) -> str:
    """How an error calls the page whose ``Origin`` or ``Referer`` this is."""
    origin = Origin.of_url(claimed) if claimed is not None else None
    return str(origin)[:_SHOWN] if origin is not None else "an unknown origin"


def _host_name(host: str) -> str:
    """The host of a ``Host`` header, without port and brackets, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
