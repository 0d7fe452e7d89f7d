#include "config/config_problems.h"

#include "base/terminal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { PROBLEM_BYTES = 1024 };

struct config_problem {
    struct config_problem *next;
    const char *text;
    const char *said; /* the part of it without the place */
    const char *file; /* "": in no file */
    unsigned line;
    const char *section, *key; /* NULL: not known */
    int posture;               /* -1: none */
    size_t number;             /* in the order of reports */
};

/* Replaces a problem for which memory ran out. */
static struct config_problem no_memory = {
    .text = "out of memory while reading the configuration",
    .said = "out of memory while reading the configuration",
    .file = "",
    .posture = -1,
};

static const char *place_text(struct arena *arena, const struct config_place *place)
{
    const char *line = "", *section = "", *key = "";

    if (place->line > 0)
        line = arena_format(arena, ":%u", place->line);
    if (place->section != NULL && place->section[0] != '\0')
        section = arena_format(arena, " [%s]", place->section);
    if (place->key != NULL)
        key = arena_format(arena, " %s:", place->key);
    if (line == NULL || section == NULL || key == NULL)
        return NULL;
    return arena_format(arena, "%s%s:%s%s", place->file == NULL ? "configuration" : place->file,
                        line, section, key);
}

/* A copy in the list's arena; false if memory ran out. */
static bool keep(struct config_problems *problems, const char *from, const char **to)
{
    *to = from == NULL ? NULL : arena_copy(&problems->arena, from);
    return from == NULL || *to != NULL;
}

static void __attribute__((format(printf, 4, 0)))
add(struct config_problems *problems, const struct config_place *place, int posture,
    const char *format, va_list args)
{
    struct config_problem *problem = arena_take(&problems->arena, sizeof *problem);
    const char *where = place_text(&problems->arena, place);
    char text[PROBLEM_BYTES];

    vsnprintf(text, sizeof text, format, args);
    if (problem != NULL && where != NULL) {
        problem->text = arena_format(&problems->arena, "%s %s", where, text);
        problem->line = place->line;
        problem->posture = posture;
        problem->number = problems->count;
    }
    if (problem == NULL || where == NULL || problem->text == NULL ||
        !keep(problems, place->file == NULL ? "" : place->file, &problem->file) ||
        !keep(problems, place->section, &problem->section) ||
        !keep(problems, place->key, &problem->key))
        problem = &no_memory;
    else
        problem->said = problem->text + strlen(where) + 1;
    if (problems->first == NULL)
        problems->first = problem;
    else if (problems->last != &no_memory)
        problems->last->next = problem;
    problems->last = problem;
    problems->count++;
}

void config_problem(struct config_problems *problems, const struct config_place *place,
                    const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(problems, place, -1, format, args);
    va_end(args);
}

void config_warning(struct config_problems *problems, const struct config_place *place,
                    enum posture id, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(problems, place, (int)id, format, args);
    va_end(args);
}

void config_problems_walk(const struct config_problems *problems,
                          void (*take)(void *arg, const struct config_problem_view *view),
                          void *arg)
{
    for (const struct config_problem *at = problems->first; at != NULL; at = at->next)
        take(arg, &(struct config_problem_view){
                      {at->file, at->line, at->section, at->key}, at->text, at->said, at->posture});
}

static int by_place(const void *a, const void *b)
{
    const struct config_problem *first = *(struct config_problem *const *)a;
    const struct config_problem *second = *(struct config_problem *const *)b;
    int order = strcmp(first->file, second->file);

    if (order == 0)
        order = (first->line > second->line) - (first->line < second->line);
    return order != 0 ? order : (first->number > second->number) - (first->number < second->number);
}

void config_problems_sort(struct config_problems *problems)
{
    struct config_problem **sorted = calloc(problems->count + 1, sizeof *sorted);
    struct config_problem **end = &problems->first;
    size_t count = 0;

    if (sorted == NULL)
        return; /* an unsorted list is still useful */
    for (struct config_problem *at = problems->first; at != NULL; at = at->next)
        sorted[count++] = at;
    qsort(sorted, count, sizeof *sorted, by_place);
    problems->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && strcmp(sorted[i]->text, problems->last->text) == 0)
            continue;
        *end = problems->last = sorted[i];
        end = &sorted[i]->next;
        problems->count++;
    }
    *end = NULL;
    free(sorted);
}

void config_problems_print(const struct config_problems *problems, FILE *to)
{
    for (const struct config_problem *at = problems->first; at != NULL; at = at->next)
        terminal_line(to, "%s", at->text);
}

void config_problems_each(const struct config_problems *problems,
                          void (*take)(void *arg, const char *text), void *arg)
{
    for (const struct config_problem *at = problems->first; at != NULL; at = at->next)
        take(arg, at->text);
}

const char *config_problems_first(const struct config_problems *problems)
{
    return problems->first == NULL ? "" : problems->first->text;
}

bool config_problems_all_say(const struct config_problems *problems, const char *text)
{
    for (const struct config_problem *at = problems->first; at != NULL; at = at->next)
        if (strstr(at->text, text) == NULL)
            return false;
    return true;
}

void config_problems_free(struct config_problems *problems)
{
    arena_free(&problems->arena);
    *problems = (struct config_problems){0};
}
