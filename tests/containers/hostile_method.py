"""The entry point of test images: behaves, or misbehaves, as the parameter `mode` says. Standard library only."""

# ruff: noqa: T201 -- a program that prints
import base64
import gzip
import json
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
from pathlib import Path

JOB = json.loads(Path(sys.argv[2]).read_text())
OUT = Path(sys.argv[3])
MB = 2**20
HELD = []


def say(event, pair):
    print("@lumirage", json.dumps({"event": event, "pair": pair["id"]}), flush=True)


def header(pair):
    return Path(pair["fixed"]).read_bytes()[:352]


def field_header(pair, shape=None, datatype=16, bits=32, shift=0.0):
    """The fixed image's header, made one of a vector field (X, Y, Z, 1, 3)."""
    head = bytearray(header(pair))
    x, y, z = shape or struct.unpack("<3h", head[42:48])
    struct.pack_into("<8h", head, 40, 5, x, y, z, 1, 3, 1, 1)
    struct.pack_into("<2h", head, 70, datatype, bits)
    struct.pack_into("<f", head, 108, 352.0)
    struct.pack_into("<f", head, 292, struct.unpack_from("<f", head, 292)[0] + shift)
    struct.pack_into("<h", head, 252, 0)
    return bytes(head), x * y * z * 3


def answer(pair, name="displacement.nii", value=0.0, folder=None, **kwargs):
    head, count = field_header(pair, **kwargs)
    folder = folder or OUT / pair["id"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(head + struct.pack("<f", value) * count)
    return folder / name


def ok(pair):
    answer(pair)


def fingerprint(pair):
    """An answer that depends on the two images, after half a second."""
    time.sleep(float(JOB["parameters"].get("seconds", 0.5)))
    seen = Path(pair["fixed"]).read_bytes() + Path(pair["moving"]).read_bytes()
    answer(pair, value=float(sum(seen) % 97))


def silent(pair):
    pass


def exits_3(pair):
    print("about to fail")
    sys.exit(3)


def kills_itself(pair):
    os.kill(os.getpid(), signal.SIGKILL)


def aborts(pair):
    os.abort()


def dies_second(pair):
    if len(JOB["pairs"]) == 3 and pair is JOB["pairs"][1]:
        os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(5)
    answer(pair)


def lingers(pair):
    """The second of three takes its time, and says so by a file."""
    if len(JOB["pairs"]) == 3 and pair is JOB["pairs"][1]:
        (OUT / pair["id"] / "lingers").touch()
        time.sleep(600)
    answer(pair)


def gpu(pair):
    """Claims memory of the GPU that it was given, for a while, and dies on one of them."""
    asked = JOB["parameters"]
    device = os.environ.get("NVIDIA_VISIBLE_DEVICES") or os.environ.get("CUDA_VISIBLE_DEVICES", "")
    print("device", JOB["device"], device, flush=True)
    waits = [sys.executable, "-c", "import time; time.sleep(60)"]
    user = subprocess.Popen(waits, env={**os.environ, "FAKE_GPU_BYTES": str(asked["bytes"])})
    time.sleep(float(asked["seconds"]))
    user.kill()
    user.wait()
    if device == asked.get("dies_on"):
        sys.exit("RuntimeError: CUDA error: unspecified launch failure")
    answer(pair)


def third_sleeps(pair):
    if pair is JOB["pairs"][2]:
        time.sleep(600)
    answer(pair)


def affinity(pair):
    print("cpus", sorted(os.sched_getaffinity(0)))
    answer(pair)


def allocate(pair):
    HELD.extend(bytearray(b"1") * (16 * MB) for _ in range(1000))


def child_oom(pair):
    subprocess.run([sys.executable, "-c", "x = []\nwhile 1: x.append(bytearray(b'1' * 16777216))"], check=False)


def child_oom_answers(pair):
    child_oom(pair)
    answer(pair)


def sleeps(pair):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)


def forks(pair):
    while True:
        if os.fork() == 0:
            time.sleep(600)


def floods(pair):
    line = b"x" * 99 + b"\n"
    block = line * 10_000
    for _ in range(1000):
        os.write(1, block)
    answer(pair)


def floods_lines(pair):
    os.write(1, b"\n" * (20 * MB))
    answer(pair)


def symlink(pair):
    (OUT / pair["id"] / "displacement.nii").symlink_to("/etc/passwd")


def folder_symlink(pair):
    (OUT / pair["id"]).rmdir()
    (OUT / pair["id"]).symlink_to("/etc")


def fifo(pair):
    os.mkfifo(OUT / pair["id"] / "displacement.nii")


def sparse(pair):
    with (OUT / pair["id"] / "displacement.nii").open("wb") as file:
        file.truncate(10**12)


def setuid(pair):
    path = answer(pair)
    path.chmod(0o4755)
    assert path.stat().st_mode & stat.S_ISUID


def hard_to_remove(pair):
    answer(pair)
    deep = OUT / "locked" / "deeper"
    deep.mkdir(parents=True)
    (deep / "file").write_text("x")
    deep.chmod(0)
    deep.parent.chmod(0)


def ten_gigabytes(pair):
    with (OUT / pair["id"] / "big").open("wb") as file:
        while True:
            file.write(b"1" * MB)


def many_files(pair):
    for i in range(10**7):
        (OUT / pair["id"] / str(i)).touch()


def nan(pair):
    answer(pair, value=float("nan"))


def wrong_shape(pair):
    answer(pair, shape=(3, 4, 5))


def wrong_affine(pair):
    answer(pair, shift=7.0)


def int16(pair):
    head, count = field_header(pair, datatype=4, bits=16)
    (OUT / pair["id"] / "displacement.nii").write_bytes(head + b"\0\0" * count)


def truncated_gzip(pair):
    head, count = field_header(pair)
    raw = gzip.compress(head + os.urandom(4 * count))
    (OUT / pair["id"] / "displacement.nii.gz").write_bytes(raw[: len(raw) // 2])


def gzip_bomb(pair):
    head, _ = field_header(pair, shape=(30000, 30000, 30000))
    with gzip.open(OUT / pair["id"] / "displacement.nii.gz", "wb", 1) as file:
        file.write(head)
        for _ in range(200):
            file.write(bytes(MB))


def lying_header(pair):
    head, _ = field_header(pair)
    (OUT / pair["id"] / "displacement.nii").write_bytes(head + b"\0" * 100)


def garbage(pair):
    (OUT / pair["id"] / "displacement.nii").write_bytes(os.urandom(5000))


def as_root(pair):
    tried = [lambda: os.setuid(0), lambda: Path("/etc/owned").write_text("x"), lambda: Path("/in/x").write_text("x")]
    for attempt in tried:
        try:
            attempt()
        except OSError as error:
            print("refused:", error)
        else:
            print("SUCCEEDED")
    print("uid", os.getuid())
    answer(pair)


def network(pair):
    with socket.create_connection(("1.1.1.1", 53), timeout=3):
        print("SUCCEEDED")
    answer(pair)


def hunts(pair):
    words = [base64.b64decode(word) for word in JOB["parameters"]["words"]]
    places = [Path("/proc/self/mountinfo"), Path("/proc/self/environ"), Path("/proc/mounts"), Path("/etc/hosts")]
    for root, _, names in os.walk("/"):
        if root.startswith(("/proc", "/sys", "/usr", "/lib", "/dev", "/etc/ssl")):
            continue
        print("seen" if any(word in root.encode() for word in words) else "", end="")
        places += [Path(root) / name for name in names]
    for place in places:
        try:
            text = os.fsencode(place) + (place.read_bytes() if place.is_file() else b"")
        except OSError:
            continue
        for word in words:
            if word in text:
                print("FOUND", word, "in", place)
    answer(pair)


def looks_around(pair):
    print(
        "FOUND"
        if any(base64.b64decode(JOB["parameters"]["words"][0]).decode() in v for v in os.environ.values())
        else ""
    )
    answer(pair)


def shows_environment(pair):
    for name in ("CUDA_VISIBLE_DEVICES", "PYTHONPATH", "HOME"):
        print(f"{name}={os.environ.get(name, '')}")
    print("leak", "found" if Path("/leak").exists() else "absent", flush=True)
    time.sleep(float(JOB["parameters"].get("seconds", 0)))
    answer(pair)


def tries_its_cage(pair):
    try:
        Path("/written").write_text("x")
        print("cage root written")
    except OSError:
        print("cage root refused")
    print("cage libraries", "found" if list(Path("/").glob(".singularity.d/libs/*host*")) else "absent")
    print("cage variable", "found" if "LEAKED" in os.environ else "absent")
    status = Path("/proc/self/status").read_text()
    print("cage capabilities", *{line.split()[1] for line in status.splitlines() if line.startswith("Cap")})
    answer(pair)


def some_fail(pair):
    """Fails on one pair in ten, the same ones every time."""
    time.sleep(float(JOB["parameters"]["seconds"]))
    if sum(Path(pair["fixed"]).read_bytes() + Path(pair["moving"]).read_bytes()) % 10 == 0:
        sys.exit(3)
    answer(pair)


def other_id(pair):
    answer(pair, folder=OUT / JOB["pairs"][1]["id"])


def false_events(pair):
    for other in JOB["pairs"]:
        say("end", other)
    say("end", pair)
    print("@lumirage {", "@lumirage []", '@lumirage {"event": "end", "pair": ["x"]}', sep="\n")
    print("@lumirage " + "[" * 100_000)
    print("@lumirage " + json.dumps({"event": "end", "pair": pair["id"], "pad": "x" * 10**6}))
    sys.stdout.flush()
    os.write(1, b'\xff\x00@lumirage {"event": "end"}\n@lumirage \xff\xfe\n')
    time.sleep(1.5)
    answer(pair)


def works_between_pairs(pair):
    """What it does for the second pair it does before it says that it began."""
    if pair is JOB["pairs"][0]:
        answer(pair)
        say("end", pair)
        time.sleep(1.5)
    else:
        answer(pair)


def borrows_time(pair):
    """Says in time that the next pair begins, and goes on with this one."""
    if pair is JOB["pairs"][0]:
        time.sleep(JOB["parameters"]["seconds"])
        say("begin", JOB["pairs"][1])
        time.sleep(JOB["parameters"]["seconds"])
        say("end", JOB["pairs"][1])
    answer(pair)


def daemon(pair):
    answer(pair)
    if os.fork() == 0:
        os.setsid()
        os.close(1)
        os.close(2)
        time.sleep(600)


def closes_output(pair):
    os.close(1)
    os.close(2)
    time.sleep(1.0)
    answer(pair)


def burns(pair):
    began = time.process_time()
    while (burnt := time.process_time() - began) < JOB["parameters"]["seconds"]:
        pass
    print("burnt", burnt, flush=True)
    answer(pair)


def hold(seconds):
    """Long enough to be seen whole; on a slow machine for longer."""
    time.sleep(seconds * JOB["parameters"].get("slowness", 1.0))


def takes_nothing():
    """The interpreter alone, long enough to be seen whole."""
    hold(0.6)


def takes_anonymous():
    HELD.append(bytearray(b"1") * (1024 * MB))
    hold(0.6)


def takes_page_cache():
    """100 MiB of its own beside 2 GB of a file that it wrote and read."""
    big = OUT / "big"
    with big.open("wb") as file:
        for _ in range(2048 * 16):  # small pieces: buffers of its own would count as taken
            file.write(b"1" * 65536)
    HELD.append(bytearray(b"1") * (100 * MB))
    with big.open("rb") as file:
        while file.read(65536):
            pass
    hold(0.6)


def takes_forks():
    """Held by all four at once: each waits until the others have theirs too."""
    reading, writing = os.pipe()
    over, ending = os.pipe()
    for _ in range(4):
        if os.fork() == 0:
            os.close(ending)
            HELD.append(bytearray(b"1") * (256 * MB))
            os.write(writing, b".")
            os.read(over, 1)  # until the parent closes it
            os._exit(0)
    for _ in range(4):
        os.read(reading, 1)
    hold(0.6)
    os.close(ending)
    for _ in range(4):
        os.wait()


def takes_spike():
    spike = bytearray(b"1") * (1024 * MB)
    hold(0.5)
    del spike
    hold(0.3)


def takes_tmpfs():
    with Path(os.environ["TMPDIR"], "held").open("wb") as file:
        for _ in range(300):
            file.write(b"1" * MB)
    hold(0.6)


def takes(pair):
    """Known allocations, each held long enough to be seen."""
    globals()["takes_" + JOB["parameters"]["kind"]]()
    answer(pair)


act = globals()[JOB["parameters"].get("mode", "ok")]
for one in JOB["pairs"]:
    say("begin", one)
    if JOB["parameters"].get("mode") == "other_id" and one is not JOB["pairs"][0]:
        say("end", one)
        continue
    act(one)
    if JOB["parameters"].get("mode") != "closes_output":
        say("end", one)
