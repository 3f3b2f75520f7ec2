"""One conversion, all the way: recorded by the CRM, delivered to both destinations."""

from __future__ import annotations


async def test_a_lead_recorded_in_sql_arrives_at_both_destinations(spine):
    spine.record(
        name="lead_submitted",
        event_id="shared-1",
        handl_id="handl-1",
        lead_id="17",
        person={"email": "Ada.Lovelace@Example.com", "phone": "+44 20 7946 0958", "country": "GB"},
        visitor={
            "ip": "203.0.113.7",
            "user_agent": "Mozilla/5.0",
            "url": "https://crm.example/form",
            "fbclid": "IwAR1",
        },
        campaign={"source": "facebook", "campaign": "spring"},
        details={"form": "lead-form-ds25", "product": "ency-cam"},
    )
    assert await spine.drain() == 0
    assert spine.receipts() == {("shared-1", "meta"): ("delivered", None), ("shared-1", "ga4"): ("delivered", None)}
