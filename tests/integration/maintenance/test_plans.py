"""The queries of person, erase, rebuild and retention read the log and the fragments by index, one batch at a time."""

from __future__ import annotations

from hashlib import md5
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from dispatcher.database.queries import load
from dispatcher.identity.fragments import Fact
from dispatcher.identity.keys import Keys
from dispatcher.intake.folding import folded
from dispatcher.maintenance.rebuild import OPEN
from tests.support.plans import FILL, IDS, walk

KEYS = {"accounts": [f"a{n}" for n in IDS], "handls": [f"h{n}" for n in IDS], "leads": [f"l{n}" for n in IDS]}
FRAGMENTS = [UUID(md5(f"f{number}".encode()).hexdigest()) for number in IDS]
FACTS = folded([Fact((1, number), Keys("", f"h{number}"), ["seen"]) for number in IDS])
HELD = {"ats": [1] * 50, "fragments": FRAGMENTS, "events": IDS}
UNSEEN = {"fragment_ids": FRAGMENTS, "ats": [1] * 50, "fragment_events": IDS}

# Query → its parameters; the tables that it may read whole.
STATEMENTS = {
    "find_unfolded_events": (KEYS | {"longest": 512, "with_addresses": False}, {"intake", "lease"}),
    "find_events_of_keys": ({"kinds": [1, 2, 3], "keys": ["a2", "h3", "l4"], "anonymous": False}, set()),
    "find_events_by_email": ({"after": 5000, "upto": 6000, "for_meta": "x", "for_google": "y"}, set()),
    "list_deliveries": ({"ids": IDS}, {"intake", "delivery", "lease", "destination"}),
    "read_raw_persons": ({"ids": IDS}, set()),
    "erase_pending": ({"ids": IDS}, {"intake", "delivery", "lease", "destination"}),
    "erase_log": ({"ids": IDS, "identifying": IDS}, set()),
    "erase_fragments": (HELD | {"ids": IDS}, set()),
    "read_fragment_facts": ({"fragments": FRAGMENTS, "limit": 50}, set()),
    "replace_fragment": ({"fragment": FRAGMENTS[0], "groups": Jsonb([]), "clicks": Jsonb([])}, set()),
    "read_folded_events": ({"after": 100, "limit": 50}, {"lease"}),
    "fold_events": (FACTS, set()),
    "enqueue_pending": ({"ids": IDS, "open": OPEN}, {"destination", "route"}),
    "read_expired_events": ({"after": 100, "limit": 50, "age": OPEN}, set()),
    "find_unfinished_events": ({"ids": IDS}, {"destination"}),
    "find_pending_events": ({"ids": IDS}, {"intake", "delivery", "lease"}),
    "remove_events": (UNSEEN | {"ids": IDS, "needed": [], "age": OPEN}, set()),
    "read_fragments_after": ({"after": FRAGMENTS[0], "limit": 50}, set()),
    "remove_fragments": ({"ids": FRAGMENTS, "before": 1}, set()),
    "find_needed_events": ({"ids": IDS, "fragments": FRAGMENTS}, set()),
    "find_events": ({"text": "x", "id": 7}, {"step"}),
    "find_sent_events": ({"ids": IDS, "destinations": [1]}, {"lease"}),
    "find_resend_candidates": ({"ids": IDS, "destination": 1, "dataset": "1"}, {"lease", "destination"}),
    "read_progress": ({"id": 7}, {"destination"}),
    "elect_leader": ({"role": "schedule", "holder": "one", "term": OPEN}, set()),
}


@pytest.fixture(scope="module")
def filled(shared_database_url):
    with psycopg.connect(shared_database_url, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        for statement in FILL.split(";"):
            connection.execute(statement)
        yield connection


@pytest.mark.parametrize("query", STATEMENTS)
def test_a_query_reads_no_table_whole_unless_it_says_so(filled, query):
    params, whole = STATEMENTS[query]
    (plans,) = filled.execute("EXPLAIN (FORMAT JSON) " + load(query), params).fetchone()
    nodes = list(walk(plans[0]["Plan"]))
    assert {node["Relation Name"] for node in nodes if node["Node Type"].endswith("Seq Scan")} <= whole
    # Reading a whole index is no better, except for events that wait for intake: they are at the end of the log.
    full = [node for node in nodes if "Index Name" in node and not node.keys() & {"Index Cond", "Filter"}]
    assert not [node for node in full if node["Plan Rows"] > 1000 and node["Relation Name"] != "intake"]
