"""The scopes that a token is asked for with."""

from sandbox import examples
from tests.support.sandbox_client import Rig


def test_a_token_may_what_its_scopes_say_and_without_any_everything() -> None:
    # A 403 of the health check is in the vendor's text, but not in its document.
    with Rig(check=False) as rig:
        right = rig.sandbox.credentials()
        second_generation = rig.sandbox.origin + "/apip/auth/sntl/v1/token"
        asked = rig.http.post(second_generation, data=right | {"scope": "read_coveragediscovery create_txn"})
        rig.token = asked.json()["access_token"]
        as_json = rig.http.post(second_generation, json=right)
        assert (as_json.status_code, as_json.json()["error"]) == (400, "invalid_request")
        assert rig.call("POST", "", examples.real_time_request(1)).status_code == 200
        assert rig.get("/coverage-discovery").status_code == 200
        for path in ("/healthcheck", "/transactions"):
            assert rig.get(path).status_code == 403
        assert rig.call("POST", "/coverage-discovery", examples.discovery_request(1)).status_code == 403
        refused = rig.http.post(rig.sandbox.token_url, json=right | {"scope": "read_txn everything"})
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")
        rig.ask_token()
        assert rig.get("/healthcheck").status_code == 200
