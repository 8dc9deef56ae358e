"""Deliveries are signed, tried again, given up in the end, and led nowhere but where hooks may lead."""

import socket
import threading
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from tests.hook_server import Receiver
from tests.integration.alerts.alerting_world import Alerting
from tests.world import World, event
from tollbook.alerting.hook import check_alert
from tollbook.domain.alert import AlertKind
from tollbook.ports.alerts import Answer, Delivery, DeliveryState
from tollbook.telemetry import AlertSent

CALL = 150_000


def ring(world: World, alerting: Alerting) -> None:
    """Raise one alert."""
    alerting.limit("acme", 2 * CALL)
    world.book(event())
    assert alerting.kinds() == ["budget.threshold 50"]


def only(alerting: Alerting) -> Delivery:
    """The one delivery there is."""
    ((delivery,),) = [row.deliveries for row in alerting.rows()]
    return delivery


def test_an_alert_arrives_once_and_verifies(world: World, alerting: Alerting, hook_server: Receiver) -> None:
    hook, secret = alerting.hook(hook_server.url)
    ring(world, alerting)
    assert (alerting.deliver(), alerting.deliver()) == (1, 0)
    (came,) = hook_server.came
    body = came.verified(secret)
    (row,) = alerting.rows()
    assert came.alert_id == row.alert_id
    assert body == {
        "type": "budget.threshold",
        "timestamp": row.raised_at.isoformat().replace("+00:00", "Z"),
        "data": {"id": row.alert_id, "text": row.text, **row.facts},
    }
    assert (came.path, came.headers["content-type"]) == ("/hook", "application/json")
    assert came.headers["host"] in hook_server.url
    assert (only(alerting).state, only(alerting).attempts, only(alerting).status) == (DeliveryState.DELIVERED, 1, 204)
    with pytest.raises(WebhookVerificationError):
        came.verified("whsec_" + "A" * 43 + "=")
    assert [sent.outcome for sent in world.telemetry.happened if isinstance(sent, AlertSent)] == ["delivered"]
    assert secret not in str(world.telemetry.happened)
    assert hook.hook_id == only(alerting).hook_id


def test_a_failed_attempt_is_made_again_with_the_same_id_and_body(
    world: World, alerting: Alerting, hook_server: Receiver
) -> None:
    """Only time and signature are new."""
    _, secret = alerting.hook(hook_server.url)
    hook_server.answers = [(500, {}), (302, {"location": hook_server.url}), (404, {})]
    ring(world, alerting)
    for attempt in range(1, 5):
        assert alerting.deliver() == 1
        assert alerting.deliver() == 0
        assert only(alerting).attempts == attempt
        alerting.pass_time(minutes=4)
    assert only(alerting).state is DeliveryState.DELIVERED
    assert len(hook_server.came) == 4
    assert len({came.alert_id for came in hook_server.came}) == 1
    assert len({came.body for came in hook_server.came}) == 1
    assert len({came.headers["webhook-timestamp"] for came in hook_server.came}) == 4
    hook_server.came[0].verified(secret)


def test_pauses_grow_and_then_the_delivery_is_dead(world: World, alerting: Alerting, hook_server: Receiver) -> None:
    alerting.hook(hook_server.url)
    hook_server.answers = [(503, {})] * 20
    ring(world, alerting)
    began, pauses = world.clock.now(), []
    while only(alerting).state is DeliveryState.PENDING:
        assert alerting.deliver() == 1
        next_at = only(alerting).next_at
        if next_at is not None:
            pauses.append(next_at - world.clock.now())
            world.clock.ahead += pauses[-1] + timedelta(seconds=1)
    assert len(pauses) == 9
    assert pauses[:7] == sorted(pauses[:7])
    assert timedelta(hours=18) < world.clock.now() - began < timedelta(hours=30)
    delivery = only(alerting)
    assert (delivery.state, delivery.attempts, delivery.status) == (DeliveryState.DEAD, 10, 503)
    alerting.pass_time(days=2)
    assert alerting.deliver() == 0
    outcomes = [sent.outcome for sent in world.telemetry.happened if isinstance(sent, AlertSent)]
    assert outcomes == ["postponed"] * 9 + ["dead"]


def test_a_hook_that_asks_for_time_gets_it(world: World, alerting: Alerting, hook_server: Receiver) -> None:
    alerting.hook(hook_server.url)
    hook_server.answers = [(429, {"retry-after": "1000"})]
    ring(world, alerting)
    alerting.deliver()
    next_at = only(alerting).next_at
    assert next_at is not None
    assert next_at - world.clock.now() > timedelta(seconds=990)


def test_a_hook_that_is_gone_hears_no_more(world: World, alerting: Alerting, hook_server: Receiver) -> None:
    """410 disables it: what waited is dead, and what comes is not even queued."""
    alerting.hook(hook_server.url)
    hook_server.answers = [(410, {})]
    ring(world, alerting)
    alerting.deliver(alerting.new_deliverer(per_hook_max=1))
    (hook,) = world.run(alerting.store.hooks())
    assert hook.disabled == "it answered 410 Gone"
    assert only(alerting).state is DeliveryState.DEAD
    world.book(event())
    alerting.raise_all()
    assert alerting.deliver() == 0
    assert sum(len(row.deliveries) for row in alerting.rows()) == 1


def test_hooks_hear_what_they_asked_for(world: World, alerting: Alerting, hook_server: Receiver) -> None:
    every, _ = alerting.hook(hook_server.url)
    others, _ = alerting.hook(hook_server.url, tenant="other")
    models, _ = alerting.hook(hook_server.url, AlertKind.UNPRICED)
    own, _ = alerting.hook(hook_server.url, AlertKind.THRESHOLD, AlertKind.THROTTLE_SET, tenant="acme")
    ring(world, alerting)
    assert {delivery.hook_id for delivery in alerting.rows()[0].deliveries} == {every.hook_id, own.hook_id}
    world.book(event("other", model="new-1"))
    alerting.raise_all()
    heard = {delivery.hook_id for row in alerting.rows("other") for delivery in row.deliveries}
    assert heard == {every.hook_id, others.hook_id, models.hook_id}


@pytest.mark.parametrize("networks", ["", "10.0.0.0/8"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]", "0.0.0.0"])
def test_a_hook_does_not_lead_to_this_machine(world: World, hook_server: Receiver, networks: str, host: str) -> None:
    """Not under any spelling of its address, unless its network is listed."""
    alerting = Alerting(world, networks)
    alerting.hook(hook_server.url.replace("127.0.0.1", host))
    ring(world, alerting)
    assert alerting.deliver() == 1
    assert hook_server.came == []
    delivery = only(alerting)
    assert (delivery.state, delivery.status) == (DeliveryState.PENDING, None)
    assert "no public address" in delivery.detail or "does not resolve" in delivery.detail
    alerting.close()


def test_the_connection_goes_where_the_check_looked(world: World, alerting: Alerting, hook_server: Receiver) -> None:
    """A name that leads elsewhere at the second question is asked once only."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    alerting.sender._addresses.resolve = resolve  # type: ignore[method-assign]
    alerting.hook(hook_server.url.replace("127.0.0.1", "hooks.example"))
    ring(world, alerting)
    assert alerting.deliver() == 1
    assert asked == ["hooks.example"]
    assert hook_server.came[0].headers["host"].startswith("hooks.example:")


def test_no_redirect_is_followed(world: World, alerting: Alerting, hook_server: Receiver) -> None:
    alerting.hook(hook_server.url)
    hook_server.answers = [(307, {"location": hook_server.url + "/elsewhere"})]
    ring(world, alerting)
    alerting.deliver()
    assert [came.path for came in hook_server.came] == ["/hook"]
    assert only(alerting).status == 307


def test_a_server_that_is_away_or_silent_is_an_attempt(world: World, alerting: Alerting, hook_server: Receiver) -> None:
    alerting.hook("http://127.0.0.1:1/closed")
    ring(world, alerting)
    assert alerting.deliver() == 1
    assert (only(alerting).status, only(alerting).state) == (None, DeliveryState.PENDING)
    assert only(alerting).detail
    hook_server.gate.clear()
    alerting.sender._timeout_s = 0.2
    alerting.hook(hook_server.url)
    world.book(event())
    alerting.raise_all()
    alerting.deliver()
    details = [delivery.detail for row in alerting.rows() for delivery in row.deliveries]
    assert "no answer within 0.2 s" in details


def test_two_workers_share_without_sending_twice(world: World, alerting: Alerting, hook_server: Receiver) -> None:
    alerting.hook(hook_server.url)
    alerting.limit(None, CALL)
    world.book(*(event(f"t{number}") for number in range(10)))
    alerting.raise_all()
    one, other = alerting.new_deliverer(per_hook_max=8), alerting.new_deliverer(per_hook_max=8)

    async def both() -> None:
        while await one.begin() + await other.begin():
            await one.settled()
            await other.settled()

    world.run(both())
    assert len(hook_server.came) == 40
    assert len({came.alert_id for came in hook_server.came}) == 40


def test_one_slow_hook_does_not_hold_up_another(world: World, alerting: Alerting, hook_server: Receiver) -> None:
    """At most so many of a hook are on their way at once, however many wait."""
    hook_server.gate.clear()
    alerting.hook(hook_server.url)
    alerting.limit(None, CALL)
    world.book(*(event(f"t{number}") for number in range(6)))
    alerting.raise_all()

    async def begun() -> tuple[int, int]:
        return await alerting.deliverer.begin(), await alerting.deliverer.begin()

    assert world.run(begun()) == (4, 0)
    hook_server.gate.set()
    world.run(alerting.deliverer.settled())


def test_a_worker_that_overslept_its_lease_changes_nothing(
    world: World, alerting: Alerting, hook_server: Receiver
) -> None:
    alerting.hook(hook_server.url)
    ring(world, alerting)
    now = world.clock.now()
    lease = now + timedelta(minutes=1)
    (first,) = world.run(alerting.store.claim(now, lease, busy=(), per_hook=4, count=4))
    assert world.run(alerting.store.claim(now, lease, busy=(), per_hook=4, count=4)) == []
    (second,) = world.run(alerting.store.claim(lease, lease + timedelta(minutes=1), busy=(), per_hook=4, count=4))
    assert (first.attempts, second.attempts) == (1, 2)
    assert world.run(alerting.store.delivered(second, 204, now))
    assert not world.run(alerting.store.postponed(first, Answer(500, ""), now, lease))
    assert only(alerting).state is DeliveryState.DELIVERED


def test_a_test_goes_to_one_hook_once(world: World, alerting: Alerting, hook_server: Receiver) -> None:
    hook, secret = alerting.hook(hook_server.url)
    alerting.hook(hook_server.url)
    hook_server.answers = [(500, {})]
    now = world.clock.now()
    assert world.run(alerting.store.insert_test(hook.hook_id, check_alert(hook.hook_id), now, due_at=now))
    assert world.run(alerting.store.insert_test("none", check_alert("none"), now, due_at=now)) is None
    assert alerting.deliver() == 1
    assert hook_server.of_kind("alert.test", secret)[0]["data"]["hook_id"] == hook.hook_id
    assert only(alerting).state is DeliveryState.DEAD


def test_old_alerts_are_forgotten_with_their_deliveries(
    world: World, alerting: Alerting, hook_server: Receiver
) -> None:
    alerting.hook(hook_server.url)
    ring(world, alerting)
    assert world.run(alerting.store.prune(datetime.now(UTC) - timedelta(days=1))) == 0
    assert world.run(alerting.store.prune(datetime.now(UTC) + timedelta(days=1))) == 1
    assert alerting.rows() == []


def test_a_removed_hook_takes_its_deliveries_along(world: World, alerting: Alerting, hook_server: Receiver) -> None:
    hook, _ = alerting.hook(hook_server.url)
    ring(world, alerting)
    assert world.run(alerting.store.remove_hook(hook.hook_id, "test"))
    assert not world.run(alerting.store.remove_hook(hook.hook_id, "test"))
    assert alerting.deliver() == 0
    assert alerting.rows()[0].deliveries == ()


def test_over_tls_the_name_is_named_and_nothing_follows_without_its_certificate(
    world: World, alerting: Alerting
) -> None:
    """The socket goes to the address, the greeting names the host of the URL, and no header leaves in the clear."""

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    alerting.sender._addresses.resolve = resolve  # type: ignore[method-assign]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        heard: list[bytes] = []

        def hear() -> None:
            connection, _ = listening.accept()
            with connection:
                heard.append(connection.recv(16_384))

        listener = threading.Thread(target=hear, daemon=True)
        listener.start()
        alerting.hook(f"https://hooks.example:{listening.getsockname()[1]}/secret-path")
        ring(world, alerting)
        assert alerting.deliver() == 1
        listener.join(60)
    (hello,) = heard
    assert hello.startswith(b"\x16\x03")
    assert b"hooks.example" in hello
    assert b"secret-path" not in hello
    assert (only(alerting).state, only(alerting).status) == (DeliveryState.PENDING, None)
