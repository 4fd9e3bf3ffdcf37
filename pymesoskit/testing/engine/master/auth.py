"""The realms of the master, and which of them ask for credentials.

The check itself is ``testing/authentication.py``'s. Source: docs/reference/operator-api.md 1, scheduler-api.md 1.2.
"""

from __future__ import annotations

from pymesoskit.testing.engine.http.authentication import Authenticator, CredentialsError, load_credentials

READONLY = "mesos-master-readonly"
READWRITE = "mesos-master-readwrite"
SCHEDULER = "mesos-master-scheduler"

#: The flag that makes a realm ask for credentials.
FLAG_OF_REALM = {
    READONLY: "authenticate_http_readonly",
    READWRITE: "authenticate_http_readwrite",
    SCHEDULER: "authenticate_http_frameworks",
}


def master_authenticator(
    *, credentials: str | None, readonly: bool = False, readwrite: bool = False, frameworks: bool = False
) -> Authenticator:
    """The authenticator that the flags of a master ask for; ``credentials`` is the path of the credentials file.

    With a file it knows agents, too. Raises ``CredentialsError`` if a realm asks for credentials and there are none, or
    if the file cannot be used.
    """
    wanted = {READONLY: readonly, READWRITE: readwrite, SCHEDULER: frameworks}
    realms = {realm for realm, needed in wanted.items() if needed}
    if credentials is None:
        if not realms:
            return Authenticator()
        flags = ", ".join(f"--{FLAG_OF_REALM[realm]}" for realm in sorted(realms))
        raise CredentialsError(f"No credentials provided for {flags}: --credentials names the file with them")
    return Authenticator(load_credentials(credentials), realms)
