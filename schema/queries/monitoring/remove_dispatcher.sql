-- A dispatcher that stops is not seen any more. Looks through the circuits, a few rows.
DELETE FROM outbox.circuit WHERE holder = %(holder)s
