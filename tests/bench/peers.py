"""The agents beside which leafd is measured: Vault's or OpenBao's own, and consul-template."""
import os
import pathlib
import subprocess

BUILD = pathlib.Path(__file__).resolve().parent / "consul-template"

TEMPLATE = """
template {{
  destination = "{out}/{name}.pem"
  perms = "0600"
  contents = <<EOT
{{{{ with pkiCert "pki_int/issue/issue-ec" "common_name={name}.example.test" "ttl=24h" }}}}{{{{ .Cert }}}}{{{{ .CA }}}}{{{{ .Key }}}}{{{{ end }}}}
EOT
}}
"""

AGENT = """
pid_file = "{folder}/agent.pid"
exit_after_auth = {once}
vault {{ address = "{address}"  ca_cert = "{ca}" }}
auto_auth {{ method "token_file" {{ config = {{ token_file_path = "{token}" }} }} }}
template_config {{ exit_on_retry_failure = true }}
"""

CONSUL_TEMPLATE = """
vault {{
  address = "{address}"
  vault_agent_token_file = "{token}"
  renew_token = false
  ssl {{ ca_cert = "{ca}" }}
}}
"""


class Peer:
    """One of them: how to start it for so many certificates, each with its own template."""

    def __init__(self, name, argv, once, config):
        self.name, self.argv, self.once, self.config = name, argv, once, config

    def command(self, words, names, once):
        file = words["folder"] / "peer.hcl"
        file.write_text(self.config.format(once="true" if once else "false", **words) +
                        "".join(TEMPLATE.format(name=name, **words) for name in names))
        return [*self.argv, f"-config={file}", *(self.once if once else [])]

    def size_mb(self):
        return os.path.getsize(os.path.realpath(self.argv[0])) / 1e6


def agent_of(binary):
    version = subprocess.run([binary, "version"], capture_output=True, text=True, check=True).stdout.split()
    return Peer(f"{version[0].lower()} agent {version[1]}", [binary, "agent"], [], AGENT)


def find_peers(real_ca):
    """Those that there are, and why the others are not: ([Peer], [reason])."""
    peers, missing = [], []
    vault = subprocess.run([BUILD.parent.parent / "vault" / "build", "--path"], capture_output=True, text=True, check=False)
    for binary in dict.fromkeys(os.path.realpath(path) for path in (
            real_ca, os.environ.get("BAO"), vault.stdout.strip() if vault.returncode == 0 else None) if path):
        peers.append(agent_of(binary))
    if not peers:
        missing.append("no Vault or OpenBao for its agent")
    built = subprocess.run([BUILD], capture_output=True, text=True, check=False)
    if built.returncode == 0:
        path = built.stdout.strip()
        version = subprocess.run([path, "-version"], capture_output=True, text=True, check=True)
        words = (version.stdout + version.stderr).split()
        peers.append(Peer(f"consul-template {words[1]}", [path], ["-once"], CONSUL_TEMPLATE))
    else:
        missing.append(f"consul-template is not built: {built.stderr.strip().splitlines()[-1]}")
    return peers, missing
