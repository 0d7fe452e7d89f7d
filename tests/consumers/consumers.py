"""Real programs, each configured as the header of its template says, run as plain processes in a folder of their own."""
import glob
import json
import os
import shutil
import signal
import subprocess

import pytest

from envoy import find_envoy
from handshake import Client
from scene import free_port, wait_for

HERE = os.path.dirname(__file__)
# Renewed every four seconds, long before the end; the set before goes as soon as the new one is proven.
SHORT = "pki_role = leafd\ndns_names = localhost\nttl = 60s\nrenew_at = 7%\nkeep_previous = 1s\nprove_timeout = 15s\n"


def as_user(user):
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []


class Consumer:
    """One program. What differs between them stands in the attributes and in configure(), command() and section()."""
    template = None
    programs = ()        # the first that exists is run
    starttls = None      # how clients come to TLS, in the words of leafd's prove
    user = None          # whom the program runs as; None: root, or whom it changes to itself
    end_signal = signal.SIGTERM
    own_failure = None   # how a handshake may fail that meets the switch, by no fault of leafd's, as its template tells

    def __init__(self, site, ca):
        self.name = self.template
        self.program = next((path for pattern in self.programs for path in sorted(glob.glob(pattern))), None)
        if self.program is None:
            pytest.skip(f"{self.programs[0]} is not installed (contrib/install-packages consumers)")
        self.folder, self.out = site.folder / f"run-{self.name}", site.out(self.name)
        self.folder.mkdir()
        if self.user:
            shutil.chown(self.folder, self.user, self.user)
        self.pidfile, self.log = self.folder / "program.pid", self.folder / "program.log"
        self.port = free_port()
        self.client = Client(self.port, ca.root_file, self.starttls)
        self.environment, self.process, self.pid = {}, None, None
        self.configure()

    def configure(self):
        """Writes what the program needs before its start; the set need not be there yet."""

    def command(self):
        raise NotImplementedError

    def section(self):
        """Lines that the section needs beside its template, for ports and folders that are not the usual."""
        return f"reload = signal HUP pidfile {self.pidfile}\n"

    def proof(self):
        return f"prove = tls 127.0.0.1:{self.port}" + (f" starttls {self.starttls}\n" if self.starttls else "\n")

    def lines(self):
        return f"template = {self.template}\n{SHORT}{self.section()}{self.proof()}"

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def start(self):
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            as_user(self.user) + [str(word) for word in self.command()], cwd=self.folder, stdin=subprocess.DEVNULL,
            stdout=open(self.log, "ab"), stderr=subprocess.STDOUT, start_new_session=True,
            env={"PATH": os.environ["PATH"], "LANG": "C", "HOME": str(self.folder), **self.environment})

        def is_up():
            assert self.process.poll() is None, f"{self.name} ended: {self.told()}"
            return self.client.serial_or_none()
        wait_for(is_up, f"{self.name} to serve")
        self.pid = self.process.pid
        return self

    def told(self):
        return self.log.read_text(errors="replace")[-3000:]

    def never_restarted(self):
        return self.process.poll() is None and self.process.pid == self.pid

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self.end_signal)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


class Nginx(Consumer):
    template = "nginx"
    programs = ("/usr/sbin/nginx",)
    end_signal = signal.SIGQUIT
    certificate, more = "fullchain.pem", ""  # the file that is served; directives of the server

    def configure(self):
        paths = "".join(f"{kind}_temp_path {self.folder}/{kind}; " for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        self.extra = self.write("extra.conf", "")
        self.write("nginx.conf", f"""
            daemon off;
            worker_processes 2;
            pid {self.pidfile};
            events {{}}
            http {{
                access_log off;
                {paths}
                server {{
                    listen 127.0.0.1:{self.port} ssl backlog=1024;
                    ssl_certificate {self.out}/{self.certificate};
                    ssl_certificate_key {self.out}/privkey.pem;
                    {self.more.format(out=self.out)}
                }}
                include {self.extra};
            }}""")

    def command(self):
        return [self.program, "-p", self.folder, "-e", self.folder / "error.log", "-c", self.folder / "nginx.conf"]


class Envoy(Consumer):
    template = "envoy"
    programs = ("/bin/sh",)

    def configure(self):
        self.program, why = find_envoy()
        if self.program is None:
            pytest.skip(why)
        self.admin = free_port()
        address = {"socket_address": {"address": "127.0.0.1", "port_value": self.port}}
        chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "in", "route_config": {"virtual_hosts": [{
                "name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]}]},
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]}}],
            "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "common_tls_context": self.tls_context()}}}
        self.write("envoy.json", json.dumps({
            "node": {"id": "consumer", "cluster": "tests"},
            "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": self.admin}}},
            "static_resources": {"listeners": [{"name": "in", "address": address, "filter_chains": [chain]}]}}))

    def tls_context(self):
        return {"tls_certificate_sds_secret_configs": [{"name": self.name, "sds_config": {
            "path_config_source": {"path": f"{self.out}/sds.yaml"}, "resource_api_version": "V3"}}]}

    def command(self):
        return [self.program, "-c", self.folder / "envoy.json", "--concurrency", 1, "--disable-hot-restart", "-l", "warning"]

    def section(self):
        return ""

    def proof(self):
        return f"prove = http http://127.0.0.1:{self.admin}/certs certificates[*].cert_chain[0].serial_number\n"


class EnvoyStatic(Envoy):
    template = "envoy-static"

    def tls_context(self):
        return {"tls_certificates": [{"certificate_chain": {"filename": f"{self.out}/tls.crt"},
                                      "private_key": {"filename": f"{self.out}/tls.key"}}]}


class Haproxy(Consumer):
    template = "haproxy"
    programs = ("/usr/sbin/haproxy",)

    def configure(self):
        self.socket = self.folder / "admin.sock"
        self.write("haproxy.cfg", f"""
global
    stats socket {self.socket} mode 660 level admin
    hard-stop-after 5s
defaults
    mode http
    timeout client 10s
    timeout server 10s
    timeout connect 10s
frontend web
    bind 127.0.0.1:{self.port} ssl crt {self.out}/site.pem
    http-request return status 200
""")

    def command(self):
        return [self.program, "-W", "-p", self.pidfile, "-f", self.folder / "haproxy.cfg"]

    def section(self):
        return f"reload = signal USR2 pidfile {self.pidfile}\n"


class HaproxyRuntime(Haproxy):
    template = "haproxy-runtime"

    def section(self):
        return f"reload = socket {self.socket} set ssl cert {self.out}/site.pem << site.pem\n" \
               f"reload = socket {self.socket} commit ssl cert {self.out}/site.pem\n"


class Apache(Consumer):
    template = "apache"
    programs = ("/usr/sbin/apache2", "/usr/sbin/httpd")

    def configure(self):
        modules = "/usr/lib/apache2/modules" if self.program.endswith("apache2") else "/usr/lib64/httpd/modules"
        self.extra = self.write("extra.conf", "")
        self.config = self.write("apache.conf", f"""
ServerRoot {self.folder}
DefaultRuntimeDir {self.folder}
ServerName localhost
PidFile {self.pidfile}
ErrorLog {self.folder}/error.log
User nobody
Group nogroup
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule ssl_module {modules}/mod_ssl.so
Listen 127.0.0.1:{self.port}
SSLEngine on
SSLCertificateFile {self.out}/fullchain.pem
SSLCertificateKeyFile {self.out}/privkey.pem
Include {self.extra}
""")

    def command(self):
        return [self.program, "-DFOREGROUND", "-f", self.config]

    def section(self):
        return f"reload = signal USR1 pidfile {self.pidfile}\n"


class Postgresql(Consumer):
    template = "postgresql"
    programs = ("/usr/lib/postgresql/*/bin/postgres", "/usr/bin/postgres")
    starttls = "postgres"
    user = "postgres"
    end_signal = signal.SIGINT

    def configure(self):
        self.data = self.folder / "data"
        subprocess.run(as_user(self.user) + [os.path.join(os.path.dirname(self.program), "initdb"), "-D", str(self.data),
                                             "-A", "trust", "--no-sync", "--no-locale", "-E", "UTF8"],
                       check=True, capture_output=True, cwd=self.folder)

    def command(self):
        return [self.program, "-D", self.data, "-p", self.port, "-h", "127.0.0.1", "-k", self.folder, "-c", "ssl=on", "-c",
                f"ssl_cert_file={self.out}/server.crt", "-c", f"ssl_key_file={self.out}/server.key", "-c",
                f"ssl_ca_file={self.out}/ca.crt", "-c", "fsync=off"]

    def section(self):
        return "file = server.crt fullchain\nfile = server.key key 0600 postgres\nfile = ca.crt ca\n" \
               f"reload = signal HUP pidfile {self.data}/postmaster.pid\n"


class Mariadb(Consumer):
    template = "mariadb"
    programs = ("/usr/sbin/mariadbd",)
    starttls = "mysql"
    user = "mysql"

    def configure(self):
        self.data, self.socket = self.folder / "data", self.folder / "mysqld.sock"
        subprocess.run(as_user(self.user) + ["mariadb-install-db", "--no-defaults", f"--datadir={self.data}",
                                             "--auth-root-authentication-method=socket", "--skip-test-db"],
                       check=True, capture_output=True, cwd=self.folder)
        self.account = self.write("client.cnf", f"[client]\nuser = root\nsocket = {self.socket}\n")

    def command(self):
        return [self.program, "--no-defaults", f"--datadir={self.data}", f"--socket={self.socket}", f"--port={self.port}",
                "--bind-address=127.0.0.1", f"--pid-file={self.pidfile}", f"--ssl-cert={self.out}/server-cert.pem",
                f"--ssl-key={self.out}/server-key.pem", f"--ssl-ca={self.out}/ca.pem", "--innodb-flush-log-at-trx-commit=0"]

    def section(self):
        return "file = server-cert.pem fullchain\nfile = server-key.pem key 0640 :mysql\nfile = ca.pem ca\n" \
               f"reload = exec /usr/bin/mariadb --defaults-file={self.account} -e \"FLUSH SSL\"\n"


class Etcd(Consumer):
    template = "etcd"
    programs = ("/usr/bin/etcd",)
    user = "etcd"
    own_failure = "internal error"  # opens certificate and key at every handshake, one after the other

    def command(self):
        here, peers = f"https://127.0.0.1:{self.port}", f"http://127.0.0.1:{free_port()}"
        return [self.program, "--name", "one", "--data-dir", self.folder / "data", "--listen-client-urls", here,
                "--advertise-client-urls", here, "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers,
                "--initial-cluster", f"one={peers}", f"--cert-file={self.out}/server.crt",
                f"--key-file={self.out}/server.key", f"--trusted-ca-file={self.out}/ca.crt"]

    def section(self):
        return "file = server.crt fullchain\nfile = server.key key 0640 :etcd\nfile = ca.crt ca\n"


class Nats(Consumer):
    """Clients come to its own port, which leafd does not know how to ask; leafd asks at the other one."""
    template = "nats"
    programs = ("/usr/sbin/nats-server", "/usr/bin/nats-server")
    starttls = "nats"
    user = "nats"

    def configure(self):
        self.monitor = free_port()
        self.write("nats.conf", f"""
host: 127.0.0.1
port: {self.port}
https: 127.0.0.1:{self.monitor}
pid_file: "{self.pidfile}"
tls {{cert_file: "{self.out}/server.crt", key_file: "{self.out}/server.key", ca_file: "{self.out}/ca.crt"}}
""")

    def command(self):
        return [self.program, "-c", self.folder / "nats.conf"]

    def section(self):
        return "file = server.crt fullchain\nfile = server.key key 0640 :nats\nfile = ca.crt ca\n" + super().section()

    def proof(self):
        return f"prove = tls 127.0.0.1:{self.monitor}\n"


class Caddy(Consumer):
    template = "caddy"
    programs = ("/usr/bin/caddy",)
    user = "caddy"
    own_failure = "Connection reset by peer"  # what waits at the port that it closes

    def configure(self):
        self.admin = f"127.0.0.1:{free_port()}"
        self.config = self.write("Caddyfile", f"""
{{
    admin {self.admin}
    auto_https disable_redirects
}}
https://localhost:{self.port} {{
    bind 127.0.0.1
    tls {self.out}/fullchain.pem {self.out}/privkey.pem
    respond "hello"
}}
""")

    def command(self):
        return [self.program, "run", "--config", self.config]

    def section(self):
        return "file = fullchain.pem fullchain\nfile = privkey.pem key 0640 :caddy\nfile = ca.pem ca\n" \
               f"reload = exec /usr/bin/caddy reload --force --config {self.config} --address {self.admin}\n"


class Redis(Consumer):
    template = "redis"
    programs = ("/usr/bin/redis-server",)
    user = "redis"

    def command(self):
        return [self.program, "--port", 0, "--tls-port", self.port, "--bind", "127.0.0.1", "--unixsocket",
                self.folder / "redis.sock", "--tls-cert-file", self.out / "fullchain.pem", "--tls-key-file",
                self.out / "privkey.pem", "--tls-ca-cert-file", self.out / "ca.pem", "--tls-auth-clients", "no", "--save",
                "", "--dir", self.folder]

    def section(self):
        return "file = fullchain.pem fullchain\nfile = privkey.pem key 0640 :redis\nfile = ca.pem ca\n" \
               f"reload = exec /usr/bin/redis-cli -e -s {self.folder}/redis.sock CONFIG SET tls-cert-file " \
               "${cert.directory}/fullchain.pem tls-key-file ${cert.directory}/privkey.pem\n"


class Mosquitto(Consumer):
    template = "mosquitto"
    programs = ("/usr/sbin/mosquitto",)

    def configure(self):
        shutil.chown(self.folder, "mosquitto", "mosquitto")
        self.write("mosquitto.conf", f"""
listener {self.port} 127.0.0.1
certfile {self.out}/fullchain.pem
keyfile {self.out}/privkey.pem
pid_file {self.pidfile}
allow_anonymous true
""")

    def command(self):
        return [self.program, "-c", self.folder / "mosquitto.conf"]

    def section(self):
        return "file = fullchain.pem fullchain\nfile = privkey.pem key 0640 :mosquitto\nfile = ca.pem ca\n" + super().section()


class Postfix(Consumer):
    template = "postfix"
    programs = ("/usr/sbin/postfix",)
    starttls = "smtp"

    def configure(self):
        for name in ("queue", "data"):
            (self.folder / name).mkdir()
        shutil.chown(self.folder / "data", "postfix")
        self.write("main.cf", f"""
compatibility_level = 3.6
queue_directory = {self.folder}/queue
data_directory = {self.folder}/data
multi_instance_name =
mydestination =
myhostname = localhost
inet_protocols = ipv4
maillog_file_prefixes = {self.folder}
maillog_file = {self.folder}/mail.log
smtpd_tls_chain_files = {self.out}/chain.pem
smtpd_tls_security_level = may
smtpd_peername_lookup = no
alias_maps =
""")
        self.write("master.cf", f"""
127.0.0.1:{self.port} inet n - n - - smtpd
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
""")

    def command(self):
        return [self.program, "-c", self.folder, "start-fg"]

    def section(self):
        return f"reload = exec /usr/sbin/postfix -c {self.folder} reload\n"

    def master(self):
        return int((self.folder / "queue" / "pid" / "master.pid").read_text())

    def start(self):
        super().start()
        self.pid = self.master()
        return self

    def never_restarted(self):
        return self.process.poll() is None and self.master() == self.pid

    def end(self):
        if self.process is not None:
            subprocess.run([self.program, "-c", str(self.folder), "stop"], capture_output=True, check=False)
        super().end()


class Dovecot(Consumer):
    template = "dovecot"
    programs = ("/usr/sbin/dovecot",)
    starttls = "imap"

    def configure(self):
        self.write("dovecot.conf", f"""
base_dir = {self.folder}/base
state_dir = {self.folder}/state
log_path = {self.folder}/mail.log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{self.out}/fullchain.pem
ssl_key = <{self.out}/privkey.pem
service imap-login {{
  inet_listener imap {{
    port = {self.port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={self.folder}
}}
""")

    def command(self):
        return [self.program, "-F", "-c", self.folder / "dovecot.conf"]

    def section(self):
        return f"reload = signal HUP pidfile {self.folder}/base/master.pid\n"


class Openldap(Consumer):
    template = "openldap"
    programs = ("/usr/sbin/slapd",)
    starttls = "ldap"
    user = "openldap"

    def configure(self):
        self.tree, self.socket = self.folder / "slapd.d", str(self.folder / "ldapi").replace("/", "%2F")

    def start(self):
        # slapadd opens the files that it is told of.
        if not self.tree.exists():
            self.tree.mkdir()
            shutil.chown(self.tree, self.user, self.user)
            peer = "gidNumber=0+uidNumber=0,cn=peercred,cn=external,cn=auth"
            ldif = self.write("config.ldif", f"""dn: cn=config
objectClass: olcGlobal
cn: config
olcTLSCertificateFile: {self.out}/server.crt
olcTLSCertificateKeyFile: {self.out}/server.key

dn: olcDatabase={{0}}config,cn=config
objectClass: olcDatabaseConfig
olcDatabase: {{0}}config
olcAccess: to * by dn.exact={peer} manage by * none
""")
            subprocess.run(as_user(self.user) + ["/usr/sbin/slapadd", "-n", "0", "-F", str(self.tree), "-l", str(ldif)],
                           check=True)
        return super().start()

    def command(self):
        return [self.program, "-d", 0, "-F", self.tree, "-h",
                f"ldap://127.0.0.1:{self.port} ldapi://{self.socket}"]

    def section(self):
        ldif = self.write("tls.ldif", f"""dn: cn=config
changetype: modify
replace: olcTLSCertificateFile
olcTLSCertificateFile: {self.out}/server.crt
-
replace: olcTLSCertificateKeyFile
olcTLSCertificateKeyFile: {self.out}/server.key
""")
        return "file = server.crt fullchain\nfile = server.key key 0640 :openldap\nfile = ca.crt ca\n" \
               f"reload = exec /usr/bin/ldapmodify -Q -Y EXTERNAL -H ldapi://{self.socket} -f {ldif}\n"


class Java(Consumer):
    template = "java"
    programs = ("/usr/bin/java",)

    def configure(self):
        self.password = self.write("password", "a password of the test\n")

    def command(self):
        return [self.program, "-Xmx64m", os.path.join(HERE, "KeystoreServer.java"), self.out / "keystore.p12", self.password,
                self.port]

    def section(self):
        return f"keystore_password_file = {self.password}\n"


ALL = [Nginx, Envoy, Haproxy, HaproxyRuntime, Apache, Caddy, Postgresql, Mariadb, Redis, Etcd, Nats, Mosquitto, Postfix,
       Dovecot, Openldap, Java]
