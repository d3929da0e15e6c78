-- Where what is searched for lies: temporary tables of this transaction, filled by COPY, so that no statement holds a value.
-- Granted to everybody, since the search acts as several roles; nobody else reaches a session's temporary tables.
create temporary table pgerase_needle (
    ordinal integer not null,
    value text collate pg_catalog."C" not null,
    fragment text collate pg_catalog."C" not null,
    second_fragment text collate pg_catalog."C" not null,
    third_fragment text collate pg_catalog."C" not null,
    pattern text collate pg_catalog."C" not null,
    words pg_catalog.tsquery,
    any_words pg_catalog.tsquery
) on commit drop;

create temporary table pgerase_filter (
    ordinal integer not null,
    fragment text collate pg_catalog."C" not null
) on commit drop;

create temporary table pgerase_probe (
    pattern text collate pg_catalog."C" not null,
    words pg_catalog.tsquery
) on commit drop;

create temporary table pgerase_key (
    key text collate pg_catalog."C" not null
) on commit drop;

grant select on pg_temp.pgerase_needle, pg_temp.pgerase_filter, pg_temp.pgerase_probe, pg_temp.pgerase_key to public;
