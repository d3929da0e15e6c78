-- Every signing key and how it stands, the newest first, without anything secret. One whose fingerprint does not come out was
-- kept under another mask: the database was restored from a dump.
create or replace function pgerase_internal.signing_keys()
    returns table (key_id text, fingerprint text, created_at timestamptz, valid_until timestamptz, state text)
    language sql
    stable
    parallel safe
    security invoker
begin atomic
    select
        signing_key.key_id,
        signing_key.fingerprint,
        signing_key.created_at,
        signing_key.valid_until,
        case
            when signing_key.masked is null then 'retired'
            when signing_key.valid_until <= statement_timestamp() then 'ended'
            when left(encode(signature.mac, 'hex'), 16) is distinct from signing_key.fingerprint then 'void'
            when signing_key.valid_until is not null then 'ending'
            else 'valid'
        end
    from pgerase_internal.signing_key
        left join pgerase_internal.signatures(convert_to('pgerase fingerprint', 'UTF8')) as signature
            on signature.key_id = signing_key.key_id
    order by signing_key.created_at desc, signing_key.key_id;
end;

comment on function pgerase_internal.signing_keys() is 'Lists the signing keys with their state: valid, ending, ended, retired, void.';

revoke all on function pgerase_internal.signing_keys() from public;
