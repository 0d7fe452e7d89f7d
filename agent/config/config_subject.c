#include "config/config_subject.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <idn2.h>

#include <ctype.h>
#include <string.h>

enum { DOMAIN_MOST_BYTES = 253, LABEL_MOST_BYTES = 63, COMMON_NAME_MOST_BYTES = 64 };

typedef const char *item_parser(struct config_scope *scope, const char *item,
                                const char **ret_item);

static const char *const not_dns =
    "holds something that is not a DNS name: labels of letters, digits and inner hyphens, "
    "apart by dots";

static bool is_label(const char *label, size_t length)
{
    if (length == 0 || length > LABEL_MOST_BYTES || label[0] == '-' || label[length - 1] == '-')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)label[i]) && label[i] != '-')
            return false;
    return true;
}

static bool is_domain(const char *name)
{
    if (strlen(name) > DOMAIN_MOST_BYTES)
        return false;
    for (;;) {
        size_t length = strcspn(name, ".");

        if (!is_label(name, length))
            return false;
        if (name[length] == '\0')
            return true;
        name += length + 1;
    }
}

/* A domain in A-labels and lower case. */
static const char *to_domain(struct config_scope *scope, const char *item, const char **ret_domain)
{
    char *ascii = NULL;
    char *kept;

    if (strchr(item, '_') != NULL)
        return "holds a name with an underscore, which the CA would drop without a word";
    if (idn2_to_ascii_8z(item, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT) != IDN2_OK)
        return not_dns;
    kept = arena_copy(scope->arena, ascii);
    idn2_free(ascii);
    if (kept == NULL)
        return config_no_memory;
    for (char *at = kept; *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    *ret_domain = kept;
    return is_domain(kept) ? NULL : not_dns;
}

static const char *to_dns_name(struct config_scope *scope, const char *item, const char **ret_name)
{
    const char *domain = text_starts(item, "*.");
    const char *why = to_domain(scope, domain == NULL ? item : domain, ret_name);

    if (why == NULL && domain != NULL)
        *ret_name = arena_format(scope->arena, "*.%s", *ret_name);
    return why;
}

static const char *to_ip_address(struct config_scope *scope, const char *item,
                                 const char **ret_address)
{
    unsigned char raw[sizeof(struct in6_addr)];
    char text[INET6_ADDRSTRLEN];
    int family = strchr(item, ':') == NULL ? AF_INET : AF_INET6;

    if (inet_pton(family, item, raw) != 1 || inet_ntop(family, raw, text, sizeof text) == NULL)
        return "holds something that is not an IP address";
    *ret_address = arena_copy(scope->arena, text);
    return NULL;
}

static const char *to_uri(struct config_scope *scope, const char *item, const char **ret_uri)
{
    size_t scheme =
        strspn(item, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

    if (scheme == 0 || !isalpha((unsigned char)item[0]) || item[scheme] != ':' ||
        item[scheme + 1] == '\0')
        return "holds something that is not a URI: SCHEME:REST";
    for (const char *at = item; *at != '\0'; at++)
        if (!isgraph((unsigned char)*at) || strchr("\"<>\\^`{|}", *at) != NULL)
            return "holds a URI with a character that must be percent-encoded";
    *ret_uri = arena_copy(scope->arena, item);
    return NULL;
}

static const char *to_email(struct config_scope *scope, const char *item, const char **ret_email)
{
    const char *at = strchr(item, '@');
    const char *domain;
    const char *why;

    if (at == NULL || at == item)
        return "holds something that is not a mail address: LOCAL@DOMAIN";
    for (const char *c = item; c < at; c++)
        if (!isgraph((unsigned char)*c) || strchr("\"(),:;<>[\\]", *c) != NULL)
            return "holds a mail address with an unusual character before the @";
    why = to_domain(scope, at + 1, &domain);
    if (why == NULL)
        *ret_email = arena_format(scope->arena, "%.*s@%s", (int)(at - item), item, domain);
    return why;
}

/* Expands the value, takes it apart by commas, and appends each item in its one form. */
static const char *add_items(struct config_scope *scope, const char *value, item_parser *to_item,
                             struct text_list *list)
{
    struct text_list items = {0};
    bool empty = false;
    const char *text;
    const char *why = config_expand(scope, value, &text);

    if (why != NULL)
        return why;
    if (!text_list_split(&items, scope->arena, text, ",", &empty))
        return config_no_memory;
    if (empty)
        return "holds an empty name; write names apart by single commas";
    for (size_t i = 0; i < items.count; i++) {
        const char *item = NULL;

        why = to_item(scope, items.items[i], &item);
        if (why != NULL)
            return why;
        if (item == NULL)
            return config_no_memory;
        if (text_list_has(list, item))
            return "holds a name twice";
        if (!text_list_add(list, scope->arena, item, strlen(item)))
            return config_no_memory;
    }
    return NULL;
}

const char *parse_common_name(struct config_scope *scope, const char *value, void *field)
{
    const char **name = field;
    const char *why = parse_text(scope, value, field);

    if (why == NULL && strlen(*name) > COMMON_NAME_MOST_BYTES)
        return "is longer than the 64 bytes that X.509 allows; use dns_names and leave it out";
    for (const char *at = *name; why == NULL && *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || (unsigned char)*at > '~')
            return "holds a character outside printable ASCII";
    return why;
}

const char *parse_dns_names(struct config_scope *scope, const char *value, void *field)
{
    return add_items(scope, value, to_dns_name, field);
}

const char *parse_ip_addresses(struct config_scope *scope, const char *value, void *field)
{
    return add_items(scope, value, to_ip_address, field);
}

const char *parse_uris(struct config_scope *scope, const char *value, void *field)
{
    return add_items(scope, value, to_uri, field);
}

const char *parse_email_addresses(struct config_scope *scope, const char *value, void *field)
{
    return add_items(scope, value, to_email, field);
}
