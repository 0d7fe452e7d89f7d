#include "prove/mutual.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum { REQUEST_BYTES = 320 };

static const uint64_t peer_most_us = 5000000;

enum peer { PEER_BARE, PEER_IN_THE_CLEAR, PEER_KNOWN, PEER_COUNT };

struct mutual {
    struct slot slot;
    struct prove_tools tools;
    struct config *config;
    const struct cert_config *cert;
    struct identity identity;
    struct resolved addresses;
    struct slot *step;
    enum peer peer;
    struct tls_talk talks[PEER_COUNT];
    struct served_leaf leaf;
    char request[REQUEST_BYTES];
    enum prove_finding *ret_finding;
};

static void destroy_mutual(struct slot *slot)
{
    struct mutual *mutual = (struct mutual *)slot;

    slot_drop(mutual->step);
    identity_free(&mutual->identity);
    config_unref(mutual->config);
    slot_close(&mutual->slot);
    free(mutual);
}

/* -- what was heard -------------------------------------------------------------------------------
 */

static bool is_http_error(const char *text)
{
    const char *status = text_starts(text, "HTTP/");

    status = status == NULL ? NULL : strchr(status, ' ');
    return status != NULL && status[1] == '4';
}

enum peer_fate peer_fate(const struct tls_talk *talk)
{
    switch (talk->answer) {
    case TLS_ANSWER_REFUSAL:
        return PEER_REFUSED;
    case TLS_ANSWER_END:
        return PEER_CLOSED;
    case TLS_ANSWER_DATA:
        return is_http_error(talk->text) && strcasestr(talk->text, "certificate") != NULL
                   ? PEER_REFUSED
                   : PEER_TAKEN;
    case TLS_ANSWER_NONE:
        break;
    }
    return PEER_TAKEN;
}

bool peer_in_the_clear_is_refused(const struct tls_talk *talk)
{
    enum { TLS_ALERT = 21 }; /* RFC 8446 section 5.1 */

    return talk->answer != TLS_ANSWER_DATA || talk->text[0] == TLS_ALERT ||
           (is_http_error(talk->text) &&
            (strstr(talk->text, "HTTPS") != NULL || strstr(talk->text, "SSL") != NULL ||
             strstr(talk->text, "TLS") != NULL));
}

static bool says_no(enum prove_finding *ret_finding, struct err *err, const char *text)
{
    *ret_finding = PROVE_NOT_MUTUAL;
    return err_set(err, ERR_CONSUMER, "%s", text);
}

/* Whether all is as it should be with the peer that came last. */
static bool judge(const struct mutual *mutual, struct err *err)
{
    const struct tls_talk *bare = &mutual->talks[PEER_BARE], *last = &mutual->talks[mutual->peer];
    enum peer_fate fate = peer_fate(last);
    char said[sizeof last->text];

    if (mutual->peer == PEER_IN_THE_CLEAR)
        return peer_in_the_clear_is_refused(last) ||
               says_no(mutual->ret_finding, err, "answers plaintext; let the port speak TLS only");
    if (mutual->peer == PEER_BARE && fate == PEER_TAKEN)
        return says_no(mutual->ret_finding, err,
                       bare->asked ? "answers a peer without a client certificate, though it asks "
                                     "for one; let it demand and verify one"
                                   : "answers a peer without a client certificate and does not "
                                     "ask for one; let it demand and verify one");
    if (mutual->peer == PEER_BARE)
        return fate == PEER_REFUSED || (mutual->identity.key != NULL && bare->asked) ||
               says_no(mutual->ret_finding, err,
                       "hangs up on the request of a peer without a client certificate; nothing "
                       "shows that it does so for want of one");
    if (fate == PEER_REFUSED) {
        text_printable(said, sizeof said, last->text);
        *mutual->ret_finding = PROVE_NOT_MUTUAL;
        return err_set(err, ERR_CONSUMER,
                       "refuses a peer that shows the set's own certificate (%.80s); does it trust "
                       "the set's ca for clients?",
                       said);
    }
    return fate == PEER_TAKEN || peer_fate(bare) == PEER_REFUSED ||
           says_no(mutual->ret_finding, err,
                   "hangs up on a peer with and without a client certificate alike; nothing shows "
                   "that it demands one");
}

/* -- one peer after the other ---------------------------------------------------------------------
 */

static void finish(struct mutual *mutual, const struct err *why)
{
    struct err err = *why;

    identity_free(&mutual->identity);
    if (err.kind != ERR_NONE && err.kind != ERR_LOCAL)
        err.kind = ERR_CONSUMER;
    if (err.kind != ERR_NONE)
        err_wrap(&err, "prove: tls %s mutual", mutual->cert->prove.tls.label);
    slot_finish(&mutual->slot, err.kind == ERR_NONE ? NULL : &err);
}

static bool comes(const struct mutual *mutual, enum peer peer)
{
    if (peer == PEER_IN_THE_CLEAR)
        return mutual->cert->prove.tls.starttls == STARTTLS_NONE;
    return peer != PEER_KNOWN || mutual->identity.key != NULL;
}

static void send_next(struct mutual *mutual);

static void on_talked(void *arg, const struct err *probe_err)
{
    struct mutual *mutual = arg;
    struct err err = *probe_err;

    mutual->step = slot_drop(mutual->step);
    if (err.kind != ERR_NONE || !judge(mutual, &err)) {
        finish(mutual, &err);
        return;
    }
    mutual->peer++;
    send_next(mutual);
}

static void send_next(struct mutual *mutual)
{
    struct tls_probe_order order = {
        .addresses = &mutual->addresses,
        .server_name = prove_server_name(mutual->cert),
        .starttls = mutual->cert->prove.tls.starttls,
        .limit_us = peer_most_us,
    };
    struct err err = {.kind = ERR_NONE};

    while (mutual->peer < PEER_COUNT && !comes(mutual, mutual->peer))
        mutual->peer++;
    if (mutual->peer == PEER_COUNT) {
        finish(mutual, &err);
        return;
    }
    order.ret_talk = &mutual->talks[mutual->peer];
    order.request = order.starttls == STARTTLS_NONE ? mutual->request : NULL;
    order.in_the_clear = mutual->peer == PEER_IN_THE_CLEAR;
    order.identity = mutual->peer == PEER_KNOWN ? &mutual->identity : NULL;
    mutual->step =
        tls_probe_start(mutual->tools.loop, &order, &mutual->leaf, on_talked, mutual, &err);
    if (mutual->step == NULL)
        finish(mutual, &err);
}

static void on_resolved(void *arg, const struct err *resolve_err)
{
    struct mutual *mutual = arg;
    const struct err err = *resolve_err;

    mutual->step = slot_drop(mutual->step);
    if (err.kind == ERR_NONE)
        send_next(mutual);
    else
        finish(mutual, &err);
}

struct slot *mutual_start(const struct prove_tools *tools, struct config *config,
                          const struct cert_config *cert, struct identity *identity,
                          enum prove_finding *ret_finding, slot_done *on_done, void *arg,
                          struct err *err)
{
    struct mutual *mutual = calloc(1, sizeof *mutual);
    const char *name = prove_server_name(cert);

    if (mutual == NULL)
        err_memory(err);
    else if (slot_open(&mutual->slot, tools->loop, destroy_mutual, on_done, arg, err)) {
        mutual->tools = *tools;
        mutual->config = config_ref(config);
        mutual->cert = cert;
        mutual->identity = *identity;
        mutual->ret_finding = ret_finding;
        *identity = (struct identity){0};
        *ret_finding = PROVE_UNREACHABLE;
        snprintf(mutual->request, sizeof mutual->request, "GET / HTTP/1.0\r\nHost: %s\r\n\r\n",
                 name == NULL ? "localhost" : name);
        mutual->step = resolve_start(tools->loop, tools->lookups, &cert->prove.tls, peer_most_us,
                                     &mutual->addresses, on_resolved, mutual, err);
        if (mutual->step != NULL)
            return &mutual->slot;
        destroy_mutual(&mutual->slot);
        return NULL;
    }
    free(mutual);
    identity_free(identity);
    return NULL;
}
