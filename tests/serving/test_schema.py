"""Requests made up from the OpenAPI document: no answer of the server is an error of its own."""

import pytest
from running import running

pytestmark = pytest.mark.slow

REQUESTS = 1000


def test_a_thousand_made_up_requests(tmp_path):
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    with running(tmp_path) as (url, worker):
        schema = schemathesis.openapi.from_url(f"{url}/v1/openapi.json")
        sent, statuses = send_all(schemathesis, schema, url)
        assert worker.poll() is None
    print(f"{sent} requests, answers {sorted(statuses)}")
    assert sent >= REQUESTS
    assert {200, 422} <= statuses


def send_all(schemathesis, schema, url):
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st

    operations = [found.ok() for found in schema.get_all_operations()]
    # Some operations take nothing, and have few requests; the others make up for them.
    each = 2 * REQUESTS // (2 * len(operations))
    sent, statuses = 0, set()
    for operation in operations:
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):

            @settings(
                max_examples=each, deadline=None, database=None, derandomize=True,
                suppress_health_check=list(HealthCheck), phases=[Phase.generate],
            )  # fmt: skip
            @given(case=cases(operation, mode, st))
            def check(case):
                nonlocal sent
                if case is None:
                    return
                answer = case.call(base_url=url)
                sent += 1
                statuses.add(answer.status_code)
                assert answer.status_code < 500, (case.method, case.path, answer.text)
                if answer.status_code >= 400:
                    assert set(answer.json()) == {"error"}

            check()
    return sent, statuses


def cases(operation, mode, st):
    """Cases of one kind; of operations that know none of it, nothing."""
    return operation.as_strategy(generation_mode=mode) | st.none()
