-- What the claims of a gateway (PostgREST, Supabase) say of the viewer: null where they name nobody, the key where they
-- name somebody, and an empty text where what they say counts for nothing: malformed JSON, a claim that is neither text nor a
-- number or is empty, and the setting of older gateways where it does not say the same. Claims without the claim in question
-- are those of a visitor. The claim's name is put in by install.
create or replace function pgerase.claimed_viewer()
    returns text
    language plpgsql
    stable
    parallel safe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_text constant text := nullif(pg_catalog.current_setting('request.jwt.claims', true), '');
    v_legacy constant text := nullif(pg_catalog.current_setting('request.jwt.claim.' || 'sub', true), '');
    v_claims jsonb;
    v_claim jsonb;
begin
    if v_text is null then
        return v_legacy;
    end if;

    if not pgerase.is_json(v_text) then
        return '';
    end if;
    v_claims := v_text::jsonb;
    if pg_catalog.jsonb_typeof(v_claims) <> 'object' then
        return '';
    end if;

    v_claim := v_claims -> 'sub';
    if v_legacy is distinct from v_claims ->> 'sub' and v_legacy is not null then
        return '';
    elsif v_claim is null then
        return null;
    elsif pg_catalog.jsonb_typeof(v_claim) not in ('string', 'number') then
        return '';
    end if;
    return v_claims ->> 'sub';
end;
$$;

comment on function pgerase.claimed_viewer() is 'The key that claims name; null where they name nobody, empty where they are invalid.';

revoke all on function pgerase.claimed_viewer() from public;
grant execute on function pgerase.claimed_viewer() to pgerase_viewer, pgerase_lookup, pgerase_keeper;
