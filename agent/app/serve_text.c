#include "app/serve_text.h"

#include <stdlib.h>
#include <string.h>

const struct serve_kind serve_json = {.type = "application/json"};

struct serve_text *serve_text_join(unsigned status, const struct serve_kind *kind,
                                   struct bytes *parts, size_t count)
{
    struct serve_text *text;
    size_t length = 0;

    for (size_t i = 0; i < count; i++)
        length += parts[i].length;
    text = malloc(sizeof *text + length + 1);
    if (text == NULL)
        return NULL;
    *text = (struct serve_text){.references = 1, .status = status, .kind = kind};
    for (size_t i = 0; i < count; i++) {
        memcpy(text->content + text->length, bytes_text(&parts[i]), parts[i].length);
        text->length += parts[i].length;
        bytes_free(&parts[i]);
    }
    text->content[length] = '\0';
    return text;
}

struct serve_text *serve_text_ref(struct serve_text *text)
{
    text->references++;
    return text;
}

void serve_text_unref(struct serve_text *text)
{
    if (text != NULL && --text->references == 0)
        free(text);
}
