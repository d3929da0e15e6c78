-- pgerase: migration 0005, rules in force
-- locks: none, everything in it is new
-- reversible: yes, by uninstall
--
-- What the rules in force say, so that plan can tell whether new ones give anyone rows or take any away. One row, replaced by
-- each apply and gone with revert: no history of who was named in a rule file. Run as pgerase_secret.

create table pgerase_internal.applied_rules (
    only_one boolean not null default true,
    rules text not null,
    apply_id bigint not null,
    constraint applied_rules_pkey primary key (only_one),
    constraint applied_rules_only_one_check check (only_one),
    constraint applied_rules_apply_id_fkey foreign key (apply_id) references pgerase_internal.apply_run (apply_id)
);

comment on table pgerase_internal.applied_rules is 'The access rules that are in force: one row, or none.';
comment on column pgerase_internal.applied_rules.only_one is 'Always true.';
comment on column pgerase_internal.applied_rules.rules is 'JSON: the rules as they were read, without their comments, and the tables they govern.';
comment on column pgerase_internal.applied_rules.apply_id is 'The run that put them in force.';
