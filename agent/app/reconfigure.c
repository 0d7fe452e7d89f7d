#include "app/reconfigure.h"

#include "app/configuration.h"
#include "base/cleanup.h"
#include "base/worker.h"

#include <stdlib.h>
#include <string.h>

enum { READ_THREADS = 1 }; /* two reads never run at once */

/* The thread's job. */
struct reading {
    char *file;
    struct config *config;
    struct config_problems problems;
    struct config_sources *sources; /* NULL: not to be watched */
};

struct reconfigure {
    struct workers *workers;
    sd_event_source *not_read; /* reports that a read could not start */
    struct err why_not;
    const char *file;
    reconfigure_done *on_read;
    void *arg;
    struct slot *slot;       /* of the read under way */
    struct reading *reading; /* its job; owned by the worker until it ends */
    uint64_t number;         /* of the last read that was started */
    bool is_busy;            /* its result was not delivered yet */
    bool is_asked;           /* a command or SIGHUP asked for it, not only a changed file */
    bool again;              /* another read follows */
    bool is_asked_again;     /* likewise */
    bool is_look;            /* nothing is to be applied */
};

static bool run_reading(void *job, struct err *err)
{
    struct reading *reading = job;

    (void)err;
    reading->config = configuration_load(reading->file, &reading->problems);
    if (reading->config != NULL && reading->config->agent.watch_config)
        reading->sources = config_sources_of(reading->config, reading->file);
    if (reading->config != NULL)
        config_forget_source(reading->config);
    return true;
}

static void free_reading(void *job)
{
    struct reading *reading = job;

    config_unref(reading->config);
    config_problems_free(&reading->problems);
    config_sources_free(reading->sources);
    free(reading->file);
    free(reading);
}

static struct reading *new_reading(const char *file)
{
    struct reading *reading = calloc(1, sizeof *reading);

    if (reading != NULL)
        reading->file = strdup(file);
    if (reading != NULL && reading->file == NULL) {
        free(reading);
        return NULL;
    }
    return reading;
}

static void on_read(void *arg, const struct err *err);

static void start(struct reconfigure *reconfigure, bool is_look)
{
    struct err err = {.text = "memory ran out"};

    reconfigure->number++;
    reconfigure->is_busy = true;
    reconfigure->is_look = is_look;
    reconfigure->is_asked = reconfigure->is_asked_again;
    reconfigure->again = reconfigure->is_asked_again = false;
    reconfigure->reading = new_reading(reconfigure->file);
    if (reconfigure->reading != NULL)
        reconfigure->slot =
            worker_start(reconfigure->workers, WORK_NEXT, run_reading, reconfigure->reading,
                         free_reading, on_read, reconfigure, &err);
    if (reconfigure->slot != NULL)
        return;
    reconfigure->reading = NULL;
    reconfigure->why_not = err;
    sd_event_source_set_enabled(reconfigure->not_read, SD_EVENT_ONESHOT);
}

/* The receiver may ask again within the callback; that starts another read. */
static void tell(struct reconfigure *reconfigure, struct reconfigure_result *result)
{
    result->number = reconfigure->number;
    result->asked = reconfigure->is_asked;
    result->is_look = reconfigure->is_look;
    reconfigure->on_read(reconfigure->arg, result);
    reconfigure->is_busy = false;
    if (reconfigure->again)
        start(reconfigure, false);
}

static void on_read(void *arg, const struct err *err)
{
    struct reconfigure *reconfigure = arg;
    struct slot *slot = reconfigure->slot;
    struct reading *reading = reconfigure->reading;

    struct reconfigure_result result = {
        .config = reading->config, .problems = &reading->problems, .sources = reading->sources};

    (void)err;
    reconfigure->slot = NULL;
    reconfigure->reading = NULL;
    tell(reconfigure, &result);
    reading->sources = result.sources;
    slot_drop(slot);
}

static int on_not_read(sd_event_source *source, void *arg)
{
    CLEANUP(config_problems_free) struct config_problems problems = {0};
    struct reconfigure *reconfigure = arg;
    struct reconfigure_result result = {.problems = &problems};

    (void)source;
    config_problem(&problems, &(struct config_place){.file = reconfigure->file},
                   "cannot be read: %s", reconfigure->why_not.text);
    tell(reconfigure, &result);
    return 0;
}

bool reconfigure_open(sd_event *loop, const char *file, reconfigure_done *on_read_done, void *arg,
                      struct reconfigure **ret_reconfigure, struct err *err)
{
    struct reconfigure *reconfigure = calloc(1, sizeof *reconfigure);
    int r;

    if (reconfigure == NULL)
        return err_memory(err);
    reconfigure->file = file;
    reconfigure->on_read = on_read_done;
    reconfigure->arg = arg;
    *ret_reconfigure = reconfigure;
    if (!workers_open(loop, READ_THREADS, &reconfigure->workers, err))
        return false;
    r = sd_event_add_defer(loop, &reconfigure->not_read, on_not_read, reconfigure);
    if (r < 0)
        return err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    sd_event_source_set_enabled(reconfigure->not_read, SD_EVENT_OFF);
    return true;
}

static void read_again(struct reconfigure *reconfigure, bool asked)
{
    reconfigure->is_asked_again |= asked;
    if (reconfigure->is_busy)
        reconfigure->again = true;
    else
        start(reconfigure, false);
}

uint64_t reconfigure_ask(struct reconfigure *reconfigure)
{
    read_again(reconfigure, true);
    return reconfigure->number + (reconfigure->again ? 1 : 0);
}

void reconfigure_notice(struct reconfigure *reconfigure)
{
    read_again(reconfigure, false);
}

void reconfigure_look(struct reconfigure *reconfigure)
{
    if (!reconfigure->is_busy)
        start(reconfigure, true);
}

bool reconfigure_is_pending(const struct reconfigure *reconfigure)
{
    return reconfigure->is_asked_again;
}

bool reconfigure_close(struct reconfigure *reconfigure)
{
    bool ended;

    if (reconfigure == NULL)
        return true;
    slot_drop(reconfigure->slot);
    ended = workers_close(reconfigure->workers, 0);
    sd_event_source_disable_unref(reconfigure->not_read);
    free(reconfigure);
    return ended;
}
