#include "flow/cert_directory.h"

#include "install/revoked_mark.h"

#include <string.h>
#include <sys/inotify.h>

void cert_directory_remove_previous(struct cert_work *work)
{
    cert_work_remove(work, work->previous);
    work->previous[0] = '\0';
    work->removal = sd_event_source_disable_unref(work->removal);
}

void cert_directory_note_previous(struct cert_work *work, const char *replaced)
{
    const char *accepted = work->state.consumer.accepted;

    if (work->previous[0] != '\0' && strcmp(work->previous, accepted) == 0) {
        cert_work_remove(work, replaced);
        return;
    }
    cert_directory_remove_previous(work);
    snprintf(work->previous, sizeof work->previous, "%s", replaced);
}

static int on_removal_due(sd_event_source *source, uint64_t now_us, void *arg)
{
    (void)source;
    (void)now_us;
    cert_directory_remove_previous(arg);
    return 0;
}

void cert_directory_plan_removal(struct cert_work *work)
{
    if (work->previous[0] == '\0' || work->removal != NULL)
        return;
    if (sd_event_add_time_relative(work->tools->loop, &work->removal, CLOCK_BOOTTIME,
                                   work->cert->keep_previous_s * 1000000ULL, 0, on_removal_due,
                                   work) >= 0)
        sd_event_source_set_description(work->removal, "previous generation");
}

static void take_mark(struct cert_work *work)
{
    switch (revoked_mark_read(work->set_fd, work->published.generation)) {
    case REVOCATION_REPLACED:
        work->deliver(work, EV_REVOKED, NULL);
        break;
    case REVOCATION_FINAL:
        work->deliver(work, EV_WITHDRAWN, NULL);
        break;
    case REVOCATION_NONE:
        break;
    }
}

static int on_directory_changed(sd_event_source *source, const struct inotify_event *event,
                                void *arg)
{
    struct cert_work *work = arg;

    (void)source;
    if (event->len > 0 && strcmp(event->name, revoked_mark_name) == 0)
        take_mark(work);
    return 0;
}

void cert_directory_watch(struct cert_work *work)
{
    work->watch = sd_event_source_disable_unref(work->watch);
    if (work->tools->stays &&
        sd_event_add_inotify(work->tools->loop, &work->watch, work->cert->directory,
                             IN_MOVED_TO | IN_ONLYDIR, on_directory_changed, work) >= 0)
        sd_event_source_set_description(work->watch, "revoked mark");
}
