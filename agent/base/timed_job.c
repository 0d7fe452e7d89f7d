#include "base/timed_job.h"

struct timed_work {
    struct slot slot;
    struct slot *work;
    sd_event_source *limit;
    struct err late;
};

static void destroy_timed_work(struct slot *slot)
{
    struct timed_work *timed = (struct timed_work *)slot;

    slot_drop(timed->work);
    sd_event_source_disable_unref(timed->limit);
    slot_free(slot);
}

static void on_work_done(void *arg, const struct err *err)
{
    struct timed_work *timed = arg;

    sd_event_source_set_enabled(timed->limit, SD_EVENT_OFF);
    slot_finish(&timed->slot, err);
}

static int on_late(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct timed_work *timed = arg;

    (void)source;
    (void)now_us;
    timed->work = slot_drop(timed->work);
    slot_finish(&timed->slot, &timed->late);
    return 0;
}

struct slot *timed_job_start(sd_event *loop, struct workers *workers, const struct timed_job *order,
                             slot_done *on_done, void *arg, struct err *err)
{
    struct timed_work *timed = slot_new(sizeof *timed, loop, destroy_timed_work, on_done, arg, err);
    const struct lane_key lane = lane_of(order->asked);
    int r;

    if (timed == NULL) {
        order->free_job(order->job);
        return NULL;
    }
    timed->late = order->late;
    timed->work = worker_start_in(workers, &lane, WORK_NEXT, order->run, order->job,
                                  order->free_job, on_work_done, timed, err);
    if (timed->work != NULL) {
        r = sd_event_add_time_relative(loop, &timed->limit, CLOCK_BOOTTIME, order->limit_us, 0,
                                       on_late, timed);
        if (r >= 0) {
            sd_event_source_set_description(timed->limit, "time limit of a job");
            return &timed->slot;
        }
        err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    }
    destroy_timed_work(&timed->slot);
    return NULL;
}
