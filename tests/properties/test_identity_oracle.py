"""The oracle of identity keeps the promises of the rules on random histories, and every row of the table of decisions."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from random import Random

import pytest

from tests.properties.decision import DENIED, GRANTED, sealed
from tests.properties.enrichment_oracle import Oracle, Outcome, resolve
from tests.properties.histories import STORIES, crowded_key, history, office, trade_fair
from tests.properties.identity_decisions import DECISIONS
from tests.properties.person_oracle import Event, People, keys, only_handl

SEEDS = range(2000)


@cache
def outcomes(seed: int) -> dict[int, Outcome]:
    return resolve(history(seed))


def owners(seed: int) -> dict[int, str | None]:
    return {event: outcome.account for event, outcome in outcomes(seed).items()}


def accounts(log: list[Event]) -> dict[int, str | None]:
    return {event: str(person[1]) if person[0] == "account" else None for event, person in People(log).person.items()}


def test_persons_are_disjoint_and_have_at_most_one_account():
    for seed in SEEDS:
        carried = {event.id: event.account for event in history(seed)}
        for event, outcome in outcomes(seed).items():
            assert event in outcome.person
            assert all(outcomes(seed)[other].person == outcome.person for other in outcome.person), seed
            assert {carried[other] for other in outcome.person} <= {None, outcome.account}, seed


def test_nothing_is_borrowed_across_accounts():
    for seed in SEEDS:
        for event, outcome in outcomes(seed).items():
            for taken in outcome.fields.values():
                assert taken.event == event or taken.event in outcome.sources, seed
                assert outcomes(seed)[taken.event].account == outcome.account, seed
            named = {value for kind, value in outcome.external_id if kind == "account"}
            assert named <= {(outcome.account or "").lower()}, seed


def test_borrowing_is_symmetric():
    for seed in SEEDS:
        for event, outcome in outcomes(seed).items():
            assert all(event in outcomes(seed)[other].sources for other in outcome.sources), seed


def test_a_stranger_shares_nothing_with_the_accounts_of_its_browser():
    strangers = 0
    for seed in SEEDS:
        log = {event.id: event for event in history(seed)}
        for event, outcome in outcomes(seed).items():
            if outcome.stranger:
                strangers += 1
                signed_in = {e.id for e in log.values() if e.account and e.handl == log[event].handl}
                assert not signed_in & outcome.person, seed
                assert not {e.event for e in outcome.fields.values()} & signed_in, seed
    assert strangers > 500


def test_nothing_far_away_cuts_an_event_from_the_account_that_its_own_keys_name():
    found = 0
    for seed in SEEDS:
        log = history(seed)
        facts = [event for event in log if not event.public]
        for event in facts:
            own = keys(event, "lead", "email")
            named = {other.account for other in facts if other.account and own & keys(other)}
            if not event.account and len(named) == 1:
                found += 1
                assert {outcomes(seed)[event.id].account} == named, seed
    assert found > 500


def test_a_public_event_changes_nobody_elses_account():
    for seed in SEEDS:
        log = history(seed)
        lot = Random(seed)
        leaf = replace(lot.choice(history(seed + 1)), id=99, account=None, public=True)
        with_leaf = accounts([*log, leaf])
        assert {event: with_leaf[event] for event in outcomes(seed)} == owners(seed), seed


def test_a_public_permission_counts_for_itself_only():
    for seed in SEEDS[:500]:
        log = history(seed)
        for number, event in enumerate(log):
            if event.public and not event.consent:
                permitted = resolve([*log[:number], replace(event, consent=GRANTED), *log[number + 1 :]])
                silent = resolve([*log[:number], replace(event, consent=None), *log[number + 1 :]])
                assert all(permitted[e.id].consent == silent[e.id].consent for e in log if e.id != event.id), seed
                break


def test_the_order_and_the_repetition_of_the_log_change_nothing():
    for seed in SEEDS:
        log = history(seed)
        shuffled = Random(seed).sample(log, len(log))
        assert resolve([*shuffled, *log[:3]]) == outcomes(seed), seed


def test_a_second_event_with_the_same_keys_changes_nobody_elses_account():
    for seed in SEEDS[:1000]:
        log = history(seed)
        again = Random(seed).choice(log)
        repeated = accounts([*log, replace(again, id=again.id + 0.5)])  # the repetition follows its original at once
        assert {event: repeated[event] for event in outcomes(seed)} == owners(seed) | {again.id: repeated[again.id]}, (
            seed
        )


def test_a_refusal_reaches_everyone_whom_it_may_concern_and_nobody_else():
    for seed in SEEDS:
        silent = [replace(event, consent=None) for event in history(seed)]
        refusal = Random(seed).choice(silent)
        log = [replace(event, consent=DENIED) if event == refusal else event for event in silent]
        out = resolve(log)
        own = keys(refusal, "email", "lead", "handl")
        reached = set(out[refusal.id].person) | {e.id for e in log if not e.account and own & keys(e)}
        if not refusal.account:
            strong = keys(refusal, "email", "lead", "phone")
            for event in log:
                signed_in = event.account and event.handl and event.handl == refusal.handl
                if signed_in or strong & keys(event):
                    reached |= out[event.id].person
        assert {event for event, outcome in out.items() if outcome.refused} == reached, seed
        for event in reached:
            assert out[event].sources == frozenset(), seed
            assert out[event].user_id is None, seed


def test_a_later_permission_of_the_person_lifts_the_refusal():
    for seed in SEEDS[:500]:
        log = [replace(event, consent=None) for event in history(seed)]
        refusal, permission = log[0], next((e for e in log[1:] if e.account and e.time > log[0].time), None)
        if permission:
            stated = {refusal.id: DENIED, permission.id: GRANTED}
            out = resolve([replace(event, consent=stated.get(event.id)) for event in log])
            for event in out[permission.id].person - {refusal.id}:
                assert not out[event].refused, seed


def test_a_refused_event_lends_no_key_and_no_field():
    for seed in SEEDS:
        log = {event.id: event for event in history(seed)}
        for event, outcome in outcomes(seed).items():
            permitted = [log[event], *(log[other] for other in outcome.sources)]
            known = {(kind, value.lower()) for other in permitted for kind, value in keys(other, "handl", "lead")}
            assert {key for key in outcome.external_id if key[0] != "account"} <= known, seed


def test_a_story_is_the_same_in_any_order():
    for tell in STORIES.values():
        log = tell()
        assert resolve(reversed(log)) == resolve(log)


def test_visitors_of_a_tablet_stay_apart():
    log = trade_fair()
    out = resolve(log)
    for event in log:
        if only_handl(event):
            assert (out[event.id].account, out[event.id].person) == (None, {event.id})
        else:
            number = (event.id - 1) // 3
            assert out[event.id].account == f"fair-{number}"
            assert out[event.id].person == {3 * number + 2, 3 * number + 3}
            own = {"tablet"} if event.handl else set()
            assert {value for kind, value in out[event.id].external_id if kind == "handl"} == own
            assert "fbp" not in out[event.id].fields or event.fbp


def test_an_office_connects_nobody():
    out = resolve(office())
    assert [out[event].account for event in range(1, 7)] == [
        "customer-1",
        "customer-2",
        "customer-3",
        None,
        None,
        "customer-1",
    ]
    assert out[4].person == {4}
    assert out[5].person == {5}


@pytest.mark.parametrize(("combinations", "connected"), [(32, True), (33, False)])
def test_a_key_connects_up_to_32_combinations(combinations, connected):
    out = resolve(crowded_key(combinations))
    assert (out[combinations + 1].person == {combinations + 1, combinations + 2}) is connected


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda decision: decision.title)
def test_a_decision_is_what_the_rules_say(decision):
    log = sealed(decision.events)
    out = resolve(log)
    assert set(decision.expected) == set(out)
    for event, expected in decision.expected.items():
        outcome = out[event]
        assert (outcome.account, outcome.person) == (expected.account, expected.person), event
        borrowed = {name: taken.event for name, taken in outcome.fields.items() if taken.event != event}
        assert borrowed == expected.borrowed, event
        assert (outcome.stranger, outcome.refused) == (expected.stranger, expected.refused), event
        if expected.external_id is not None:
            assert tuple(map(":".join, outcome.external_id)) == expected.external_id, event
        if expected.user_id is not None:
            assert outcome.user_id == tuple(expected.user_id.split(":")), event
        if expected.client_id is not None:
            assert outcome.client_id.value == expected.client_id, event


def test_every_decision_has_a_title_and_one_sentence_of_its_own():
    assert (
        len({decision.title for decision in DECISIONS})
        == len({decision.decision for decision in DECISIONS})
        == len(DECISIONS)
    )
    assert all(decision.decision.endswith(".") and decision.why.endswith(".") for decision in DECISIONS)


def test_the_default_consent_is_for_those_of_whom_nothing_is_known():
    log = [replace(event, consent=None) for event in history(1)]
    oracle = Oracle(People(log), "denied")
    assert all(oracle.refused(event) for event in log)
