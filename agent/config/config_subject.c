#include "config/config_subject.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <openssl/asn1.h>

#include <ctype.h>
#include <string.h>

enum {
    DOMAIN_MOST_BYTES = 253,
    LABEL_MOST_BYTES = 63,
    COMMON_NAME_MOST = 64,
    URI_MOST_BYTES = 2048 /* SPIFFE-ID standard, section 2.3 */
};

#define LOWER_AND_DIGITS "abcdefghijklmnopqrstuvwxyz0123456789"
#define UPPER            "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

typedef const char *item_parser(struct config_scope *scope, const char *item,
                                const char **ret_item);

static const char *const not_dns =
    "is not a DNS name: labels of letters, digits and inner hyphens, separated by dots";

static bool is_label(const char *label, size_t length)
{
    if (length == 0 || length > LABEL_MOST_BYTES || label[0] == '-' || label[length - 1] == '-')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)label[i]) && label[i] != '-' && label[i] != '_')
            return false;
    return true;
}

/* RFC 1123 section 2.1: the last label is not all digits, so that no name looks like an address. */
static bool is_domain(const char *name)
{
    if (strlen(name) > DOMAIN_MOST_BYTES)
        return false;
    for (;;) {
        size_t length = strcspn(name, ".");

        if (!is_label(name, length))
            return false;
        if (name[length] == '\0')
            return strspn(name, "0123456789") < length;
        name += length + 1;
    }
}

static bool is_address(const char *text)
{
    struct in6_addr v6;
    struct in_addr v4;

    return inet_pton(AF_INET, text, &v4) == 1 || inet_pton(AF_INET6, text, &v6) == 1;
}

static void to_lower(char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        text[i] = (char)tolower((unsigned char)text[i]);
}

/* Letters, digits, dots and single hyphens. IDNA only lowers their case (RFC 5891 section 4.2.3.1),
 * and calling libidn2 takes longer than parsing the rest of a section. */
static bool is_plain(const char *name)
{
    return name[strspn(name, LOWER_AND_DIGITS UPPER "-.")] == '\0' && strstr(name, "--") == NULL;
}

/* Converts a domain to A-labels in lower case. */
static const char *to_domain(struct config_scope *scope, const char *item, const char **ret_domain)
{
    char *ascii = NULL;
    char *kept;

    if (is_plain(item)) {
        kept = arena_copy(&scope->scratch, item);
    } else if (idn2_to_ascii_8z(item, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT) != IDN2_OK) {
        return not_dns;
    } else {
        kept = arena_copy(&scope->scratch, ascii);
        idn2_free(ascii);
    }
    if (kept == NULL)
        return config_no_memory;
    to_lower(kept, strlen(kept));
    *ret_domain = kept;
    return is_domain(kept) ? NULL : not_dns;
}

/* Says what a text is instead of a DNS name, and which key it belongs to. */
static const char *not_dns_but(const char *item)
{
    size_t length = strlen(item);

    if (is_address(item))
        return "is an IP address; move it to ip_addresses";
    if (strstr(item, "://") != NULL)
        return "is a URL; write its host alone, or move it to uris";
    if (strchr(item, '@') != NULL)
        return "is a mail address; move it to email_addresses";
    if (strchr(item, ':') != NULL)
        return "has a port; leave it out, certificates name hosts only";
    if (strpbrk(item, " \t") != NULL)
        return "is more than one name; separate names by commas";
    if (length > 1 && item[length - 1] == '.')
        return "ends with a dot; leave the dot out, as certificates do";
    if (strcmp(item, "*") == 0)
        return "names every host of all domains; write *.DOMAIN";
    return NULL;
}

static const char *to_dns_name(struct config_scope *scope, const char *item, const char **ret_name)
{
    const char *domain = text_starts(item, "*.");
    const char *why = not_dns_but(item);

    if (why == NULL)
        why = to_domain(scope, domain == NULL ? item : domain, ret_name);
    if (why == NULL && domain != NULL)
        *ret_name = arena_format(&scope->scratch, "*.%s", *ret_name);
    return why;
}

static const char *not_address_but(const char *item)
{
    if (item[0] == '[')
        return "is in brackets; leave them out, and a port as well";
    if (strchr(item, '/') != NULL)
        return "is a network; write the addresses one by one";
    if (strchr(item, '%') != NULL)
        return "has a zone, which certificates cannot hold; leave out the % and what follows";
    if (strpbrk(item, " \t") != NULL)
        return "is more than one address; separate addresses by commas";
    if (is_domain(item))
        return "is a name; move it to dns_names";
    return "is not an IP address";
}

static const char *to_ip_address(struct config_scope *scope, const char *item,
                                 const char **ret_address)
{
    struct in6_addr v6;
    struct in_addr v4;
    char text[INET6_ADDRSTRLEN];
    bool four = inet_pton(AF_INET, item, &v4) == 1;

    if (!four && inet_pton(AF_INET6, item, &v6) != 1)
        return not_address_but(item);
    if (!four && IN6_IS_ADDR_V4MAPPED(&v6)) {
        four = true;
        memcpy(&v4, v6.s6_addr + sizeof v6 - sizeof v4, sizeof v4);
    }
    if (inet_ntop(four ? AF_INET : AF_INET6, four ? (void *)&v4 : (void *)&v6, text, sizeof text) ==
        NULL)
        return not_address_but(item);
    *ret_address = arena_copy(&scope->scratch, text);
    return NULL;
}

/* SPIFFE-ID standard, section 2: trust domain and path. `id` is the text after spiffe://. */
static const char *check_spiffe(const char *id)
{
    /* The standard has lower-case letters only. Capitals are signed as they are, and `leafd check`
     * warns about them. */
    size_t domain = strspn(id, LOWER_AND_DIGITS UPPER ".-_");
    const char *path = id + domain;

    if (strpbrk(id, "?#") != NULL)
        return "has a ? or #, which a SPIFFE ID cannot hold; leave it out";
    if (domain == 0 || (*path != '/' && *path != '\0'))
        return "has a trust domain that is not made of letters, digits, - . and _; write "
               "spiffe://example.org/PATH";
    if (path[strspn(path, "/" LOWER_AND_DIGITS UPPER ".-_")] != '\0')
        return "has a path that a SPIFFE ID cannot hold; use letters, digits, - . _ and /";
    while (*path == '/') {
        size_t length = strcspn(++path, "/");

        if (length == 0 || (length <= 2 && memcmp(path, "..", length) == 0))
            return "has an empty part, . or .. in its path, which a SPIFFE ID cannot hold; leave "
                   "it out";
        path += length;
    }
    return NULL;
}

/* Characters of RFC 3986, without the comma, which separates items in a request. */
static const char *check_uri_text(const char *item)
{
    for (const char *at = item; *at != '\0'; at++) {
        if (!isgraph((unsigned char)*at) || strchr("\"<>\\^`{|},", *at) != NULL)
            return "holds a character that must be percent-encoded; write it as %XX";
        if (*at == '%' && (!isxdigit((unsigned char)at[1]) || !isxdigit((unsigned char)at[2])))
            return "has a % without two hex digits; write %25 for a plain %";
    }
    /* The CA writes URIs with Go's net/url, which drops both. */
    if (item[strlen(item) - 1] == '?' || item[strlen(item) - 1] == '#')
        return "ends with ? or #, which the CA drops; leave it out";
    if (strstr(item, "?#") != NULL)
        return "has an empty query, which the CA drops; leave out the ?";
    return NULL;
}

/* Schemes that need a host; others have URIs such as file:///etc/x. */
static bool needs_host(const char *uri)
{
    return text_starts(uri, "spiffe:") != NULL || text_starts(uri, "http:") != NULL ||
           text_starts(uri, "https:") != NULL;
}

/* Checks host and port after "//". */
static const char *check_host(const char *host, bool is_needed)
{
    size_t length = strcspn(host, "/?#");
    const char *user_end = memchr(host, '@', length);
    const char *port;

    if (user_end != NULL) {
        length -= (size_t)(user_end + 1 - host);
        host = user_end + 1;
    }
    if (length == 0 && is_needed)
        return "names no host after //; write one";
    if (length == 0 && user_end == NULL && *host != '/')
        return "has nothing after //, which the CA then drops; write a host or a path";
    port = memrchr(host, ':', length);
    if (port != NULL && memchr(port, ']', length - (size_t)(port - host)) == NULL &&
        strspn(port + 1, "0123456789") + 1 != length - (size_t)(port - host))
        return "has a port that is not a number; write one, or none";
    return NULL;
}

static const char *to_uri(struct config_scope *scope, const char *item, const char **ret_uri)
{
    char *uri = arena_copy(&scope->scratch, item);
    size_t scheme = strspn(item, LOWER_AND_DIGITS UPPER "+-.");
    const char *why;

    if (uri == NULL)
        return config_no_memory;
    if (scheme == 0 || !isalpha((unsigned char)item[0]) || item[scheme] != ':' ||
        item[scheme + 1] == '\0')
        return "is not a URI: SCHEME:REST";
    if (strlen(item) > URI_MOST_BYTES)
        return "is longer than 2048 bytes; shorten it";
    to_lower(uri, scheme); /* as Go's net/url; the CA and its roles keep the case of the rest */
    *ret_uri = uri;
    why = check_uri_text(uri);
    if (why == NULL && text_starts(uri + scheme, "://") != NULL)
        why = check_host(uri + scheme + strlen("://"), needs_host(uri));
    else if (why == NULL && text_starts(uri, "spiffe:") != NULL)
        why = "is no SPIFFE ID; write spiffe://TRUST-DOMAIN/PATH";
    if (why == NULL && text_starts(uri, "spiffe://") != NULL)
        why = check_spiffe(uri + strlen("spiffe://"));
    return why;
}

static const char *to_email(struct config_scope *scope, const char *item, const char **ret_email)
{
    const char *at = strchr(item, '@');
    const char *domain;
    const char *why;

    if (at == NULL || at == item)
        return "is not a mail address: LOCAL@DOMAIN";
    for (const char *c = item; c < at; c++)
        if (!isgraph((unsigned char)*c) || strchr("\"(),:;<>[\\]", *c) != NULL)
            return "has an unusual character before the @; write LOCAL@DOMAIN alone";
    if (strchr(at, '_') != NULL)
        return "has an underscore in its domain, which mail domains cannot have; write another "
               "domain";
    why = to_domain(scope, at + 1, &domain);
    if (why == NULL)
        *ret_email = arena_format(&scope->scratch, "%.*s@%s", (int)(at - item), item, domain);
    return why;
}

static const char *add_item(struct config_scope *scope, item_parser *to_item,
                            struct text_list *list)
{
    const char *text, *item = NULL;
    const char *why = config_expand_for_now(scope, scope->item, &text);

    if (why == NULL && *text == '\0')
        why = "is empty after ${...} was replaced; leave it out, or set the variable";
    /* Before the item's own parser, whose remedy would be wrong. */
    if (why == NULL && strchr(text, ',') != NULL)
        why = "has a ${...} whose text contains a comma; it must be one name";
    if (why == NULL)
        why = to_item(scope, text, &item);
    if (why != NULL)
        return why;
    if (item == NULL)
        return config_no_memory;
    if (text_list_has(list, item))
        return "is given twice; write it once";
    return text_list_add(list, scope->arena, item, strlen(item)) ? NULL : config_no_memory;
}

/* Splits the value at commas; expands, converts and appends each item. */
static const char *add_items(struct config_scope *scope, const char *value, item_parser *to_item,
                             struct text_list *list)
{
    struct text_list items = {0};
    bool empty = false;
    const char *why = NULL;

    if (!text_list_split(&items, &scope->scratch, value, ",", &empty))
        return config_no_memory;
    if (empty)
        return "holds an empty name; separate names by single commas";
    for (size_t i = 0; i < items.count && why == NULL; i++) {
        scope->item = items.items[i];
        why = add_item(scope, to_item, list);
    }
    return why;
}

/* Whether the text can be a UTF8String (RFC 5280 section 4.1.2.4); counts its characters. */
static const char *check_characters(const char *text, size_t *ret_count)
{
    const unsigned char *at = (const unsigned char *)text;
    int left = (int)strlen(text), length;
    unsigned long character;

    *ret_count = 0;
    for (; left > 0; at += length, left -= length, ++*ret_count) {
        length = UTF8_getc(at, left, &character);
        if (length <= 0)
            return "is not UTF-8; write it in UTF-8";
        if (character < ' ' || (character >= 0x7f && character < 0xa0))
            return "holds a control character; leave it out";
    }
    return NULL;
}

const char *parse_common_name(struct config_scope *scope, const char *value, void *field)
{
    const char **name = field;
    const char *why = parse_text(scope, value, field);

    if (why == NULL && strlen(*name) > COMMON_NAME_MOST)
        return "is longer than the 64 characters that X.509 allows; use dns_names and leave it out";
    /* Vault and OpenBao also make such a common name a DNS name, which was not requested. */
    for (const char *at = *name; why == NULL && *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || (unsigned char)*at > '~')
            return "holds a character outside printable ASCII; use dns_names, which take any "
                   "alphabet";
    return why;
}

/* The attribute types that roles of Vault can set, as libcrypto names them, with the upper bounds
 * of RFC 5280 appendix A.1. */
static const struct subject_type {
    const char *name;
    size_t most;
    bool is_printable_string;
} subject_types[] = {
    {"C", 2, true},
    {"ST", 128, false},
    {"L", 128, false},
    {"O", 64, false},
    {"OU", 64, false},
    {"street", 128, false},
    {"postalCode", 40, false},
    {"serialNumber", 64, true},
};

enum { SUBJECT_MOST_PARTS = 16 };

static const struct subject_type *subject_type_of(const char *item, size_t length)
{
    for (size_t i = 0; i < sizeof subject_types / sizeof *subject_types; i++)
        if (strlen(subject_types[i].name) == length &&
            strncasecmp(subject_types[i].name, item, length) == 0)
            return &subject_types[i];
    return NULL;
}

/* PrintableString: X.520 and RFC 5280 appendix A.1. A country is two letters of ISO 3166. */
static const char *check_printable_string(const struct subject_type *type, const char *value)
{
    const char *set = LOWER_AND_DIGITS UPPER " '()+,-./:=?";

    if (strcmp(type->name, "C") == 0 && (strlen(value) != 2 || !isalpha((unsigned char)value[0]) ||
                                         !isalpha((unsigned char)value[1])))
        return "is not a country, which is two letters; write for example C=DE";
    if (value[strspn(value, set)] != '\0')
        return "holds a character that a serial number cannot have; use letters, digits, blanks "
               "and '()+,-./:=?";
    return NULL;
}

static const char *check_subject_value(const struct subject_type *type, const char *value)
{
    size_t count;
    const char *why = check_characters(value, &count);

    if (why != NULL)
        return why;
    if (count == 0)
        return "has no value; write TYPE=VALUE, such as O=My Organization";
    if (count > type->most)
        return "is longer than X.509 allows, which is 2 letters for C, and 64 characters for O and "
               "OU; shorten it";
    return type->is_printable_string ? check_printable_string(type, value) : NULL;
}

/* Reads one part from *at, up to a comma without a backslash, and removes its backslashes. */
static bool take_subject_part(struct config_scope *scope, const char **at, const char **ret_part)
{
    const char *from = *at + strspn(*at, " \t");
    char *part = arena_take(&scope->scratch, strlen(from) + 1), *to = part;

    if (part == NULL)
        return false;
    while (*from != '\0' && *from != ',') {
        if (*from == '\\' && from[1] != '\0')
            from++;
        *to++ = *from++;
    }
    while (to > part && (to[-1] == ' ' || to[-1] == '\t'))
        to--;
    *to = '\0';
    *at = *from == ',' ? from + 1 : NULL;
    *ret_part = part;
    return true;
}

static const char *add_subject_part(struct config_scope *scope, const char *part,
                                    struct text_list *list)
{
    size_t length = strcspn(part, "=");
    const struct subject_type *type = subject_type_of(part, length);
    const char *value, *why, *item;

    scope->item = part;
    if (length == 2 && strncasecmp(part, "CN", 2) == 0)
        return "is the common name; write it as common_name";
    if (part[length] == '\0')
        return "is not TYPE=VALUE, such as O=My Organization; a comma within a value is written "
               "\\,";
    if (type == NULL)
        return "has a type that is none of C, ST, L, O, OU, street, postalCode, serialNumber";
    why = config_expand_for_now(scope, part + length + 1, &value);
    if (why == NULL)
        why = check_subject_value(type, value);
    if (why != NULL)
        return why;
    item = arena_format(&scope->scratch, "%s=%s", type->name, value);
    if (item == NULL)
        return config_no_memory;
    if (text_list_has(list, item))
        return "is given twice; write it once";
    if (list->count >= SUBJECT_MOST_PARTS)
        return "is one more than the 16 parts that are allowed; leave some out";
    return text_list_add(list, scope->arena, item, strlen(item)) ? NULL : config_no_memory;
}

const char *parse_subject(struct config_scope *scope, const char *value, void *field)
{
    const char *why = NULL, *part;

    for (const char *at = value; why == NULL && at != NULL;)
        why = take_subject_part(scope, &at, &part) ? add_subject_part(scope, part, field)
                                                   : config_no_memory;
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
