#include "app/ask.h"

#include "ca/vault_describe.h"
#include "ca/vault_revoke.h"

static void on_answered(void *arg, const struct err *err)
{
    struct ask *ask = arg;

    ask->err = *err;
    ask->answered = true;
}

/* Runs the loop until the question behind the slot is answered; drops the slot. */
static bool await(struct ask *ask, struct slot *slot, struct err *err)
{
    int r = 0;

    if (slot == NULL)
        return false;
    for (ask->answered = false; !ask->answered && r >= 0;)
        r = sd_event_run(ask->engine.tools.loop, UINT64_MAX);
    slot_drop(slot);
    if (r < 0)
        return err_errno(err, ERR_LOCAL, -r, "the event loop ended");
    *err = ask->err;
    return err->kind == ERR_NONE;
}

bool ask_open(struct ask *ask, struct config *config, struct err *err)
{
    return engine_open(&ask->engine, config, false, NULL, NULL, err);
}

bool ask_log_in(struct ask *ask, struct err *err)
{
    const struct token_need need = {0};

    return await(ask, vault_token_start(ask->engine.tools.token, &need, on_answered, ask, err),
                 err);
}

bool ask_capabilities(struct ask *ask, const struct text_list *paths, struct vault_reply *ret_reply,
                      struct err *err)
{
    const struct vault_client client = vault_token_client(ask->engine.tools.token);

    return await(ask,
                 vault_capabilities_start(&client, vault_token_secret(ask->engine.tools.token),
                                          paths, ret_reply, on_answered, ask, err),
                 err);
}

bool ask_describe(struct ask *ask, const char *path, struct vault_reply *ret_reply, struct err *err)
{
    const struct vault_client client = vault_token_client(ask->engine.tools.token);

    return await(ask,
                 vault_describe_start(&client, vault_token_secret(ask->engine.tools.token), path,
                                      ret_reply, on_answered, ask, err),
                 err);
}

static bool ask_to_revoke(struct ask *ask, const char *pki_mount, const char *serial,
                          const char *pem, struct err *err)
{
    const struct vault_client client = vault_token_client(ask->engine.tools.token);
    struct vault_reply reply = {0};
    bool revoked = await(ask,
                         vault_revoke_start(&client, vault_token_secret(ask->engine.tools.token),
                                            pki_mount, serial, pem, &reply, on_answered, ask, err),
                         err);

    vault_reply_free(&reply);
    return revoked;
}

bool ask_revoke(struct ask *ask, const char *pki_mount, const char *serial, const char *pem,
                struct err *err)
{
    return ask_to_revoke(ask, pki_mount, serial, NULL, err) ||
           (err->kind == ERR_REFUSED && ask_to_revoke(ask, pki_mount, serial, pem, err));
}

void ask_close(struct ask *ask)
{
    engine_close(&ask->engine);
}
