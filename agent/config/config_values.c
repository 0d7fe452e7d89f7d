#include "config/config_values.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/posture.h"
#include "base/secret.h"
#include "config/config.h"

#include <ctype.h>
#include <string.h>
#include <unistd.h>

const char *const config_no_memory = "cannot be stored: memory ran out";

static const char *check_text(const char *value, const char *text)
{
    size_t length = strlen(value);

    if (length > 1 && (value[0] == '"' || value[0] == '\'') && value[length - 1] == value[0])
        return "is in quotes; leave them out";
    return *text == '\0'
               ? "is empty after ${...} was replaced; leave the key out, or set the variable"
               : NULL;
}

/* Expands the value for temporary use; returns what is wrong, or NULL. */
static const char *take(struct config_scope *scope, const char *value, const char **ret_text)
{
    const char *why = config_expand_for_now(scope, value, ret_text);

    return why == NULL ? check_text(value, *ret_text) : why;
}

/* The same, allocated in the arena. */
static const char *keep(struct config_scope *scope, const char *value, const char **ret_text)
{
    const char *why = config_expand(scope, value, ret_text);

    return why == NULL ? check_text(value, *ret_text) : why;
}

const char *parse_text(struct config_scope *scope, const char *value, void *field)
{
    return keep(scope, value, field);
}

const char *check_path(const char *path)
{
    if (path[0] == '~')
        return "starts with ~, which only shells expand; write the absolute path";
    if (path[0] != '/')
        return "is not an absolute path";
    while (*path == '/') {
        size_t length = strcspn(++path, "/");

        if ((length == 0 && *path != '\0') ||
            (length > 0 && length <= 2 && memcmp(path, "..", length) == 0))
            return "holds . or .. or // in its path; write the path without them";
        path += length;
    }
    return NULL;
}

const char *parse_path(struct config_scope *scope, const char *value, void *field)
{
    const char **path = field, *text = NULL;
    const char *why = take(scope, value, &text);
    size_t length = text == NULL ? 0 : strlen(text);

    if (text == NULL)
        return why;
    if (why == NULL)
        why = check_path(text);
    while (length > 1 && text[length - 1] == '/')
        length--;
    /* Also set for a wrong path, so that keys that refer to it are not reported as well. */
    *path = arena_copy_part(scope->arena, text, length);
    return why != NULL || *path != NULL ? why : config_no_memory;
}

const char *parse_directory(struct config_scope *scope, const char *value, void *field)
{
    const char *why = parse_path(scope, value, field);

    if (why == NULL && strcmp(*(const char **)field, "/") == 0)
        why = "is the root directory; give the set a directory of its own";
    return why;
}

const char *parse_readable_file(struct config_scope *scope, const char *value, void *field)
{
    const char *why = parse_path(scope, value, field);

    if (why == NULL)
        why = config_trust_file(&scope->trust, *(const char **)field, R_OK,
                                "names a file that leafd cannot read; check the path and who may "
                                "read it");
    return why;
}

const char *parse_credential_file(struct config_scope *scope, const char *value, void *field)
{
    const char *why = parse_path(scope, value, field);

    return why != NULL ? why : config_trust_file(&scope->trust, *(const char **)field, R_OK, NULL);
}

const char *parse_ca_directory(struct config_scope *scope, const char *value, void *field)
{
    const char *why = parse_path(scope, value, field);

    return why != NULL ? why : config_trust_directory(&scope->trust, *(const char **)field);
}

const char *parse_password_file(struct config_scope *scope, const char *value, void *field)
{
    CLEANUP(secret_wipe) struct secret password = {0};
    const char *why = parse_readable_file(scope, value, field);
    struct err err;

    if (why != NULL || scope->trust.only_looks ||
        file_read_password(*(const char **)field, &password, &err))
        return why;
    why = arena_format(scope->arena, "names a file that %s", err.text);
    return why == NULL ? config_no_memory : why;
}

static bool is_api_text(const char *text, bool slashes)
{
    for (; *text != '\0'; text++)
        if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~", *text) ==
                NULL &&
            (*text != '/' || !slashes))
            return false;
    return true;
}

bool is_api_path(const char *text)
{
    return text[0] != '\0' && text[0] != '/' && text[strlen(text) - 1] != '/' &&
           is_api_text(text, true) && strstr(text, "//") == NULL && strstr(text, "..") == NULL;
}

const char *parse_api_path(struct config_scope *scope, const char *value, void *field)
{
    const char **path = field, *text;
    const char *why = take(scope, value, &text);
    size_t length;

    if (why != NULL)
        return why;
    text += strspn(text, "/");
    length = strlen(text);
    while (length > 0 && text[length - 1] == '/')
        length--;
    *path = arena_copy_part(scope->arena, text, length);
    if (*path == NULL)
        return config_no_memory;
    if (!is_api_path(*path))
        return "is not a path of the CA's API: letters, digits, - . _ ~ and single slashes";
    return NULL;
}

const char *parse_api_paths(struct config_scope *scope, const char *value, void *field)
{
    struct text_list items = {0}, *list = field;
    const char *why = NULL, *path = NULL;
    bool empty = false;

    if (!text_list_split(&items, &scope->scratch, value, ",", &empty))
        return config_no_memory;
    if (empty)
        return "holds an empty item; separate paths by single commas";
    for (size_t i = 0; i < items.count && why == NULL; i++) {
        scope->item = items.items[i];
        why = parse_api_path(scope, items.items[i], &path);
        if (why == NULL && !text_list_add(list, scope->arena, path, strlen(path)))
            why = config_no_memory;
    }
    return why;
}

const char *parse_api_name(struct config_scope *scope, const char *value, void *field)
{
    const char **name = field;
    const char *why = keep(scope, value, name);

    if (why != NULL)
        return why;
    return is_api_text(*name, false) && strcmp(*name, "..") != 0
               ? NULL
               : "is not a name in the CA's API: letters, digits, - . _ and ~";
}

const char *parse_duration(struct config_scope *scope, const char *value, void *field)
{
    const char *text;
    const char *why = take(scope, value, &text);

    if (why != NULL)
        return why;
    if (!duration_parse(text, field) || *(uint64_t *)field == 0)
        return "is not a duration: a number with w, d, h, m or s, up to ten years";
    return NULL;
}

const char *parse_duration_or_0(struct config_scope *scope, const char *value, void *field)
{
    const char *text;
    const char *why = take(scope, value, &text);

    if (why != NULL)
        return why;
    if (strcmp(text, "0") == 0) {
        *(uint64_t *)field = 0;
        return NULL;
    }
    return parse_duration(scope, value, field);
}

const char *parse_duration_or_auto(struct config_scope *scope, const char *value, void *field)
{
    const char *text;
    const char *why = take(scope, value, &text);

    if (why != NULL || strcmp(text, "auto") != 0)
        return why != NULL ? why : parse_duration(scope, value, field);
    *(uint64_t *)field = UINT64_MAX;
    return NULL;
}

const char *parse_poll(struct config_scope *scope, const char *value, void *field)
{
    const char *text;
    const char *why = take(scope, value, &text);

    if (why != NULL || strcmp(text, "auto") != 0)
        return why != NULL ? why : parse_duration_or_0(scope, value, field);
    return parse_duration_or_auto(scope, value, field);
}

const char *parse_in_flight(struct config_scope *scope, const char *value, void *field)
{
    const char *text;
    const char *why = take(scope, value, &text);
    uint64_t number;

    if (why != NULL)
        return why;
    if (!text_number(text, 64, &number) || number == 0)
        return "is not a number from 1 to 64";
    *(unsigned *)field = (unsigned)number;
    return NULL;
}

/* Parses "40%"; returns the rest of the text, or NULL. */
static const char *percent(const char *text, unsigned *ret_percent)
{
    unsigned number = 0;
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > 2 || text[digits] != '%')
        return NULL;
    for (size_t i = 0; i < digits; i++)
        number = number * 10 + (unsigned)(text[i] - '0');
    *ret_percent = number;
    return text + digits + 1;
}

const char *parse_window(struct config_scope *scope, const char *value, void *field)
{
    struct renewal_rule *rule = field;
    unsigned from = 0, to = 0;
    const char *text, *rest;
    const char *why = take(scope, value, &text);

    if (why != NULL)
        return why;
    rest = percent(text, &from);
    to = from;
    if (rest != NULL && strncmp(rest, "..", 2) == 0)
        rest = percent(rest + 2, &to);
    if (rest == NULL || *rest != '\0')
        return "is not a window of percentages of the certificate's lifetime";
    if (from < 5 || to > 95 || from > to)
        return "is not a window that starts at 5% or later, ends at 95% or earlier, and does not "
               "end before it starts";
    rule->from_percent = from;
    rule->to_percent = to;
    return NULL;
}

const char *parse_directory_mode(struct config_scope *scope, const char *value, void *field)
{
    const char *text;
    const char *why = take(scope, value, &text);
    unsigned mode = 0;

    if (why != NULL)
        return why;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at < '0' || *at > '7' || mode > 07777)
            return "is not an octal mode";
        mode = mode * 8 + (unsigned)(*at - '0');
    }
    if ((mode & 0700) != 0700 || (mode & 022) != 0 || mode > 02777)
        return "is not a mode with 7 for the owner and without write for group and others";
    *(mode_t *)field = mode;
    return NULL;
}

static const char *not_one_of(struct config_scope *scope, const char *text,
                              const char *const *words, unsigned count)
{
    const char *known = "", *near = text_near(scope->arena, text, words, count), *why;

    for (unsigned i = 0; i < count && known != NULL; i++)
        known = arena_format(scope->arena, "%s%s%s", known, i == 0 ? "" : ", ", words[i]);
    if (known == NULL)
        return config_no_memory;
    why = arena_format(scope->arena, "is not one of: %s%s%s%s", known,
                       near == NULL ? "" : "; did you mean ", near == NULL ? "" : near,
                       near == NULL ? "" : "?");
    return why == NULL ? config_no_memory : why;
}

/* Finds the value among `words`, which end with NULL. */
static const char *choose(struct config_scope *scope, const char *value, const char *const *words,
                          unsigned *ret_index)
{
    const char *text;
    const char *why = take(scope, value, &text);
    unsigned at = 0;

    if (why != NULL)
        return why;
    while (words[at] != NULL && strcmp(text, words[at]) != 0)
        at++;
    if (words[at] == NULL)
        return not_one_of(scope, text, words, at);
    *ret_index = at;
    return NULL;
}

/* Defines a parser of one of a few words, in the order of the enum `type`. */
#define DEFINE_WORD_PARSER(name, type, first, words)                                               \
    const char *name(struct config_scope *scope, const char *value, void *field)                   \
    {                                                                                              \
        unsigned index = 0;                                                                        \
        const char *why = choose(scope, value, words, &index);                                     \
                                                                                                   \
        if (why == NULL)                                                                           \
            *(type *)field = (type)((first) + index);                                              \
        return why;                                                                                \
    }
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

DEFINE_WORD_PARSER(parse_yes_no, bool, 0, WORDS("no", "yes"))
DEFINE_WORD_PARSER(parse_auth_method, enum auth_method, 0, auth_method_words)
DEFINE_WORD_PARSER(parse_log_format, enum log_format, 0, WORDS("auto", "journal", "json", "text"))
DEFINE_WORD_PARSER(parse_log_level, enum log_level, LOG_LEVEL_ERR, log_level_words)
DEFINE_WORD_PARSER(parse_ready_when, enum ready_when, 0, WORDS("all", "tried"))
DEFINE_WORD_PARSER(parse_key_type, enum key_type, 0, key_type_words)
DEFINE_WORD_PARSER(parse_key_rotation, enum key_rotation, 0, WORDS("always", "never"))
DEFINE_WORD_PARSER(parse_key_encoding, enum key_encoding, 0, WORDS("pkcs8", "traditional"))
DEFINE_WORD_PARSER(parse_keystore_encryption, enum keystore_encryption, 0,
                   WORDS("modern", "legacy"))
DEFINE_WORD_PARSER(parse_usage, unsigned, 0, WORDS("any", "server", "client", "both"))

const char *parse_ignore(struct config_scope *scope, const char *value, void *field)
{
    uint64_t *mask = field;
    struct text_list items = {0};
    bool empty = false;

    if (!text_list_split(&items, scope->arena, value, ",", &empty))
        return config_no_memory;
    if (empty)
        return "holds an empty item; separate ids by single commas";
    for (size_t i = 0; i < items.count; i++) {
        const char *near = text_near(scope->arena, items.items[i], posture_ids, POSTURE_COUNT);
        size_t id = 0;

        scope->item = items.items[i];
        while (id < POSTURE_COUNT && strcmp(posture_ids[id], items.items[i]) != 0)
            id++;
        if (id == POSTURE_COUNT && near == NULL)
            return "is no id of a warning; leafd.ini(5), WARNINGS, lists them";
        if (id == POSTURE_COUNT)
            return arena_format(scope->arena, "is no id of a warning; did you mean %s?", near);
        *mask |= posture_bit((enum posture)id);
    }
    return NULL;
}

/* A file that cannot be read now may come later; one that others may write is refused at once. */
const char *parse_key_source(struct config_scope *scope, const char *value, void *field)
{
    struct key_origin *origin = field;
    const char *path = text_starts(value, "file");
    unsigned index = 0;
    const char *why;

    if (path == NULL || (*path != ' ' && *path != '\t')) {
        why = choose(scope, value, WORDS("local", "vault", "file PATH"), &index);
        origin->source = (enum key_source)index;
        return why;
    }
    origin->source = KEY_FROM_FILE;
    return parse_credential_file(scope, path + strspn(path, " \t"), &origin->file);
}

/* -- words ----------------------------------------------------------------------------------------
 */

/* Whether the word is shell syntax, which exec would pass on as an argument. */
static bool is_shell_talk(const char *word)
{
    static const char *const orders[] = {"|", "||", "&", "&&", ";", "<", ">", ">>", "2>", "2>&1"};

    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
        if (strcmp(word, orders[i]) == 0)
            return true;
    return text_starts(word, "$(") != NULL || text_starts(word, "2>") != NULL ||
           text_starts(word, "`") != NULL || (word[0] == '$' && isalpha((unsigned char)word[1]));
}

/* Reads a word from *at, without its quotes, and moves *at behind it. */
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
            return "holds a single quote, which no shell removes here; write double quotes or none";
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
            return "is shell syntax, and no shell runs; call a script, or /bin/sh -c "
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
    why = config_trust_file(
        &scope->trust, words->items[1], X_OK,
        "names a program that does not exist or may not be executed; check its path and mode");
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
