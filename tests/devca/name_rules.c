#include "name_rules.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Whether the text matches the pattern, in which * stands for any text. */
static bool matches(const char *pattern, const char *text)
{
    for (; *pattern != '*'; pattern++, text++) {
        if (*pattern != *text)
            return false;
        if (*text == '\0')
            return true;
    }
    for (;; text++) {
        if (matches(pattern + 1, text))
            return true;
        if (*text == '\0')
            return false;
    }
}

/* Whether the first `length` bytes are a label: letters, digits, and hyphens inside. */
static bool is_label(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)text[i]) && text[i] != '-')
            return false;
    return length > 0 && text[0] != '-' && text[length - 1] != '-';
}

bool name_is_hostname(const char *name)
{
    if (strncmp(name, "*.", 2) == 0)
        name += 2;
    for (;;) {
        size_t length = strcspn(name, ".");

        if (!is_label(name, length))
            return false;
        name += length;
        if (name[0] == '\0' || name[1] == '\0')
            return true; /* the end, or a dot at the end */
        name++;
    }
}

/* A label that is a wildcard, or a label with one * at its start, inside, or at its end. */
static bool is_wildcard_label(const char *text, size_t length)
{
    const char *star = memchr(text, '*', length);
    size_t before = star == NULL ? length : (size_t)(star - text);

    if (star == NULL)
        return false;
    return (before == 0 || is_label(text, before)) &&
           (before + 1 == length || is_label(star + 1, length - before - 1));
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);

    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* A name, taken apart. */
struct name {
    const char *whole;
    const char *host;     /* without user and wildcard label */
    const char *wildcard; /* the label with the *, up to the dot; NULL: none */
    bool is_email;
};

/* False where no role allows it. */
static bool take_apart(const char *whole, struct name *name)
{
    const char *at = strchr(whole, '@');

    *name = (struct name){.whole = whole, .host = at == NULL ? whole : at + 1, .is_email = at};
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

static bool is_local(const struct pki_role *role, const struct name *name)
{
    static const char *const locals[] = {"localhost", "localdomain"};
    static const char *const below[] = {".localhost", ".localdomain"};

    for (size_t i = 0; i < 2; i++) {
        if (strcmp(name->host, locals[i]) == 0)
            return true;
        if (role->allow_subdomains && ends_with(name->host, below[i]))
            return true;
    }
    return false;
}

static bool is_in_domain(const struct pki_role *role, const struct name *name, const char *domain)
{
    const char *bare = name->is_email ? name->host : name->whole;
    size_t length = strlen(name->host), domain_length = strlen(domain);

    if (role->allow_glob_domains && strchr(domain, '*') != NULL && matches(domain, name->whole))
        return true;
    if (role->allow_bare_domains && strcasecmp(bare, domain) == 0)
        return true;
    if (!role->allow_subdomains)
        return false;
    if (name->wildcard != NULL && strcasecmp(name->host, domain) == 0)
        return true;
    return ends_with(name->host, domain) && length > domain_length &&
           name->host[length - domain_length - 1] == '.';
}

bool name_rules_allow(const struct pki_role *role, const char *whole)
{
    struct name name;

    if (!take_apart(whole, &name))
        return false;
    if (name.wildcard != NULL && !role->allow_wildcard_certificates)
        return false;
    if (role->enforce_hostnames && name.host[0] != '\0' && !name_is_hostname(name.host))
        return false;
    if (role->enforce_hostnames && name.wildcard != NULL &&
        !is_wildcard_label(name.wildcard, strcspn(name.wildcard, ".")))
        return false;
    if (role->allow_any_name || (role->allow_localhost && is_local(role, &name)))
        return true;
    for (size_t i = 0; i < role->allowed_domains.count; i++)
        if (is_in_domain(role, &name, role->allowed_domains.items[i]))
            return true;
    return false;
}

bool name_rules_allow_uri(const struct pki_role *role, const char *uri)
{
    for (size_t i = 0; i < role->allowed_uri_sans.count; i++)
        if (matches(role->allowed_uri_sans.items[i], uri))
            return true;
    return false;
}
