-- pgerase: migration 0008, the seal
-- locks: none that anybody waits for, the log has no partitions yet
-- reversible: yes, by uninstall, which takes the seals along
--
-- What proves that the log is as it was. A segment is a Merkle tree (RFC 6962) over entries of one class and one day (UTC), or
-- over records; its header holds the root and the hash of the header before, so headers are a chain, and stay when partitions
-- go. A checkpoint is a signed statement of how many headers there are and of the root of a tree over them. Run as
-- pgerase_keeper.

create table pgerase_log.segment (
    segment_id bigint not null,
    kind text collate "C" not null,
    class text collate "C",
    from_at timestamptz,
    to_at timestamptz,
    entries integer not null,
    first_id bigint,
    last_id bigint,
    sequence bigint not null,
    floor bigint not null,
    oldest xid8 not null,
    newest xid8 not null,
    at timestamptz not null,
    previous bytea not null,
    root bytea not null,
    hash bytea not null,
    constraint segment_pkey primary key (segment_id),
    constraint segment_kind_check check (kind in ('entry', 'record'))
);

create index segment_sequence_idx on pgerase_log.segment (sequence);

comment on table pgerase_log.segment is 'The headers of what was sealed, one chain; they stay when the entries are dropped.';
comment on column pgerase_log.segment.segment_id is 'The number in the chain, from 1.';
comment on column pgerase_log.segment.kind is 'entry: entries of one class and day; record: records, or nothing at all, to note how far all is sealed.';
comment on column pgerase_log.segment.class is 'The class of its entries; null for records.';
comment on column pgerase_log.segment.from_at is 'The day of its entries begins here (UTC); null for records.';
comment on column pgerase_log.segment.to_at is 'And ends before this.';
comment on column pgerase_log.segment.entries is 'How many leaves its tree has.';
comment on column pgerase_log.segment.first_id is 'The smallest number of an entry or record in it.';
comment on column pgerase_log.segment.last_id is 'The greatest.';
comment on column pgerase_log.segment.sequence is 'The last number of an entry that was drawn before it was sealed, by whomever.';
comment on column pgerase_log.segment.floor is 'Every entry up to this number that was ever committed is sealed here or in an earlier segment.';
comment on column pgerase_log.segment.oldest is 'The oldest transaction that was running then: with newest, whose numbers up to sequence may still come.';
comment on column pgerase_log.segment.newest is 'The first transaction that had not begun.';
comment on column pgerase_log.segment.at is 'When it was sealed.';
comment on column pgerase_log.segment.previous is 'The hash of the header before; zeros in the first.';
comment on column pgerase_log.segment.root is 'The root of its Merkle tree.';
comment on column pgerase_log.segment.hash is 'The hash of its text: what the next header names, and a leaf of the tree that checkpoints sign.';


create table pgerase_log.checkpoint (
    size bigint not null,
    key_id text collate "C" not null,
    root bytea not null,
    at timestamptz not null,
    text text not null,
    signature bytea not null,
    constraint checkpoint_pkey primary key (size, key_id)
);

comment on table pgerase_log.checkpoint is 'Signed statements of how many headers there are, and of their root. Signed by the command line; the key is never here.';
comment on column pgerase_log.checkpoint.size is 'How many headers, from the first.';
comment on column pgerase_log.checkpoint.key_id is 'The beginning of the SHA-256 of the public key.';
comment on column pgerase_log.checkpoint.root is 'The root of the Merkle tree over their hashes.';
comment on column pgerase_log.checkpoint.at is 'When it was signed, by the signer''s clock.';
comment on column pgerase_log.checkpoint.text is 'What was signed.';
comment on column pgerase_log.checkpoint.signature is 'Ed25519.';
