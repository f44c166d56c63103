"""The image of the Dockerfile, made and run as far as that goes without a container engine.

The steps of its first stage are done as they stand, in a folder; its variables, user and entry point
are those of the last. A Python of this machine stands in for the base image, whose packages are not
installed. What runs is confined as compose.yaml asks: not root, without capabilities, on a root file
system that is not written to but for the volumes.
"""

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACES = ("/opt/mmsvault", "/build")


@dataclass(frozen=True)
class Image:
    """What the Dockerfile makes: programs in `folder`, and how a container runs them."""

    folder: Path
    env: Mapping[str, str]
    user: str
    entrypoint: Sequence[str]
    command: Sequence[str]

    def confined(self, command: Sequence[str], volumes: Sequence[Path]) -> list[str]:
        """Return the command as a container runs it; `volumes` are all that it may write to."""
        if not can_confine():
            return list(command)
        user, _, group = self.user.partition(":")
        for volume in volumes:
            os.chown(volume, int(user), int(group))
        kept = " && ".join(f"mount --bind {volume} {volume}" for volume in volumes)
        script = f'{kept} && mount -o remount,bind,ro / && exec "$@"'
        return [
            *("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"),
            *("setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"),
            *("--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--"),
            *command,
        ]


@functools.cache
def can_confine() -> bool:
    """Return whether this machine lets a program be confined: for that it takes root, with its rights."""
    tried = subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True)  # noqa: S607
    return os.geteuid() == 0 and tried.returncode == 0


def build(folder: Path) -> Image:
    """Make the image in `folder`, which other users can read."""
    first, last = stages((ROOT / "Dockerfile").read_text())
    python, loads = base_python(folder)
    outside = {name: value for name, value in os.environ.items() if not name.startswith("MMSVAULT_")}
    env = {**outside, **loads, "PATH": f"{python}:/usr/bin:/bin"}
    work = folder
    for word, rest in first:
        told = here(folder, rest)
        if word == "WORKDIR":
            work = Path(told)
            work.mkdir(parents=True)
        elif word == "ENV":
            env |= variables(told)
        elif word == "COPY":
            copy(told.split(), work)
        elif word == "RUN":
            subprocess.run(["/bin/sh", "-ec", told], cwd=work, env=env, check=True, stdout=subprocess.DEVNULL)
        else:
            raise AssertionError(f"there is no way here to do {word}")
    said = {word: rest for word, rest in last if word != "RUN"}
    assert said.keys() == {"COPY", "ENV", "USER", "WORKDIR", "VOLUME", "ENTRYPOINT", "CMD"}
    assert said["COPY"] == "--from=build /opt/mmsvault /opt/mmsvault"
    own = variables(here(folder, said["ENV"]).replace("$PATH", "/usr/bin:/bin"))
    return Image(folder, {**loads, **own}, said["USER"], words(said["ENTRYPOINT"]), words(said["CMD"]))


def stages(dockerfile: str) -> list[list[tuple[str, str]]]:
    """Return the instructions of each stage, after its FROM."""
    text = re.sub(r"^#.*\n", "", dockerfile, flags=re.MULTILINE).replace("\\\n", " ")
    found: list[list[tuple[str, str]]] = []
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append([])
        elif word:
            found[-1].append((word, " ".join(rest.split())))
    return found


def base_python(folder: Path) -> tuple[Path, dict[str, str]]:
    """Return a Python with pip that any user may run, and the environment that it needs.

    It is of the base image's version, where there is one beside this one.
    """
    version = re.search(r"^FROM python:(\d+\.\d+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    like = sorted(Path(sys.base_prefix).parent.glob(f"{version[1]}.*")) if version else []
    prefix = like[-1] if like else Path(sys.base_prefix)
    if not all(place.stat().st_mode & 0o005 == 0o005 for place in (prefix, *prefix.parents)):
        leave = shutil.ignore_patterns("__pycache__", "test", "share", "include")
        shutil.copytree(prefix, folder / "base", symlinks=True, ignore=leave, copy_function=_link)
        prefix = folder / "base"
    env = {"LD_LIBRARY_PATH": str(prefix / "lib")}
    making = [str(prefix / "bin/python3"), "-m", "venv", str(folder / "python")]
    subprocess.run(making, env={**os.environ, **env}, check=True)
    return folder / "python/bin", env


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system
        shutil.copy2(source, target, follow_symlinks=False)


def here(folder: Path, text: str) -> str:
    """Put the folder in front of the image's own places."""
    return re.sub("|".join(PLACES), lambda found: f"{folder}{found[0]}", text)


def variables(text: str) -> dict[str, str]:
    return dict(one.split("=", 1) for one in text.split())


def words(text: str) -> list[str]:
    found = re.findall(r'"([^"]*)"', text)
    assert text == str(found).replace("'", '"'), "the form that needs no shell"
    return found


def copy(paths: Sequence[str], into: Path) -> None:
    """Copy from the project as COPY does, without what .dockerignore leaves out."""
    *sources, target = paths
    for source in sources:
        if (ROOT / source).is_dir():
            leave = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / source, into / target, ignore=leave)
        else:
            shutil.copy(ROOT / source, into / target)
