-- Whom a token has to be for: this prefix in this database, so that one signer's token for another database is of no use here.
create or replace function pgerase_internal.token_audience()
    returns text
    language sql
    stable
    parallel safe
    security invoker
    return 'pgerase' || '@' || current_database();

comment on function pgerase_internal.token_audience() is 'Returns the audience that tokens for this installation name.';

revoke all on function pgerase_internal.token_audience() from public;
