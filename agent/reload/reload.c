#include "reload/reload.h"

#include "base/child.h"
#include "reload/reload_http.h"
#include "reload/reload_signal.h"
#include "reload/reload_socket.h"
#include "reload/reload_unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VARIABLES_MOST = 16 };

struct reload {
    struct slot slot;
    struct reload_tools tools;
    struct config *config;
    const struct cert_config *cert;
    size_t next;         /* the line to carry out */
    struct slot *step;   /* a line that takes time */
    struct slot *turn;   /* at the socket of the last socket line; */
    const char *turn_at; /* this one */
    struct socket_order order;
    struct arena arena;
    const char *variables[VARIABLES_MOST + 1];
};

static void destroy_reload(struct slot *slot)
{
    struct reload *reload = (struct reload *)slot;

    slot_drop(reload->step);
    slot_drop(reload->turn);
    arena_free(&reload->arena);
    config_unref(reload->config);
    slot_close(&reload->slot);
    free(reload);
}

static void on_step_done(void *arg, const struct err *err);
static void on_turn(void *arg, const struct err *err);

static bool start_command(struct reload *reload, const struct reload_action *action,
                          struct err *err)
{
    const struct child_order order = {
        .what = "reload",
        .argv = &action->argv,
        .variables = reload->variables,
        .limit_s = reload->cert->command_timeout_s,
        /* As haproxy -D -sf does, or a script of /etc/init.d: it is the consumer that stays. */
        .may_start_services = true,
    };

    reload->step = child_start(reload->tools.loop, &order, on_step_done, reload, err);
    return reload->step != NULL;
}

static bool start_unit(struct reload *reload, const struct reload_action *action, struct err *err)
{
    reload->step = reload_unit_start(reload->tools.loop, action->target,
                                     reload->cert->command_timeout_s, on_step_done, reload, err);
    return reload->step != NULL;
}

/* Whose the process or socket may be beside ours. */
static uid_t user_of(const struct reload_action *action)
{
    return action->user < 0 ? geteuid() : (uid_t)action->user;
}

/* Says the line, if it is our turn at the socket; else asks for the turn, and is called again. */
static bool start_socket(struct reload *reload, const struct reload_action *action, struct err *err)
{
    const char *payload = NULL;

    if (reload->turn == NULL || strcmp(reload->turn_at, action->target) != 0) {
        slot_drop(reload->turn);
        reload->turn_at = action->target;
        reload->turn = reload_turn_start(reload->tools.turns, reload->tools.loop, action->target,
                                         on_turn, reload, err);
        return reload->turn != NULL;
    }
    if (action->payload != NULL) {
        /* What is visible is what has just been published. */
        payload = arena_format(&reload->arena, "%s/%s", reload->cert->directory, action->payload);
        if (payload == NULL)
            return err_memory(err);
    }
    reload->order = (struct socket_order){
        .socket = action->target,
        .user = user_of(action),
        .line = action->line,
        .payload = payload,
        .limit_s = reload->cert->command_timeout_s,
    };
    reload->step =
        reload_socket_start(reload->tools.loop, &reload->order, on_step_done, reload, err);
    return reload->step != NULL;
}

/* Carries out one line; *ret_waits tells that it goes on by itself. */
static bool carry_out(struct reload *reload, const struct reload_action *action, bool *ret_waits,
                      struct err *err)
{
    switch (action->verb) {
    case RELOAD_SIGNAL_PIDFILE:
        return reload_signal_pidfile(action->target, action->signal, err);
    case RELOAD_SIGNAL_PROCESS:
        return reload_signal_process(
            &(struct reload_process){.name = action->target, .user = user_of(action)},
            action->signal, err);
    case RELOAD_EXEC:
        *ret_waits = true;
        return start_command(reload, action, err);
    case RELOAD_HTTP:
        *ret_waits = true;
        reload->step =
            reload_http_start(reload->tools.http, action, reload->cert, on_step_done, reload, err);
        return reload->step != NULL;
    case RELOAD_UNIT:
        *ret_waits = true;
        return start_unit(reload, action, err);
    case RELOAD_SOCKET:
        *ret_waits = true;
        return start_socket(reload, action, err);
    case RELOAD_NONE:
        break;
    }
    return true;
}

static void go_on(struct reload *reload)
{
    const struct reload_list *lines = &reload->cert->reloads;
    struct err err;

    while (reload->next < lines->count) {
        bool waits = false;

        if (!carry_out(reload, &lines->items[reload->next++], &waits, &err)) {
            slot_finish(&reload->slot, &err);
            return;
        }
        if (waits)
            return;
    }
    slot_finish(&reload->slot, NULL);
}

static void on_step_done(void *arg, const struct err *step_err)
{
    struct reload *reload = arg;
    struct err err = *step_err;

    reload->step = slot_drop(reload->step);
    if (err.kind != ERR_NONE)
        slot_finish(&reload->slot, &err);
    else
        go_on(reload);
}

/* The socket is ours: the line that asked for it begins. */
static void on_turn(void *arg, const struct err *turn_err)
{
    struct reload *reload = arg;
    struct err err = *turn_err;

    if (err.kind != ERR_NONE ||
        !start_socket(reload, &reload->cert->reloads.items[reload->next - 1], &err))
        slot_finish(&reload->slot, &err);
}

static bool keep_variables(struct reload *reload, const char *const *variables)
{
    for (size_t i = 0; i < VARIABLES_MOST && variables[i] != NULL; i++) {
        reload->variables[i] = arena_copy(&reload->arena, variables[i]);
        if (reload->variables[i] == NULL)
            return false;
    }
    return true;
}

struct slot *reload_start(const struct reload_tools *tools, struct config *config,
                          const struct cert_config *cert, const char *const *variables,
                          slot_done *on_done, void *arg, struct err *err)
{
    struct reload *reload = calloc(1, sizeof *reload);

    if (reload == NULL) {
        err_memory(err);
        return NULL;
    }
    if (!slot_open(&reload->slot, tools->loop, destroy_reload, on_done, arg, err)) {
        free(reload);
        return NULL;
    }
    reload->tools = *tools;
    reload->config = config_ref(config);
    reload->cert = cert;
    if (!keep_variables(reload, variables)) {
        err_memory(err);
        destroy_reload(&reload->slot);
        return NULL;
    }
    go_on(reload);
    return &reload->slot;
}
