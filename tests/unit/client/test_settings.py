"""What the SDK is told by arguments and by the environment."""

from pathlib import Path

import pytest

from tollbook.app.config import Settings
from tollbook.client.settings import ClientSettings
from tollbook.domain.errors import ConfigError


def test_arguments_win_over_the_environment_and_it_over_defaults() -> None:
    environment = {
        "TOLLBOOK_URL": "http://e",
        "TOLLBOOK_TENANT": "acme",
        "TOLLBOOK_WAIT_S": "2.5",
        "TOLLBOOK_PORT": "1",
    }
    settings = ClientSettings.chosen({"url": "http://a", "tenant": None}, environment)
    assert (settings.url, settings.tenant, settings.wait_s, settings.gate) == ("http://a", "acme", 2.5, "hold")


@pytest.mark.parametrize(
    "given",
    [
        {"gate": "maybe"},
        {"wait_s": "soon"},
        {"colour": "red"},
        {"hold_ttl_ms": 10},
        {"url": "acme.example"},
        {"api_key": "tb_…"},
        {"lease_ttl_ms": 900_000},
    ],
)
def test_what_does_not_fit_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        ClientSettings.chosen(given, {})


def test_each_server_and_tenant_has_a_spool_of_its_own() -> None:
    def file(url: str, tenant: str) -> Path:
        return ClientSettings.chosen({"url": url, "tenant": tenant}, {}).spool_file()

    assert file("http://a", "x") == file("http://a/", "x")
    assert len({file("http://a", "x"), file("http://b", "x"), file("http://a", "y")}) == 3


def test_one_shell_may_serve_both_roles_and_agents() -> None:
    Settings.from_environment({"TOLLBOOK_URL": "http://x", "TOLLBOOK_API_KEY": "k", "TOLLBOOK_TENANT": "acme"})
    with pytest.raises(ConfigError):
        Settings.from_environment({"TOLLBOOK_TENNANT": "acme"})
