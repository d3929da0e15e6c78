-- The sequences in a schema: who owns them, who else may use them how, what they draw, and whether a crash takes that back.
select
    sequence.relname::text as name,
    pg_catalog.pg_get_userbyid(sequence.relowner)::text as owner,
    array(
        select pg_catalog.concat(coalesce(grantee.rolname, 'public'), ' ', item.privilege_type)
        from pg_catalog.aclexplode(sequence.relacl) as item
            left join pg_catalog.pg_roles as grantee on grantee.oid = item.grantee
        where item.grantee <> sequence.relowner
            and (item.grantee = 0 or grantee.oid is not null)
        order by 1
    ) as grants,
    pg_catalog.concat(
        'as ', pg_catalog.format_type(options.seqtypid, null),
        ' increment ', options.seqincrement,
        ' minvalue ', options.seqmin,
        ' maxvalue ', options.seqmax,
        ' start ', options.seqstart,
        ' cache ', options.seqcache,
        case when options.seqcycle then ' cycle' else ' no cycle' end
    ) as options,
    sequence.relpersistence::text as persistence
from pg_catalog.pg_class as sequence
    join pg_catalog.pg_namespace as schema on schema.oid = sequence.relnamespace
    join pg_catalog.pg_sequence as options on options.seqrelid = sequence.oid
where schema.nspname = %(schema)s
    and sequence.relkind = 'S'
order by 1
