/*
 * event_choice - which events somebody wants, by the words of operators
 *
 * A word is the name of an event, or one of a few words that stand for several events. Such a word,
 * and the name of an event that reports failures, chooses an event once and not again for each try
 * that fails in the same way (plan/urgency). Pure.
 */
#ifndef LEAFD_BASE_EVENT_CHOICE_H
#define LEAFD_BASE_EVENT_CHOICE_H

#include "base/arena.h"
#include "base/event.h"

/* Initialise with {0}: no event. Two that chose the same are equal byte by byte. */
struct event_choice {
    bool kinds[EVENT_KIND_COUNT];
    bool denied; /* tries and logins that the CA denied */
};

/* event_choice_add - adds the events that the word stands for; false for an unknown word */
bool event_choice_add(struct event_choice *choice, const char *word);

/* event_choice_has - whether it is one of the chosen events */
bool event_choice_has(const struct event_choice *choice, const struct event *event);

/* event_choice_near - words that a mistyped one may mean, as text_near; or NULL */
const char *event_choice_near(struct arena *arena, const char *typed);

/* event_choice_words - all words, separated by commas; NULL if memory ran out */
const char *event_choice_words(struct arena *arena);

#endif
