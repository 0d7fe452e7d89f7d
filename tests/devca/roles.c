#include "roles.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "config/ini_lines.h"

#include "must.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>

enum { TOKEN_TTL_S = 600, TOKEN_MAX_TTL_S = 3600, BACKDATED_S = 30, BUILT_IN_MAX_TTL_S = 86400 };

enum value_kind { TRUTH, DURATION, LIST, NUMBER, TEXT, KEY_TYPE, POLICY };

struct key {
    const char *name;
    size_t offset;
    enum value_kind kind;
};

#define PKI_KEY(member, kind)                                                                      \
    {                                                                                              \
#member, offsetof(struct pki_role, member), kind                                           \
    }

static const struct key pki_keys[] = {
    PKI_KEY(allowed_domains, LIST),
    PKI_KEY(allowed_uri_sans, LIST),
    PKI_KEY(allow_any_name, TRUTH),
    PKI_KEY(allow_bare_domains, TRUTH),
    PKI_KEY(allow_glob_domains, TRUTH),
    PKI_KEY(allow_ip_sans, TRUTH),
    PKI_KEY(allow_localhost, TRUTH),
    PKI_KEY(allow_subdomains, TRUTH),
    PKI_KEY(allow_wildcard_certificates, TRUTH),
    PKI_KEY(allowed_domains_template, TRUTH),
    PKI_KEY(allowed_uri_sans_template, TRUTH),
    PKI_KEY(client_flag, TRUTH),
    PKI_KEY(enforce_hostnames, TRUTH),
    PKI_KEY(generate_lease, TRUTH),
    PKI_KEY(issuer_ref, TEXT),
    PKI_KEY(no_store, TRUTH),
    PKI_KEY(require_cn, TRUTH),
    PKI_KEY(server_flag, TRUTH),
    PKI_KEY(use_csr_common_name, TRUTH),
    PKI_KEY(use_csr_sans, TRUTH),
    PKI_KEY(key_type, KEY_TYPE),
    PKI_KEY(key_bits, NUMBER),
    {"ttl", offsetof(struct pki_role, ttl_s), DURATION},
    {"max_ttl", offsetof(struct pki_role, max_ttl_s), DURATION},
    {"not_before_duration", offsetof(struct pki_role, not_before_duration_s), DURATION},
};

static const struct key auth_keys[] = {
    {"bound_subject", offsetof(struct auth_role, bound_subject), TEXT},
    {"policy", offsetof(struct auth_role, policy), POLICY},
    {"token_num_uses", offsetof(struct auth_role, token_num_uses), NUMBER},
    {"token_ttl", offsetof(struct auth_role, token_ttl_s), DURATION},
    {"token_max_ttl", offsetof(struct auth_role, token_max_ttl_s), DURATION},
};

/* What is being read; of the two roles one is the section's. */
struct reading {
    struct roles *roles;
    const char *file, *section;
    struct config_problems *problems;
    struct pki_role *pki;
    struct auth_role *auth;
};

const struct pki_role *roles_pki(const struct roles *roles, const char *name)
{
    const struct pki_role *role = roles->pki;

    while (role != NULL && strcmp(role->name, name) != 0)
        role = role->next;
    return role;
}

const struct auth_role *roles_auth(const struct roles *roles, const char *name)
{
    const struct auth_role *role = roles->auth;

    while (role != NULL && strcmp(role->name, name) != 0)
        role = role->next;
    return role;
}

bool roles_pin(struct roles *roles, const char *name, const char *issuer_ref)
{
    struct pki_role *role = roles->pki;

    while (role != NULL && strcmp(role->name, name) != 0)
        role = role->next;
    if (role == NULL)
        return false;
    role->issuer_ref = arena_copy(&roles->arena, issuer_ref);
    MUST(role->issuer_ref != NULL);
    return true;
}

/* With the defaults of Vault's PKI engine. */
static struct pki_role *add_pki(struct roles *roles, const char *name)
{
    struct pki_role *role = arena_take(&roles->arena, sizeof *role);
    struct pki_role **at = &roles->pki;

    MUST(role != NULL);
    *role = (struct pki_role){
        .name = arena_copy(&roles->arena, name),
        .allow_ip_sans = true,
        .allow_localhost = true,
        .allow_wildcard_certificates = true,
        .client_flag = true,
        .enforce_hostnames = true,
        .require_cn = true,
        .server_flag = true,
        .use_csr_common_name = true,
        .use_csr_sans = true,
        .key_type = "rsa",
        .not_before_duration_s = BACKDATED_S,
    };
    while (*at != NULL)
        at = &(*at)->next;
    return *at = role;
}

static struct auth_role *add_auth(struct roles *roles, const char *name)
{
    struct auth_role *role = arena_take(&roles->arena, sizeof *role);
    struct auth_role **at = &roles->auth;

    MUST(role != NULL);
    *role = (struct auth_role){
        .name = arena_copy(&roles->arena, name),
        .token_ttl_s = TOKEN_TTL_S,
        .token_max_ttl_s = TOKEN_MAX_TTL_S,
    };
    while (*at != NULL)
        at = &(*at)->next;
    return *at = role;
}

static void complain(const struct reading *reading, unsigned line, const char *key, const char *why)
{
    const struct config_place place = {reading->file, line, reading->section, key};

    config_problem(reading->problems, &place, "%s", why);
}

static bool on_section(void *arg, const char *section, unsigned line)
{
    struct reading *reading = arg;
    const char *pki_name = text_starts(section, "role ");
    const char *auth_name = text_starts(section, "auth ");

    reading->section = arena_copy(&reading->roles->arena, section);
    reading->pki = NULL;
    reading->auth = NULL;
    if (pki_name != NULL && roles_pki(reading->roles, pki_name) == NULL)
        reading->pki = add_pki(reading->roles, pki_name);
    else if (auth_name != NULL && roles_auth(reading->roles, auth_name) == NULL)
        reading->auth = add_auth(reading->roles, auth_name);
    else if (pki_name != NULL || auth_name != NULL)
        complain(reading, line, NULL, "this section is here a second time");
    else
        complain(reading, line, NULL, "write [role NAME] or [auth NAME]");
    return true;
}

static const struct key *find_key(const struct reading *reading, const char *name)
{
    const struct key *keys = reading->pki != NULL ? pki_keys : auth_keys;
    size_t count = reading->pki != NULL ? sizeof pki_keys / sizeof *pki_keys
                                        : sizeof auth_keys / sizeof *auth_keys;

    for (size_t i = 0; i < count; i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

static const char *read_truth(const char *value, bool *ret_truth)
{
    bool yes = strcmp(value, "yes") == 0 || strcmp(value, "true") == 0;

    if (!yes && strcmp(value, "no") != 0 && strcmp(value, "false") != 0)
        return "write yes or no";
    *ret_truth = yes;
    return NULL;
}

static const char *read_key_type(const char *value, const char **ret_type)
{
    static const char *const types[] = {"any", "rsa", "ec", "ed25519"};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(value, types[i]) == 0) {
            *ret_type = types[i];
            return NULL;
        }
    }
    return "write any, rsa, ec or ed25519";
}

static const char *read_policy(const char *value, enum policy *ret_policy)
{
    static const char *const policies[] = {
        [POLICY_ALL] = "all", [POLICY_SIGN] = "sign", [POLICY_NONE] = "none"};

    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        if (strcmp(policies[i], value) == 0) {
            *ret_policy = (enum policy)i;
            return NULL;
        }
    }
    return "write all, sign or none";
}

/* Reads a value to where it belongs; NULL, or what would be right. */
static const char *read_value(struct arena *arena, enum value_kind kind, const char *value,
                              void *to)
{
    struct text_list list = {0};
    bool empty = false;

    switch (kind) {
    case TRUTH:
        return read_truth(value, to);
    case DURATION:
        return duration_parse(value, to) ? NULL : "write a duration such as 30s, 10m or 24h";
    case LIST:
        MUST(text_list_split(&list, arena, value, ",", &empty));
        *(struct text_list *)to = list;
        return empty ? "an item between the commas is empty" : NULL;
    case NUMBER:
        return text_number(value, UINT32_MAX, to) ? NULL : "write a number";
    case KEY_TYPE:
        return read_key_type(value, to);
    case POLICY:
        return read_policy(value, to);
    case TEXT:
    default:
        *(const char **)to = arena_copy(arena, value);
        return NULL;
    }
}

static bool on_entry(void *arg, const char *name, const char *value, unsigned line)
{
    struct reading *reading = arg;
    void *role = reading->pki != NULL ? (void *)reading->pki : (void *)reading->auth;
    const struct key *key = find_key(reading, name);
    const char *why = "there is no such key";

    if (role == NULL)
        return true; /* the section has been complained about */
    if (key != NULL)
        why = read_value(&reading->roles->arena, key->kind, value, (char *)role + key->offset);
    if (why != NULL)
        complain(reading, line, name, why);
    return true;
}

static void add_built_in(struct roles *roles)
{
    struct pki_role *role = add_pki(roles, "leafd");

    role->allow_any_name = true;
    role->enforce_hostnames = false;
    role->require_cn = false;
    role->key_type = "any";
    role->max_ttl_s = BUILT_IN_MAX_TTL_S;
    MUST(text_list_add(&role->allowed_uri_sans, &roles->arena, "*", 1));
    add_auth(roles, "leafd");
}

void roles_read(struct roles *roles, const char *file, struct config_problems *problems)
{
    struct reading reading = {.roles = roles, .file = file, .problems = problems};
    const struct ini_reader reader = {on_section, on_entry, &reading};
    CLEANUP(close_fd) int fd = -1;

    if (file == NULL) {
        add_built_in(roles);
        return;
    }
    fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        complain(&reading, 0, NULL, "the file cannot be opened");
    else
        ini_lines_read(fd, file, &reader, problems);
    reading.section = NULL;
    if (problems->count == 0 && (roles->pki == NULL || roles->auth == NULL))
        complain(&reading, 0, NULL, "a [role NAME] and an [auth NAME] section are needed");
}
