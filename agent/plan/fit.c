#include "plan/fit.h"

#include "plan/fit_name.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

enum { RSA_LEAST_BITS = 2048, EC_MADE_BITS = 256 };

/* A request that is being checked. */
struct fitting {
    const struct fit_request *request;
    const struct mount_terms *mount;
    const struct role_terms *role;
    const struct role_terms *filled; /* the same with its templates expanded */
    const struct issuer_terms *issuer;
    struct fit_findings *findings;
    struct fit_texts texts;
};

/* -- findings -------------------------------------------------------------------------------------
 */

/* Takes texts that were made just before; NULL for `text` or a failed remedy is memory. */
static void add(struct fitting *fitting, enum fit_grade grade, const char *text, const char *remedy)
{
    struct fit_finding *finding = arena_append(fitting->texts.arena, &fitting->findings->items,
                                               &fitting->findings->count, sizeof *finding);

    if (finding == NULL || text == NULL)
        fitting->texts.no_memory = true;
    if (finding != NULL)
        *finding = (struct fit_finding){
            .grade = grade, .text = text == NULL ? "" : text, .remedy = remedy};
}

static void advise(struct fitting *fitting, enum posture id, const char *text, const char *remedy)
{
    add(fitting, FIT_ADVICE, text, remedy);
    if (!fitting->texts.no_memory)
        fitting->findings->items[fitting->findings->count - 1].id = id;
}

/* The remedy in the section, or at the CA as an option of the role: `patch`, since `write` would
 * reset all other options to their defaults. */
static const char *either(struct fitting *fitting, const char *here, const char *option)
{
    const struct fit_request *request = fitting->request;

    if (here == NULL)
        return fit_say(&fitting->texts, "on the CA: vault patch %s/roles/%s %s", request->pki_mount,
                       request->pki_role, option);
    return fit_say(&fitting->texts, "%s; or on the CA: vault patch %s/roles/%s %s", here,
                   request->pki_mount, request->pki_role, option);
}

static const char *joined(struct fitting *fitting, const struct text_list *list)
{
    const char *text = "";

    for (size_t i = 0; i < list->count; i++)
        text = fit_say(&fitting->texts, "%s%s%s", text, i == 0 ? "" : ",", list->items[i]);
    return list->count == 0 ? "nothing" : text;
}

/* Joins the list and one more item to one value of a command. */
static const char *joined_with(struct fitting *fitting, const struct text_list *list,
                               const char *more)
{
    return list->count == 0 ? more : fit_say(&fitting->texts, "%s,%s", joined(fitting, list), more);
}

/* -- names ----------------------------------------------------------------------------------------
 */

static bool by_csr(const struct fitting *fitting)
{
    return !fitting->request->key_from_ca && fitting->role->use_csr_sans;
}

/* The option that would allow a name, by verdict; "%s" is the name. */
static const struct cause {
    const char *why, *option;
} causes[] = {
    [NAME_WILDCARD] = {"allow_wildcard_certificates is false", "allow_wildcard_certificates=true"},
    [NAME_NO_HOSTNAME] = {"it is no host's name, and enforce_hostnames is true",
                          "enforce_hostnames=false"},
    [NAME_BARE] = {"it is one of allowed_domains, and allow_bare_domains is false",
                   "allow_bare_domains=true"},
    [NAME_SUBDOMAIN] = {"it lies below one of allowed_domains, and allow_subdomains is false",
                        "allow_subdomains=true"},
    [NAME_GLOB] = {"it matches a pattern of allowed_domains, and allow_glob_domains is false",
                   "allow_glob_domains=true"},
    [NAME_LOCALHOST] = {"allow_localhost is false", "allow_localhost=true"},
};

static void judge_name(struct fitting *fitting, const char *kind, const char *key, const char *name)
{
    const struct role_terms *role = fitting->role;
    enum name_verdict verdict = fit_name(fitting->filled, name);
    const char *allowed = joined(fitting, &fitting->filled->allowed_domains);
    const char *here = fit_say(&fitting->texts, "change %s", key);

    if (verdict == NAME_ALLOWED)
        return;
    if (verdict == NAME_UNDECIDED)
        add(fitting, FIT_OPEN,
            fit_say(&fitting->texts,
                    "whether the %s %s is allowed depends on the identity behind the token: "
                    "allowed_domains is %s%s",
                    kind, name, allowed,
                    role->allow_token_displayname ? ", and allow_token_displayname is true" : ""),
            NULL);
    else if (verdict == NAME_WILDCARD_FORM)
        add(fitting, FIT_REFUSED,
            fit_say(&fitting->texts, "the %s %s has a form that no role accepts", kind, name),
            here);
    else if (verdict == NAME_DOMAIN)
        add(fitting, FIT_REFUSED,
            fit_say(&fitting->texts, "the %s %s is not allowed: allowed_domains is %s", kind, name,
                    allowed),
            either(fitting, here,
                   fit_say(&fitting->texts, "allowed_domains=%s allow_bare_domains=true",
                           joined_with(fitting, &role->allowed_domains, name))));
    else
        add(fitting, FIT_REFUSED,
            fit_say(&fitting->texts, "the %s %s is not allowed: %s (allowed_domains is %s)", kind,
                    name, causes[verdict].why, allowed),
            either(fitting, here, causes[verdict].option));
}

static void judge_common_name(struct fitting *fitting)
{
    const struct role_terms *role = fitting->role;
    const char *name = fitting->request->wanted->names.common_name;
    const struct text_list *rules = &role->cn_validations;
    bool is_sent = fitting->request->key_from_ca || fitting->request->request_names ||
                   role->use_csr_common_name;
    bool is_free = rules->count == 1 && strcmp(rules->items[0], "disabled") == 0;
    const char *kind;

    if (name == NULL && role->require_cn)
        add(fitting, FIT_REFUSED, "there is no common name, and require_cn is true",
            either(fitting, "set common_name", "require_cn=false"));
    if (name != NULL && !is_sent)
        add(fitting, FIT_REFUSED,
            "the role does not take the CSR's common name: use_csr_common_name is false",
            either(fitting, "set request_names = yes", "use_csr_common_name=true"));
    if (name == NULL || !is_sent)
        return;
    kind = strchr(name, '@') != NULL ? "email" : "hostname";
    /* A CN that is a host name also becomes a DNS name, and is checked as one. */
    if (!is_free || fit_name_is_host(name) || strchr(name, '@') != NULL)
        judge_name(fitting, "common name", "common_name", name);
    if (!is_free && rules->count > 0 && !text_list_has(rules, kind))
        add(fitting, FIT_REFUSED,
            fit_say(&fitting->texts, "the common name %s is not allowed: cn_validations is %s",
                    name, joined(fitting, rules)),
            either(fitting, "change common_name",
                   fit_say(&fitting->texts, "cn_validations=%s,%s", joined(fitting, rules), kind)));
}

static void judge_hosts(struct fitting *fitting)
{
    const struct names *names = &fitting->request->wanted->names;

    for (size_t i = 0; i < names->dns.count; i++) {
        const char *name = names->dns.items[i];

        if (!by_csr(fitting) && !fit_name_is_host(name))
            add(fitting, FIT_REFUSED,
                fit_say(&fitting->texts,
                        "the CA drops the DNS name %s from a request, since it is no host's name",
                        name),
                fitting->request->key_from_ca
                    ? "change dns_names, or set key_source = local"
                    : either(fitting, "change dns_names", "use_csr_sans=true"));
        else
            judge_name(fitting, "DNS name", "dns_names", name);
    }
    for (size_t i = 0; i < names->email.count; i++)
        judge_name(fitting, "mail address", "email_addresses", names->email.items[i]);
}

static void judge_addresses(struct fitting *fitting)
{
    const struct text_list *ip = &fitting->request->wanted->names.ip;
    const char *networks = joined(fitting, &fitting->role->allowed_ip_sans_cidr);

    if (ip->count > 0 && !fitting->role->allow_ip_sans) {
        add(fitting, FIT_REFUSED,
            fit_say(&fitting->texts, "the IP addresses %s are not allowed: allow_ip_sans is false",
                    joined(fitting, ip)),
            either(fitting, "remove ip_addresses", "allow_ip_sans=true"));
        return;
    }
    for (size_t i = 0; i < ip->count; i++)
        if (fit_name_ip(fitting->role, ip->items[i]) != NAME_ALLOWED)
            add(fitting, FIT_REFUSED,
                fit_say(&fitting->texts,
                        "the IP address %s is not allowed: allowed_ip_sans_cidr is %s",
                        ip->items[i], networks),
                either(fitting, "change ip_addresses",
                       fit_say(&fitting->texts, "allowed_ip_sans_cidr=%s,%s/%s", networks,
                               ip->items[i], strchr(ip->items[i], ':') == NULL ? "32" : "128")));
}

static void judge_uris(struct fitting *fitting)
{
    const struct role_terms *role = fitting->role;
    const struct text_list *uris = &fitting->request->wanted->names.uri;
    const char *allowed = joined(fitting, &fitting->filled->allowed_uri_sans);

    for (size_t i = 0; i < uris->count; i++) {
        const char *uri = uris->items[i];
        enum name_verdict verdict = fit_name_uri(fitting->filled, uri);

        if (verdict == NAME_UNDECIDED)
            add(fitting, FIT_OPEN,
                fit_say(&fitting->texts,
                        "whether the URI %s is allowed depends on the identity behind the token: "
                        "allowed_uri_sans is %s",
                        uri, allowed),
                NULL);
        else if (verdict != NAME_ALLOWED)
            add(fitting, FIT_REFUSED,
                fit_say(&fitting->texts, "the URI %s is not allowed: allowed_uri_sans is %s", uri,
                        allowed),
                either(fitting, "change uris",
                       fit_say(&fitting->texts, "allowed_uri_sans=%s",
                               joined_with(fitting, &role->allowed_uri_sans, uri))));
    }
}

static void judge_names(struct fitting *fitting)
{
    const struct fit_request *request = fitting->request;

    judge_common_name(fitting);
    if (!request->key_from_ca && !fitting->role->use_csr_sans && !request->request_names &&
        names_count(&request->wanted->names) > 0) {
        add(fitting, FIT_REFUSED,
            "the role does not take the CSR's alternative names: use_csr_sans is false",
            either(fitting, "set request_names = yes", "use_csr_sans=true"));
        return;
    }
    judge_hosts(fitting);
    judge_addresses(fitting);
    judge_uris(fitting);
}

/* -- the key --------------------------------------------------------------------------------------
 */

static const struct key_sort {
    const char *type;
    uint64_t bits;
} sorts[KEY_TYPE_COUNT] = {
    [KEY_ECDSA_P256] = {"ec", 256}, [KEY_ECDSA_P384] = {"ec", 384}, [KEY_ECDSA_P521] = {"ec", 521},
    [KEY_RSA_2048] = {"rsa", 2048}, [KEY_RSA_3072] = {"rsa", 3072}, [KEY_RSA_4096] = {"rsa", 4096},
    [KEY_ED25519] = {"ed25519", 0},
};

/* The configuration's word for a key that the role accepts; NULL: leafd has none. */
static const char *word_for(const char *type, uint64_t bits)
{
    for (size_t i = 0; i < KEY_TYPE_COUNT; i++)
        if (strcmp(sorts[i].type, type) == 0 && sorts[i].bits >= bits)
            return key_type_words[i];
    return NULL;
}

static void judge_key_made_there(struct fitting *fitting)
{
    const struct role_terms *role = fitting->role;
    const struct key_sort *wanted = &sorts[fitting->request->wanted->key_type];
    bool is_rsa = strcmp(role->key_type, "rsa") == 0;
    uint64_t bits = role->key_bits;

    if (strcmp(role->key_type, "any") == 0) {
        add(fitting, FIT_REFUSED, "the CA makes no key for this role: key_type is any",
            either(fitting, "set key_source = local",
                   fit_say(&fitting->texts, "key_type=%s", wanted->type)));
        return;
    }
    if (bits == 0)
        bits = is_rsa ? RSA_LEAST_BITS : EC_MADE_BITS;
    if (strcmp(role->key_type, wanted->type) != 0 || (wanted->bits != 0 && bits != wanted->bits))
        add(fitting, FIT_REFUSED,
            fit_say(&fitting->texts,
                    "the role makes keys of type %s with %" PRIu64 " bits, and key_type is %s",
                    role->key_type, bits, key_type_words[fitting->request->wanted->key_type]),
            either(
                fitting,
                word_for(role->key_type, bits) == NULL
                    ? NULL
                    : fit_say(&fitting->texts, "set key_type = %s", word_for(role->key_type, bits)),
                fit_say(&fitting->texts, "key_type=%s key_bits=%" PRIu64, wanted->type,
                        wanted->bits)));
}

static void judge_key(struct fitting *fitting)
{
    const struct role_terms *role = fitting->role;
    const struct key_sort *sent = &sorts[fitting->request->wanted->key_type];
    const char *word = word_for(role->key_type, role->key_bits);
    const char *here = word == NULL ? NULL : fit_say(&fitting->texts, "set key_type = %s", word);

    if (fitting->request->key_from_ca)
        judge_key_made_there(fitting);
    else if (strcmp(role->key_type, "any") == 0)
        return; /* key_bits is ignored then */
    else if (strcmp(role->key_type, sent->type) != 0)
        add(fitting, FIT_REFUSED,
            fit_say(&fitting->texts, "the role requires keys of type %s, and key_type is %s",
                    role->key_type, key_type_words[fitting->request->wanted->key_type]),
            either(fitting, here, "key_type=any"));
    else if (sent->bits != 0 && sent->bits < role->key_bits)
        add(fitting, FIT_REFUSED,
            fit_say(&fitting->texts,
                    "the role requires at least %" PRIu64 " bits, and key_type is %s",
                    role->key_bits, key_type_words[fitting->request->wanted->key_type]),
            either(fitting, here, fit_say(&fitting->texts, "key_bits=%" PRIu64, sent->bits)));
}

/* -- usage ----------------------------------------------------------------------------------------
 */

static bool has_word(const struct text_list *list, const char *word)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcasecmp(list->items[i], word) == 0)
            return true;
    return false;
}

static void judge_usage(struct fitting *fitting)
{
    static const struct {
        unsigned usage;
        const char *key, *word, *option, *identifier;
    } uses[] = {
        {USAGE_SERVER, "server", "ServerAuth", "server_flag", "1.3.6.1.5.5.7.3.1"},
        {USAGE_CLIENT, "client", "ClientAuth", "client_flag", "1.3.6.1.5.5.7.3.2"},
    };
    const struct role_terms *role = fitting->role;
    const bool flags[] = {role->server_flag, role->client_flag};
    /* A certificate without the extension allows every use. */
    bool is_limited = role->server_flag || role->client_flag || role->code_signing_flag ||
                      role->email_protection_flag || role->ext_key_usage.count > 0 ||
                      role->ext_key_usage_oids.count > 0;

    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++)
        if ((fitting->request->wanted->usage & uses[i].usage) != 0 && is_limited && !flags[i] &&
            !has_word(&role->ext_key_usage, uses[i].word) &&
            !text_list_has(&role->ext_key_usage_oids, uses[i].identifier))
            add(fitting, FIT_REFUSED,
                fit_say(&fitting->texts,
                        "the CA would sign it without %s, and usage asks for %s: %s is false",
                        uses[i].word, uses[i].key, uses[i].option),
                either(fitting, "change usage",
                       fit_say(&fitting->texts, "%s=true", uses[i].option)));
    if (role->key_usage.count > 0 && !has_word(&role->key_usage, "DigitalSignature"))
        add(fitting, FIT_REFUSED,
            fit_say(
                &fitting->texts,
                "the CA would sign it without DigitalSignature, which TLS 1.3 needs: key_usage is "
                "%s",
                joined(fitting, &role->key_usage)),
            either(fitting, NULL,
                   fit_say(&fitting->texts, "key_usage=DigitalSignature,%s",
                           joined(fitting, &role->key_usage))));
}

/* -- life -----------------------------------------------------------------------------------------
 */

static uint64_t first_of(uint64_t a, uint64_t b)
{
    return a != 0 ? a : b;
}

/* Checks a certificate that would outlive its issuer. */
static void judge_end(struct fitting *fitting, uint64_t ttl_s)
{
    static const char *const behaviours[] = {
        [LEAF_ERR] = "err", [LEAF_TRUNCATE] = "truncate", [LEAF_PERMIT] = "permit"};
    const struct issuer_terms *issuer = fitting->issuer;
    const struct fit_request *request = fitting->request;
    uint64_t left_s =
        issuer->not_after_s > request->now_s ? issuer->not_after_s - request->now_s : 0;
    const char *text = fit_say(&fitting->texts,
                               "the issuer %s ends in %" PRIu64 " s, before the %" PRIu64
                               " s that are asked for, and its leaf_not_after_behavior ",
                               request->issuer, left_s, ttl_s);
    const char *remedy = left_s == 0 ? "on the CA: replace the issuer"
                                     : fit_say(&fitting->texts,
                                               "set ttl to less than %" PRIu64 "s; or on the CA: "
                                               "replace the issuer",
                                               left_s);

    if (ttl_s <= left_s)
        return;
    if (issuer->leaf_not_after == LEAF_NOT_KNOWN)
        add(fitting, FIT_OPEN,
            fit_say(&fitting->texts, "%swas not asked; err refuses, and is the default", text),
            remedy);
    else if (issuer->leaf_not_after == LEAF_ERR || left_s == 0)
        add(fitting, FIT_REFUSED,
            fit_say(&fitting->texts, "%sis %s", text, behaviours[issuer->leaf_not_after]), remedy);
    else
        advise(fitting, POSTURE_LIFE_CUT,
               fit_say(&fitting->texts, "%sis %s", text, behaviours[issuer->leaf_not_after]),
               remedy);
}

static void judge_life(struct fitting *fitting)
{
    const struct role_terms *role = fitting->role;
    const struct mount_terms *mount = fitting->mount;
    uint64_t asked_s = fitting->request->wanted->ttl_s;
    uint64_t ttl_s = first_of(asked_s, first_of(role->ttl_s, mount->default_ttl_s));
    uint64_t most_s = first_of(role->max_ttl_s, mount->max_ttl_s);
    bool is_roles = role->max_ttl_s != 0;

    if (role->not_after[0] != '\0') {
        if (asked_s != 0)
            add(fitting, FIT_REFUSED,
                fit_say(&fitting->texts,
                        "ttl is set, and the role gives every certificate the end %s",
                        role->not_after),
                either(fitting, "remove ttl", "not_after=\"\""));
        return;
    }
    if (asked_s != 0 && most_s != 0 && asked_s > most_s)
        advise(
            fitting, POSTURE_LIFE_CUT,
            fit_say(&fitting->texts,
                    "the CA gives %" PRIu64 " s in place of the %" PRIu64 " s of ttl: %s", most_s,
                    asked_s, is_roles ? "max_ttl of the role" : "max_lease_ttl of the mount"),
            is_roles ? either(fitting, fit_say(&fitting->texts, "set ttl = %" PRIu64 "s", most_s),
                              fit_say(&fitting->texts, "max_ttl=%" PRIu64 "s", asked_s))
                     : fit_say(&fitting->texts,
                               "set ttl = %" PRIu64 "s; or on the CA: vault secrets tune "
                               "-max-lease-ttl=%" PRIu64 "s %s",
                               most_s, asked_s, fitting->request->pki_mount));
    if (most_s != 0 && ttl_s > most_s)
        ttl_s = most_s;
    if (fitting->issuer->known == TERMS_KNOWN && ttl_s != 0)
        judge_end(fitting, ttl_s);
}

static void judge_storage(struct fitting *fitting)
{
    if (fitting->role->generate_lease)
        advise(
            fitting, POSTURE_LEASED,
            "generate_lease is true: the CA revokes the certificate when the token that asked for "
            "it expires",
            either(fitting, NULL, "generate_lease=false"));
    if (fitting->role->no_store)
        advise(fitting, POSTURE_NOT_STORED,
               "no_store is true: the CA cannot find the certificate by its serial number",
               either(fitting, NULL, "no_store=false"));
}

/* -- what is there --------------------------------------------------------------------------------
 */

static bool judge_mount(struct fitting *fitting)
{
    const struct mount_terms *mount = fitting->mount;
    const char *path = fitting->request->pki_mount;

    if (mount->known == TERMS_MISSING)
        add(fitting, FIT_REFUSED, fit_say(&fitting->texts, "the CA has no mount %s", path),
            "change pki_mount, or namespace of [vault]");
    else if (mount->known == TERMS_KNOWN && strcmp(mount->type, "pki") != 0)
        add(fitting, FIT_REFUSED,
            fit_say(&fitting->texts, "the mount %s is of type %s, not pki", path, mount->type),
            "change pki_mount");
    else
        return true;
    return false;
}

static void judge_issuer(struct fitting *fitting)
{
    const struct issuer_terms *issuer = fitting->issuer;
    const char *mount = fitting->request->pki_mount, *name = fitting->request->issuer;

    if (issuer->known == TERMS_MISSING)
        add(fitting, FIT_REFUSED,
            fit_say(&fitting->texts, "the mount %s has no issuer %s", mount, name),
            fit_say(&fitting->texts,
                    "change issuer, or issuer_ref of the role; vault list %s/issuers lists them",
                    mount));
    else if (issuer->known == TERMS_KNOWN && issuer->cannot_sign)
        add(fitting, FIT_REFUSED,
            fit_say(
                &fitting->texts,
                "the issuer %s may not sign: its usage lacks issuing-certificates, or it has no "
                "key",
                name),
            "change issuer, or issuer_ref of the role");
    else if (issuer->known == TERMS_NOT_ASKED || issuer->leaf_not_after == LEAF_NOT_KNOWN)
        add(fitting, FIT_OPEN,
            fit_say(&fitting->texts, "the issuer %s was not read: %s", name,
                    issuer->not_asked_why == NULL ? "no reason is known" : issuer->not_asked_why),
            fit_say(&fitting->texts,
                    "add to a policy of the auth role: path \"%s/issuer/%s\" { capabilities = "
                    "[\"read\"] }",
                    mount, name));
}

static void judge_role(struct fitting *fitting)
{
    judge_key(fitting);
    judge_names(fitting);
    judge_usage(fitting);
    judge_life(fitting);
    judge_storage(fitting);
}

bool fit_find(const struct fit_request *request, const struct mount_terms *mount,
              const struct role_terms *role, const struct issuer_terms *issuer, struct arena *arena,
              struct fit_findings *findings)
{
    struct role_terms filled;
    struct fitting fitting = {request, mount, role, &filled, issuer, findings, {arena, false}};

    if (mount == NULL || role == NULL || issuer == NULL) {
        add(&fitting, FIT_OPEN,
            "the CA does not describe its rules for certificates, so names, key and ttl are not "
            "checked",
            NULL);
        return !fitting.texts.no_memory;
    }
    if (!fit_name_fill(role, request->identity, arena, &filled))
        return false;
    if (!judge_mount(&fitting))
        return !fitting.texts.no_memory;
    if (role->known == TERMS_MISSING)
        add(&fitting, FIT_REFUSED,
            fit_say(&fitting.texts, "the mount %s has no role %s", request->pki_mount,
                    request->pki_role),
            fit_say(&fitting.texts, "change pki_role; vault list %s/roles lists them",
                    request->pki_mount));
    else if (role->known == TERMS_NOT_ASKED)
        add(&fitting, FIT_OPEN,
            fit_say(&fitting.texts,
                    "the role %s was not read, so names, key and ttl are not held against it: %s",
                    request->pki_role,
                    role->not_asked_why == NULL ? "no reason is known" : role->not_asked_why),
            fit_say(&fitting.texts,
                    "add to a policy of the auth role: path \"%s/roles/%s\" { capabilities = "
                    "[\"read\"] }",
                    request->pki_mount, request->pki_role));
    else
        judge_role(&fitting);
    if (role->known != TERMS_MISSING)
        judge_issuer(&fitting);
    return !fitting.texts.no_memory;
}
