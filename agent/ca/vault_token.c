#include "ca/vault_token.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "ca/vault_login.h"

#include <stdlib.h>
#include <string.h>

enum {
    LEAST_LEFT_S = 5,
    RENEW_PATIENCE_S = 60,
    LOOK_UP_AFTER_S = 20,
    MOST_DOUBLINGS = 5,
    LOOK_UP_DOUBLINGS = 3
};

struct waiter {
    struct slot slot;
    struct vault_token *token;
    struct waiter *next;
};

struct vault_token {
    struct http_loop *http;
    struct workers *workers; /* for reading the credential files */
    struct config *config;
    ca_session_listener *on_change;
    void *arg;

    struct vault_grant grant; /* of the token in use; grant.token is empty if there is none */
    unsigned number,
        refused_number; /* of the token in use; of the last token that was reported as refused */
    unsigned worked_number; /* of the last token that the CA accepted */
    uint64_t spent;         /* requests that were sent with the token in use */
    struct secret dropped;  /* the previous token, while there is none */
    unsigned first_number;  /* the first number of the same token, if it was read again */
    unsigned leased_number; /* of the last token with which a certificate was leased; 0: none */
    uint64_t ends_us;       /* on the boot clock; UINT64_MAX: without end */

    struct vault_grant coming; /* the result of the login or renewal under way */
    struct vault_reply reply;
    struct slot *login, *renewal; /* renewal: or the look-up of an existing token */
    sd_event_source *renew_timer;
    unsigned look_ups_failed; /* in a row, for the token in use */
    struct slot *revocation;  /* of the previous token */
    struct waiter *settling;  /* who waits until neither login nor revocation is under way */
    struct vault_reply revocation_reply;
    struct waiter *waiters;

    unsigned failures;  /* logins that failed in a row */
    uint64_t failed_us; /* when the last of them failed, on the boot clock */
    uint64_t pause_us;  /* how long no login follows that failure */
    struct err last_failure;
};

static void tell(struct vault_token *token, enum ca_session_change change, const struct err *err)
{
    token->on_change(token->arg, change, token->grant.lease_s, err);
}

/* Counts the uses as the CA does: a request without a use left would only get a 403. */
static bool is_spent(const struct vault_token *token)
{
    return token->grant.uses != 0 && token->spent >= token->grant.uses;
}

bool vault_token_is_usable(const struct vault_token *token)
{
    return token->grant.token.bytes != NULL && !is_spent(token) &&
           (token->ends_us == UINT64_MAX ||
            clock_boot_us() + LEAST_LEFT_S * 1000000ULL < token->ends_us);
}

static void arm_renewal(struct vault_token *token, uint64_t wait_us)
{
    sd_event_source_set_time_relative(token->renew_timer, wait_us);
    sd_event_source_set_enabled(token->renew_timer, SD_EVENT_ONESHOT);
}

/* Takes the new grant and schedules its renewal at two thirds of the lease. A token with a limited
 * number of uses is not renewed, since that would cost one use. */
static void take_grant(struct vault_token *token)
{
    struct vault_grant *grant = &token->coming;

    if (grant->token.bytes != NULL)
        secret_move(&token->grant.token, &grant->token);
    token->grant.lease_s = grant->lease_s;
    token->grant.uses = grant->uses;
    token->grant.renewable = grant->renewable;
    token->grant.unknown = grant->unknown;
    token->grant.is_unlimited = grant->is_unlimited;
    token->spent = 0;
    token->look_ups_failed = 0;
    token->ends_us =
        grant->lease_s == 0 ? UINT64_MAX : clock_boot_us() + grant->lease_s * 1000000ULL;
    if (grant->renewable && grant->uses == 0 && grant->lease_s > 3 * LEAST_LEFT_S)
        arm_renewal(token, grant->lease_s * 1000000ULL / 3 * 2);
    else
        sd_event_source_set_enabled(token->renew_timer, SD_EVENT_OFF);
    vault_grant_free(grant);
}

static void settle(struct vault_token *token)
{
    if (token->settling != NULL && token->login == NULL && token->revocation == NULL)
        slot_finish(&token->settling->slot, NULL);
}

static void on_replaced_revoked(void *arg, const struct err *err)
{
    struct vault_token *token = arg;

    /* The error lives in the slot. */
    if (err->kind != ERR_NONE)
        log_detail(NULL, "the replaced token could not be revoked: %s", err->text);
    token->revocation = slot_drop(token->revocation);
    vault_reply_free(&token->revocation_reply);
    settle(token);
}

/* Sends what the token asks for itself. */
static struct slot *start_self_call(struct vault_token *token, const char *operation,
                                    const char *path, struct vault_reply *reply, slot_done *on_done,
                                    void *arg, struct err *err)
{
    json_auto_t *body = json_object();
    const struct vault_client client = vault_token_client(token);
    const struct vault_order order = {.operation = operation,
                                      .method = "POST",
                                      .path = path,
                                      .body = body,
                                      .token = &token->grant.token};

    vault_reply_free(reply);
    return vault_call_start(&client, &order, reply, on_done, arg, err);
}

static struct slot *start_revocation(struct vault_token *token, struct vault_reply *reply,
                                     slot_done *on_done, void *arg, struct err *err)
{
    return start_self_call(token, "token-revoke", "auth/token/revoke-self", reply, on_done, arg,
                           err);
}

static bool is_revocable(const struct vault_token *token)
{
    return token->grant.token.bytes != NULL && !is_spent(token) && !vault_token_has_leases(token);
}

/*
 * The token in use gives way to another one: no exit will revoke it. One that was given to us is
 * not ours to revoke before the exit, since others may have it as well.
 */
static void revoke_replaced(struct vault_token *token)
{
    const struct auth_config *auth = &token->config->auth;
    struct err err;

    if (!auth->revoke_on_exit || auth->method == AUTH_TOKEN || !is_revocable(token) ||
        !vault_token_is_usable(token))
        return;
    token->revocation = slot_drop(token->revocation);
    token->revocation =
        start_revocation(token, &token->revocation_reply, on_replaced_revoked, token, &err);
}

static void drop_token(struct vault_token *token)
{
    secret_move(&token->dropped, &token->grant.token);
    vault_grant_free(&token->grant);
    vault_reply_free(&token->reply);
    token->renewal = slot_drop(token->renewal);
    sd_event_source_set_enabled(token->renew_timer, SD_EVENT_OFF);
}

/* Ends the slots of all waiting callers; on_done runs in a later iteration. */
static void release_waiters(struct vault_token *token, const struct err *err)
{
    while (token->waiters != NULL) {
        struct waiter *waiter = token->waiters;

        token->waiters = waiter->next;
        slot_finish(&waiter->slot, err);
    }
}

/*
 * Each certificate has its own backoff. This pause of the session is short and only merges the
 * logins of a thousand certificates into one.
 */
static void note_failure(struct vault_token *token, struct err *err)
{
    uint64_t most_us =
        1000000ULL << (token->failures < MOST_DOUBLINGS ? token->failures : MOST_DOUBLINGS);

    token->failures++;
    token->failed_us = clock_boot_us();
    token->pause_us = most_us / 2 + random_share(most_us / 2, random_draw());
    if (token->pause_us < err->retry_after_s * 1000000ULL)
        token->pause_us = err->retry_after_s * 1000000ULL;
    tell(token, CA_SESSION_NOT_OPEN, err);
    err->told = true;
    token->last_failure = *err;
}

/* The method token reads the file again, which may still hold the token that was refused. */
static bool is_refused_again(struct vault_token *token)
{
    return token->config->auth.method == AUTH_TOKEN && token->number != 0 &&
           token->refused_number == token->number &&
           secret_same(&token->grant.token, &token->coming.token);
}

/* The method token may give the same token again: its leases still depend on it then. */
static void count_token(struct vault_token *token)
{
    const struct secret *before =
        token->grant.token.bytes != NULL ? &token->grant.token : &token->dropped;

    token->number++;
    if (!secret_same(before, &token->coming.token))
        token->first_number = token->number;
    secret_wipe(&token->dropped);
}

static void on_logged_in(void *arg, const struct err *login_err)
{
    struct vault_token *token = arg;
    struct err err = *login_err;

    token->login = slot_drop(token->login);
    if (err.kind == ERR_NONE && is_refused_again(token))
        err_set(&err, ERR_DENIED,
                "the CA answered 403 to this token, and no other token is there yet; it has "
                "expired, has no uses left, or its policies lack the path");
    if (err.kind != ERR_NONE) {
        err_wrap(&err, "login by %s", auth_method_words[token->config->auth.method]);
        note_failure(token, &err);
    } else {
        token->failures = 0;
        token->pause_us = 0;
        revoke_replaced(token);
        count_token(token);
        take_grant(token);
        tell(token, CA_SESSION_OPEN, &err);
    }
    release_waiters(token, &err);
    settle(token);
}

/* Whether a repeated request may succeed: any failure but a refusal by the CA. */
static bool is_passing(const struct err *err)
{
    return err->kind != ERR_DENIED && err->kind != ERR_REFUSED;
}

/* An eighth of the remaining lease, jittered, but at least half a minute. */
static uint64_t next_renewal_us(const struct vault_token *token)
{
    uint64_t wait_us = (token->ends_us - clock_boot_us()) / 8;

    if (wait_us < RENEW_PATIENCE_S * 1000000ULL)
        wait_us = RENEW_PATIENCE_S * 1000000ULL;
    return wait_us / 2 + random_share(wait_us, random_draw());
}

static void on_renewed(void *arg, const struct err *call_err)
{
    struct vault_token *token = arg;
    struct err err = *call_err;

    token->renewal = slot_drop(token->renewal);
    if (err.kind == ERR_NONE && vault_grant_read(&token->reply, &token->coming, &err)) {
        take_grant(token);
        tell(token, CA_SESSION_RENEWED, &err);
    } else {
        /*
         * Try again until the token expires; then the next caller logs in anew. A 403 does not mean
         * that the token has expired: its policies may forbid renewals.
         */
        tell(token, CA_SESSION_NOT_RENEWED, &err);
        if (is_passing(&err) && vault_token_is_usable(token))
            arm_renewal(token, next_renewal_us(token));
    }
    vault_reply_free(&token->reply);
}

/*
 * A token whose lease is not known cannot be renewed in time: the look-up is retried until the CA
 * answers. The failure is reported once.
 */
static void note_look_up_failure(struct vault_token *token, struct err *err)
{
    unsigned doublings =
        token->look_ups_failed < LOOK_UP_DOUBLINGS ? token->look_ups_failed : LOOK_UP_DOUBLINGS;
    uint64_t wait_us = LOOK_UP_AFTER_S * 1000000ULL << doublings;

    err_wrap(err, "asking the CA how long it lives");
    if (token->look_ups_failed == 0)
        tell(token, CA_SESSION_NOT_RENEWED, err);
    token->look_ups_failed++;
    token->grant.unknown = is_passing(err);
    wait_us = wait_us / 2 + random_share(wait_us / 2, random_draw());
    if (wait_us < err->retry_after_s * 1000000ULL)
        wait_us = err->retry_after_s * 1000000ULL;
    if (token->grant.unknown)
        arm_renewal(token, wait_us);
}

/* If the CA refuses the look-up, the token is used until the CA refuses the token. */
static void on_looked_up(void *arg, const struct err *call_err)
{
    struct vault_token *token = arg;
    struct err err = *call_err;

    token->renewal = slot_drop(token->renewal);
    if (err.kind == ERR_NONE && vault_lookup_read(&token->reply, &token->coming, &err))
        take_grant(token);
    else
        note_look_up_failure(token, &err);
    vault_reply_free(&token->reply);
}

static void look_up(struct vault_token *token)
{
    const struct vault_client client = vault_token_client(token);
    struct err err;

    vault_grant_free(&token->coming);
    vault_reply_free(&token->reply);
    token->renewal =
        vault_lookup_start(&client, &token->grant.token, &token->reply, on_looked_up, token, &err);
    if (token->renewal == NULL)
        note_look_up_failure(token, &err);
}

static int on_renewal_due(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct vault_token *token = arg;
    struct err err;

    (void)source;
    (void)now_us;
    if (token->login != NULL)
        arm_renewal(token,
                    RENEW_PATIENCE_S * 1000000ULL); /* look-up and renewal never run together */
    if (token->login != NULL || token->renewal != NULL || !vault_token_is_usable(token))
        return 0;
    if (token->grant.unknown) {
        look_up(token);
        return 0;
    }
    token->renewal = start_self_call(token, "token-renew", "auth/token/renew-self", &token->reply,
                                     on_renewed, token, &err);
    if (token->renewal == NULL) {
        tell(token, CA_SESSION_NOT_RENEWED, &err);
        arm_renewal(token, RENEW_PATIENCE_S * 1000000ULL);
    }
    return 0;
}

bool vault_token_open(struct http_loop *http, struct workers *workers, struct config *config,
                      ca_session_listener *on_change, void *arg, struct vault_token **ret_token,
                      struct err *err)
{
    struct vault_token *token = calloc(1, sizeof *token);
    int r;

    if (token == NULL)
        return err_memory(err);
    token->http = http;
    token->workers = workers;
    token->config = config_ref(config);
    token->on_change = on_change;
    token->arg = arg;
    r = sd_event_add_time_relative(http_loop_event(http), &token->renew_timer, CLOCK_BOOTTIME, 0, 0,
                                   on_renewal_due, token);
    if (r < 0) {
        vault_token_close(token);
        return err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    }
    sd_event_source_set_enabled(token->renew_timer, SD_EVENT_OFF);
    sd_event_source_set_description(token->renew_timer, "token renewal");
    *ret_token = token;
    return true;
}

void vault_token_close(struct vault_token *token)
{
    if (token == NULL)
        return;
    slot_drop(token->login);
    slot_drop(token->renewal);
    slot_drop(token->revocation);
    vault_reply_free(&token->revocation_reply);
    vault_grant_free(&token->grant);
    vault_grant_free(&token->coming);
    secret_wipe(&token->dropped);
    vault_reply_free(&token->reply);
    sd_event_source_disable_unref(token->renew_timer);
    config_unref(token->config);
    free(token);
}

static bool start_login(struct vault_token *token, struct err *err)
{
    const struct vault_client client = vault_token_client(token);

    vault_grant_free(&token->coming);
    if (token->renewal != NULL) {
        token->renewal = slot_drop(token->renewal);
        arm_renewal(token, RENEW_PATIENCE_S * 1000000ULL);
    }
    token->login =
        vault_login_start(&client, token->workers, &token->coming, on_logged_in, token, err);
    if (token->login != NULL)
        return true;
    err_wrap(err, "login by %s", auth_method_words[token->config->auth.method]);
    note_failure(token, err);
    return false;
}

void vault_token_use(struct vault_token *token, struct config *config)
{
    bool changed = strcmp(token->config->session_digest, config->session_digest) != 0;

    if (changed)
        revoke_replaced(token); /* at the CA that gave it */
    config_ref(config);
    config_unref(token->config);
    token->config = config;
    if (!changed)
        return;
    if (token->grant.token.bytes != NULL)
        drop_token(token);
    token->failures = 0;
    token->pause_us = 0;
    if (token->login != NULL) {
        struct err err;

        /* Waiting callers get the result of a login with the new configuration. */
        token->login = slot_drop(token->login);
        if (!start_login(token, &err))
            release_waiters(token, &err);
    }
}

static void destroy_waiter(struct slot *slot)
{
    struct waiter *waiter = (struct waiter *)slot;

    for (struct waiter **at = &waiter->token->waiters; *at != NULL; at = &(*at)->next) {
        if (*at == waiter) {
            *at = waiter->next;
            break;
        }
    }
    if (waiter->token->settling == waiter)
        waiter->token->settling = NULL;
    slot_free(slot);
}

/* How long a caller with that patience has to wait for the next login. */
static uint64_t pause_left_us(const struct vault_token *token, uint64_t patience_us)
{
    uint64_t pause_us = token->pause_us < patience_us ? token->pause_us : patience_us;
    uint64_t passed_us = clock_boot_us() - token->failed_us;

    return passed_us < pause_us ? pause_us - passed_us : 0;
}

static void note_refusal(struct vault_token *token, bool is_told)
{
    const struct err why = {
        .kind = ERR_DENIED, .text = "the CA answered 403 to it", .told = is_told};

    if (token->refused_number != token->number)
        tell(token, CA_SESSION_REFUSED, &why);
    token->refused_number = token->number;
}

struct slot *vault_token_ensure_start(struct vault_token *token, const struct token_need *need,
                                      slot_done *on_done, void *arg, struct err *err)
{
    struct waiter *waiter =
        slot_new(sizeof *waiter, http_loop_event(token->http), destroy_waiter, on_done, arg, err);
    uint64_t pause_us = pause_left_us(token, need->patience_ms * 1000);
    bool refused = need->refused_number != 0 && need->refused_number == token->number;
    struct err failure;

    if (waiter == NULL)
        return NULL;
    waiter->token = token;
    if (refused)
        note_refusal(token, need->is_told);
    if (vault_token_is_usable(token) && !refused) {
        slot_finish(&waiter->slot, NULL);
    } else if (token->login == NULL && pause_us > 0) {
        failure = token->last_failure;
        failure.retry_after_s = (uint32_t)(pause_us / 1000000) + 1;
        slot_finish(&waiter->slot, &failure);
    } else if (token->login == NULL && !start_login(token, &failure)) {
        slot_finish(&waiter->slot, &failure);
    } else {
        waiter->next = token->waiters;
        token->waiters = waiter;
    }
    return &waiter->slot;
}

struct vault_client vault_token_client(const struct vault_token *token)
{
    return (struct vault_client){token->http, token->config};
}

const struct secret *vault_token_secret(struct vault_token *token)
{
    if (token->grant.token.bytes == NULL || is_spent(token))
        return NULL;
    token->spent++;
    return &token->grant.token;
}

void vault_token_note_worked(struct vault_token *token, unsigned number, bool stays)
{
    int armed = SD_EVENT_OFF;

    if (number == 0 || number != token->number)
        return;
    token->worked_number = number;
    /* Requests that wait for the token go first, since the look-up may cost its last use. It is
     * delayed once, not by every request that succeeds. */
    sd_event_source_get_enabled(token->renew_timer, &armed);
    if (stays && token->grant.unknown && token->renewal == NULL && armed == SD_EVENT_OFF)
        arm_renewal(token, LOOK_UP_AFTER_S * 1000000ULL);
}

bool vault_token_has_worked(const struct vault_token *token, unsigned number)
{
    return number != 0 && token->worked_number >= number;
}

void vault_token_end_pause(struct vault_token *token)
{
    token->pause_us = 0;
}

unsigned vault_token_number(const struct vault_token *token)
{
    return token->number;
}

bool vault_token_is_unlimited(const struct vault_token *token)
{
    return token->grant.is_unlimited;
}

void vault_token_note_lease(struct vault_token *token, unsigned number)
{
    if (token->leased_number < number)
        token->leased_number = number;
}

bool vault_token_has_leases(const struct vault_token *token)
{
    return token->grant.token.bytes != NULL && token->leased_number != 0 &&
           token->leased_number >= token->first_number;
}

struct slot *vault_token_settle_start(struct vault_token *token, slot_done *on_done, void *arg,
                                      struct err *err)
{
    struct waiter *waiter =
        slot_new(sizeof *waiter, http_loop_event(token->http), destroy_waiter, on_done, arg, err);

    if (waiter == NULL)
        return NULL;
    waiter->token = token;
    token->settling = waiter;
    /* A login that was not sent yet gives no token; its files may hang. */
    if (token->login != NULL && !vault_login_is_sent(token->login))
        token->login = slot_drop(token->login);
    settle(token);
    return &waiter->slot;
}

struct slot *vault_token_revoke_start(struct vault_token *token, slot_done *on_done, void *arg,
                                      struct err *err)
{
    err->kind = ERR_NONE;
    if (!is_revocable(token))
        return NULL;
    token->renewal = slot_drop(token->renewal);
    return start_revocation(token, &token->reply, on_done, arg, err);
}
