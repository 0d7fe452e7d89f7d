#include "reload/reload_answer.h"

#include "base/text.h"

#include <string.h>
#include <strings.h>

enum step { STEP_OTHER, STEP_SET, STEP_COMMIT, STEP_ABORT, STEP_COUNT };

/* A part of a text that somebody else owns. */
struct word {
    const char *at;
    size_t length;
};

/* A line of HAProxy's that is about a transaction. */
struct order {
    enum step step;
    size_t kind; /* in `kinds` */
    struct word name;
    const char *prefix; /* "@1 " of the master's socket stands before the line: its start */
    size_t prefix_length;
};

enum { KIND_COUNT = 3, NAME_MOST_BYTES = 4096 /* PATH_MAX */ };

static const char *const steps[STEP_COUNT] = {
    [STEP_SET] = "set", [STEP_COMMIT] = "commit", [STEP_ABORT] = "abort"};
static const char *const kinds[KIND_COUNT] = {"cert", "ca-file", "crl-file"};
static const char *const subjects[STEP_COUNT][KIND_COUNT] = {
    [STEP_SET] = {"set ssl cert", "set ssl ca-file", "set ssl crl-file"},
    [STEP_COMMIT] = {"commit ssl cert", "commit ssl ca-file", "commit ssl crl-file"},
    [STEP_ABORT] = {"abort ssl cert", "abort ssl ca-file", "abort ssl crl-file"},
};

static struct word next_word(const char **at)
{
    struct word word = {.at = *at + strspn(*at, " ")};

    word.length = strcspn(word.at, " \n");
    *at = word.at + word.length;
    return word;
}

static bool word_is(struct word word, const char *text)
{
    return word.length == strlen(text) && memcmp(word.at, text, word.length) == 0;
}

static struct order read_order(const char *line)
{
    struct order order = {.prefix = line};
    enum step step = STEP_SET;
    struct word verb, ssl, kind;

    if (line[0] == '@') {
        next_word(&line);
        order.prefix_length = (size_t)(line - order.prefix);
    }
    verb = next_word(&line);
    ssl = next_word(&line);
    kind = next_word(&line);
    order.name = next_word(&line);
    while (step < STEP_COUNT && !word_is(verb, steps[step]))
        step++;
    while (order.kind < KIND_COUNT && !word_is(kind, kinds[order.kind]))
        order.kind++;
    if (step < STEP_COUNT && word_is(ssl, "ssl") && order.kind < KIND_COUNT &&
        order.name.length > 0)
        order.step = step;
    return order;
}

/* Whether a line may be made of what the consumer says: ';' begins a further command there, and a
 * backslash hides what follows (management guide, 9.3). */
static bool is_one_word(struct word word)
{
    for (size_t i = 0; i < word.length; i++) {
        unsigned char c = (unsigned char)word.at[i];

        if (c <= ' ' || c == 0x7f || c == ';' || c == '\\')
            return false;
    }
    return word.length <= NAME_MOST_BYTES;
}

/*
 * What "Transaction created for certificate NAME!" or "... updated ..." names; empty: no such line,
 * or no name. For a CA file and a revocation list HAProxy begins with a small letter.
 */
static struct word told_name(const char *answer)
{
    const char *at = strcasestr(answer, "transaction created for ");
    struct word word, last = {.at = answer};

    if (at == NULL)
        at = strcasestr(answer, "transaction updated for ");
    if (at == NULL)
        return last;
    for (word = next_word(&at); word.length > 0; word = next_word(&at))
        last = word;
    if (last.length > 0 && last.at[last.length - 1] == '!')
        last.length--;
    return is_one_word(last) ? last : (struct word){.at = answer};
}

/* The name without .key and its like, which HAProxy keeps together with the certificate. */
static struct word without_extension(struct word name)
{
    static const char *const extensions[] = {".key", ".ocsp", ".issuer", ".sctl"};

    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++) {
        size_t length = strlen(extensions[i]);

        if (name.length > length &&
            memcmp(name.at + name.length - length, extensions[i], length) == 0)
            return (struct word){name.at, name.length - length};
    }
    return name;
}

/* Whether the word is `begin` with `rest` behind it. */
static bool word_joins(struct word word, struct word begin, const char *rest)
{
    size_t length = strlen(rest);

    return word.length == begin.length + length && memcmp(word.at, begin.at, begin.length) == 0 &&
           memcmp(word.at + begin.length, rest, length) == 0;
}

/* Whether the transaction that the answer names is the one that was asked for. */
static bool is_asked(struct word asked, struct word told)
{
    struct word base = without_extension(asked);

    return word_joins(told, asked, "") || word_joins(told, base, "") ||
           (base.length < asked.length && word_joins(told, base, ".crt"));
}

static const char *other_problem(const char *answer)
{
    static const char *const beginnings[] = {
        "unknown",  "error",  "err ",    "-err",      "can't",   "cannot",  "could not",
        "unable",   "fail",   "invalid", "malformed", "missing", "require", "permission denied",
        "denied",   "no ",    "not ",    "usage",     "bad ",    "refused", "unexpected",
        "too many", "abort:", "'",       "success=0",
    };

    if (answer[0] == '\0')
        return "closed the connection without an answer";
    answer += strspn(answer, " \t\r\n");
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (strncasecmp(answer, beginnings[i], strlen(beginnings[i])) == 0)
            return "refused it";
    return NULL;
}

const char *reload_answer_problem(const char *line, const char *answer)
{
    struct order order = read_order(line);
    struct word told = told_name(answer);

    if (order.step == STEP_OTHER || answer[0] == '\0')
        return other_problem(answer);
    if (strncasecmp(answer, "permission denied", strlen("permission denied")) == 0)
        return "refused it; its stats socket needs level admin";
    switch (order.step) {
    case STEP_SET:
        if (told.length == 0)
            return "refused it";
        return is_asked(order.name, told)
                   ? NULL
                   : "put it into the open transaction of another certificate, which is aborted";
    case STEP_COMMIT:
        return strstr(answer, "Success!") == NULL ? "refused it" : NULL;
    case STEP_ABORT:
        return strcasestr(answer, "transaction aborted") == NULL ? "refused it" : NULL;
    case STEP_OTHER:
    case STEP_COUNT:
        break;
    }
    return NULL;
}

const char *reload_answer_subject(const char *line)
{
    struct order order = read_order(line);

    return order.step == STEP_OTHER ? "the line" : subjects[order.step][order.kind];
}

const char *reload_answer_undo(struct arena *arena, const char *line, const char *answer)
{
    struct order order = read_order(line);
    struct word told = told_name(answer);
    struct word name = told.length > 0 ? told : without_extension(order.name);

    if (order.step != STEP_SET && order.step != STEP_COMMIT)
        return NULL;
    return arena_format(arena, "%.*s%sabort ssl %s %.*s", (int)order.prefix_length, order.prefix,
                        order.prefix_length > 0 ? " " : "", kinds[order.kind], (int)name.length,
                        name.at);
}
