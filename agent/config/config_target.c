#include "config/config_target.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>

static const char odd_socket[] =
    "has a Unix socket that is not unix: and an absolute path of at most 107 bytes";

enum { HOST_MOST_BYTES = 253, LISTEN_MOST = 8 };

/* The parts of HOST:PORT, the host without brackets; port is NULL if there is none. */
struct authority {
    const char *host, *port;
};

static bool is_host(const char *text)
{
    struct in_addr v4;

    if (*text == '\0' || *text == '-' || *text == '.' || strstr(text, "..") != NULL ||
        strlen(text) > HOST_MOST_BYTES)
        return false;
    /* Only digits and dots: it must be an IPv4 address. */
    if (text[strspn(text, "0123456789.")] == '\0')
        return inet_pton(AF_INET, text, &v4) == 1;
    return text[strspn(
               text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")] == '\0';
}

static const char *check_port(const char *port)
{
    uint64_t number;

    return text_number(port, UINT16_MAX, &number) && number > 0
               ? NULL
               : "has a port that is not a number from 1 to 65535; write one";
}

static const char *parse_bracketed(struct config_scope *scope, const char *text,
                                   struct authority *ret_authority)
{
    const char *close = strchr(text, ']');
    struct in6_addr address;

    if (close == NULL || (close[1] != ':' && close[1] != '\0'))
        return "has a [ without ]:PORT after it; write [IPV6]:PORT";
    ret_authority->host = arena_copy_part(scope->arena, text + 1, (size_t)(close - text - 1));
    if (ret_authority->host == NULL)
        return config_no_memory;
    if (inet_pton(AF_INET6, ret_authority->host, &address) != 1)
        return "has brackets around what is not an IPv6 address; leave them out";
    if (close[1] == ':')
        ret_authority->port = close + 2;
    return NULL;
}

/* Parses HOST, HOST:PORT or [IPV6]:PORT; returns what is wrong, or NULL. */
static const char *parse_authority(struct config_scope *scope, const char *text,
                                   struct authority *ret_authority)
{
    const char *colon = strchr(text, ':');
    const char *why;

    if (text[0] == '[') {
        why = parse_bracketed(scope, text, ret_authority);
    } else {
        why = colon != NULL && strchr(colon + 1, ':') != NULL
                  ? "has more than one colon; write IPv6 addresses in brackets: [::1]:443"
                  : NULL;
        ret_authority->host = arena_copy_part(scope->arena, text, strcspn(text, ":"));
        if (ret_authority->host == NULL)
            return config_no_memory;
        if (why == NULL && !is_host(ret_authority->host))
            why = "has a host that is neither a name nor an address; write a name, or four numbers "
                  "up to 255";
        ret_authority->port = colon == NULL ? NULL : colon + 1;
    }
    if (why == NULL && ret_authority->port != NULL)
        why = check_port(ret_authority->port);
    return why;
}

static const char *check_socket(const char *path)
{
    return path[0] == '/' && strlen(path) < sizeof((struct sockaddr_un *)NULL)->sun_path
               ? NULL
               : odd_socket;
}

const char *target_parse_address(struct config_scope *scope, const char *text,
                                 struct tls_target *ret_target)
{
    struct authority authority = {0};
    const char *why;

    ret_target->label = text;
    ret_target->socket = text_starts(text, "unix:");
    if (ret_target->socket != NULL)
        return check_socket(ret_target->socket);
    why = parse_authority(scope, text, &authority);
    if (why == NULL && authority.port == NULL)
        why = "has no port; write HOST:PORT";
    ret_target->host = authority.host;
    ret_target->port = authority.port;
    return why;
}

static bool is_loopback(const char *host)
{
    struct in6_addr v6;
    struct in_addr v4;

    if (strcmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

/* Parses unix:/PATH:/URL-PATH. The URL's host is sent in the Host header only. */
static const char *parse_socket_url(struct config_scope *scope, const char *text,
                                    struct http_target *ret_target)
{
    size_t length = strcspn(text, ":");

    if (text[length] == '\0' || text[length + 1] != '/')
        return "is not unix:/PATH:/URL-PATH";
    ret_target->socket = arena_copy_part(scope->arena, text, length);
    ret_target->url = arena_format(scope->arena, "http://localhost%s", text + length + 1);
    if (ret_target->socket == NULL || ret_target->url == NULL)
        return config_no_memory;
    return check_socket(ret_target->socket);
}

static const char *parse_host_url(struct config_scope *scope, const char *text, const char *host,
                                  bool plain, struct http_target *ret_target)
{
    struct authority authority = {0};
    const char *copy = arena_copy_part(scope->arena, host, strcspn(host, "/?"));
    const char *why;

    if (copy == NULL)
        return config_no_memory;
    if (strchr(copy, '@') != NULL)
        return "has a user in its URL; leafd sends no password to admin interfaces";
    why = parse_authority(scope, copy, &authority);
    if (why == NULL && plain && !is_loopback(authority.host))
        why = "sends plain http to another machine; take https://, or 127.0.0.1, [::1], localhost "
              "or unix:/PATH:/URL-PATH";
    ret_target->url = text;
    return why;
}

const char *target_parse_url(struct config_scope *scope, const char *text,
                             struct http_target *ret_target)
{
    const char *socket = text_starts(text, "unix:");
    const char *plain = text_starts(text, "http://");
    const char *host = plain != NULL ? plain : text_starts(text, "https://");

    ret_target->label = arena_copy_part(scope->arena, text, strcspn(text, "?"));
    if (ret_target->label == NULL)
        return config_no_memory;
    if (strpbrk(text, " \t\"<>\\^`{|}#") != NULL)
        return "has a character in its URL that must be written as %XX, or a #";
    if (socket != NULL)
        return parse_socket_url(scope, socket, ret_target);
    if (host == NULL)
        return "has a URL that does not start with https://, http:// or unix:/";
    return parse_host_url(scope, text, host, plain != NULL, ret_target);
}

const char *parse_host(struct config_scope *scope, const char *value, void *field)
{
    const char **host = field;
    const char *why = parse_text(scope, value, host);
    struct in6_addr v6;

    if (why != NULL)
        return why;
    return is_host(*host) || inet_pton(AF_INET6, *host, &v6) == 1
               ? NULL
               : "is not a host; write a name or an address alone, without scheme and port";
}

static bool is_url_text(const char *text)
{
    return *text != '\0' && strpbrk(text, " \t\"<>\\^`{|}#?@") == NULL;
}

/* Accepts SCHEME://HOST[:PORT] and removes trailing slashes. */
static const char *take_origin(struct config_scope *scope, const char *rest, const char **url)
{
    struct authority authority = {0};
    size_t length = strcspn(rest, "/");
    const char *host = arena_copy_part(scope->arena, rest, length);

    if (host == NULL)
        return config_no_memory;
    if (!is_url_text(rest) || length == 0 || rest[length + strspn(rest + length, "/")] != '\0')
        return "has more than an address; leave out path, user and query";
    *url = arena_copy_part(scope->arena, *url, (size_t)(rest - *url) + length);
    return *url == NULL ? config_no_memory : parse_authority(scope, host, &authority);
}

const char *parse_address(struct config_scope *scope, const char *value, void *field)
{
    const char **address = field;
    const char *why = parse_text(scope, value, address);
    const char *host;

    if (why != NULL)
        return why;
    host = text_starts(*address, "https://");
    if (host == NULL)
        return "does not start with https://, and leafd sends tokens over TLS only";
    return take_origin(scope, host, address);
}

const char *parse_proxy(struct config_scope *scope, const char *value, void *field)
{
    const char **proxy = field;
    const char *why = parse_text(scope, value, proxy);
    const char *host;

    if (why != NULL)
        return why;
    host = text_starts(*proxy, "http://");
    if (host == NULL)
        host = text_starts(*proxy, "https://");
    if (host == NULL)
        return "does not start with http:// or https://";
    return take_origin(scope, host, proxy);
}

static const char *add_redirect(struct config_scope *scope, const char *item,
                                struct redirect_rule *rule)
{
    struct redirect_host *hosts;
    struct authority authority = {0};
    const char *why;
    uint64_t port = 0;

    if (strstr(item, "://") != NULL || strchr(item, '/') != NULL || strchr(item, '@') != NULL)
        return "is a URL; write HOST or HOST:PORT";
    why = parse_authority(scope, item, &authority);
    if (why != NULL)
        return why;
    if (authority.port != NULL && !text_number(authority.port, UINT16_MAX, &port))
        return "has no port after its colon; write HOST:PORT";
    hosts = arena_take(scope->arena, (rule->count + 1) * sizeof *hosts);
    if (hosts == NULL)
        return config_no_memory;
    if (rule->count > 0)
        memcpy(hosts, rule->hosts, rule->count * sizeof *hosts);
    hosts[rule->count++] = (struct redirect_host){authority.host, (uint16_t)port};
    rule->hosts = hosts;
    return NULL;
}

const char *parse_redirects(struct config_scope *scope, const char *value, void *field)
{
    struct redirect_rule *rule = field;
    struct text_list items = {0};
    const char *why = NULL;
    bool empty = false;

    if (strstr(value, "${") != NULL)
        return "holds a ${...}, which is not replaced here: environment variables must not decide "
               "where the token goes; write the names out";
    if (!text_list_split(&items, scope->arena, value, ",", &empty))
        return config_no_memory;
    if (empty)
        return "holds an empty item; separate hosts by single commas";
    for (size_t i = 0; i < items.count && why == NULL; i++) {
        scope->item = items.items[i];
        if (strcmp(items.items[i], "no") == 0)
            rule->none = true;
        else if (strcmp(items.items[i], "same-host") == 0)
            rule->same_host = true;
        else
            why = add_redirect(scope, items.items[i], rule);
    }
    if (why == NULL && rule->none && (rule->same_host || rule->count > 0))
        why = "has no beside other words; keep one or the other";
    return why;
}

static const char not_a_place[] =
    "is no address to listen at; write IP:PORT, [IPV6]:PORT, or :PORT for all addresses";

/* Takes an item that is expanded, as the text that `label` points to. */
static const char *fill_listen(struct config_scope *scope, struct listen_address *address)
{
    struct authority authority = {0};
    struct in_addr v4;
    uint64_t port = 0;
    const char *why;

    if (address->label[0] == ':' && strchr(address->label + 1, ':') == NULL) {
        authority.port = address->label + 1;
        why = check_port(authority.port);
    } else {
        why = parse_authority(scope, address->label, &authority);
        if (why == NULL && address->label[0] != '[' && inet_pton(AF_INET, authority.host, &v4) != 1)
            why = not_a_place;
    }
    if (why == NULL && (authority.port == NULL || !text_number(authority.port, UINT16_MAX, &port)))
        why = not_a_place;
    address->host = authority.host;
    address->port = (uint16_t)port;
    return why;
}

static const char *add_listen(struct config_scope *scope, const char *item,
                              struct listen_list *list)
{
    struct listen_address *items = arena_take(scope->arena, (list->count + 1) * sizeof *items);
    struct listen_address *added;
    const char *why;

    if (items == NULL)
        return config_no_memory;
    if (list->count == LISTEN_MOST)
        return "is one address too many; keep at most eight";
    if (list->count > 0)
        memcpy(items, list->items, list->count * sizeof *items);
    added = &items[list->count];
    *added = (struct listen_address){0};
    why = config_expand(scope, item, &added->label);
    if (why == NULL)
        why = fill_listen(scope, added);
    for (size_t i = 0; i < list->count && why == NULL; i++)
        if (strcmp(items[i].label, added->label) == 0)
            why = "is listed twice; keep one";
    list->items = items;
    list->count += why == NULL;
    return why;
}

const char *parse_listen(struct config_scope *scope, const char *value, void *field)
{
    struct text_list items = {0};
    const char *why = NULL;
    bool empty = false;

    if (value[0] == '\0')
        return NULL;
    if (!text_list_split(&items, &scope->scratch, value, ",", &empty))
        return config_no_memory;
    if (empty)
        return "holds an empty item; separate addresses by single commas";
    for (size_t i = 0; i < items.count && why == NULL; i++) {
        scope->item = items.items[i];
        why = add_listen(scope, items.items[i], field);
    }
    return why;
}
