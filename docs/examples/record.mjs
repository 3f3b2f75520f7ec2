// A lead and its conversion in one transaction. In a web application, form is the request's body.
// Usage: node record.mjs < form.json, with the connection in PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD
import { json } from "node:stream/consumers";
import pg from "pg";

const form = await json(process.stdin);
const client = new pg.Client();
await client.connect();

try {
  await client.query("BEGIN");
  const lead = await client.query("INSERT INTO lead (email) VALUES ($1) RETURNING id", [form.email]);

  const event = {
    name: "lead_submitted",
    event_id: form.fb_event_id,
    lead_id: lead.rows[0].id,
    person: { email: form.email, phone: form.phone },
    visitor: { fbp: form.fbp, fbc: form.fbc }, // ip, user_agent and url: of the request
    campaign: { source: form.utm_source },
    details: { form: "lead-form-ds25" },
  };
  const recorded = await client.query("SELECT outbox.record($1) AS id", [JSON.stringify(event)]);

  await client.query("COMMIT");
  console.log(recorded.rows[0].id);
} catch (error) {
  await client.query("ROLLBACK");
  throw error;
} finally {
  await client.end();
}
