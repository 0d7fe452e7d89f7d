#include "ca/vault_log_out.h"

struct log_out {
    struct slot slot;
    struct slot *under_way; /* what is awaited, then the revocation */
    struct vault_token *token;
    sd_event_source *limit;
};

static void destroy_log_out(struct slot *slot)
{
    struct log_out *log_out = (struct log_out *)slot;

    slot_drop(log_out->under_way);
    sd_event_source_disable_unref(log_out->limit);
    slot_free(slot);
}

static void end(struct log_out *log_out, const struct err *end_err)
{
    const struct err err = *end_err; /* it may live in the slot that is dropped */

    log_out->under_way = slot_drop(log_out->under_way);
    sd_event_source_set_enabled(log_out->limit, SD_EVENT_OFF);
    slot_finish(&log_out->slot, &err);
}

static void on_revoked(void *arg, const struct err *err)
{
    end(arg, err);
}

static void on_settled(void *arg, const struct err *settled_err)
{
    struct log_out *log_out = arg;
    struct err err;

    (void)settled_err;
    log_out->under_way = slot_drop(log_out->under_way);
    log_out->under_way = vault_token_revoke_start(log_out->token, on_revoked, log_out, &err);
    if (log_out->under_way == NULL)
        end(log_out, &err);
}

static int on_limit(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct log_out *log_out = arg;
    struct err err;

    (void)source;
    (void)now_us;
    err_set(&err, ERR_TRANSIENT, "the CA has not answered within %llus",
            (unsigned long long)vault_token_client(log_out->token).config->vault.timeout_s);
    end(log_out, &err);
    return 0;
}

static bool start(struct log_out *log_out, struct err *err)
{
    const struct vault_client client = vault_token_client(log_out->token);
    int r = sd_event_add_time_relative(http_loop_event(client.http), &log_out->limit,
                                       CLOCK_BOOTTIME, client.config->vault.timeout_s * 1000000ULL,
                                       0, on_limit, log_out);

    if (r < 0)
        return err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    log_out->under_way = vault_token_settle_start(log_out->token, on_settled, log_out, err);
    return log_out->under_way != NULL;
}

struct slot *vault_log_out_start(struct vault_token *token, slot_done *on_done, void *arg,
                                 struct err *err)
{
    sd_event *loop = http_loop_event(vault_token_client(token).http);
    struct log_out *log_out = slot_new(sizeof *log_out, loop, destroy_log_out, on_done, arg, err);

    if (log_out == NULL)
        return NULL;
    log_out->token = token;
    if (start(log_out, err))
        return &log_out->slot;
    destroy_log_out(&log_out->slot);
    return NULL;
}
