#include "app/web.h"

#include "app/metrics_text.h"
#include "app/page.h"
#include "app/shared_view.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/terminal.h"

#include <stdlib.h>
#include <string.h>

enum {
    JSON_MOST_BYTES = 256 * 1024 * 1024,
    REASON_BYTES = 768,
    REFRESH_S = 30,
    HTTP_OK = 200,
    HTTP_BUSY = 503
};

enum view { VIEW_METRICS, VIEW_OPENMETRICS, VIEW_READY, VIEW_STATUS, VIEW_PAGE, VIEW_COUNT };

struct web {
    struct web_source source;
    struct view_source views_source;
    struct serve_table table;
    struct shared_view *views[VIEW_COUNT];
    bool is_stopping;
};

/* What the agent's memory has is part of the document; without memory for it a row stays as it is
 * on disk. */
static void note_memory(void *making, void *arg, json_t *rows, size_t first)
{
    const struct web_source *source = &((struct web *)arg)->source;
    json_t *row;
    size_t i;

    (void)making;
    (void)first;
    json_array_foreach (rows, i, row)
        source->add_memory(source->arg, row, false);
}

/* -- /metrics -------------------------------------------------------------------------------------
 */

static void *begin_metrics_as(struct web *web, bool is_open)
{
    const struct web_source *source = &web->source;
    json_auto_t *agent = source->describe_agent(source->arg);

    return metrics_text_new(is_open, source->metrics, source->config_of(source->arg), agent);
}

static void *begin_metrics(void *web)
{
    return begin_metrics_as(web, false);
}

static void *begin_openmetrics(void *web)
{
    return begin_metrics_as(web, true);
}

static void note_metrics(void *making, void *arg, json_t *rows, size_t first)
{
    const struct web *web = arg;

    note_memory(making, arg, rows, first);
    metrics_text_note(making, web->source.metrics, rows);
}

static bool add_metrics(void *making, const struct config *config, const json_t *rows, size_t first)
{
    return metrics_text_add(making, config, rows, first);
}

static struct serve_text *end_metrics(void *making)
{
    return metrics_text_end(making);
}

static void free_metrics(void *making)
{
    metrics_text_free(making);
}

/* -- JSON: /readyz and /status --------------------------------------------------------------------
 */

struct json_text {
    struct bytes bytes;
    size_t count, unready;
};

static void free_json(void *making)
{
    struct json_text *text = making;

    bytes_free(&text->bytes);
    free(text);
}

static void *begin_json(const char *head)
{
    struct json_text *text = calloc(1, sizeof *text);

    if (text == NULL)
        return NULL;
    text->bytes.limit = JSON_MOST_BYTES;
    if (bytes_print(&text->bytes, "%s", head))
        return text;
    free_json(text);
    return NULL;
}

static bool add_object(struct json_text *text, const json_t *object)
{
    CLEANUP(free_memory) char *written = json_dumps(object, JSON_COMPACT);

    return written != NULL &&
           bytes_print(&text->bytes, "%s%s", text->count++ == 0 ? "" : ",", written);
}

static void *begin_status(void *arg)
{
    const struct web *web = arg;
    json_auto_t *agent = web->source.describe_agent(web->source.arg);
    CLEANUP(free_memory) char *written = agent == NULL ? NULL : json_dumps(agent, JSON_COMPACT);
    struct json_text *text = written == NULL ? NULL : begin_json("{\"source\":\"agent\"");
    char now[WHEN_TEXT_BYTES];

    clock_text(clock_now_s(), now);
    if (text == NULL ||
        bytes_print(&text->bytes, ",\"read_at\":\"%s\",\"agent\":%s,\"certs\":[", now, written))
        return text;
    free_json(text);
    return NULL;
}

static bool add_status(void *making, const struct config *config, const json_t *rows, size_t first)
{
    const json_t *row;
    size_t i;

    (void)config;
    (void)first;
    json_array_foreach (rows, i, row)
        if (!add_object(making, row))
            return false;
    return true;
}

static struct serve_text *end_status(void *making)
{
    struct json_text *text = making;

    if (!bytes_print(&text->bytes, "],\"count\":%zu}\n", text->count))
        return NULL;
    return serve_text_join(HTTP_OK, &serve_json, &text->bytes, 1);
}

static void *begin_ready(void *arg)
{
    (void)arg;
    return begin_json("{\"certs\":[");
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text == NULL ? "" : text;
}

/* Why the certificate is not ready, by the document. */
static void write_reason(const json_t *row, char to[static REASON_BYTES])
{
    const json_t *served = json_object_get(row, "served");
    const json_t *failure =
        json_is_true(json_object_get(row, "failing")) ? json_object_get(row, "failure") : NULL;
    const char *error = text_of(failure, "error"), *detail = text_of(row, "detail");

    if (json_is_true(json_object_get(row, "usable")))
        snprintf(to, REASON_BYTES, "the consumer serves serial %s, %s %s",
                 text_of(served, "serial"),
                 json_is_true(json_object_get(served, "foreign"))
                     ? "which this set never held; it ends at"
                     : "which has expired at",
                 text_of(served, "not_after"));
    else
        snprintf(to, REASON_BYTES, "%s%s%s%s%s", text_of(row, "state"),
                 detail[0] == '\0' ? "" : ": ", detail,
                 error[0] == '\0' ? "" : "; the last try failed: ", error);
}

static bool add_ready(void *making, const struct config *config, const json_t *rows, size_t first)
{
    struct json_text *text = making;
    const json_t *row;
    size_t i;

    (void)config;
    (void)first;
    json_array_foreach (rows, i, row) {
        bool is_ready = json_is_true(json_object_get(row, "ready"));
        char reason[REASON_BYTES];
        json_auto_t *object = NULL;

        if (!is_ready)
            write_reason(row, reason);
        object = json_pack("{s:s, s:b, s:o}", "cert", text_of(row, "cert"), "ready", is_ready,
                           "reason", is_ready ? json_null() : terminal_text(reason));
        text->unready += !is_ready;
        if (object == NULL || !add_object(text, object))
            return false;
    }
    return true;
}

static struct serve_text *end_ready(void *making)
{
    struct json_text *text = making;
    bool is_ready = text->count > 0 && text->unready == 0;

    if (!bytes_print(&text->bytes, "],\"ready\":%s}\n", is_ready ? "true" : "false"))
        return NULL;
    return serve_text_join(is_ready ? HTTP_OK : HTTP_BUSY, &serve_json, &text->bytes, 1);
}

/* -- the page -------------------------------------------------------------------------------------
 */

static void *begin_page(void *arg)
{
    const struct web *web = arg;

    return page_new(web->source.describe_agent(web->source.arg));
}

static bool add_page(void *making, const struct config *config, const json_t *rows, size_t first)
{
    (void)config;
    (void)first;
    return page_add(making, rows);
}

static struct serve_text *end_page(void *making)
{
    return page_end(making);
}

static void free_page(void *making)
{
    page_free(making);
}

/* -- requests -------------------------------------------------------------------------------------
 */

static const struct view_maker makers[VIEW_COUNT] = {
    [VIEW_METRICS] = {begin_metrics, note_metrics, add_metrics, end_metrics, free_metrics},
    [VIEW_OPENMETRICS] = {begin_openmetrics, note_metrics, add_metrics, end_metrics, free_metrics},
    [VIEW_READY] = {begin_ready, note_memory, add_ready, end_ready, free_json},
    [VIEW_STATUS] = {begin_status, note_memory, add_status, end_status, free_json},
    [VIEW_PAGE] = {begin_page, note_memory, add_page, end_page, free_page},
};

static void show(struct web *web, enum view view, struct serve_request *request)
{
    if (web->is_stopping)
        serve_refuse(request, HTTP_BUSY, "the agent is stopping");
    else
        shared_view_ask(web->views[view], request);
}

static void on_metrics(void *web, struct serve_request *request)
{
    show(web, metrics_wants_open(serve_header(request, "Accept")) ? VIEW_OPENMETRICS : VIEW_METRICS,
         request);
}

static void on_ready(void *web, struct serve_request *request)
{
    show(web, VIEW_READY, request);
}

static void on_status(void *web, struct serve_request *request)
{
    show(web, VIEW_STATUS, request);
}

static void on_page(void *web, struct serve_request *request)
{
    const char *refresh = serve_query(request, "refresh");

    if (refresh == NULL || strcmp(refresh, "off") != 0)
        serve_refresh(request, REFRESH_S);
    show(web, VIEW_PAGE, request);
}

/* That there is an answer says it: the loop turns. */
static void on_health(void *web, struct serve_request *request)
{
    (void)web;
    serve_answer(request, HTTP_OK, json_pack("{s:s}", "status", "ok"));
}

static const struct serve_route routes[] = {
    {"GET", "/metrics", false, false, on_metrics}, {"GET", "/healthz", false, false, on_health},
    {"GET", "/readyz", false, false, on_ready},    {"GET", "/status", false, false, on_status},
    {"GET", "/", false, false, on_page},           {0}};

static struct config *config_of(void *arg)
{
    const struct web *web = arg;

    return web->source.config_of(web->source.arg);
}

bool web_open(const struct web_source *source, struct serve *serve, struct web **ret_web,
              struct err *err)
{
    struct web *web = calloc(1, sizeof *web);

    if (web == NULL)
        return err_memory(err);
    web->source = *source;
    web->views_source = (struct view_source){source->loop, source->workers, config_of, web};
    for (size_t i = 0; i < VIEW_COUNT; i++)
        if (!shared_view_open(&web->views_source, &makers[i], &web->views[i], err)) {
            web_close(web);
            return false;
        }
    web->table = (struct serve_table){.routes = routes, .arg = web};
    serve_add(serve, &web->table);
    *ret_web = web;
    return true;
}

void web_stop(struct web *web)
{
    web->is_stopping = true;
    for (size_t i = 0; i < VIEW_COUNT; i++) {
        shared_view_close(web->views[i]);
        web->views[i] = NULL;
    }
}

void web_close(struct web *web)
{
    if (web == NULL)
        return;
    web_stop(web);
    free(web);
}
