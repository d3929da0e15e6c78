-- Checks a token and returns a proof of whom it names, good for this transaction alone, or null. Security definer because the
-- keys are closed. A token is a JWT (RFC 7519) signed with HS256; first its signature is looked at, with hashes of both
-- sides compared, and only what is signed is read. The proof is signed as well, with the same key but over a text that
-- no token can be (it has a blank). Who steals it has nothing: its stamp is this transaction's.
create or replace function pgerase.admit(p_token text)
    returns text
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_parts constant text[] := pg_catalog.regexp_match(
        -- Longer than any that is needed.
        case when pg_catalog.length(p_token) <= 8192 then p_token end,
        '^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})$'
    );
    v_now constant numeric := extract(epoch from pg_catalog.statement_timestamp());
    v_key_id text;
    v_header jsonb;
    v_claims jsonb;
    v_proved text;
    v_proof text;
begin
    if v_parts is null then
        return null;
    end if;

    select signature.key_id
    into v_key_id
    from pgerase_internal.signatures(pg_catalog.convert_to(v_parts[1] || '.' || v_parts[2], 'UTF8')) as signature
    where pg_catalog.sha256(
            pg_catalog.convert_to(
                pg_catalog.rtrim(pg_catalog.translate(pg_catalog.encode(signature.mac, 'base64'), '+/', '-_'), '='),
                'UTF8'
            )
        ) = pg_catalog.sha256(pg_catalog.convert_to(v_parts[3], 'UTF8'));

    if not found then
        return null;
    end if;

    v_header := pgerase_internal.from_base64url(v_parts[1])::jsonb;
    v_claims := pgerase_internal.from_base64url(v_parts[2])::jsonb;

    -- Whatever a token is to be understood by has to be understood (RFC 7515, crit).
    if v_header ->> 'alg' is distinct from 'HS256'
        or v_header ->> 'kid' is distinct from v_key_id
        or v_header ? 'crit'
        or coalesce(pg_catalog.jsonb_typeof(v_claims -> 'aud') not in ('string', 'array'), true)
        or not v_claims -> 'aud' ? pgerase_internal.token_audience()
        or pg_catalog.jsonb_typeof(v_claims -> 'sub') is distinct from 'string'
        or v_claims ->> 'sub' = ''
        or pg_catalog.jsonb_typeof(v_claims -> 'exp') is distinct from 'number'
        or (v_claims ? 'nbf' and pg_catalog.jsonb_typeof(v_claims -> 'nbf') is distinct from 'number')
    then
        return null;
    end if;

    if (v_claims ->> 'exp')::numeric <= v_now or (v_claims ->> 'nbf')::numeric > v_now then
        return null;
    end if;

    v_proved := pg_catalog.concat_ws(
        ':',
        v_key_id,
        (v_claims ->> 'exp')::numeric,
        extract(epoch from pg_catalog.now()),
        v_claims ->> 'sub'
    );

    select pg_catalog.encode(signature.mac, 'hex') || ':' || v_proved
    into v_proof
    from pgerase_internal.signatures(pg_catalog.convert_to('proof ' || v_proved, 'UTF8')) as signature
    where signature.key_id = v_key_id;

    return v_proof;
end;
$$;

comment on function pgerase.admit(text) is 'Returns a proof, good for this transaction, of whom a token names; null where it is not valid.';

revoke all on function pgerase.admit(text) from public;
grant execute on function pgerase.admit(text) to pgerase_viewer;
