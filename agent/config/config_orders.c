#include "config/config_orders.h"

#include "config/config_owner.h"
#include "config/config_words.h"

#include <string.h>

enum { FILE_NAME_MOST_BYTES = 200 };

static const char *check_file_name(const char *name)
{
    if (name[0] == '\0' || strchr(name, '/') != NULL || text_starts(name, "..") != NULL ||
        strcmp(name, ".") == 0 || strlen(name) > FILE_NAME_MOST_BYTES)
        return "has a file name with a slash or with .. at its start; a set has no folders";
    return NULL;
}

static const char *parse_mode(const char *text, enum content content, mode_t *ret_mode)
{
    unsigned mode = 0;

    if (strlen(text) < 3 || strlen(text) > 4 || text[strspn(text, "01234567")] != '\0')
        return "has a mode that is not octal, such as 0640";
    for (; *text != '\0'; text++)
        mode = mode * 8 + (unsigned)(*text - '0');
    if ((mode & 0400) == 0 || (mode & 0111) != 0 || (mode & 022) != 0 || mode > 0777)
        return "has a mode that lets others write, lets somebody execute, or hides the file from "
               "its owner";
    if (content_holds_key(content) && (mode & 07) != 0)
        return "lets everybody read a private key; take 0600, or 0640 and a group";
    *ret_mode = mode;
    return NULL;
}

/* Reads OWNER, OWNER:GROUP or :GROUP. */
static const char *parse_ownership(struct config_scope *scope, const char *text,
                                   struct output *output)
{
    size_t length = strcspn(text, ":");
    const char *owner = arena_copy_part(scope->arena, text, length);
    const char *why = NULL;

    if (owner == NULL)
        return config_no_memory;
    if (length > 0)
        why = config_owner(scope, owner, &output->owner);
    if (why == NULL && text[length] == ':')
        why = config_group(scope, text + length + 1, &output->group);
    return why;
}

static const char *fill_output(struct config_scope *scope, const struct text_list *words,
                               struct output *output)
{
    const char *why = check_file_name(words->items[0]);
    size_t content = 0;

    while (content < CONTENT_COUNT && strcmp(words->items[1], content_words[content]) != 0)
        content++;
    if (why == NULL && content == CONTENT_COUNT)
        why = "has a content that does not exist; there are certificate, chain, fullchain, ca, "
              "key, combined, bundle, metadata, pkcs12, truststore, certificate-der, key-der, "
              "envoy-sds and envoy-sds-ca";
    if (why != NULL)
        return why;
    output->name = words->items[0];
    output->content = (enum content)content;
    output->mode = content_holds_key(output->content) ? 0600 : 0644;
    output->owner = output->group = OWNER_UNCHANGED;
    output->mode_given = words->count > 2;
    if (words->count > 2)
        why = parse_mode(words->items[2], output->content, &output->mode);
    if (why == NULL && words->count > 3)
        why = parse_ownership(scope, words->items[3], output);
    return why;
}

const char *parse_file(struct config_scope *scope, const char *value, void *field)
{
    struct output_list *list = field;
    struct text_list words = {0};
    struct output output = {0}, *added;
    const char *why = words_split(scope, value, &words);

    if (why != NULL)
        return why;
    if (words.count < 2 || words.count > 4)
        return "is not NAME CONTENT [MODE [OWNER[:GROUP]]]";
    why = fill_output(scope, &words, &output);
    if (why != NULL)
        return why;
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, output.name) == 0)
            return "gives a file name twice";
    added = arena_append(scope->arena, &list->items, &list->count, sizeof output);
    if (added == NULL)
        return config_no_memory;
    *added = output;
    return NULL;
}

const char *parse_link(struct config_scope *scope, const char *value, void *field)
{
    struct link_list *list = field;
    struct text_list words = {0};
    struct outside_link *link;
    const char *why = words_split(scope, value, &words);

    if (why != NULL)
        return why;
    if (words.count != 2)
        return "is not PATH NAME";
    why = check_path(words.items[0]);
    if (why != NULL)
        return why;
    link = arena_append(scope->arena, &list->items, &list->count, sizeof *link);
    if (link == NULL)
        return config_no_memory;
    *link = (struct outside_link){.path = words.items[0], .name = words.items[1]};
    return NULL;
}

const char *parse_validate(struct config_scope *scope, const char *value, void *field)
{
    struct text_list words = {0};
    const char *why = words_split(scope, value, &words);

    if (why != NULL)
        return why;
    if (words.count == 0 || strcmp(words.items[0], "exec") != 0)
        return "is not exec PROGRAM [ARGUMENT...]";
    return words_argv(scope, &words, field);
}
