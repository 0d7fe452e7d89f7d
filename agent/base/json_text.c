#include "base/json_text.h"

#include <stdlib.h>
#include <string.h>

/* Writing it only to learn its length would cost as much again. */
enum { USUAL_BYTES = 4096 };

/* The text, if it fits into so many bytes; else NULL, and *ret_length is how many it needs: 0 if
 * memory ran out. */
static char *text_within(const json_t *json, size_t flags, size_t bytes, size_t *ret_length)
{
    char *text = malloc(bytes + 1);

    *ret_length = text == NULL ? 0 : json_dumpb(json, text, bytes, flags);
    if (*ret_length == 0 || *ret_length > bytes) {
        if (text != NULL)
            explicit_bzero(text, bytes + 1);
        free(text);
        return NULL;
    }
    text[*ret_length] = '\0';
    return text;
}

char *json_text(const json_t *json, size_t flags)
{
    size_t length = 0;
    char *text = json == NULL ? NULL : text_within(json, flags, USUAL_BYTES, &length);

    if (text == NULL && length > USUAL_BYTES)
        text = text_within(json, flags, length, &length);
    return text;
}

json_t *json_words(const char *words)
{
    json_t *json = json_string(words);
    char *plain = json == NULL ? strdup(words) : NULL;

    if (plain == NULL)
        return json;
    for (char *at = plain; *at != '\0'; at++)
        if ((unsigned char)*at > 0x7f)
            *at = '?';
    json = json_string(plain);
    free(plain);
    return json;
}
