/*
 * config_problems - everything that is wrong with a configuration, told at once
 *
 * An operator who fixes one error and is shown the next one starts to guess. Reading goes on after
 * a problem wherever that makes sense, and every problem names file, line, section, key and the
 * offending item, and what would be right. Items of keys that can hold a credential are not shown,
 * nor is one that looks like a credential in the wrong place, nor what an expansion stands for.
 */
#ifndef LEAFD_CONFIG_CONFIG_PROBLEMS_H
#define LEAFD_CONFIG_CONFIG_PROBLEMS_H

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A place in a configuration; what is not known is NULL or 0. */
struct config_place {
    const char *file;
    unsigned line;
    const char *section; /* as written between the brackets */
    const char *key;
};

/* Initialise with {0}. */
struct config_problems {
    struct arena arena;
    struct config_problem *first, *last;
    size_t count;
    bool awaits_token; /* of config_load: nothing is wrong but that the token of ${k8s...} is not
                          there yet, or cannot be read: class local, not a matter of the file */
};

/* config_problem - adds a problem; the text says what is wrong and what would be right */
void config_problem(struct config_problems *problems, const struct config_place *place,
                    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* config_problems_sort - puts them in the order of files and lines, and the same told twice once */
void config_problems_sort(struct config_problems *problems);

/* config_problems_print - writes every problem as a line "FILE:LINE: [SECTION] KEY: TEXT" */
void config_problems_print(const struct config_problems *problems, FILE *to);

/* config_problems_each - calls `take` with the text of each, with its place */
void config_problems_each(const struct config_problems *problems,
                          void (*take)(void *arg, const char *text), void *arg);

/* config_problems_first - the text of the first problem with its place, or "" */
const char *config_problems_first(const struct config_problems *problems);

/* config_problems_all_say - whether each of them holds `text` */
bool config_problems_all_say(const struct config_problems *problems, const char *text);

/* config_problems_free - frees all problems; also the release for CLEANUP */
void config_problems_free(struct config_problems *problems);

#endif
