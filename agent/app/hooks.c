#include "app/hooks.h"

#include "base/child.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/event_json.h"
#include "base/json.h"
#include "base/random.h"
#include "base/terminal.h"
#include "plan/urgency.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VARIABLE_BYTES = 288, SAID_BYTES = 256, VARIABLES = 3 };

static const uint64_t first_wait_us = 2000000;
enum { WAIT_GROWS = 4 };

/* An event for one line. */
struct notice {
    struct notice *next;
    enum event_kind kind;
    char cert[VARIABLE_BYTES]; /* "": of the agent as a whole */
    char json[];
};

/* One on_event line. */
struct line {
    struct line *next;
    struct hooks *hooks;
    const struct hook *hook; /* of the configuration in use */
    struct notice *first, *last;
    size_t waiting;         /* with the first one, also while its command runs */
    struct slot *slot;      /* the command, for the first one */
    sd_event_source *retry; /* rings when the first one is tried again */
    unsigned tries;         /* of the first one */
    uint64_t dropped;       /* since the last report */
    bool told_drop;         /* that events are dropped, until the queue is empty */
    struct told_failure told;
};

struct ending {
    struct slot slot;
    struct hooks *hooks;
    sd_event_source *limit;
};

struct hooks {
    sd_event *loop;
    struct workers *workers;
    struct config *config; /* owns the orders of the lines */
    struct event_listener listener;
    sd_event_source *start; /* starts commands in the next iteration: a listener emits nothing */
    struct line *lines;
    struct ending *ending; /* NULL: the process goes on */
};

/* -- the queue of a line --------------------------------------------------------------------------
 */

static const char *program_of(const struct line *line)
{
    return line->hook->argv.items[0];
}

static void drop_first(struct line *line)
{
    struct notice *notice = line->first;

    line->first = notice->next;
    if (line->first == NULL)
        line->last = NULL;
    line->waiting--;
    line->tries = 0;
    free(notice);
}

/* Drops the oldest that is not being told. */
static void drop_oldest(struct line *line)
{
    struct notice *told = line->first, *oldest;

    line->dropped++;
    if (line->slot == NULL) {
        drop_first(line);
        sd_event_source_set_enabled(line->retry, SD_EVENT_OFF);
        return;
    }
    oldest = told->next;
    told->next = oldest->next;
    if (told->next == NULL)
        line->last = told;
    line->waiting--;
    free(oldest);
}

static json_t *describe(const struct event *event)
{
    char host[HOST_NAME_MAX + 1] = "";
    json_t *json = event_json(event);

    gethostname(host, sizeof host - 1);
    if (json == NULL ||
        json_object_set_new(json, "number", json_integer((json_int_t)event->number)) != 0 ||
        json_object_set_new(json, "host", terminal_text(host)) != 0) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static struct notice *new_notice(const struct event *event, const char *text)
{
    size_t length = strlen(text);
    struct notice *notice = malloc(sizeof *notice + length + 2);

    if (notice == NULL)
        return NULL;
    *notice = (struct notice){.kind = event->kind};
    snprintf(notice->cert, sizeof notice->cert, "%s", event->cert == NULL ? "" : event->cert);
    memcpy(notice->json, text, length);
    memcpy(notice->json + length, "\n", 2);
    return notice;
}

static void queue(struct line *line, struct notice *notice)
{
    if (notice == NULL) {
        line->dropped++;
        return;
    }
    if (line->waiting == HOOK_QUEUE_MOST)
        drop_oldest(line);
    *(line->first == NULL ? &line->first : &line->last->next) = notice;
    line->last = notice;
    line->waiting++;
}

static void on_event(void *arg, const struct event *event)
{
    struct hooks *hooks = arg;
    CLEANUP(free_memory) char *text = NULL;

    for (struct line *line = hooks->lines; line != NULL; line = line->next) {
        if (!event_choice_has(&line->hook->choice, event))
            continue;
        if (text == NULL) {
            json_auto_t *json = describe(event);

            text = json_text(json, JSON_COMPACT);
        }
        queue(line, text == NULL ? NULL : new_notice(event, text));
        sd_event_source_set_enabled(hooks->start, SD_EVENT_ONESHOT);
    }
}

/* -- the command of a line ------------------------------------------------------------------------
 */

static void tell_drop(struct line *line)
{
    if (line->dropped == 0 || line->told_drop)
        return;
    line->told_drop = true;
    event_emit(&(struct event){.kind = EVENT_HOOK_DROPPED, .lost = EVENT_NUMBER(line->dropped)},
               "the hook %s is too slow or fails: %d events wait for it, and older ones are "
               "dropped; check the command, or choose fewer kinds for it",
               program_of(line), HOOK_QUEUE_MOST);
    line->dropped = 0;
}

/* The queue is empty: says how many more were dropped. */
static void tell_lost(struct line *line)
{
    if (line->dropped > 0)
        event_emit(&(struct event){.kind = EVENT_HOOK_DROPPED,
                                   .level = LOG_LEVEL_NOTICE,
                                   .lost = EVENT_NUMBER(line->dropped)},
                   "%llu more events for the hook %s were dropped; it has been told all others",
                   (unsigned long long)line->dropped, program_of(line));
    line->dropped = 0;
    line->told_drop = false;
}

static void tell_failure(struct line *line, const struct err *err, uint64_t wait_ms)
{
    const struct failure_look look = {.class = err->kind,
                                      .reason = urgency_reason(err->text),
                                      .now_s = clock_now_s(),
                                      .left_s = 1,
                                      .life_s = 1};
    const struct notice *notice = line->first;
    struct event event = {.kind = EVENT_HOOK_FAILED,
                          .cert = notice->cert[0] == '\0' ? NULL : notice->cert,
                          .failure = err->kind,
                          .reason = err->text};
    char wait[DURATION_TEXT_BYTES];

    if (!urgency_note_failure(&look, &line->told, &event.level))
        event.level = LOG_LEVEL_DEBUG;
    duration_text(wait_ms / 1000, wait);
    if (wait_ms > 0) {
        event.next_try_ms = EVENT_NUMBER(wait_ms);
        event_emit(&event, "the event %s was not told: %s; next try in %s",
                   event_name(notice->kind), err->text, wait);
    } else {
        event.level = 0;
        event_emit(&event, "the event %s was not told, and is dropped after %u tries: %s",
                   event_name(notice->kind), line->tries, err->text);
    }
}

static void start_next(struct line *line);
static void end_if_idle(struct hooks *hooks);

static void on_failed(struct line *line, const struct err *err)
{
    uint64_t wait_us = first_wait_us;
    bool is_last = line->tries >= HOOK_TRIES_MOST || line->hooks->ending != NULL;

    for (unsigned i = 1; i < line->tries; i++)
        wait_us *= WAIT_GROWS;
    wait_us = wait_us / 2 + random_share(wait_us, random_draw());
    tell_failure(line, err, is_last ? 0 : wait_us / 1000);
    if (is_last) {
        drop_first(line);
        return;
    }
    sd_event_source_set_time_relative(line->retry, wait_us);
    sd_event_source_set_enabled(line->retry, SD_EVENT_ONESHOT);
}

static void on_ended(void *arg, const struct err *child_err)
{
    struct line *line = arg;
    const struct err err = *child_err;
    char said[SAID_BYTES];

    child_said(line->slot, said, sizeof said);
    line->slot = slot_drop(line->slot);
    if (err.kind == ERR_NONE) {
        log_detail(line->first->cert[0] == '\0' ? NULL : line->first->cert,
                   "the hook %s was told the event %s%s%s", program_of(line),
                   event_name(line->first->kind), said[0] == '\0' ? "" : ": ", said);
        line->told = (struct told_failure){0};
        drop_first(line);
    } else {
        on_failed(line, &err);
    }
    if (line->first == NULL)
        tell_lost(line);
    start_next(line);
    end_if_idle(line->hooks);
}

/* Starts the command for the first event, unless it runs or waits for its next try. */
static void start_next(struct line *line)
{
    const struct hooks *hooks = line->hooks;
    char event[VARIABLE_BYTES], cert[VARIABLE_BYTES + 16];
    const char *variables[VARIABLES + 1] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", event};
    struct child_order order = {.what = "on_event",
                                .argv = &line->hook->argv,
                                .variables = variables,
                                .limit_s = hooks->config->agent.on_event_timeout_s,
                                .beside = true};
    int waits = SD_EVENT_OFF;
    struct err err;

    sd_event_source_get_enabled(line->retry, &waits);
    if (line->first == NULL || line->slot != NULL || waits != SD_EVENT_OFF)
        return;
    snprintf(event, sizeof event, "LEAFD_EVENT=%s", event_name(line->first->kind));
    snprintf(cert, sizeof cert, "LEAFD_CERT=%s", line->first->cert);
    variables[2] = line->first->cert[0] == '\0' ? NULL : cert;
    order.input = line->first->json;
    line->tries++;
    line->slot = child_start(hooks->loop, hooks->workers, &order, on_ended, line, &err);
    if (line->slot == NULL) {
        on_failed(line, &err);
        sd_event_source_set_enabled(hooks->start, SD_EVENT_ONESHOT);
    }
}

static int on_retry(sd_event_source *source, uint64_t now_us, void *arg)
{
    (void)source;
    (void)now_us;
    start_next(arg);
    return 0;
}

static int on_start(sd_event_source *source, void *arg)
{
    struct hooks *hooks = arg;

    (void)source;
    for (struct line *line = hooks->lines; line != NULL; line = line->next) {
        tell_drop(line);
        start_next(line);
    }
    end_if_idle(hooks);
    return 0;
}

/* -- the lines of a configuration -----------------------------------------------------------------
 */

static void free_line(struct line *line)
{
    slot_drop(line->slot);
    sd_event_source_disable_unref(line->retry);
    while (line->first != NULL)
        drop_first(line);
    free(line);
}

static struct line *new_line(struct hooks *hooks, struct err *err)
{
    struct line *line = calloc(1, sizeof *line);
    int r;

    if (line == NULL) {
        err_memory(err);
        return NULL;
    }
    line->hooks = hooks;
    r = sd_event_add_time_relative(hooks->loop, &line->retry, CLOCK_BOOTTIME, 0, 1, on_retry, line);
    if (r < 0) {
        err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
        free_line(line);
        return NULL;
    }
    sd_event_source_set_enabled(line->retry, SD_EVENT_OFF);
    sd_event_source_set_description(line->retry, "hook retry");
    return line;
}

static bool is_same(const struct hook *a, const struct hook *b)
{
    if (memcmp(&a->choice, &b->choice, sizeof a->choice) != 0 || a->argv.count != b->argv.count)
        return false;
    for (size_t i = 0; i < a->argv.count; i++)
        if (strcmp(a->argv.items[i], b->argv.items[i]) != 0)
            return false;
    return true;
}

/* Takes the line of that hook out of the list; NULL if there is none. */
static struct line *take_line(struct line **lines, const struct hook *hook)
{
    struct line **at = lines;
    struct line *line;

    while (*at != NULL && !is_same((*at)->hook, hook))
        at = &(*at)->next;
    line = *at;
    if (line != NULL)
        *at = line->next;
    return line;
}

/* Ends the waits after failures. */
static void try_at_once(struct hooks *hooks)
{
    for (struct line *line = hooks->lines; line != NULL; line = line->next)
        sd_event_source_set_enabled(line->retry, SD_EVENT_OFF);
    sd_event_source_set_enabled(hooks->start, SD_EVENT_ONESHOT);
}

bool hooks_use(struct hooks *hooks, struct config *config, struct err *err)
{
    struct line *before = TAKE(hooks->lines), **end = &hooks->lines;
    struct config *old = hooks->config;
    bool made = true;

    hooks->config = config_ref(config);
    for (size_t i = 0; i < config->agent.hooks.count; i++) {
        const struct hook *hook = &config->agent.hooks.items[i];
        struct line *line = take_line(&before, hook);

        if (line == NULL)
            line = new_line(hooks, err);
        if (line == NULL) {
            made = false;
            continue;
        }
        line->hook = hook;
        line->next = NULL;
        *end = line;
        end = &line->next;
    }
    while (before != NULL) {
        struct line *gone = before;

        before = gone->next;
        free_line(gone);
    }
    config_unref(old);
    try_at_once(hooks);
    if (hooks->lines != NULL)
        event_listen(&hooks->listener);
    else
        event_ignore(&hooks->listener);
    return made;
}

bool hooks_open(sd_event *loop, struct workers *workers, struct config *config,
                struct hooks **ret_hooks, struct err *err)
{
    struct hooks *hooks = calloc(1, sizeof *hooks);
    int r;

    if (hooks == NULL)
        return err_memory(err);
    hooks->loop = loop;
    hooks->workers = workers;
    hooks->listener = (struct event_listener){.on_event = on_event, .arg = hooks};
    *ret_hooks = hooks;
    r = sd_event_add_defer(loop, &hooks->start, on_start, hooks);
    if (r < 0)
        return err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    sd_event_source_set_enabled(hooks->start, SD_EVENT_OFF);
    sd_event_source_set_description(hooks->start, "hooks");
    return hooks_use(hooks, config, err);
}

/* -- the end --------------------------------------------------------------------------------------
 */

static bool is_idle(const struct hooks *hooks)
{
    for (const struct line *line = hooks->lines; line != NULL; line = line->next)
        if (line->first != NULL)
            return false;
    return true;
}

static void finish(struct ending *ending)
{
    struct hooks *hooks = ending->hooks;

    hooks->ending = NULL;
    sd_event_source_set_enabled(ending->limit, SD_EVENT_OFF);
    slot_finish(&ending->slot, NULL);
}

static void end_if_idle(struct hooks *hooks)
{
    if (hooks->ending != NULL && is_idle(hooks))
        finish(hooks->ending);
}

static int on_end_limit(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct ending *ending = arg;

    (void)source;
    (void)now_us;
    for (struct line *line = ending->hooks->lines; line != NULL; line = line->next)
        if (line->first != NULL)
            event_emit(&(struct event){.kind = EVENT_HOOK_DROPPED,
                                       .lost = EVENT_NUMBER(line->waiting + line->dropped)},
                       "exiting before the hook %s was told %zu event%s", program_of(line),
                       line->waiting, line->waiting == 1 ? "" : "s");
    finish(ending);
    return 0;
}

static void destroy_ending(struct slot *slot)
{
    struct ending *ending = (struct ending *)slot;

    if (ending->hooks->ending == ending)
        ending->hooks->ending = NULL;
    sd_event_source_disable_unref(ending->limit);
    slot_free(slot);
}

struct slot *hooks_end_start(struct hooks *hooks, slot_done *on_done, void *arg)
{
    struct ending *ending;
    struct err err;

    if (hooks == NULL || is_idle(hooks))
        return NULL;
    ending = slot_new(sizeof *ending, hooks->loop, destroy_ending, on_done, arg, &err);
    if (ending == NULL)
        return NULL;
    ending->hooks = hooks;
    if (sd_event_add_time_relative(hooks->loop, &ending->limit, CLOCK_BOOTTIME,
                                   HOOKS_END_S * 1000000ULL, 0, on_end_limit, ending) < 0) {
        destroy_ending(&ending->slot);
        return NULL;
    }
    sd_event_source_set_description(ending->limit, "hooks at the end");
    hooks->ending = ending;
    try_at_once(hooks);
    return &ending->slot;
}

void hooks_close(struct hooks *hooks)
{
    if (hooks == NULL)
        return;
    event_ignore(&hooks->listener);
    while (hooks->lines != NULL) {
        struct line *line = hooks->lines;

        hooks->lines = line->next;
        free_line(line);
    }
    sd_event_source_disable_unref(hooks->start);
    config_unref(hooks->config);
    free(hooks);
}
