#include "prove/reply_names.h"

#include "base/json.h"

#include <ctype.h>
#include <string.h>

struct wanted {
    const char *serial, *fingerprint;
    unsigned texts; /* found at the path */
};

/* The next digit that is not a colon, in lower case; '\0' at the end. */
static char next_digit(const char **at)
{
    while (**at == ':')
        (*at)++;
    return **at == '\0' ? '\0' : (char)tolower((unsigned char)*(*at)++);
}

static const char *behind_zeros(const char *text)
{
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        text += 2;
    return text + strspn(text, "0:");
}

bool hex_same(const char *a, const char *b)
{
    char digit;

    a = behind_zeros(a);
    b = behind_zeros(b);
    do {
        digit = next_digit(&a);
        if (digit != next_digit(&b) || (digit != '\0' && !isxdigit((unsigned char)digit)))
            return false;
    } while (digit != '\0');
    return true;
}

static bool is_wanted(const json_t *value, void *arg)
{
    struct wanted *wanted = arg;
    const char *text = json_string_value(value);

    if (text == NULL)
        return false;
    wanted->texts++;
    return hex_same(text, wanted->serial) || hex_same(text, wanted->fingerprint);
}

bool reply_names(const struct bytes *reply, const char *json_path, const char *serial,
                 const char *fingerprint, struct err *err)
{
    struct wanted wanted = {.serial = serial, .fingerprint = fingerprint};
    json_t *document = json_loadb(bytes_text(reply), reply->length, 0, NULL);
    bool found = document != NULL && json_path_any(document, json_path, is_wanted, &wanted);

    if (document == NULL)
        return err_set(err, ERR_CONSUMER, "the reply is no JSON");
    json_decref(document);
    if (found)
        return true;
    if (wanted.texts == 0)
        return err_set(err, ERR_CONSUMER, "the reply has no text at %s", json_path);
    return err_set(err, ERR_CONSUMER,
                   "the reply names other certificates at %s, and not serial %s; did the reload "
                   "reach it?",
                   json_path, serial);
}
