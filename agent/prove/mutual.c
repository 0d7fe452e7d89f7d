#include "prove/mutual.h"

#include "base/cleanup.h"
#include "base/hide.h"
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
    bool holds; /* it has a share of tools.handshakes */
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
    resolved_close(&mutual->addresses);
    if (mutual->holds)
        handshakes_release(mutual->tools.handshakes);
    config_unref(mutual->config);
    slot_free(slot);
}

/* -- what was heard -------------------------------------------------------------------------------
 */

/* 0 if the answer is not HTTP. */
static unsigned http_status(const char *text)
{
    const char *status = text_starts(text, "HTTP/");
    char digits[4];
    uint64_t number = 0;

    status = status == NULL ? NULL : strchr(status, ' ');
    if (status == NULL)
        return 0;
    snprintf(digits, sizeof digits, "%s", status + 1);
    return text_number(digits, UINT16_MAX, &number) ? (unsigned)number : 0;
}

static bool is_http_error(const char *text)
{
    return http_status(text) / 100 == 4;
}

/* 495 and 496 are nginx's codes (ngx_http_request.h) for a bad or missing certificate. */
static enum peer_fate http_fate(const char *text)
{
    unsigned status = http_status(text);

    if (status == 495 || status == 496 ||
        (status == 400 && strcasestr(text, "certificate") != NULL))
        return PEER_REFUSED;
    return is_http_error(text) ? PEER_TURNED_AWAY : PEER_TAKEN;
}

/* Finds a field of an ErrorResponse, PostgreSQL's "Error and Notice Message Fields"; NULL: none. */
static const char *postgres_field(const struct tls_talk *talk, char type)
{
    enum { HEAD_BYTES = 5 };
    const char *at = talk->text + HEAD_BYTES, *end = talk->text + talk->length;

    for (; at < end && *at != '\0'; at += strlen(at) + 1)
        if (*at == type)
            return at + 1;
    return NULL;
}

/* The server sends 28000 both for a missing certificate and for a user that it rejects; only the
 * English message tells them apart. */
static enum peer_fate postgres_fate(const struct tls_talk *talk)
{
    const char *state = talk->text[0] == 'E' ? postgres_field(talk, 'C') : NULL;
    const char *message = state == NULL ? NULL : postgres_field(talk, 'M');

    if (message == NULL || strcmp(state, "28000") != 0)
        return PEER_TAKEN;
    return strstr(message, "client certificate") != NULL ? PEER_REFUSED : PEER_TURNED_AWAY;
}

enum peer_fate peer_fate(const struct tls_talk *talk, enum starttls starttls)
{
    switch (talk->answer) {
    case TLS_ANSWER_REFUSAL:
        return PEER_REFUSED;
    case TLS_ANSWER_END:
        return PEER_CLOSED;
    case TLS_ANSWER_DATA:
        return starttls == STARTTLS_POSTGRES ? postgres_fate(talk) : http_fate(talk->text);
    case TLS_ANSWER_NONE:
        break;
    }
    return PEER_TAKEN;
}

/* Whether the request succeeded: a rate limit or a server error is no success. */
static bool is_served(const struct tls_talk *talk, enum starttls starttls)
{
    unsigned status = http_status(talk->text);

    if (talk->answer != TLS_ANSWER_DATA)
        return false;
    return starttls == STARTTLS_POSTGRES ? talk->text[0] == 'R' : status >= 100 && status < 400;
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

/* A server cannot refuse a peer for a missing certificate that it did not ask for. A refusal that
 * may have another cause counts only if the request with a certificate succeeds. */
static bool judge_bare(const struct mutual *mutual, struct err *err)
{
    const struct tls_talk *bare = &mutual->talks[PEER_BARE];
    char text[REQUEST_BYTES];

    switch (peer_fate(bare, mutual->cert->prove.tls.starttls)) {
    case PEER_TAKEN:
        snprintf(text, sizeof text,
                 "%s a peer without a client certificate%s; let it demand and verify one",
                 bare->answer == TLS_ANSWER_DATA ? "answers" : "did not refuse",
                 bare->asked ? ", though it asks for one" : " and does not ask for one");
        return says_no(mutual->ret_finding, err, text);
    case PEER_REFUSED:
        if (bare->asked)
            return true;
        break;
    case PEER_TURNED_AWAY:
        if (bare->asked && mutual->identity.key != NULL)
            return true;
        break;
    case PEER_CLOSED:
        return (bare->asked && mutual->identity.key != NULL) ||
               says_no(mutual->ret_finding, err,
                       "closes the connection after the request of a peer without a client "
                       "certificate; nothing shows that the missing certificate is the reason");
    }
    return says_no(mutual->ret_finding, err,
                   bare->asked ? "nothing shows that a peer without a certificate is refused: its "
                                 "request may have failed for another reason"
                               : "nothing shows that a peer without a certificate is refused: the "
                                 "server does not ask for one; let it demand and verify one");
}

static bool judge_known(const struct mutual *mutual, struct err *err)
{
    enum starttls starttls = mutual->cert->prove.tls.starttls;
    const struct tls_talk *known = &mutual->talks[PEER_KNOWN];
    enum peer_fate bare = peer_fate(&mutual->talks[PEER_BARE], starttls);
    enum peer_fate fate = peer_fate(known, starttls);
    char said[sizeof known->text];

    if (fate == PEER_REFUSED) {
        hide_foreign(said, sizeof said, known->text);
        *mutual->ret_finding = PROVE_NOT_MUTUAL;
        return err_set(err, ERR_CONSUMER,
                       "refuses a peer that shows the set's own certificate (%.80s); have it trust "
                       "the set's ca for clients",
                       said);
    }
    if (bare == PEER_TURNED_AWAY)
        return is_served(known, starttls) ||
               says_no(mutual->ret_finding, err,
                       "nothing shows that a peer without a certificate is refused: the request of "
                       "a peer with one fails as well");
    return fate != PEER_CLOSED || bare == PEER_REFUSED ||
           says_no(mutual->ret_finding, err,
                   "closes the connections of peers with and without a client certificate; nothing "
                   "shows that it demands one");
}

/* Whether the consumer treated the last peer as it should. */
static bool judge(const struct mutual *mutual, struct err *err)
{
    switch (mutual->peer) {
    case PEER_BARE:
        return judge_bare(mutual, err);
    case PEER_IN_THE_CLEAR:
        return peer_in_the_clear_is_refused(&mutual->talks[PEER_IN_THE_CLEAR]) ||
               says_no(mutual->ret_finding, err, "answers plaintext; let the port accept TLS only");
    case PEER_KNOWN:
    case PEER_COUNT:
        break;
    }
    return judge_known(mutual, err);
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

/* PostgreSQL checks the certificate after the StartupMessage, which names the user. With the other
 * starttls protocols nothing is sent after the handshake. */
static void choose_request(const struct mutual *mutual, struct tls_probe_order *order)
{
    static const char startup[] = "\0\0\0\x26"
                                  "\0\3\0\0"
                                  "user\0leafd\0database\0postgres\0";

    if (order->starttls == STARTTLS_NONE) {
        order->request = mutual->request;
        order->request_bytes = strlen(mutual->request);
    } else if (order->starttls == STARTTLS_POSTGRES) {
        order->request = startup;
        order->request_bytes = sizeof startup; /* includes the final NUL, which ends the list */
    }
}

static void send_next(struct mutual *mutual)
{
    struct tls_probe_order order = {
        .addresses = &mutual->addresses,
        .tls = {.server_name = prove_server_name(mutual->cert)},
        .starttls = mutual->cert->prove.tls.starttls,
        .group = prove_group(mutual->cert),
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
    choose_request(mutual, &order);
    order.in_the_clear = mutual->peer == PEER_IN_THE_CLEAR;
    order.tls.identity = mutual->peer == PEER_KNOWN ? &mutual->identity : NULL;
    mutual->step = tls_probe_start(mutual->tools.loop, mutual->tools.handshakes, &order,
                                   &mutual->leaf, on_talked, mutual, &err);
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
    const struct resolve_tools resolve_tools = {tools->loop, tools->lookups, tools->workers};
    const char *name = prove_server_name(cert);
    struct mutual *mutual =
        slot_new(sizeof *mutual, tools->loop, destroy_mutual, on_done, arg, err);

    if (mutual == NULL) {
        identity_free(identity);
        return NULL;
    }
    mutual->tools = *tools;
    mutual->config = config_ref(config);
    mutual->cert = cert;
    mutual->identity = *identity;
    mutual->ret_finding = ret_finding;
    *identity = (struct identity){0};
    snprintf(mutual->request, sizeof mutual->request, "GET / HTTP/1.0\r\nHost: %s\r\n\r\n",
             name == NULL ? "localhost" : name);
    mutual->holds = handshakes_hold(tools->handshakes, err);
    if (mutual->holds)
        mutual->step = resolve_start(&resolve_tools, &cert->prove.tls, peer_most_us,
                                     &mutual->addresses, on_resolved, mutual, err);
    if (mutual->step != NULL)
        return &mutual->slot;
    destroy_mutual(&mutual->slot);
    return NULL;
}
