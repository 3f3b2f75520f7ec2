"""Recording under Django: `outbox.record` on Django's connection commits and rolls back with `transaction.atomic`."""

from __future__ import annotations

from urllib.parse import urlsplit

import psycopg
import pytest
from django.db import IntegrityError, connection, connections, models, transaction
from django.db.backends.postgresql.base import DatabaseWrapper

import outbox
from tests.support.sites import django_site

assert django_site  # importing it sets up Django


class Lead(models.Model):
    """The CRM's own row."""

    email = models.TextField(unique=True)

    class Meta:
        app_label = "crm"

    def __str__(self):
        return f"Lead {self.pk}"


@pytest.fixture(params=[False, True], ids=["client", "server"], autouse=True)
def crm(request, shared_database_url):
    """Django's default connection, to a CRM's database; parameters bound by client (Django's default) or server."""
    parts = urlsplit(shared_database_url)
    connections["default"] = DatabaseWrapper(
        {
            "NAME": parts.path[1:],
            "USER": parts.username,
            "PASSWORD": parts.password,
            "HOST": parts.hostname,
            "PORT": parts.port,
            "OPTIONS": {"server_side_binding": request.param, "options": "-c search_path=public"},
            "AUTOCOMMIT": True,
            "ATOMIC_REQUESTS": False,
            "CONN_MAX_AGE": 0,
            "CONN_HEALTH_CHECKS": False,
            "TIME_ZONE": None,
        }
    )
    with connection.schema_editor() as editor:
        editor.create_model(Lead)
    yield
    connection.ensure_connection()
    with connection.schema_editor() as editor:
        editor.delete_model(Lead)
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE outbox.event, outbox.intake, outbox.raw")
    connection.close()
    del connections["default"]


def record(lead, **more):
    return outbox.record(
        connection.connection,
        outbox.LeadSubmitted(lead_id=lead.pk, person=outbox.Person(email=lead.email), **more),
    )


@transaction.atomic
def record_leads(*emails):
    for email in emails:
        record(Lead.objects.create(email=email))


def recorded():
    with connection.cursor() as cursor:
        cursor.execute("SELECT lead_id FROM outbox.event ORDER BY id")
        return [int(lead_id) for (lead_id,) in cursor.fetchall()]


def test_a_lead_and_its_conversion_are_committed_together():
    with transaction.atomic():
        lead = Lead.objects.create(email="ada@example.com")
        number = record(lead, event_id="e-1")
        assert isinstance(number, int)
        assert seen_from_outside() == 0
    assert (recorded(), Lead.objects.count()) == ([lead.pk], 1)
    assert seen_from_outside() == 1
    with transaction.atomic():
        assert record(lead, event_id="e-1") == number
    assert recorded() == [lead.pk]


def test_neither_is_there_if_the_transaction_fails():
    Lead.objects.create(email="ada@example.com")
    with pytest.raises(IntegrityError):
        record_leads("grace@example.com", "ada@example.com")
    assert (recorded(), Lead.objects.count()) == ([], 1)


def test_an_inner_atomic_takes_only_its_own_conversion_with_it():
    with transaction.atomic():
        kept = Lead.objects.create(email="ada@example.com")
        record(kept)
        with pytest.raises(IntegrityError):
            record_leads("grace@example.com", "ada@example.com")
    assert (recorded(), Lead.objects.count()) == ([kept.pk], 1)


def test_a_structural_mistake_that_python_finds_leaves_the_transaction_usable():
    with transaction.atomic():
        lead = Lead.objects.create(email="ada@example.com")
        with pytest.raises(outbox.ConversionError):
            outbox.record(connection.connection, outbox.Conversion(name=""))
        record(lead)
    assert recorded() == [lead.pk]


def test_a_structural_mistake_that_the_database_finds_ends_the_inner_atomic_only():
    with transaction.atomic():
        Lead.objects.create(email="ada@example.com")
        with pytest.raises(psycopg.errors.InvalidParameterValue, match="not a step"), transaction.atomic():
            outbox.record(connection.connection, outbox.Conversion(name="no_such_step"))
        Lead.objects.create(email="grace@example.com")
    assert (recorded(), Lead.objects.count()) == ([], 2)


def test_the_wrapper_itself_and_a_connection_not_opened_yet_are_refused_with_a_sentence():
    for given in (connection, None):
        with pytest.raises(outbox.ConnectionTypeError, match="is neither a SQLAlchemy Session"):
            outbox.record(given, outbox.LeadSubmitted())


def seen_from_outside():
    settings = connection.settings_dict
    with psycopg.connect(
        host=settings["HOST"], port=settings["PORT"], dbname=settings["NAME"], user=settings["USER"],
        password=settings["PASSWORD"],
    ) as other:  # fmt: skip
        return other.execute("SELECT count(*) FROM outbox.event").fetchone()[0]
