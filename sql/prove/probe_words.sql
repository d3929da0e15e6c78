-- Any of the identifiers, in full-text search: what a scan looks for first.
update pg_temp.pgerase_probe as p
   set words = (
           select pg_catalog.string_agg('(' || n.any_words::pg_catalog.text || ')', ' | ')::pg_catalog.tsquery
             from pg_temp.pgerase_needle as n
       )
