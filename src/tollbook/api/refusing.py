"""How the routes in front of the framework refuse: errors as problems, and problems as answers."""

from tollbook.api.bare import READ, Receive, Scope, Send, answer
from tollbook.api.bodies import Exchange
from tollbook.api.problems import MEDIA_TYPE, REJECT_STATUS, Problem, unavailable
from tollbook.domain.errors import RequestError, StoreError
from tollbook.telemetry import Rejected, Telemetry


def problem_of(error: RequestError | StoreError, telemetry: Telemetry) -> Problem:
    """The problem of a request that was refused whole, which is counted, or of stores that are away."""
    if isinstance(error, StoreError):
        return unavailable(str(error), error.code)
    status = error.status if error.status != 400 else REJECT_STATUS.get(error.reject, 400)
    telemetry.record(Rejected(1, error.reject.value))
    return Problem(status, error.reject.value, error.detail)


async def refuse(scope: Scope, receive: Receive, send: Send, problem: Problem) -> None:
    """Answer with a problem; where the body was not read, once it is in."""
    headers = {name.encode(): value.encode() for name, value in problem.headers.items()}
    if READ not in scope:
        send = Exchange(scope, receive, send).send
    await answer(send, problem.status, MEDIA_TYPE, problem.body(), headers)
