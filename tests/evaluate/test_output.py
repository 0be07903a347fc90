"""Files appear whole or not at all, and what cannot be written is said before anything is read."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from xent.evaluate.faults import BadInput
from xent.evaluate.output import ready, written

ROOT = os.geteuid() == 0 if hasattr(os, "geteuid") else False


def test_a_file_appears_at_the_end_and_nothing_is_left_beside_it(tmp_path):
    target = tmp_path / "page.html"
    with written(target) as aside:
        assert aside.parent == tmp_path and aside.suffix == ".html" and aside.name.startswith(".")
        aside.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new" and os.listdir(tmp_path) == ["page.html"]


@pytest.mark.parametrize("stop", [ValueError("no"), KeyboardInterrupt(), SystemExit(3)])
def test_what_is_interrupted_leaves_the_old_file(tmp_path, stop):
    target = tmp_path / "page.html"
    target.write_text("old")
    with pytest.raises(type(stop)), written(target) as aside:
        aside.write_text("half of")
        raise stop
    assert target.read_text() == "old" and os.listdir(tmp_path) == ["page.html"]


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.ENOSPC, "No space left on device"), (errno.EIO, "Input/output error"), (errno.EDQUOT, "quota")],
)
def test_errors_of_the_system_name_the_file(tmp_path, number, said):
    with pytest.raises(BadInput) as caught, written(tmp_path / "page.html") as aside:
        aside.write_text("half of")
        raise OSError(number, os.strerror(number), str(aside))
    assert f"{tmp_path / 'page.html'}: cannot be written: " in str(caught.value)
    assert said in str(caught.value) and os.listdir(tmp_path) == []


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path):
    """A limit on the size of files stands for the disk: the system refuses the write in the same way."""
    code = (
        "import resource, signal, sys; from xent.evaluate.output import written\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "with written(sys.argv[1]) as aside: aside.write_bytes(bytes(10_000))"
    )
    done = python(code, tmp_path / "big.bin")
    assert "BadInput" in done.stderr and "big.bin: cannot be written: File too large" in done.stderr
    assert os.listdir(tmp_path) == []


def python(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_killed_process_leaves_no_half(tmp_path, number):
    code = (
        "import sys, time; from xent.evaluate.output import written\n"
        "with written(sys.argv[1]) as aside:\n"
        "    aside.write_text('half of'); print('there', flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-c", code, str(tmp_path / "page.html")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
        assert process.stdout.readline() == b"there\n" and len(os.listdir(tmp_path)) == 1
        process.send_signal(number)
        assert process.wait(20) != 0
    assert os.listdir(tmp_path) == []


def test_handlers_of_others_stay(tmp_path):
    mine = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        handler = signal.getsignal(signal.SIGTERM)
        with written(tmp_path / "a") as aside:
            aside.touch()
            assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, mine)
    before = signal.getsignal(signal.SIGTERM)
    with written(tmp_path / "b") as aside:
        aside.touch()
    assert signal.getsignal(signal.SIGTERM) == before


def test_places_where_no_file_can_be_are_said_at_once(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "data.csv").write_text("label,p\n")
    (tmp_path / "link.html").symlink_to(tmp_path / "data.csv")
    os.mkfifo(tmp_path / "pipe")
    for name, inputs, said in [
        ("nowhere/page.html", (), f"there is no folder {tmp_path / 'nowhere'}; make it first"),
        ("data.csv/page.html", (), f"there is no folder {tmp_path / 'data.csv'}"),
        ("folder", (), "is a folder; name a file in it"),
        ("pipe", (), "is not a regular file"),
        ("data.csv", [tmp_path / "data.csv"], "is read and must not be written over"),
        ("folder/../data.csv", [str(tmp_path / "data.csv")], "must not be written over"),
        ("link.html", [tmp_path / "data.csv"], "must not be written over"),
        ("x" * 300 + ".html", (), "File name too long"),
    ]:
        with pytest.raises(BadInput) as caught:
            ready(tmp_path / name, inputs)
        assert str(tmp_path / name) in str(caught.value) and said in str(caught.value), caught.value
    assert sorted(os.listdir(tmp_path)) == ["data.csv", "folder", "link.html", "pipe"]


@pytest.mark.skipif(ROOT, reason="root may write everywhere")
def test_read_only_folders_are_said(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(BadInput, match="cannot be written: Permission denied"):
        ready(tmp_path / "locked" / "page.html")


def test_read_only_file_systems_are_said():
    if not os.path.isdir("/proc/1"):
        pytest.skip("no file system here on which nobody can write")
    with pytest.raises(BadInput, match=r"/proc/page.html: cannot be written: "):
        ready("/proc/page.html")


def test_links_are_followed_and_modes_kept(tmp_path):
    (tmp_path / "real.html").write_text("old")
    (tmp_path / "real.html").chmod(0o640)
    (tmp_path / "link.html").symlink_to("real.html")
    with written(tmp_path / "link.html") as aside:
        aside.write_text("new")
    assert (tmp_path / "link.html").is_symlink() and (tmp_path / "real.html").read_text() == "new"
    assert (tmp_path / "real.html").stat().st_mode & 0o777 == 0o640


def test_readers_never_see_half(tmp_path):
    target = tmp_path / "numbers"
    target.write_text("0" * 1000)
    for digit in "123":
        with written(target) as aside:
            for _ in range(10):
                with open(aside, "a") as file:
                    file.write(digit * 100)
                assert len(set(target.read_text())) == 1 and len(target.read_text()) == 1000
                time.sleep(0)
