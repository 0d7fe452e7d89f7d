#include "reload/reload_http.h"

#include "base/hide.h"
#include "http/http_admin.h"

#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 200 };

struct reload_http {
    struct slot slot;
    struct slot *call;
    const struct reload_action *action;
    struct http_response response;
};

static void destroy_reload(struct slot *slot)
{
    struct reload_http *reload = (struct reload_http *)slot;

    slot_drop(reload->call);
    http_response_free(&reload->response);
    slot_free(slot);
}

/* The first line that says anything, made printable. */
static void first_line(const struct bytes *body, char to[static LINE_BYTES])
{
    const char *text = bytes_text(body);
    char line[LINE_BYTES];

    text += strspn(text, " \t\r\n");
    snprintf(line, sizeof line, "%.*s", (int)strcspn(text, "\r\n"), text);
    hide_foreign(to, LINE_BYTES, line);
}

static void on_replied(void *arg, const struct err *call_err)
{
    struct reload_http *reload = arg;
    const struct http_response *response = &reload->response;
    struct err err = *call_err;
    char line[LINE_BYTES];

    if (err.kind == ERR_NONE && response->status / 100 == 2) {
        slot_finish(&reload->slot, NULL);
        return;
    }
    if (err.kind == ERR_NONE) {
        first_line(&response->body, line);
        err_set(&err, ERR_CONSUMER, "the answer is status %d%s%s", response->status,
                line[0] == '\0' ? "" : ": ", line);
    }
    if (err.kind != ERR_LOCAL)
        err.kind = ERR_CONSUMER;
    err_wrap(&err, "reload: %s %s", reload->action->method, reload->action->http.label);
    slot_finish(&reload->slot, &err);
}

struct slot *reload_http_start(struct http_loop *http, const struct reload_action *action,
                               const struct cert_config *cert, slot_done *on_done, void *arg,
                               struct err *err)
{
    const struct http_admin_order order = {
        .method = action->method,
        .url = action->http.url,
        .unix_socket = action->http.socket,
        .ca_file = cert->trust_anchor,
        .limit_s = cert->command_timeout_s,
    };
    struct reload_http *reload =
        slot_new(sizeof *reload, http_loop_event(http), destroy_reload, on_done, arg, err);

    if (reload == NULL)
        return NULL;
    reload->action = action;
    reload->call = http_admin_start(http, &order, &reload->response, on_replied, reload, err);
    if (reload->call != NULL)
        return &reload->slot;
    destroy_reload(&reload->slot);
    return NULL;
}
