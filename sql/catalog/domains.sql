-- Domains with what each demands itself; checks in the order in which the server looks at them.
select t.oid,
       n.nspname as schema,
       t.typname as name,
       r.rolname as owner,
       t.typbasetype as base_oid,
       pg_catalog.format_type(t.typbasetype, t.typtypmod) as type,
       t.typnotnull as not_null,
       coalesce(c.names, '{}') as check_names,
       coalesce(c.definitions, '{}') as check_definitions
  from pg_catalog.pg_type as t
  join pg_catalog.pg_namespace as n
    on n.oid = t.typnamespace
  join pg_catalog.pg_roles as r
    on r.oid = t.typowner
  left join lateral (
           select pg_catalog.array_agg(k.conname::pg_catalog.text order by k.conname collate "C") as names,
                  pg_catalog.array_agg(pg_catalog.pg_get_constraintdef(k.oid) order by k.conname collate "C") as definitions
             from pg_catalog.pg_constraint as k
            where k.contypid = t.oid
              and k.contype = 'c'
       ) as c
         on true
 where t.typtype = 'd'
 order by t.oid
