"""The Dockerfile's steps, where there is no Docker: its files, extras, command and health check."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STEPS = [
    line.split(maxsplit=1)
    for line in (ROOT / "Dockerfile").read_text().splitlines()
    if line and not line.startswith("#")
]
PAGE = (ROOT / "docs" / "container.md").read_text()


def last(step):
    return [what for name, what in STEPS if name == step][-1]


def environment():
    return dict(word.partition("=")[::2] for word in shlex.split(last("ENV")))


def test_every_step_is_one_that_docker_knows():
    known = "FROM ARG WORKDIR COPY RUN ENV USER VOLUME EXPOSE HEALTHCHECK ENTRYPOINT CMD"
    assert {name for name, _ in STEPS} <= set(known.split())


def test_what_it_copies_is_there_and_not_ignored():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    files = [name for step, what in STEPS if step == "COPY" and not what.startswith("--from")
             for name in shlex.split(what)[:-1]]  # fmt: skip
    assert files
    for name in files:
        assert (ROOT / name).exists()
        assert f"!{name.removeprefix('./')}" in ignored


def test_what_it_installs_is_passerbys():
    [install] = [what for step, what in STEPS if step == "RUN" and "pip install" in what]
    wanted = re.search(r"'\.\[([\w,]+)\]'", install)[1].split(",")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(wanted) <= set(project["optional-dependencies"])
    assert "-c constraints.txt" in install
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--no-index",
         "--no-build-isolation", "--quiet", "-c", "constraints.txt", ".[serve]"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_nobody_is_root():
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last("USER"))


def test_its_health_check_and_the_page_name_what_there_is():
    assert json.loads(last("ENTRYPOINT")) == ["passerby"]
    for line in re.findall(r"^docker run .*", PAGE, re.MULTILINE):
        assert " passerby" in line


READ_ONLY = """set -e
mount --make-rprivate /
mount --bind "$DATA" "$DATA"
mount --bind "$SCRATCH" "$SCRATCH"
mount -o remount,bind,ro /
! touch "$OUTSIDE" 2>/dev/null
exec "$@"
"""
"""Nothing can be written but two folders, as by `docker run --read-only --tmpfs /tmp -v ...`."""


@pytest.mark.slow
def test_it_serves_where_only_two_folders_can_be_written(tmp_path):
    pytest.importorskip("uvicorn")
    for name in ("data/pictures", "tmp"):
        (tmp_path / name).mkdir(parents=True)
    data, scratch = str(tmp_path / "data"), str(tmp_path / "tmp")
    own = {name: value.replace("/tmp", scratch) for name, value in environment().items()}
    own |= {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src"), "TMPDIR": scratch}
    own |= {"DATA": data, "SCRATCH": scratch, "OUTSIDE": str(tmp_path / "outside")}
    shell = ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh"]

    def passerby(*arguments, **more):
        words = [word.replace("/data", data) for word in arguments]
        command = [*shell, sys.executable, "-m", "passerby", *words]
        return subprocess.Popen(command, cwd=data, env=own, text=True, **more)

    allowed = subprocess.run([*shell, "true"], env=own, capture_output=True, check=False)
    if allowed.returncode:
        pytest.skip(f"no mounts here: {allowed.stderr.decode().strip()}")
    token = passerby("serve", "token", "add", "/data/people.gallery", "desk", "--write")
    assert token.wait(timeout=300) == 0
    server = passerby(*json.loads(last("CMD")), "--port", "0", stderr=subprocess.PIPE)
    try:
        url = next(found[1] for line in server.stderr if (found := re.search(r" at (\S+)", line)))
        port = url.rstrip("/").rpartition(":")[2]
        check = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
        assert check[:2] == ["python", "-c"]
        code = check[2].replace(":8000", f":{port}")
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/statistics", timeout=60)
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=120)
