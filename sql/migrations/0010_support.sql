-- pgerase: migration 0010, support access
-- locks: none, everything in it is new
-- reversible: yes, by uninstall, which takes along who looked at whose data
--
-- Who of the staff may look at one person's data, for what reason and until when; and the tickets that say which rows were
-- returned. Written by routines only. Run as pgerase_secret.

create table pgerase_internal.support_grant (
    grant_id bigint generated always as identity,
    kind text not null,
    holder text collate "C" not null,
    subject text collate "C" not null,
    person text collate "C" not null,
    reason text,
    ticket text,
    links text[] not null,
    opened_at timestamptz not null,
    opened_xact xid8 not null,
    until timestamptz not null,
    second_person boolean not null,
    approved_by text collate "C",
    approved_at timestamptz,
    approved_xact xid8,
    closed_by text collate "C",
    closed_at timestamptz,
    review_within interval,
    review_due timestamptz,
    reviewed_by text collate "C",
    reviewed_at timestamptz,
    verdict text,
    forgotten_at timestamptz,
    constraint support_grant_pkey primary key (grant_id),
    constraint support_grant_kind_check check (kind in ('normal', 'break_glass')),
    constraint support_grant_reason_check check (
        pg_catalog.btrim(reason) <> '' and octet_length(reason) <= 2000
    ),
    constraint support_grant_ticket_check check (ticket ~ '^[A-Za-z0-9._/#-]{1,64}$'),
    constraint support_grant_why_check check (reason is not null or ticket is not null or forgotten_at is not null),
    constraint support_grant_until_check check (until > opened_at),
    constraint support_grant_approved_check check (
        (approved_by is null) = (approved_at is null)
        and (approved_by is null) = (approved_xact is null)
        and approved_by <> holder
    ),
    constraint support_grant_review_check check ((review_within is null) = (review_due is null)),
    constraint support_grant_reviewed_check check (
        (reviewed_by is null) = (reviewed_at is null)
        and (reviewed_by is null) = (verdict is null)
        and reviewed_by <> holder
    ),
    constraint support_grant_verdict_check check (verdict in ('justified', 'unjustified'))
);

create index support_grant_holder_idx on pgerase_internal.support_grant (holder, subject, until);
create index support_grant_person_idx on pgerase_internal.support_grant (subject, person);

comment on table pgerase_internal.support_grant is 'Who of the staff may look, or might, at one person''s data.';
comment on column pgerase_internal.support_grant.grant_id is 'The number of the grant.';
comment on column pgerase_internal.support_grant.kind is 'normal, which the person has to allow, or break_glass.';
comment on column pgerase_internal.support_grant.holder is 'The key, as text, of the viewer who may look.';
comment on column pgerase_internal.support_grant.subject is 'The kind of the person whose data it is, as the data map names it.';
comment on column pgerase_internal.support_grant.person is 'The person''s key as text; a composite one is the text of a JSON array.';
comment on column pgerase_internal.support_grant.reason is 'Why, as the person is told; gone when the person is erased.';
comment on column pgerase_internal.support_grant.ticket is 'An opaque reference to what it is for.';
comment on column pgerase_internal.support_grant.links is 'Which links grants opened, besides the person''s own row, when it was opened.';
comment on column pgerase_internal.support_grant.opened_at is 'When it was opened.';
comment on column pgerase_internal.support_grant.opened_xact is 'The transaction that opened it, in which it opens nothing: that could be rolled back.';
comment on column pgerase_internal.support_grant.until is 'When it ends by itself.';
comment on column pgerase_internal.support_grant.second_person is 'Whether it opens nothing before somebody else approves.';
comment on column pgerase_internal.support_grant.approved_by is 'The key of the viewer who approved.';
comment on column pgerase_internal.support_grant.approved_at is 'When.';
comment on column pgerase_internal.support_grant.approved_xact is 'The transaction that approved, in which it opens nothing either.';
comment on column pgerase_internal.support_grant.closed_by is 'The key of the viewer who closed it; null where an operator or erasing did, or it ended by itself.';
comment on column pgerase_internal.support_grant.closed_at is 'When it was closed; null where it was not.';
comment on column pgerase_internal.support_grant.review_within is 'How long after its end somebody else has to have reviewed it; null where nobody has to.';
comment on column pgerase_internal.support_grant.review_due is 'By when that is.';
comment on column pgerase_internal.support_grant.reviewed_by is 'The key of the viewer who reviewed it.';
comment on column pgerase_internal.support_grant.reviewed_at is 'When.';
comment on column pgerase_internal.support_grant.verdict is 'What the review found: justified or unjustified.';
comment on column pgerase_internal.support_grant.forgotten_at is 'When the person was erased, and with that the reason; it is closed then, at the latest.';


create table pgerase_internal.support_ticket (
    ticket uuid not null,
    grant_id bigint not null,
    resource text not null,
    keys text[] not null,
    taken_at timestamptz not null,
    taken_xact xid8 not null,
    constraint support_ticket_pkey primary key (ticket),
    constraint support_ticket_grant_id_fkey foreign key (grant_id) references pgerase_internal.support_grant (grant_id)
);

create index support_ticket_grant_id_idx on pgerase_internal.support_ticket (grant_id);

comment on table pgerase_internal.support_ticket is 'Which rows somebody was given to read under a grant: noted and committed before they are read.';
comment on column pgerase_internal.support_ticket.ticket is 'Names it; random.';
comment on column pgerase_internal.support_ticket.grant_id is 'The grant it was taken under.';
comment on column pgerase_internal.support_ticket.resource is 'The resource whose rows these are.';
comment on column pgerase_internal.support_ticket.keys is 'Their primary keys as text; a composite one is the text of a JSON array. Empty once the person is erased.';
comment on column pgerase_internal.support_ticket.taken_at is 'When it was taken.';
comment on column pgerase_internal.support_ticket.taken_xact is 'The transaction that took it, in which it returns nothing.';
