#include "config/ini_lines.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"

#include <ini.h>
#include <string.h>

enum {
    FILE_MOST_BYTES = 8 * 1024 * 1024,
    VALUE_MOST_BYTES = 4096,
    SECTION_MOST_BYTES = 49,
    KEY_MOST_BYTES = 49
};

#define KEY_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."

struct lines {
    const char *at;
    unsigned number;
    const char *file;
    char section[SECTION_MOST_BYTES + 1];
    char key[KEY_MOST_BYTES + 1], value[VALUE_MOST_BYTES + 1]; /* of the current line */
    const struct ini_reader *reader;
    struct config_problems *problems;
    bool adrift; /* after a wrong section header: the following keys belong to no known section */
    bool no_memory;
};

static void refuse(struct lines *lines, const char *why)
{
    config_problem(lines->problems,
                   &(struct config_place){lines->file, lines->number, lines->section, NULL}, "%s",
                   why);
}

/* Reports a section, or returns what is wrong with its header. */
static const char *check_section(struct lines *lines, const char *line, size_t line_length)
{
    const char *end = memchr(line, ']', line_length);
    size_t length;

    if (end == NULL)
        return "the section name is not closed; write [NAME]";
    if (end + 1 != line + line_length)
        return "there is more after the section name; write [NAME] alone on its line";
    length = (size_t)(end - line - 1);
    if (length == 0)
        return "the section name is empty; write for example [cert web]";
    if (length > SECTION_MOST_BYTES)
        return "the section name is longer than 49 bytes; choose a shorter one";
    if (memchr(line + 1, '[', length) != NULL || memchr(line + 1, ';', length) != NULL ||
        memchr(line + 1, '#', length) != NULL)
        return "the section name holds one of [ ; #; choose another one";
    memcpy(lines->section, line + 1, length);
    lines->section[length] = '\0';
    lines->no_memory |=
        !lines->reader->on_section(lines->reader->arg, lines->section, lines->number);
    return NULL;
}

static size_t trim_end(const char *text, size_t length)
{
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    return length;
}

/* Copies the key before the separator, or returns what is wrong with it. */
static const char *take_key(struct lines *lines, const char *line, size_t length)
{
    length = trim_end(line, length);
    if (length == 0)
        return "there is no key before the =; write key = value";
    if (memchr(line, ';', length) != NULL || memchr(line, '#', length) != NULL)
        return "there is a comment before the =; put comments on lines of their own";
    if (length > KEY_MOST_BYTES)
        return "the key is longer than 49 bytes; no key of leafd is";
    memcpy(lines->key, line, length);
    lines->key[length] = '\0';
    return lines->key[strspn(lines->key, KEY_CHARACTERS)] == '\0'
               ? NULL
               : "the text before the = is not a key: keys have letters, digits, _ and - only";
}

/* Copies the value after the separator, or returns what is wrong with it. */
static const char *take_value(struct lines *lines, const char *from, size_t length)
{
    size_t blanks = 0;

    while (blanks < length && (from[blanks] == ' ' || from[blanks] == '\t'))
        blanks++;
    from += blanks;
    length = trim_end(from, length - blanks);
    if (length > 0 && (from[0] == ';' || from[0] == '#'))
        return "there is a comment in place of the value; put comments on lines of their own, and "
               "leave the key out if it has no value";
    for (size_t i = 1; i < length; i++)
        if ((from[i] == ';' || from[i] == '#') && (from[i - 1] == ' ' || from[i - 1] == '\t'))
            return "there is a comment after the value, or a word that starts with ; or #; "
                   "put comments on lines of their own";
    if (length > VALUE_MOST_BYTES)
        return "the value is longer than 4096 bytes; shorten it, or repeat the key on further "
               "lines if it takes a list";
    memcpy(lines->value, from, length);
    lines->value[length] = '\0';
    return NULL;
}

static const char *check_entry(struct lines *lines, const char *line, size_t length)
{
    const char *equals = memchr(line, '=', length);
    const char *colon = memchr(line, ':', length);
    const char *why;

    if (colon != NULL && (equals == NULL || colon < equals))
        return "a key ends with =, not with a colon; write key = value";
    if (equals == NULL)
        return "this is neither a [section] nor a key; write key = value";
    why = take_key(lines, line, (size_t)(equals - line));
    return why != NULL ? why : take_value(lines, equals + 1, length - (size_t)(equals + 1 - line));
}

/* Whether the line is a valid entry, which is copied. Reports sections and problems. */
static bool take_line(struct lines *lines, const char *line, size_t length)
{
    const char *why = NULL;
    bool entry = false;

    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)line[i];

        if ((c < ' ' && c != '\t') || c == 0x7f)
            why = "there is a control character in this line; remove it";
    }
    if (trim_end(line, length) == 0)
        return false;
    if (why == NULL && (line[0] == ' ' || line[0] == '\t'))
        why = "the line is indented; start it in the first column";
    if (why == NULL && line[0] == '[') {
        why = check_section(lines, line, length);
        lines->adrift = why != NULL;
    } else if (why == NULL && line[0] != '#' && line[0] != ';') {
        why = check_entry(lines, line, length);
        entry = why == NULL && !lines->adrift;
    }
    if (why != NULL)
        refuse(lines, why);
    return entry;
}

/* The reader for inih: one line per call; a placeholder for an entry, an empty line for the
 * rest. */
static char *give_line(char *to, int size, void *stream)
{
    static const char stand_in[] = "key=value";
    struct lines *lines = stream;
    const char *line = lines->at;
    size_t length = strcspn(line, "\n");
    size_t kept = length;

    if (*line == '\0' || size < (int)sizeof stand_in)
        return NULL;
    lines->number++;
    if (kept > 0 && line[kept - 1] == '\r')
        kept--;
    lines->at += length + (line[length] == '\n');
    if (take_line(lines, line, kept))
        memcpy(to, stand_in, sizeof stand_in);
    else
        to[0] = '\0';
    return to;
}

static int take_entry(void *user, const char *section, const char *key, const char *value)
{
    struct lines *lines = user;

    (void)section;
    (void)key;
    (void)value;
    lines->no_memory |=
        !lines->reader->on_entry(lines->reader->arg, lines->key, lines->value, lines->number);
    return 1;
}

static bool read_text(int fd, const char *file, struct bytes *bytes, struct err *err)
{
    if (!file_read(fd, file, bytes, err))
        return false;
    if (strlen(bytes_text(bytes)) != bytes->length)
        return err_set(err, ERR_CONFIG, "the file holds a NUL byte; it is not a text file");
    return true;
}

size_t ini_lines_read(int fd, const char *file, const struct ini_reader *reader,
                      struct config_problems *problems)
{
    CLEANUP(bytes_free) struct bytes bytes = {.limit = FILE_MOST_BYTES};
    struct lines lines = {.file = file, .reader = reader, .problems = problems};
    struct err err;

    if (!read_text(fd, file, &bytes, &err)) {
        config_problem(problems, &(struct config_place){.file = file}, "%s", err.text);
        return 0;
    }
    lines.at = bytes_text(&bytes);
    if (strncmp(lines.at, "\xEF\xBB\xBF", 3) == 0)
        lines.at += 3; /* byte order mark (UTF-8) */
    if (ini_parse_stream(give_line, &lines, take_entry, &lines) != 0)
        refuse(&lines, "the file cannot be read to its end; report this, with the file");
    if (lines.no_memory)
        refuse(&lines, "memory ran out while reading");
    return bytes.length;
}
