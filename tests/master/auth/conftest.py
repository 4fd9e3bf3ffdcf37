"""Masters with ACLs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.master.auth.acls import CREDENTIALS


@pytest.fixture
def make_closed(make_world, tmp_path):
    """Worlds with those ACLs, in which operators say who they are."""
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps(CREDENTIALS))

    def make(flags: dict[str, str] | None = None, **acls: Any):
        return make_world(
            acls=json.dumps(acls),
            credentials=str(path),
            authenticate_http_readonly="true",
            authenticate_http_readwrite="true",
            **(flags or {}),
        )

    return make
