#include "plan/fit_name.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

enum { LABEL_MOST = 63, NAME_MOST = 253 };

const char *fit_say(struct fit_texts *texts, const char *format, ...)
{
    const char *text;
    va_list args;

    va_start(args, format);
    text = arena_vformat(texts->arena, format, args);
    va_end(args);
    texts->no_memory |= text == NULL;
    return text == NULL ? "" : text;
}

/* A parsed name. */
struct name {
    const char *whole;
    const char *host;     /* without user and wildcard label */
    const char *wildcard; /* the label with the *, up to the dot; NULL: none */
    bool is_email;
};

/* As go-glob: * matches any text, also an empty one. Backtracks to the last * only, so the cost of
 * a pattern is at most the product of both lengths. */
static bool matches(const char *pattern, const char *text)
{
    const char *star = NULL, *from = NULL;

    while (*text != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            from = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star + 1;
            text = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

/* Letters, digits, and hyphens inside. */
static bool is_label(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)text[i]) && text[i] != '-')
            return false;
    return length > 0 && length <= LABEL_MOST && text[0] != '-' && text[length - 1] != '-';
}

static bool is_host(const char *name)
{
    if (strlen(name) > NAME_MOST)
        return false;
    for (;;) {
        size_t length = strcspn(name, ".");

        if (!is_label(name, length))
            return false;
        name += length;
        if (name[0] == '\0' || name[1] == '\0')
            return true; /* the end, or a trailing dot */
        name++;
    }
}

bool fit_name_is_host(const char *name)
{
    return is_host(strncmp(name, "*.", 2) == 0 ? name + 2 : name);
}

/* A *, alone or with text of one label before or after it. */
static bool is_wildcard_label(const char *text)
{
    size_t length = strcspn(text, "."), before = strcspn(text, "*");

    return (before == 0 || is_label(text, before)) &&
           (before + 1 == length || is_label(text + before + 1, length - before - 1));
}

/* False for a form that no role allows. */
static bool take_apart(const char *whole, struct name *name)
{
    const char *at = strchr(whole, '@');

    *name =
        (struct name){.whole = whole, .host = at == NULL ? whole : at + 1, .is_email = at != NULL};
    if (at != NULL && strchr(at + 1, '@') != NULL)
        return false;
    if (strchr(name->host, '*') == NULL)
        return true;
    name->wildcard = name->host;
    name->host += strcspn(name->host, ".");
    name->host += *name->host == '.';
    return !name->is_email && strchr(name->host, '*') == NULL &&
           strchr(name->wildcard, '*') == strrchr(name->wildcard, '*');
}

static bool lies_below(const struct name *name, const char *domain)
{
    size_t length = strlen(name->host), domain_length = strlen(domain);

    if (name->wildcard != NULL && strcasecmp(name->host, domain) == 0)
        return true;
    return length > domain_length && strcmp(name->host + length - domain_length, domain) == 0 &&
           name->host[length - domain_length - 1] == '.';
}

static bool is_template(const char *pattern)
{
    return strstr(pattern, "{{") != NULL;
}

static enum name_verdict judge_local(const struct role_terms *role, const struct name *name)
{
    static const char *const locals[] = {"localhost", "localdomain"};

    for (size_t i = 0; i < sizeof locals / sizeof *locals; i++) {
        bool is_bare = name->wildcard == NULL && strcmp(name->host, locals[i]) == 0;
        bool is_below = lies_below(name, locals[i]);

        if (role->allow_localhost && (is_bare || (is_below && role->allow_subdomains)))
            return NAME_ALLOWED;
        if (is_below && role->allow_localhost)
            return NAME_SUBDOMAIN;
        if (is_bare || is_below)
            return NAME_LOCALHOST;
    }
    return NAME_DOMAIN;
}

static enum name_verdict judge_domain(const struct role_terms *role, const struct name *name,
                                      const char *domain)
{
    const char *bare = name->is_email ? name->host : name->whole;
    bool is_bare = strcasecmp(bare, domain) == 0 || strcasecmp(name->whole, domain) == 0;
    bool is_below = lies_below(name, domain);
    bool is_glob = strchr(domain, '*') != NULL && matches(domain, name->whole);

    if (role->allowed_domains_template && is_template(domain))
        return NAME_UNDECIDED;
    if ((is_bare && role->allow_bare_domains) || (is_below && role->allow_subdomains) ||
        (is_glob && role->allow_glob_domains))
        return NAME_ALLOWED;
    return is_bare ? NAME_BARE : is_below ? NAME_SUBDOMAIN : is_glob ? NAME_GLOB : NAME_DOMAIN;
}

/* The reason that is nearest to being allowed: the enum is in that order. */
static enum name_verdict nearer(enum name_verdict a, enum name_verdict b)
{
    return a < b ? a : b;
}

enum name_verdict fit_name(const struct role_terms *role, const char *whole)
{
    enum name_verdict verdict = role->allow_token_displayname ? NAME_UNDECIDED : NAME_DOMAIN;
    struct name name;

    if (strchr(whole, '*') != NULL && !role->allow_wildcard_certificates)
        return NAME_WILDCARD;
    if (!take_apart(whole, &name))
        return NAME_WILDCARD_FORM;
    if (role->enforce_hostnames && name.host[0] != '\0' && !fit_name_is_host(name.host))
        return NAME_NO_HOSTNAME;
    if (role->enforce_hostnames && name.wildcard != NULL && !is_wildcard_label(name.wildcard))
        return NAME_WILDCARD_FORM;
    if (role->allow_any_name)
        return NAME_ALLOWED;
    verdict = nearer(verdict, judge_local(role, &name));
    for (size_t i = 0; i < role->allowed_domains.count; i++)
        if (role->allowed_domains.items[i][0] != '\0')
            verdict = nearer(verdict, judge_domain(role, &name, role->allowed_domains.items[i]));
    return verdict;
}

enum name_verdict fit_name_uri(const struct role_terms *role, const char *uri)
{
    enum name_verdict verdict = NAME_DOMAIN;

    for (size_t i = 0; i < role->allowed_uri_sans.count; i++) {
        const char *allowed = role->allowed_uri_sans.items[i];

        if (role->allowed_uri_sans_template && is_template(allowed))
            verdict = nearer(verdict, NAME_UNDECIDED);
        else if (matches(allowed, uri))
            return NAME_ALLOWED;
    }
    return verdict;
}

/* Whether the first `bits` bits are the same. */
static bool same_bits(const unsigned char *a, const unsigned char *b, uint64_t bits)
{
    unsigned rest = (unsigned)(bits % 8);

    return memcmp(a, b, bits / 8) == 0 &&
           (rest == 0 || ((a[bits / 8] ^ b[bits / 8]) >> (8 - rest)) == 0);
}

static bool is_in_network(const char *network, const char *address)
{
    int family = strchr(address, ':') == NULL ? AF_INET : AF_INET6;
    const char *slash = strchr(network, '/');
    unsigned char net[sizeof(struct in6_addr)], ip[sizeof(struct in6_addr)];
    char start[INET6_ADDRSTRLEN];
    uint64_t bits;

    if (slash == NULL || (size_t)(slash - network) >= sizeof start ||
        !text_number(slash + 1, family == AF_INET ? 32 : 128, &bits))
        return false;
    memcpy(start, network, (size_t)(slash - network));
    start[slash - network] = '\0';
    return inet_pton(family, start, net) == 1 && inet_pton(family, address, ip) == 1 &&
           same_bits(net, ip, bits);
}

enum name_verdict fit_name_ip(const struct role_terms *role, const char *address)
{
    for (size_t i = 0; i < role->allowed_ip_sans_cidr.count; i++)
        if (is_in_network(role->allowed_ip_sans_cidr.items[i], address))
            return NAME_ALLOWED;
    return role->allowed_ip_sans_cidr.count == 0 ? NAME_ALLOWED : NAME_DOMAIN;
}

/* -- templates ------------------------------------------------------------------------------------
 */

const char *fit_name_value(const struct identity_terms *identity, const char *name, size_t length)
{
    for (size_t i = 0; i < identity->names.count; i++)
        if (strlen(identity->names.items[i]) == length &&
            memcmp(identity->names.items[i], name, length) == 0)
            return identity->values.items[i];
    return NULL;
}

/* The pattern with its templates expanded; see fit_name_fill. NULL: memory ran out. */
static const char *fill(const char *pattern, const struct identity_terms *identity,
                        struct arena *arena)
{
    const char *filled = "", *from = pattern, *open, *close, *value;

    while (filled != NULL && (open = strstr(from, "{{")) != NULL) {
        const char *name = open + 2, *end;

        close = strstr(name, "}}");
        if (close == NULL)
            return pattern; /* the CA does not take it for a template either */
        for (end = close; end > name && isspace((unsigned char)end[-1]); end--)
            ;
        while (name < end && isspace((unsigned char)*name))
            name++;
        value = fit_name_value(identity, name, (size_t)(end - name));
        if (value == NULL)
            return text_starts(name, "identity.entity.") == NULL ? pattern : "";
        filled = arena_format(arena, "%s%.*s%s", filled, (int)(open - from), from, value);
        from = close + 2;
    }
    return filled == NULL ? NULL : arena_format(arena, "%s%s", filled, from);
}

static bool fill_all(const struct text_list *from, const struct identity_terms *identity,
                     struct arena *arena, struct text_list *to)
{
    *to = (struct text_list){0};
    for (size_t i = 0; i < from->count; i++) {
        const char *filled =
            is_template(from->items[i]) ? fill(from->items[i], identity, arena) : from->items[i];

        if (filled == NULL || !text_list_add(to, arena, filled, strlen(filled)))
            return false;
    }
    return true;
}

bool fit_name_fill(const struct role_terms *role, const struct identity_terms *identity,
                   struct arena *arena, struct role_terms *ret_role)
{
    *ret_role = *role;
    if (identity == NULL || identity->known != TERMS_KNOWN)
        return true;
    return (!role->allowed_domains_template ||
            fill_all(&role->allowed_domains, identity, arena, &ret_role->allowed_domains)) &&
           (!role->allowed_uri_sans_template ||
            fill_all(&role->allowed_uri_sans, identity, arena, &ret_role->allowed_uri_sans));
}
