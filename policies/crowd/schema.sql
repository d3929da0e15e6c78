-- Ten tables of a user directory as Atlassian Crowd keeps it, written from what is publicly known of them: no row security, no
-- roles, no pgerase. Crowd puts them into whatever schema its connection has first, usually public. Run in an empty database;
-- seed.sql fills it.
--
-- What makes this one hard: rows are tied together by user names in lower case rather than by keys, most of them without a
-- constraint; the same name may stand in several directories; numbers are drawn from one source for all tables, so that a
-- number says by itself whose it is; truth is 'T' or 'F'; and the times of sessions and of the audit log are milliseconds.


-- Directories, people and groups ----------------------------------------------------------------------------------

create table public.cwd_directory (
    id bigint not null,
    directory_name varchar(255) not null,
    lower_directory_name varchar(255) not null,
    created_date timestamp not null,
    updated_date timestamp not null,
    active char(1) not null,
    description varchar(255),
    impl_class varchar(255) not null,
    lower_impl_class varchar(255) not null,
    directory_type varchar(32) not null,
    constraint cwd_directory_pkey primary key (id),
    constraint uk_dir_l_name unique (lower_directory_name),
    constraint cwd_directory_active_check check (active in ('T', 'F'))
);
comment on table public.cwd_directory is 'Where people come from: kept here, or copied from a server elsewhere.';
comment on column public.cwd_directory.directory_type is 'INTERNAL, DELEGATING (the password is asked elsewhere), CONNECTOR (LDAP), AZURE_AD, CROWD (another Crowd), CUSTOM.';
create index idx_dir_active on public.cwd_directory (active);
create index idx_dir_l_impl_class on public.cwd_directory (lower_impl_class);
create index idx_dir_type on public.cwd_directory (directory_type);

create table public.cwd_user (
    id bigint not null,
    user_name varchar(255) not null,
    lower_user_name varchar(255) not null,
    active char(1) not null,
    created_date timestamp not null,
    updated_date timestamp not null,
    first_name varchar(255),
    lower_first_name varchar(255),
    last_name varchar(255),
    lower_last_name varchar(255),
    display_name varchar(255),
    lower_display_name varchar(255),
    email_address varchar(255),
    lower_email_address varchar(255),
    external_id varchar(255),
    directory_id bigint not null,
    credential varchar(255),
    constraint cwd_user_pkey primary key (id),
    constraint uk_user_name_dir_id unique (lower_user_name, directory_id),
    constraint fk_user_dir_id foreign key (directory_id) references public.cwd_directory (id),
    constraint cwd_user_active_check check (active in ('T', 'F'))
);
comment on table public.cwd_user is 'A person, once for each directory. Of a directory elsewhere it is a copy that comes back with the next synchronisation.';
comment on column public.cwd_user.credential is 'The password, hashed; of a directory elsewhere none, or a word that no password matches.';
comment on column public.cwd_user.external_id is 'What the directory calls the person, whatever the user name becomes.';
create index idx_user_active on public.cwd_user (active, directory_id);
create index idx_user_external_id on public.cwd_user (external_id);
create index idx_user_lower_display_name on public.cwd_user (lower_display_name, directory_id);
create index idx_user_lower_email_address on public.cwd_user (lower_email_address, directory_id);
create index idx_user_lower_first_name on public.cwd_user (lower_first_name, directory_id);
create index idx_user_lower_last_name on public.cwd_user (lower_last_name, directory_id);
create index idx_user_name_dir_id on public.cwd_user (directory_id);

create table public.cwd_user_attribute (
    id bigint not null,
    user_id bigint not null,
    directory_id bigint not null,
    attribute_name varchar(255) not null,
    attribute_value varchar(255),
    attribute_lower_value varchar(255),
    attribute_numeric_value bigint,
    constraint cwd_user_attribute_pkey primary key (id),
    constraint uk_user_attr_name_lval unique (user_id, attribute_name, attribute_lower_value),
    constraint fk_user_attribute_id_user_id foreign key (user_id) references public.cwd_user (id),
    constraint fk_user_attr_dir_id foreign key (directory_id) references public.cwd_directory (id)
);
comment on table public.cwd_user_attribute is 'Whatever else is known of a person: when they signed in last, their telephone number, what an add-on put here.';
create index idx_user_attr_dir_name_lval on public.cwd_user_attribute (directory_id, attribute_name, attribute_lower_value);
create index idx_user_attr_nval on public.cwd_user_attribute (attribute_name, attribute_numeric_value);
create index idx_user_attr_user_id on public.cwd_user_attribute (user_id);

create table public.cwd_group (
    id bigint not null,
    group_name varchar(255) not null,
    lower_group_name varchar(255) not null,
    active char(1) not null,
    is_local char(1) not null,
    created_date timestamp not null,
    updated_date timestamp not null,
    description varchar(255),
    group_type varchar(32) not null,
    directory_id bigint not null,
    external_id varchar(255),
    constraint cwd_group_pkey primary key (id),
    constraint uk_group_name_dir_id unique (lower_group_name, directory_id),
    constraint fk_directory_id foreign key (directory_id) references public.cwd_directory (id),
    constraint cwd_group_active_check check (active in ('T', 'F')),
    constraint cwd_group_is_local_check check (is_local in ('T', 'F'))
);
comment on table public.cwd_group is 'A group of people and of other groups, within one directory.';
create index idx_group_active on public.cwd_group (active, directory_id);
create index idx_group_dir_id on public.cwd_group (directory_id);
create index idx_group_external_id on public.cwd_group (external_id);

create table public.cwd_membership (
    id bigint not null,
    parent_id bigint,
    child_id bigint,
    membership_type varchar(32),
    group_type varchar(32) not null,
    parent_name varchar(255) not null,
    lower_parent_name varchar(255) not null,
    child_name varchar(255) not null,
    lower_child_name varchar(255) not null,
    created_date timestamp,
    directory_id bigint not null,
    constraint cwd_membership_pkey primary key (id),
    constraint uk_mem_parent_child_type unique (parent_id, child_id, membership_type),
    constraint fk_membership_dir foreign key (directory_id) references public.cwd_directory (id),
    constraint cwd_membership_membership_type_check check (membership_type in ('GROUP_USER', 'GROUP_GROUP'))
);
comment on table public.cwd_membership is 'Who is in which group; names are copied here in both spellings.';
comment on column public.cwd_membership.child_id is 'A person (GROUP_USER) or a group (GROUP_GROUP): no constraint could say which.';
create index idx_mem_dir_child on public.cwd_membership (membership_type, lower_child_name, directory_id);
create index idx_mem_dir_parent on public.cwd_membership (membership_type, lower_parent_name, directory_id);
create index idx_mem_dir_parent_child on public.cwd_membership (membership_type, lower_parent_name, lower_child_name, directory_id);
create index idx_mem_type_child_id on public.cwd_membership (membership_type, child_id);


-- What is tied to people by name alone ----------------------------------------------------------------------------

create table public.cwd_application_alias (
    id bigint not null,
    application_id bigint not null,
    user_name varchar(255) not null,
    lower_user_name varchar(255) not null,
    alias_name varchar(255) not null,
    lower_alias_name varchar(255) not null,
    constraint cwd_application_alias_pkey primary key (id),
    constraint uk_alias_app_l_username unique (application_id, lower_user_name),
    constraint uk_alias_app_l_aliasname unique (application_id, lower_alias_name)
);
comment on table public.cwd_application_alias is 'What somebody is called in one application. No directory: the name counts wherever it stands.';
create index idx_alias_l_username on public.cwd_application_alias (lower_user_name);

create table public.cwd_token (
    id bigint not null,
    directory_id bigint not null,
    entity_name varchar(255) not null,
    random_number bigint not null,
    identifier_hash varchar(255) not null,
    random_hash varchar(255) not null,
    created_date timestamp not null,
    last_accessed_date timestamp not null,
    last_accessed_time bigint not null,
    duration bigint,
    constraint cwd_token_pkey primary key (id),
    constraint uk_token_id_hash unique (identifier_hash)
);
comment on table public.cwd_token is 'A session of a person, or, with -1 for the directory, of an application.';
comment on column public.cwd_token.last_accessed_time is 'The same as last_accessed_date, in milliseconds since 1970.';
create index idx_token_dir_id on public.cwd_token (directory_id);
create index idx_token_key on public.cwd_token (random_hash);
create index idx_token_last_access on public.cwd_token (last_accessed_date);
create index idx_token_name_dir_id on public.cwd_token (directory_id, entity_name);


-- Its own audit log -----------------------------------------------------------------------------------------------

create table public.cwd_audit_log_changeset (
    id bigint not null,
    audit_timestamp bigint not null,
    author_type varchar(255) not null,
    author_id bigint,
    author_name varchar(255),
    event_type varchar(255) not null,
    ip_address varchar(45),
    event_message varchar(255),
    event_source varchar(255) not null,
    constraint cwd_audit_log_changeset_pkey primary key (id)
);
comment on table public.cwd_audit_log_changeset is 'An event of the application''s own audit log. The name of its author stays when the person goes.';
comment on column public.cwd_audit_log_changeset.audit_timestamp is 'In milliseconds since 1970.';
create index idx_changeset_author on public.cwd_audit_log_changeset (author_type, author_id, author_name);
create index idx_changeset_event_type on public.cwd_audit_log_changeset (event_type);
create index idx_changeset_source on public.cwd_audit_log_changeset (event_source);
create index idx_changeset_timestamp on public.cwd_audit_log_changeset (audit_timestamp);

create table public.cwd_audit_log_entity (
    id bigint not null,
    changeset_id bigint not null,
    entity_type varchar(255) not null,
    entity_id bigint,
    entity_name varchar(255),
    is_primary char(1) not null,
    constraint cwd_audit_log_entity_pkey primary key (id),
    constraint fk_entity_changeset foreign key (changeset_id) references public.cwd_audit_log_changeset (id),
    constraint cwd_audit_log_entity_is_primary_check check (is_primary in ('T', 'F'))
);
comment on table public.cwd_audit_log_entity is 'Whom or what an event was about, by number and by name.';
create index idx_audit_entity_changeset on public.cwd_audit_log_entity (changeset_id);
create index idx_audit_entity_entity on public.cwd_audit_log_entity (entity_type, entity_id, entity_name);

create table public.cwd_audit_log_entry (
    id bigint not null,
    changeset_id bigint not null,
    property_name varchar(255) not null,
    old_value varchar(255),
    new_value varchar(255),
    constraint cwd_audit_log_entry_pkey primary key (id),
    constraint fk_entry_changeset foreign key (changeset_id) references public.cwd_audit_log_changeset (id)
);
comment on table public.cwd_audit_log_entry is 'What an event changed, one property a row, in plain text: e-mail addresses and names among them.';
create index idx_audit_entry_changeset on public.cwd_audit_log_entry (changeset_id);
