-- pgerase: migration 0004, signing keys
-- locks: none, everything in it is new
-- reversible: yes, by uninstall
--
-- The keys that tokens are signed with. Nobody but pgerase_secret can make one out: the table, which the installing role may read
-- so that its dumps are whole, holds them under a mask, and no dump takes the contents of a materialized view along. So a
-- restored copy has another mask and no key that works there, and whoever refreshes the view by hand makes every key void.
-- Run as pgerase_secret.

create materialized view pgerase_internal.key_mask as
with drawn (mask) as materialized (
    select
        (
            'x' || pg_catalog.encode(
                pg_catalog.sha256(
                    pg_catalog.uuid_send(pg_catalog.gen_random_uuid()) || pg_catalog.uuid_send(pg_catalog.gen_random_uuid())
                )
                || pg_catalog.sha256(
                    pg_catalog.uuid_send(pg_catalog.gen_random_uuid()) || pg_catalog.uuid_send(pg_catalog.gen_random_uuid())
                ),
                'hex'
            )
        )::bit(512)
)
select
    drawn.mask # ('x' || pg_catalog.repeat('36', 64))::bit(512) as inner_pad,
    drawn.mask # ('x' || pg_catalog.repeat('5c', 64))::bit(512) as outer_pad
from drawn;

comment on materialized view pgerase_internal.key_mask is 'What takes the mask from a signing key and pads it for HMAC (RFC 2104), in one step.';
comment on column pgerase_internal.key_mask.inner_pad is 'The mask, exclusive or the inner pad.';
comment on column pgerase_internal.key_mask.outer_pad is 'The mask, exclusive or the outer pad.';

-- Statistics are dumped too, and shown to more people.
alter materialized view pgerase_internal.key_mask
    alter column inner_pad set statistics 0,
    alter column outer_pad set statistics 0;


create table pgerase_internal.signing_key (
    key_id text collate "C" not null,
    masked bit(512),
    fingerprint text not null,
    created_at timestamptz not null default pg_catalog.statement_timestamp(),
    valid_until timestamptz,
    constraint signing_key_pkey primary key (key_id),
    constraint signing_key_key_id_check check (key_id ~ '^[A-Za-z0-9_-]{1,64}$'),
    constraint signing_key_masked_check check (masked is not null or valid_until is not null)
);

comment on table pgerase_internal.signing_key is 'Keys that tokens are signed with, and those that were.';
comment on column pgerase_internal.signing_key.key_id is 'What a token names its key by.';
comment on column pgerase_internal.signing_key.masked is 'The key, filled up with zeros to 64 bytes, exclusive or the mask; null once it is retired.';
comment on column pgerase_internal.signing_key.fingerprint is 'Tells keys apart without telling what they are.';
comment on column pgerase_internal.signing_key.created_at is 'Since when it has been valid.';
comment on column pgerase_internal.signing_key.valid_until is 'When it ceases to be valid, or did; null where nothing says so.';
