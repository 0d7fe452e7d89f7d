#include "cert/stage.h"

#include "base/cleanup.h"

#include <errno.h>

bool stage_reserve(struct cert_tools *tools, struct err *err)
{
    for (size_t i = 0; i < ENDS_RESERVED; i++) {
        if (tools->ends[i] == NULL)
            tools->ends[i] = slot_new(sizeof(struct slot), tools->loop, slot_free, NULL, NULL, err);
        if (tools->ends[i] == NULL)
            return false;
    }
    return true;
}

void stage_release(struct cert_tools *tools)
{
    for (size_t i = 0; i < ENDS_RESERVED; i++)
        tools->ends[i] = slot_drop(tools->ends[i]);
}

static struct slot *take_reserved(struct cert_tools *tools, slot_done *on_done, void *arg)
{
    for (size_t i = 0; i < ENDS_RESERVED; i++) {
        struct slot *slot = TAKE(tools->ends[i]);

        if (slot == NULL)
            continue;
        slot->on_done = on_done;
        slot->arg = arg;
        return slot;
    }
    return NULL;
}

struct slot *stage_slot(const struct cert_work *work, struct slot *started, const struct err *err,
                        slot_done *on_done, void *arg)
{
    struct cert_tools *tools = work->tools;
    struct err why;
    struct slot *slot;

    if (started != NULL)
        return started;
    slot = slot_new(sizeof *slot, tools->loop, slot_free, on_done, arg, &why);
    if (slot != NULL)
        (void)stage_reserve(tools, &why); /* refill the reserve as memory permits */
    else
        slot = take_reserved(tools, on_done, arg);
    /* A lost end would let a certificate expire, so the process ends: see slot_finish. */
    if (slot == NULL) {
        sd_event_exit(tools->loop, -ENOMEM);
        return NULL;
    }
    slot_finish(slot, err);
    return slot;
}

struct slot *stage_order_start(struct cert_work *work, struct set_order *order, slot_done *on_done)
{
    struct cert_tools *tools = work->tools;
    struct slot *slot;
    struct err err;

    order->loop = tools->loop;
    order->workers = tools->workers;
    order->mounts = &tools->mounts;
    slot = set_owner_start(&work->set, order, on_done, &err);
    return stage_slot(work, slot, &err, on_done, order->arg);
}

/* -- environment variables of commands ------------------------------------------------------------
 */

void stage_variables_add(struct stage_variables *variables, const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = arena_vformat(&variables->arena, format, args);
    va_end(args);
    if (text == NULL || variables->count == STAGE_VARIABLES_MOST)
        variables->complete = false;
    else
        variables->items[variables->count++] = text;
}

void stage_variables_of(struct stage_variables *ret_variables, const struct cert_config *cert)
{
    *ret_variables = (struct stage_variables){.complete = true};
    stage_variables_add(ret_variables,
                        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    stage_variables_add(ret_variables, "LEAFD_CERT=%s", cert->name);
    stage_variables_add(ret_variables, "LEAFD_DIRECTORY=%s", cert->directory);
}

void stage_variables_of_published(struct stage_variables *ret_variables,
                                  const struct cert_work *work)
{
    const struct cert_published *published = &work->published;

    stage_variables_of(ret_variables, work->cert);
    stage_variables_add(ret_variables, "LEAFD_GENERATION=%s/%s", work->cert->directory,
                        published->generation);
    stage_variables_add(ret_variables, "LEAFD_SERIAL=%s", published->serial);
    stage_variables_add(ret_variables, "LEAFD_SHA256=%s", published->fingerprint);
}

void stage_variables_free(struct stage_variables *variables)
{
    arena_free(&variables->arena);
}
