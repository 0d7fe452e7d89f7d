#include "base/event_choice.h"

#include "base/text.h"

#include <string.h>

enum { WORD_KINDS_MOST = 7 };

/* The words that stand for several events; the others are names of events. */
static const struct word {
    const char *word;
    enum event_kind kinds[WORD_KINDS_MOST];
    size_t count;
} words[] = {
    {"failing",
     {EVENT_FAILED, EVENT_LOGIN_FAILED, EVENT_CA_AWAY, EVENT_RELOAD_FAILED, EVENT_PROOF_FAILED,
      EVENT_ROLLBACK_FAILED, EVENT_LINK_FAILED},
     7},
    {"denied", {EVENT_FAILED, EVENT_LOGIN_FAILED}, 0}, /* by their class */
    {"refused-by-consumer",
     {EVENT_RELOAD_FAILED, EVENT_PROOF_FAILED, EVENT_ROLLED_BACK, EVENT_ROLLBACK_FAILED},
     4},
};

/* What an operator asks for first. */
static const char *const usual[] = {
    "issued", "failing", "expiring", "expired", "denied", "refused-by-consumer", "ca-changed",
};

enum {
    WORDS = sizeof words / sizeof *words,
    USUAL = sizeof usual / sizeof *usual,
    WORDS_MOST = USUAL + EVENT_KIND_COUNT
};

/* An event of the stream about which a command may be told: what tells that a command was not told
 * would otherwise be told to it in turn. */
static bool is_for_commands(enum event_kind kind)
{
    return kind != EVENT_DETAIL && kind != EVENT_LOG_LOST && kind != EVENT_HOOK_FAILED &&
           kind != EVENT_HOOK_DROPPED;
}

bool event_choice_add(struct event_choice *choice, const char *text)
{
    for (size_t i = 0; i < WORDS; i++) {
        if (strcmp(words[i].word, text) != 0)
            continue;
        choice->denied |= words[i].count == 0;
        for (size_t j = 0; j < words[i].count; j++)
            choice->kinds[words[i].kinds[j]] = true;
        return true;
    }
    for (enum event_kind kind = 0; kind < EVENT_KIND_COUNT; kind++) {
        if (!is_for_commands(kind) || strcmp(event_name(kind), text) != 0)
            continue;
        choice->kinds[kind] = true;
        return true;
    }
    return false;
}

/* Whether it was lowered to the debug log because it says what an earlier one has said. */
static bool is_repeated(const struct event *event)
{
    return event->level == LOG_LEVEL_DEBUG && event_level(event->kind) != LOG_LEVEL_DEBUG;
}

bool event_choice_has(const struct event_choice *choice, const struct event *event)
{
    bool is_denial = event->failure == ERR_DENIED &&
                     (event->kind == EVENT_FAILED || event->kind == EVENT_LOGIN_FAILED);

    return (choice->kinds[event->kind] || (choice->denied && is_denial)) && !is_repeated(event);
}

/* All words, each once, the usual ones first. */
static size_t list_words(const char *list[static WORDS_MOST])
{
    size_t count = 0;

    for (size_t i = 0; i < USUAL; i++)
        list[count++] = usual[i];
    for (enum event_kind kind = 0; kind < EVENT_KIND_COUNT; kind++) {
        bool is_usual = false;

        for (size_t i = 0; i < USUAL; i++)
            is_usual |= strcmp(event_name(kind), usual[i]) == 0;
        if (is_for_commands(kind) && !is_usual)
            list[count++] = event_name(kind);
    }
    return count;
}

const char *event_choice_near(struct arena *arena, const char *typed)
{
    const char *list[WORDS_MOST];

    return text_near(arena, typed, list, list_words(list));
}

const char *event_choice_words(struct arena *arena)
{
    const char *list[WORDS_MOST], *text = "";
    size_t count = list_words(list);

    for (size_t i = 0; i < count && text != NULL; i++)
        text = arena_format(arena, "%s%s%s", text, i == 0 ? "" : ", ", list[i]);
    return text;
}
