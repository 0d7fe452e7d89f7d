"""The PKI roles that both kinds of CA know, in Vault's words."""

import re

NAMESPACE = "{{identity.entity.aliases.ACCESSOR_%s.metadata.service_account_namespace}}"
ACCOUNT = "{{identity.entity.aliases.ACCESSOR_%s.metadata.service_account_name}}"

ROLES = {
    # lets everything through
    "leafd": {"allow_any_name": True, "allowed_uri_sans": "*", "key_type": "any", "require_cn": False,
              "max_ttl": "24h", "allow_ip_sans": True},
    # what a careful site has
    "web": {"allowed_domains": "example.test", "allow_subdomains": True, "allow_bare_domains": True,
            "key_type": "ec", "require_cn": False, "max_ttl": "1h", "allow_ip_sans": False},
    # takes names from the request in place of the CSR
    "request-names": {"allow_any_name": True, "allowed_uri_sans": "*", "key_type": "any", "require_cn": False,
                      "max_ttl": "24h", "use_csr_sans": False, "use_csr_common_name": False},
    # makes keys itself
    "issue-ec": {"allow_any_name": True, "allowed_uri_sans": "*", "key_type": "ec", "require_cn": False,
                 "max_ttl": "24h"},
    "client-only": {"allow_any_name": True, "key_type": "any", "require_cn": False, "max_ttl": "24h",
                    "server_flag": False, "client_flag": True},
    # keeps no certificate that it signed
    "no-store": {"allow_any_name": True, "key_type": "any", "require_cn": False, "max_ttl": "24h", "no_store": True},
    "wants-rsa": {"allow_any_name": True, "key_type": "rsa", "require_cn": False, "max_ttl": "24h"},
    "needs-cn": {"allow_any_name": True, "key_type": "any", "require_cn": True, "max_ttl": "24h"},
    # each refuses one thing
    "bare-only": {"allowed_domains": "example.test", "allow_bare_domains": True, "key_type": "any", "require_cn": False},
    "below-only": {"allowed_domains": "example.test", "allow_subdomains": True, "key_type": "any", "require_cn": False},
    "no-wildcards": {"allow_any_name": True, "allow_wildcard_certificates": False, "key_type": "any",
                     "require_cn": False},
    "no-localhost": {"allowed_domains": "example.test", "allow_subdomains": True, "allow_localhost": False,
                     "key_type": "any", "require_cn": False},
    "prod-uris": {"allow_any_name": True, "allowed_uri_sans": "spiffe://prod.test/*", "key_type": "any",
                  "require_cn": False},
    "big-keys": {"allow_any_name": True, "key_type": "rsa", "key_bits": 3072, "require_cn": False},
    # underscores and all
    "any-host": {"allow_any_name": True, "enforce_hostnames": False, "allowed_uri_sans": "*", "key_type": "any",
                 "require_cn": False},
    # signs by the issuer that the test pins
    "pinned": {"allow_any_name": True, "key_type": "any", "require_cn": False, "max_ttl": "24h"},
    "unstored": {"allow_any_name": True, "key_type": "any", "require_cn": False, "max_ttl": "24h", "no_store": True},
    "leased": {"allow_any_name": True, "key_type": "any", "require_cn": False, "max_ttl": "24h", "generate_lease": True},
    "server-only": {"allow_any_name": True, "key_type": "any", "require_cn": False, "client_flag": False},
    # bind names to the login, by kubernetes or jwt; ACCESSOR_x is the accessor of that mount
    "bound": {"allowed_uri_sans": [f"spiffe://cluster.local/ns/{NAMESPACE % mount}/sa/{ACCOUNT % mount}"
                                   for mount in ("kubernetes", "jwt")],
              "allowed_domains": [f"{ACCOUNT % mount}.{NAMESPACE % mount}.svc" for mount in ("kubernetes", "jwt")],
              "allowed_uri_sans_template": True, "allowed_domains_template": True, "allow_bare_domains": True,
              "allow_ip_sans": False, "key_type": "any", "require_cn": False},
    # lets every account of a namespace take the names of the others
    "shared": {"allowed_uri_sans": "spiffe://cluster.local/ns/demo/sa/*", "allowed_domains": "demo.svc",
               "allow_subdomains": True, "key_type": "any", "require_cn": False},
}


def with_accessors(settings, accessor):
    """The settings of a role, with the accessors of the CA's mounts in their templates."""
    def fill(value):
        if isinstance(value, list):
            return [fill(item) for item in value]
        return re.sub(r"ACCESSOR_(\w+?)\.", lambda found: accessor(found.group(1)) + ".", value) \
            if isinstance(value, str) else value
    return {key: fill(value) for key, value in settings.items()}
