#include "ca/ca.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/semaphore.h"
#include "ca/credentials.h"
#include "ca/denials.h"
#include "ca/silence.h"
#include "ca/vault_bundle.h"
#include "ca/vault_describe.h"
#include "ca/vault_log_out.h"
#include "ca/vault_sign.h"
#include "plan/backoff.h"

#include <stdlib.h>
#include <string.h>

enum { DENIALS_MOST = 4, PERMITS_PER_REQUEST = 4 };

struct ca {
    sd_event *loop; /* borrowed */
    struct vault_token *session;
    struct credentials *credentials;
    struct ca_watch *watch;      /* NULL in a process that does not stay */
    struct vault_survey *survey; /* NULL: nobody has asked for a description */
    struct semaphore permits;
    struct ca_listener listener;
    enum auth_method method;
    bool stays;
    struct silence *silence;
    struct denials denials; /* of signing paths */
};

/* -- away and back --------------------------------------------------------------------------------
 */

bool ca_is_unanswered(const struct err *err)
{
    return silence_is_unanswered(err);
}

static void note_signing(struct ca *ca, uint64_t asked_us, const struct err *err)
{
    if (ca_is_unanswered(err))
        silence_begin(ca->silence, asked_us, err);
    else if (err->kind == ERR_NONE || err->http_status != 0)
        silence_end(ca->silence);
}

static void on_session(void *arg, enum ca_session_change change, uint64_t lease_s,
                       const struct err *err)
{
    struct ca *ca = arg;

    if (ca->listener.on_session != NULL)
        ca->listener.on_session(ca->listener.arg, change, lease_s, err);
    /* With method token no request was sent, so this is no sign that the CA answers. */
    if ((change == CA_SESSION_OPEN && ca->method != AUTH_TOKEN) || change == CA_SESSION_RENEWED)
        silence_end(ca->silence);
    else if (change == CA_SESSION_NOT_OPEN && err->kind != ERR_LOCAL &&
             !vault_token_is_usable(ca->session))
        silence_begin(ca->silence, clock_boot_us(), err);
}

bool ca_is_away(const struct ca *ca)
{
    return silence_is_on(ca->silence);
}

uint64_t ca_away_since_s(const struct ca *ca)
{
    return silence_since_s(ca->silence);
}

uint64_t ca_unreachable_since_s(const struct ca *ca)
{
    return silence_is_unreachable(ca->silence) ? silence_since_s(ca->silence) : 0;
}

/* -- the session ----------------------------------------------------------------------------------
 */

/* More permits than concurrent requests, so that requests are on the wire while keys are made, and
 * while a slow disk writes files. harden.c sizes the heap of secrets for as many keys. */
static void limit_permits(struct ca *ca, const struct config *config)
{
    semaphore_limit(&ca->permits, config->agent.max_in_flight * PERMITS_PER_REQUEST);
}

static bool on_credentials(void *arg, bool changed)
{
    struct ca *ca = arg;

    if (changed)
        ca_end_pause(ca);
    return ca->listener.on_credentials != NULL &&
           ca->listener.on_credentials(ca->listener.arg, changed);
}

bool ca_open(struct http_loop *http, struct workers *workers, struct config *config, bool stays,
             const struct ca_listener *listener, struct ca **ret_ca, struct err *err)
{
    const struct silence_listener silent = {listener->on_away, listener->on_back,
                                            listener->is_awaited, listener->arg};
    struct ca *ca = calloc(1, sizeof *ca);

    if (ca == NULL)
        return err_memory(err);
    ca->listener = *listener;
    ca->stays = stays;
    ca->loop = http_loop_event(http);
    semaphore_open(&ca->permits, 0);
    limit_permits(ca, config);
    ca->method = config->auth.method;
    if (!vault_token_open(http, workers, config, on_session, ca, &ca->session, err) ||
        !silence_open(http, ca->session, stays, &silent, &ca->silence, err) ||
        !credentials_open(ca->loop, workers, config, on_credentials, ca, &ca->credentials, err)) {
        ca_close(ca);
        return false;
    }
    if (stays)
        ca->watch = ca_watch_new(http, config, &listener->certs, err);
    if (stays && ca->watch == NULL) {
        ca_close(ca);
        return false;
    }
    *ret_ca = ca;
    return true;
}

void ca_use(struct ca *ca, struct config *config)
{
    const struct config *before = vault_token_client(ca->session).config;

    if (strcmp(before->session_digest, config->session_digest) != 0)
        silence_use(ca->silence);
    ca->method = config->auth.method;
    credentials_use(ca->credentials, config);
    vault_token_use(ca->session, config);
    if (ca->watch != NULL)
        ca_watch_use(ca->watch, config);
    limit_permits(ca, config);
}

void ca_close(struct ca *ca)
{
    if (ca == NULL)
        return;
    ca_watch_free(ca->watch);
    vault_survey_free(ca->survey);
    silence_close(ca->silence);
    credentials_close(ca->credentials);
    vault_token_close(ca->session);
    denials_forget_all(&ca->denials);
    free(ca);
}

void ca_end_pause(struct ca *ca)
{
    vault_token_end_pause(ca->session);
    denials_forget_all(&ca->denials);
}

const char *ca_stamp(const struct ca *ca)
{
    return ca == NULL ? "" : credentials_stamp(ca->credentials);
}

void ca_await_change(struct ca *ca, const char *asked_with)
{
    if (ca != NULL && ca->stays)
        credentials_watch(ca->credentials, asked_with);
}

bool ca_has_leases(const struct ca *ca)
{
    return vault_token_has_leases(ca->session);
}

struct slot *ca_log_in_start(struct ca *ca, slot_done *on_done, void *arg, struct err *err)
{
    return vault_token_ensure_start(ca->session, &(struct token_need){0}, on_done, arg, err);
}

struct slot *ca_log_out_start(struct ca *ca, slot_done *on_done, void *arg, struct err *err)
{
    return vault_log_out_start(ca->session, on_done, arg, err);
}

/* -- news -----------------------------------------------------------------------------------------
 */

bool ca_join(struct ca *ca, const struct cert_config *section, void *cert,
             struct ca_interest *interest, struct err *err)
{
    return ca == NULL || ca->watch == NULL ||
           ca_watch_join(ca->watch, section, cert, interest, err);
}

void ca_leave(struct ca *ca, struct ca_interest *interest)
{
    if (ca != NULL && ca->watch != NULL)
        ca_watch_leave(ca->watch, interest);
}

const char *ca_issuer_key(const struct ca_interest *interest)
{
    return ca_watch_named(interest);
}

/* -- turns ----------------------------------------------------------------------------------------
 */

struct turn {
    struct slot slot;
    struct permit permit;
    struct slot *under_way; /* the check of the credential files, then the login */
    char stamp[DIGEST_HEX_BYTES];
    struct ca *ca;
    uint64_t patience_ms;
    bool logs_in;
};

static void destroy_turn(struct slot *slot)
{
    struct turn *turn = (struct turn *)slot;

    slot_drop(turn->under_way);
    semaphore_release(&turn->ca->permits, &turn->permit);
    slot_free(slot);
}

static void on_logged_in(void *arg, const struct err *login_err)
{
    struct turn *turn = arg;
    const struct err err = *login_err;

    turn->under_way = slot_drop(turn->under_way);
    slot_finish(&turn->slot, &err);
}

/* The stamp is taken before the login: a credential that is corrected during the login is a change.
 */
static void on_looked(void *arg, const struct err *look_err)
{
    struct turn *turn = arg;
    const struct token_need need = {.patience_ms = turn->patience_ms};
    struct err err = *look_err;

    turn->under_way = slot_drop(turn->under_way);
    snprintf(turn->stamp, sizeof turn->stamp, "%s", credentials_stamp(turn->ca->credentials));
    turn->under_way = vault_token_ensure_start(turn->ca->session, &need, on_logged_in, turn, &err);
    if (turn->under_way == NULL)
        slot_finish(&turn->slot, &err);
}

static void on_permitted(void *arg)
{
    struct turn *turn = arg;
    struct err err = {0};

    if (turn->logs_in)
        turn->under_way = credentials_look_start(turn->ca->credentials, on_looked, turn, &err);
    if (turn->under_way == NULL)
        slot_finish(&turn->slot, &err);
}

const char *ca_turn_stamp(const struct slot *slot)
{
    const struct turn *turn = (const struct turn *)slot;

    return turn->stamp;
}

static struct slot *start_turn(struct ca *ca, const struct cert_config *cert,
                               const struct turn *wanted, slot_done *on_done, void *arg,
                               struct err *err)
{
    const char *const group[] = {cert->pki_mount, NULL};
    struct turn *turn = slot_new(sizeof *turn, ca->loop, destroy_turn, on_done, arg, err);

    if (turn == NULL)
        return NULL;
    turn->ca = ca;
    turn->patience_ms = wanted->patience_ms;
    turn->logs_in = wanted->logs_in;
    if (semaphore_acquire(&ca->permits, digest_spread(group), on_permitted, turn, &turn->permit,
                          err))
        return &turn->slot;
    destroy_turn(&turn->slot);
    return NULL;
}

struct slot *ca_turn_start(struct ca *ca, const struct cert_config *cert, uint64_t patience_ms,
                           slot_done *on_done, void *arg, struct err *err)
{
    const struct turn wanted = {.patience_ms = patience_ms, .logs_in = true};

    return start_turn(ca, cert, &wanted, on_done, arg, err);
}

struct slot *ca_permit_start(struct ca *ca, const struct cert_config *cert, slot_done *on_done,
                             void *arg, struct err *err)
{
    return start_turn(ca, cert, &(struct turn){0}, on_done, arg, err);
}

/* -- signing --------------------------------------------------------------------------------------
 */

static uint32_t path_of(const struct cert_config *cert)
{
    char path[VAULT_PATH_BYTES];
    const char *const texts[] = {path, NULL};

    vault_sign_path(cert, path);
    return digest_spread(texts);
}

struct signing {
    struct slot slot;
    struct slot *under_way; /* the request, or the login */
    struct ca *ca;
    const struct cert_config *cert;
    const char *csr;
    struct ca_signed *result;
    uint64_t patience_ms, asked_us;
    unsigned token_number; /* of the token that the CSR was sent with; 0: none */
    unsigned denials;      /* number of 403 replies to the CSR */
    bool token_counted;    /* that token has, or may have, a limited number of uses */
    bool token_worked;     /* the CA has accepted that token, or a newer one, in another request */
};

static void destroy_signing(struct slot *slot)
{
    struct signing *signing = (struct signing *)slot;

    slot_drop(signing->under_way);
    slot_free(slot);
}

static void send_request(struct signing *signing);

static void on_logged_in_again(void *arg, const struct err *login_err)
{
    struct signing *signing = arg;
    const struct err err = *login_err;

    signing->under_way = slot_drop(signing->under_way);
    if (err.kind == ERR_NONE)
        send_request(signing);
    else
        slot_finish(&signing->slot, &err);
}

/* Whether others may have used the token up since. */
static bool may_be_used_up(const struct signing *signing)
{
    return signing->token_counted && signing->token_worked;
}

/* Whether a fresh login is of no use yet. *ret_again tells whether the path was denied before. */
static bool is_policy(const struct signing *signing, uint32_t path, bool *ret_again)
{
    const struct ca *ca = signing->ca;
    uint64_t denied_us = denials_last_us(&ca->denials, ca_stamp(ca), path);
    uint64_t pause_ms = backoff_login_ms(signing->patience_ms);

    *ret_again = denied_us != 0;
    return denied_us != 0 && signing->denials == 0 && signing->token_number != 0 &&
           !may_be_used_up(signing) && (clock_boot_us() - denied_us) / 1000 < pause_ms;
}

/*
 * The token may have expired, so a fresh one is tried. If that one gets a 403 as well, the policy
 * is the cause, not the token, and that is remembered. A token that other certificates used up
 * meanwhile does not count, but only a few times.
 */
static void log_in_again(struct signing *signing, const struct err *denied)
{
    struct token_need need = {.patience_ms = signing->patience_ms};
    struct err err = *denied;
    uint32_t path = path_of(signing->cert);

    if (signing->denials < (may_be_used_up(signing) ? DENIALS_MOST : 1) &&
        !is_policy(signing, path, &need.is_told)) {
        signing->denials += signing->token_number != 0;
        need.refused_number = signing->denials > 0 ? signing->token_number : 0;
        signing->under_way = vault_token_ensure_start(signing->ca->session, &need,
                                                      on_logged_in_again, signing, &err);
        if (signing->under_way != NULL)
            return;
    } else if (signing->denials > 0 && !may_be_used_up(signing)) {
        denials_note(&signing->ca->denials, ca_stamp(signing->ca), path, clock_boot_us());
    }
    slot_finish(&signing->slot, &err);
}

static void on_signed(void *arg, const struct err *sign_err)
{
    struct signing *signing = arg;
    struct vault_token *session = signing->ca->session;
    const struct err err = *sign_err;

    signing->under_way = slot_drop(signing->under_way);
    note_signing(signing->ca, signing->asked_us, &err);
    signing->token_worked = vault_token_has_worked(session, signing->token_number);
    if (err.kind == ERR_DENIED) {
        log_in_again(signing, &err);
        return;
    }
    if (err.kind == ERR_NONE) {
        denials_forget(&signing->ca->denials, path_of(signing->cert));
        vault_token_note_worked(session, signing->token_number, signing->ca->stays);
        if (signing->result->leased)
            vault_token_note_lease(session, signing->token_number);
    }
    slot_finish(&signing->slot, &err);
}

static void send_request(struct signing *signing)
{
    struct vault_token *session = signing->ca->session;
    const struct secret *token = vault_token_secret(session);
    const struct vault_client client = vault_token_client(session);
    struct err err;

    ca_signed_free(signing->result);
    signing->asked_us = clock_boot_us();
    signing->token_number = token == NULL ? 0 : vault_token_number(session);
    if (token == NULL) {
        /* Another certificate's 403 dropped the token after this certificate's turn began. */
        err_set(&err, ERR_DENIED, "the token was dropped a moment ago");
        log_in_again(signing, &err);
        return;
    }
    signing->token_counted = !vault_token_is_unlimited(session);
    signing->under_way = vault_sign_start(&client, token, signing->cert, signing->csr,
                                          signing->result, on_signed, signing, &err);
    if (signing->under_way == NULL)
        slot_finish(&signing->slot, &err);
}

void ca_signed_free(struct ca_signed *signed_reply)
{
    json_decref(signed_reply->json);
    arena_free(&signed_reply->arena);
    *signed_reply = (struct ca_signed){0};
}

struct slot *ca_sign_start(struct ca *ca, const struct cert_config *cert, uint64_t patience_ms,
                           const char *csr, struct ca_signed *ret_signed, slot_done *on_done,
                           void *arg, struct err *err)
{
    struct signing *signing =
        slot_new(sizeof *signing, ca->loop, destroy_signing, on_done, arg, err);

    if (signing == NULL)
        return NULL;
    signing->ca = ca;
    signing->cert = cert;
    signing->csr = csr;
    signing->result = ret_signed;
    signing->patience_ms = patience_ms;
    send_request(signing);
    return &signing->slot;
}

/* -- the issuers ----------------------------------------------------------------------------------
 */

static void on_bundle_answer(void *arg, uint64_t asked_us, const struct err *err)
{
    struct ca *ca = arg;

    /* It is read without a session, so an answer is no sign that logins go well. */
    if (!silence_is_of_login(ca->silence))
        note_signing(ca, asked_us, err);
}

struct slot *ca_bundle_start(struct ca *ca, const struct cert_config *cert,
                             struct ca_signed *ret_signed, slot_done *on_done, void *arg,
                             struct err *err)
{
    const struct vault_client client = vault_token_client(ca->session);
    const struct vault_bundle_listener listener = {on_bundle_answer, ca};

    return vault_bundle_start(&client, cert, &listener, ret_signed, on_done, arg, err);
}

/* -- revoking, describing -------------------------------------------------------------------------
 */

struct revoking {
    struct slot slot;
    struct slot *call;
    struct ca *ca;
    const char *mount, *serial, *pem;
    struct vault_reply reply;
    bool by_itself; /* the certificate was sent, not its serial number */
};

static void destroy_revoking(struct slot *slot)
{
    struct revoking *revoking = (struct revoking *)slot;

    slot_drop(revoking->call);
    vault_reply_free(&revoking->reply);
    slot_free(slot);
}

static void on_revoked(void *arg, const struct err *err);

static bool send_revocation(struct revoking *revoking, struct err *err)
{
    struct vault_token *session = revoking->ca->session;
    const struct vault_client client = vault_token_client(session);

    vault_reply_free(&revoking->reply);
    revoking->call = vault_revoke_start(
        &client, vault_token_secret(session), revoking->mount, revoking->serial,
        revoking->by_itself ? revoking->pem : NULL, &revoking->reply, on_revoked, revoking, err);
    return revoking->call != NULL;
}

static void on_revoked(void *arg, const struct err *revoke_err)
{
    struct revoking *revoking = arg;
    struct err err = *revoke_err;

    revoking->call = slot_drop(revoking->call);
    if (err.kind == ERR_REFUSED && !revoking->by_itself) {
        revoking->by_itself = true;
        if (send_revocation(revoking, &err))
            return;
    }
    slot_finish(&revoking->slot, &err);
}

struct slot *ca_revoke_start(struct ca *ca, const char *mount, const char *serial, const char *pem,
                             slot_done *on_done, void *arg, struct err *err)
{
    struct revoking *revoking =
        slot_new(sizeof *revoking, ca->loop, destroy_revoking, on_done, arg, err);

    if (revoking == NULL)
        return NULL;
    revoking->ca = ca;
    revoking->mount = mount;
    revoking->serial = serial;
    revoking->pem = pem;
    if (send_revocation(revoking, err))
        return &revoking->slot;
    destroy_revoking(&revoking->slot);
    return NULL;
}

struct slot *ca_describe_start(struct ca *ca, const struct cert_config *cert,
                               struct ca_terms *ret_terms, slot_done *on_done, void *arg,
                               struct err *err)
{
    if (ca->survey == NULL)
        ca->survey = vault_survey_new();
    if (ca->survey == NULL) {
        err_memory(err);
        return NULL;
    }
    return vault_describe_start(ca->survey, ca->session, cert, ret_terms, on_done, arg, err);
}
