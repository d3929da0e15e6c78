-- pgerase: migration 0002, requests and erasing
-- locks: access exclusive on the ledger's table routine, which nothing but install, upgrade and drift reads
-- reversible: yes, by uninstall
--
-- Nothing personal may get in here: people are known by their keys, requests by an opaque reference, errors by SQLSTATE
-- and the names of objects. Who opened or ran what is left to the server's log, since staff are people too. Run as
-- pgerase_secret; everybody else, the installing role included, writes through the routines of this schema only.

alter table pgerase_internal.routine
    drop constraint routine_pkey,
    add column home text not null default 'api',
    add constraint routine_home_check check (home in ('api', 'internal'));

alter table pgerase_internal.routine
    alter column home drop default,
    add constraint routine_pkey primary key (home, name);

comment on column pgerase_internal.routine.name is 'The name of the routine in its schema.';
comment on column pgerase_internal.routine.home is 'Which schema it is in: api, or internal for this one.';


create table pgerase_internal.request (
    request_id bigint generated always as identity,
    kind text not null,
    subject text not null,
    reference text,
    received_at timestamptz not null,
    due_on date not null,
    closed_at timestamptz,
    outcome text,
    constraint request_pkey primary key (request_id),
    constraint request_kind_check check (
        kind in ('erasure', 'access', 'portability', 'rectification', 'restriction', 'objection')
    ),
    constraint request_reference_check check (reference ~ '^[A-Za-z0-9._/-]{1,64}$'),
    constraint request_outcome_check check (outcome in ('done', 'withdrawn')),
    constraint request_closed_at_check check ((outcome is null) = (closed_at is null))
);

comment on table pgerase_internal.request is 'What people asked for, and by when it has to be answered.';
comment on column pgerase_internal.request.request_id is 'The number of the request.';
comment on column pgerase_internal.request.kind is 'What is asked for: erasure, access, portability, rectification, restriction, objection.';
comment on column pgerase_internal.request.subject is 'The kind of people it is about, as the data map names it.';
comment on column pgerase_internal.request.reference is 'An opaque reference to where it came from, such as a ticket number.';
comment on column pgerase_internal.request.received_at is 'When it was received.';
comment on column pgerase_internal.request.due_on is 'The last day for the answer: the same day of the next month, or that month''s last (GDPR Art. 12(3)).';
comment on column pgerase_internal.request.closed_at is 'When it was closed; null while it is open.';
comment on column pgerase_internal.request.outcome is 'How it was closed: done or withdrawn.';


create table pgerase_internal.request_person (
    request_id bigint not null,
    key text collate "C" not null,
    state text not null default 'pending',
    planned_at timestamptz,
    planned_after timestamptz,
    done_at timestamptz,
    failed_at timestamptz,
    sqlstate text,
    failed_relation text,
    failed_constraint text,
    constraint request_person_pkey primary key (request_id, key),
    constraint request_person_request_id_fkey foreign key (request_id) references pgerase_internal.request (request_id),
    constraint request_person_key_check check (octet_length(key) between 1 and 1024),
    constraint request_person_state_check check (state in ('pending', 'done', 'failed')),
    constraint request_person_done_at_check check ((state = 'done') = (done_at is not null)),
    constraint request_person_failed_at_check check ((state = 'failed') = (failed_at is not null)),
    constraint request_person_sqlstate_check check (
        (sqlstate is null) = (failed_at is null) and sqlstate ~ '^[0-9A-Z]{5}$'
    )
);

create index request_person_key_idx on pgerase_internal.request_person (key);
create index request_person_pending_idx on pgerase_internal.request_person (request_id, key) where state = 'pending';

comment on table pgerase_internal.request_person is 'Whom a request is about, and how far it got with each.';
comment on column pgerase_internal.request_person.request_id is 'The request.';
comment on column pgerase_internal.request_person.key is 'The person''s key as text; a composite one is the text of a JSON array.';
comment on column pgerase_internal.request_person.state is 'Whether the person is pending, done or failed.';
comment on column pgerase_internal.request_person.planned_at is 'When a dry run counted what erasing would do.';
comment on column pgerase_internal.request_person.planned_after is 'When the person had last been erased at that moment; the plan is void where that is no longer so.';
comment on column pgerase_internal.request_person.done_at is 'When the person was erased for this request.';
comment on column pgerase_internal.request_person.failed_at is 'When erasing failed for this person alone.';
comment on column pgerase_internal.request_person.sqlstate is 'The SQLSTATE it failed with.';
comment on column pgerase_internal.request_person.failed_relation is 'The table that the error named.';
comment on column pgerase_internal.request_person.failed_constraint is 'The constraint that the error named.';


create table pgerase_internal.request_count (
    request_id bigint not null,
    key text collate "C" not null,
    relation text not null,
    strategy text not null,
    planned bigint,
    done bigint,
    constraint request_count_pkey primary key (request_id, key, relation, strategy),
    constraint request_count_key_fkey foreign key (request_id, key)
        references pgerase_internal.request_person (request_id, key),
    constraint request_count_strategy_check check (
        strategy in ('delete', 'unlink', 'ghost', 'reassign', 'change', 'keep') or starts_with(strategy, 'violates ')
    ),
    constraint request_count_planned_check check (planned > 0),
    constraint request_count_done_check check (done > 0)
);

comment on table pgerase_internal.request_count is 'How many rows a dry run found, and erasing dealt with, for each person, table and strategy; no row where both are none.';
comment on column pgerase_internal.request_count.request_id is 'The request.';
comment on column pgerase_internal.request_count.key is 'The person.';
comment on column pgerase_internal.request_count.relation is 'The table, as SQL names it.';
comment on column pgerase_internal.request_count.strategy is 'What happens to the rows: delete, unlink, ghost, reassign, change (columns only) or keep; or violates NAME, where a dry run found a constraint that would not hold.';
comment on column pgerase_internal.request_count.planned is 'Rows in the dry run; null where there were none.';
comment on column pgerase_internal.request_count.done is 'Rows when it was done; null where there were none.';


create table pgerase_internal.erased_person (
    subject text not null,
    key text collate "C" not null,
    token text not null,
    erased_at timestamptz,
    request_id bigint,
    constraint erased_person_pkey primary key (subject, key),
    constraint erased_person_request_id_fkey foreign key (request_id) references pgerase_internal.request (request_id),
    constraint erased_person_token_check check (token ~ '^[a-z0-9]{26}$'),
    constraint erased_person_erased_at_check check ((erased_at is null) = (request_id is null))
);

create index erased_person_request_id_idx on pgerase_internal.erased_person (request_id);

comment on table pgerase_internal.erased_person is 'Whoever has been erased, for good: their keys never come back.';
comment on column pgerase_internal.erased_person.subject is 'The kind of person, as the data map names it.';
comment on column pgerase_internal.erased_person.key is 'The person''s key as text; a composite one is the text of a JSON array.';
comment on column pgerase_internal.erased_person.token is 'What fillers made of {token}: random, one a person, kept so that erasing again changes nothing.';
comment on column pgerase_internal.erased_person.erased_at is 'When the person was last erased; null only inside the transaction that does it for the first time.';
comment on column pgerase_internal.erased_person.request_id is 'The request it was last done for.';
