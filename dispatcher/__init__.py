"""The dispatcher: delivers the events of the log to every destination, and keeps proof of it.

This is the map of the package: what is where, the path of one event, and where to make the most frequent changes.

## What is where

| where | what |
|---|---|
| `supervisor`, `worker` | `outbox dispatch`: one supervisor, which starts, watches and replaces its workers |
| `daemon` | what a worker runs: its loops, start and stop |
| `in_flight`, `reports` | what a worker holds, in memory that outlives it; what it reports to its supervisor |
| `quarantine` | how an event that takes workers down is isolated: its batch is retried in smaller and smaller parts |
| `models` | the values that pass between claiming, building, sending and settling |
| `routing` | how each step is sent to each destination, and what an operator paused or disabled |
| `reasons` | why a delivery was skipped, failed or delayed, with the explanation of each reason |
| `consent` | consent signals as an event states them |
| `findings` | what a check of `outbox doctor` says |
| `watermark`, `byte_budget`, `wakeups` | where a claim starts in its queue; how large it may be; wake-ups by LISTEN/NOTIFY |
| `admin_http` | the dispatcher's own port: health, readiness, metrics, console |
| `http_server`, `request_headers` | how each of our HTTP servers is run, with requests bounded before they are parsed |
| `config/` | the environment and `outbox.toml`, read and checked; finds the kinds of destination |
| `database/` | connections, declared tables, migrations, routing tables, the embedded PostgreSQL, loading of SQL files |
| `intake/` | what every event needs first: sealing, folding into identity, fan-out to destinations |
| `identity/` | who a person is (fragments, persons, browsers) and what is known about them (enrichment, permission, resolver) |
| `delivery/` | claim, build, send, settle; retries, circuit breaker, concurrency, dead letters |
| `resend/` | re-sends after a merge: by the daemon (`planner`) and on demand (`backfill`) |
| `destinations/` | one package for each kind of destination: all that is known of it (`kind`), and what builds and sends (`base`) |
| `people/` | looking up, showing and erasing one person |
| `maintenance/` | retention and rebuild |
| `preview/` | what would be sent for an event now, and where each field comes from |
| `scheduler/` | the scheduled jobs, and the election of the dispatcher that runs them |
| `telemetry/` | what a process emits: counts, logs, traces, Prometheus metrics |
| `monitoring/` | what the database shows: destination status, gauges, alerts, match quality, reports |
| `doctor/` | the checks of `outbox doctor` |
| `console/` | the web console, one file for each page |
| `serve/` | `outbox serve`: forms and Stripe's webhook over HTTP |
| `sandbox/`, `demo/` | a local stand-in for the destinations; the demo |
| `cli/` | the command `outbox`, one file for each subcommand |

Beside the package: `schema/queries/<area>/<verb_noun>.sql`, one file for each query, run by its file name through
`database.connections`; `schema/functions/`, the SQL functions that CRMs call; `migrations/versions/`; `tests/unit` and
`tests/integration`, which mirror the modules; `outbox/`, the library that a CRM imports. Imports go one way: `outbox`
imports nothing from here.

## The path of one event

1. A CRM records it (`outbox.record`, or the SQL function `outbox.record`): a row in `event` and one in `intake`.
2. `intake.worker` claims it, seals personal data that came in plain text, folds its keys into `identity.fragments`, and
   inserts a row into `delivery` for each destination that `routing` has a route to.
3. `delivery.sender`, one for each destination, claims a batch (`delivery.queue`): the rows move into a lease.
4. `identity.resolver` loads the profiles of the persons; `delivery.eligibility` refuses what is too old, disabled, or sent by
   the browser; `delivery.builder` has the destination's `build` make the payload, or refuse it.
5. `delivery.request_sender` makes the requests by the destination's `send`. Its `classify` turns the reply into an outcome,
   `delivery.circuit_breaker` decides when the next request may be made, and a refused batch is bisected down to the event at
   fault.
6. `delivery.settlements` turns the outcome into a receipt or a retry (`delivery.retry_policy`), and `delivery.batch_settler`
   writes them: the receipt proves how the delivery ended.
7. When a later event connects a visitor to an account, `resend.planner` finds the delivered events that gained an identifier
   and enqueues each as a new revision, which goes the same way from step 3.

Beside all that, `scheduler` runs retention, alerts and daily reports, on one dispatcher at a time.

## Where to change what

- **A retry rule.** When to retry: `delivery/retry_policy.py`. Until when: `deadline` in `delivery/eligibility.py`, from the
  `Limits` of the destination's kind. Which outcome leads to a retry: `delivery/settlements.py`. Which response has which outcome:
  `CODES` in `destinations/meta/responses.py`, `classify` in `destinations/ga4/destination.py`. When a whole destination pauses:
  `delivery/circuit_breaker.py`.
- **A console page.** A module in `console/` with a handler, its template in `console/templates/`, a line in `PAGES` of
  `console/app.py` (an action: in `ACTIONS`), a link in `console/templates/page.html`, its queries in `schema/queries/console/`.
- **The merge of persons.** Who belongs together by keys: `identity/persons.py`; by browser: `identity/browsers.py`; consent:
  `identity/permission.py`. How the keys of events are folded: `identity/fragments.py` and its twins in SQL,
  `schema/functions/merge_fragments.sql` and `schema/functions/merge_known.sql` (a change needs a migration). The same for
  events that are not folded yet: `identity/full_log.py`. What is re-sent after a merge: `resend/planner.py`. What an event gets
  from its person's other events: `identity/merged.py` and `identity/enrichment.py`. Why, in words: `identity/explanation.py`.
  The rules as an independent model, where to state a change first: `tests/properties/person_oracle.py`,
  `tests/properties/enrichment_oracle.py`.
- **A column of `event`.** `database/tables.py` and a new script in `migrations/versions/`; what writes it:
  the functions `parse_event`, `parse_fields`, `record` and `record_many` in `schema/functions/`, and `outbox/encoding.py`; what reads
  it: in `models.py`, `Event` for a JSON column and `EventHead` for any other, with `read_events`, `read_events_after` and
  `read_folded_events` in `schema/queries/` (by name); `ClaimedEvent` with `claim_deliveries`, and `IntakeEvent` in
  `intake/folding.py` with `claim_events` (JSON arrays, in the order of the fields). A JSON column: also the functions `refuse`
  and `event_recorded`. Personal data: also `schema/queries/people/erase_log.sql`. An argument of a conversion: also
  `outbox/conversions.py`.
- **A destination.** Another pixel or stream: `[destinations.<name>]` in `outbox.toml`, no code. Another kind: a package in
  `destinations/` whose module `kind` has a `KIND`, as `destinations/kind.py` describes it (label, settings and their
  variables, event names, default routes, identifiers, limits, reasons, checks of the doctor), with what builds and sends
  behind `Destination` of `destinations/base.py`; its rules for the sandbox and its part of the demo in `sandbox/<kind>/`, behind
  `StandIn` of `sandbox/stand_in.py`. Nothing else names a kind. Outside of this repository: the same two packages, and an entry
  point of `conversion_outbox.destinations` (`config/kinds.py`). An example that a test installs: `tests/support/toy_kind/`.
- **A step.** `[steps.<name>]` in `outbox.toml`, then `outbox migrate`: no code. For a default step and its Python class:
  `FUNNEL` in `outbox/taxonomy.py`, `routes` in the `kind` of each destination, `outbox/conversions.py`, `outbox/__init__.py`,
  `outbox.example.toml`.
- **A scheduled job.** A function and an entry in `JOBS` of `scheduler/jobs.py`.
- **An alert.** `monitoring/alerts/conditions.py`. **A metric.** `telemetry/prometheus.py`, fed by `telemetry/counters.py` (of a
  process), or `monitoring/gauges.py` (of the database).
- **A reason, or its text.** `reasons.py`; one that only one kind of destination gives: in its package.
"""
