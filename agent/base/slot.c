#include "base/slot.h"

#include <errno.h>
#include <stdlib.h>

static int on_later(sd_event_source *source, void *arg)
{
    struct slot *slot = arg;

    (void)source;
    /* The receiver may drop the slot: nothing of it is touched after this call. */
    slot->on_done(slot->arg, &slot->err);
    return 0;
}

bool slot_open(struct slot *slot, sd_event *loop, slot_destroy *destroy, slot_done *on_done,
               void *arg, struct err *err)
{
    int r;

    *slot = (struct slot){.destroy = destroy, .on_done = on_done, .arg = arg};
    r = sd_event_add_defer(loop, &slot->later, on_later, slot);
    if (r < 0)
        return err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    sd_event_source_set_enabled(slot->later, SD_EVENT_OFF);
    sd_event_source_set_description(slot->later, "slot");
    return true;
}

void *slot_new(size_t size, sd_event *loop, slot_destroy *destroy, slot_done *on_done, void *arg,
               struct err *err)
{
    struct slot *slot = calloc(1, size);

    if (slot == NULL) {
        err_memory(err);
        return NULL;
    }
    if (slot_open(slot, loop, destroy, on_done, arg, err))
        return slot;
    free(slot);
    return NULL;
}

void slot_free(struct slot *slot)
{
    slot_close(slot);
    free(slot);
}

void slot_finish(struct slot *slot, const struct err *err)
{
    if (err != NULL)
        slot->err = *err;
    else
        slot->err.kind = ERR_NONE;
    /* Fails only if the loop's queue must grow and memory ran out. An end that nobody hears of
     * would leave a certificate to expire: the process ends instead, and is started anew. */
    if (sd_event_source_set_enabled(slot->later, SD_EVENT_ONESHOT) < 0)
        sd_event_exit(sd_event_source_get_event(slot->later), -ENOMEM);
}

void slot_close(struct slot *slot)
{
    slot->later = sd_event_source_disable_unref(slot->later);
}

struct slot *slot_drop(struct slot *slot)
{
    if (slot != NULL)
        slot->destroy(slot);
    return NULL;
}
