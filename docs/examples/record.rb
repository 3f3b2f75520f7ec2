# A lead and its conversion in one transaction. In a web application, form is the request's params.
# Usage: ruby record.rb < form.json, with the connection in PGHOST, PGPORT, PGDATABASE, PGUSER, PGPASSWORD
require "json"
require "pg"

form = JSON.parse($stdin.read)
db = PG.connect

id = db.transaction do
  lead = db.exec_params("INSERT INTO lead (email) VALUES ($1) RETURNING id", [form["email"]])

  event = {
    name: "lead_submitted",
    event_id: form["fb_event_id"],
    lead_id: lead.getvalue(0, 0),
    person: { email: form["email"], phone: form["phone"] },
    visitor: { fbp: form["fbp"], fbc: form["fbc"] }, # ip, user_agent and url: of the request
    campaign: { source: form["utm_source"] },
    details: { form: "lead-form-ds25" },
  }
  db.exec_params("SELECT outbox.record($1)", [JSON.generate(event)]).getvalue(0, 0)
end

puts id
