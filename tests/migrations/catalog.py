"""A database's catalog as text: everything that a migration could leave different from the declaration."""

from __future__ import annotations

from typing import NamedTuple

import psycopg

OURS = "nspname = 'outbox'"
OTHERS = "nspname <> 'outbox' AND nspname !~ '^pg_(toast|temp)' AND nspname NOT IN ('pg_catalog', 'information_schema')"


class Object(NamedTuple):
    """One object of the catalog, or one aspect of it."""

    kind: str
    name: str
    definition: str


_SCOPED = """
WITH space AS (SELECT oid, nspname, nspacl, nspowner FROM pg_namespace WHERE {schemas}),
relation AS (
    SELECT nspname || '.' || relname AS name, class.*
    FROM pg_class AS class JOIN space ON space.oid = relnamespace
),
function AS (
    SELECT proc.oid::regprocedure::text AS name, proc.* FROM pg_proc AS proc JOIN space ON space.oid = pronamespace
)
SELECT 'schema', nspname, obj_description(oid, 'pg_namespace') FROM space
UNION ALL
SELECT 'relation', name, concat_ws(' ', relkind, relpersistence, relreplident, relrowsecurity, reloptions) FROM relation
UNION ALL
SELECT 'column', relation.name || '.' || attname,
       concat_ws(' ', attnum, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, attstorage,
                 attcompression, attcollation::regcollation, pg_get_expr(adbin, adrelid))
FROM relation JOIN pg_attribute ON attrelid = relation.oid AND attnum > 0 AND NOT attisdropped
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
UNION ALL
SELECT 'constraint', relation.name || '.' || conname,
       concat_ws(' ', pg_get_constraintdef(con.oid), condeferrable, condeferred, convalidated)
FROM relation JOIN pg_constraint AS con ON conrelid = relation.oid
UNION ALL
SELECT 'index', relation.name, concat_ws(' ', pg_get_indexdef(indexrelid), indisvalid, indisprimary, indisreplident)
FROM relation JOIN pg_index ON indexrelid = relation.oid
UNION ALL
SELECT 'sequence', relation.name,
       concat_ws(' ', format_type(seqtypid, NULL), seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle,
                 (SELECT concat_ws(' ', deptype, refobjid::regclass, refobjsubid) FROM pg_depend
                  WHERE classid = 'pg_class'::regclass AND objid = relation.oid AND deptype IN ('a', 'i')))
FROM relation JOIN pg_sequence ON seqrelid = relation.oid
UNION ALL
SELECT 'view', name, pg_get_viewdef(oid) FROM relation WHERE relkind IN ('v', 'm')
UNION ALL
SELECT 'rule', relation.name || '.' || rulename, pg_get_ruledef(pg_rewrite.oid)
FROM relation JOIN pg_rewrite ON ev_class = relation.oid
UNION ALL
SELECT 'policy', relation.name || '.' || polname, concat_ws(' ', polcmd, polroles::regrole[], pg_get_expr(polqual, polrelid))
FROM relation JOIN pg_policy ON polrelid = relation.oid
UNION ALL
SELECT 'trigger', relation.name || '.' || tgname, concat_ws(' ', tgenabled, pg_get_triggerdef(pg_trigger.oid))
FROM relation JOIN pg_trigger ON tgrelid = relation.oid AND NOT tgisinternal
UNION ALL
SELECT 'function', name, concat_ws(' ', prokind, CASE WHEN prokind <> 'a' THEN pg_get_functiondef(oid) END) FROM function
UNION ALL
SELECT 'type', nspname || '.' || typname,
       concat_ws(' ', typtype, typcategory, (SELECT array_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum
                                             WHERE enumtypid = pg_type.oid))
FROM pg_type JOIN space ON space.oid = typnamespace
UNION ALL
SELECT 'comment', name || coalesce('.' || attname, ''), description
FROM relation JOIN pg_description ON objoid = relation.oid AND classoid = 'pg_class'::regclass
LEFT JOIN pg_attribute ON attrelid = relation.oid AND attnum = objsubid AND objsubid > 0
UNION ALL
SELECT 'comment', name, description
FROM function JOIN pg_description ON objoid = function.oid AND classoid = 'pg_proc'::regclass
UNION ALL
SELECT 'grant', name, concat_ws(' ', grantor::regrole, grantee::regrole, privilege_type, is_grantable)
FROM relation, aclexplode(coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)))
WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
UNION ALL
SELECT 'grant', relation.name || '.' || attname, concat_ws(' ', grantee::regrole, privilege_type, is_grantable)
FROM relation JOIN pg_attribute ON attrelid = relation.oid, aclexplode(attacl)
UNION ALL
SELECT 'grant', name, concat_ws(' ', grantor::regrole, grantee::regrole, privilege_type, is_grantable)
FROM function, aclexplode(coalesce(proacl, acldefault('f', proowner)))
UNION ALL
SELECT 'grant', nspname, concat_ws(' ', grantor::regrole, grantee::regrole, privilege_type, is_grantable)
FROM space, aclexplode(coalesce(nspacl, acldefault('n', nspowner)))
"""

_DATABASE = """
SELECT 'extension', extname, extversion FROM pg_extension
UNION ALL
SELECT 'event trigger', evtname, concat_ws(' ', evtevent, evtenabled, evtfoid::regprocedure) FROM pg_event_trigger
UNION ALL
SELECT 'publication', pubname, puballtables::text FROM pg_publication
UNION ALL
SELECT 'setting', setrole::regrole::text, setconfig::text
FROM pg_db_role_setting JOIN pg_database ON pg_database.oid = setdatabase WHERE datname = current_database()
UNION ALL
SELECT 'default grant', concat_ws(' ', defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype),
       (SELECT string_agg(item::text, ' ' ORDER BY item::text) FROM unnest(defaclacl) AS item)
FROM pg_default_acl
UNION ALL
SELECT 'grant', 'database', concat_ws(' ', grantee::regrole, privilege_type)
FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) WHERE datname = current_database()
UNION ALL
SELECT 'comment', 'database', shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()
"""


def describe(connection: psycopg.Connection, schemas: str = OURS) -> set[Object]:
    """Return all that the catalog holds in `schemas` (a condition on pg_namespace), except Alembic's own table."""
    rows = connection.execute(_SCOPED.format(schemas=schemas)).fetchall()
    version = ("outbox.alembic_version", "outbox._alembic_version")
    return {Object(kind, name, definition or "") for kind, name, definition in rows if not name.startswith(version)}


def describe_others(connection: psycopg.Connection) -> set[Object]:
    """Return all that the catalog of this database holds outside the schema `outbox`."""
    rows = connection.execute(_DATABASE).fetchall()
    return describe(connection, OTHERS) | {Object(kind, name, definition or "") for kind, name, definition in rows}
