#include "plan/fit_identity.h"

#include "plan/fit_name.h"

#include <string.h>

/* The placeholder for another workload's name, in probes and in texts. */
#define SOMEBODY "somebody-else"

static const char entity_prefix[] = "identity.entity.";

static bool is_template(const char *pattern)
{
    return strstr(pattern, "{{") != NULL;
}

/* -- names of others ------------------------------------------------------------------------------
 */

/* A kind of names: its separators, and the role's option for its patterns. */
struct kind {
    const char *separators, *option;
    enum name_verdict (*judge)(const struct role_terms *, const char *);
};

static const struct kind hosts = {".", "allowed_domains", fit_name};
static const struct kind uris = {"/", "allowed_uri_sans", fit_name_uri};

/* A role that is being checked. */
struct search {
    const struct fit_use *use;
    const struct role_terms *role, *filled;
    const struct identity_terms *identity;
    const char *account, *namespace; /* of the login; NULL: not known */
    struct text_list own_hosts;      /* includes the common name if it is a host name */
    struct fit_texts texts;
    const char *found, *options; /* the clauses so far, and the options that the remedy sets */
    bool exact;                  /* the remedy lists only our own names */
};

static void add(struct search *search, struct text_list *list, const char *text)
{
    if (!text_list_has(list, text) && !text_list_add(list, search->texts.arena, text, strlen(text)))
        search->texts.no_memory = true;
}

static void tell(struct search *search, const char *clause)
{
    search->found = fit_say(&search->texts, "%s%s%s", search->found,
                            search->found[0] == '\0' ? "" : "; ", clause);
}

static void set(struct search *search, const char *option)
{
    search->options = fit_say(&search->texts, "%s %s", search->options, option);
}

/* The value of that key in the metadata of the login's alias. */
static const char *metadata(struct search *search, const char *key)
{
    const struct identity_terms *identity = search->identity;
    const char *name;

    if (identity == NULL || identity->known != TERMS_KNOWN || identity->accessor == NULL)
        return NULL;
    name =
        fit_say(&search->texts, "%saliases.%s.metadata.%s", entity_prefix, identity->accessor, key);
    name = fit_name_value(identity, name, strlen(name));
    return name == NULL || name[0] == '\0' ? NULL : name;
}

/* Replaces each part of `name` that equals `part`; NULL: there is none. */
static const char *replace(struct search *search, const struct kind *kind, const char *name,
                           const char *part, const char *with)
{
    const char *text = "";
    bool replaced = false;

    if (part == NULL)
        return NULL;
    while (*name != '\0') {
        size_t length = strcspn(name, kind->separators);
        bool is_it = strlen(part) == length && memcmp(name, part, length) == 0;

        text = is_it ? fit_say(&search->texts, "%s%s", text, with)
                     : fit_say(&search->texts, "%s%.*s", text, (int)length, name);
        replaced |= is_it;
        name += length;
        if (*name != '\0')
            text = fit_say(&search->texts, "%s%c", text, *name++);
    }
    return replaced ? text : NULL;
}

/* A name that differs only in the user, the first label, or the last part of a path. */
static const char *neighbour(struct search *search, const struct kind *kind, const char *name)
{
    const char *last = strrchr(name, '/');

    if (kind == &hosts)
        return fit_say(&search->texts, "%s%s", SOMEBODY,
                       name + strcspn(name, strchr(name, '@') ? "@" : "."));
    if (last == NULL || last[1] == '\0')
        return fit_say(&search->texts, "%s%s", name, SOMEBODY);
    return fit_say(&search->texts, "%.*s%s", (int)(last + 1 - name), name, SOMEBODY);
}

/* Whether the one pattern allows the name, whatever else the role allows. */
static bool allows(const struct search *search, const struct kind *kind, const char *pattern,
                   const char *name)
{
    struct role_terms one = *search->filled;
    const struct text_list list = {&pattern, 1};

    one.allow_any_name = one.allow_localhost = one.allow_token_displayname = false;
    one.allow_wildcard_certificates = true;
    one.allowed_domains = one.allowed_uri_sans = list;
    return kind->judge(&one, name) == NAME_ALLOWED;
}

/* A name of another workload that the pattern allows beside this one of ours; NULL: none. */
static const char *probe(struct search *search, const struct kind *kind, const char *pattern,
                         const char *own, bool is_filled)
{
    const char *names[3] = {replace(search, kind, own, search->account, SOMEBODY),
                            replace(search, kind, own, search->namespace, SOMEBODY), NULL};

    /* If our name has no part of the login, any similar name belongs to another workload. A
     * template's value for a login that is no ServiceAccount counts as bound. */
    if (names[0] == NULL && (!is_filled || search->account != NULL))
        names[2] = neighbour(search, kind, own);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i] != NULL && allows(search, kind, pattern, names[i]))
            return names[i];
    return NULL;
}

/* Whether the pattern allows more names than itself. */
static bool is_wide(const struct search *search, const struct kind *kind, const char *pattern)
{
    return kind == &uris ? strchr(pattern, '*') != NULL
                         : search->role->allow_subdomains ||
                               (search->role->allow_glob_domains && strchr(pattern, '*') != NULL);
}

/* Whether the pattern allows no name at all: a bare domain may be forbidden. */
static bool is_idle(const struct search *search, const struct kind *kind, const char *pattern)
{
    return pattern[0] == '\0' ||
           (kind == &hosts && !search->role->allow_bare_domains && !is_wide(search, kind, pattern));
}

/* A name of another workload that the pattern allows; NULL: the pattern is bound to us. */
static const char *stranger(struct search *search, const struct kind *kind, const char *raw,
                            const char *pattern, const struct text_list *own)
{
    bool is_filled = is_template(raw), is_used = false;
    const char *found = NULL;

    /* Skip what is not decided, and our exact names; names below our own name are ours as well. */
    if (is_template(pattern) || is_idle(search, kind, pattern) || text_list_has(own, pattern))
        return NULL;
    if (!is_wide(search, kind, pattern))
        return is_filled ? NULL : pattern;
    for (size_t i = 0; i < own->count && found == NULL; i++) {
        if (!allows(search, kind, pattern, own->items[i]))
            continue;
        is_used = true;
        found = probe(search, kind, pattern, own->items[i], is_filled);
    }
    if (is_used || is_filled)
        return found;
    return kind == &uris || strchr(pattern, '*') != NULL
               ? pattern
               : fit_say(&search->texts, "%s.%s", SOMEBODY, pattern);
}

/* -- the remedy -----------------------------------------------------------------------------------
 */

/* Our name as a template if it contains the ServiceAccount's name; else the name itself. */
static const char *as_template(struct search *search, const struct kind *kind, const char *own)
{
    static const char form[] = "{{%saliases.%s.metadata.service_account_%s}}";
    const char *account, *namespace, *text;

    if (search->account == NULL)
        return own;
    account = fit_say(&search->texts, form, entity_prefix, search->identity->accessor, "name");
    namespace =
        fit_say(&search->texts, form, entity_prefix, search->identity->accessor, "namespace");
    text = replace(search, kind, own, search->account, account);
    if (text == NULL)
        return own;
    own = replace(search, kind, text, search->namespace, namespace);
    return own == NULL ? text : own;
}

/* Keeps the patterns that bind, and replaces the others by our names. */
static void set_patterns(struct search *search, const struct kind *kind,
                         const struct text_list *kept, const struct text_list *own)
{
    struct text_list wanted = {0};
    const char *text = "";
    bool is_bound = false;

    for (size_t i = 0; i < kept->count; i++)
        add(search, &wanted, kept->items[i]);
    for (size_t i = 0; i < own->count; i++)
        add(search, &wanted, as_template(search, kind, own->items[i]));
    for (size_t i = 0; i < wanted.count; i++) {
        is_bound |= is_template(wanted.items[i]);
        search->exact |= !is_template(wanted.items[i]);
        text = fit_say(&search->texts, "%s%s%s", text, i == 0 ? "" : ",", wanted.items[i]);
    }
    if (is_bound)
        set(search, fit_say(&search->texts, "%s_template=true", kind->option));
    set(search, fit_say(&search->texts, "%s='%s'", kind->option, text));
}

/* -- what is looked at ----------------------------------------------------------------------------
 */

static const char *nouns(const struct kind *kind)
{
    return kind == &hosts ? "DNS names" : "URIs";
}

static bool look_at_patterns(struct search *search, const struct kind *kind,
                             const struct text_list *raw, const struct text_list *filled,
                             const struct text_list *own)
{
    const char *example = NULL, *because = NULL;
    struct text_list kept = {0};

    for (size_t i = 0; i < filled->count; i++) {
        const char *found = stranger(search, kind, raw->items[i], filled->items[i], own);

        if (found == NULL && !is_idle(search, kind, filled->items[i]))
            add(search, &kept, raw->items[i]);
        if (found == NULL || example != NULL)
            continue;
        example = found;
        because = raw->items[i];
    }
    if (example == NULL)
        return false;
    tell(search, fit_say(&search->texts, "%s such as %s (%s has %s%s)", nouns(kind), example,
                         kind->option, because,
                         kind == &uris || strcmp(example, because) == 0 ? ""
                         : search->role->allow_subdomains ? ", and allow_subdomains is true"
                                                          : ", and allow_glob_domains is true"));
    set_patterns(search, kind, &kept, own);
    return true;
}

static void look_at_hosts(struct search *search)
{
    const struct role_terms *role = search->role;
    const struct text_list none = {0};
    bool is_found = true;

    if (role->allow_any_name) {
        tell(search, "every DNS name (allow_any_name is true)");
        set(search, "allow_any_name=false");
        set_patterns(search, &hosts, &none, &search->own_hosts);
    } else {
        is_found = look_at_patterns(search, &hosts, &role->allowed_domains,
                                    &search->filled->allowed_domains, &search->own_hosts);
    }
    if (!is_found)
        return;
    set(search, "allow_bare_domains=true");
    if (role->allow_subdomains)
        set(search, "allow_subdomains=false");
    if (role->allow_glob_domains)
        set(search, "allow_glob_domains=false");
}

/* Vault has no option that limits addresses, so there is no remedy for a section that asks for
 * some. */
static void look_at_addresses(struct search *search)
{
    const struct text_list *own = &search->use->names.ip;
    const char *networks = "";

    if (!search->role->allow_ip_sans || search->role->allowed_ip_sans_cidr.count > 0 ||
        (own->count > 0 && !search->role->knows_networks))
        return;
    for (size_t i = 0; i < own->count; i++)
        networks = fit_say(&search->texts, "%s%s%s/%s", networks, i == 0 ? "" : ",", own->items[i],
                           strchr(own->items[i], ':') == NULL ? "32" : "128");
    tell(search, own->count == 0 ? "every IP address (allow_ip_sans is true)"
                                 : "every IP address (allowed_ip_sans_cidr is nothing)");
    search->exact |= own->count > 0;
    set(search, own->count == 0 ? "allow_ip_sans=false"
                                : fit_say(&search->texts, "allowed_ip_sans_cidr=%s", networks));
}

static void look_at_rest(struct search *search)
{
    const struct role_terms *role = search->role;

    if (role->cn_validations.count == 1 && strcmp(role->cn_validations.items[0], "disabled") == 0) {
        tell(search, "every common name (cn_validations is disabled)");
        set(search, "cn_validations=email,hostname");
    }
    for (size_t i = 0; i < role->allowed_other_sans.count; i++) {
        if (strchr(role->allowed_other_sans.items[i], '*') == NULL)
            continue;
        tell(search, fit_say(&search->texts,
                             "other names such as user principals (allowed_other_sans has %s)",
                             role->allowed_other_sans.items[i]));
        set(search, "allowed_other_sans=''");
        break;
    }
}

bool fit_identity_find(const struct fit_use *use, const struct role_terms *role,
                       const struct identity_terms *identity, struct arena *arena,
                       struct fit_findings *findings)
{
    struct role_terms filled;
    struct search search = {use, role,           &filled, identity, NULL, NULL,
                            {0}, {arena, false}, "",      "",       false};
    const struct names *names = &use->names;
    struct fit_finding *finding;

    if (!fit_name_fill(role, identity, arena, &filled))
        return false;
    search.account = metadata(&search, "service_account_name");
    search.namespace = metadata(&search, "service_account_namespace");
    for (size_t i = 0; i < names->dns.count; i++)
        add(&search, &search.own_hosts, names->dns.items[i]);
    for (size_t i = 0; i < names->email.count; i++)
        add(&search, &search.own_hosts, names->email.items[i]);
    if (names->common_name != NULL)
        add(&search, &search.own_hosts, names->common_name);
    look_at_hosts(&search);
    look_at_patterns(&search, &uris, &role->allowed_uri_sans, &filled.allowed_uri_sans,
                     &names->uri);
    look_at_addresses(&search);
    look_at_rest(&search);
    if (search.found[0] == '\0')
        return !search.texts.no_memory;
    finding = arena_append(arena, &findings->items, &findings->count, sizeof *finding);
    if (finding == NULL)
        return false;
    *finding = (struct fit_finding){
        FIT_ADVICE, POSTURE_ROLE_NAMES,
        fit_say(&search.texts,
                "the role %s does not bind names to the login: every login that may use it gets "
                "certificates for names of others: %s",
                use->pki_role, search.found),
        fit_say(&search.texts, "on the CA: vault patch %s/roles/%s%s%s", use->pki_mount,
                use->pki_role, search.options,
                search.exact ? "; other logins that use this role need a role of their own" : "")};
    return !search.texts.no_memory;
}
