#include "config/config_fill.h"

#include "base/environment.h"
#include "base/hide.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { ITEM_SHOWN_BYTES = 96 };

static const char *from_environment(const struct config_key *key, struct arena *arena)
{
    const char *names[2] = {arena_format(arena, "BAO_%s", key->environment),
                            arena_format(arena, "VAULT_%s", key->environment)};

    for (size_t i = 0; i < 2; i++) {
        const char *value = names[i] == NULL ? NULL : environment_get(names[i]);

        /* OpenBao's rule: BAO_X that is set goes before VAULT_X, even when it is empty. */
        if (value != NULL)
            return value[0] == '\0' ? NULL : value;
    }
    return NULL;
}

static void digest_value(struct digest *digest, const char *key, const char *value)
{
    digest_add(digest, key, strlen(key) + 1);
    digest_add(digest, value, strlen(value) + 1);
}

/* Whether a text could be a credential in the wrong place: a token, a PEM text, a URL's user. */
static bool looks_secret(const char *text)
{
    static const char *const marks[] = {"hvs.", "hvb.", "hvr.", "eyJ", "-----BEGIN"};
    size_t length = strcspn(text, " \t");

    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (strstr(text, marks[i]) != NULL)
            return true;
    /* Tokens of Vault before 1.10. */
    return (length >= 26 && (text_starts(text, "s.") != NULL || text_starts(text, "b.") != NULL)) ||
           (strstr(text, "://") != NULL && strchr(text, '@') != NULL);
}

/* Of an order to a consumer what holds no argument and no query; of others all of it. */
static size_t shown_length(const struct config_key *key, const char *text)
{
    size_t length = strlen(text), words = strcspn(text, " \t");

    if (!key->orders || text_starts(text, "signal ") != NULL ||
        text_starts(text, "unit ") != NULL || text_starts(text, "tls ") != NULL)
        return length;
    words += strspn(text + words, " \t");
    words += strcspn(text + words, " \t?");
    return words;
}

/* The offending item in quotes and a blank, or "" where it must not be shown. */
static const char *show_item(const struct config_filling *filling, const struct config_key *key,
                             const char *value)
{
    struct arena *arena = filling->scope->arena;
    const char *item = filling->scope->item == NULL ? value : filling->scope->item;
    const char *part = arena_copy_part(arena, item, shown_length(key, item));
    const char *text = NULL;
    char shown[ITEM_SHOWN_BYTES];

    if (part == NULL || item[0] == '\0' || key->credential || looks_secret(item))
        return "";
    hide_foreign(shown, sizeof shown, part);
    text = arena_format(arena, "\"%s\" ", shown);
    return text == NULL ? "" : text;
}

/* What is wrong with the value in front of a remedy: its own behind a semicolon, or an example. */
static const char *complete(const struct config_filling *filling, const struct config_key *key,
                            const char *value, const char *why)
{
    const char *item = show_item(filling, key, value);
    const char *text;

    if (strchr(why, ';') != NULL)
        text = arena_format(filling->scope->arena, "%s%s", item, why);
    else
        text = arena_format(filling->scope->arena, "%s%s; write for example %s = %s", item, why,
                            key->name, key->example);
    return text == NULL ? config_no_memory : text;
}

static const char *parse_value(const struct config_filling *filling, const struct config_key *key,
                               const char *value)
{
    const char *why;

    filling->scope->item = NULL;
    if (value[0] == '\0')
        return complete(filling, key, value, "has no value");
    digest_value(filling->digest, key->name, value);
    why = key->parse(filling->scope, value, (unsigned char *)filling->target + key->offset);
    return why == NULL ? NULL : complete(filling, key, value, why);
}

static void parse_entry(const struct config_filling *filling, const struct config_key *key,
                        const struct config_section *section, struct config_entry *entry)
{
    const char *why = parse_value(filling, key, entry->value);

    if (why == NULL || entry->told)
        return;
    entry->told = true;
    config_problem(filling->problems,
                   &(struct config_place){section->file, entry->line, section->title, key->name},
                   "%s", why);
}

/* Takes all entries of a key from the first layer that has one; false if none has. */
static bool fill_from_layers(const struct config_filling *filling, const struct config_key *key)
{
    for (size_t i = 0; i < CONFIG_LAYERS; i++) {
        const struct config_section *section = filling->layers[i];
        struct config_entry *entry = config_entry_find(section, key->name);

        if (entry == NULL)
            continue;
        parse_entry(filling, key, section, entry);
        /* Of a key that may not repeat, config_check_keys has told the others. */
        for (entry = entry->next; key->repeats && entry != NULL; entry = entry->next)
            if (strcmp(entry->key, key->name) == 0)
                parse_entry(filling, key, section, entry);
        return true;
    }
    return false;
}

static void fill_from_outside(const struct config_filling *filling, const struct config_key *key)
{
    const char *value = NULL, *why;

    if (key->environment != NULL)
        value = from_environment(key, filling->scope->arena);
    if (value == NULL) {
        if (key->fallback != NULL)
            parse_value(filling, key, key->fallback);
        return;
    }
    why = parse_value(filling, key, value);
    if (why != NULL)
        config_problem(filling->problems, &(struct config_place){.file = "environment"},
                       "BAO_%s or VAULT_%s, for %s: %s", key->environment, key->environment,
                       key->name, why);
}

void config_fill(const struct config_filling *filling)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];

        if ((key->sections & filling->sections) != 0 && key->parse != NULL &&
            !fill_from_layers(filling, key))
            fill_from_outside(filling, key);
    }
}

static const char *section_of(const struct config_key *key)
{
    if ((key->sections & IN_VAULT) != 0)
        return "[vault]";
    if ((key->sections & IN_AUTH) != 0)
        return "[auth]";
    return (key->sections & IN_AGENT) != 0 ? "[agent]" : "[cert NAME]";
}

static void tell_unknown(const struct config_place *place, unsigned sections,
                         struct config_problems *problems)
{
    const struct config_key *elsewhere = config_key_find(place->key, ~0U);
    const char *near = config_key_near(place->key, sections, &problems->arena);

    if (elsewhere != NULL)
        config_problem(problems, place, "does not belong here; move it to %s",
                       section_of(elsewhere));
    else if (near != NULL)
        config_problem(problems, place, "is no key of leafd; did you mean %s?", near);
    else
        config_problem(problems, place, "is no key of leafd; leafd.ini(5) lists them");
}

void config_check_keys(const struct config_section *section, unsigned sections,
                       struct config_problems *problems)
{
    for (const struct config_entry *entry = section->entries; entry != NULL; entry = entry->next) {
        const struct config_key *key = config_key_find(entry->key, sections);
        const struct config_entry *first = config_entry_find(section, entry->key);
        const struct config_place place = {section->file, entry->line, section->title, entry->key};

        if (key == NULL)
            tell_unknown(&place, sections, problems);
        else if (first != entry && !key->repeats)
            config_problem(problems, &place, "is given twice, first in line %u; keep one",
                           first->line);
    }
}
