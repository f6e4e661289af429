"""What a deployment behind a proxy that ends TLS sends to browsers, and what Django says of it."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
from pathlib import Path
from secrets import token_urlsafe

from tests.integration.test_intake_granian import served
from tests.servers import TEST_DATABASE, servers

ROOT = Path(__file__).parents[2]
TLS = {"REDRIVE_TLS": "true", "REDRIVE_TRUSTED_PROXIES": "1"}


def test_djangos_checks_of_a_deployment_find_nothing() -> None:
    settings = servers.environment() | TLS | {"REDRIVE_SECRET_KEY": token_urlsafe(50)}
    settings["DATABASE_URL"] = servers.database_url(TEST_DATABASE)
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "no issues (1 silenced)" in done.stdout


def test_browsers_are_kept_on_tls_and_cookies_to_this_host(transactional_db: None) -> None:
    with served(TLS) as port:
        web = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

        def get(path: str, **headers: str) -> http.client.HTTPResponse:
            web.request("GET", path, headers=headers)
            answer = web.getresponse()
            answer.read()
            return answer

        secure = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
        answer = get("/sign-in/", **secure)
        assert answer.status == 200
        hsts = answer.headers["Strict-Transport-Security"]
        assert hsts == "max-age=31536000; includeSubDomains"
        [cookie] = answer.headers.get_all("Set-Cookie") or []
        assert cookie.startswith("__Host-csrf=")
        parts = {part.strip() for part in cookie.split(";")[1:]}
        assert {"Secure", "SameSite=Lax", "Path=/"} <= parts
        assert not any(part.startswith("Domain") for part in parts)
        plain = get("/sign-in/")
        assert (plain.status, plain.headers["Location"]) == (
            301,
            f"https://127.0.0.1:{port}/sign-in/",
        )
        assert get("/healthz").status == 200
        web.close()
