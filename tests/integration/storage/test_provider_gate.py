"""Leave to ask providers: limits, pauses and circuits that all workers share, against a real Redis."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator

import pytest
import redis

from core.errors import DependencyUnavailableError
from core.providers import PROVIDER_LIMITS, Limit
from core.settings import Settings
from storage.provider_gate import GateOptions, Leave, ProviderGate, Verdict

FAST = (Limit(100, 1.0),)
SLOW = (Limit(1, 600.0),)
# Leave as a request has it that began before all that a test does.
LATE = Leave("go", 0, "", False)
TIMES = {"pause", "open", "probe", "factor_until", "penalty_at"}
BuildGate = Callable[..., ProviderGate]
LetPass = Callable[[float], None]
Go = Callable[..., Leave]


@pytest.fixture
def build_gate(redis_url: str) -> Iterator[BuildGate]:
    """Makes gates to the same Redis, as several workers have them."""
    gates: list[ProviderGate] = []

    def make(**options: float) -> ProviderGate:
        gates.append(ProviderGate(Settings(_env_file=None, redis_url=redis_url), options=GateOptions(**options)))  # type: ignore[arg-type]
        return gates[-1]

    yield make
    for gate in gates:
        gate.close()


@pytest.fixture
def gate(build_gate: BuildGate) -> ProviderGate:
    """One with the options of production."""
    return build_gate()


@pytest.fixture
def name() -> str:
    """A provider that no other test knows."""
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
def let_pass(redis_url: str, name: str) -> Iterator[LetPass]:
    """Makes all that is remembered of the provider so many seconds older."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as server:
        key = f"avs:provider:{{{name}}}"

        def age(seconds: float) -> None:
            for field, value in server.hgetall(key).items():
                if field in TIMES or field.startswith(("at:", "until:")):
                    server.hset(key, field, str(float(value) - seconds))

        yield age


@pytest.fixture
def go(name: str, let_pass: LetPass) -> Go:
    """Leave, after as long as it takes."""

    def take(gate: ProviderGate, limits: tuple[Limit, ...] = FAST) -> Leave:
        while (leave := gate.take(name, limits)).what == "limit":
            let_pass(leave.wait_s + 0.001)
        return leave

    return take


def test_first_request_waits_like_a_second(gate: ProviderGate, name: str, let_pass: LetPass) -> None:
    """An empty Redis may have lost its memory: leave is given as if somebody had asked just now."""
    first = gate.take(name, (Limit(10, 1.0),))
    assert first.what == "limit" and first.wait_s == pytest.approx(1 / 9.5, abs=0.01)
    let_pass(first.wait_s)
    assert gate.take(name, (Limit(10, 1.0),)).what == "go"


def test_rates_by_the_day_do_not_stand_still(gate: ProviderGate, name: str) -> None:
    """A limit of one request in minutes waits a few seconds after Redis was emptied, not minutes."""
    leave = gate.take(name, SLOW)
    assert leave.what == "limit" and leave.wait_s == pytest.approx(5.0, abs=0.1)


def test_limits_are_taken_together_or_not_at_all(gate: ProviderGate, name: str, let_pass: LetPass) -> None:
    """Where one limit refuses, the token of the other is not spent."""
    both = (*FAST, *SLOW)
    gate.take(name, both)
    let_pass(0.1)
    assert gate.take(name, both).what == "limit"
    left = [bucket.left for bucket in gate.get_state(name, both).buckets]
    assert left[0] == 1.0 and left[1] < 1.0


def test_burst_is_saved_up_and_no_more(build_gate: BuildGate, name: str, let_pass: LetPass) -> None:
    """What is not used is saved up to `burst`, and burst and rate together stay within the limit."""
    limits = (Limit(20, 600.0, burst=5),)
    gate = build_gate()
    gate.take(name, limits)
    let_pass(10_000)
    taken = sum(gate.take(name, limits).what == "go" for _ in range(20))
    assert taken == 5
    bucket = gate.get_state(name, limits).buckets[0]
    assert bucket.a_second == pytest.approx(0.95 * 16 / 600)


@pytest.mark.parametrize(
    "limits",
    [
        *(limits for name, limits in PROVIDER_LIMITS.items() if name != "anidb"),
        (Limit(1, 2.0), Limit(20, 300.0, burst=7)),
    ],
)
def test_no_window_has_more_than_the_limit(
    limits: tuple[Limit, ...], gate: ProviderGate, name: str, let_pass: LetPass
) -> None:
    """Whoever takes all that he can get stays within every limit in every window, and gets most of it."""
    go_at: list[float] = []
    started, passed = time.monotonic(), 0.0
    gate.take(name, limits)
    let_pass(10_000)
    while len(go_at) < 150:
        leave = gate.take(name, limits)
        now = time.monotonic() - started + passed
        if leave.what == "go":
            go_at.append(now)
        else:
            passed += leave.wait_s
            let_pass(leave.wait_s)
    for limit in limits:
        most = max(sum(start <= at < start + limit.period_s for at in go_at) for start in go_at)
        assert most <= limit.amount
    slowest = min(limit.amount / limit.period_s for limit in limits)
    assert len(go_at) / (go_at[-1] - go_at[0]) > 0.6 * slowest


def test_gates_share_their_limit(build_gate: BuildGate, name: str, go: Go) -> None:
    """Two workers together get what one would get alone."""
    one, other = build_gate(), build_gate()
    go(one, (Limit(1, 50.0),))
    assert other.take(name, (Limit(1, 50.0),)).what == "limit"


def test_pause(build_gate: BuildGate, name: str, go: Go) -> None:
    """A pause that one worker was asked for is kept by all, is never made shorter, and says why."""
    one, other = build_gate(), build_gate()
    one.settle(name, FAST, go(one), Verdict.LIMITED, reason="http-429", pause_s=3_600)
    one.settle(name, FAST, LATE, Verdict.LIMITED, reason="later", pause_s=5)
    leave = other.take(name, FAST)
    assert (leave.what, leave.why) == ("paused", "http-429") and 3_590 < leave.wait_s <= 3_600
    state = other.get_state(name, FAST)
    assert state.pause_reason == "http-429" and state.paused_s > 3_590


def test_pause_ends(gate: ProviderGate, name: str, go: Go, let_pass: LetPass) -> None:
    """When the pause is over, leave is given again."""
    gate.settle(name, FAST, go(gate), Verdict.NEUTRAL, pause_s=100)
    assert gate.take(name, FAST).what == "paused"
    let_pass(101)
    assert gate.take(name, FAST).what == "go"
    assert gate.get_state(name, FAST).pause_reason is None


def test_circuit(build_gate: BuildGate, name: str, go: Go, let_pass: LetPass) -> None:
    """Failures in a row open the circuit, one probe at a time may try, and a probe that fails doubles the wait."""
    one, other = build_gate(threshold=3, open_s=100), build_gate(threshold=3, open_s=100)
    for gate in (one, other, one):
        gate.settle(name, FAST, go(gate), Verdict.FAILED, reason="timeout")
    closed = other.take(name, FAST)
    assert (closed.what, closed.why) == ("circuit", "timeout") and closed.wait_s <= 100
    assert one.get_state(name, FAST).circuit == "open"
    let_pass(101)
    probe = one.take(name, FAST)
    assert (probe.what, probe.is_probe) == ("go", True)
    assert one.get_state(name, FAST).circuit == "half-open"
    assert other.take(name, FAST).what == "circuit"
    one.settle(name, FAST, probe, Verdict.FAILED, reason="timeout")
    assert 100 < other.take(name, FAST).wait_s <= 200
    let_pass(201)
    probe = other.take(name, FAST)
    # An answer to a request from before does not close it; that of the probe does.
    one.settle(name, FAST, LATE, Verdict.OK)
    assert one.get_state(name, FAST).circuit == "half-open"
    other.settle(name, FAST, probe, Verdict.OK)
    state = one.get_state(name, FAST)
    assert (state.circuit, state.failures, state.circuit_reason) == ("closed", 0, None)


def test_open_circuit_has_a_longest_time(build_gate: BuildGate, name: str) -> None:
    """However often a probe fails, the circuit is not open longer than the options say."""
    gate = build_gate(threshold=1, open_s=100, most_open_s=300)
    for _ in range(5):
        gate.settle(name, FAST, Leave("go", 0, "", True), Verdict.FAILED)
    assert 290 < gate.take(name, FAST).wait_s <= 300


def test_probe_that_never_ends(build_gate: BuildGate, name: str, go: Go, let_pass: LetPass) -> None:
    """A worker that died with the probe holds nobody up for longer than a request may take."""
    gate = build_gate(threshold=1, open_s=50, probe_s=60)
    gate.settle(name, FAST, go(gate), Verdict.FAILED)
    let_pass(51)
    assert gate.take(name, FAST).is_probe
    assert gate.take(name, FAST).what == "circuit"
    let_pass(61)
    assert gate.take(name, FAST).is_probe


def test_success_between_failures_keeps_the_circuit_closed(build_gate: BuildGate, name: str, go: Go) -> None:
    """Only failures in a row count."""
    gate = build_gate(threshold=2)
    for verdict in (Verdict.FAILED, Verdict.OK, Verdict.FAILED, Verdict.NEUTRAL):
        gate.settle(name, FAST, go(gate), verdict)
    state = gate.get_state(name, FAST)
    assert (state.circuit, state.failures) == ("closed", 1)


def test_refusals_slow_down(build_gate: BuildGate, name: str, let_pass: LetPass) -> None:
    """A refusal takes away a share of the rate, many at once take one share, and it is given back by time."""
    gate = build_gate(learned_s=300, penalty_every_s=60)
    full = gate.get_state(name, FAST).buckets[0].a_second
    for _ in range(4):
        gate.settle(name, FAST, LATE, Verdict.LIMITED)
    assert gate.get_state(name, FAST).buckets[0].a_second == pytest.approx(0.7 * full)
    let_pass(301)
    assert gate.get_state(name, FAST).buckets[0].a_second == pytest.approx(full)


def test_refusals_leave_something(build_gate: BuildGate, name: str) -> None:
    """However often it is refused, a tenth of the rate is left: else it would never hear that all is well again."""
    gate = build_gate(penalty_every_s=0)
    full = gate.get_state(name, FAST).buckets[0].a_second
    for _ in range(20):
        gate.settle(name, FAST, LATE, Verdict.LIMITED)
    assert gate.get_state(name, FAST).buckets[0].a_second == pytest.approx(0.1 * full)


def test_told_limit(build_gate: BuildGate, name: str, let_pass: LetPass) -> None:
    """A smaller limit in the headers is obeyed for some hours, a larger one than the declared never."""
    limits = (Limit(5, 1.0), Limit(60, 60.0))
    gate = build_gate(learned_s=300)
    gate.settle(name, limits, LATE, Verdict.OK, told_amount=90)
    assert [bucket.amount for bucket in gate.get_state(name, limits).buckets] == [5, 60]
    gate.settle(name, limits, LATE, Verdict.OK, told_amount=20)
    assert [bucket.amount for bucket in gate.get_state(name, limits).buckets] == [5, 20]
    let_pass(301)
    assert [bucket.amount for bucket in gate.get_state(name, limits).buckets] == [5, 60]


def test_told_limit_is_taken_back(gate: ProviderGate, name: str) -> None:
    """When the headers name the declared limit again, the smaller one is forgotten at once."""
    limits = (Limit(60, 60.0),)
    for told, expected in ((20, 20), (None, 20), (60, 60)):
        gate.settle(name, limits, LATE, Verdict.OK, told_amount=told)
        assert gate.get_state(name, limits).buckets[0].amount == expected


def test_changed_limit_goes_on_with_what_is_left(gate: ProviderGate, name: str, go: Go) -> None:
    """Workers of two versions share a bucket by its period, and health shows the limits that are in use."""
    go(gate, (Limit(5, 60.0),))
    assert gate.take(name, (Limit(10, 60.0, burst=2),)).what == "limit"
    (bucket,) = gate.get_state(name, FAST).buckets
    assert bucket.limit == Limit(10, 60.0, burst=2) and bucket.left < 1


def test_flushed_redis_gives_no_burst(gate: ProviderGate, name: str, redis_url: str) -> None:
    """However often Redis loses its memory, no request comes earlier than a bucket that was just emptied allows."""
    limits = (Limit(10, 1.0, burst=5),)
    key = f"avs:provider:{{{name}}}"
    with redis.Redis.from_url(redis_url) as server:
        for _ in range(20):
            server.delete(key)
            assert gate.take(name, limits).what == "limit"


def test_clock_that_is_put_back(gate: ProviderGate, name: str, redis_url: str, go: Go, let_pass: LetPass) -> None:
    """A bucket that was written by a clock ahead of now gives nothing away and goes on filling from now."""
    go(gate)
    with redis.Redis.from_url(redis_url) as server:
        server.hset(f"avs:provider:{{{name}}}", "at:1", str(time.time() + 3_600))
    assert gate.take(name, FAST).what == "limit"
    let_pass(0.05)
    assert gate.take(name, FAST).what == "go"


def test_reading_changes_nothing(gate: ProviderGate, name: str, redis_url: str) -> None:
    """Health looks, and leaves no trace: a provider that nobody asks has no state."""
    gate.get_states({name: FAST})
    with redis.Redis.from_url(redis_url) as server:
        assert server.exists(f"avs:provider:{{{name}}}") == 0


def test_resume(gate: ProviderGate, name: str, go: Go) -> None:
    """A person may end a pause and forget what was learned; the buckets stay as they are."""
    gate.settle(name, FAST, go(gate), Verdict.LIMITED, pause_s=3_600, told_amount=10)
    gate.resume(name)
    state = gate.get_state(name, FAST)
    assert (state.paused_s, state.buckets[0].amount) == (0.0, 100)
    assert state.buckets[0].left <= 1.0


def test_lease_of_a_request(build_gate: BuildGate, name: str, redis_url: str) -> None:
    """One worker holds a request, others do not get it, and a late release does not take it from the next one."""
    one, other = build_gate(), build_gate()
    token = one.try_lease(name, "k", life_s=5)
    assert token is not None and other.try_lease(name, "k", life_s=5) is None
    with redis.Redis.from_url(redis_url) as server:
        (key,) = server.keys(f"avs:provider-request:{{{name}}}:*")
        one.renew_lease(name, "k", token, life_s=600)
        assert server.pttl(key) > 500_000
        server.delete(key)
    assert other.try_lease(name, "another", life_s=5) is not None
    assert other.try_lease(name, "k", life_s=60) is not None
    one.release_lease(name, "k", token)
    assert one.try_lease(name, "k", life_s=5) is None


def test_without_redis_nobody_gets_leave() -> None:
    """Redis away is an error and no leave: nobody knows what the others ask."""
    settings = Settings(_env_file=None, redis_url="redis://127.0.0.1:1/0")
    gate = ProviderGate(settings, timeout_s=0.2)
    for call in (
        lambda: gate.take("x", FAST),
        lambda: gate.get_state("x", FAST),
        lambda: gate.try_lease("x", "k", life_s=1),
    ):
        with pytest.raises(DependencyUnavailableError):
            call()


def test_requests_without_leave_are_paid_for(gate: ProviderGate, name: str) -> None:
    """They count against all limits, below nothing too: who asks next waits for them, and nobody is shown a debt."""
    limits = (Limit(60, 60.0), Limit(1_000, 1.0, burst=10))
    gate.charge(name, limits, 3)
    refused = gate.take(name, limits)
    assert refused.what == "limit" and 2.5 < refused.wait_s < 5.0
    assert gate.get_state(name, limits).buckets[0].left == 0.0
