"""Provisioning happens once, whatever is cut off, and says what the provider says."""

import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.instanode import Instanode
from tollbook.cli.app import build
from tollbook.domain.errors import ConfigError
from tollbook.sources.provisioning import Provisioner, Resource, key_prefix_of


def provisioner(fake: Instanode, folder: Path, pauses: list[float] | None = None) -> Provisioner:
    return Provisioner(folder, fake.base, pause=(pauses if pauses is not None else []).append)


def provisioned(fake: Instanode) -> list[str]:
    """The services that were asked for, in order."""
    return [path for method, path, _ in fake.asked if method == "POST"]


def test_everything_is_had_once_and_kept_for_its_owner(fake: Instanode, tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    stack = provisioner(fake, folder).run("fleet")
    assert provisioned(fake) == ["/webhook/new", "/cache/new", "/db/new"]
    assert all(len(headers["idempotency-key"]) > 20 for _, _, headers in fake.asked)
    assert len({headers["idempotency-key"] for _, _, headers in fake.asked}) == 3
    assert sorted(path.name for path in folder.iterdir()) == ["cache.json", "db.json", "keys.json", "webhook.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert not stack.remarks
    assert provisioner(fake, folder).run("fleet").webhook == stack.webhook
    assert len(provisioned(fake)) == 3


def test_a_reply_that_was_lost_is_the_same_reply_again(fake: Instanode, tmp_path: Path) -> None:
    """The call was made and its answer never kept: the same key, not another resource."""
    first = provisioner(fake, tmp_path).run("fleet")
    (tmp_path / "cache.json").unlink()
    assert provisioner(fake, tmp_path).run("fleet").cache == first.cache
    assert fake.provisions == 3


def test_one_that_is_under_way_is_waited_for_with_the_same_key(fake: Instanode, tmp_path: Path) -> None:
    fake.in_progress = 2
    pauses: list[float] = []
    provisioner(fake, tmp_path, pauses).run("fleet")
    assert pauses == [2, 2]
    keys = [headers["idempotency-key"] for _, path, headers in fake.asked if path == "/webhook/new"]
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_an_older_resource_is_said_to_be_one(fake: Instanode, tmp_path: Path) -> None:
    """The second stack of a day: the sixth call hands back the first one's database under its old name."""
    provisioner(fake, tmp_path / "one").run("one")
    stack = provisioner(fake, tmp_path / "two").run("two")
    assert stack.db.name == "one-db"
    assert len(stack.remarks) == 1
    assert "one-db" in stack.remarks[0]


def test_a_refusal_says_what_to_do_and_provisions_nothing(fake: Instanode, tmp_path: Path) -> None:
    fake.recycled = True
    with pytest.raises(ConfigError, match=r"free_tier_recycle_requires_claim.*claim link.*start\?t="):
        provisioner(fake, tmp_path).run("fleet")
    assert not (tmp_path / "webhook.json").exists()
    fake.recycled, fake.provisions = False, 5
    with pytest.raises(ConfigError, match="provision_limit_reached"):
        provisioner(fake, tmp_path).run("fleet")
    with pytest.raises(ConfigError, match="401"):
        Provisioner(tmp_path, fake.base, bearer="wrong").run("fleet")
    with pytest.raises(ConfigError, match="invalid_name"):
        provisioner(fake, tmp_path / "other").run("-no-name")


@pytest.mark.parametrize(
    ("url", "told", "prefix"),
    [
        ("redis://usr_pool-1:s@h:6379/0", "pool-1:", "pool-1:"),
        ("redis://usr_pool-1:s@h:6379/0", None, "pool-1:"),
        ("redis://:s@h:6379/0", None, ""),
    ],
)
def test_the_key_prefix_is_the_replys_or_the_users(url: str, told: str | None, prefix: str) -> None:
    assert key_prefix_of(Resource(connection_url=url, key_prefix=told)) == prefix


def test_the_command_shows_expiry_the_claim_link_and_the_settings(fake: Instanode, tmp_path: Path) -> None:
    fake.key_prefix = "pool-7:"
    arguments = ["provision", "instanode", "--base", fake.base, "--dir", str(tmp_path), "--name", "fleet"]
    done = CliRunner().invoke(build(), arguments)
    assert done.exit_code == 0, done.output
    assert "They expire at 20" in done.stdout
    assert f"open {fake.base}/start?t=jwt-db" in done.stdout
    assert "export TOLLBOOK_VALKEY_KEY_PREFIX=pool-7:" in done.stdout
    assert "export TOLLBOOK_POSTGRES_CONNECTIONS_MAX=1" in done.stdout
    assert f"--webhook-token {next(iter(fake.webhooks))} --base {fake.base}" in done.stdout
