"""The results of a run as Markdown tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median

from tests.faults.chaos.evidence import Evidence
from tests.faults.chaos.promises import Promise, ga4_doubles, meta_repeats, uncertain

FAULTS = {
    "http_500": "500",
    "http_503": "503",
    "html_502": "502, an HTML page",
    "throttled": "throttled",
    "token_invalid": "token refused",
    "reset_before": "connection reset before the request is read",
    "reset_after_accept": "accepted, connection reset",
    "hang_after_accept": "accepted, no response",
    "garbage": "accepted, malformed response",
    "wrong_received_count": "accepted, wrong `events_received`",
    "slow": "accepted, slow response",
    "reject": "refused for good",
}
DISRUPTIONS = {
    "kill": "dispatcher killed with its workers (SIGKILL)",
    "worker": "worker of a dispatcher killed (SIGKILL)",
    "terminate": "dispatcher stopped (SIGTERM)",
    "cut": "all connections of the dispatchers terminated",
    "restart": "PostgreSQL restarted",
    "crash": "PostgreSQL crashed",
}


def tables(seen: Evidence, promises: Sequence[Promise]) -> str:
    """Return all tables, one after the other."""
    return "\n\n".join([_summary(seen), _disruptions(seen), _faults(seen), _promises(promises)])


def _summary(seen: Evidence) -> str:
    counts = Counter(receipt.outcome for receipts in seen.receipts.values() for receipt in receipts)
    doubtful = {name: sum(uncertain(seen, (e, name)) > 0 for e in seen.kept) for name in ("meta", "ga4")}
    doubles, dropped = ga4_doubles(seen)
    reasons = Counter(attempt.reason for found in seen.attempts.values() for attempt in found)
    rows = [
        ("events recorded, by two writers, in SQL and in Python", len(seen.kept)),
        ("recorded in transactions that were rolled back", len(seen.rolled_back)),
        ("transactions repeated by the writers after a lost connection", seen.repeated),
        (
            "deliveries: delivered / failed / skipped",
            " / ".join(str(counts[o]) for o in ("delivered", "failed", "skipped")),
        ),
        ("requests to Meta / GA4", f"{seen.requests['meta']} / {seen.requests['ga4']}"),
        ("seconds of chaos / from its end until all was delivered", "{chaos:.0f} / {drain:.0f}".format(**seen.seconds)),
        ("deliveries reclaimed from expired leases", reasons["lease expired"]),
        ("deliveries returned from lost workers while they were sent", reasons["worker lost"]),
        ("settlements after the lease was lost, which changed nothing", seen.logs.fenced_off),
        ("events with an uncertain attempt at Meta / GA4", f"{doubtful['meta']} / {doubtful['ga4']}"),
        ("re-sends to Meta after a merge", sum(seen.revisions[event, "meta"] for event in seen.kept)),
        ("other repeats, dropped by Meta", meta_repeats(seen)),
        ("duplicates counted by GA4, each after an uncertain attempt", doubles),
        ("duplicates dropped by GA4 by their transaction_id", dropped),
    ]
    return _table(("", f"seed {seen.plan.seed}, {seen.plan.dispatchers} dispatchers"), rows)


def _disruptions(seen: Evidence) -> str:
    settled = sorted(receipt.at for receipts in seen.receipts.values() for receipt in receipts)
    rows = []
    for kind, name in DISRUPTIONS.items():
        fell = [incident for incident in seen.incidents if incident.kind == kind]
        if not fell:
            continue
        waits = [next((at for at in settled if at > end), end) - end for end in (one.over_at or one.at for one in fell)]
        down = [one.over_at - one.at for one in fell if one.over_at]
        back = [one.back_at - one.at for one in fell if one.held]
        rows.append((name, len(fell), _seconds(down), _seconds(waits), _seconds(back)))
    header = ("", "times", "down, s", "next settlement after it, s", "its deliveries are pending again after, s")
    stops = [seconds for _, signals, _, seconds in seen.stops if signals == ["SIGTERM"]]
    return _table(header, rows) + f"\n\nFrom SIGTERM to the exit: {_seconds(stops)} s. Median / longest."


def _faults(seen: Evidence) -> str:
    rows = [
        (name, seen.faults["meta"][kind], seen.faults["ga4"][kind])
        for kind, name in FAULTS.items()
        if seen.faults["meta"][kind] or seen.faults["ga4"][kind]
    ]
    return _table(("requests that met a fault", "Meta", "GA4"), rows)


def _promises(promises: Iterable[Promise]) -> str:
    return _table(("promise", "broken"), [(promise.says, len(promise.broken)) for promise in promises])


def _seconds(values: Sequence[float]) -> str:
    return f"{median(values):.1f} / {max(values):.1f}" if values else ""


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
