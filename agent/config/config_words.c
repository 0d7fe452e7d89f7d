#include "config/config_words.h"

#include "config/config_values.h"

#include <ctype.h>
#include <string.h>
#include <unistd.h>

/* What a shell would take for an order, and exec would hand over as an argument. */
static bool is_shell_talk(const char *word)
{
    static const char *const orders[] = {"|", "||", "&", "&&", ";", "<", ">", ">>", "2>", "2>&1"};

    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
        if (strcmp(word, orders[i]) == 0)
            return true;
    return text_starts(word, "$(") != NULL || text_starts(word, "2>") != NULL ||
           text_starts(word, "`") != NULL || (word[0] == '$' && isalpha((unsigned char)word[1]));
}

/* One word from *at on, quotes removed; *at stands behind it afterwards. */
static const char *next_word(struct config_scope *scope, const char **at, bool *ret_quoted,
                             const char **ret_word)
{
    const char *from = *at;
    size_t length = 0;
    bool quoted = false;
    char *word;

    for (; *from != '\0' && (quoted || (*from != ' ' && *from != '\t')); from++) {
        if (*from == '"')
            quoted = !quoted;
        else if (*from == '\'' && !quoted)
            return "holds a single quote, and there is no shell to take it away; write double "
                   "quotes or none";
    }
    if (quoted)
        return "has a \" that is not closed; close it";
    word = arena_copy_part(scope->arena, *at, (size_t)(from - *at));
    if (word == NULL)
        return config_no_memory;
    *ret_quoted = strchr(word, '"') != NULL;
    for (const char *c = word; *c != '\0'; c++)
        if (*c != '"')
            word[length++] = *c;
    word[length] = '\0';
    *at = from + strspn(from, " \t");
    *ret_word = word;
    return NULL;
}

const char *words_split_raw(struct config_scope *scope, const char *value, struct text_list *words)
{
    while (*value != '\0') {
        const char *word = NULL;
        bool quoted = false;
        const char *why = next_word(scope, &value, &quoted, &word);

        if (why != NULL)
            return why;
        if (words->count > 0 && strcmp(words->items[0], "exec") == 0 && !quoted &&
            is_shell_talk(word))
            return "is written for a shell, and there is none; call a script, or /bin/sh -c "
                   "\"...\", and write ${env.NAME} for a variable";
        if (!text_list_add(words, scope->arena, word, strlen(word)))
            return config_no_memory;
    }
    return NULL;
}

const char *words_split(struct config_scope *scope, const char *value, struct text_list *words)
{
    size_t from = words->count;
    const char *why = words_split_raw(scope, value, words);

    for (size_t i = from; why == NULL && i < words->count; i++)
        why = config_expand(scope, words->items[i], &words->items[i]);
    return why;
}

const char *words_argv(struct config_scope *scope, const struct text_list *words,
                       struct text_list *argv)
{
    const char *why;

    if (words->count < 2)
        return "has no program behind exec; write exec /PATH/TO/PROGRAM";
    if (words->items[1][0] != '/')
        return "names a program without its absolute path; there is no shell and no PATH search";
    why = config_trust_file(&scope->trust, words->items[1], X_OK,
                            "names a program that is not there or may not be executed; check its "
                            "path and mode");
    if (why != NULL)
        return why;
    for (size_t i = 1; i < words->count; i++) {
        if (!text_list_add(argv, scope->arena, words->items[i], strlen(words->items[i])))
            return config_no_memory;
        if (i > 1 && words->items[i][0] == '/')
            config_trust_mention(&scope->trust, words->items[i]);
    }
    return NULL;
}
