#include "reload/reload.h"

#include "base/child.h"
#include "base/cleanup.h"
#include "base/hide.h"
#include "base/socket_path.h"
#include "http/http_call.h"
#include "reload/reload_signal.h"
#include "reload/reload_socket.h"
#include "reload/reload_unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VARIABLES_MOST = 16, LINE_BYTES = 200 };

/* Reloads that come within this time after one has begun are merged into one. */
static const uint64_t apart_us = 200000;

/* All lines of a section. */
struct reload {
    struct slot slot;
    struct reload_tools tools;
    struct config *config;
    const struct cert_config *cert;
    size_t next;        /* index of the next line to carry out */
    struct slot *batch; /* of the lines before `next` */
    struct arena arena;
    const char *variables[VARIABLES_MOST + 1];
};

/* The lines of one batch. It may outlive the reload that asked for it, if others wait for it too.
 */
struct stretch {
    struct reload_tools tools;
    struct config *config;
    const struct cert_config *cert;
    size_t next, end;
    struct arena arena;
    const char *variables[VARIABLES_MOST + 1];
};

/* A stretch that is being carried out. */
struct work {
    struct slot slot;
    struct stretch *stretch;
    struct slot *step; /* the line under way */
    struct socket_order order;
    struct http_response response;
    int socket_fd; /* of the admin interface's Unix socket; -1: none */
};

/* -- one line -------------------------------------------------------------------------------------
 */

static void on_step_done(void *arg, const struct err *err);

static const struct reload_action *current_line(const struct work *work)
{
    return &work->stretch->cert->reloads.items[work->stretch->next - 1];
}

/* The user beside our own to whom the process or socket may belong. */
static uid_t user_of(const struct reload_action *action)
{
    return action->user < 0 ? geteuid() : (uid_t)action->user;
}

static struct slot *start_signal(struct work *work, const struct reload_action *action,
                                 struct err *err)
{
    const struct stretch *stretch = work->stretch;
    const bool by_pidfile = action->verb == RELOAD_SIGNAL_PIDFILE;
    const struct signal_order order = {
        .signal = action->signal,
        .pidfile = by_pidfile ? action->target : NULL,
        .name = by_pidfile ? NULL : action->target,
        .user = user_of(action),
    };

    return reload_signal_start(stretch->tools.loop, stretch->tools.workers, &order,
                               stretch->cert->command_timeout_s, on_step_done, work, err);
}

static struct slot *start_command(struct work *work, const struct reload_action *action,
                                  struct err *err)
{
    const struct child_order order = {
        .what = "reload",
        .argv = &action->argv,
        .variables = work->stretch->variables,
        .limit_s = work->stretch->cert->command_timeout_s,
        /* haproxy -D -sf and scripts of /etc/init.d leave the new consumer running. */
        .may_start_services = true,
    };

    return child_start(work->stretch->tools.loop, work->stretch->tools.workers, &order,
                       on_step_done, work, err);
}

static struct slot *start_socket(struct work *work, const struct reload_action *action,
                                 struct err *err)
{
    struct stretch *stretch = work->stretch;
    const char *payload = NULL;

    if (action->payload != NULL) {
        /* The visible name leads to the generation that was just published. */
        payload = arena_format(&stretch->arena, "%s/%s", stretch->cert->directory, action->payload);
        if (payload == NULL) {
            err_memory(err);
            return NULL;
        }
    }
    work->order = (struct socket_order){
        .socket = action->target,
        .user = user_of(action),
        .line = action->line,
        .payload = payload,
        .limit_s = stretch->cert->command_timeout_s,
    };
    return reload_socket_start(stretch->tools.loop, stretch->tools.workers, &work->order,
                               on_step_done, work, err);
}

/* -- an admin interface ---------------------------------------------------------------------------
 */

/* Gives the first line that is not empty, made printable. */
static void first_line(const struct bytes *body, char to[static LINE_BYTES])
{
    const char *text = bytes_text(body);
    char line[LINE_BYTES];

    text += strspn(text, " \t\r\n");
    snprintf(line, sizeof line, "%.*s", (int)strcspn(text, "\r\n"), text);
    hide_foreign(to, LINE_BYTES, line);
}

static void end_request(struct work *work)
{
    http_response_free(&work->response);
    close_fd(&work->socket_fd);
}

static void on_replied(void *arg, const struct err *call_err)
{
    struct work *work = arg;
    const struct http_response *response = &work->response;
    const struct reload_action *action = current_line(work);
    struct err err = *call_err;
    char line[LINE_BYTES];

    if (err.kind == ERR_NONE && response->status / 100 != 2) {
        first_line(&response->body, line);
        err_set(&err, ERR_CONSUMER, "the answer is status %d%s%s", response->status,
                line[0] == '\0' ? "" : ": ", line);
    }
    if (err.kind != ERR_NONE) {
        if (err.kind != ERR_LOCAL)
            err.kind = ERR_CONSUMER;
        /* From connecting to the socket or to the address. */
        err.nobody =
            err.kind == ERR_CONSUMER && (err.errnum == ENOENT || err.errnum == ECONNREFUSED);
        err_wrap(&err, "reload: %s %s", action->method, action->http.label);
    }
    end_request(work);
    on_step_done(work, &err);
}

static struct slot *send_request(struct work *work, struct err *err)
{
    const struct stretch *stretch = work->stretch;
    const struct reload_action *action = current_line(work);
    char socket[SOCKET_PATH_BYTES];
    const struct http_admin_order order = {
        .method = action->method,
        .url = action->http.url,
        .unix_socket = work->socket_fd < 0 ? NULL : socket,
        .trust_anchor = stretch->cert->trust_anchor,
        .limit_s = stretch->cert->command_timeout_s,
    };

    socket_path_write(work->socket_fd, socket);
    return http_admin_start(stretch->tools.http, &order, &work->response, on_replied, work, err);
}

static void on_socket_open(void *arg, const struct err *open_err)
{
    struct work *work = arg;
    struct slot *open = work->step;
    struct err err = *open_err;

    work->step = NULL;
    if (err.kind == ERR_NONE) {
        work->socket_fd = socket_path_take(open);
        work->step = send_request(work, &err);
    }
    slot_drop(open);
    if (work->step == NULL)
        on_replied(work, &err);
}

static struct slot *start_request(struct work *work, struct err *err)
{
    const struct reload_tools *tools = &work->stretch->tools;
    const char *path = current_line(work)->http.socket;

    if (path == NULL)
        return send_request(work, err);
    return socket_path_start(tools->loop, tools->workers, path,
                             work->stretch->cert->command_timeout_s * 1000000, on_socket_open, work,
                             err);
}

/* -- one line after the other ---------------------------------------------------------------------
 */

static struct slot *start_line(struct work *work, struct err *err)
{
    struct stretch *stretch = work->stretch;
    const struct reload_action *action = &stretch->cert->reloads.items[stretch->next++];

    switch (action->verb) {
    case RELOAD_SIGNAL_PIDFILE:
    case RELOAD_SIGNAL_PROCESS:
        return start_signal(work, action, err);
    case RELOAD_EXEC:
        return start_command(work, action, err);
    case RELOAD_HTTP:
        return start_request(work, err);
    case RELOAD_UNIT:
        return reload_unit_start(stretch->tools.loop, action->target,
                                 stretch->cert->command_timeout_s, on_step_done, work, err);
    case RELOAD_SOCKET:
        return start_socket(work, action, err);
    case RELOAD_NONE:
        break;
    }
    err_set(err, ERR_LOCAL, "reload: there is nothing to do");
    return NULL;
}

static void on_step_done(void *arg, const struct err *step_err)
{
    struct work *work = arg;
    struct stretch *stretch = work->stretch;
    struct err err = *step_err;

    work->step = slot_drop(work->step);
    if (err.kind == ERR_NONE && stretch->next < stretch->end) {
        work->step = start_line(work, &err);
        if (work->step != NULL)
            return;
    }
    slot_finish(&work->slot, &err);
}

static void destroy_work(struct slot *slot)
{
    struct work *work = (struct work *)slot;

    slot_drop(work->step);
    end_request(work);
    slot_free(slot);
}

static struct slot *begin_stretch(void *job, slot_done *on_done, void *arg, struct err *err)
{
    struct stretch *stretch = job;
    struct work *work =
        slot_new(sizeof *work, stretch->tools.loop, destroy_work, on_done, arg, err);

    if (work == NULL)
        return NULL;
    work->stretch = stretch;
    work->socket_fd = -1;
    work->step = start_line(work, err);
    if (work->step != NULL)
        return &work->slot;
    destroy_work(&work->slot);
    return NULL;
}

/* -- batches --------------------------------------------------------------------------------------
 */

static void free_stretch(void *job)
{
    struct stretch *stretch = job;

    arena_free(&stretch->arena);
    config_unref(stretch->config);
    free(stretch);
}

static bool keep_variables(struct arena *arena, const char *to[static VARIABLES_MOST + 1],
                           const char *const *variables)
{
    for (size_t i = 0; i < VARIABLES_MOST && variables[i] != NULL; i++) {
        to[i] = arena_copy(arena, variables[i]);
        if (to[i] == NULL)
            return false;
    }
    return true;
}

static struct stretch *new_stretch(const struct reload *reload, size_t count, struct err *err)
{
    struct stretch *stretch = calloc(1, sizeof *stretch);

    if (stretch == NULL) {
        err_memory(err);
        return NULL;
    }
    stretch->tools = reload->tools;
    stretch->config = config_ref(reload->config);
    stretch->cert = reload->cert;
    stretch->next = reload->next;
    stretch->end = reload->next + count;
    if (keep_variables(&stretch->arena, stretch->variables, reload->variables))
        return stretch;
    err_memory(err);
    free_stretch(stretch);
    return NULL;
}

size_t reload_lines_in_batch(const struct reload_list *lines, size_t first)
{
    const struct reload_action *one = &lines->items[first];
    size_t count = 1;

    if (one->verb != RELOAD_SOCKET)
        return 1;
    for (size_t next = first + 1; next < lines->count; next++) {
        if (lines->items[next].verb != RELOAD_SOCKET)
            continue;
        if (strcmp(lines->items[next].target, one->target) != 0)
            break;
        count = next + 1 - first;
    }
    return count;
}

/* Adds each word with its terminating NUL, so that different lists of words never give the same
 * bytes. */
static void add_word(struct digest *digest, const char *word)
{
    digest_add(digest, word == NULL ? "-" : "+", 1);
    if (word != NULL)
        digest_add(digest, word, strlen(word) + 1);
}

static void add_words(struct digest *digest, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count && words[i] != NULL; i++)
        add_word(digest, words[i]);
    add_word(digest, NULL);
}

static void add_line(struct digest *digest, const struct cert_config *cert,
                     const struct reload_action *action, const char *const *variables)
{
    const int64_t numbers[] = {action->verb, action->signal, action->user,
                               (int64_t)cert->command_timeout_s};

    digest_add(digest, numbers, sizeof numbers);
    add_word(digest, action->target);
    add_words(digest, action->argv.items, action->argv.count);
    add_words(digest, variables, action->verb == RELOAD_EXEC ? VARIABLES_MOST : 0);
    add_word(digest, action->method);
    add_word(digest, action->http.url);
    add_word(digest, action->http.socket);
    add_word(digest, action->verb == RELOAD_HTTP ? cert->trust_anchor : NULL);
    add_word(digest, action->line);
    add_word(digest, action->payload);
    add_word(digest, action->payload == NULL ? NULL : cert->directory);
}

bool reload_order_batch(const struct cert_config *cert, size_t first, size_t count,
                        const char *const *variables, struct batch_order *order, struct err *err)
{
    const struct reload_action *lines = &cert->reloads.items[first];
    struct digest key = {0}, lane = {0};

    for (size_t i = 0; i < count; i++)
        add_line(&key, cert, &lines[i], variables);
    if (!digest_hex(&key, order->key, err))
        return false;
    memcpy(order->lane, order->key, sizeof order->lane);
    if (lines[0].verb != RELOAD_SOCKET)
        return true;
    add_word(&lane, lines[0].target);
    return digest_hex(&lane, order->lane, err);
}

/* -- a section ------------------------------------------------------------------------------------
 */

static void destroy_reload(struct slot *slot)
{
    struct reload *reload = (struct reload *)slot;

    slot_drop(reload->batch);
    arena_free(&reload->arena);
    config_unref(reload->config);
    slot_free(slot);
}

static void on_batch_done(void *arg, const struct err *err);

static bool start_batch(struct reload *reload, struct err *err)
{
    size_t count = reload_lines_in_batch(&reload->cert->reloads, reload->next);
    struct batch_order order = {
        .apart_us = apart_us, .begin = begin_stretch, .free_job = free_stretch};

    if (!reload_order_batch(reload->cert, reload->next, count, reload->variables, &order, err))
        return false;
    order.job = new_stretch(reload, count, err);
    if (order.job == NULL)
        return false;
    reload->next += count;
    reload->batch = reload_batch_start(reload->tools.batches, reload->tools.loop, &order,
                                       on_batch_done, reload, err);
    return reload->batch != NULL;
}

static void go_on(struct reload *reload)
{
    const struct reload_list *lines = &reload->cert->reloads;
    struct err err = {.kind = ERR_NONE};

    while (reload->next < lines->count && lines->items[reload->next].verb == RELOAD_NONE)
        reload->next++;
    if (reload->next == lines->count || !start_batch(reload, &err))
        slot_finish(&reload->slot, &err);
}

static void on_batch_done(void *arg, const struct err *batch_err)
{
    struct reload *reload = arg;
    const struct err err = *batch_err;

    reload->batch = slot_drop(reload->batch);
    if (err.kind != ERR_NONE)
        slot_finish(&reload->slot, &err);
    else
        go_on(reload);
}

struct slot *reload_start(const struct reload_tools *tools, struct config *config,
                          const struct cert_config *cert, const char *const *variables,
                          slot_done *on_done, void *arg, struct err *err)
{
    struct reload *reload =
        slot_new(sizeof *reload, tools->loop, destroy_reload, on_done, arg, err);

    if (reload == NULL)
        return NULL;
    reload->tools = *tools;
    reload->config = config_ref(config);
    reload->cert = cert;
    if (!keep_variables(&reload->arena, reload->variables, variables)) {
        err_memory(err);
        destroy_reload(&reload->slot);
        return NULL;
    }
    go_on(reload);
    return &reload->slot;
}
