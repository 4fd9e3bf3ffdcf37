"""Who may talk to an agent: the realms of its endpoints, and the tokens of its executors.

The checks themselves are in ``testing/authentication.py`` and ``tokens.py``. Source: docs/reference/operator-api.md 1,
agent-executor.md 6.1.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pymesoskit.testing.engine.agent.tokens import TokenError, sign, verify
from pymesoskit.testing.engine.authorization import Claims, Gate
from pymesoskit.testing.engine.http.authentication import Authenticator, CredentialsError, load_credentials
from pymesoskit.testing.engine.http.handler import Request, Responder, Response
from pymesoskit.testing.engine.http.v1 import Refused, RequestHandler, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pymesoskit.testing.engine.authorization import Permissions, Subject
    from pymesoskit.testing.engine.flags.flags import AgentFlags

    #: Answers a request at once, to somebody who may see and do so much.
    Answer = Callable[[Request, Permissions], Response]

READONLY = "mesos-agent-readonly"
READWRITE = "mesos-agent-readwrite"
EXECUTOR = "mesos-agent-executor"

#: The realm of each endpoint; the executors' own is served by ``ExecutorAuthenticator``, all others are open.
REALMS: Mapping[str, str] = {
    "/api/v1": READWRITE,
    "/state": READONLY,
    "/containers": READONLY,
    "/monitor/statistics": READONLY,
    "/flags": READONLY,
    "/containerizer/debug": READONLY,
    "/metrics/snapshot": READONLY,
    "/logging/toggle": READWRITE,
    "/files/browse": READONLY,
    "/files/read": READONLY,
    "/files/download": READONLY,
    "/files/debug": READONLY,
}


def agent_authenticator(flags: AgentFlags) -> Authenticator:
    """The authenticator that the flags ask for. Raises ``CredentialsError``."""
    wanted = {READONLY: flags.authenticate_http_readonly, READWRITE: flags.authenticate_http_readwrite}
    realms = {realm for realm, needed in wanted.items() if needed}
    if not realms:
        return Authenticator()
    if flags.http_credentials is None:
        raise CredentialsError("No credentials provided for the agent's endpoints: --http_credentials names the file")
    return Authenticator(load_credentials(flags.http_credentials), realms)


def agent_gate(
    flags: AgentFlags, executors: ExecutorAuthenticator, permissions: Callable[[Subject | None], Permissions]
) -> Gate:
    """The gate of an agent's endpoints. Raises ``CredentialsError``.

    Where operators give their credentials to change something, executors may give their token instead.
    """
    operators = agent_authenticator(flags)

    def authenticate(request: Request, realm: str) -> Subject | None:
        token = (request.header("authorization") or "").startswith("Bearer ")
        if realm == READWRITE and token and executors.required and operators.required(realm):
            return Claims(executors.authenticate(request, realm) or {})
        return operators.authenticate(request, realm)

    return Gate(REALMS, authenticate, permissions)


def guarded(gate: Gate, answers: Mapping[str, Answer]) -> dict[str, RequestHandler]:
    """The endpoints that answer at once, each behind the gate."""

    def guard(path: str, answer: Answer) -> RequestHandler:
        def serve(request: Request, responder: Responder) -> None:
            responder.respond(answer(request, gate.admit(request, path)))

        return serve

    return {path: guard(path, answer) for path, answer in answers.items()}


class ExecutorAuthenticator:
    """Gives executors their tokens, and checks them; without ``--authenticate_http_executors`` it does neither."""

    def __init__(self, flags: AgentFlags) -> None:
        self._secret: bytes | None = None
        if flags.authenticate_http_executors:
            if flags.jwt_secret_key is None:
                raise CredentialsError("--jwt_secret_key must be given with --authenticate_http_executors")
            try:
                self._secret = Path(flags.jwt_secret_key.removeprefix("file://")).read_bytes()
            except OSError as error:
                raise CredentialsError(f"Failed to read '{flags.jwt_secret_key}': {error.strerror}") from error

    def token(self, framework_id: str, executor_id: str, container_id: str) -> str | None:
        """The token of an executor, None where none is needed."""
        if self._secret is None:
            return None
        return sign(self._secret, {"fid": framework_id, "eid": executor_id, "cid": container_id})

    @property
    def required(self) -> bool:
        """Whether executors need a token."""
        return self._secret is not None

    def authenticate(self, request: Request, realm: str = EXECUTOR) -> dict[str, str] | None:
        """The claims of the executor that the request comes from; None where none is needed. Raises ``Refused``."""
        if self._secret is None:
            return None
        scheme, _, token = (request.header("authorization") or "").partition(" ")
        challenge = f'Bearer realm="{realm}"'
        try:
            if scheme == "Bearer" and token:
                return verify(self._secret, token)
        except TokenError as error:
            challenge += f', error="invalid_token", error_description="Invalid JWT: {error}"'
        raise Refused(Response.text(401, "401 Unauthorized.", (("WWW-Authenticate", challenge),)))


def check_claims(claims: Mapping[str, str] | None, *, fid: str, eid: str, cid: str) -> None:
    """Raises ``Refused`` (403) unless the claims, if there are any, are of this framework, executor and container."""
    if claims is None:
        return
    whose = json.dumps({"claims": dict(sorted(claims.items()))} if claims else {}, separators=(",", ":"))
    for name, value, missing in (
        ("fid", fid, f"an 'fid' claim with the framework ID {fid}, which is set in the call"),
        ("eid", eid, f"an 'eid' claim with the executor ID {eid}, which is set in the call"),
        ("cid", cid, "a 'cid' claim with the correct active ContainerID"),
    ):
        if claims.get(name) != value:
            raise refuse(403, f"Authenticated principal '{whose}' does not contain {missing}")
