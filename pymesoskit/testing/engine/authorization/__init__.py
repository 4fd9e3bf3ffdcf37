"""Authorization: who may do what in a cluster, for master and agents alike.

``api.py`` is what an authorizer is asked, ``local.py`` the one with ACLs (``acls.py``), ``choice.py`` which one the
flags mean, ``permissions.py`` how master and agents ask, ``gate.py`` who comes in at which endpoint.

Internal; the public names are in ``pymesoskit.testing``.
"""

from pymesoskit.testing.engine.authorization.acls import AclError, Acls, parse_acls
from pymesoskit.testing.engine.authorization.api import Action, Approver, Authorizer, Claims, Object, Subject
from pymesoskit.testing.engine.authorization.choice import AuthorizerError, choose_authorizer
from pymesoskit.testing.engine.authorization.gate import Gate
from pymesoskit.testing.engine.authorization.local import LocalAuthorizer
from pymesoskit.testing.engine.authorization.permissions import UNRESTRICTED, Permissions

__all__ = [
    "UNRESTRICTED",
    "AclError",
    "Acls",
    "Action",
    "Approver",
    "Authorizer",
    "AuthorizerError",
    "Claims",
    "Gate",
    "LocalAuthorizer",
    "Object",
    "Permissions",
    "Subject",
    "choose_authorizer",
    "parse_acls",
]
