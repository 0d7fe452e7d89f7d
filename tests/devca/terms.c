#include "terms.h"

#include "must.h"
#include "name_rules.h"
#include "span.h"

#include <string.h>

/* What the mount has where a role says nothing: Vault's system defaults. */
enum { MOUNT_TTL_S = 768 * 3600, MOUNT_MAX_TTL_S = 87600 * 3600 };

/* A request on its way through the rules. */
struct hearing {
    const struct pki_role *role;
    const struct csr *csr;
    struct fields *fields;
    struct terms *terms;
    struct reply *reply;
};

static void warn(const struct hearing *hearing, const char *text)
{
    MUST(text != NULL &&
         text_list_add(&hearing->terms->warnings, hearing->fields->arena, text, strlen(text)));
}

/* A host's name becomes a DNS name, a mail address one of those; what is neither is dropped. */
static void add_name(const struct hearing *hearing, const char *name)
{
    struct asked *asked = &hearing->terms->asked;
    struct text_list *list = strchr(name, '@') != NULL ? &asked->email : &asked->dns;

    if (list == &asked->email || name_is_hostname(name))
        MUST(text_list_add(list, hearing->fields->arena, name, strlen(name)));
}

static void take_alternatives(const struct hearing *hearing)
{
    struct text_list names = fields_list(hearing->fields, "alt_names");
    struct text_list ip = fields_list(hearing->fields, "ip_sans");
    struct text_list uri = fields_list(hearing->fields, "uri_sans");
    struct asked *asked = &hearing->terms->asked;

    if (hearing->csr != NULL && hearing->role->use_csr_sans) {
        asked->dns = hearing->csr->asked.dns;
        asked->email = hearing->csr->asked.email;
        asked->ip = hearing->csr->asked.ip;
        asked->uri = hearing->csr->asked.uri;
        if (names.count > 0)
            warn(hearing, "the alt_names field was provided but the role is set with "
                          "\"use_csr_sans\" set to true");
        return;
    }
    for (size_t i = 0; i < names.count; i++)
        add_name(hearing, names.items[i]);
    asked->ip = ip;
    asked->uri = uri;
}

static bool take_common_name(const struct hearing *hearing)
{
    const char *asked_name = fields_text(hearing->fields, "common_name");
    bool is_excluded = fields_true(hearing->fields, "exclude_cn_from_sans");
    const char *name = "";

    if (hearing->csr != NULL && hearing->role->use_csr_common_name) {
        name = hearing->csr->asked.common_name;
        if (asked_name[0] != '\0')
            warn(hearing, "the common_name field was provided but the role is set with "
                          "\"use_csr_common_name\" set to true");
    }
    if (name[0] == '\0')
        name = asked_name;
    hearing->terms->asked.common_name = name;
    if (name[0] == '\0' && hearing->role->require_cn)
        return reply_error(hearing->reply, 400,
                           "the common_name field is required, or must be provided in a CSR with "
                           "\"use_csr_common_name\" set to true, unless \"require_cn\" is set to "
                           "false");
    if (name[0] != '\0' && !is_excluded)
        add_name(hearing, name);
    return true;
}

static bool check_hosts(const struct hearing *hearing)
{
    const struct asked *asked = &hearing->terms->asked;
    const char *name = asked->common_name;

    if (name[0] != '\0' && !name_rules_allow(hearing->role, name))
        return reply_error(hearing->reply, 400, "common name %s not allowed by this role", name);
    for (size_t i = 0; i < asked->dns.count; i++)
        if (!name_rules_allow(hearing->role, asked->dns.items[i]))
            return reply_error(hearing->reply, 400,
                               "subject alternate name %s not allowed by this role",
                               asked->dns.items[i]);
    for (size_t i = 0; i < asked->email.count; i++)
        if (!name_rules_allow(hearing->role, asked->email.items[i]))
            return reply_error(hearing->reply, 400, "email address %s not allowed by this role",
                               asked->email.items[i]);
    return true;
}

static bool check_others(const struct hearing *hearing)
{
    const struct asked *asked = &hearing->terms->asked;
    bool from_csr = hearing->csr != NULL && hearing->role->use_csr_sans;

    if (asked->ip.count > 0 && !hearing->role->allow_ip_sans)
        return reply_error(hearing->reply, 400,
                           "IP Subject Alternative Names are not allowed in this role, but was "
                           "provided %s",
                           from_csr ? "via CSR" : asked->ip.items[0]);
    for (size_t i = 0; i < asked->ip.count; i++)
        if (!asked_is_ip(asked->ip.items[i]))
            return reply_error(hearing->reply, 400, "the value \"%s\" is not a valid IP address",
                               asked->ip.items[i]);
    if (asked->uri.count > 0 && hearing->role->allowed_uri_sans.count == 0)
        return reply_error(hearing->reply, 400,
                           "URI Subject Alternative Names are not allowed in this role, but were "
                           "provided via %s",
                           from_csr ? "CSR" : "the API");
    for (size_t i = 0; i < asked->uri.count; i++)
        if (!name_rules_allow_uri(hearing->role, asked->uri.items[i]))
            return reply_error(hearing->reply, 400,
                               "URI Subject Alternative Names were provided via %s which are not "
                               "valid for this role",
                               from_csr ? "CSR" : "the API");
    if (from_csr && hearing->csr->other_oid != NULL)
        return reply_error(hearing->reply, 400, "other SAN OID %s not allowed by this role",
                           hearing->csr->other_oid);
    return true;
}

static void settle_life(const struct hearing *hearing, uint64_t ttl_s)
{
    uint64_t most_s = hearing->role->max_ttl_s;

    if (most_s == 0)
        most_s = MOUNT_MAX_TTL_S;
    if (ttl_s == 0)
        ttl_s = hearing->role->ttl_s;
    if (ttl_s == 0)
        ttl_s = MOUNT_TTL_S;
    if (ttl_s > most_s) {
        struct arena *arena = hearing->fields->arena;

        warn(hearing, arena_format(arena,
                                   "TTL \"%s\" is longer than permitted maxTTL \"%s\", so maxTTL "
                                   "is being used",
                                   span_text(arena, ttl_s), span_text(arena, most_s)));
        ttl_s = most_s;
    }
    hearing->terms->ttl_s = ttl_s;
}

/* Of the formats only the one that leafd takes is here; a client that wants another learns it. */
static bool check_format(const struct hearing *hearing)
{
    const char *format = fields_text(hearing->fields, "format");
    const char *key_format = fields_text(hearing->fields, "private_key_format");

    hearing->terms->pkcs8 = strcmp(key_format, "pkcs8") == 0;
    if (format[0] != '\0' && strcmp(format, "pem") != 0)
        return reply_error(hearing->reply, 400,
                           "the \"format\" parameter must be \"pem\": devca knows no other");
    return true;
}

bool terms_settle(const struct pki_role *role, const struct csr *csr, struct fields *fields,
                  struct terms *ret_terms, struct reply *reply)
{
    const struct hearing hearing = {role, csr, fields, ret_terms, reply};
    uint64_t ttl_s = fields_seconds(fields, "ttl");

    *ret_terms = (struct terms){
        .without_roots = fields_true(fields, "remove_roots_from_chain"),
    };
    take_alternatives(&hearing);
    if (!take_common_name(&hearing) || !check_format(&hearing))
        return false;
    if (fields->failure != NULL)
        return reply_error(reply, 400, "%s", fields->failure);
    if (!check_hosts(&hearing) || !check_others(&hearing))
        return false;
    if (csr != NULL && csr->has_basic_constraints)
        warn(&hearing, "specified CSR contained a Basic Constraints extension that was ignored "
                       "during issuance");
    settle_life(&hearing, ttl_s);
    asked_tidy(&ret_terms->asked);
    return true;
}
