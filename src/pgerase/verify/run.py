"""verify: one transaction in which everything is looked at and nothing is kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from pgerase.apply.ledger import read_installed, read_state
from pgerase.catalog.model import Catalog, Name
from pgerase.catalog.read import read_catalog
from pgerase.compile import compile_pack
from pgerase.compile.desired import Desired
from pgerase.counts import counted
from pgerase.database import Database, identifier
from pgerase.errors import DatabaseFailed, Finding, InternalError, PgeraseError, Refused, Severity
from pgerase.install.borrow import borrowed
from pgerase.install.names import Names
from pgerase.meaning import Meaning
from pgerase.rules.access import AccessRules, IdentityKind
from pgerase.rules.pack import AcceptedDoor, Mode, Pack
from pgerase.verify.aggregates import AggregateLooks
from pgerase.verify.assume import Actor, Cast
from pgerase.verify.blind import Blind, Rows, sample_rows
from pgerase.verify.clones import AUTHORITY, COLUMNS, Clone, HandOvers, Workshop
from pgerase.verify.collect import Collector
from pgerase.verify.columns import ColumnDesign, ColumnProbes, design_columns, restricted_columns
from pgerase.verify.guards import Authority, GuardDesign, GuardProbes, design_guard, guard_viewers, guarded_columns
from pgerase.verify.hand_over import WHAT as HAND_OVER
from pgerase.verify.hand_over import HandOverDesign, HandOverProbes, design_hand_over
from pgerase.verify.identity import Identity, prepare_identity, roles_to_prepare
from pgerase.verify.live import Live
from pgerase.verify.masks import MaskDesign, Masks, design_mask
from pgerase.verify.model import Sample, ShadowCount, Verdict, VerifyReport, unseen
from pgerase.verify.needs import Needs, find_needs
from pgerase.verify.probes import Design, Probes, design
from pgerase.verify.shadow import compare_shadow
from pgerase.verify.statements import Statements
from pgerase.verify.statics import compare_guards, compare_statics
from pgerase.verify.subject import Expectations, Governed
from pgerase.verify.support import read_grants, support_rules
from pgerase.verify.viewers import Population, Viewer, sample_viewers

_WAIT = "5s"
"""For locks that readers need; whoever changes tables meanwhile goes first, and nobody could look."""


def _quiet(_: str) -> None:
    """Nobody wants to know how far it is."""


class _Done(Exception):
    """Ends the transaction; everything in it is rolled back."""


def verify(
    database: Database,
    pack: Pack,
    *,
    sample: Sample | None = None,
    accepted: Collection[AcceptedDoor] = (),
    allow_superuser: bool = False,
    shadow: bool = False,
    statics: bool = True,
    behaviour: bool = True,
    tables: Collection[str] = (),
    progress: Callable[[str], None] = _quiet,
) -> VerifyReport:
    """Compare what the database returns and refuses with what the pack's rules mean, and judge what stands around them.

    `accepted` are doors besides those of pack.yaml. `shadow` looks at the tables in mode shadow instead. `statics=False` leaves the
    comparison with plan and ledger, the doors and the server out, so that only behaviour is looked at; `behaviour=False` the rest. `tables` (schema.name) are those whose behaviour is looked at; default all.

    Whatever could not be looked at is a finding of severity error; the report is ok only where everything was seen and right.
    Raises Refused as a superuser without `allow_superuser`, where pgerase is not installed (but for shadow) and for a pack without
    access rules; DatabaseFailed where the connection is lost.
    """
    if database.in_transaction:
        raise InternalError("verify opens a transaction of its own")
    if pack.access is None:
        raise Refused("the pack has no access rules: there is nothing to verify", hint="Add access.yaml to the pack.")
    superuser = database.value("select rolsuper or rolbypassrls from pg_catalog.pg_roles where rolname = current_user")
    if superuser and not allow_superuser:
        raise Refused(
            "verify does not run as a role that no policy binds",
            hint="Connect as the role that installed pgerase; or give --allow-superuser, which acts as others all the same.",
        )
    wanted = sample or Sample()
    name = str(database.value("select pg_catalog.current_database()"))
    run = _Run(
        database,
        pack,
        pack.access,
        wanted,
        accepted,
        statics=statics,
        behaviour=behaviour,
        tables=tables,
        progress=progress,
    )
    try:
        before = _tables(database)
        with database.own_statements(), database.transaction(isolation="repeatable read"):
            run.begin(before)
            run.shadow() if shadow else run.everything()
            raise _Done  # noqa: TRY301 - rolls back: nothing is kept
    except _Done:
        pass
    except DatabaseFailed as error:
        if database.closed:
            raise
        run.collector.unseen(unseen(f"database {name}", error.message, error.hint), "everything")
    return run.report(name, database.server_version)


def _tables(database: Database) -> Catalog:
    """The catalog before the look, which says what to lock for it."""
    with database.transaction(isolation="repeatable read", read_only=True):
        database.run(f"set local lock_timeout = '{_WAIT}'")
        return read_catalog(database)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What is there once everything was read: expectations, viewers, tables, and the clones to write to."""

    expectations: Expectations
    viewers: tuple[Viewer, ...]
    tables: tuple[Governed, ...]
    secured: tuple[Governed, ...]
    writes: tuple[tuple[Design, Clone, Clone, Actor], ...]
    guards: tuple[tuple[GuardDesign, Clone, Actor], ...]
    handed: tuple[tuple[HandOverDesign, Clone, HandOvers, Actor], ...]
    columns: tuple[tuple[ColumnDesign, Clone, Actor], ...]
    masks: tuple[MaskDesign, ...]
    authority: Authority | None
    locked: dict[str, frozenset[str]]
    identity: Identity


class _Run:
    """One look at one database."""

    def __init__(
        self,
        database: Database,
        pack: Pack,
        access: AccessRules,
        sample: Sample,
        accepted: Collection[AcceptedDoor],
        *,
        statics: bool,
        behaviour: bool,
        tables: Collection[str],
        progress: Callable[[str], None],
    ) -> None:
        self._database = database
        self._pack = pack
        self._access = access
        self._sample = sample
        self._accepted = accepted
        self._statics = statics
        self._behaves = behaviour
        self._tables = frozenset(tables)
        self._progress = progress
        self._names = Names(pack.settings.prefix)
        self.collector = Collector(sample.examples)
        self._viewers: tuple[Viewer, ...] = ()
        self._shadow: tuple[ShadowCount, ...] = ()

    def report(self, database: str, server_version: int) -> VerifyReport:
        """What was found."""
        return VerifyReport(
            pack=self._pack.name,
            database=database,
            server_version=server_version,
            sample=self._sample,
            viewers=tuple((viewer.stratum, viewer.label) for viewer in self._viewers),
            looked=self.collector.lines,
            findings=(*self.collector.mismatches(), *self.collector.findings),
            counterexamples=self.collector.examples,
            disagreements=self.collector.disagreements,
            shadow=self._shadow,
        )

    # -- tables in mode on ---------------------------------------------------------------------------------------------

    def everything(self) -> None:
        """Statics, then behaviour."""
        self._progress("reading catalog and ledger")
        catalog, ledger = read_state(self._database, self._names.prefix)
        installed = read_installed(self._database, self._names.prefix)
        desired = compile_pack(self._pack, catalog)
        if self._statics:
            compare_statics(self._pack, catalog, ledger, installed, desired, self._accepted, self.collector)
        if not desired.governed:
            self._nothing(desired)
            return
        if self._statics:
            self._guard_shapes(catalog, desired)
        if not self._behaves:
            return
        cast = Cast(self._database, catalog, self._names.viewer, self._pack.settings.app)
        wanted = self._wanted(desired.governed)
        try:
            prepared = self._prepare(catalog, cast, desired, wanted)
        except Refused as error:
            # Without the lookup role nobody knows all rows, and nobody makes clones.
            self.collector.unseen(unseen("all rows", error.message, error.hint), "behaviour")
            return
        except PgeraseError as error:
            if isinstance(error, DatabaseFailed):
                raise
            self.collector.unseen(unseen("access.yaml", error.message, error.hint), "behaviour")
            return
        if prepared is not None:
            self._behaviour(catalog, cast, prepared)

    def _guard_shapes(self, catalog: Catalog, desired: Desired) -> None:
        """Whether guards can do what they are there for, whoever made them so."""
        try:
            needs = find_needs(
                self._access, catalog, set(desired.governed), aggregates=True, support=support_rules(self._pack)
            )
            guarded = guarded_columns(self._access, catalog, needs)
            policed = [name for name in desired.governed if name not in desired.secured]
            restricted = restricted_columns(self._access, catalog, policed)
        except PgeraseError as error:
            self.collector.unseen(unseen("access.yaml", error.message, error.hint), "guards")
            return
        compare_guards(catalog, guarded, restricted, self._names.prefix, self.collector)

    def _wanted(self, governed: Sequence[Name]) -> Sequence[Name]:
        """The governed tables, or those asked for. Raises Refused for one that is none of them."""
        strange = self._tables - {str(name) for name in governed}
        if strange:
            raise Refused(f"not in mode on: {', '.join(sorted(strange))}", hint="Name tables as schema.name.")
        return [name for name in governed if not self._tables or str(name) in self._tables]

    def _nothing(self, desired: Desired) -> None:
        found = [finding for finding in desired.findings if finding.severity is Severity.ERROR]
        self.collector.findings += [] if self._statics else found
        why = "the rules cannot be compiled" if found else "no table is in mode on"
        self.collector.unseen(unseen(f"pack {self._pack.name}", why), "behaviour")

    def begin(self, before: Catalog) -> None:
        """Settings of the transaction, and locks before its snapshot is taken, so that no policy changes under it.

        LOCK TABLE takes no snapshot, and takes along the leaves.
        """
        self._database.run(f"set local lock_timeout = '{_WAIT}'")
        self._database.run("set local row_security = on")
        # Plans are made once a table and role, not once a viewer: nothing in them depends on who the viewer is.
        self._database.run("set local plan_cache_mode = force_generic_plan")
        wanted = [resource.table for resource in self._access.resources]
        for name, table in sorted(before.tables.items()):
            if table.has_row_security and any(
                one.name == name.name and one.schema in (None, name.schema) for one in wanted
            ):
                self._database.run(f"lock table {identifier(name.schema, name.name)} in access share mode")

    def _identity(self) -> IdentityKind:
        return self._pack.identity or IdentityKind.SETTING

    def _prepare(self, catalog: Catalog, cast: Cast, desired: Desired, wanted: Sequence[Name]) -> _Prepared | None:
        """Read everything as somebody who sees it, choose what to look at, make the clones; None where facts are missing."""
        governed = desired.governed
        kind = self._identity()
        support = support_rules(self._pack)
        grants = () if support is None else read_grants(self._database, self._names.prefix)
        with borrowed(self._database, *roles_to_prepare(self._names, kind)):
            blind = Blind(self._database, catalog, self._names.lookup)
            needs = find_needs(self._access, catalog, set(governed), aggregates=True, support=support)
            read = self._read(blind, needs, wanted)
            if read is None:
                return None
            now: datetime = self._database.value("select pg_catalog.statement_timestamp()")
            data = {name: [row.values for row in rows.rows] for name, rows in read.items()}
            meaning = Meaning(self._access, catalog, data, now, support=support, grants=grants)
            expectations = Expectations(meaning)
            population = Population(self._access, catalog, data, now) if self._access.viewers else None
            self.collector.findings += [] if population is None else population.circles()
            self._viewers = sample_viewers(
                self._access,
                population,
                governed,
                needs,
                self._sample,
                _key_type(self._access, population),
                {grant.holder for grant in grants},
            )
            every_table = self._governed(catalog, read, wanted)
            # Those with a secured view are looked at through it, and written by nobody.
            tables = tuple(one for one in every_table if one.table.has_row_security)
            self._progress(f"choosing what to try for {counted(len(self._viewers), 'viewer')}")
            authority = None if population is None else Authority(self._access, catalog, population)
            workshop = Workshop(self._database, catalog, self._names.prefix, self._names.lookup)
            return _Prepared(
                expectations,
                self._viewers,
                tables,
                tuple(one for one in every_table if not one.table.has_row_security),
                tuple(self._clones(workshop, blind, cast, tables, needs, expectations)),
                ()
                if authority is None
                else tuple(self._guard_clones(workshop, blind, catalog, cast, needs, read, authority)),
                ()
                if population is None
                else tuple(self._handed(workshop, blind, cast, tables, population, expectations)),
                tuple(self._column_clones(workshop, blind, catalog, cast, tables, needs, expectations)),
                tuple(self._mask_designs(blind, every_table, desired)),
                authority,
                {str(one.name): blind.locked(one.name) for one in tables},
                prepare_identity(self._database, self._names, kind, self._pack.claim),
            )

    def _read(self, blind: Blind, needs: Needs, governed: Sequence[Name]) -> dict[Name, Rows] | None:
        """Every table that is needed; None where facts are missing, since then nothing can be decided."""
        found: dict[Name, Rows] = {}
        complete = True
        for name in sorted({*needs.columns, *governed}):
            self._progress(f"reading {name}")
            is_fact = name in needs.facts
            rows = blind.read(name, needs.columns.get(name, frozenset()), self._sample, is_fact=is_fact)
            if isinstance(rows, Rows):
                found[name] = rows
            else:
                self.collector.unseen(rows, "all rows")
                complete = complete and not is_fact
        return found if complete else None

    def _governed(self, catalog: Catalog, read: dict[Name, Rows], governed: Sequence[Name]) -> tuple[Governed, ...]:
        by_table = {
            table: resource.name
            for resource in self._access.resources
            for table in governed
            if resource.table.name == table.name and resource.table.schema in (None, table.schema)
        }
        return tuple(
            Governed(
                by_table[name], catalog.tables[name], read[name], sample_rows(read[name].rows, self._sample, str(name))
            )
            for name in governed
            if name in read
        )

    def _clones(
        self,
        workshop: Workshop,
        blind: Blind,
        cast: Cast,
        tables: Sequence[Governed],
        needs: Needs,
        expectations: Expectations,
    ) -> list[tuple[Design, Clone, Clone, Actor]]:
        made: list[tuple[Design, Clone, Clone, Actor]] = []
        for governed in tables:
            actor = cast.actor_for_clone(governed.table)
            if actor is None:
                reason = "no role that its policies bind may be assumed"
                self.collector.unseen(unseen(str(governed.name), reason, _ASSUME), "writes")
                continue
            columns = needs.columns.get(governed.name, frozenset())
            planned = design(governed, columns, self._viewers, expectations, self._sample, actor.role)
            reader = blind.reader_of(governed.name) or ""
            try:
                with self._database.transaction():
                    ids = [row.id for row in planned.rows]
                    clone = workshop.with_policies(workshop.clone(governed.table, reader, ids, planned.wanted))
                    ids += [row.id for row in planned.more]
                    unchecked = workshop.unchecked(workshop.clone(governed.table, reader, ids, ()))
                    made.append((planned, clone, unchecked, actor))
            except DatabaseFailed as error:
                self.collector.unseen(unseen(str(governed.name), f"no clone: {error.message}"), "writes")
        return made

    def _guard_clones(
        self,
        workshop: Workshop,
        blind: Blind,
        catalog: Catalog,
        cast: Cast,
        needs: Needs,
        read: dict[Name, Rows],
        authority: Authority,
    ) -> list[tuple[GuardDesign, Clone, Actor]]:
        made: list[tuple[GuardDesign, Clone, Actor]] = []
        for name, guarded in guarded_columns(self._access, catalog, needs).items():
            table = catalog.tables[name]
            actor = cast.actor_for_clone(table)
            unwanted = bool(self._tables) and str(name) not in self._tables
            if unwanted or not table.has_row_security or actor is None:
                continue
            planned = design_guard(table, guarded, read[name].rows, authority)
            reader = blind.reader_of(name) or ""
            try:
                with self._database.transaction():
                    clone = workshop.clone(table, reader, [row.id for row in planned.rows], planned.wanted)
                    made.append((planned, workshop.with_guard(clone, self._names.api, AUTHORITY), actor))
            except DatabaseFailed as error:
                self.collector.unseen(unseen(str(name), f"no clone: {error.message}"), "guard")
        return made

    def _handed(
        self,
        workshop: Workshop,
        blind: Blind,
        cast: Cast,
        tables: Sequence[Governed],
        population: Population,
        expectations: Expectations,
    ) -> list[tuple[HandOverDesign, Clone, HandOvers, Actor]]:
        """Clones of the tables whose rows are handed over; one that no role may write to was reported with its writes."""
        made: list[tuple[HandOverDesign, Clone, HandOvers, Actor]] = []
        for governed in tables:
            actor = cast.actor_for_clone(governed.table)
            if actor is None:
                continue
            planned = design_hand_over(
                self._access, governed, population, self._viewers, expectations, self._sample, actor.role
            )
            if planned is None:
                continue
            reader = blind.reader_of(governed.name) or ""
            try:
                with self._database.transaction():
                    clone = workshop.clone(governed.table, reader, [row.id for row in planned.rows], planned.wanted)
                    functions = workshop.with_hand_over(clone, governed.resource, planned.columns)
                    made.append((planned, workshop.with_policies(clone), functions, actor))
            except (DatabaseFailed, Refused) as error:
                self.collector.unseen(unseen(str(governed.name), f"no clone: {error.message}"), HAND_OVER)
        return made

    def _mask_designs(self, blind: Blind, tables: Sequence[Governed], desired: Desired) -> list[MaskDesign]:
        made: list[MaskDesign] = []
        for mask in desired.masks:
            for governed in (one for one in tables if one.name == mask.table):
                resource = self._access.resource(governed.resource)
                planned = design_mask(self._database, blind, governed, resource, mask)
                if isinstance(planned, Finding):
                    self.collector.unseen(planned, "secured" if mask.secured else "masks")
                else:
                    made.append(planned)
        return made

    def _column_clones(
        self,
        workshop: Workshop,
        blind: Blind,
        catalog: Catalog,
        cast: Cast,
        tables: Sequence[Governed],
        needs: Needs,
        expectations: Expectations,
    ) -> list[tuple[ColumnDesign, Clone, Actor]]:
        made: list[tuple[ColumnDesign, Clone, Actor]] = []
        restricted = restricted_columns(self._access, catalog, [one.name for one in tables])
        for governed in tables:
            actor = cast.actor_for_clone(governed.table)
            if governed.name not in restricted or actor is None:
                continue
            resource = self._access.resource(governed.resource)
            columns = sorted(needs.columns.get(governed.name, frozenset()))
            planned = design_columns(
                governed, resource, columns, self._viewers, expectations.meaning, self._sample, actor.role
            )
            reader = blind.reader_of(governed.name) or ""
            try:
                with self._database.transaction():
                    ids = [row.id for row in planned.rows]
                    clone = workshop.clone(governed.table, reader, ids, planned.wanted)
                    made.append((planned, workshop.with_guard(clone, self._names.api, COLUMNS), actor))
            except DatabaseFailed as error:
                self.collector.unseen(unseen(str(governed.name), f"no clone: {error.message}"), "columns")
        return made

    def _behaviour(self, catalog: Catalog, cast: Cast, prepared: _Prepared) -> None:
        """Look and try, as everybody who was chosen."""
        identity = prepared.identity
        self._progress(
            f"looking as {counted(len(self._viewers), 'viewer')} at {counted(len(prepared.tables) + len(prepared.secured), 'table')}"
        )
        statements = Statements(self._database)
        live = Live(self._database, statements, catalog, cast, identity, prepared.expectations, self.collector)
        live.compare(prepared.tables, prepared.viewers)
        self._progress("trying writes on clones")
        probes = Probes(self._database, statements, cast, identity, prepared.expectations, self.collector)
        for planned, clone, unchecked, actor in prepared.writes:
            probes.carry_out(planned, clone, unchecked, actor, prepared.viewers)
        hand_overs = HandOverProbes(self._database, statements, cast, identity, prepared.expectations, self.collector)
        for handed, clone, functions, actor in prepared.handed:
            hand_overs.carry_out(handed, clone, functions, actor)
        if prepared.authority is not None:
            columns = {planned.table.name: planned.columns for planned, _, _ in prepared.guards}
            writers = guard_viewers(prepared.viewers, prepared.authority, columns, self._sample)
            guards = GuardProbes(self._database, statements, cast, identity, prepared.authority, self.collector)
            for planned, clone, actor in prepared.guards:
                guards.carry_out(planned, clone, actor, writers)
        masks = Masks(self._database, cast, identity, prepared.expectations, self.collector)
        for planned in prepared.masks:
            masks.compare(planned, prepared.viewers)
            self.collector.findings += masks.openings(catalog, planned.mask)
        aggregates = AggregateLooks(
            self._database, self._names.api, cast, identity, prepared.expectations, self.collector
        )
        for one in self._access.aggregates:
            for governed in (
                table for table in (*prepared.tables, *prepared.secured) if table.resource == one.resource
            ):
                aggregates.compare(one, governed, prepared.viewers)
        columns = ColumnProbes(self._database, statements, cast, identity, self.collector)
        for planned, clone, actor in prepared.columns:
            columns.carry_out(planned, clone, actor)
        statements.close()
        with borrowed(self._database, self._names.lookup):
            blind = Blind(self._database, catalog, self._names.lookup)
            for one in prepared.tables:
                self._passed_over(one, live, prepared.locked[str(one.name)] | blind.locked(one.name))

    def _passed_over(self, governed: Governed, live: Live, locked: frozenset[str]) -> None:
        """Rows that others held all the time: what may be updated was not seen of them."""
        name = str(governed.name)
        count = len(live.passed_over[name] | (locked - live.lockable[name]))
        if not count:
            return
        message = f"{counted(count, 'row')} {'was' if count == 1 else 'were'} locked or changed by others meanwhile: whether updating is allowed was not seen"
        self.collector.findings.append(Finding("rows-not-looked-at", Severity.WARNING, name, message, "Run it again."))
        self.collector.looked(name, "update right", message, Verdict.UNSEEN)

    # -- tables in mode shadow -----------------------------------------------------------------------------------------

    def shadow(self) -> None:
        """Who would lose and gain what, were the tables in mode shadow on. Makes nothing, needs nothing installed."""
        catalog = read_catalog(self._database)
        named = [entry.table for entry in self._pack.settings.tables if entry.mode is Mode.SHADOW]
        tables = [
            name
            for name in sorted(catalog.tables)
            if any(entry.name == name.name and entry.schema in (None, name.schema) for entry in named)
        ]
        if not tables:
            self.collector.unseen(unseen(f"pack {self._pack.name}", "no table is in mode shadow"), "shadow")
            return
        installed = self._names.lookup in catalog.roles and self._names.lookups in catalog.schemas
        cast = Cast(
            self._database,
            catalog,
            self._names.viewer,
            self._pack.settings.app or (catalog.current_user,),
            installed=installed,
        )
        try:
            if installed:
                with borrowed(self._database, self._names.lookup):
                    read = self._shadow_read(catalog, tables)
            else:
                read = self._shadow_read(catalog, tables)
        except PgeraseError as error:
            if isinstance(error, DatabaseFailed):
                raise
            self.collector.unseen(unseen("access.yaml", error.message, error.hint), "shadow")
            return
        if read is not None:
            expectations, governed = read
            self._shadow = compare_shadow(self._database, cast, expectations, governed, self._viewers, self.collector)

    def _shadow_read(
        self, catalog: Catalog, tables: Sequence[Name]
    ) -> tuple[Expectations, tuple[Governed, ...]] | None:
        blind = Blind(self._database, catalog, self._names.lookup)
        needs = find_needs(self._access, catalog, set(tables))
        read = self._read(blind, needs, tables)
        if read is None:
            return None
        now: datetime = self._database.value("select pg_catalog.statement_timestamp()")
        data = {name: [row.values for row in rows.rows] for name, rows in read.items()}
        expectations = Expectations(Meaning(self._access, catalog, data, now))
        population = Population(self._access, catalog, data, now) if self._access.viewers else None
        self._viewers = sample_viewers(
            self._access, population, tables, needs, self._sample, _key_type(self._access, population)
        )
        return expectations, self._governed(catalog, read, tables)


def _key_type(access: AccessRules, population: Population | None) -> str:
    """The type of the viewers' key."""
    if population is None or access.viewers is None:
        return ""
    column = population.table.column(access.viewers.key)
    return "" if column is None else column.base_type


_ASSUME = (
    "Grant an application login to the connecting role (with inherit false, set true), or run as the tables' owner."
)
