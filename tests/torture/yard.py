"""yard: the tree that the race suite's attacker attacks, what in it is somebody else's, and whether that was left alone."""
import dataclasses
import os
import shutil
import stat
import subprocess

import attacker

KEY_MODES = {"tls.key": 0o600, "combined.pem": 0o600, "shared.key": 0o640}
ACLS = ("system.posix_acl_access", "system.posix_acl_default")


@dataclasses.dataclass(frozen=True)
class Target:
    """What is attacked: an entry in a directory, both relative to the yard."""
    entry: str
    acts: tuple
    more: str = ""    # lines of the section that lead leafd there
    agent: str = ""   # and of [agent]
    reload: str = "exec /bin/true"

    @property
    def folder(self):
        return os.path.dirname(self.entry)


NAMES_ACTS = ("link", "closed", "file", "hard", "fifo", "dir", "gone", "two", "plant")
SET_ACTS = (*NAMES_ACTS, "precious", "acl", "group")
TARGETS = {
    "set": Target("top/parent/set", SET_ACTS),
    "parent": Target("top/parent", SET_ACTS),
    "link": Target("links/served.key", NAMES_ACTS, more="link = {yard}/links/served.key tls.key"),
    "include": Target("conf/extra.ini", NAMES_ACTS, agent="include = {yard}/conf/*.ini"),
    "program": Target("bin/check", NAMES_ACTS, more="validate = exec {yard}/bin/check"),
    "pidfile": Target("run/consumer.pid", NAMES_ACTS, reload="signal HUP pidfile {yard}/run/consumer.pid"),
    "socket": Target("run/consumer.sock", NAMES_ACTS, reload="socket {yard}/run/consumer.sock hello << tls.key"),
}
# How the attacker comes to its rights in the target's directory. `taken`: it is given them at the call of the point.
MODES = {"mine": 0o755, "group": 0o775, "sticky": 0o1777, "volume": 0o777, "taken": 0o755}


def write(path, text, mode=0o644, owner=0):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(path, mode)
    os.chown(path, owner, owner)


def make_folder(path, mode=0o755, owner=0):
    os.mkdir(path)
    os.chmod(path, mode)
    os.chown(path, owner, owner)


# -- what must not change -----------------------------------------------------------------------------


def acls_of(path):
    return [name for name in os.listxattr(path, follow_symlinks=False) if name in ACLS]


def facts_of(path, about, is_root):
    """All that anybody could tell of an entry, but when it was read, and of a root when it was renamed."""
    content = None
    if stat.S_ISREG(about.st_mode):
        with open(path, "rb") as file:
            content = file.read()
    elif stat.S_ISLNK(about.st_mode):
        content = os.readlink(path)
    return about.st_mode, about.st_uid, about.st_gid, about.st_nlink, 0 if is_root else about.st_size, about.st_mtime_ns, \
        content, [] if stat.S_ISLNK(about.st_mode) else acls_of(path)


class Belongings:
    """Somebody else's directory, held open, so that it is known wherever it is moved."""

    def __init__(self, path, may_grow=False):
        self.path = path
        self.may_grow = may_grow  # it may lawfully become the set: what is in it stays, and more may come
        self.fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        self.before = self.facts()

    def close(self):
        os.close(self.fd)

    def facts(self):
        root, found = f"/proc/self/fd/{self.fd}", {}
        for folder, folders, names in os.walk(root + "/"):
            for name in [".", *folders, *names]:
                path = os.path.normpath(os.path.join(folder, name))
                is_root = path == root
                found[os.path.relpath(path, root)] = facts_of(
                    path, os.stat(path) if is_root else os.lstat(path), is_root)
        if self.may_grow:
            found["."] = found["."][:3]
        return found

    def judge(self, wrong):
        now = self.facts()
        for name, facts in self.before.items():
            if name not in now:
                wrong.append(f"{self.path}/{name} was removed")
            elif now[name] != facts:
                wrong.append(f"{self.path}/{name} was changed from {facts[:6]} to {now[name][:6]}")
        added = [name for name in now if name not in self.before]
        if added and not self.may_grow:
            wrong.append(f"in {self.path} there is now {', '.join(added)}")


# -- the attacked tree --------------------------------------------------------------------------------


class Yard:
    """A tree in which one target is attacked in one way; made anew for each point unless a daemon lives in it."""

    def __init__(self, suite, number, target, how, user):
        self.suite, self.target, self.how, self.user = suite, TARGETS[target], how, user
        self.name = f"{target} {how}" + (f" as {user}" if user else "")
        self.root = os.path.join(suite.place.folder, f"yard{number:02}")
        self.directory = self.path("top/parent/set")
        self.folder, self.entry = self.path(self.target.folder), self.path(self.target.entry)
        self.belongings = []
        self.is_mounted = False
        self.is_link = target == "link"
        # Whoever may add to the directory of include may have anything run, be it sticky or not.
        self.is_refused = how in ("mine", "group") or (target, how) == ("include", "sticky")

    def path(self, name):
        return os.path.join(self.root, name)

    def close(self):
        while self.belongings:
            self.belongings.pop().close()
        if self.is_mounted:
            subprocess.run(["umount", "-l", self.folder], check=True)
            self.is_mounted = False
        shutil.rmtree(self.root, ignore_errors=True)

    def build(self, situation):
        """The tree as it is before the point."""
        self.close()
        for name in ("", "top", "links", "conf", "bin", "run", "victims", "top/parent"):
            make_folder(self.path(name))
        if self.user:
            for name in ("top", "top/parent"):
                os.chown(self.path(name), self.user, self.user)
        write(self.path("conf/extra.ini"), "; nothing yet\n")
        write(self.path("bin/check"), "#!/bin/sh\nexit 0\n", 0o755)
        write(self.path("run/consumer.pid"), f"{self.suite.consumer.pid}\n")
        os.link(self.suite.socket_path, self.path("run/consumer.sock"))
        template = self.suite.template(situation)
        if template is not None:
            shutil.copytree(template, self.directory, symlinks=True)
            self.give_to_user()
            self.damage(situation)
        self.make_victims()
        self.make_props()
        if self.how == "volume":
            subprocess.run(["mount", "--bind", self.folder, self.folder], check=True)
            self.is_mounted = True
        self.give(self.how != "taken")
        self.belongings = [Belongings(path, path.endswith("precious")) for path in self.foreign()]

    def give_to_user(self):
        if not self.user:
            return
        for folder, folders, names in os.walk(self.directory):
            for name in [".", *folders, *names]:
                os.lchown(os.path.join(folder, name), self.user, self.user)

    def damage(self, situation):
        """What a repair has to repair."""
        if situation != "repair":
            return
        how, inside = self.suite.draw.randrange(4), os.path.join(self.directory, "..data")
        if how == 0:
            os.unlink(os.path.join(self.directory, "tls.key"))
        elif how == 1:
            os.unlink(inside)
        elif how == 2:
            os.chmod(os.path.join(inside, "tls.crt"), 0o666)
        else:
            os.truncate(os.path.join(inside, "tls.crt"), 100)

    def make_victims(self):
        """What belongs to leafd's own user, who could therefore do it harm, in a directory that is open and one that is not."""
        owner = self.user
        for name, mode in (("open", 0o755), ("closed", 0o700)):
            folder = self.path(f"victims/{name}")
            make_folder(folder, mode, owner)
            for file in ("..data_tmp", "..state", "..state.new", "..lock", "secret"):
                write(os.path.join(folder, file), f"the {file} of somebody else\n", 0o600, owner)
            write(os.path.join(folder, "public"), "for all\n", 0o644, owner)
            for inside in ("set", "..2020_01_01_00_00_00.abcdef"):
                make_folder(os.path.join(folder, inside), 0o700, owner)
                write(os.path.join(folder, inside, "notes"), "mine\n", 0o600, owner)
                os.chmod(os.path.join(folder, inside), mode)

    def make_props(self):
        """What the attacker has ready beside the target. The hard link is what a kernel without protected_hardlinks lets it make."""
        prop = lambda name: attacker.prop(self.folder, name)
        victim, me = self.path("victims/open"), attacker.USER
        make_folder(prop("dir"), 0o777, me)
        for name, to in (("..data_tmp", "secret"), ("..state.new", "secret"), ("..state", "public"), ("tls.key", "secret"),
                         ("tls.key.leafd-new", "public"), ("set", "."), ("..data", "..2020_01_01_00_00_00.abcdef"), ("..lock", "secret")):
            os.symlink(os.path.normpath(os.path.join(victim, to)), os.path.join(prop("dir"), name))
            os.lchown(os.path.join(prop("dir"), name), me, me)
        os.link(os.path.join(victim, "secret"), os.path.join(prop("dir"), "tls.crt"))
        os.link(os.path.join(victim, "secret"), prop("hard"))
        for name, to in (("link", victim), ("closed", self.path("victims/closed"))):
            os.symlink(to, prop(name))
            os.lchown(prop(name), me, me)
        os.mkfifo(prop("fifo"))
        os.chown(prop("fifo"), me, me)
        os.chmod(prop("fifo"), 0o666)
        make_folder(prop("precious"), 0o700, self.user)
        for name in ("notes", "sub/notes"):
            os.makedirs(os.path.dirname(os.path.join(prop("precious"), name)), exist_ok=True)
            write(os.path.join(prop("precious"), name), "mine\n", 0o600, self.user)
        self.make_evil_file(prop("file"))

    def make_evil_file(self, path):
        """A file in the target's form, in which the attacker says what is to be done."""
        me, program = attacker.USER, self.path("evil-program")
        write(program, f"#!/bin/sh\n: >{self.suite.proofs}/$$\n", 0o755, me)
        if self.target.entry.endswith(".ini"):
            write(path, f"[cert evil]\npki_mount = pki\npki_role = leafd\ndns_names = evil.example.test\ndirectory = {self.path('evil-set')}\n"
                        f"file = tls.crt fullchain\nfile = tls.key key\nvalidate = exec {program}\nreload = exec {program}\n", 0o644, me)
        elif self.target.entry.endswith(".pid"):
            write(path, f"{self.suite.victim.pid}\n", 0o644, me)
        elif self.target.entry.endswith(".sock"):
            os.link(self.suite.evil_socket_path, path)
        else:
            shutil.copy2(program, path)
            os.chown(path, me, me)

    def give(self, yes):
        """The attacker gets its rights, or loses them."""
        os.chmod(self.folder, 0o755 if not yes and self.is_refused else MODES[self.how])
        owner = self.user if self.how in ("mine", "group", "taken") and "top" in self.target.folder else 0
        if yes and self.how in ("mine", "taken"):
            owner = attacker.USER
        os.chown(self.folder, owner, attacker.USER if yes and self.how == "group" else 0)

    def foreign(self):
        return [self.path("victims/open"), self.path("victims/closed"),
                attacker.prop(self.folder, "dir"), attacker.prop(self.folder, "precious")]

    def judge(self, wrong):
        """Nobody's things were touched, nothing was left lying about, and what holds a key is for leafd's user alone."""
        for belonging in self.belongings:
            belonging.judge(wrong)
        known = {os.path.basename(path) for path in [self.entry, *map(lambda name: attacker.prop(self.folder, name),
                                                                     (*attacker.PROPS, "precious", "aside"))]}
        known |= {"parent", "set", "extra.ini", "check", "consumer.pid", "consumer.sock", "served.key"}
        strays = [name for name in os.listdir(self.folder) if name not in known]
        if strays:
            wrong.append(f"in {self.folder} there is now {', '.join(strays)}")
        for folder, _, names in os.walk(self.root):
            for name in names:
                self.judge_file(os.path.join(folder, name), wrong)

    def judge_file(self, path, wrong):
        try:
            about = os.lstat(path)
            if not stat.S_ISREG(about.st_mode):
                return
            with open(path, "rb") as file:
                if attacker.KEY not in file.read():
                    return
        except FileNotFoundError:
            return  # a daemon goes on meanwhile
        mode = stat.S_IMODE(about.st_mode)
        if about.st_uid != self.user or mode != KEY_MODES.get(os.path.basename(path), -1) or acls_of(path):
            wrong.append(f"{path} holds a key, belongs to {about.st_uid}, has mode {mode:o} {acls_of(path)}")

    def repair(self):
        """Root takes the directory back, and puts back what the attacker could not."""
        self.give(False)
        aside = attacker.prop(self.folder, "aside")
        if os.path.lexists(aside) and not os.path.lexists(self.entry):
            os.rename(aside, self.entry)
        if "system.posix_acl_default" in os.listxattr(self.folder):
            os.removexattr(self.folder, "system.posix_acl_default")


# -- the judges on trial ------------------------------------------------------------------------------


def spoil_content(path):
    """The same length at the same time, as far as anybody can tell from outside."""
    about = os.stat(path)
    with open(path, "r+b") as file:
        file.write(b"T")
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


SPOILS = {
    "another mode": lambda yard: os.chmod(yard.path("victims/open/secret"), 0o644),
    "another owner": lambda yard: os.chown(yard.path("victims/closed/public"), attacker.USER, -1),
    "another content": lambda yard: spoil_content(yard.path("victims/closed/secret")),
    "a file more": lambda yard: write(yard.path("victims/open/set/..state"), ""),
    "a file less": lambda yard: os.unlink(yard.path("victims/open/..data_tmp")),
    "an access control list": lambda yard: os.setxattr(yard.path("victims/open/secret"), ACLS[0], attacker.acl()),
    "a changed file of the attacker's": lambda yard: os.chmod(attacker.prop(yard.folder, "dir"), 0o755),
    "a mode of what may grow": lambda yard: os.chmod(attacker.prop(yard.folder, "precious"), 0o755),
    "something left behind": lambda yard: write(os.path.join(yard.folder, "set.new"), ""),
    "a readable key": lambda yard: os.chmod(os.path.join(yard.directory, "tls.key"), 0o644),
    "a key in another place": lambda yard: shutil.copy2(os.path.join(yard.directory, "tls.key"), yard.path("conf/copy")),
    "a key with an access control list": lambda yard: os.setxattr(
        os.path.join(yard.directory, "..data", "shared.key"), ACLS[0], attacker.acl()),
}


def prove_judges(yard, helper):
    """Judges that find nothing prove nothing: they have to object to each of these, and the attacker has to find a key."""
    for what, spoil in SPOILS.items():
        yard.build("publish")
        wrong = []
        yard.judge(wrong)
        assert not wrong, wrong
        helper.order("begin", act="nothing", target=yard.entry, search=yard.root)
        assert not helper.order("end")["keys"], "the attacker reads a key as it is"
        spoil(yard)
        yard.judge(wrong)
        assert wrong, f"the judges overlook {what}"
        assert ("key" in what) == bool(helper.order("end")["keys"]) or "another place" in what, f"{what} is not readable"
