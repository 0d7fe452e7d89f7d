#include "base/cert_request.h"

#include <string.h>
#include <strings.h>

const char *const key_type_words[KEY_TYPE_COUNT + 1] = {
    [KEY_ECDSA_P256] = "ecdsa-p256", [KEY_ECDSA_P384] = "ecdsa-p384",
    [KEY_ECDSA_P521] = "ecdsa-p521", [KEY_RSA_2048] = "rsa-2048",
    [KEY_RSA_3072] = "rsa-3072",     [KEY_RSA_4096] = "rsa-4096",
    [KEY_ED25519] = "ed25519",
};

bool names_equal(const struct names *a, const struct names *b)
{
    return text_equal(a->common_name, b->common_name) && text_list_equal(&a->dns, &b->dns) &&
           text_list_equal(&a->ip, &b->ip) && text_list_equal(&a->uri, &b->uri) &&
           text_list_equal(&a->email, &b->email) && text_list_equal(&a->subject, &b->subject);
}

static bool is_among(const struct names *names, const char *name)
{
    return text_list_has(&names->dns, name) || text_list_has(&names->ip, name) ||
           text_list_has(&names->uri, name) || text_list_has(&names->email, name) ||
           (names->common_name != NULL && strcasecmp(names->common_name, name) == 0);
}

const char *names_missing_san(const struct names *wanted, const struct names *got)
{
    const char *missing = text_list_missing(&wanted->dns, &got->dns);

    if (missing == NULL)
        missing = text_list_missing(&wanted->ip, &got->ip);
    if (missing == NULL)
        missing = text_list_missing(&wanted->uri, &got->uri);
    if (missing == NULL)
        missing = text_list_missing(&wanted->email, &got->email);
    return missing;
}

const char *names_missing_any(const struct names *wanted, const struct names *got)
{
    const struct text_list *const lists[] = {&wanted->dns, &wanted->ip, &wanted->uri,
                                             &wanted->email};

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (size_t j = 0; j < lists[i]->count; j++)
            if (!is_among(got, lists[i]->items[j]))
                return lists[i]->items[j];
    if (wanted->common_name != NULL && !is_among(got, wanted->common_name))
        return wanted->common_name;
    return NULL;
}

static char *append_word(char *to, const char *word)
{
    to = stpcpy(to, word);
    return stpcpy(to, " ");
}

const char *names_text(const struct names *names, struct arena *arena)
{
    const struct text_list *const lists[] = {&names->dns, &names->ip, &names->uri, &names->email};
    const struct names others = {.dns = names->dns, .ip = names->ip, .email = names->email};
    const char *common_name = names->common_name == NULL ? "" : names->common_name;
    size_t bytes = strlen(common_name) + 2;
    char *text, *end;

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (size_t j = 0; j < lists[i]->count; j++)
            bytes += strlen(lists[i]->items[j]) + 1;
    end = text = arena_take(arena, bytes);
    if (text == NULL)
        return NULL;
    if (*common_name != '\0' && !is_among(&others, common_name))
        end = append_word(end, common_name);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (size_t j = 0; j < lists[i]->count; j++)
            end = append_word(end, lists[i]->items[j]);
    if (end > text)
        end[-1] = '\0';
    return text;
}

size_t names_count(const struct names *names)
{
    return names->dns.count + names->ip.count + names->uri.count + names->email.count;
}
