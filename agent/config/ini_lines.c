#include "config/ini_lines.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/file.h"

#include <fcntl.h>
#include <ini.h>
#include <string.h>
#include <sys/stat.h>

enum {
    FILE_MOST_BYTES = 1024 * 1024,
    LINE_MOST_BYTES = 199,   /* INI_MAX_LINE of inih 55, less the NUL */
    SECTION_MOST_BYTES = 49, /* MAX_SECTION of inih 55, less the NUL */
    KEY_MOST_BYTES = 49      /* MAX_NAME of inih 55, less the NUL */
};

struct lines {
    const char *at;
    unsigned number;
    const char *file;
    char section[SECTION_MOST_BYTES + 1];
    const struct ini_reader *reader;
    struct config_problems *problems;
    bool no_memory;
};

static void refuse(struct lines *lines, const char *why)
{
    config_problem(lines->problems,
                   &(struct config_place){lines->file, lines->number, lines->section, NULL}, "%s",
                   why);
}

/* A section header as inih will read it, or why it must not. */
static const char *check_section(struct lines *lines, const char *line)
{
    const char *end = strchr(line, ']');
    const char *misread = strpbrk(line + 1, "[;#");
    size_t length;

    if (end == NULL)
        return "the section name is not closed; write [NAME]";
    if (end[1] != '\0')
        return "there is more behind the section name; write [NAME] alone on its line";
    length = (size_t)(end - line - 1);
    if (length == 0)
        return "the section name is empty; write for example [cert web]";
    if (length > SECTION_MOST_BYTES)
        return "the section name is longer than 49 bytes; choose a shorter one";
    if (misread != NULL && misread < end)
        return "the section name holds one of [ ; #; choose another one";
    memcpy(lines->section, line + 1, length);
    lines->section[length] = '\0';
    lines->no_memory |=
        !lines->reader->on_section(lines->reader->arg, lines->section, lines->number);
    return NULL;
}

static const char *check_entry(const char *line)
{
    const char *separator = strpbrk(line, "=:");

    if (separator == NULL)
        return "this is neither a [section] nor a key; write key = value";
    if (*separator == ':')
        return "a key ends with =, not with a colon; write key = value";
    if (separator == line)
        return "there is no key before the =; write key = value";
    if (separator - line > KEY_MOST_BYTES)
        return "the key is longer than 49 bytes; no key of leafd is";
    if (strstr(separator, " ;") != NULL || strstr(separator, "\t;") != NULL ||
        strstr(separator, " #") != NULL || strstr(separator, "\t#") != NULL)
        return "there is a comment behind the value, or a word that starts with ; or #; "
               "put comments on lines of their own";
    return NULL;
}

/* Whether inih may see the line; what it may not see is told. */
static bool check_line(struct lines *lines, const char *line, size_t length)
{
    const char *why = NULL;

    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)line[i];

        if ((c < ' ' && c != '\t') || c == 0x7f)
            why = "there is a control character in this line; remove it";
    }
    if (why == NULL && length > LINE_MOST_BYTES)
        why = "the line is longer than 199 bytes; shorten it, or repeat the key on further lines "
              "if it takes a list";
    if (why == NULL && (line[0] == ' ' || line[0] == '\t')) {
        if (line[strspn(line, " \t")] == '\0')
            return false;
        why = "the line is indented; start it in the first column";
    }
    if (why == NULL && line[0] == '[')
        why = check_section(lines, line);
    else if (why == NULL && line[0] != '\0' && line[0] != '#' && line[0] != ';')
        why = check_entry(line);
    if (why != NULL)
        refuse(lines, why);
    return why == NULL;
}

/* inih's reader: one checked line a call, an empty one in place of a line that is refused. */
static char *give_line(char *to, int size, void *stream)
{
    struct lines *lines = stream;
    char line[LINE_MOST_BYTES + 2];
    size_t length = strcspn(lines->at, "\n");
    size_t kept = length;

    if (*lines->at == '\0' || size < LINE_MOST_BYTES + 1)
        return NULL;
    lines->number++;
    if (kept > 0 && lines->at[kept - 1] == '\r')
        kept--;
    if (kept > LINE_MOST_BYTES + 1)
        kept = LINE_MOST_BYTES + 1;
    memcpy(line, lines->at, kept);
    line[kept] = '\0';
    lines->at += length + (lines->at[length] == '\n');
    if (check_line(lines, line, kept))
        memcpy(to, line, kept + 1);
    else
        to[0] = '\0';
    return to;
}

static int take_entry(void *user, const char *section, const char *key, const char *value)
{
    struct lines *lines = user;

    (void)section;
    lines->no_memory |= !lines->reader->on_entry(lines->reader->arg, key, value, lines->number);
    return 1;
}

static bool read_file(const char *file, struct bytes *bytes, struct err *err)
{
    struct stat about;

    if (!file_read_at(AT_FDCWD, file, bytes, err))
        return false;
    if (stat(file, &about) == 0 && (about.st_mode & S_IWOTH) != 0)
        return err_set(err, ERR_CONFIG,
                       "everybody may write this file, and it names commands; chmod o-w it");
    if (strlen(bytes_text(bytes)) != bytes->length)
        return err_set(err, ERR_CONFIG, "the file holds a NUL byte; it is not a text file");
    return true;
}

void ini_lines_read(const char *file, const struct ini_reader *reader,
                    struct config_problems *problems)
{
    CLEANUP(bytes_free) struct bytes bytes = {.limit = FILE_MOST_BYTES};
    struct lines lines = {.file = file, .reader = reader, .problems = problems};
    struct err err;

    if (!read_file(file, &bytes, &err)) {
        config_problem(problems, &(struct config_place){.file = file}, "%s", err.text);
        return;
    }
    lines.at = bytes_text(&bytes);
    if (strncmp(lines.at, "\xEF\xBB\xBF", 3) == 0)
        lines.at += 3; /* a byte order mark, which some editors leave */
    ini_parse_stream(give_line, &lines, take_entry, &lines);
    if (lines.no_memory)
        refuse(&lines, "memory ran out while reading");
}
