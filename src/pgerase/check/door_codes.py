"""The stable codes of ways around row security, and where each has its page. A code never changes its meaning."""

from __future__ import annotations

from enum import StrEnum

PAGES = "docs/doors.md"
"""The file with a section for every code: what it is, how it leaks, how it is shut, how it is accepted."""


class Code(StrEnum):
    """One way around row security each; what pack.yaml accepts is coarser: a kind and a name."""

    SUPERUSER = "door-superuser"
    BYPASSRLS = "door-bypassrls"
    SET_ROLE = "door-set-role"
    OWNER = "door-owner"
    SCHEMA_OWNER = "door-schema-owner"
    CODE_OWNER = "door-code-owner"
    ACTS_AS_OWNER = "door-acts-as-owner"
    CREATEROLE = "door-createrole"
    REPLICATION = "door-replication"
    PRIVATE_MEMBER = "door-private-member"
    PRIVATE_ROLE = "door-private-role"
    PRIVATE_SCHEMA = "door-private-schema"
    PREDEFINED_ROLE = "door-predefined-role"
    SPEAKS_FOR_OTHERS = "door-speaks-for-others"
    SERVICE_MEMBER = "door-service-member"
    TRIGGERS_OFF = "door-triggers-off"
    SILENT_FUNCTION = "door-silent-function"
    PARAMETER = "door-parameter"
    NOT_FORCED = "door-not-forced"
    NO_ROW_SECURITY = "door-no-row-security"
    LEAF = "door-leaf"
    FOREIGN_TABLE = "door-foreign-table"
    UNGOVERNED_PARENT = "door-ungoverned-parent"
    DEFAULT_PRIVILEGES = "door-default-privileges"
    POLICY = "door-policy"
    VIEW = "door-view"
    MATERIALIZED_VIEW = "door-materialized-view"
    DEFINER_FUNCTION = "door-definer-function"
    DEFINER_TRIGGER = "door-definer-trigger"
    SEARCH_PATH = "door-search-path"
    IMMUTABLE = "door-immutable"
    LEAKPROOF = "door-leakproof"
    RULE = "door-rule"
    TRUNCATE = "door-truncate"
    TRIGGER = "door-trigger"
    REFERENCES = "door-references"
    PUBLICATION = "door-publication"
    SUBSCRIPTION = "door-subscription"
    UNIQUE_ORACLE = "door-unique-oracle"
    FOREIGN_KEY_ORACLE = "door-foreign-key-oracle"
    REFERENTIAL_ACTION = "door-referential-action"
    LEAKY_INDEX = "door-leaky-index"


class ServerCode(StrEnum):
    """What may be said of a server."""

    UNSUPPORTED = "unsupported-server"
    BELOW_CVE_FLOOR = "server-below-cve-floor"


def page(code: Code | ServerCode) -> str:
    """The place that explains a code, relative to the project."""
    return f"{PAGES}#{code}"
