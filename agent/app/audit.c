#include "app/audit.h"

#include "app/audit_file.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/event_json.h"
#include "base/json.h"
#include "plan/urgency.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_WAIT_S = 1, WAIT_MOST_S = 60 };

/* What a worker appends. */
struct batch {
    struct audit *audit;
    struct audit_order order;
    struct bytes lines;
    size_t written; /* bytes of whole lines */
    bool at_end, has_failed;
    char path[];
};

struct audit {
    sd_event *loop;
    struct workers *workers;
    struct config *config;
    struct event_listener listener;
    struct bytes lines;  /* that wait */
    struct slot *slot;   /* the write under way */
    struct batch *batch; /* its job; borrowed */
    sd_event_source *again;
    uint64_t wait_s;      /* after the next failure */
    uint64_t lost;        /* lines, since the file was written last */
    uint32_t told;        /* urgency_reason of the failure that was reported; 0: it works */
    uint64_t left_at_end; /* lines that could not be written at the end */
};

/* -- lines ----------------------------------------------------------------------------------------
 */

static const char *const outcomes[EVENT_KIND_COUNT] = {
    [EVENT_ISSUED] = "issued",         [EVENT_FAILED] = "failed",
    [EVENT_PROVEN] = "proven",         [EVENT_PROOF_FAILED] = "not-proven",
    [EVENT_PROOF_LOST] = "not-proven", [EVENT_REVOKED] = "revoked",
    [EVENT_WITHDRAWN] = "withdrawn",
};

/* The word for what became of it; NULL: the event does not belong here. */
static const char *outcome_of(const struct event *event)
{
    if (event->cert == NULL)
        return NULL;
    if (event->kind == EVENT_FAILED && event->failure == ERR_REFUSED)
        return "refused";
    if (event->kind == EVENT_FAILED && event->failure == ERR_DENIED)
        return "denied";
    return outcomes[event->kind];
}

/* Once a line was lost all are, until the file is written again: the gap is in one place. */
static void add_line(struct audit *audit, const json_t *json)
{
    CLEANUP(free_memory) char *text = json_text(json, JSON_COMPACT);
    size_t under_way = audit->batch == NULL ? 0 : audit->batch->lines.length;

    if (audit->lost > 0 || text == NULL ||
        under_way + audit->lines.length + strlen(text) + 1 > AUDIT_MOST_BYTES ||
        !bytes_print(&audit->lines, "%s\n", text))
        audit->lost++;
}

static void write_next(struct audit *audit);

static void on_event(void *arg, const struct event *event)
{
    struct audit *audit = arg;
    const char *outcome = outcome_of(event);
    json_auto_t *json = NULL;

    if (outcome == NULL || audit->config->agent.audit_file == NULL)
        return;
    json = event_json(event);
    json_object_del(json, "level");
    json_object_set_new(json, "outcome", json_string(outcome));
    add_line(audit, json);
    write_next(audit);
}

/* Says in the file itself that lines are missing here. */
static void add_gap(struct audit *audit)
{
    char now[WHEN_TEXT_BYTES];
    json_auto_t *json = NULL;

    clock_text(clock_now_s(), now);
    json =
        json_pack("{s:s, s:s, s:I}", "time", now, "event", "lost", "lost", (json_int_t)audit->lost);
    audit->lost = 0;
    add_line(audit, json);
}

/* -- writing --------------------------------------------------------------------------------------
 */

static bool run_batch(void *job, struct err *err)
{
    struct batch *batch = job;

    batch->has_failed = !audit_file_append(&batch->order, &batch->written, err);
    return !batch->has_failed;
}

static size_t count_lines(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

static void free_batch(void *job)
{
    struct batch *batch = job;

    if (batch->at_end && (batch->has_failed || batch->written < batch->lines.length))
        batch->audit->left_at_end += count_lines(bytes_text(&batch->lines) + batch->written);
    bytes_free(&batch->lines);
    free(batch);
}

/* Takes the lines that wait. NULL if memory ran out; they wait on. */
static struct batch *new_batch(struct audit *audit)
{
    const struct agent_config *agent = &audit->config->agent;
    size_t bytes = strlen(agent->audit_file) + 1;
    struct batch *batch = calloc(1, sizeof *batch + bytes);

    if (batch == NULL)
        return NULL;
    memcpy(batch->path, agent->audit_file, bytes);
    batch->audit = audit;
    batch->lines = audit->lines;
    audit->lines = (struct bytes){.limit = AUDIT_MOST_BYTES};
    batch->order = (struct audit_order){.path = batch->path,
                                        .group = agent->audit_group,
                                        .syncs = agent->audit_fsync,
                                        .lines = bytes_text(&batch->lines),
                                        .length = batch->lines.length};
    return batch;
}

static void tell_failure(struct audit *audit, const struct err *err)
{
    uint32_t reason = urgency_reason(err->text);
    bool is_news = reason != audit->told;

    audit->told = reason;
    event_emit(&(struct event){.kind = EVENT_AUDIT_FAILED,
                               .level = is_news ? 0 : LOG_LEVEL_DEBUG,
                               .failure = err->kind,
                               .reason = err->text},
               "%s; lines wait, up to %d KiB of them, and certificates are issued all the same",
               err->text, AUDIT_MOST_BYTES / 1024);
}

static void tell_back(struct audit *audit)
{
    uint64_t lost = audit->lost;

    audit->wait_s = FIRST_WAIT_S;
    if (lost > 0)
        add_gap(audit);
    if (audit->told != 0)
        event_emit(&(struct event){.kind = EVENT_AUDIT_BACK, .lost = EVENT_NUMBER(lost)},
                   "the audit file is written again; %llu lines were lost",
                   (unsigned long long)lost);
    audit->told = 0;
}

static void try_later(struct audit *audit)
{
    sd_event_source_set_time_relative(audit->again, audit->wait_s * 1000000);
    sd_event_source_set_enabled(audit->again, SD_EVENT_ONESHOT);
    audit->wait_s = duration_shorter(audit->wait_s * 2, WAIT_MOST_S);
}

/* Puts the lines that were not written before those that came meanwhile. */
static void keep_rest(struct audit *audit, const struct batch *batch)
{
    struct bytes rest = {.limit = AUDIT_MOST_BYTES};

    if (bytes_add(&rest, bytes_text(&batch->lines) + batch->written,
                  batch->lines.length - batch->written) &&
        bytes_add(&rest, bytes_text(&audit->lines), audit->lines.length)) {
        bytes_free(&audit->lines);
        audit->lines = rest;
        return;
    }
    audit->lost += count_lines(bytes_text(&batch->lines) + batch->written);
    bytes_free(&rest);
}

static void on_written(void *arg, const struct err *write_err)
{
    struct audit *audit = arg;
    const struct batch *batch = TAKE(audit->batch);
    const struct err err = *write_err;

    if (err.kind != ERR_NONE)
        keep_rest(audit, batch);
    audit->slot = slot_drop(audit->slot);
    if (err.kind == ERR_NONE) {
        tell_back(audit);
        if (audit->lines.length > 0)
            write_next(audit);
        return;
    }
    try_later(audit);
    tell_failure(audit, &err);
}

static void start_write(struct audit *audit)
{
    const struct lane_key lane = lane_of(audit->config->agent.audit_file);
    size_t lines = count_lines(bytes_text(&audit->lines));
    struct batch *batch = new_batch(audit);
    struct err err;

    if (batch == NULL) {
        try_later(audit);
        return;
    }
    audit->batch = batch;
    audit->slot = worker_start_in(audit->workers, &lane, WORK_NEXT, run_batch, batch, free_batch,
                                  on_written, audit, &err);
    if (audit->slot != NULL)
        return;
    audit->batch = NULL;
    audit->lost += lines;
    try_later(audit);
}

/* Unless a write is under way, or waits after a failure. */
static void write_next(struct audit *audit)
{
    int waits = SD_EVENT_OFF;

    sd_event_source_get_enabled(audit->again, &waits);
    if (audit->config->agent.audit_file == NULL)
        bytes_free(&audit->lines);
    else if (audit->slot == NULL && waits == SD_EVENT_OFF)
        start_write(audit);
}

static int on_again(sd_event_source *source, uint64_t now_us, void *arg)
{
    (void)source;
    (void)now_us;
    write_next(arg);
    return 0;
}

/* -- begin and end --------------------------------------------------------------------------------
 */

void audit_use(struct audit *audit, struct config *config)
{
    config_ref(config);
    config_unref(audit->config);
    audit->config = config;
    sd_event_source_set_enabled(audit->again, SD_EVENT_OFF);
    audit->wait_s = FIRST_WAIT_S;
    if (config->agent.audit_file != NULL)
        event_listen(&audit->listener);
    write_next(audit);
}

bool audit_open(sd_event *loop, struct workers *workers, struct config *config,
                struct audit **ret_audit, struct err *err)
{
    struct audit *audit = calloc(1, sizeof *audit);
    int r;

    if (audit == NULL)
        return err_memory(err);
    *ret_audit = audit;
    audit->loop = loop;
    audit->workers = workers;
    audit->config = config_ref(config);
    audit->lines.limit = AUDIT_MOST_BYTES;
    audit->listener = (struct event_listener){.on_event = on_event, .arg = audit};
    r = sd_event_add_time_relative(loop, &audit->again, CLOCK_BOOTTIME, 0, 1, on_again, audit);
    if (r < 0)
        return err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    sd_event_source_set_description(audit->again, "audit file");
    audit_use(audit, config);
    return true;
}

void audit_end(struct audit *audit)
{
    struct lane_key lane;
    struct batch *batch;
    struct err err;

    if (audit == NULL)
        return;
    event_ignore(&audit->listener);
    if (audit->batch != NULL)
        audit->batch->at_end = true; /* only its end, on the loop's thread, looks at this */
    audit->batch = NULL;
    audit->slot = worker_let_go(audit->slot);
    if (audit->lost > 0 && audit->lines.length > 0)
        add_gap(audit);
    if (audit->lines.length == 0 || audit->config->agent.audit_file == NULL)
        return;
    lane = lane_of(audit->config->agent.audit_file);
    batch = new_batch(audit);
    if (batch == NULL)
        return;
    batch->at_end = true;
    worker_send(audit->workers, &lane, run_batch, batch, free_batch, &err);
}

void audit_close(struct audit *audit)
{
    uint64_t left;

    if (audit == NULL)
        return;
    left = audit->left_at_end + count_lines(bytes_text(&audit->lines)) + audit->lost;
    if (left > 0)
        event_emit(&(struct event){.kind = EVENT_AUDIT_FAILED, .lost = EVENT_NUMBER(left)},
                   "exiting before %llu lines were written to the audit file",
                   (unsigned long long)left);
    sd_event_source_disable_unref(audit->again);
    bytes_free(&audit->lines);
    config_unref(audit->config);
    free(audit);
}
