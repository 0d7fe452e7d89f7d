#include "config/config_words.h"

#include "config/config_values.h"

#include <string.h>
#include <unistd.h>

/* One word from *at on, quotes removed; *at stands behind it afterwards. */
static const char *next_word(struct config_scope *scope, const char **at, const char **ret_word)
{
    const char *from = *at;
    char *word = arena_copy(scope->arena, from);
    size_t length = 0;
    bool quoted = false;

    if (word == NULL)
        return config_no_memory;
    for (; *from != '\0' && (quoted || (*from != ' ' && *from != '\t')); from++) {
        if (*from == '"')
            quoted = !quoted;
        else
            word[length++] = *from;
    }
    word[length] = '\0';
    *at = from + strspn(from, " \t");
    *ret_word = word;
    return quoted ? "has a \" that is not closed" : NULL;
}

const char *words_split(struct config_scope *scope, const char *value, struct text_list *words)
{
    while (*value != '\0') {
        const char *word = NULL;
        const char *why = next_word(scope, &value, &word);

        if (why == NULL)
            why = config_expand(scope, word, &word);
        if (why != NULL)
            return why;
        if (!text_list_add(words, scope->arena, word, strlen(word)))
            return config_no_memory;
    }
    return NULL;
}

const char *words_argv(struct config_scope *scope, const struct text_list *words,
                       struct text_list *argv)
{
    if (words->count < 2)
        return "has no program behind exec";
    if (words->items[1][0] != '/')
        return "names a program without its absolute path; there is no shell and no PATH search";
    if (access(words->items[1], X_OK) != 0)
        return "names a program that is not there or may not be executed";
    for (size_t i = 1; i < words->count; i++)
        if (!text_list_add(argv, scope->arena, words->items[i], strlen(words->items[i])))
            return config_no_memory;
    return NULL;
}
