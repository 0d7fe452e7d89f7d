"""The command line: options anywhere, help for each command, errors that name what helps, completions."""
import os
import re
import shutil
import subprocess

import pytest
import scene
from scene import WEB


def leafd(*arguments):
    return subprocess.run([scene.LEAFD, *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)


def commands():
    """Those that `leafd help` lists."""
    return re.findall(r"^  (\w+)  +\S", leafd("help").stdout, re.M)


def test_help_and_version_go_to_standard_output():
    for arguments in (["--help"], ["-h"], ["help"], ["run", "--help"], ["--version"], ["help", "once"], ["status", "web", "-h"]):
        done = leafd(*arguments)
        assert done.returncode == 0 and done.stderr == "" and done.stdout.startswith("leafd"), arguments


def test_each_command_has_its_own_help_with_an_example_that_is_one():
    """The ways to ask for it give the same; an example is a command line that leafd takes."""
    assert {"run", "once", "check", "status", "ready", "reload", "revoke", "help"} <= set(commands())
    for name in commands():
        text = leafd("help", name).stdout
        assert leafd(name, "--help").stdout == leafd("-h", name).stdout == text
        assert text.startswith(f"leafd {name} - ") and f"usage: leafd {name} " in text
        assert all(len(line) <= 80 for line in text.splitlines()), text
        examples = re.findall(r"^  (leafd .*)$", text.partition("\nExample:\n")[2], re.M)
        assert examples, f"help {name} has no example"
        for example in examples:
            words = re.split(r" (?:&&|\||>) ", example)[0].split()[1:]
            assert words[0] == name
            done = leafd(*words, "--help")
            assert (done.returncode, done.stdout) == (0, text), f"{example}: {done.stderr}"


WRONG = [
    ("", "leafd: name a command; leafd help lists all"),
    ("frob", "leafd: unknown command frob; leafd help lists all"),
    ("stauts", "leafd: unknown command stauts; did you mean status?"),
    ("help revok", "leafd: unknown command revok; did you mean revoke?"),
    ("run x", "leafd run takes no names: x"),
    ("run -- --help", "leafd run takes no names: --help"),
    ("revoke", "leafd revoke needs the name of a certificate"),
    ("status --wait 5s", "leafd status takes no --wait; leafd once, "),
    ("-w 5s status", "leafd status takes no --wait; leafd once, "),
    ("once --spend", "leafd once takes no --spend; leafd check does"),
    ("check -w 5s", "leafd check takes no --wait; leafd once, "),
    ("status --jsno", "leafd status has no option --jsno; did you mean --json?"),
    ("status --jsno=1", "leafd status has no option --jsno; did you mean --json?"),
    ("--versoin", "leafd has no option --versoin; did you mean --version?"),
    ("status --frob", "leafd status has no option --frob; leafd help status lists all"),
    ("status -z", "leafd status has no option -z; leafd help status lists all"),
    ("--frob status", "leafd status has no option --frob; leafd help status lists all"),
    ("status -c", "leafd status: --config needs a value; write --config FILE"),
    ("once --wait", "leafd once: --wait needs a value; write --wait TIME"),
    ("status --json=yes", "leafd status: --json takes no value"),
    ("once -w soon", "leafd once: --wait takes a duration such as 90s or 5m"),
]


@pytest.mark.parametrize("line, says", WRONG)
def test_wrong_usage_exits_2_and_says_what_helps(line, says):
    done = leafd(*line.split())
    assert (done.returncode, done.stdout) == (2, ""), done
    assert done.stderr.startswith(says) and done.stderr.count("\n") == 1, done.stderr


def test_options_stand_before_the_command_after_it_and_after_names(devca, site):
    site.configure(devca, {"web": WEB, "api": WEB})
    assert site.once().code == 0
    file = str(site.file)

    def shown(*arguments):
        done = subprocess.run([scene.LEAFD, *arguments], capture_output=True, text=True, check=False, env=site.given())
        assert done.returncode == 0, done.stderr
        return re.sub(r"\d\d:\d\d:\d\d", "", done.stdout)  # the time of the reading is in it
    wanted = shown("status", "-c", file, "--json", "web")
    assert '"web"' in wanted and '"api"' not in wanted
    for line in (["-c", file, "--json", "status", "web"], ["status", "web", "--json", f"--config={file}"],
                 ["--json", "status", "web", f"-c{file}"], ["status", "--json", "-c", file, "--", "web"],
                 ["-c", file, "status", "web", "--json", "--"]):
        assert shown(*line) == wanted, line
    done = site.command("status", "--", "--json")
    assert done.code == 2 and "no certificate has the name --json" in done.err


def test_a_misspelt_certificate_is_told_with_the_near_one(devca, site):
    site.configure(devca, {"web": WEB, "api": WEB})
    done = site.command("once", "wep")
    assert done.code == 2 and done.err == "leafd: the configuration has no section of the name wep; did you mean web?\n"


# -- completions ---------------------------------------------------------------------------------------

FOLDER = os.path.join(scene.SOURCE, "contrib", "completion")
# Each completes the last of its words as the shell's own machinery calls its file, and prints what is offered.
SHELLS = {
    "bash": ["bash", "-c", f'source {FOLDER}/bash/leafd; COMP_WORDS=(leafd "$@"); COMP_CWORD=$#; _leafd leafd; '
                           'printf "%s\\n" "${COMPREPLY[@]}"', "leafd"],
    "zsh": ["zsh", "-fc", 'words=(leafd "$@"); CURRENT=$#words; _describe() { print -rl -- "${(@P)2}" }; _files() { : }; '
                          f'source {FOLDER}/zsh/_leafd', "leafd"],
    "fish": ["fish", "--no-config", "-c", f'source {FOLDER}/fish/leafd.fish; complete -C "leafd $argv"', "--"],
}


@pytest.fixture(params=SHELLS)
def offered(request, site):
    """What the shell offers for a line, by a leafd that is the first on the PATH: without descriptions."""
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    folder = site.folder / "bin"
    folder.mkdir()
    (folder / "leafd").symlink_to(os.path.abspath(scene.LEAFD))

    def complete(*words):
        done = subprocess.run([*SHELLS[request.param], *words], capture_output=True, text=True, check=False, cwd=folder,
                              env={**site.given(), "PATH": f"{folder}:{os.environ['PATH']}"})
        assert done.returncode == 0 and done.stderr == "", done
        return {re.split(r"[:\t]", line)[0] for line in done.stdout.splitlines() if line}
    return complete


def test_each_shell_completes_commands_options_and_certificates(devca, site, offered):
    site.configure(devca, {"web": WEB, "web-internal": WEB, "db": WEB})
    file = str(site.file)
    assert offered("") == set(commands())
    assert offered("re") == {name for name in commands() if name.startswith("re")}
    assert offered("help", "rel") == {"reload"}
    assert offered("status", "--js") == {"--json"} and not offered("ready", "--js")
    assert offered("-c", file, "once", "") == {"web", "web-internal", "db"}
    assert offered("once", "-c", file, "db", "web-") == {"web-internal"}
    assert offered("once", "--wait", "5m", "-c", file, "web", "") == {"web-internal", "db"}
    assert "--config" not in offered("once", "-c", file, "--", "--")
    site.write("[vault\n")
    assert not offered("-c", file, "once", "w")


def test_what_help_lists_of_a_command_is_what_is_completed():
    for name in commands():
        listed = re.findall(r"^  (?:-\w, |    )(--[\w-]+)", leafd("help", name).stdout, re.M)
        assert [line.partition(":")[0] for line in leafd("complete", "--", name, "--").stdout.splitlines()] == listed, name
