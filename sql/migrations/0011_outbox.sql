-- pgerase: migration 0011, the outbox
-- locks: share row exclusive on support_grant, for the foreign key; nothing else is there yet
-- reversible: yes, by uninstall
--
-- What is to be told about support access, and to whom: written in the transaction in which it happens, so that nothing is told
-- that did not happen, and nothing happens that is not told. No text is kept: it is made when it is sent. Run as pgerase_secret.

create table pgerase_internal.outbox (
    message_id uuid not null default pg_catalog.gen_random_uuid(),
    kind text not null,
    grant_id bigint not null,
    event text not null,
    created_at timestamptz not null default pg_catalog.clock_timestamp(),
    attempts integer not null default 0,
    next_attempt_at timestamptz,
    delivered_at timestamptz,
    failed_at timestamptz,
    last_status smallint,
    last_failure text,
    constraint outbox_pkey primary key (message_id),
    constraint outbox_grant_id_fkey foreign key (grant_id)
        references pgerase_internal.support_grant (grant_id) on delete cascade,
    constraint outbox_kind_check check (kind in ('channel', 'person')),
    constraint outbox_event_check check (
        event in (
            'opened',
            'approved',
            'closed',
            'expired',
            'reviewed',
            'break_glass_opened',
            'review_overdue'
        )
    ),
    constraint outbox_attempts_check check (attempts >= 0),
    constraint outbox_settled_check check (pg_catalog.num_nonnulls(next_attempt_at, delivered_at, failed_at) <= 1),
    constraint outbox_last_failure_check check (last_failure in ('timeout', 'unreachable', 'tls', 'protocol'))
);

create index outbox_due_idx on pgerase_internal.outbox (next_attempt_at) where next_attempt_at is not null;
create index outbox_grant_id_idx on pgerase_internal.outbox (grant_id);
-- These come of time having passed, which any number of sessions may notice.
create unique index outbox_once_idx on pgerase_internal.outbox (grant_id, event, kind)
    where event in ('expired', 'review_overdue');

comment on table pgerase_internal.outbox is 'What is told about support access: the record of it, whatever becomes of notifications.';
comment on column pgerase_internal.outbox.message_id is 'Names the message; random, and all that a notification says.';
comment on column pgerase_internal.outbox.kind is 'Who is told: channel, the team, or person, whose data it is.';
comment on column pgerase_internal.outbox.grant_id is 'The grant it is about.';
comment on column pgerase_internal.outbox.event is 'What happened.';
comment on column pgerase_internal.outbox.created_at is 'When.';
comment on column pgerase_internal.outbox.attempts is 'How often somebody began to post it.';
comment on column pgerase_internal.outbox.next_attempt_at is 'From when on it may be posted; null where nobody is to, or it is settled.';
comment on column pgerase_internal.outbox.delivered_at is 'When the other side accepted it.';
comment on column pgerase_internal.outbox.failed_at is 'When the other side refused it for good.';
comment on column pgerase_internal.outbox.last_status is 'The HTTP status that was answered last; what it said beside is not kept.';
comment on column pgerase_internal.outbox.last_failure is 'Why there was no answer the last time: timeout, unreachable, tls, protocol.';
