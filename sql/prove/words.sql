-- What each identifier is in full-text search, whatever configuration made the vector: as a phrase, and (for vectors
-- without positions) as words that are all there.
update pg_temp.pgerase_needle as n
   set words = (
           select pg_catalog.string_agg('(' || q.phrase::pg_catalog.text || ')', ' | ')::pg_catalog.tsquery
             from (
                      select distinct pg_catalog.phraseto_tsquery(c.oid::pg_catalog.regconfig, n.value) as phrase
                        from pg_catalog.pg_ts_config as c
                  ) as q
            where pg_catalog.numnode(q.phrase) > 0
       ),
       any_words = (
           select pg_catalog.string_agg('(' || q.words::pg_catalog.text || ')', ' | ')::pg_catalog.tsquery
             from (
                      select distinct pg_catalog.plainto_tsquery(c.oid::pg_catalog.regconfig, n.value) as words
                        from pg_catalog.pg_ts_config as c
                  ) as q
            where pg_catalog.numnode(q.words) > 0
       )
