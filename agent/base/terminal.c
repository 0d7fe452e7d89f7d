#include "base/terminal.h"

#include "base/cleanup.h"
#include "base/environment.h"
#include "base/hide.h"
#include "base/json.h"
#include "base/log.h"

#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* journald takes the priority of a line from it, sd-daemon(3), which is 6 without. */
#define ERROR_PREFIX "<3>"

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

static bool __attribute__((format(printf, 2, 0))) print(FILE *to, const char *format, va_list args)
{
    CLEANUP(free_memory) char *line = NULL;

    if (vasprintf(&line, format, args) < 0) {
        line = NULL;
        fputs("leafd: out of memory\n", to);
        return false;
    }
    hide_known(line);
    if (to == stderr && log_stderr_is_journal())
        fputs(ERROR_PREFIX, to);
    print_escaped(to, line);
    return true;
}

bool terminal_line(FILE *to, const char *format, ...)
{
    va_list args;
    bool printed;

    va_start(args, format);
    printed = print(to, format, args);
    va_end(args);
    return printed && fputc('\n', to) != EOF;
}

bool terminal_piece(FILE *to, enum terminal_colour colour, const char *format, ...)
{
    /* Select Graphic Rendition, ECMA-48. */
    static const char *const begins[] = {
        [TERMINAL_PLAIN] = "",         [TERMINAL_BOLD] = "\033[1m",
        [TERMINAL_GREEN] = "\033[32m", [TERMINAL_YELLOW] = "\033[33m",
        [TERMINAL_RED] = "\033[1;31m",
    };
    va_list args;
    bool printed;

    fputs(begins[colour], to);
    va_start(args, format);
    printed = print(to, format, args);
    va_end(args);
    return (colour == TERMINAL_PLAIN || fputs("\033[0m", to) >= 0) && printed;
}

bool terminal_has_colours(FILE *to)
{
    const char *no = environment_get("NO_COLOR"), *kind = environment_get("TERM");

    return isatty(fileno(to)) && (no == NULL || no[0] == '\0') && kind != NULL &&
           strcmp(kind, "dumb") != 0;
}

unsigned terminal_columns(FILE *to)
{
    struct winsize size;

    return isatty(fileno(to)) && ioctl(fileno(to), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void terminal_clear(FILE *to)
{
    if (isatty(fileno(to)))
        fputs("\033[H\033[2J", to);
}

/* ECMA-48: carriage return, and erase to the end of the line. */
void terminal_redraw(FILE *to, const char *format, ...)
{
    va_list args;

    fputs("\r\033[K", to);
    va_start(args, format);
    print(to, format, args);
    va_end(args);
    fflush(to);
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
