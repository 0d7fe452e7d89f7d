"""Another user of the machine, by number: no account is made."""
import os
import struct
import subprocess

import pytest

from scene import PATIENCE_S

ATTACKER = 4242
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be attacked by others")


def as_attacker(*command, user=ATTACKER, **keywords):
    """A command of that user, who is in no group but its own."""
    return subprocess.run(["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *map(str, command)],
                          capture_output=True, text=True, check=False, timeout=PATIENCE_S, **keywords)


def open_the_way(path):
    """pytest keeps its folders to root; an attacker gets there as to any other path."""
    for folder in path.parents:
        if str(folder) not in ("/", "/tmp"):
            folder.chmod(folder.stat().st_mode & 0o7777 | 0o055)


def let_through_acl(path, rights, user=ATTACKER):
    """setfacl -m u:USER:RIGHTS, with the kernel's own format: acl(5), linux/posix_acl_xattr.h."""
    mode = path.stat().st_mode
    nobody = 0xffffffff
    entries = [(0x01, mode >> 6 & 7, nobody), (0x02, rights, user), (0x04, mode >> 3 & 7, nobody),
               (0x10, rights | mode >> 3 & 7, nobody), (0x20, mode & 7, nobody)]
    os.setxattr(path, "system.posix_acl_access",
                struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries))


def give_acl(path, user=ATTACKER):
    """setfacl -d -m u:USER:rx on a directory: what is made in it may be read by that user as well."""
    nobody = 0xffffffff
    entries = [(0x01, 7, nobody), (0x02, 5, user), (0x04, 5, nobody), (0x10, 5, nobody), (0x20, 5, nobody)]
    os.setxattr(path, "system.posix_acl_default",
                struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries))


def has_acl(path):
    return any(name.startswith("system.posix_acl") for name in os.listxattr(path, follow_symlinks=False))
