"""The measurements work end to end with a few events; their speed does not matter here."""

from __future__ import annotations

from dataclasses import replace
from urllib.request import Request, urlopen

import psycopg
import pytest

from tests.bench import fill, processes, yardsticks
from tests.bench.measure import measure
from tests.bench.measurements import ga4, intake, meta
from tests.bench.plan import QUICK
from tests.bench.world import running

EVENTS = 90
PLAN = replace(QUICK, rounds=2, events=EVENTS, ga4_events=EVENTS, settled=200, longest=20.0)


@pytest.fixture(scope="module")
def world():
    with running(PLAN) as found:
        yield found


def count(url: str, query: str) -> int:
    with psycopg.connect(url) as connection:
        (found,) = connection.execute(f"SELECT count(*) FROM {query}").fetchone() or (0,)
    return found


def test_a_measurement_takes_its_sides_in_turn_round_after_round(world):
    said = []

    measured = measure(intake.INTAKE, world, said.append)

    assert measured.failed is None
    assert len(measured.rounds) == PLAN.rounds
    assert all(values.keys() == {"intake", "g2"} and min(values.values()) > 0 for values in measured.rounds)


def test_an_error_ends_a_measurement_and_is_reported(world):
    broken = replace(intake.INTAKE, sides=lambda _: 1 / 0)

    assert measure(broken, world, lambda _: None).failed == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize(("destination", "drain"), [("meta", meta.drain), ("ga4", ga4.drain)])
def test_a_drain_delivers_every_event_to_its_destination_and_no_other(world, destination, drain):
    assert drain(world) > 0
    assert {name: world.sink.events(name) for name in ("meta", "ga4")} == {"meta": 0, "ga4": 0} | {destination: EVENTS}


def test_intake_and_delivery_together_end_when_every_event_was_sent(world):
    with world.database(world.recorded(EVENTS)) as url:
        assert processes.together(world, url, "meta", EVENTS) > 0
        assert processes.delivered(url, "meta") >= EVENTS


def test_more_is_pending_each_time_everything_is_recorded_again(world):
    with world.database(world.after_intake(EVENTS)) as url:
        processes.run_more_intake(world, url, ["more", "again"])

        assert count(url, "outbox.delivery WHERE destination = 1") == 3 * EVENTS


def test_settled_events_are_added_and_pending_ones_stay_pending(world):
    with world.database(world.after_intake(EVENTS)) as url:
        fill.settle(url, PLAN.settled)

        assert count(url, "outbox.event") == EVENTS + PLAN.settled
        assert count(url, "outbox.receipt WHERE outcome = 'delivered'") == 2 * PLAN.settled
        assert count(url, "outbox.delivery") == 2 * EVENTS
        assert count(url, "outbox.intake") == 0


@pytest.mark.parametrize("destination", ["meta", "ga4"])
def test_ready_bodies_are_what_the_sink_counts_as_one_event_each(world, destination):
    world.sink.begin(tracing=True)
    for body in yardsticks.bodies(world, destination, EVENTS).read_bytes().splitlines():
        with urlopen(Request(world.sink.url + yardsticks.PATHS[destination], data=body)) as answer:
            assert answer.status in {200, 204}

    assert world.sink.ask("progress")[destination] == [EVENTS, EVENTS]
    assert len({event_id for event_id, _ in world.sink.ask("arrivals")[destination]}) == EVENTS
    at = world.sink.ask("reached", destination=destination, events=10)
    assert world.sink.ask("count", destination=destination, at=at) == 10
    assert world.sink.ask("reached", destination=destination, events=EVENTS + 1) is None


def test_of_nine_events_six_are_the_only_one_of_their_person():
    owners = [event["handl_id"] for event in fill.events(EVENTS)]

    assert sorted(owners.count(owner) for owner in set(owners)) == [1] * (EVENTS * 6 // 9) + [3] * (EVENTS // 9)
