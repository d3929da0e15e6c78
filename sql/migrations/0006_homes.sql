-- pgerase: migration 0006, a third schema with routines
-- locks: access exclusive on the ledger's table routine, which nothing but install, upgrade and drift reads
-- reversible: yes, by uninstall
--
-- The log has a schema of its own, whose owner has no other rights. Run as pgerase_secret.

alter table pgerase_internal.routine
    drop constraint routine_home_check,
    add constraint routine_home_check check (home in ('api', 'internal', 'log'));

comment on column pgerase_internal.routine.home is 'Which schema it is in: api, internal for this one, or log.';
