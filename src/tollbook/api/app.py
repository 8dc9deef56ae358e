"""Puts the resources together into one application."""

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

import tollbook
from tollbook.api.asking import provide_principal, provide_services
from tollbook.api.document import Described, operation_id
from tollbook.api.failures import EXCEPTION_HANDLERS
from tollbook.api.paths import with_heads_and_slashes
from tollbook.api.resources.alert_hooks import alert_hooks, make_alert_hook, remove_alert_hook, send_test_alert
from tollbook.api.resources.alerts import alerts
from tollbook.api.resources.budgets import budget, budget_changes, budgets, put_budget, remove_budget
from tollbook.api.resources.changes import changes
from tollbook.api.resources.daily_limits import (
    default_limit,
    remove_tenant_limit,
    set_default_limit,
    set_tenant_limit,
    tenant_limit,
)
from tollbook.api.resources.dialect_schema import send_answers, send_litellm, send_mapped, send_openmeter
from tollbook.api.resources.entries import entries, entry, follow_entries
from tollbook.api.resources.fleet import fleet, tenants
from tollbook.api.resources.gate_schema import (
    check_call,
    extend_hold,
    make_hold,
    make_lease,
    release_hold,
    settle_hold,
)
from tollbook.api.resources.health import healthz, metrics, readyz, standing
from tollbook.api.resources.holds import open_holds
from tollbook.api.resources.intake_schema import receive_webhook, send_events
from tollbook.api.resources.keys import keys, make_key, own_key, revoke_key
from tollbook.api.resources.llms import llms_txt
from tollbook.api.resources.otlp_schema import send_logs, send_metrics, send_traces
from tollbook.api.resources.periods import close_period, periods
from tollbook.api.resources.prices import accept_price_book, price_books, prices
from tollbook.api.resources.runs import run_timeline, run_total, runs
from tollbook.api.resources.sources import add_source, remove_source, sources
from tollbook.api.resources.spend import spend
from tollbook.api.resources.statements import statement
from tollbook.api.resources.status import status
from tollbook.api.resources.traces import run_spans, trace_spans
from tollbook.api.resources.watch import watch
from tollbook.api.resources.webhooks import make_webhook, revoke_webhook, webhook_requests, webhooks
from tollbook.api.resources.zones import change_zone, tenant_zone
from tollbook.api.services import Services

_BODY_BYTES_MAX = 64 * 1024
"""No body of these routes needs more; events come in by another door."""


def build_api(services: Services) -> Litestar:
    """The application of every route but those in front of it, which it only describes."""
    app = Litestar(
        route_handlers=[
            *(spend, entries, follow_entries, entry, status, changes),
            *(runs, run_total, run_timeline, run_spans, trace_spans),
            *(prices, price_books, accept_price_book),
            *(fleet, tenants),
            *(budgets, budget, budget_changes, put_budget, remove_budget),
            *(default_limit, set_default_limit, tenant_limit, set_tenant_limit, remove_tenant_limit),
            *(statement, periods, close_period),
            *(own_key, make_key, keys, revoke_key),
            *(make_webhook, webhooks, revoke_webhook, webhook_requests),
            *(alerts, alert_hooks, make_alert_hook, remove_alert_hook, send_test_alert),
            *(tenant_zone, change_zone),
            *(healthz, readyz, metrics, llms_txt, standing),
            *(sources, add_source, remove_source),
            *(open_holds, watch),
            *(send_events, receive_webhook),
            *(send_answers, send_litellm, send_mapped, send_openmeter),
            *(send_traces, send_logs, send_metrics),
            *(make_hold, check_call, make_lease, settle_hold, extend_hold, release_hold),
        ],
        state=State({"services": services}),
        dependencies={
            "services": Provide(provide_services, sync_to_thread=False),
            "principal": Provide(provide_principal, sync_to_thread=False),
        },
        exception_handlers=EXCEPTION_HANDLERS,
        openapi_config=_openapi(),
        request_max_body_size=_BODY_BYTES_MAX,
        logging_config=None,
        debug=False,
    )
    app.asgi_handler = with_heads_and_slashes(app.asgi_handler)
    return app


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="tollbook",
        version=tollbook.__version__,
        description="The ledger of what a fleet of LLM agents spends. Each `*_usd` is decimal text, exact to 1e-9 USD.",
        path="/openapi.json",
        render_plugins=[Described(path="/")],
        operation_id_creator=operation_id,
        use_handler_docstrings=True,
        components=Components(security_schemes={"key": SecurityScheme(type="http", scheme="bearer")}),
    )
