"""Who else may write the configuration, what it names, and a directory on the way: refused, by name, before it is used."""
import os
import shutil
import subprocess

import pytest

from attacker import ATTACKER, as_attacker, let_through_acl, needs_root, open_the_way
from scene import LEAFD, PATIENCE_S, WEB, is_published, openssl, wait_for

pytestmark = needs_root

HEAD = """[vault]
address = https://127.0.0.1:1
{vault}
[auth]
{auth}
[agent]
template_directory = {templates}
{agent}
"""
CERT = """[cert {name}]
pki_role = web
dns_names = a.example.test
directory = {out}/{name}
file = tls.crt fullchain
file = tls.key key
{lines}
"""
EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
BELONGS = f"belongs to uid {ATTACKER}, who can "
GROUP = "may be written by its group, or through an access control list: they can "
ALL = "may be written by everybody, who can "


@pytest.fixture(scope="module")
def ca_pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    openssl("req", "-x509", *EC, "-subj", "/CN=ca", "-days", "1", "-keyout", str(folder / "ca.key"),
            "-out", str(folder / "ca.pem"))
    return folder


# -- forty wrong owners and modes, and more ---------------------------------------------------------------------------

# Each makes one thing wrong around the file `f` in the folder `base`, and gives the path to name, what is at fault there,
# and what is said of it.


def file_of_another(base, f):
    os.chown(f, ATTACKER, -1)
    return f, f, BELONGS


def file_for_its_group(base, f):
    f.chmod(f.stat().st_mode | 0o020)
    return f, f, GROUP


def file_for_all(base, f):
    f.chmod(f.stat().st_mode | 0o002)
    return f, f, ALL


def file_through_an_acl(base, f):
    let_through_acl(f, 6)
    return f, f, GROUP


def inside(base, f, mode, owner=0):
    folder = base / "d"
    folder.mkdir()
    shutil.move(f, folder / "f")
    os.chown(folder, owner, -1)
    folder.chmod(mode)
    return folder


def directory_of_another(base, f):
    folder = inside(base, f, 0o755, ATTACKER)
    return folder / "f", folder, BELONGS


def directory_for_its_group(base, f):
    folder = inside(base, f, 0o775)
    return folder / "f", folder, GROUP


def directory_for_all(base, f):
    folder = inside(base, f, 0o777)
    return folder / "f", folder, ALL


def directory_through_an_acl(base, f):
    folder = inside(base, f, 0o755)
    let_through_acl(folder, 7)
    return folder / "f", folder, GROUP


def sticky_directory_of_another(base, f):
    folder = inside(base, f, 0o1777, ATTACKER)
    return folder / "f", folder, BELONGS


def file_of_another_in_a_sticky_directory(base, f):
    folder = inside(base, f, 0o1777)
    os.chown(folder / "f", ATTACKER, -1)
    return folder / "f", folder / "f", BELONGS


def directory_further_up(base, f):
    folder = inside(base, f, 0o777)
    (folder / "e").mkdir()
    shutil.move(folder / "f", folder / "e" / "f")
    return folder / "e" / "f", folder, ALL


def link_of_another(base, f):
    (base / "l").symlink_to("f")
    os.lchown(base / "l", ATTACKER, -1)
    return base / "l", base / "l", BELONGS


def link_to_the_file_of_another(base, f):
    (base / "l").symlink_to(f)
    os.chown(f, ATTACKER, -1)
    return base / "l", f, BELONGS


def link_into_a_directory_for_all(base, f):
    folder = inside(base, f, 0o777)
    (base / "l").symlink_to("d/f")
    return base / "l", folder, ALL


def link_to_a_directory_for_all(base, f):
    folder = inside(base, f, 0o777)
    (base / "l").symlink_to("d")
    return base / "l" / "f", folder, ALL


def link_of_another_in_a_sticky_directory(base, f):
    folder = base / "d"
    folder.mkdir()
    (folder / "l").symlink_to("../f")
    os.lchown(folder / "l", ATTACKER, -1)
    folder.chmod(0o1777)
    return folder / "l", folder / "l", BELONGS


WRONGS = [file_of_another, file_for_its_group, file_for_all, file_through_an_acl, directory_of_another,
          directory_for_its_group, directory_for_all, directory_through_an_acl, sticky_directory_of_another,
          file_of_another_in_a_sticky_directory, directory_further_up, link_of_another, link_to_the_file_of_another,
          link_into_a_directory_for_all, link_to_a_directory_for_all, link_of_another_in_a_sticky_directory]
FILE_WRONGS = [file_of_another, file_for_its_group, file_for_all, file_through_an_acl]

# What names the file, by the line of a section; and what it holds.
IN_CERT = {
    "trust_anchor": ("trust_anchor = {}", "pem", 0o644),
    "keystore_password_file": ("file = k.p12 pkcs12\nkeystore_password_file = {}", "text", 0o600),
    "validate": ("validate = exec {}", "program", 0o755),
    "reload": ("reload = exec {} --now", "program", 0o755),
    "prove": ("prove = exec {} HTTP/1", "program", 0o755),
}
PROGRAM = "#!/bin/sh\nid >>{canary}\n"


def cases():
    for key in [*IN_CERT, "include"]:
        for wrong in WRONGS:
            yield key, wrong
    for key in ("template", "ca_file", "role_id_file"):
        for wrong in FILE_WRONGS:
            yield key, wrong
    for key, wrong in zip(("client_certificate", "client_key", "secret_id_file"), (file_for_all, file_of_another,
                                                                                   directory_for_all)):
        yield key, wrong


CASES = list(cases())


def make_file(path, content, mode, ca_pair, canary):
    text = {"pem": (ca_pair / "ca.pem").read_text(), "key": (ca_pair / "ca.key").read_text(), "text": "CANARY\n",
            "program": PROGRAM.format(canary=canary)}.get(content, content)
    path.write_text(text)
    path.chmod(mode)


class Tree:
    """A configuration of root's that names one wrong thing after the other, and what `check` says of it."""

    def __init__(self, folder, ca_pair):
        self.folder, self.ca_pair, self.canary = folder, ca_pair, folder / "canary"
        self.faults = {}
        self.templates = folder / "templates"
        self.templates.mkdir()
        sections, vault, auth, includes = [], {}, {}, []
        for number, (key, wrong) in enumerate(CASES):
            name = f"{key}-{wrong.__name__}"
            base = folder / name
            base.mkdir()
            if key in IN_CERT:
                line, content, mode = IN_CERT[key]
                path = self.add(name, base, content, mode, wrong)
                sections.append(CERT.format(name=f"c{number}", out=folder / "out", lines=line.format(path)))
            elif key == "include":
                included = CERT.format(name=f"c{number}", out=folder / "out", lines=f"validate = exec {folder}/no")
                includes.append(f"include = {self.add(name, base, included, 0o644, wrong)}")
            elif key == "template":
                made = self.add(name, self.templates, "[template]\nreload = none\n", 0o644, wrong, f"{wrong.__name__}.ini")
                sections.append(CERT.format(name=f"c{number}", out=folder / "out", lines=f"template = {made.stem}"))
            elif key in ("role_id_file", "secret_id_file"):
                auth.setdefault(key, []).append(self.add(name, base, "text", 0o600, wrong))
            else:
                vault.setdefault(key, []).append(
                    self.add(name, base, "key" if key == "client_key" else "pem", 0o600, wrong))
        self.said = self.check(sections, includes, vault, auth)

    def add(self, name, base, content, mode, wrong, file="f"):
        make_file(base / file, content, mode, self.ca_pair, self.canary)
        path, component, said = wrong(base, base / file)
        self.faults[name] = (component, said)
        return path

    def check(self, sections, includes, vault, auth):
        """What one run says, and one more for each further file of a key that stands but once."""
        said = ""
        for run in range(max(map(len, [*vault.values(), *auth.values()]))):
            lines = "".join(f"{key} = {paths[run]}\n" for key, paths in vault.items() if run < len(paths))
            credentials = "method = approle\n" + "".join(
                f"{key} = {paths[run]}\n" for key, paths in auth.items() if run < len(paths))
            first = run == 0
            file = self.folder / f"leafd-{run}.ini"
            file.write_text(HEAD.format(vault=lines, auth=credentials, templates=self.templates,
                                        agent="\n".join(includes) if first else "")
                            + "".join(sections if first else [CERT.format(name="a", out=self.folder, lines="")]))
            done = subprocess.run([LEAFD, "check", "-c", file], capture_output=True, text=True, check=False, timeout=PATIENCE_S)
            assert done.returncode == 2, done.stderr
            said += done.stderr
        return said


@pytest.fixture(scope="module")
def tree(tmp_path_factory, ca_pair):
    return Tree(tmp_path_factory.mktemp("tree"), ca_pair)


@pytest.mark.parametrize("key, wrong", CASES, ids=[f"{key}-{wrong.__name__}" for key, wrong in CASES])
def test_what_another_may_write_is_refused_by_name(tree, key, wrong):
    component, said = tree.faults[f"{key}-{wrong.__name__}"]
    told = [line for line in tree.said.splitlines() if f"cannot be trusted: {component} {said}" in line]
    assert len(told) >= 1, tree.said
    place = f"{component}:" if key == "template" else "leafd-" if key != "include" else f"{tree.folder}/include-"
    assert all(place in line and ("; ch" in line or "; run leafd as" in line) and (key in line or key in ("include", "template")) for line in told), told
    assert not tree.canary.exists()


def test_all_wrong_things_are_told_at_once(tree):
    assert len(CASES) > 40
    assert len(set(tree.said.splitlines())) >= len(CASES)


# -- what is not one file ---------------------------------------------------------------------------------------------

def write(site, templates="/usr/share/none", agent="", lines="", vault="", auth="role = leafd"):
    return site.write(HEAD.format(vault=vault, auth=auth, templates=templates, agent=agent)
                      + CERT.format(name="web", out=site.folder / "out", lines=lines))


def refuses(site, component, said, *commands):
    for command in commands or ("check",):
        done = site.command(*command.split())
        assert done.code == 2 and f"cannot be trusted: {component} {said}" in done.err, done.err + done.out
    return done.err


@pytest.mark.parametrize("wrong", WRONGS, ids=lambda wrong: wrong.__name__)
def test_a_main_file_that_another_may_write_is_refused_by_every_command(site, wrong):
    write(site, lines="validate = exec /bin/true")
    base = site.folder / "base"
    base.mkdir()
    shutil.move(site.file, base / "f")
    site.file, component, said = wrong(base, base / "f")
    for command in ("check", "once", "run", "revoke web"):
        err = refuses(site, component, said, command)
        assert err.startswith(f"{site.file}: cannot be trusted") and err.count("\n") == 1, err


@pytest.mark.parametrize("mode, said", [(0o777, ALL), (0o1777, ALL), (0o775, GROUP), (0o1775, GROUP)])
def test_a_directory_of_includes_in_which_others_may_put_files_is_refused(site, mode, said):
    """Also a sticky one: what is new in it is read."""
    folder = site.folder / "conf.d"
    folder.mkdir()
    folder.chmod(mode)
    write(site, agent=f"include = {folder}/*.ini")
    refuses(site, folder, said)
    (site.folder / "more").symlink_to("conf.d")
    write(site, agent="include = more/*.ini")
    refuses(site, f"{site.folder}/{'more' if (mode & 0o1000) else 'conf.d'}", said)
    folder.chmod(0o755)
    assert site.command("check").code == 0


def test_a_directory_of_includes_that_cannot_be_read_is_told(site):
    folder = site.folder / "conf.d"
    folder.mkdir()
    write(site, agent=f"include = {folder}/*.ini")
    open_the_way(site.file)
    site.file.chmod(0o644)
    folder.chmod(0o700)
    done = as_attacker(LEAFD, "check", "-c", site.file)
    assert done.returncode == 2
    assert f"include: cannot open the directory {folder}: Permission denied; check who may read it" in done.stderr


def test_of_a_pattern_over_directories_each_is_judged(site):
    for name in "abc":
        (site.folder / "conf" / name).mkdir(parents=True)
        (site.folder / "conf" / name / "x.ini").write_text(CERT.format(name=name, out=site.folder / "out", lines=""))
    (site.folder / "conf" / "file").write_text("")
    write(site, agent="include = conf/*/x.ini")
    done = site.command("check")
    assert done.code == 0 and "4 certificates" in done.out, done.err
    os.chown(site.folder / "conf" / "b", ATTACKER, -1)
    refuses(site, site.folder / "conf" / "b", BELONGS)
    write(site, agent="include = conf/[a-c]/*.ini")
    assert f"{site.file}:8: [agent] include: cannot be trusted" in site.command("check").err
    assert refuses(site, site.folder / "conf" / "b", BELONGS).count("\n") == 1
    write(site, agent="include = conf/[ac]/?.ini")
    assert site.command("check").code == 0


def test_a_directory_of_templates_that_others_may_write_is_refused(site):
    folder = site.folder / "templates"
    folder.mkdir()
    (folder / "mine.ini").write_text("[template]\nreload = none\n")
    write(site, templates=folder, lines="template = mine")
    assert site.command("check").code == 0
    folder.chmod(0o777)
    refuses(site, folder, ALL)
    # One that is not there could be put there.
    (folder / "mine.ini").unlink()
    refuses(site, folder, ALL)


@pytest.mark.parametrize("at", ["the directory", "a file in it"])
def test_a_directory_of_cas_that_others_may_write_is_refused(site, ca_pair, at):
    folder = site.folder / "ca.d"
    folder.mkdir()
    shutil.copy(ca_pair / "ca.pem", folder / "1.0")
    write(site, vault=f"ca_path = {folder}")
    assert site.command("check").code == 0
    component = folder if at == "the directory" else folder / "1.0"
    component.chmod(0o777 if at == "the directory" else 0o666)
    refuses(site, component, ALL)


def test_a_configuration_of_an_ordinary_user_is_that_users(site):
    """Root would run what that user writes; the message says in one line what to do."""
    write(site, lines="reload = exec /bin/true")
    open_the_way(site.file)
    site.file.chmod(0o600)
    for path in (site.folder, site.file):
        os.chown(path, ATTACKER, -1)
    done = as_attacker(LEAFD, "check", "-c", site.file)
    assert done.returncode == 0, done.stderr
    err = refuses(site, site.folder, BELONGS, "check", "once", "run")
    assert f"; run leafd as uid {ATTACKER}, or " in err and err.count("\n") == 1
    # Another ordinary user's is neither root's nor one's own.
    site.file.chmod(0o644)
    done = as_attacker(LEAFD, "check", "-c", site.file, user=ATTACKER + 1)
    assert done.returncode == 2 and f"and leafd trusts root and uid {ATTACKER + 1} here" in done.stderr


def test_who_only_looks_may_look_at_the_configuration_of_another(site):
    """`status` and `ready` run nothing of it; but what a third one may write they do not believe either."""
    write(site, lines="reload = exec /no/such")
    open_the_way(site.file)
    for owner in (0, ATTACKER, ATTACKER + 1):
        for path in (site.folder, site.file):
            os.chown(path, owner, -1)
        for user in (ATTACKER, 0):
            for command in ("status", "ready"):
                done = as_attacker(LEAFD, command, "-c", site.file, user=user)
                assert done.returncode == 1, (owner, user, done.stderr)
                assert done.stderr == "" if command == "status" else "not ready: web is missing" in done.stderr, (owner, user, done.stderr)
    # Root's file in a directory of the agent's own user: what the agent takes, its probe takes as well.
    os.chown(site.file, 0, -1)
    os.chown(site.folder, ATTACKER, -1)
    assert as_attacker(LEAFD, "check", "-c", site.file).returncode == 2  # for /no/such alone
    assert as_attacker(LEAFD, "ready", "-c", site.file).returncode == 1
    assert as_attacker(LEAFD, "ready", "-c", site.file, user=ATTACKER + 1).returncode == 2
    site.folder.chmod(0o777)
    assert as_attacker(LEAFD, "status", "-c", site.file).returncode == 2


# -- while it runs ----------------------------------------------------------------------------------------------------

def make_program(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_hangup_refuses_what_another_may_write_by_now_and_goes_on(ca, site):
    canary = site.folder / "canary"
    program = make_program(site.folder / "program", f"id >>{canary}")
    site.configure(ca, {"web": WEB + f"reload = exec {program}\n"})
    run = site.run()
    run.wait_ready()
    run.wait_event("reloaded", "web")
    before = canary.read_text()
    os.chown(program, ATTACKER, -1)
    run.hangup()
    broken = run.wait_event("config-broken")
    assert f"cannot be trusted: {program} {BELONGS}" in broken[0]["message"]
    assert run.process.poll() is None and site.status()["web"]["usable"]
    assert canary.read_text() == before
    os.chown(program, 0, -1)
    run.hangup()
    run.wait_event("config-applied")


@pytest.mark.parametrize("key", ["reload", "prove"])
def test_a_program_is_judged_again_right_before_it_is_run(devca, site, key):
    """It was good when the configuration was read; the command before it opens its folder to all."""
    folder, canary = site.folder / "bin", site.folder / "canary"
    folder.mkdir()
    program = make_program(folder / "program", f"id >>{canary}")
    turn = make_program(site.folder / "turn", f"chmod 0777 {folder}")
    earlier = "validate" if key == "reload" else "reload"
    site.configure(devca, {"web": WEB + f"{earlier} = exec {turn}\n{key} = exec {program}\nprove_timeout = 1s\nrollback = no\n"})
    done = site.once()
    assert done.code == 1, done.err
    what = "reload" if key == "reload" else "the command"
    assert f"cannot start {what}: {program}: {folder} {ALL}" in done.err, done.err
    assert not canary.exists()


def test_a_program_on_a_volume_for_all_is_the_one_that_was_judged(ca, site):
    """Others can put another one at its path before it starts, so it is run by its descriptor; elsewhere by its path."""
    volume, canary = site.folder / "volume", site.folder / "canary"
    volume.mkdir()
    program = make_program(volume / "program", f'echo "$0 $1" >>{canary}')
    ordinary = make_program(site.folder / "ordinary", f'echo "$0" >>{canary}')
    site.configure(ca, {"web": WEB + f"validate = exec {program} word\nreload = exec {ordinary}\n"})
    done = subprocess.run(["unshare", "--mount", "sh", "-c", 'mount --bind "$1" "$1"; chmod 0777 "$1"; exec "$2" once -c "$3"',
                           "sh", volume, LEAFD, site.file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert canary.read_text().split("\n") == ["/proc/self/fd/4 word", str(ordinary), ""]


def test_a_running_agent_judges_a_program_at_every_run(ca, site):
    folder, canary = site.folder / "bin", site.folder / "canary"
    folder.mkdir()
    program = make_program(folder / "program", f"id >>{canary}")
    site.configure(ca, {"web": WEB + f"validate = exec {program}\n"}, agent="files_every = 1s")
    run = site.run()
    run.wait_ready()
    before = canary.read_text()
    folder.chmod(0o777)
    os.unlink(os.path.realpath(site.out() / "tls.key"))
    failed = run.wait_event("failed", "web")
    assert f"cannot start validate: {program}: {folder} {ALL}" in failed[-1]["message"]
    assert canary.read_text() == before


def test_a_credential_is_judged_at_every_login(ca, site):
    """What another may write by then is not sent to the CA."""
    token = site.folder / "token"
    shutil.copy(ca.token_file, token)
    site.configure(ca, {"web": WEB}, auth=ca.auth.replace(str(ca.token_file), str(token)))
    assert str(token) in site.file.read_text()
    ca.proxy.cut()
    run = site.run()
    run.wait_event("failed")
    token.chmod(0o666)
    ca.proxy.repair()
    wait_for(lambda: any(f"{token} {ALL}" in line["message"] for line in run.log()), "the credential to be refused")
    assert not site.out().exists() or not is_published(site.out())
    token.chmod(0o600)
    run.wait_event("published", "web")


# -- what is right, and must not be refused ---------------------------------------------------------------------------

# Each makes a file below `base` in a mount namespace of its own, by the steps of a shell, and names it. $F is a file with the
# content that is wanted; A is the attacker.
RIGHTS = {
    "roots-0600": ("cp $F f; chmod 0600 f", "f"),
    "roots-0444": ("cp $F f; chmod 0444 f", "f"),
    "readable-for-a-group-of-others": ("cp $F f; chgrp $A f; chmod 0640 f", "f"),
    "readable-through-an-acl": ("cp $F f; chmod 0600 f; $ACL f 4", "f"),
    "in-a-sticky-directory": ("mkdir d; chmod 1777 d; cp $F d/f", "d/f"),
    "in-a-sticky-directory-for-a-group": ("mkdir d; chgrp $A d; chmod 3775 d; cp $F d/f", "d/f"),
    "in-a-setgid-directory": ("mkdir d; chgrp $A d; chmod 2755 d; cp $F d/f", "d/f"),
    "roots-link": ("cp $F f; ln -s f l", "l"),
    "roots-absolute-link": ("cp $F f; ln -s $PWD/f l", "l"),
    "link-up-and-down": ("mkdir d e; cp $F e/f; ln -s ../e/f d/l", "d/l"),
    "chain-of-links": ("mkdir d; cp $F d/f; ln -s d a; ln -s a b; ln -s b/f l", "l"),
    "roots-link-in-a-sticky-directory": ("mkdir d; chmod 1777 d; cp $F f; ln -s ../f d/l", "d/l"),
    # A ConfigMap: mode 0777 at the root, ..data, mounted read-only.
    "config-map": ("mkdir v v/..1; cp $F v/..1/f; ln -s ..1 v/..data; ln -s ..data/f v/f; chmod 0777 v; "
                   "mount --bind v v; mount -o remount,bind,ro v", "v/f"),
    # The same with fsGroup, and a defaultMode that somebody found on the net.
    "config-map-0777-of-a-group": ("mkdir v v/..1; cp $F v/..1/f; ln -s ..1 v/..data; ln -s ..data/f v/f; chgrp -R $A v; "
                                   "chmod 0777 v/..1/f; chmod 2775 v/..1; chmod 2777 v; mount --bind v v; "
                                   "mount -o remount,bind,ro v", "v/f"),
    # A Secret or a projected token: a tmpfs of mode 1777, mounted read-only; the token belongs to runAsUser.
    "projected-token": ("mkdir v; mount -t tmpfs -o mode=1777 tmpfs v; mkdir v/..1; cp $F v/..1/f; chmod 0600 v/..1/f; "
                        "chown $A v/..1/f; ln -s ..1 v/..data; ln -s ..data/f v/f; mount -o remount,bind,ro v", "v/f"),
    "secret-0440-of-a-group": ("mkdir v; mount -t tmpfs -o mode=1777 tmpfs v; mkdir v/..1; cp $F v/..1/f; chgrp $A v/..1/f; "
                               "chmod 0440 v/..1/f; ln -s ..1 v/..data; ln -s ..data/f v/f; mount -o remount,bind,ro v", "v/f"),
    "sub-path": ("cp $F s; chmod 0666 s; chown $A s; : >f; mount --bind s f; mount -o remount,bind,ro f", "f"),
    "read-only-volume-of-another": ("mkdir v; cp $F v/f; chmod 0666 v/f; chmod 0777 v; chown -R $A v; mount --bind v v; "
                                    "mount -o remount,bind,ro v", "v/f"),
    # Writable, and the mount's root alone is open: an init container put the file there. It is advice.
    "empty-dir": ("mkdir v; chmod 0777 v; mount --bind v v; cp $F v/f", "v/f"),
    "empty-dir-in-memory": ("mkdir v; mount -t tmpfs -o mode=1777 tmpfs v; cp $F v/f", "v/f"),
    "volume-with-fs-group": ("mkdir v; chgrp $A v; chmod 2775 v; mount --bind v v; cp $F v/f; chgrp $A v/f; chmod 0640 v/f", "v/f"),
    "volume-with-fs-group-for-all": ("mkdir v; chgrp $A v; chmod 2777 v; mount --bind v v; mkdir v/d; cp $F v/d/f", "v/d/f"),
}
ADVICE = {"empty-dir", "volume-with-fs-group", "volume-with-fs-group-for-all"}
USES = {"trust_anchor": "trust_anchor = {}", "validate": "validate = exec {}"}


@pytest.fixture(scope="module")
def right(tmp_path_factory, ca_pair):
    """One `check` of all of it, where systemd is not the init: as in a container."""
    folder = tmp_path_factory.mktemp("right")
    make_program(folder / "program", "")
    shutil.copy(ca_pair / "ca.pem", folder / "anchor")
    (folder / "acl").write_text("import os, pathlib, sys\n"
                                f"sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})\n"
                                "import attacker\nattacker.let_through_acl(pathlib.Path(sys.argv[1]), int(sys.argv[2]))\n")
    steps, sections, includes = ["set -e", "umask 022", "mount -t tmpfs tmpfs /run", f"A={ATTACKER}",
                                 f'ACL="/usr/bin/python3 {folder}/acl"'], [], []
    for number, (name, (made, path)) in enumerate(RIGHTS.items()):
        for key in ("trust_anchor", "validate", "include"):
            base = folder / f"{name}-{key}"
            base.mkdir()
            section = f"{key}{number}"
            if key == "include":
                (folder / section).write_text(CERT.format(name=section, out=folder / "out", lines=""))
                includes.append(f"include = {base / path}")
            else:
                sections.append(CERT.format(name=section, out=folder / "out", lines=USES[key].format(base / path)))
            content = {"trust_anchor": "anchor", "validate": "program", "include": section}[key]
            wanted = made
            for mode in ("0600 f", "0640 f", "0444 f", "0666 ", "0600 v/", "0440 v/", "0640 v/"):
                executable = "".join(str(int(digit) | int(digit) // 4) for digit in mode[:4])
                wanted = wanted.replace(f"chmod {mode}", f"chmod {executable}{mode[4:]}" if key == "validate" else "chmod " + mode)
            steps.append(f"cd {base}; F={folder / content}; {wanted}")
    file = folder / "leafd.ini"
    file.write_text(HEAD.format(vault="", auth="role = leafd", templates="/usr/share/none", agent="\n".join(includes))
                    + "".join(sections))
    (folder / "steps").write_text("\n".join([*steps, f'cd /; exec "{LEAFD}" check -c "{file}"\n']))
    done = subprocess.run(["unshare", "--mount", "sh", folder / "steps"], capture_output=True, text=True, check=False,
                          timeout=PATIENCE_S)
    done.folder = folder
    return done


@pytest.mark.parametrize("name", RIGHTS)
def test_what_is_right_is_not_refused(right, name):
    assert f"{right.folder}/{name}-" not in right.stderr
    assert f"[cert include{list(RIGHTS).index(name)}] warning" in right.stdout, "it was read"
    advised = [f"warning: {right.folder}/{name}-{key}/v is a mount that others may write" in right.stdout
               for key in ("trust_anchor", "validate", "include")]
    assert advised == [name in ADVICE] * 3


def test_all_that_is_right_is_right(right):
    assert right.returncode == 0 and f": {3 * len(RIGHTS)} certificates" in right.stdout, right.stdout + right.stderr
    assert len(RIGHTS) > 15


def test_a_user_namespaces_root_trusts_who_stands_for_the_real_one(site):
    """What is root's outside shows as uid 65534 inside; what is the attacker's is the attacker's."""
    write(site, lines="validate = exec /bin/true")
    open_the_way(site.file)
    site.file.chmod(0o644)
    done = as_attacker("unshare", "--user", "--map-root-user", LEAFD, "check", "-c", site.file)
    if "unshare failed" in done.stderr:
        pytest.skip("no user namespaces for ordinary users here")
    assert done.returncode == 0, done.stderr
    site.file.chmod(0o666)
    done = as_attacker("unshare", "--user", "--map-root-user", LEAFD, "check", "-c", site.file)
    assert done.returncode == 2 and ALL in done.stderr


def test_a_program_that_may_only_be_executed_is_run(site):
    shutil.copy("/bin/true", site.folder / "true")
    (site.folder / "true").chmod(0o711)
    write(site, lines=f"validate = exec {site.folder}/true")
    open_the_way(site.file)
    site.file.chmod(0o644)
    done = as_attacker(LEAFD, "check", "-c", site.file)
    assert done.returncode == 0, done.stderr
    (site.folder / "true").chmod(0o700)
    done = as_attacker(LEAFD, "check", "-c", site.file)
    assert done.returncode == 2 and "may not be executed; check its path and mode" in done.stderr


def test_a_script_given_to_an_interpreter_is_advised_against_where_others_may_write_it(site):
    script = site.folder / "script.sh"
    script.write_text("id\n")
    script.chmod(0o666)
    write(site, lines=f"reload = exec /bin/sh {script} /none")
    told = subprocess.run([LEAFD, "check", "-c", site.file], capture_output=True, text=True)
    assert told.returncode == 0 and f"a command gets {script} as an argument" in told.stdout and ALL in told.stdout
    script.chmod(0o644)
    told = subprocess.run([LEAFD, "check", "-c", site.file], capture_output=True, text=True)
    assert told.returncode == 0 and "as an argument" not in told.stdout
