"""systemctl, as far as README's recipes use it, where systemd is not the init: see run."""
import glob
import os
import pwd
import re
import socket
import subprocess
import sys

UNITS = "/usr/lib/systemd/system"
# ProtectSystem=strict, PrivateTmp= and no capability, as in the unit; the directories that may be written come first.
SANDBOX = """
for directory in $WRITABLE; do mount --bind "$directory" "$directory"; done
mount -t tmpfs tmpfs /tmp
for mounted in /etc /usr /var /run /; do mount -o remount,bind,ro "$mounted"; done
exec setpriv --reuid="$USER" --regid="$USER" --init-groups --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
"""


def settings(unit):
    """Each key of the unit and its drop-ins, with the list of its values."""
    found = {}
    for path in [f"{UNITS}/{unit}", *sorted(glob.glob(f"/etc/systemd/system/{unit}.d/*.conf"))]:
        with open(path, encoding="utf-8") as file:
            for key, value in re.findall(r"^(\w+)=(.*)$", file.read(), re.M):
                found.setdefault(key, []).append(value)
    return found


def verify():
    """As systemd reads them; the manual pages of this machine's own units need not be there."""
    paths = [f"{UNITS}/{name}" for name in ("leafd.service", "leafd-ready.service")]
    nginx, = [path for path in (f"{UNITS}/nginx.service", "/lib/systemd/system/nginx.service") if os.path.exists(path)][:1]
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *paths, nginx], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr


def words(unit, user):
    """How the unit's command is started in its sandbox, and the environment."""
    writable = []
    for key, below in ("RuntimeDirectory", "/run"), ("StateDirectory", "/var/lib"):
        for name in " ".join(unit.get(key, [])).split():
            directory = f"{below}/{name}"
            os.makedirs(directory, mode=0o755, exist_ok=True)
            os.chown(directory, user.pw_uid, user.pw_gid)
            writable.append(directory)
    writable += " ".join(unit.get("ReadWritePaths", [])).split()
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "USER": user.pw_name, "WRITABLE": " ".join(writable)}
    if "RuntimeDirectory" in unit:
        environment["RUNTIME_DIRECTORY"] = writable[0]
    return ["unshare", "--mount", "sh", "-ec", SANDBOX, "sh", *unit["ExecStart"][-1].split()], environment


def start_service(name):
    """Type=notify: ends when the service has said that it is ready."""
    unit = settings(name)
    command, environment = words(unit, pwd.getpwnam(unit["User"][-1]))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told, open(os.environ["LEAFD_LOG"], "ab") as log:
        told.bind("\0recipes")
        told.settimeout(180)
        environment["NOTIFY_SOCKET"] = "@recipes"
        subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # pylint: disable=consider-using-with
        while b"READY=1" not in told.recv(65536).split(b"\n"):
            pass


def restart_nginx():
    """Ordered after leafd-ready.service: what that waits for comes first."""
    unit = settings("nginx.service") if os.path.exists(f"{UNITS}/nginx.service") else {}
    if "leafd-ready.service" in " ".join(unit.get("After", [])).split():
        ready = settings("leafd-ready.service")
        command, environment = words(ready, pwd.getpwnam(ready["User"][-1]))
        subprocess.run(command, env=environment, check=True)
    subprocess.run(["nginx", "-t", "-q"], check=True)
    subprocess.run(["nginx", "-s", "stop"], check=True)
    while os.path.exists("/run/nginx.pid"):
        pass
    subprocess.run(["nginx"], check=True)


KNOWN = {
    ("daemon-reload",): verify,
    ("enable", "--now", "leafd"): lambda: start_service("leafd.service"),
    ("restart", "nginx"): restart_nginx,
}
if tuple(sys.argv[1:]) not in KNOWN:
    sys.exit(f"systemctl: this stand-in does not know: {' '.join(sys.argv[1:])}")
KNOWN[tuple(sys.argv[1:])]()
