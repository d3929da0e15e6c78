-- pgerase: migration 0003, claims
-- locks: access exclusive on the ledger's table installation, which nothing but install, upgrade, verify and drift reads
-- reversible: yes, by uninstall
--
-- Viewers may be identified by claims, of which one is named, and by tokens. Run as pgerase_secret.

alter table pgerase_internal.installation
    drop constraint installation_identity_check,
    add column claim text,
    add constraint installation_identity_check check (identity in ('setting', 'role', 'claims', 'token')),
    add constraint installation_claim_check check ((claim is not null) = (identity = 'claims'));

comment on column pgerase_internal.installation.claim is 'The claim that holds the viewer''s key, where viewers are identified by claims.';
