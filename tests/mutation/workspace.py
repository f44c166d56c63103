"""A copy of the project, with a virtual environment that imports the copy instead of the original."""

import itertools
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterable
from pathlib import Path

_MUTANT_TIMES = itertools.count(1_000_000_000)
"""A time of change for each mutant: Python takes its compiled form of a file by time and size."""


class Workspace:
    """A copy in which one mutant at a time is tried. `folder` must be short: sockets are made in it."""

    def __init__(self, project: Path, folder: Path) -> None:
        self.folder = folder
        self.project = project
        self.tree = folder / "p"
        self.temporary = folder / "t"
        self._python = folder / "v" / "bin" / "python"
        self._files = {path: (project / path).stat() for path in project_files(project)}
        for path in self._files:
            _copy(project / path, self.tree / path)
        self._make_environment()
        self._running: subprocess.Popen[bytes] | None = None

    def _make_environment(self) -> None:
        """Make an environment with the packages of this one, but with the copy in the project's place.

        A line of a .pth file is a folder to import from; the .pth files in that folder, such as
        the one of the project's own editable install, are not read.
        """
        venv.create(self._python.parents[1], symlinks=True)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        packages = self._python.parents[1] / "lib" / version / "site-packages"
        packages.joinpath("workspace.pth").write_text(f"{self.tree}\n{sysconfig.get_path('purelib')}\n")
        for program in Path(sysconfig.get_path("scripts")).iterdir():
            copy = self._python.parent / program.name
            if copy.exists() or program.is_dir():
                continue
            first, separator, rest = program.read_bytes().partition(b"\n")
            if first.startswith(b"#!") and b"python" in first:
                copy.write_bytes(f"#!{self._python}".encode() + separator + rest)
                copy.chmod(0o755)
            else:
                copy.symlink_to(program)

    def put(self, path: str, text: str) -> None:
        """Put a mutant in the place of a file."""
        file = self.tree / path
        file.write_text(text)
        time = next(_MUTANT_TIMES)
        os.utime(file, (time, time))

    def restore(self) -> None:
        """Make the files what they were, whatever a mutant did to them, and forget what its tests kept."""
        for path, original in self._files.items():
            file = self.tree / path
            if not file.is_file() or (file.stat().st_size, file.stat().st_mtime_ns) != (
                original.st_size,
                original.st_mtime_ns,
            ):
                _copy(self.project / path, file)
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir(mode=0o755)

    def environment(self) -> dict[str, str]:
        """Return the environment of tests that run here: this one, without the options of a run around it."""
        kept = {
            name: value for name, value in os.environ.items() if name not in {"PYTEST_ADDOPTS", "PYTHONPATH"}
        }
        return {
            **kept,
            "PATH": f"{self._python.parent}:{os.environ['PATH']}",
            "PYTEST_DEBUG_TEMPROOT": str(self.temporary),
            "VIRTUAL_ENV": str(self._python.parents[1]),
        }

    def pytest(self, options: Iterable[str], *, limit_seconds: float, log: Path) -> int:
        """Run pytest on the copy and return its exit code; `contained` says what else it may be."""
        contained = Path(__file__).with_name("contained.py")
        command = [sys.executable, contained, str(limit_seconds), self._python, "-m", "pytest", *options]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=self.tree, env=self.environment(), stdout=output, stderr=subprocess.STDOUT
            )
            self._running = process
            return process.wait()

    def end(self) -> None:
        """End what runs here now, with all that it started."""
        if self._running is not None:
            self._running.terminate()


def project_files(project: Path) -> list[str]:
    """Return the files of the project that git knows or would take, as paths from its folder."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607
        cwd=project,
        check=True,
        capture_output=True,
        text=True,
    )
    return [path for path in listed.stdout.split("\0") if path and (project / path).is_file()]


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)
