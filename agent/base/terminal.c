#include "base/terminal.h"

#include "base/cleanup.h"
#include "base/hide.h"
#include "base/json.h"

#include <stdarg.h>
#include <string.h>

static void print_escaped(FILE *to, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c >= ' ' && c < 0x7f)
            fputc(c, to);
        else
            fprintf(to, "\\x%02x", c);
    }
}

bool terminal_line(FILE *to, const char *format, ...)
{
    CLEANUP(free_memory) char *line = NULL;
    va_list args;
    int length;

    va_start(args, format);
    length = vasprintf(&line, format, args);
    va_end(args);
    if (length < 0) {
        line = NULL;
        fputs("leafd: out of memory\n", to);
        return false;
    }
    hide_known(line);
    print_escaped(to, line);
    return fputc('\n', to) != EOF;
}

bool terminal_json(FILE *to, const json_t *json)
{
    CLEANUP(free_memory) char *text = json_text(json, JSON_INDENT(2) | JSON_ENSURE_ASCII);

    return text != NULL && fprintf(to, "%s\n", text) > 0;
}

json_t *terminal_text(const char *text)
{
    CLEANUP(free_memory) char *shown = strdup(text);

    if (shown == NULL)
        return NULL;
    hide_known(shown);
    /* DEL is ASCII, and JSON leaves it as it is. */
    for (char *at = shown; *at != '\0'; at++)
        if (*at == 0x7f)
            *at = ' ';
    return json_words(shown);
}
