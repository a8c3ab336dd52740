"""What is said to Apptainer, word by word."""

from pathlib import Path

from lumirage.core.model import Limits
from lumirage.running.runtimes.apptainer_argv import Place, Site, apptainer_argv, apptainer_environment, isolation
from lumirage.running.runtimes.runtime_interface import Call, Mount

CALL = Call(
    name="lumirage-1",
    owner="0123",
    image="/sif/ab.sif",
    arguments=("register", "/in/job.json", "/out"),
    mounts=(Mount(Path("/o u't, $x/in"), "/in"), Mount(Path("/out"), "/out", readonly=False)),
    output=Path("/out"),
    environment={"HOME": "/tmp/home", "OMP_NUM_THREADS": "2"},
    limits=Limits(),
    gpus=("GPU-1", "GPU-2"),
    user=(65534, 65534),
)
GOLDEN = """\
/bin/sh
-c
n=$1; shift; while [ "$n" -gt 0 ]; do echo $$ >"$1" || exit 125; shift; n=$((n - 1)); done; exec "$@"
sh
1
/cg/lumirage/x/cgroup.procs
apptainer
--quiet
exec
--containall
--cleanenv
--no-privs
--net
--network
none
--no-mount
bind-paths,hostfs
--hostname
method
--no-eval
--no-umask
--workdir
/w
--home
/w/tmp/home:/tmp/home
--pwd
/app
--security
uid:65534,gid:65534
--mount
type=bind,"source=/o u't, $x/in",destination=/in,ro
--mount
type=bind,source=/out,destination=/out
--nv
--env
CUDA_VISIBLE_DEVICES=GPU-1,GPU-2
/sif/ab.sif
/bin/sh
-c
HOME=$1; shift; export HOME; : >/tmp/.lumirage-started; exec "$@"
sh
/tmp/home
/.singularity.d/runscript
register
/in/job.json
/out"""


def test_a_whole_call():
    place = Place(Path("/w"), "/app", (Path("/cg/lumirage/x/cgroup.procs"),))
    assert "\n".join(apptainer_argv(CALL, Site(root=True), place)) == GOLDEN


def test_without_root_groups_and_gpus_and_with_what_the_site_permits():
    call = Call(name="n", owner="o", image="i.sif", output=Path("/out"), limits=Limits(), entrypoint=("/bin/x",))
    words = apptainer_argv(call, Site("singularity", held=("network",)), Place(Path("/w")))
    assert words[:6] == ["singularity", "--quiet", "exec", "--containall", "--cleanenv", "--no-privs"]
    assert "--nv" not in words
    assert "--security" not in words
    assert "--no-mount" not in words
    assert words[-3:] == ["sh", "/root", "/bin/x"]  # no HOME was given: it is the image's own


def test_the_users_variables_are_not_handed_on():
    options = ("ENV_SECRET", "_BIND", "_WRITABLE_TMPFS", "_CONTAINLIBS", "_ENV_FILE", "_ADD_CAPS", "_NOT_YET_INVENTED")
    kept = {"PATH": "/bin", "APPTAINER_CACHEDIR": "/c", "SINGULARITY_TMPDIR": "/t"}
    own = kept | {f"{program}{name}": "1" for program in ("APPTAINER", "SINGULARITY") for name in options}
    assert apptainer_environment(CALL, Site(), own) == {
        **kept,
        "APPTAINERENV_OMP_NUM_THREADS": "2",
        "LUMIRAGE_CALL": "lumirage-1",
        "LUMIRAGE_OWNER": "0123",
    }
    assert "SINGULARITYENV_OMP_NUM_THREADS" in apptainer_environment(CALL, Site("/usr/bin/singularity"), {})


def test_what_the_site_refused_is_said():
    table = isolation(Site(held=("hostname",)), limits_held=False)
    assert table["network"].startswith("not held")
    assert table["memory"].startswith("held: sampled")
    assert table["processes"].startswith("not held")
