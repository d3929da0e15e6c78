-- Everything in these schemas that stands for itself, and is no part of something else there.
select
    (pg_catalog.pg_identify_object(dependent.classid, dependent.objid, 0)).type as kind,
    (pg_catalog.pg_identify_object(dependent.classid, dependent.objid, 0)).identity as identity,
    schema.nspname::text as schema
from pg_catalog.pg_namespace as schema
    join pg_catalog.pg_depend as dependent
        on dependent.refclassid = 'pg_catalog.pg_namespace'::regclass and dependent.refobjid = schema.oid
where schema.nspname = any (%(names)s)
    and dependent.deptype = 'n'
    and not exists (
        select
        from pg_catalog.pg_depend as part
        where part.classid = dependent.classid
            and part.objid = dependent.objid
            -- A partitioned table is part of the columns of its own key.
            and (part.refclassid, part.refobjid) <> (dependent.classid, dependent.objid)
            and part.deptype in ('a', 'i')
    )
    and dependent.classid in ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_type'::regclass)
order by 3
