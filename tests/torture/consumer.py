"""nginx as the consumer that has to come up with whatever is left: started for real and asked for its certificate."""
import os
import shutil
import socket
import ssl
import subprocess
import time

from cryptography import x509

PATIENCE_S = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Nginx:
    """A configuration of one TLS server that takes its pair from the set."""

    def __init__(self, folder, directory):
        self.loads = 0
        self.program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        if self.program is None:
            print("NGINX LEFT OUT: there is none on this machine")
            return
        self.folder = os.path.join(folder, "nginx")
        self.port = free_port()
        os.mkdir(self.folder)
        self.file = os.path.join(self.folder, "nginx.conf")
        with open(self.file, "w", encoding="ascii") as file:
            paths = "".join(f"{name}_temp_path {self.folder}/t;" for name in
                            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
            file.write(f"daemon off; master_process off; pid {self.folder}/pid; error_log {self.folder}/error.log;\n"
                       f"events {{}}\nhttp {{ access_log off; {paths}\nserver {{ listen 127.0.0.1:{self.port} ssl;\n"
                       f"ssl_certificate {directory}/tls.crt; ssl_certificate_key {directory}/tls.key; }} }}\n")

    def load(self, serial):
        """What is wrong when nginx starts with the set and is asked for the certificate of that serial."""
        if self.program is None:
            return []
        self.loads += 1
        with subprocess.Popen([self.program, "-c", self.file, "-e", os.path.join(self.folder, "error.log")],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                served = self.ask(process)
            finally:
                process.kill()
        if served is None:
            with open(os.path.join(self.folder, "error.log"), encoding="utf-8", errors="replace") as file:
                return [f"nginx did not start: {file.read()[-300:]}"]
        return [] if served == serial else [f"nginx serves {served:x} in place of {serial:x}"]

    def ask(self, process):
        """The serial that is served, or None when nginx has ended."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        end = time.monotonic() + PATIENCE_S
        while process.poll() is None and time.monotonic() < end:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as plain, \
                        context.wrap_socket(plain) as connection:
                    return x509.load_der_x509_certificate(connection.getpeercert(True)).serial_number
            except ConnectionRefusedError:
                time.sleep(0.002)
        return None
