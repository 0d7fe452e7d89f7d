#include "app/findings.h"

#include "app/exit_code.h"
#include "base/cleanup.h"
#include "base/terminal.h"
#include "config/config_document.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A finding as both forms show it. */
struct shown {
    const struct config_place *place;
    const char *severity; /* in JSON */
    const char *word;     /* in a line; NULL: none */
    const char *id;
    const char *said, *remedy;
};

/* -- JSON -----------------------------------------------------------------------------------------
 */

static json_t *text_or_null(const char *text)
{
    return text == NULL || text[0] == '\0' ? json_null() : terminal_text(text);
}

static void add_json(struct findings *findings, const struct shown *shown)
{
    const struct config_place *place = shown->place;
    const char *remedy = shown->remedy;
    /* Without a remedy of its own, it follows the first semicolon. */
    const char *cut = remedy == NULL ? strstr(shown->said, "; ") : NULL;
    char *said =
        strndup(shown->said, cut == NULL ? strlen(shown->said) : (size_t)(cut - shown->said));

    if (findings->list == NULL)
        findings->list = json_array();
    if (said == NULL)
        return;
    json_array_append_new(findings->list,
                          json_pack("{ss ss so so so so so so}", "severity", shown->severity, "id",
                                    shown->id, "file", text_or_null(place->file), "line",
                                    place->line == 0 ? json_null() : json_integer(place->line),
                                    "section", text_or_null(place->section), "key",
                                    text_or_null(place->key), "text", text_or_null(said), "advice",
                                    text_or_null(cut == NULL ? remedy : cut + 2)));
    free(said);
}

/* -- lines ----------------------------------------------------------------------------------------
 */

static void print_line(const struct shown *shown, bool has_id)
{
    const struct config_place *place = shown->place;
    char line[16] = "";

    if (place->line > 0)
        snprintf(line, sizeof line, ":%u", place->line);
    terminal_line(
        stdout, "%s%s%s%s%s%s%s: %s%s%s%s%s%s", place->file == NULL ? "" : place->file, line,
        place->file == NULL ? "" : ": ",
        place->section == NULL || place->section[0] == '\0' ? "" : "[",
        place->section == NULL ? "" : place->section,
        place->section == NULL || place->section[0] == '\0' ? "" : "] ", shown->word, shown->said,
        has_id ? " [" : "", has_id ? shown->id : "", has_id ? "]" : "",
        shown->remedy == NULL ? "" : ". Remedy: ", shown->remedy == NULL ? "" : shown->remedy);
}

/* -- findings -------------------------------------------------------------------------------------
 */

/* Gives the place of the key in the section, else of the section; `title` keeps its title. */
static struct config_place place_of(const struct cert_config *cert, const char *key,
                                    char title[static 256])
{
    const struct config_entry *entry;

    if (cert == NULL)
        return (struct config_place){.key = key};
    snprintf(title, 256, "%s %s", config_kind(cert), cert->name);
    entry = key == NULL ? NULL : config_entry_find(cert->own, key);
    return (struct config_place){cert->file, entry == NULL ? cert->line : entry->line, title, key};
}

void finding_add(struct findings *findings, enum finding_kind kind, const struct cert_config *cert,
                 const char *key, const char *said, const char *remedy)
{
    static const struct {
        const char *word, *severity, *id;
    } kinds[] = {
        [FINDING_REFUSED] = {"refused", "error", "refused"},
        [FINDING_OPEN] = {"not decided", "undecided", "not-decided"},
        [FINDING_NOT_ASKED] = {"not asked", "undecided", "not-asked"},
    };
    char title[256];
    const struct config_place place = place_of(cert, key, title);
    const struct shown shown = {
        &place, kinds[kind].severity, kinds[kind].word, kinds[kind].id, said, remedy};

    findings->errors += kind == FINDING_REFUSED;
    findings->open += kind != FINDING_REFUSED;
    if (findings->is_json)
        add_json(findings, &shown);
    else
        print_line(&shown, false);
}

static void warn(struct findings *findings, enum posture id, const struct config_place *place,
                 const char *said, const char *remedy)
{
    const struct shown shown = {place,
                                findings->is_strict ? "error" : "warning",
                                findings->is_strict ? "error" : "warning",
                                posture_ids[id],
                                said,
                                remedy};

    findings->warnings++;
    if (findings->is_json)
        add_json(findings, &shown);
    else
        print_line(&shown, true);
}

void finding_warn(struct findings *findings, enum posture id, const struct cert_config *cert,
                  const char *key, const char *said, const char *remedy)
{
    char title[256];
    const struct config_place place = place_of(cert, key, title);

    if (cert == NULL || (cert->ignored & posture_bit(id)) == 0)
        warn(findings, id, &place, said, remedy);
}

static void add_problem(void *arg, const struct config_problem_view *view)
{
    struct findings *findings = arg;

    if (view->posture >= 0) {
        warn(findings, (enum posture)view->posture, &view->place, view->said, NULL);
        return;
    }
    findings->errors++;
    if (findings->is_json)
        add_json(findings,
                 &(struct shown){&view->place, "error", NULL, "configuration", view->said, NULL});
    else
        terminal_line(stderr, "%s", view->text);
}

void findings_add_problems(struct findings *findings, const struct config_problems *problems)
{
    config_problems_walk(problems, add_problem, findings);
}

void findings_tell(const struct findings *findings, const char *format, ...)
{
    CLEANUP(free_memory) char *line = NULL;
    va_list args;
    int length;

    if (findings->is_json)
        return;
    va_start(args, format);
    length = vasprintf(&line, format, args);
    va_end(args);
    if (length < 0)
        line = NULL;
    terminal_line(stdout, "%s", line == NULL ? "out of memory" : line);
}

int findings_end(struct findings *findings, const char *file, int code)
{
    if (findings->is_strict && findings->warnings > 0)
        code = exit_code_worse(code, EXIT_USAGE);
    if (findings->is_json) {
        json_auto_t *document =
            json_pack("{so si si si si so}", "configuration", terminal_text(file), "exit_code",
                      code, "errors", (int)findings->errors, "warnings", (int)findings->warnings,
                      "undecided", (int)findings->open, "problems",
                      findings->list == NULL ? json_array() : findings->list);

        if (!terminal_json(stdout, document)) {
            terminal_line(stderr, "leafd: cannot write the result");
            code = exit_code_worse(code, EXIT_RETRY);
        }
    }
    *findings = (struct findings){0};
    return code;
}
