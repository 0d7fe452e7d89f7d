#include "config/config_prove.h"

#include "base/json_path.h"
#include "config/config_target.h"
#include "config/config_words.h"

#include <arpa/inet.h>
#include <string.h>

static const char *take_server_name(const char *name, const char **ret_name)
{
    struct in6_addr v6;
    struct in_addr v4;

    /* RFC 6066 section 3: literal addresses are not permitted. */
    if (inet_pton(AF_INET, name, &v4) == 1 || inet_pton(AF_INET6, name, &v6) == 1)
        return "has an address behind sni, which carries DNS names only";
    if (strchr(name, '*') != NULL)
        return "has a wildcard behind sni; write a name that it covers";
    if (name[0] == '\0' ||
        name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")] !=
            '\0')
        return "has something behind sni that is no DNS name";
    *ret_name = name;
    return NULL;
}

static const char *take_starttls(const char *word, enum starttls *ret_starttls)
{
    for (unsigned i = STARTTLS_NONE + 1; i < STARTTLS_COUNT; i++) {
        if (strcmp(word, starttls_words[i]) == 0) {
            *ret_starttls = (enum starttls)i;
            return NULL;
        }
    }
    return "has a starttls that does not exist; there are postgres, mysql, smtp, imap and ldap";
}

static const char not_tls[] = "is not tls HOST:PORT [sni NAME] [starttls PROTOCOL] [mutual]";

static const char *take_tls(struct config_scope *scope, const struct text_list *words,
                            struct tls_target *tls)
{
    const char *why;

    if (words->count < 2)
        return not_tls;
    why = target_parse_address(scope, words->items[1], tls);
    for (size_t i = 2; i < words->count && why == NULL; i++) {
        if (strcmp(words->items[i], "mutual") == 0 && !tls->mutual)
            tls->mutual = true;
        else if (i + 1 == words->count)
            why = not_tls;
        else if (strcmp(words->items[i], "sni") == 0 && tls->server_name == NULL)
            why = take_server_name(words->items[++i], &tls->server_name);
        else if (strcmp(words->items[i], "starttls") == 0 && tls->starttls == STARTTLS_NONE)
            why = take_starttls(words->items[++i], &tls->starttls);
        else
            why = not_tls;
    }
    return why;
}

static const char *take_http(struct config_scope *scope, const struct text_list *words,
                             struct prove_order *order)
{
    if (words->count != 3)
        return "is not none, tls ..., exec ... or http URL JSON-PATH";
    order->json_path = words->items[2];
    if (!json_path_valid(order->json_path))
        return "has a JSON path that is not made of names, dots, [NUMBER] and [*]";
    return target_parse_url(scope, words->items[1], &order->http);
}

const char *parse_prove(struct config_scope *scope, const char *value, void *field)
{
    struct prove_order *order = field;
    struct text_list words = {0};
    const char *why = words_split(scope, value, &words);

    if (why != NULL)
        return why;
    if (words.count == 1 && strcmp(words.items[0], "none") == 0)
        return NULL;
    if (words.count > 0 && strcmp(words.items[0], "tls") == 0) {
        order->method = PROVE_TLS;
        return take_tls(scope, &words, &order->tls);
    }
    if (words.count > 0 && strcmp(words.items[0], "exec") == 0) {
        order->method = PROVE_EXEC;
        return words_argv(scope, &words, &order->argv);
    }
    if (words.count > 0 && strcmp(words.items[0], "http") == 0) {
        order->method = PROVE_HTTP;
        return take_http(scope, &words, order);
    }
    return "is not none, tls ..., exec ... or http ...";
}
