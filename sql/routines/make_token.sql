-- What {token} in a filler becomes: 26 random characters of a to z and 0 to 9, from functions of the core alone.
-- Two version 4 UUIDs hold 244 random bits; their hash spreads them over the bytes that choose the characters.
create or replace function pgerase_internal.make_token()
    returns text
    language sql
    volatile
    parallel safe
    security invoker
    return (
        select
            string_agg(
                substr('abcdefghijklmnopqrstuvwxyz0123456789', get_byte(seed.bytes, place.number) % 36 + 1, 1),
                ''
                order by place.number
            )
        from (select sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())) as bytes) as seed
            cross join generate_series(0, 25) as place (number)
    );

comment on function pgerase_internal.make_token() is 'Returns 26 random characters of a to z and 0 to 9.';

revoke all on function pgerase_internal.make_token() from public;
