"""Every kind of wrong configuration: told with file, line, section, key and remedy; exit 2; nothing written."""
import os
import re

import pytest
from preloads import preload

HEAD = """[vault]
address = https://127.0.0.1:1
[auth]
role = leafd
[agent]
template_directory = TEMPLATES
"""
CERT = """[cert web]
pki_role = web
dns_names = a.example.test
directory = OUT
file = tls.crt fullchain
file = tls.key key
"""

# (what, configuration, line of the problem, "[section] key" or "[section]", part of the remedy)
WRONG = [
    ("unknown-key", HEAD + CERT + "dns_name = x\n", 13, "[cert web] dns_name:", "did you mean dns_names"),
    ("far-key", HEAD + CERT + "frobnicate = x\n", 13, "[cert web] frobnicate:", "leafd.ini(5) lists them"),
    ("misplaced-key", HEAD + CERT + "max_in_flight = 3\n", 13, "[cert web] max_in_flight:", "move it to [agent]"),
    ("unknown-section", HEAD + CERT + "[certs db]\n", 13, "[certs db]", "there are [vault], [auth], [agent]"),
    ("named-section", HEAD.replace("[auth]", "[auth main]") + CERT, 3, "[auth main]", "write [auth]"),
    ("nameless-cert", HEAD + CERT + "[cert]\n", 13, "[cert]", "write for example [cert web]"),
    ("odd-name", HEAD + CERT + "[cert a/b]\n", 13, "[cert a/b]", "letters, digits"),
    ("section-twice", HEAD + CERT + "[cert web]\n", 13, "[cert web]", "given twice, first at FILE:7; merge"),
    ("key-twice", HEAD + CERT + "pki_role = x\n", 13, "[cert web] pki_role:", "given twice, first in line 8; keep one"),
    ("no-cert", HEAD, 0, "", "there is no [cert NAME] section; add one"),
    ("no-address", HEAD.replace("address = https://127.0.0.1:1\n", "") + CERT, 1, "[vault] address:",
     "write address = https://HOST:8200, or set VAULT_ADDR"),
    ("http-address", HEAD.replace("https", "http") + CERT, 2, "[vault] address:", "write for example address = https://"),
    ("address-path", HEAD.replace(":1\n", ":1/v1/pki\n") + CERT, 2, "[vault] address:", "leave out path"),
    ("unreadable-ca", HEAD.replace("[auth]", "ca_file = /no/such\n[auth]") + CERT, 3, "[vault] ca_file:",
     "check the path and who may read it"),
    ("lone-client-key", HEAD.replace("[auth]", "client_key = /etc/hostname\n[auth]") + CERT, 3, "[vault] client_key:",
     "go together"),
    ("odd-proxy", HEAD.replace("[auth]", "proxy = socks5://x\n[auth]") + CERT, 3, "[vault] proxy:", "http://"),
    ("timeouts", HEAD.replace("[auth]", "timeout = 5s\nconnect_timeout = 10s\n[auth]") + CERT, 4,
     "[vault] connect_timeout:", "make it shorter"),
    ("odd-method", HEAD.replace("role = leafd", "method = ldap") + CERT, 4, "[auth] method:",
     "is not one of: kubernetes, jwt, approle, cert, token"),
    ("no-role", HEAD.replace("role = leafd\n", "") + CERT, 3, "[auth] role:", "method kubernetes needs it"),
    ("foreign-auth-key", HEAD.replace("role = leafd", "role = leafd\nsecret_id_file = /x") + CERT, 5,
     "[auth] secret_id_file:", "is not read by method kubernetes; remove it"),
    ("no-role-id", HEAD.replace("role = leafd", "method = approle") + CERT, 3, "[auth] role_id:",
     "method approle needs it"),
    ("two-role-ids", HEAD.replace("role = leafd", "method = approle\nrole_id = x\nrole_id_file = /x") + CERT, 6,
     "[auth] role_id_file:", "keep one"),
    ("no-client-cert", HEAD.replace("role = leafd", "method = cert") + CERT, 1, "[vault] client_certificate:",
     "method = cert logs in with"),
    ("no-token-file", HEAD.replace("role = leafd", "method = token") + CERT, 3, "[auth] token_file:",
     "method token needs it"),
    ("odd-number", HEAD + "max_in_flight = 1000\n" + CERT, 7, "[agent] max_in_flight:", "from 1 to 64"),
    ("odd-listen", HEAD + "listen = 127.0.0.1\n" + CERT, 7, "[agent] listen:", "is no address to listen at; write IP:PORT"),
    ("listen-name", HEAD + "listen = localhost:80\n" + CERT, 7, "[agent] listen:", "is no address to listen at; write IP:PORT"),
    ("listen-v6", HEAD + "listen = ::1:9465\n" + CERT, 7, "[agent] listen:", "IPv6 addresses in brackets"),
    ("listen-port", HEAD + "listen = :0\n" + CERT, 7, "[agent] listen:", "from 1 to 65535"),
    ("listen-twice", HEAD + "listen = :1, 127.0.0.1:2,:1\n" + CERT, 7, "[agent] listen:", '":1" is listed twice'),
    ("listen-many", HEAD + f"listen = {', '.join(f':{port}' for port in range(1, 10))}\n" + CERT, 7, "[agent] listen:", "at most eight"),
    ("odd-word", HEAD + "log_level = loud\n" + CERT, 7, "[agent] log_level:", "error, warning, notice, info, debug"),
    ("missing-include", HEAD + "include = /no/such/file.ini\n" + CERT, 7, "[agent] include:", "does not exist"),
    ("no-pki-role", HEAD + CERT.replace("pki_role = web\n", ""), 7, "[cert web] pki_role:",
     "write the PKI role that signs it"),
    ("no-names", HEAD + CERT.replace("dns_names = a.example.test\n", ""), 7, "[cert web] dns_names:",
     "write dns_names, ip_addresses"),
    ("odd-dns-name", HEAD + CERT.replace("a.example.test", "a..b"), 9, "[cert web] dns_names:",
     "labels of letters, digits"),
    ("underscore-in-what-is-drawn", HEAD + CERT.replace("a.example.test", "${env.HIDDEN}") + "request_names = yes\n", 9,
     "[cert web] dns_names:", '"${...}" holds an underscore'),
    ("underscore-in-request", HEAD + CERT.replace("a.example", "a_b") + "request_names = yes\n", 9,
     "[cert web] dns_names:", "let the CSR carry it: request_names = no"),
    ("inner-wildcard", HEAD + CERT.replace("a.example.test", "a.*.test"), 9, "[cert web] dns_names:", "labels"),
    ("name-twice", HEAD + CERT.replace("a.example.test", "a.b, a.b"), 9, "[cert web] dns_names:", "given twice"),
    ("empty-name", HEAD + CERT.replace("a.example.test", "a.b,,c.d"), 9, "[cert web] dns_names:", "single commas"),
    ("odd-ip", HEAD + CERT + "ip_addresses = 300.1.1.1\n", 13, "[cert web] ip_addresses:", "ip_addresses = 192.0.2.7"),
    ("odd-uri", HEAD + CERT + "uris = no scheme\n", 13, "[cert web] uris:", "SCHEME:REST"),
    ("odd-email", HEAD + CERT + "email_addresses = nobody\n", 13, "[cert web] email_addresses:", "LOCAL@DOMAIN"),
    ("long-cn", HEAD + CERT + "common_name = " + "x" * 65 + "\n", 13, "[cert web] common_name:", "64 characters"),
    ("foreign-cn", HEAD + CERT + "common_name = Zo\u00eb\n", 13, "[cert web] common_name:", "use dns_names, which take any"),
    ("odd-mount", HEAD + CERT + "pki_mount = pki//x\n", 13, "[cert web] pki_mount:", "single slashes"),
    ("odd-pki-role", HEAD + CERT.replace("= web\n", "= a/b\n"), 8, "[cert web] pki_role:", "a name in the CA's API"),
    ("odd-duration", HEAD + CERT + "ttl = 24\n", 13, "[cert web] ttl:", "write for example ttl = 24h"),
    ("endless-duration", HEAD + CERT + "ttl = 999999d\n", 13, "[cert web] ttl:", "up to ten years"),
    ("odd-window", HEAD + CERT + "renew_at = 40..55\n", 13, "[cert web] renew_at:",
     "write for example renew_at = 40%..55%"),
    ("backward-window", HEAD + CERT + "renew_at = 60%..50%\n", 13, "[cert web] renew_at:", "does not end before"),
    ("late-window", HEAD + CERT + "renew_at = 99%\n", 13, "[cert web] renew_at:", "ends at 95% or earlier"),
    ("two-renewals", HEAD + CERT + "renew_at = 50%\nrenew_before = 1h\n", 14, "[cert web] renew_before:", "keep one"),
    ("long-renew-before", HEAD + CERT + "ttl = 1h\nrenew_before = 2h\n", 14, "[cert web] renew_before:",
     "make it shorter"),
    ("odd-key-type", HEAD + CERT + "key_type = rsa-1024\n", 13, "[cert web] key_type:", "ecdsa-p256, ecdsa-p384"),
    ("vault-key-never", HEAD + CERT + "key_source = vault\nkey_rotation = never\n", 14, "[cert web] key_rotation:",
     "makes a new key each time"),
    ("no-directory", HEAD + CERT.replace("directory = OUT\n", ""), 7, "[cert web] directory:",
     "write where the files go"),
    ("relative-directory", HEAD + CERT.replace("OUT", "out"), 10, "[cert web] directory:", "absolute path"),
    ("dotted-directory", HEAD + CERT.replace("OUT", "/run/../etc"), 10, "[cert web] directory:",
     "write the path without them"),
    ("shared-directory", HEAD + CERT + CERT.replace("web]", "db]"), 16, "[cert db] directory:", "has its directory to itself"),
    ("no-files", HEAD + "".join(CERT.splitlines(True)[:4]), 7, "[cert web] file:", "or take a template"),
    ("no-key", HEAD + "".join(CERT.splitlines(True)[:5]), 11, "[cert web] file:", "file = tls.key key"),
    ("odd-content", HEAD + CERT + "file = x secret\n", 13, "[cert web] file:", "there are certificate, chain"),
    ("keystore-without-password", HEAD + CERT + "file = k.p12 pkcs12\n", 7, "[cert web] keystore_password_file:",
     "pkcs12 and truststore need it, write for example"),
    ("truststore-without-password", HEAD + CERT + "file = t.p12 truststore\n", 7,
     "[cert web] keystore_password_file:", "/leafd/keystore-password"),
    ("missing-password-file", HEAD + CERT + "file = k.p12 pkcs12\nkeystore_password_file = /no/such\n", 14,
     "[cert web] keystore_password_file:", "check the path and who may read it"),
    ("empty-password-file", HEAD + CERT + "file = k.p12 pkcs12\nkeystore_password_file = /dev/null\n", 14,
     "[cert web] keystore_password_file:", "names a file that"),
    ("long-password-file", HEAD + CERT + "file = k.p12 pkcs12\nkeystore_password_file = /etc/services\n", 14,
     "[cert web] keystore_password_file:", "longer than 1024 bytes"),
    ("world-keystore", HEAD + CERT + "file = k.p12 pkcs12 0644\n", 13, "[cert web] file:", "take 0600"),
    ("world-key-der", HEAD + CERT + "file = k.der key-der 0644\n", 13, "[cert web] file:", "take 0600"),
    ("odd-encryption", HEAD + CERT + "keystore_encryption = rc2\n", 13, "[cert web] keystore_encryption:",
     "is not one of: modern, legacy"),
    ("empty-alias", HEAD + CERT + "keystore_alias =\n", 13, "[cert web] keystore_alias:", "has no value"),
    ("empty-sds-name", HEAD + CERT + "sds_name =\n", 13, "[cert web] sds_name:", "has no value"),
    ("open-sds-ca-name", HEAD + CERT + "sds_ca_name = ${cert.name\n", 13, "[cert web] sds_ca_name:", "close it"),
    ("odd-overlap", HEAD + CERT + "ca_overlap = 2\n", 13, "[cert web] ca_overlap:", "write for example ca_overlap = 48h"),
    ("traditional-ed25519", HEAD + CERT + "key_type = ed25519\nkey_encoding = traditional\n", 14,
     "[cert web] key_encoding:", "write key_encoding = pkcs8"),
    ("sds-without-fullchain", HEAD + CERT.replace("fullchain", "certificate") + "file = sds.yaml envoy-sds\n", 11,
     "[cert web] file:", "add file = tls.crt fullchain"),
    ("sds-without-key", HEAD + CERT.replace("tls.key key", "x.pem combined") + "file = sds.yaml envoy-sds\n", 11,
     "[cert web] file:", "file = tls.key key"),
    ("sds-not-yaml", HEAD + CERT + "file = sds envoy-sds\n", 11, "[cert web] file:", "file = sds.yaml envoy-sds"),
    ("sds-ca-without-ca", HEAD + CERT + "file = sds-ca.yaml envoy-sds-ca\n", 11, "[cert web] file:",
     "add file = ca.crt ca"),
    ("short-file", HEAD + CERT + "file = x\n", 13, "[cert web] file:", "NAME CONTENT [MODE [OWNER[:GROUP]]]"),
    ("file-twice", HEAD + CERT + "file = tls.key key\n", 13, "[cert web] file:", "a file name twice"),
    ("file-path", HEAD + CERT + "file = ../x ca\n", 13, "[cert web] file:", "a set has no folders"),
    ("world-key", HEAD + CERT.replace("tls.key key", "tls.key key 0644"), 12, "[cert web] file:", "take 0600"),
    ("odd-mode", HEAD + CERT + "file = x ca 0666\n", 13, "[cert web] file:", "lets others write"),
    ("unknown-owner", HEAD + CERT + "file = x ca 0644 no-such-user\n", 13, "[cert web] file:", "does not know"),
    ("unknown-group", HEAD + CERT + "file = x ca 0644 root:no-such-group\n", 13, "[cert web] file:", "names a group"),
    ("wide-directory", HEAD + CERT + "directory_mode = 0777\n", 13, "[cert web] directory_mode:", "without write"),
    ("odd-link", HEAD + CERT + "link = /etc/x nothing\n", 13, "[cert web] link:", "name one of the file lines"),
    ("inner-link", HEAD + CERT + "link = OUT/x tls.key\n", 13, "[cert web] link:", "lies inside directory"),
    ("odd-reload", HEAD + CERT + "reload = restart nginx\n", 13, "[cert web] reload:", "is not none, signal"),
    ("unit-of-another-kind", HEAD + CERT + "reload = unit nginx\n", 13, "[cert web] reload:", "unit nginx.service"),
    ("unit-and-more", HEAD + CERT + "reload = unit a.service b.service\n", 13, "[cert web] reload:", "is not unit NAME"),
    ("odd-unit", HEAD + CERT + "reload = unit a/b.service\n", 13, "[cert web] reload:", "systemd does not accept"),
    ("socket-without-text", HEAD + CERT + "reload = socket /run/x\n", 13, "[cert web] reload:", "is not socket PATH [user NAME] TEXT"),
    ("socket-with-payload-only", HEAD + CERT + "reload = socket /run/x << tls.key\n", 13, "[cert web] reload:",
     "is not socket PATH [user NAME] TEXT"),
    ("relative-socket", HEAD + CERT + "reload = socket run/x reload\n", 13, "[cert web] reload:", "absolute path"),
    ("long-socket", HEAD + CERT + "reload = socket /" + "x" * 107 + " reload\n", 13, "[cert web] reload:", "107 bytes"),
    ("payload-of-no-file", HEAD + CERT + "reload = socket /run/x set ssl cert y << z\n", 13, "[cert web] reload:",
     "name one of the file lines"),
    ("payload-in-the-middle", HEAD + CERT + "reload = socket /run/x set << tls.key cert\n", 13, "[cert web] reload:",
     "before the last word"),
    ("socket-of-nobody-known", HEAD + CERT + "reload = socket /run/x user no-such-user reload\n", 13, "[cert web] reload:",
     "a user that this machine does not know"),
    ("socket-user-without-text", HEAD + CERT + "reload = socket /run/x user root\n", 13, "[cert web] reload:",
     "is not socket PATH [user NAME] TEXT"),
    ("process-of-nobody-known", HEAD + CERT + "reload = signal HUP process nginx user no-such-user\n", 13, "[cert web] reload:",
     "a user that this machine does not know"),
    ("process-of-two-words", HEAD + CERT + "reload = signal HUP process nginx www-data\n", 13, "[cert web] reload:",
     "process NAME [user NAME]"),
    ("pidfile-with-user", HEAD + CERT + "reload = signal HUP pidfile /x user root\n", 13, "[cert web] reload:",
     "is not signal SIGNAL pidfile PATH"),
    ("odd-signal", HEAD + CERT + "reload = signal HANGUP pidfile /x\n", 13, "[cert web] reload:", "HUP or USR1"),
    ("kill-signal", HEAD + CERT + "reload = signal KILL pidfile /x\n", 13, "[cert web] reload:", "no program can answer"),
    ("relative-program", HEAD + CERT + "reload = exec nginx -s reload\n", 13, "[cert web] reload:", "absolute path"),
    ("missing-program", HEAD + CERT + "validate = exec /no/such\n", 13, "[cert web] validate:", "does not exist"),
    ("none-and-more", HEAD + CERT + "reload = none\nreload = exec /bin/true\n", 13, "[cert web] reload:",
     "remove the none"),
    ("missing-template", HEAD + CERT + "template = no-such\n", 13, "[cert web] template:", "is neither in"),
    ("undefined-variable", HEAD + CERT + "uris = x:${env.NO_SUCH}\n", 13, "[cert web] uris:", "set it for leafd"),
    ("unknown-expansion", HEAD + CERT + "uris = x:${host.ip}\n", 13, "[cert web] uris:", "there are env.NAME, host.name"),
    ("early-directory", HEAD + CERT + "uris = x:${cert.directory}\n", 13, "[cert web] uris:", "reload and prove"),
    ("open-expansion", HEAD + CERT + "uris = x:${host.name\n", 13, "[cert web] uris:", "close it"),
    # what proves, and who is asked
    ("odd-prove", HEAD + CERT + "prove = ping\n", 13, "[cert web] prove:", "is not none, tls ..., exec ... or http ..."),
    ("prove-nowhere", HEAD + CERT + "prove = tls\n", 13, "[cert web] prove:", "is not tls HOST:PORT [sni NAME]"),
    ("prove-no-port", HEAD + CERT + "prove = tls db\n", 13, "[cert web] prove:", "write HOST:PORT"),
    ("prove-odd-port", HEAD + CERT + "prove = tls db:0\n", 13, "[cert web] prove:", "a number from 1 to 65535"),
    ("prove-great-port", HEAD + CERT + "prove = tls db:65536\n", 13, "[cert web] prove:", "a number from 1 to 65535"),
    ("prove-bare-v6", HEAD + CERT + "prove = tls ::1:443\n", 13, "[cert web] prove:", "in brackets: [::1]:443"),
    ("prove-no-v6", HEAD + CERT + "prove = tls [db]:443\n", 13, "[cert web] prove:", "is not an IPv6 address"),
    ("prove-open-v6", HEAD + CERT + "prove = tls [::1:443\n", 13, "[cert web] prove:", "without ]:PORT"),
    ("prove-odd-host", HEAD + CERT + "prove = tls d/b:443\n", 13, "[cert web] prove:", "neither a name nor an address"),
    ("prove-url", HEAD + CERT + "prove = tls https://db:443\n", 13, "[cert web] prove:", "more than one colon"),
    ("prove-socket", HEAD + CERT + "prove = tls unix:run/x\n", 13, "[cert web] prove:", "an absolute path"),
    ("prove-long-socket", HEAD + CERT + "prove = tls unix:/" + "x" * 110 + "\n", 13, "[cert web] prove:", "107 bytes"),
    ("prove-odd-word", HEAD + CERT + "prove = tls a:1 name b\n", 13, "[cert web] prove:", "[sni NAME] [starttls"),
    ("prove-mutual-twice", HEAD + CERT + "prove = tls a:1 mutual mutual\n", 13, "[cert web] prove:", "[mutual]"),
    ("prove-sni-twice", HEAD + CERT + "prove = tls a:1 sni b sni c\n", 13, "[cert web] prove:", "[sni NAME] [starttls"),
    ("prove-sni-address", HEAD + CERT + "prove = tls a:1 sni 127.0.0.1\n", 13, "[cert web] prove:", "DNS names only"),
    ("prove-sni-wildcard", HEAD + CERT + "prove = tls a:1 sni *.b\n", 13, "[cert web] prove:", "a name that it covers"),
    ("prove-sni-odd", HEAD + CERT + "prove = tls a:1 sni b/c\n", 13, "[cert web] prove:", "is not a DNS name"),
    ("prove-starttls", HEAD + CERT + "prove = tls a:1 starttls ftp\n", 13, "[cert web] prove:",
     "there are postgres, mysql, smtp, imap and ldap"),
    ("prove-program", HEAD + CERT + "prove = exec true\n", 13, "[cert web] prove:", "absolute path"),
    ("prove-no-path", HEAD + CERT + "prove = http https://a/certs\n", 13, "[cert web] prove:",
     "is not none, tls ..., exec ... or http URL JSON-PATH"),
    ("prove-odd-path", HEAD + CERT + "prove = http https://a/certs a[x]\n", 13, "[cert web] prove:", "[NUMBER] and [*]"),
    ("prove-dotted-path", HEAD + CERT + "prove = http https://a/certs a..b\n", 13, "[cert web] prove:",
     "[NUMBER] and [*]"),
    ("prove-plain", HEAD + CERT + "prove = http http://db/certs a\n", 13, "[cert web] prove:",
     "plain http to another machine; take https://"),
    ("prove-plain-v4", HEAD + CERT + "prove = http http://128.0.0.1/ a\n", 13, "[cert web] prove:", "another machine"),
    ("prove-plain-trick", HEAD + CERT + "prove = http http://127.0.0.1.example.test/ a\n", 13, "[cert web] prove:",
     "another machine"),
    ("prove-user", HEAD + CERT + "prove = http http://127.0.0.1@db/ a\n", 13, "[cert web] prove:", "has a user in its URL"),
    ("odd-prove-timeout", HEAD + CERT + "prove_timeout = 0\n", 13, "[cert web] prove_timeout:", "is not a duration"),
    ("odd-prove-every", HEAD + CERT + "prove_every = never\n", 13, "[cert web] prove_every:", "prove_every = 5m"),
    ("odd-rollback", HEAD + CERT + "rollback = maybe\n", 13, "[cert web] rollback:", "is not one of: no, yes"),
    ("odd-reload-http", HEAD + CERT + "reload = http POST\n", 13, "[cert web] reload:", "is not http METHOD URL"),
    ("odd-http-method", HEAD + CERT + "reload = http BREW http://[::1]/\n", 13, "[cert web] reload:",
     "none of GET, POST, PUT, PATCH and DELETE"),
    ("odd-http-url", HEAD + CERT + "reload = http POST ftp://a/\n", 13, "[cert web] reload:",
     "does not start with https://, http:// or unix:/"),
    ("odd-http-socket", HEAD + CERT + "reload = http POST unix:/run/a.sock\n", 13, "[cert web] reload:",
     "is not unix:/PATH:/URL-PATH"),
    ("odd-http-character", HEAD + CERT + "reload = http POST https://a/{b}\n", 13, "[cert web] reload:", "%XX"),
    ("unclosed-quote", HEAD + CERT + 'reload = exec /bin/echo "x\n', 13, "[cert web] reload:", "not closed"),
    ("no-value", HEAD + CERT + "ttl =\n", 13, "[cert web] ttl:", "has no value"),
    # what inih would misread
    ("long-value", HEAD + CERT + "dns_names = " + ", ".join(f"name{i}.example.test" for i in range(220)) + "\n", 13,
     "[cert web]", "repeat the key on further lines"),
    ("smuggled-key", HEAD + CERT + "ttl = " + " " * 195 + "validate = exec /bin/evil\n", 13, "[cert web] ttl:",
     "is not a duration"),
    ("indented-key", HEAD + CERT + "  ttl = 1h\n", 13, "[cert web]", "start it in the first column"),
    ("inline-comment", HEAD + CERT + "ttl = 1h ; short\n", 13, "[cert web]", "lines of their own"),
    ("inline-hash", HEAD + CERT + "ttl = 1h # short\n", 13, "[cert web]", "lines of their own"),
    ("long-section", HEAD + CERT + "[cert " + "x" * 50 + "]\n", 13, "[cert web]", "49 bytes"),
    ("open-section", HEAD + CERT + "[cert db\n", 13, "[cert web]", "write [NAME]"),
    ("after-section", HEAD + CERT + "[cert db] x = y\n", 13, "[cert web]", "alone on its line"),
    ("no-equals", HEAD + CERT + "ttl 1h\n", 13, "[cert web]", "write key = value"),
    ("colon", HEAD + CERT + "ttl: 1h\n", 13, "[cert web]", "not with a colon"),
    ("no-section", "ttl = 1h\n" + HEAD + CERT, 1, "ttl:", "put it below one"),
    ("control-character", HEAD + CERT + "ttl = 1\x07h\n", 13, "[cert web]", "control character"),
]


# What was accepted, and hurt later; the item that is wrong is shown.
WRONG_ITEMS = [
    # addresses
    ("address-bare-v6", HEAD.replace("127.0.0.1:1", "::1:8200") + CERT, 2, "[vault] address:",
     '"https://::1:8200" has more than one colon; write IPv6 addresses in brackets'),
    ("address-great-port", HEAD.replace(":1\n", ":99999\n") + CERT, 2, "[vault] address:",
     "port that is not a number from 1 to 65535"),
    ("address-zero-port", HEAD.replace(":1\n", ":0\n") + CERT, 2, "[vault] address:", "from 1 to 65535"),
    ("address-word-port", HEAD.replace(":1\n", ":https\n") + CERT, 2, "[vault] address:", "from 1 to 65535"),
    ("address-no-port", HEAD.replace(":1\n", ":\n") + CERT, 2, "[vault] address:", "from 1 to 65535"),
    ("address-odd-v4", HEAD.replace("127.0.0.1:1", "127.0.0.256") + CERT, 2, "[vault] address:",
     "four numbers up to 255"),
    ("address-odd-host", HEAD.replace("127.0.0.1:1", "ca!example") + CERT, 2, "[vault] address:",
     "neither a name nor an address"),
    ("address-dots", HEAD.replace("127.0.0.1:1", "ca..example") + CERT, 2, "[vault] address:",
     "neither a name nor an address"),
    ("address-odd-v6", HEAD.replace("127.0.0.1:1", "[::g]") + CERT, 2, "[vault] address:", "not an IPv6 address"),
    ("address-quoted", HEAD.replace("https://127.0.0.1:1", '"https://127.0.0.1:1"') + CERT, 2, "[vault] address:",
     "is in quotes; leave them out"),
    ("proxy-port", HEAD.replace("[auth]", "proxy = http://p:99999\n[auth]") + CERT, 3, "[vault] proxy:",
     '"http://p:99999" has a port that is not a number'),
    ("proxy-path", HEAD.replace("[auth]", "proxy = http://p/x\n[auth]") + CERT, 3, "[vault] proxy:",
     "leave out path, user and query"),
    ("server-name-url", HEAD.replace("[auth]", "tls_server_name = https://ca\n[auth]") + CERT, 3,
     "[vault] tls_server_name:", "without scheme and port"),
    ("server-name-port", HEAD.replace("[auth]", "tls_server_name = ca:8200\n[auth]") + CERT, 3,
     "[vault] tls_server_name:", '"ca:8200" is not a host; write'),
    # DNS names
    ("dns-is-v4", HEAD + CERT.replace("a.example.test", "192.0.2.7"), 9, "[cert web] dns_names:",
     '"192.0.2.7" is an IP address; move it to ip_addresses'),
    ("dns-is-v6", HEAD + CERT.replace("a.example.test", "a.b, ::1"), 9, "[cert web] dns_names:",
     '"::1" is an IP address; move it to ip_addresses'),
    ("dns-almost-v4", HEAD + CERT.replace("a.example.test", "192.0.2.700"), 9, "[cert web] dns_names:",
     '"192.0.2.700" is not a DNS name'),
    ("dns-port", HEAD + CERT.replace("a.example.test", "a.b:443"), 9, "[cert web] dns_names:", "has a port; leave it out"),
    ("dns-url", HEAD + CERT.replace("a.example.test", "https://a.b"), 9, "[cert web] dns_names:", "is a URL; write its host"),
    ("dns-mail", HEAD + CERT.replace("a.example.test", "a@b.c"), 9, "[cert web] dns_names:", "move it to email_addresses"),
    ("dns-blank", HEAD + CERT.replace("a.example.test", "a.b c.d"), 9, "[cert web] dns_names:",
     '"a.b c.d" is more than one name; separate names by commas'),
    ("dns-dot", HEAD + CERT.replace("a.example.test", "a.b."), 9, "[cert web] dns_names:", "leave the dot out"),
    ("dns-star", HEAD + CERT.replace("a.example.test", "*"), 9, "[cert web] dns_names:", "write *.DOMAIN"),
    ("underscore-from-ca", HEAD + CERT.replace("a.example", "a_b") + "key_source = vault\n", 9,
     "[cert web] dns_names:", '"a_b.test" holds an underscore'),
    ("dns-second-name", HEAD + CERT.replace("a.example.test", "${env.TWO}"), 9, "[cert web] dns_names:",
     '"${env.TWO}" has a ${...} whose text contains a comma'),
    ("dns-empty-name", HEAD + CERT.replace("a.example.test", "a.b, ${env.NONE}"), 9, "[cert web] dns_names:",
     '"${env.NONE}" is empty after ${...} was replaced'),
    # addresses in certificates
    ("ip-network", HEAD + CERT + "ip_addresses = 192.0.2.0/24\n", 13, "[cert web] ip_addresses:",
     '"192.0.2.0/24" is a network; write the addresses one by one'),
    ("ip-brackets", HEAD + CERT + "ip_addresses = [::1]\n", 13, "[cert web] ip_addresses:", "is in brackets; leave them"),
    ("ip-zone", HEAD + CERT + "ip_addresses = fe80::1%eth0\n", 13, "[cert web] ip_addresses:", "has a zone"),
    ("ip-name", HEAD + CERT + "ip_addresses = localhost\n", 13, "[cert web] ip_addresses:", "move it to dns_names"),
    ("ip-blank", HEAD + CERT + "ip_addresses = 192.0.2.7 192.0.2.8\n", 13, "[cert web] ip_addresses:", "separate addresses by commas"),
    ("ip-mapped-twice", HEAD + CERT + "ip_addresses = 192.0.2.7, ::ffff:192.0.2.7\n", 13, "[cert web] ip_addresses:",
     '"::ffff:192.0.2.7" is given twice; write it once'),
    ("ip-second", HEAD + CERT + "ip_addresses = ${env.TWO}\n", 13, "[cert web] ip_addresses:", "whose text contains a comma"),
    # URIs
    ("uri-nothing", HEAD + CERT + "uris = file://\n", 13, "[cert web] uris:", '"file://" has nothing after //, which the CA then drops'),
    ("uri-query-alone", HEAD + CERT + "uris = ldap://?x\n", 13, "[cert web] uris:", "write a host or a path"),
    ("spiffe-no-slashes", HEAD + CERT + "uris = spiffe:example.org/a\n", 13, "[cert web] uris:", "write spiffe://TRUST"),
    ("spiffe-query", HEAD + CERT + "uris = spiffe://example.org/a?b=c\n", 13, "[cert web] uris:", "cannot hold; leave it"),
    ("spiffe-fragment", HEAD + CERT + "uris = spiffe://example.org/a#b\n", 13, "[cert web] uris:", "cannot hold; leave it"),
    ("spiffe-slash", HEAD + CERT + "uris = spiffe://example.org/a/\n", 13, "[cert web] uris:", "has an empty part"),
    ("spiffe-dots", HEAD + CERT + "uris = spiffe://example.org/../a\n", 13, "[cert web] uris:", "has an empty part"),
    ("spiffe-port", HEAD + CERT + "uris = spiffe://example.org:80/a\n", 13, "[cert web] uris:", "has a trust domain"),
    ("spiffe-user", HEAD + CERT + "uris = spiffe://u@example.org/a\n", 13, "[cert web] uris:", "has a trust domain"),
    ("spiffe-percent", HEAD + CERT + "uris = spiffe://example.org/a%20b\n", 13, "[cert web] uris:", "has a path that"),
    ("spiffe-no-domain", HEAD + CERT + "uris = spiffe:///a\n", 13, "[cert web] uris:", "names no host"),
    ("uri-empty-query", HEAD + CERT + "uris = https://example.org/a?\n", 13, "[cert web] uris:", "ends with ? or #"),
    ("uri-empty-fragment", HEAD + CERT + "uris = urn:a:b#\n", 13, "[cert web] uris:", "which the CA drops; leave it out"),
    ("uri-empty-query-first", HEAD + CERT + "uris = urn:a:b?#c\n", 13, "[cert web] uris:", "leave out the ?"),
    ("uri-percent", HEAD + CERT + "uris = https://example.org/%zz\n", 13, "[cert web] uris:", "two hex digits; write %25"),
    ("uri-port", HEAD + CERT + "uris = https://example.org:x/\n", 13, "[cert web] uris:", "has a port that is not a number"),
    ("uri-no-host", HEAD + CERT + "uris = https:///a\n", 13, "[cert web] uris:", "names no host"),
    ("uri-twice-by-case", HEAD + CERT + "uris = HTTPS://X.test/a, https://X.test/a\n", 13, "[cert web] uris:", "twice; write it once"),
    ("uri-second", HEAD + CERT + "uris = spiffe://example.org/${env.TWO}\n", 13, "[cert web] uris:", "whose text contains a comma"),
    ("uri-long", HEAD + CERT + "uris = https://example.org/" + "x" * 2048 + "\n", 13, "[cert web] uris:", "longer than 2048"),
    ("mail-underscore", HEAD + CERT + "email_addresses = ops@a_b.test\n", 13, "[cert web] email_addresses:",
     '"ops@a_b.test" has an underscore in its domain'),
    ("cn-quoted", HEAD + CERT + 'common_name = "db.example.test"\n', 13, "[cert web] common_name:", "is in quotes"),
    # paths
    ("root-directory", HEAD + CERT.replace("OUT", "/"), 10, "[cert web] directory:", '"/" is the root directory; give'),
    ("directory-dot", HEAD + CERT.replace("OUT", "OUT/."), 10, "[cert web] directory:", "write the path without them"),
    ("directory-dots", HEAD + CERT.replace("OUT", "OUT/.."), 10, "[cert web] directory:", "write the path without them"),
    ("home-directory", HEAD + CERT.replace("OUT", "~/tls"), 10, "[cert web] directory:", "starts with ~, which only shells"),
    ("directory-inside", HEAD + CERT + CERT.replace("web]", "db]").replace("OUT", "OUT/db"), 16, "[cert db] directory:",
     '/db" lies inside the directory of [cert web]'),
    ("directory-deep-inside", HEAD + CERT + CERT.replace("web]", "b]").replace("OUT", "OUT-b") +
     CERT.replace("web]", "db]").replace("OUT", "OUT/x/db"), 22, "[cert db] directory:",
     "lies inside the directory of [cert web]"),
    ("one-link-twice", HEAD + CERT + "link = /etc/x tls.key\n" + CERT.replace("web]", "db]").replace("OUT", "OUT2") +
     "link = /etc/x tls.key\n", 20, "[cert db] link:", '"/etc/x" is also a link of [cert web]'),
    ("same-link-twice", HEAD + CERT + "link = /etc/x tls.key\nlink = /etc/x tls.crt\n", 13, "[cert web] link:",
     '"/etc/x" is also a link of [cert web]'),
    ("link-in-other-set", HEAD + CERT + CERT.replace("web]", "db]").replace("OUT", "OUT2") + "link = OUT/x tls.key\n", 19,
     "[cert db] link:", '/x" lies inside the directory of [cert web]'),
    ("link-is-directory", HEAD + CERT + CERT.replace("web]", "db]").replace("OUT", "OUT2") + "link = OUT tls.key\n", 19,
     "[cert db] link:", "is also a directory of [cert web]"),
    ("link-dots", HEAD + CERT + "link = /etc/../x tls.key\n", 13, "[cert web] link:", "write the path without them"),
    ("relative-link", HEAD + CERT + "link = x tls.key\n", 13, "[cert web] link:", '"x tls.key" is not an absolute path'),
    # commands
    ("single-quotes", HEAD + CERT + "reload = exec /bin/echo 'a b'\n", 13, "[cert web] reload:",
     '"exec /bin/echo" holds a single quote, which no shell removes here; write double quotes or none'),
    ("single-quotes-prove", HEAD + CERT + "prove = exec /bin/echo it's\n", 13, "[cert web] prove:", "a single quote"),
    ("pipe", HEAD + CERT + "reload = exec /bin/echo a | /bin/cat\n", 13, "[cert web] reload:", "is shell syntax"),
    ("and", HEAD + CERT + "validate = exec /bin/true && /bin/true\n", 13, "[cert web] validate:", "is shell syntax"),
    ("redirection", HEAD + CERT + "reload = exec /bin/echo a 2>/dev/null\n", 13, "[cert web] reload:", "is shell syntax"),
    ("shell-variable", HEAD + CERT + "reload = exec /bin/kill $MAINPID\n", 13, "[cert web] reload:", "write ${env.NAME}"),
    ("substitution", HEAD + CERT + "reload = exec /bin/kill $(cat /run/pid)\n", 13, "[cert web] reload:", "is shell syntax"),
    # hooks
    ("unknown-event", HEAD + "on_event = issued, expird exec /bin/true CANARY\n" + CERT, 7, "[agent] on_event:",
     '"expird" is no kind of event (did you mean expired?); there are issued, failing, expiring, expired, denied, '
     'refused-by-consumer, ca-changed, started, stopping, ready'),
    ("no-event", HEAD + "on_event = exec /bin/true\n" + CERT, 7, "[agent] on_event:", "is not KIND[, KIND...] exec PROGRAM"),
    ("no-hook", HEAD + "on_event = issued\n" + CERT, 7, "[agent] on_event:", "is not KIND[, KIND...] exec PROGRAM"),
    ("hook-of-a-hook", HEAD + "on_event = hook-failed exec /bin/true\n" + CERT, 7, "[agent] on_event:", "is no kind of event"),
    ("relative-hook", HEAD + "on_event = issued exec true\n" + CERT, 7, "[agent] on_event:", "absolute path"),
    ("missing-hook", HEAD + "on_event = issued exec /no/such\n" + CERT, 7, "[agent] on_event:", "does not exist"),
    ("hook-in-shell", HEAD + "on_event = issued exec /bin/true | /bin/cat\n" + CERT, 7, "[agent] on_event:", "is shell syntax"),
    ("many-hooks", HEAD + "on_event = issued exec /bin/true\n" * 17 + CERT, 23, "[agent] on_event:", "there may be 16"),
    ("relative-audit", HEAD + "audit_file = audit.json\n" + CERT, 7, "[agent] audit_file:", "absolute"),
    ("audit-group", HEAD + "audit_group = no-such\n" + CERT, 7, "[agent] audit_group:", "names a group that this machine does not know"),
    ("socket-second-order", HEAD + CERT + "reload = socket /run/x show ${env.ORDERS}\n", 13, "[cert web] reload:",
     '"socket /run/x" has a ${...} whose text contains a space or ;'),
    # where redirects may lead
    ("redirects-no-and-host", HEAD.replace("[auth]", "redirects = no, ca.example.test\n[auth]") + CERT, 3, "[vault] redirects:",
     "no beside other words"),
    ("redirects-no-on-another-line", HEAD.replace("[auth]", "redirects = same-host\nredirects = no\n[auth]") + CERT, 4,
     "[vault] redirects:", "no beside other words"),
    ("redirects-url", HEAD.replace("[auth]", "redirects = https://ca.example.test:8200\n[auth]") + CERT, 3, "[vault] redirects:",
     '"https://ca.example.test:8200" is a URL; write HOST or HOST:PORT'),
    ("redirects-port", HEAD.replace("[auth]", "redirects = ca.example.test:82000\n[auth]") + CERT, 3, "[vault] redirects:",
     "a port that is not a number from 1 to 65535"),
    ("redirects-wildcard", HEAD.replace("[auth]", "redirects = *.example.test\n[auth]") + CERT, 3, "[vault] redirects:",
     '"*.example.test" has a host that is neither a name nor an address'),
    ("redirects-environment", HEAD.replace("[auth]", "redirects = ${env.HOST}\n[auth]") + CERT, 3, "[vault] redirects:",
     "environment variables must not decide where the token goes"),
    ("redirects-elsewhere", HEAD + CERT + "redirects = ca.example.test\n", 13, "[cert web] redirects:", "move it to [vault]"),
    # lines
    ("comment-for-value", HEAD + CERT + "common_name =; none yet\n", 13, "[cert web]", "a comment in place of the value"),
    ("hash-for-value", HEAD + CERT + "common_name = # none yet\n", 13, "[cert web]", "a comment in place of the value"),
    ("comment-before-equals", HEAD + CERT + "ttl ;old = 1h\n", 13, "[cert web]", "a comment before the ="),
    ("blank-key", HEAD + CERT + "pki role = 1h\n", 13, "[cert web]", "letters, digits, _ and - only"),
    ("empty-key", HEAD + CERT + "= 1h\n", 13, "[cert web]", "no key before the ="),
    ("long-expansion", HEAD + CERT + "keystore_alias = ${env.LONG}${env.LONG}\n", 13, "[cert web] keystore_alias:",
     "longer than 4096 bytes once"),
    # near words
    ("far-template", HEAD + CERT + "template = qwertz\n", 13, "[cert web] template:", "leafd-templates(7) lists them"),
    ("near-word", HEAD + CERT + "key_type = rsa2048\n", 13, "[cert web] key_type:", "did you mean rsa-2048?"),
    ("near-keys", HEAD + CERT + "prove_ever = 1h\n", 13, "[cert web] prove_ever:", "did you mean prove_every?"),
]
ENVIRONMENT = {"HIDDEN": "hidden_value.example.test", "TWO": "admin.example.test,a.test", "NONE": "", "ORDERS": "info; shutdown", "LONG": "x" * 3000}


def write(site, text):
    text = text.replace("TEMPLATES", str(site.folder)).replace("OUT", str(site.out()))
    return site.write(text)


@pytest.mark.parametrize("text, line, place, remedy", [w[1:] for w in WRONG + WRONG_ITEMS],
                         ids=[w[0] for w in WRONG + WRONG_ITEMS])
@pytest.mark.parametrize("command", ["check", "run", "once"])
def test_a_wrong_configuration_is_told_and_nothing_is_written(site, command, text, line, place, remedy):
    write(site, text)
    before = sorted(os.listdir(site.folder))
    done = site.command(command, environment=ENVIRONMENT)
    assert done.code == 2, done.err
    where = f"{site.file}:{line}: {place}" if line else f"{site.file}:"
    told = [said for said in done.err.splitlines() if said.startswith(where)]
    assert told, f"wanted {where}\ngot {done.err}"
    assert any(remedy.replace("FILE", str(site.file)) in said for said in told), told
    assert sorted(os.listdir(site.folder)) == before
    assert done.out == ""


def test_there_are_enough_kinds():
    assert len({w[0] for w in WRONG + WRONG_ITEMS}) == len(WRONG) + len(WRONG_ITEMS)
    assert len(WRONG) >= 30 and len(WRONG_ITEMS) >= 60


def test_all_problems_are_told_at_once_in_the_order_of_lines(site):
    write(site, HEAD.replace("https", "http") + CERT.replace("a.example.test", "a b") + "ttl = x\nfoo = y\n")
    done = site.command("check")
    assert [int(re.search(r":(\d+):", said).group(1)) for said in done.err.splitlines()] == [2, 9, 13, 14]


def test_a_section_header_that_is_wrong_is_told_alone(site):
    """Its keys belong to no section: they are not told of as keys of the one before."""
    write(site, HEAD + CERT + CERT.replace("[cert web]", "[cert db"))
    done = site.command("check")
    assert len(done.err.splitlines()) == 1 and f"{site.file}:13:" in done.err


def test_a_wrong_default_is_told_once_however_many_use_it(site):
    certs = "".join(CERT.replace("web]", f"c{i}]").replace("OUT", f"OUT{i}") for i in range(50))
    write(site, HEAD + "[defaults]\nttl = soon\n" + certs)
    done = site.command("check")
    assert done.code == 2
    assert done.err.count("ttl:") == 1
    assert f"{site.file}:8: [defaults] ttl:" in done.err


def test_a_wrong_template_is_told_with_its_own_file_and_line(site):
    (site.folder / "mine.ini").write_text("[template]\nfile = tls.key key 0644\ndirectory = /x\n")
    write(site, HEAD + CERT.replace("file = tls.crt fullchain\nfile = tls.key key\n", "template = mine\n"))
    done = site.command("check")
    assert f"{site.folder}/mine.ini:2: [template] file: \"tls.key key 0644\" lets everybody read a private key" in done.err
    assert f"{site.folder}/mine.ini:3: [template] directory: does not belong here" in done.err


def test_the_near_templates_are_named(site):
    for name in ("nginx", "nginz", "redis"):
        (site.folder / f"{name}.ini").write_text("[template]\n")
    write(site, HEAD + CERT + "template = Ngnix\n")
    done = site.command("check")
    assert f"{site.file}:13: [cert web] template: \"Ngnix\" is neither in {site.folder} nor in" in done.err
    assert done.err.endswith("; did you mean nginx?\n")
    write(site, HEAD + CERT + "template = nginy\n")
    assert site.command("check").err.endswith("; did you mean nginx or nginz?\n")


def test_a_file_that_everybody_may_write_is_refused(site):
    write(site, HEAD + CERT)
    site.file.chmod(0o666)
    done = site.command("check")
    assert done.code == 2 and "chmod o-w it" in done.err


def test_a_file_that_is_not_there_is_told(site):
    done = site.command("check")
    assert done.code == 2
    assert f"{site.file}: cannot open {site.file}: No such file or directory" in done.err


def test_a_wrong_environment_is_told(site):
    write(site, HEAD.replace("address = https://127.0.0.1:1\n", "") + CERT)
    done = site.command("check", environment={"VAULT_ADDR": "http://vault:8200"})
    assert done.code == 2
    assert "environment: BAO_ADDR or VAULT_ADDR, for address: \"http://vault:8200\" does not start with https://" in done.err


def test_values_are_not_repeated_in_what_is_told(site):
    """A token in the wrong place must not reach the log of the pipeline.

    CVE-2022-38149 and CVE-2026-87993: consul-template told secrets in the errors of templates.
    """
    write(site, HEAD.replace("role = leafd", "role = leafd\ntoken_file = CANARY") +
          CERT.replace("a.example.test", "${env.PASSWORD}") + "ttl = hvs.CANARY\nkey_type = eyJCANARY\n"
          "keystore_password_file = CANARY\nreload = exec true CANARY\nprove = http https://u:CANARY@a/ x\n"
          "validate = run x CANARY\nreload = http POST ftp://a/?t=CANARY\n")
    done = site.command("check", environment={"PASSWORD": "CANARY!", "VAULT_PROXY_ADDR": "socks5://u:CANARY@p"})
    assert done.code == 2
    assert "CANARY" not in done.err + done.out
    assert len(done.err.splitlines()) == 10


def test_a_right_configuration_says_so_and_gives_advice(site):
    write(site, HEAD + CERT)
    done = site.command("check")
    assert done.code == 0 and done.err == ""
    assert "the configuration is right: 1 certificate from https://127.0.0.1:1" in done.out
    assert f"{site.file}:7: [cert web] warning: ttl is not set" in done.out


def test_names_that_a_ca_signs_are_advised_on_at_most(site):
    write(site, HEAD + CERT + "ttl = 1h\nuris = spiffee://a.test/x, shttp://a.test/x, spiffe://A.test/x, file:///etc/x\n"
          "uris = unix:///run/x, ldap:///dc=a, x:/a, x:///, x://u@/a, x://:80/\nip_addresses = 0.0.0.0, ::\n")
    done = site.command("check")
    assert done.code == 0, done.err
    for told in ("did you mean spiffe:?", "did you mean https:?", "a trust domain in uris has capital letters",
                 "0.0.0.0 and :: in ip_addresses stand for any address"):
        assert f"{site.file}:7: [cert web] warning: " in done.out and told in done.out, done.out


def test_a_group_is_found_however_many_are_in_it(site):
    write(site, HEAD + CERT + "file = web.pem combined 0640 :crowd\n")
    done = site.command("check", environment=preload("name_service"))
    assert done.code == 0, done.err


def test_a_name_service_that_is_down_is_told_apart_from_a_name_that_does_not_exist(site):
    write(site, HEAD + CERT + "file = web.pem combined 0640 :away\n")
    done = site.command("check", environment=preload("name_service"))
    assert done.code == 2
    assert f"{site.file}:13: [cert web] file: \"web.pem combined 0640 :away\" names a group that cannot be looked up now: Input/output error" in done.err


@pytest.mark.parametrize("agent, place, counts", [
    ("ca_spread = 15m", "[cert web]", "7h12m"),
    ("ca_poll = 5m\nca_spread = 15m", "[agent]", "30m"),
])
def test_a_spread_of_few_polls_is_raised_and_told(site, agent, place, counts):
    """What was the default once stands in configurations: they go on."""
    write(site, HEAD + f"{agent}\n" + CERT + "ttl = 24h\n")
    done = site.command("check")
    assert done.code == 0, done.err
    told, = [line for line in done.out.splitlines() if "ca_spread" in line]
    assert place in told and f"ca_spread = 15m is less than 6 times ca_poll, so leafd uses {counts}" in told
