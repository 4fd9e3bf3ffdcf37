"""Where a master or agent listens.

``Address.parse`` reads what people write (``host``, ``host:port``, ``http://host:port``, ``unix:///path``),
``from_location`` what a master's 307 says (scheme-relative: ``//host:port/path``; docs/reference/scheduler-api.md
1.2).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from attrs import frozen

MASTER_PORT = 5050
AGENT_PORT = 5051

_SCHEMES = ("http", "https", "unix")


@frozen
class Address:
    """A scheme with a host and port, or (``unix``) the path of a socket."""

    host: str
    port: int = MASTER_PORT
    scheme: str = "http"

    @classmethod
    def parse(cls, text: str, default_port: int = MASTER_PORT) -> Address:
        """Reads an address as people write it. Raises ``ValueError`` that names what is wrong with it,
        and ``TypeError`` if it is not text.
        """
        if not isinstance(text, str):
            raise TypeError(f"an address must be text such as 'host:5050', not {text!r}")
        stripped = text.strip()
        scheme, separator, rest = stripped.partition("://")
        if not separator:
            scheme, rest = "http", stripped
        if scheme not in _SCHEMES:
            known = ", ".join(_SCHEMES)
            raise ValueError(f"bad address {text!r}: unknown scheme {scheme!r} (known: {known})")
        if scheme == "unix":
            if not rest.startswith("/"):
                raise ValueError(f"bad address {text!r}: a unix socket's path must be absolute")
            return cls(rest, 0, "unix")
        try:
            split = urlsplit(f"//{rest}")
        except ValueError as error:
            raise ValueError(f"bad address {text!r}: {error}") from None
        if split.path not in {"", "/"} or split.query or split.fragment or split.username is not None:
            raise ValueError(f"bad address {text!r}: only a host and a port are expected")
        try:
            port = split.port
        except ValueError as error:
            raise ValueError(f"bad address {text!r}: {error}") from None
        if not split.hostname or any(character.isspace() for character in rest):
            raise ValueError(f"bad address {text!r}: no host in it")
        if port == 0:
            raise ValueError(f"bad address {text!r}: nobody listens on port 0")
        _check_host(split.hostname, text)
        return cls(split.hostname, default_port if port is None else port, scheme)

    def from_location(self, location: str) -> Address:
        """The address that a redirect from here names. Raises ``ValueError`` if it names none."""
        try:
            split = urlsplit(location)
            port = split.port
        except ValueError as error:
            raise ValueError(f"bad redirect from {self}: Location {location!r}: {error}") from None
        scheme = split.scheme or self.scheme
        if scheme not in {"http", "https"} or not split.hostname:
            raise ValueError(f"bad redirect from {self}: Location {location!r}")
        _check_host(split.hostname, location)
        default = {"http": 80, "https": 443}[scheme]
        return Address(split.hostname, port if port is not None else default, scheme)

    @property
    def netloc(self) -> str:
        """``host:port`` as it stands in a URL and in the ``Host`` header."""
        if self.scheme == "unix":
            return "localhost"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def url(self, target: str = "") -> str:
        """A URL at this address; ``target`` begins with a slash."""
        return f"{self.scheme}://{self.netloc}{target}"

    def __str__(self) -> str:
        return f"unix://{self.host}" if self.scheme == "unix" else self.url()


def _check_host(host: str, text: str) -> None:
    """Raises ``ValueError`` for a host name that no name server can be asked for."""
    try:
        host.encode("idna")
    except UnicodeError as error:
        raise ValueError(f"bad address {text!r}: the host name is not valid: {error}") from None
