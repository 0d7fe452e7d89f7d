#include "config/config_keys.h"

#include "base/environment.h"
#include "base/hide.h"
#include "base/text.h"
#include "config/config_orders.h"
#include "config/config_subject.h"
#include "config/config_target.h"

#include <stdlib.h>
#include <string.h>

#define FIELD(type, field)                                                                         \
    .offset = offsetof(struct type, field), .bytes = sizeof((struct type *)0)->field
#define VAULT(field) .sections = IN_VAULT, FIELD(vault_config, field)
#define AUTH(field)  .sections = IN_AUTH, FIELD(auth_config, field)
#define AGENT(field) .sections = IN_AGENT, FIELD(agent_config, field)
/* CERT: keys of certificates. CONSUMER: keys that templates may set as well. SET and SET_CONSUMER:
 * the same, for [trust] as well. */
#define CERT(field)         .sections = IN_CERT, FIELD(cert_config, field)
#define CONSUMER(field)     .sections = IN_CERT | IN_TEMPLATE, FIELD(cert_config, field)
#define SET(field)          .sections = IN_CERT | IN_TRUST, FIELD(cert_config, field)
#define SET_CONSUMER(field) .sections = IN_CERT | IN_TEMPLATE | IN_TRUST, FIELD(cert_config, field)

const struct config_key config_keys[] = {
    {"address", VAULT(address), .parse = parse_address, .environment = "ADDR", .type = "URL",
     .example = "https://vault.example.com:8200"},
    {"ca_file", VAULT(ca_file), .parse = parse_readable_file, .environment = "CACERT",
     .type = "path", .example = LEAFD_CONFIGURATION_DIRECTORY "/vault-ca.pem"},
    {"ca_path", VAULT(ca_path), .parse = parse_ca_directory, .environment = "CAPATH",
     .type = "path", .example = LEAFD_CONFIGURATION_DIRECTORY "/vault-ca.d"},
    {"namespace", VAULT(namespace), .parse = parse_api_path, .environment = "NAMESPACE",
     .type = "namespace", .example = "team-a"},
    {"tls_server_name", VAULT(tls_server_name), .parse = parse_host,
     .environment = "TLS_SERVER_NAME", .type = "host name", .example = "vault.example.com"},
    {"client_certificate", VAULT(client_certificate), .parse = parse_readable_file,
     .environment = "CLIENT_CERT", .type = "path",
     .example = LEAFD_CONFIGURATION_DIRECTORY "/client.crt"},
    {"client_key", VAULT(client_key), .parse = parse_readable_file, .environment = "CLIENT_KEY",
     .type = "path", .example = LEAFD_CONFIGURATION_DIRECTORY "/client.key"},
    {"proxy", VAULT(proxy), .parse = parse_proxy, .environment = "PROXY_ADDR", .type = "URL",
     .example = "http://proxy.example.com:3128"},
    {"timeout", VAULT(timeout_s), .parse = parse_duration, .fallback = "30s", .type = "duration",
     .example = "30s"},
    {"connect_timeout", VAULT(connect_timeout_s), .parse = parse_duration, .fallback = "10s",
     .type = "duration", .example = "10s"},
    {"redirects", VAULT(redirects), .parse = parse_redirects, .repeats = true,
     .fallback = "same-host", .type = "no, same-host or list of HOST[:PORT]",
     .example = "vault-1.example.com:8200, vault-2.example.com:8200"},
    {"ignore", VAULT(ignored), .parse = parse_ignore, .repeats = true, .type = "list of ids",
     .example = "file-expired"},

    {"method", AUTH(method), .parse = parse_auth_method, .fallback = "kubernetes", .type = "word",
     .example = "kubernetes"},
    /* Must come before all keys that may contain ${k8s...}, which is read from this file. */
    {"token_file", .credential = true, AUTH(token_file), .parse = parse_credential_file,
     .type = "path", .example = config_service_account_token},
    {"mount", AUTH(mount), .parse = parse_api_path, .type = "path of the API",
     .example = "kubernetes"},
    {"role", AUTH(role), .parse = parse_api_name, .type = "name", .example = "leafd"},
    {"role_id", .credential = true, AUTH(role_id), .parse = parse_text, .type = "text",
     .example = "5f1e7d1c-8a4b-4a9c-9d52-6d4c3f0a1b2e"},
    {"role_id_file", .credential = true, AUTH(role_id_file), .parse = parse_credential_file,
     .type = "path", .example = LEAFD_CONFIGURATION_DIRECTORY "/role-id"},
    {"secret_id_file", .credential = true, AUTH(secret_id_file), .parse = parse_credential_file,
     .type = "path", .example = LEAFD_CONFIGURATION_DIRECTORY "/secret-id"},
    {"revoke_on_exit", AUTH(revoke_on_exit), .parse = parse_yes_no, .fallback = "no",
     .type = "yes or no", .example = "yes"},
    {"ignore", AUTH(ignored), .parse = parse_ignore, .repeats = true, .type = "list of ids",
     .example = "credential-readable"},

    {"listen", AGENT(listen), .parse = parse_listen, .repeats = true, .may_be_empty = true,
     .fallback = "127.0.0.1:9465", .type = "list of IP:PORT or :PORT, or nothing",
     .example = "127.0.0.1:9465"},
    {"log_format", AGENT(log_format), .parse = parse_log_format, .fallback = "auto", .type = "word",
     .example = "json"},
    {"log_level", AGENT(log_level), .parse = parse_log_level, .fallback = "info", .type = "word",
     .example = "info"},
    {"max_in_flight", AGENT(max_in_flight), .parse = parse_in_flight, .fallback = "16",
     .type = "number", .example = "16"},
    {"ready_when", AGENT(ready_when), .parse = parse_ready_when, .fallback = "tried",
     .type = "word", .example = "tried"},
    {"watch_config", AGENT(watch_config), .parse = parse_yes_no, .fallback = "no",
     .type = "yes or no", .example = "yes"},
    {"files_every", AGENT(files_every_s), .parse = parse_duration_or_0, .fallback = "5m",
     .type = "duration, or 0", .example = "5m"},
    {"ca_poll", AGENT(ca_poll_s), .parse = parse_poll, .fallback = "auto",
     .type = "duration, auto, or 0", .example = "5m"},
    {"ca_spread", AGENT(ca_spread_s), .parse = parse_duration_or_auto, .fallback = "auto",
     .type = "duration, or auto", .example = "30m"},
    {"template_directory", AGENT(template_directory), .parse = parse_path,
     .fallback = LEAFD_CONFIGURATION_DIRECTORY "/templates", .type = "path",
     .example = LEAFD_CONFIGURATION_DIRECTORY "/templates"},
    {"on_event", .orders = true, AGENT(hooks), .parse = parse_on_event, .repeats = true,
     .type = "KIND[, KIND...] exec PROGRAM [ARGUMENT...]",
     .example = "failing, expired exec /usr/local/bin/open-ticket"},
    {"on_event_timeout", AGENT(on_event_timeout_s), .parse = parse_duration, .fallback = "30s",
     .type = "duration", .example = "30s"},
    {"audit_file", AGENT(audit_file), .parse = parse_path, .type = "path",
     .example = "/var/log/leafd/audit.json"},
    {"audit_group", AGENT(audit_group), .parse = parse_group, .type = "group", .example = "adm"},
    {"audit_fsync", AGENT(audit_fsync), .parse = parse_yes_no, .fallback = "no",
     .type = "yes or no", .example = "yes"},
    {"include", .sections = IN_AGENT, .repeats = true, .type = "path with * and ?",
     .example = LEAFD_CONFIGURATION_DIRECTORY "/conf.d/*.ini"},
    {"ignore", AGENT(ignored), .parse = parse_ignore, .repeats = true, .type = "list of ids",
     .example = "others-write"},

    {"template", CERT(template_name), .parse = parse_api_name, .type = "name", .example = "nginx"},
    {"pki_mount", SET(pki_mount), .parse = parse_api_path, .fallback = "pki",
     .type = "path of the API", .example = "pki_int"},
    {"pki_role", CERT(pki_role), .parse = parse_api_name, .type = "name", .example = "web-servers"},
    {"issuer", SET(issuer), .parse = parse_api_name, .type = "name or id", .example = "int-2026"},
    {"ttl", CERT(request.ttl_s), .parse = parse_duration, .type = "duration", .example = "24h"},
    {"common_name", CERT(request.names.common_name), .parse = parse_common_name, .type = "text",
     .example = "db.example.com"},
    {"subject", CERT(request.names.subject), .parse = parse_subject, .repeats = true,
     .type = "list of TYPE=VALUE", .example = "O=My Organization, OU=Team A"},
    {"dns_names", CERT(request.names.dns), .parse = parse_dns_names, .repeats = true,
     .type = "list", .example = "api.example.com, www.example.com"},
    {"ip_addresses", CERT(request.names.ip), .parse = parse_ip_addresses, .repeats = true,
     .type = "list", .example = "192.0.2.7, 2001:db8::7"},
    {"uris", CERT(request.names.uri), .parse = parse_uris, .repeats = true, .type = "list",
     .example = "spiffe://example.org/ns/${k8s.namespace}/sa/${k8s.service_account}"},
    {"email_addresses", CERT(request.names.email), .parse = parse_email_addresses, .repeats = true,
     .type = "list", .example = "ops@example.com"},
    {"request_names", CERT(request_names), .parse = parse_yes_no, .fallback = "no",
     .type = "yes or no", .example = "yes"},
    {"trust_anchor", SET(trust_anchor), .parse = parse_readable_file, .type = "path",
     .example = LEAFD_CONFIGURATION_DIRECTORY "/root.pem"},
    {"key_type", CONSUMER(request.key_type), .parse = parse_key_type, .fallback = "ecdsa-p256",
     .type = "word", .example = "ecdsa-p256"},
    {"key_rotation", CERT(key_rotation), .parse = parse_key_rotation, .fallback = "always",
     .type = "word", .example = "always"},
    {"key_source", CERT(key_origin), .parse = parse_key_source, .fallback = "local",
     .type = "local, vault or file PATH", .example = "local"},
    {"key_encoding", CONSUMER(key_encoding), .parse = parse_key_encoding, .fallback = "pkcs8",
     .type = "word", .example = "pkcs8"},
    {"usage", CONSUMER(request.usage), .parse = parse_usage, .fallback = "any", .type = "word",
     .example = "server"},
    /* Only the percentages of the struct: its other field belongs to renew_before. */
    {"renew_at", .sections = IN_CERT, .offset = offsetof(struct cert_config, renewal),
     .bytes = offsetof(struct renewal_rule, before_s), .parse = parse_window,
     .type = "window of percentages", .example = "40%..55%"},
    {"renew_before", CERT(renewal.before_s), .parse = parse_duration, .type = "duration",
     .example = "10m"},
    {"directory", SET(directory), .parse = parse_directory, .type = "path",
     .example = "/etc/nginx/tls"},
    {"directory_mode", SET_CONSUMER(directory_mode), .parse = parse_directory_mode,
     .fallback = "0755", .type = "octal mode", .example = "0750"},
    {"file", SET_CONSUMER(outputs), .parse = parse_file, .repeats = true,
     .type = "NAME CONTENT [MODE [OWNER[:GROUP]]]", .example = "tls.key key 0600 postgres"},
    {"keystore_password_file", .credential = true, SET(keystore_password_file),
     .parse = parse_password_file, .type = "path",
     .example = LEAFD_CONFIGURATION_DIRECTORY "/keystore-password"},
    {"keystore_encryption", SET_CONSUMER(keystore_encryption), .parse = parse_keystore_encryption,
     .fallback = "modern", .type = "word", .example = "legacy"},
    {"keystore_alias", CONSUMER(keystore_alias), .parse = parse_text, .fallback = "${cert.name}",
     .type = "text", .example = "tomcat"},
    {"sds_name", CONSUMER(sds_name), .parse = parse_text, .fallback = "${cert.name}",
     .type = "text", .example = "leaf"},
    {"sds_ca_name", SET_CONSUMER(sds_ca_name), .parse = parse_text, .fallback = "${cert.name}-ca",
     .type = "text", .example = "peers"},
    {"ca_overlap", CERT(ca_overlap_s), .parse = parse_duration, .type = "duration",
     .example = "48h"},
    {"crl_mounts", .sections = IN_TRUST, FIELD(cert_config, crl_mounts), .parse = parse_api_paths,
     .repeats = true, .type = "list of paths of the API", .example = "pki, pki_root"},
    {"crl_file", .sections = IN_TRUST, FIELD(cert_config, crl_file), .parse = parse_readable_file,
     .type = "path", .example = LEAFD_CONFIGURATION_DIRECTORY "/root.crl"},
    {"link", SET(links), .parse = parse_link, .repeats = true, .type = "PATH NAME",
     .example = "/etc/ssl/private/db.key tls.key"},
    {"validate", .orders = true, SET_CONSUMER(validate), .parse = parse_validate,
     .type = "exec PROGRAM [ARGUMENT...]", .example = "exec /usr/local/bin/lint-tls"},
    {"reload", .orders = true, SET_CONSUMER(reloads), .parse = parse_reload, .repeats = true,
     .fallback = "none", .type = "none, signal, unit, socket, exec or http",
     .example = "signal HUP pidfile /run/nginx.pid"},
    {"prove", .orders = true, SET_CONSUMER(prove), .parse = parse_prove, .fallback = "none",
     .type = "none, tls, exec or http", .example = "tls 127.0.0.1:443 sni api.example.com"},
    {"prove_timeout", SET_CONSUMER(prove_timeout_s), .parse = parse_duration, .fallback = "60s",
     .type = "duration", .example = "60s"},
    {"prove_every", SET_CONSUMER(prove_every_s), .parse = parse_duration_or_0, .fallback = "5m",
     .type = "duration, or 0", .example = "5m"},
    {"rollback", SET_CONSUMER(rollback), .parse = parse_yes_no, .fallback = "yes",
     .type = "yes or no", .example = "no"},
    {"command_timeout", SET_CONSUMER(command_timeout_s), .parse = parse_duration, .fallback = "30s",
     .type = "duration", .example = "30s"},
    {"keep_previous", SET_CONSUMER(keep_previous_s), .parse = parse_duration, .fallback = "10s",
     .type = "duration", .example = "1m"},
    {"ignore", SET(ignored), .parse = parse_ignore, .repeats = true, .type = "list of ids",
     .example = "no-proof, wildcard"},
};

enum { KEYS = sizeof config_keys / sizeof *config_keys };

const size_t config_key_count = KEYS;

static const struct config_key *find_key(const char *name, unsigned sections)
{
    for (size_t i = 0; i < KEYS; i++)
        if ((config_keys[i].sections & sections) != 0 && strcmp(config_keys[i].name, name) == 0)
            return &config_keys[i];
    return NULL;
}

/* The keys of `sections` that a mistyped name may mean, as "a, b or c"; or NULL. */
static const char *keys_near(const char *typed, unsigned sections, struct arena *arena)
{
    const char *names[KEYS];
    size_t count = 0;

    for (size_t i = 0; i < KEYS; i++)
        if ((config_keys[i].sections & sections) != 0)
            names[count++] = config_keys[i].name;
    return text_near(arena, typed, names, count);
}

/* -- filling a struct from entries ----------------------------------------------------------------
 */

enum { ITEM_SHOWN_BYTES = 96 };

/* A fingerprint of a key's values; 0: none. */
struct print {
    uint64_t lanes[2];
};

struct config_base {
    struct config_base *next;
    const struct config_section *layers[CONFIG_LAYERS]; /* without the section's own */
    void *target;
    bool is_tried[KEYS]; /* a section without an entry of its own for the key was filled */
    bool is_ready[KEYS]; /* `target` holds the value of the key for all such sections */
    struct print prints[KEYS];
};

/* A section being filled. */
struct fill {
    const struct config_filling *filling;
    void *target;
    struct print *prints;
};

/* FNV-1a, draft-eastlake-fnv, with two start values. An operator who constructed a collision would
 * only prevent their own change from being noticed. */
static void print_value(struct print *print, const char *value)
{
    static const uint64_t begin[] = {0xcbf29ce484222325, 0x84222325cbf29ce4};

    for (size_t i = 0; i < 2; i++) {
        uint64_t sum = print->lanes[i] == 0 ? begin[i] : print->lanes[i];
        const char *at = value;

        do
            sum = (sum ^ (unsigned char)*at) * 0x100000001b3;
        while (*at++ != '\0');
        print->lanes[i] = sum;
    }
}

static const char *from_environment(const struct config_key *key, struct arena *arena)
{
    const char *names[2] = {arena_format(arena, "BAO_%s", key->environment),
                            arena_format(arena, "VAULT_%s", key->environment)};

    for (size_t i = 0; i < 2; i++) {
        const char *value = names[i] == NULL ? NULL : environment_get(names[i]);

        /* As in OpenBao: BAO_X takes precedence over VAULT_X, even if it is empty. */
        if (value != NULL)
            return value[0] == '\0' ? NULL : value;
    }
    return NULL;
}

/* Whether a text looks like a credential: a token, PEM, or a URL with a user. */
static bool looks_secret(const char *text)
{
    static const char *const marks[] = {"hvs.", "hvb.", "hvr.", "eyJ", "-----BEGIN"};
    size_t length = strcspn(text, " \t");

    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (strstr(text, marks[i]) != NULL)
            return true;
    /* Tokens of Vault before 1.10. */
    return (length >= 26 && (text_starts(text, "s.") != NULL || text_starts(text, "b.") != NULL)) ||
           (strstr(text, "://") != NULL && strchr(text, '@') != NULL);
}

/* How much of a value may be shown: of an order without its arguments and query, else all of it. */
static size_t shown_length(const struct config_key *key, const char *text)
{
    size_t length = strlen(text), words = strcspn(text, " \t");

    if (!key->orders || text_starts(text, "signal ") != NULL ||
        text_starts(text, "unit ") != NULL || text_starts(text, "tls ") != NULL)
        return length;
    words += strspn(text + words, " \t");
    words += strcspn(text + words, " \t?");
    return words;
}

/* The offending item in quotes and a space, or "" if it must not be shown. */
static const char *show_item(const struct config_filling *filling, const struct config_key *key,
                             const char *value)
{
    struct arena *arena = filling->scope->arena;
    const char *item = filling->scope->item == NULL ? value : filling->scope->item;
    const char *part = arena_copy_part(arena, item, shown_length(key, item));
    const char *text = NULL;
    char shown[ITEM_SHOWN_BYTES];

    if (part == NULL || item[0] == '\0' || key->credential || looks_secret(item))
        return "";
    hide_foreign(shown, sizeof shown, part);
    text = arena_format(arena, "\"%s\" ", shown);
    return text == NULL ? "" : text;
}

/* The item, what is wrong with it, and the remedy: the text after a semicolon in `why`, else the
 * key's example. */
static const char *complete(const struct config_filling *filling, const struct config_key *key,
                            const char *value, const char *why)
{
    const char *item = show_item(filling, key, value);
    const char *text;

    if (strchr(why, ';') != NULL)
        text = arena_format(filling->scope->arena, "%s%s", item, why);
    else
        text = arena_format(filling->scope->arena, "%s%s; write for example %s = %s", item, why,
                            key->name, key->example);
    return text == NULL ? config_no_memory : text;
}

static size_t index_of(const struct config_key *key)
{
    return (size_t)(key - config_keys);
}

static void *field_of(const struct fill *fill, const struct config_key *key)
{
    return (unsigned char *)fill->target + key->offset;
}

static const char *parse_value(const struct fill *fill, const struct config_key *key,
                               const char *value)
{
    const struct config_filling *filling = fill->filling;
    const char *why;

    filling->scope->item = NULL;
    if (value[0] == '\0' && !key->may_be_empty)
        return complete(filling, key, value, "has no value");
    print_value(&fill->prints[index_of(key)], value);
    why = key->parse(filling->scope, value, field_of(fill, key));
    return why == NULL ? NULL : complete(filling, key, value, why);
}

/* The next entry of a key that may repeat. config_check_keys reports the others. */
static struct config_entry *next_entry(const struct config_key *key, struct config_entry *entry)
{
    struct config_entry *next = key->repeats ? entry->next : NULL;

    while (next != NULL && strcmp(next->key, key->name) != 0)
        next = next->next;
    return next;
}

/* Parses this entry and its repetitions; false if one is wrong, which is reported once. */
static bool parse_entries(const struct fill *fill, const struct config_key *key,
                          const struct config_section *section, struct config_entry *entry)
{
    bool is_good = true;

    for (; entry != NULL; entry = next_entry(key, entry)) {
        const char *why = parse_value(fill, key, entry->value);

        if (why != NULL && !entry->told) {
            entry->told = true;
            config_problem(
                fill->filling->problems,
                &(struct config_place){section->file, entry->line, section->title, key->name}, "%s",
                why);
        }
        is_good &= why == NULL;
    }
    return is_good;
}

/* Fills the field from the section itself, and discards the inherited value. */
static bool fill_own(const struct fill *fill, const struct config_key *key)
{
    const struct config_section *own = fill->filling->layers[0];
    struct config_entry *entry = config_entry_find(own, key->name);

    if (entry == NULL)
        return false;
    memset(field_of(fill, key), 0, key->bytes);
    fill->prints[index_of(key)] = (struct print){0};
    parse_entries(fill, key, own, entry);
    return true;
}

static void fill_from_outside(const struct fill *fill, const struct config_key *key)
{
    const char *value = NULL, *why;

    if (key->environment != NULL)
        value = from_environment(key, fill->filling->scope->arena);
    if (value == NULL) {
        if (key->fallback != NULL)
            parse_value(fill, key, key->fallback);
        return;
    }
    why = parse_value(fill, key, value);
    if (why != NULL)
        config_problem(fill->filling->problems, &(struct config_place){.file = "environment"},
                       "BAO_%s or VAULT_%s, for %s: %s", key->environment, key->environment,
                       key->name, why);
}

/* Fills the field from the first other layer that has the key, else from the environment or the
 * default. */
static void fill_inherited(const struct fill *fill, const struct config_key *key)
{
    for (size_t i = 1; i < CONFIG_LAYERS; i++) {
        const struct config_section *section = fill->filling->layers[i];
        struct config_entry *entry = config_entry_find(section, key->name);

        if (entry != NULL) {
            parse_entries(fill, key, section, entry);
            return;
        }
    }
    fill_from_outside(fill, key);
}

/* The same, if the value is the same for all sections; false if it is not, or it is wrong. */
static bool fill_alike(const struct fill *fill, const struct config_key *key)
{
    for (size_t i = 1; i < CONFIG_LAYERS; i++) {
        const struct config_section *section = fill->filling->layers[i];
        struct config_entry *first = config_entry_find(section, key->name);

        for (struct config_entry *at = first; at != NULL; at = next_entry(key, at))
            if (strstr(at->value, "${") != NULL)
                return false;
        if (first != NULL)
            return parse_entries(fill, key, section, first);
    }
    return key->environment == NULL &&
           (key->fallback == NULL ||
            (strstr(key->fallback, "${") == NULL && parse_value(fill, key, key->fallback) == NULL));
}

static bool is_of(const struct config_base *base, const struct config_filling *filling)
{
    return base->layers[1] == filling->layers[1] && base->layers[2] == filling->layers[2];
}

/* The base of the section's template, which is made if needed; NULL without bases or memory. */
static struct config_base *base_of(const struct config_filling *filling)
{
    struct config_base **link = filling->bases, *base;

    while (link != NULL && *link != NULL && !is_of(*link, filling))
        link = &(*link)->next;
    if (link == NULL || *link != NULL)
        return link == NULL ? NULL : *link;
    base = arena_take(filling->source, sizeof *base);
    if (base != NULL)
        base->target = arena_take(filling->source, filling->bytes);
    if (base == NULL || base->target == NULL)
        return NULL;
    memcpy(base->layers, filling->layers, sizeof base->layers);
    *link = base;
    return base;
}

/* Parses the key into the base; false if it must be parsed for each section. */
static bool learn(struct config_base *base, const struct fill *fill, const struct config_key *key)
{
    const struct fill learning = {fill->filling, base->target, base->prints};
    size_t i = index_of(key);

    if (base->is_tried[i])
        return false;
    base->is_tried[i] = true;
    base->is_ready[i] = fill_alike(&learning, key);
    if (base->is_ready[i]) {
        memcpy(field_of(fill, key), field_of(&learning, key), key->bytes);
        fill->prints[i] = base->prints[i];
    } else {
        memset(field_of(&learning, key), 0, key->bytes);
        base->prints[i] = (struct print){0};
    }
    return base->is_ready[i];
}

void config_fill(const struct config_filling *filling)
{
    struct config_base *base = base_of(filling);
    struct print prints[KEYS] = {0};
    const struct fill fill = {filling, filling->target, prints};

    if (base != NULL) {
        memcpy(filling->target, base->target, filling->bytes);
        memcpy(prints, base->prints, sizeof prints);
    }
    for (size_t i = 0; i < KEYS; i++) {
        const struct config_key *key = &config_keys[i];

        if ((key->sections & filling->sections) != 0 && key->parse != NULL &&
            !fill_own(&fill, key) &&
            (base == NULL || (!base->is_ready[i] && !learn(base, &fill, key))))
            fill_inherited(&fill, key);
    }
    digest_add(filling->digest, prints, sizeof prints);
    arena_free(&filling->scope->scratch);
}

static const char *section_of(const struct config_key *key)
{
    if ((key->sections & IN_VAULT) != 0)
        return "[vault]";
    if ((key->sections & IN_AUTH) != 0)
        return "[auth]";
    if ((key->sections & (IN_TRUST | IN_CERT)) == IN_TRUST)
        return "[trust NAME]";
    return (key->sections & IN_AGENT) != 0 ? "[agent]" : "[cert NAME]";
}

static void tell_unknown(const struct config_place *place, unsigned sections,
                         struct config_problems *problems)
{
    const struct config_key *elsewhere = find_key(place->key, ~0U);
    const char *near = keys_near(place->key, sections, &problems->arena);

    if (elsewhere != NULL)
        config_problem(problems, place, "does not belong here; move it to %s",
                       section_of(elsewhere));
    else if (near != NULL)
        config_problem(problems, place, "is no key of leafd; did you mean %s?", near);
    else
        config_problem(problems, place, "is no key of leafd; leafd.ini(5) lists them");
}

void config_check_keys(const struct config_section *section, unsigned sections,
                       struct config_problems *problems)
{
    for (const struct config_entry *entry = section->entries; entry != NULL; entry = entry->next) {
        const struct config_key *key = find_key(entry->key, sections);
        const struct config_entry *first = config_entry_find(section, entry->key);
        const struct config_place place = {section->file, entry->line, section->title, entry->key};

        if (key == NULL)
            tell_unknown(&place, sections, problems);
        else if (first != entry && !key->repeats)
            config_problem(problems, &place, "is given twice, first in line %u; keep one",
                           first->line);
    }
}
