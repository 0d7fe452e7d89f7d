/*
 * config_problems - collects all problems of a configuration
 *
 * All problems are reported at once, so that an operator need not fix them one by one. Each names
 * file, line, section, key and the wrong item, and says what to write instead. Items that may be
 * credentials and values of expansions are not shown.
 */
#ifndef LEAFD_CONFIG_CONFIG_PROBLEMS_H
#define LEAFD_CONFIG_CONFIG_PROBLEMS_H

#include "base/arena.h"
#include "base/posture.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A place in a configuration; NULL or 0: not known. */
struct config_place {
    const char *file;
    unsigned line;
    const char *section; /* the text between the brackets */
    const char *key;
};

/* Initialise with {0}. */
struct config_problems {
    struct arena arena;
    struct config_problem *first, *last;
    size_t count;
    bool awaits_token; /* set by config_load: the only problems are that the token for ${k8s...} is
                          missing or unreadable, which is class local and no fault of the file */
};

/* config_problem - adds a problem; the text says what is wrong and what to write instead */
void config_problem(struct config_problems *problems, const struct config_place *place,
                    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A problem as others print it. Texts are borrowed. */
struct config_problem_view {
    struct config_place place;
    const char *text; /* with the place, as config_problems_print prints it */
    const char *said; /* without the place */
    int posture;      /* of a warning: enum posture; -1: none */
};

/* config_warning - adds advice by the id of enum posture; for a list that has nothing but these */
void config_warning(struct config_problems *problems, const struct config_place *place,
                    enum posture id, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* config_problems_walk - calls `take` with each problem */
void config_problems_walk(const struct config_problems *problems,
                          void (*take)(void *arg, const struct config_problem_view *view),
                          void *arg);

/* config_problems_sort - sorts by file and line, and removes duplicates */
void config_problems_sort(struct config_problems *problems);

/* config_problems_print - prints each problem as a line "FILE:LINE: [SECTION] KEY: TEXT" */
void config_problems_print(const struct config_problems *problems, FILE *to);

/* config_problems_each - calls `take` with each problem's text, which begins with its place */
void config_problems_each(const struct config_problems *problems,
                          void (*take)(void *arg, const char *text), void *arg);

/* config_problems_first - the text of the first problem, or "" */
const char *config_problems_first(const struct config_problems *problems);

/* config_problems_all_say - whether every problem's text contains `text` */
bool config_problems_all_say(const struct config_problems *problems, const char *text);

/* config_problems_free - frees all problems; also the release for CLEANUP */
void config_problems_free(struct config_problems *problems);

#endif
