#include "prove/tls_probe.h"

#include "pki/crypto.h"
#include "pki/served.h"
#include "prove/starttls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { READ_BYTES = 1024 };

static const uint64_t address_least_us = 1000000, parting_us = 200000, listening_us = 500000,
                      asking_us = 2000000;

enum phase { CONNECTING, TALKING, SHAKING, LISTENING, ASKING, PARTING };

struct tls_probe {
    struct slot slot;
    sd_event *loop;
    struct tls_probe_order order;
    size_t next; /* the address to try */
    enum phase phase;
    sd_event_source *io, *limit;
    int fd;
    SSL_CTX *context;
    SSL *ssl;
    struct starttls_talk talk;
    enum starttls_step step;
    struct served_leaf *leaf;
    bool too_long; /* the key of the leaf */
    bool answered; /* as in struct served_leaf, over all addresses */
};

static void hang_up(struct tls_probe *probe)
{
    probe->io = sd_event_source_disable_unref(probe->io);
    SSL_free(probe->ssl);
    probe->ssl = NULL;
    if (probe->fd >= 0)
        close(probe->fd);
    probe->fd = -1;
}

static void destroy_probe(struct slot *slot)
{
    struct tls_probe *probe = (struct tls_probe *)slot;

    hang_up(probe);
    SSL_CTX_free(probe->context);
    sd_event_source_disable_unref(probe->limit);
    slot_close(&probe->slot);
    free(probe);
}

static void finish(struct tls_probe *probe, const struct err *err)
{
    hang_up(probe);
    probe->leaf->answered = probe->answered;
    sd_event_source_set_enabled(probe->limit, SD_EVENT_OFF);
    slot_finish(&probe->slot, err);
}

static void try_next(struct tls_probe *probe, const struct err *why);

static void wait_for(struct tls_probe *probe, uint32_t events)
{
    sd_event_source_set_io_events(probe->io, events);
}

/* -- the handshake --------------------------------------------------------------------------------
 */

static void keep_sent(const struct tls_probe *probe, X509_STORE_CTX *store)
{
    STACK_OF(X509) **ret_sent = probe->order.ret_sent;

    if (ret_sent == NULL)
        return;
    sk_X509_pop_free(*ret_sent, X509_free);
    *ret_sent = X509_chain_up_ref(X509_STORE_CTX_get0_untrusted(store));
}

/* In place of OpenSSL's verification: notes the leaf and lets it pass, unless its key is too long.
 */
static int note_leaf(X509_STORE_CTX *store, void *arg)
{
    struct tls_probe *probe = arg;
    const X509 *certificate = X509_STORE_CTX_get0_cert(store);
    struct certificate_facts facts;
    struct arena arena = {0};
    struct err err;

    probe->too_long = certificate != NULL && !served_key_is_cheap(certificate);
    if (probe->too_long) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED);
        return 0;
    }
    keep_sent(probe, store);
    if (certificate != NULL && certificate_facts_of(certificate, &arena, &facts, &err)) {
        probe->leaf->seen = true;
        probe->leaf->not_after_s = facts.validity.not_after;
        memcpy(probe->leaf->serial, facts.serial, sizeof facts.serial);
        memcpy(probe->leaf->fingerprint, facts.fingerprint, sizeof facts.fingerprint);
    }
    arena_free(&arena);
    return 1;
}

/* The server asks for a certificate; what there is to be shown is in the context. */
static int note_asked(SSL *ssl, void *arg)
{
    struct tls_probe *probe = arg;

    (void)ssl;
    if (probe->order.ret_talk != NULL)
        probe->order.ret_talk->asked = true;
    return 1;
}

static bool take_identity(SSL_CTX *context, const struct identity *identity)
{
    return identity == NULL || (SSL_CTX_use_certificate(context, identity->leaf) == 1 &&
                                SSL_CTX_set1_chain(context, identity->chain) == 1 &&
                                SSL_CTX_use_PrivateKey(context, identity->key) == 1);
}

/* A list is refused as a whole if a provider lacks one of its groups, as FIPS ones lack X25519. */
static bool take_groups(SSL_CTX *context)
{
    return SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384:P-521:X448") == 1 ||
           SSL_CTX_set1_groups_list(context, "P-256:P-384:P-521") == 1;
}

static bool open_context(struct tls_probe *probe, struct err *err)
{
    probe->context = SSL_CTX_new(TLS_client_method());
    if (probe->context == NULL)
        return crypto_failed(err, ERR_LOCAL, "make a TLS context");
    if (SSL_CTX_set_cipher_list(probe->context, "ECDHE:!aNULL:!eNULL") != 1 ||
        !take_groups(probe->context))
        return crypto_failed(err, ERR_LOCAL, "set up key exchange by ECDHE");
    ERR_clear_error();
    if (!take_identity(probe->context, probe->order.identity))
        return crypto_failed(err, ERR_LOCAL, "show the set's own certificate to the consumer");
    SSL_CTX_set_max_cert_list(probe->context, SERVED_MOST_BYTES);
    SSL_CTX_set_verify(probe->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(probe->context, note_leaf, probe);
    SSL_CTX_set_cert_cb(probe->context, note_asked, probe);
    SSL_CTX_set_session_cache_mode(probe->context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(probe->context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    return true;
}

static void shake(struct tls_probe *probe);

static void start_shaking(struct tls_probe *probe)
{
    const struct tls_probe_order *order = &probe->order;
    struct err err;

    probe->phase = SHAKING;
    ERR_clear_error();
    probe->ssl = SSL_new(probe->context);
    if (probe->ssl == NULL || SSL_set_fd(probe->ssl, probe->fd) != 1 ||
        (order->server_name != NULL &&
         SSL_set_tlsext_host_name(probe->ssl, order->server_name) != 1) ||
        (order->signatures != NULL && SSL_set1_sigalgs_list(probe->ssl, order->signatures) != 1)) {
        crypto_failed(&err, ERR_LOCAL, "begin a TLS connection");
        finish(probe, &err);
        return;
    }
    shake(probe);
}

/* Says good-bye and waits a moment for the server's: bytes that we leave unread would reset the
 * connection under its hands.
 */
static void part(struct tls_probe *probe)
{
    probe->phase = PARTING;
    SSL_shutdown(probe->ssl);
    ERR_clear_error();
    shutdown(probe->fd, SHUT_WR);
    wait_for(probe, EPOLLIN);
    sd_event_source_set_time_relative(probe->limit, parting_us);
    sd_event_source_set_enabled(probe->limit, SD_EVENT_ONESHOT);
}

/* -- what is said behind it -----------------------------------------------------------------------
 */

static void conclude(struct tls_probe *probe, enum tls_answer answer)
{
    struct tls_talk *talk = probe->order.ret_talk;

    talk->answer = talk->length > 0 ? TLS_ANSWER_DATA : answer;
    if (probe->ssl == NULL || talk->answer == TLS_ANSWER_REFUSAL || talk->answer == TLS_ANSWER_END)
        finish(probe, NULL);
    else
        part(probe);
}

static void take_refusal(struct tls_probe *probe, unsigned long code)
{
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    struct tls_talk *talk = probe->order.ret_talk;

    if (talk != NULL) {
        snprintf(talk->text, sizeof talk->text, "%s",
                 reason == NULL ? "the connection was closed" : reason);
        talk->answer = TLS_ANSWER_REFUSAL;
    }
    finish(probe, NULL);
}

/* One more part of the answer: its bytes; 0: nothing now; -1: the end, *ret_code tells of an alert.
 */
static ssize_t receive(struct tls_probe *probe, char *to, size_t room, unsigned long *ret_code)
{
    ssize_t got;
    int why;

    *ret_code = 0;
    if (probe->ssl == NULL) {
        got = recv(probe->fd, to, room, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        return got > 0 ? got : -1;
    }
    ERR_clear_error();
    got = SSL_read(probe->ssl, to, (int)room);
    if (got > 0)
        return got;
    why = SSL_get_error(probe->ssl, (int)got);
    if (why == SSL_ERROR_SSL && ERR_GET_REASON(ERR_peek_error()) >= SSL_AD_REASON_OFFSET)
        *ret_code = ERR_peek_error();
    ERR_clear_error();
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static void hear_answer(struct tls_probe *probe)
{
    struct tls_talk *talk = probe->order.ret_talk;
    unsigned long code;
    ssize_t got;

    do {
        size_t room = TLS_ANSWER_BYTES - talk->length;

        if (room == 0) {
            conclude(probe, TLS_ANSWER_DATA);
            return;
        }
        got = receive(probe, talk->text + talk->length, room, &code);
        if (got > 0)
            talk->length += (size_t)got;
    } while (got > 0);
    if (got == 0)
        return;
    if (talk->length == 0 && (code != 0 || probe->phase == LISTENING))
        take_refusal(probe, code);
    else
        conclude(probe, TLS_ANSWER_END);
}

/* Waits for what the server says by itself, if that is wanted: by TLS 1.3 it tells behind the
 * handshake that it misses a certificate.
 */
static void listen_to(struct tls_probe *probe)
{
    if (probe->order.ret_talk == NULL) {
        part(probe);
        return;
    }
    probe->phase = LISTENING;
    wait_for(probe, EPOLLIN);
    sd_event_source_set_time_relative(probe->limit, listening_us);
    hear_answer(probe);
}

static void ask(struct tls_probe *probe)
{
    const struct tls_probe_order *order = &probe->order;

    probe->phase = ASKING;
    wait_for(probe, EPOLLIN);
    sd_event_source_set_time_relative(probe->limit, asking_us);
    sd_event_source_set_enabled(probe->limit, SD_EVENT_ONESHOT);
    ERR_clear_error();
    /* What became of it is heard. */
    if (probe->ssl == NULL)
        (void)!send(probe->fd, order->request, order->request_bytes, MSG_NOSIGNAL);
    else
        SSL_write(probe->ssl, order->request, (int)order->request_bytes);
    ERR_clear_error();
}

/* The time to listen, or for an answer, is over. */
static void end_listening(struct tls_probe *probe)
{
    if (probe->phase == LISTENING && probe->order.request != NULL &&
        probe->order.ret_talk->length == 0)
        ask(probe);
    else
        conclude(probe, TLS_ANSWER_NONE);
}

/* Whether the server gave up on us, after it had signed with its leaf's key. */
static bool hung_up(SSL *ssl, int why, unsigned long code)
{
    int reason = ERR_GET_REASON(code), algorithm;

    /* A signature that does not fit is an error of ours, and none of those below. */
    if (SSL_get_peer_signature_nid(ssl, &algorithm) != 1)
        return false;
    if (why == SSL_ERROR_SYSCALL || why == SSL_ERROR_ZERO_RETURN)
        return true;
    /* Alerts that the server sends are reasons from SSL_AD_REASON_OFFSET on. */
    return why == SSL_ERROR_SSL &&
           (reason >= SSL_AD_REASON_OFFSET || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING);
}

static void describe(int why, unsigned long code, int errnum, struct err *err)
{
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    const char *hint = "";

    if (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER)
        hint = "; is TLS spoken there, or is starttls needed?";
    if (ERR_GET_REASON(code) == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE)
        hint = "; leafd offers key exchange by ECDHE only: does the server?";
    if (why == SSL_ERROR_SYSCALL && errnum != 0)
        err_errno(err, ERR_CONSUMER, errnum, "the TLS handshake failed");
    else
        err_set(err, ERR_CONSUMER, "the TLS handshake failed: %s%s",
                reason == NULL ? "the connection was closed" : reason, hint);
}

static void shake(struct tls_probe *probe)
{
    struct err err;
    int r, why, errnum;
    unsigned long code;

    ERR_clear_error();
    errno = 0;
    r = SSL_connect(probe->ssl);
    errnum = errno;
    why = SSL_get_error(probe->ssl, r);
    code = ERR_peek_error();
    ERR_clear_error();
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        wait_for(probe, why == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT);
    } else if (r == 1 && probe->leaf->seen) {
        listen_to(probe);
    } else if (r != 1 && probe->leaf->seen && hung_up(probe->ssl, why, code)) {
        take_refusal(probe, code);
    } else {
        if (r == 1)
            err_set(&err, ERR_CONSUMER, "the certificate that is served cannot be read");
        else if (probe->too_long)
            err_set(&err, ERR_CONSUMER,
                    "another certificate is served, with an RSA key of more than %d bits or an "
                    "exponent of more than %d, which leafd does not verify",
                    SERVED_MOST_RSA_BITS, SERVED_MOST_EXPONENT_BITS);
        else
            describe(why, code, errnum, &err);
        try_next(probe, &err);
    }
}

/* -- what comes before ----------------------------------------------------------------------------
 */

/* Sends what the talk has to say; false if it is not all gone yet, or the address is given up. */
static bool flush(struct tls_probe *probe)
{
    struct starttls_talk *talk = &probe->talk;
    ssize_t sent = send(probe->fd, talk->out, talk->out_length, MSG_NOSIGNAL);
    struct err err;

    if (sent == (ssize_t)talk->out_length) {
        talk->out_length = 0;
        return true;
    }
    if (sent > 0) {
        talk->out_length -= (size_t)sent;
        memmove(talk->out, talk->out + sent, talk->out_length);
    }
    if (sent >= 0 || errno == EAGAIN || errno == EINTR) {
        wait_for(probe, EPOLLOUT);
        return false;
    }
    err_errno(&err, ERR_CONSUMER, errno, "cannot ask for TLS");
    try_next(probe, &err);
    return false;
}

/* Hears what there is; false if the address is given up. */
static bool hear(struct tls_probe *probe)
{
    unsigned char part[READ_BYTES];
    ssize_t got = recv(probe->fd, part, sizeof part, 0);
    struct err err;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (got > 0) {
        probe->step = starttls_hear(&probe->talk, part, (size_t)got);
        if (probe->step != STARTTLS_FAILED)
            return true;
        err_set(&err, ERR_CONSUMER, "%s", probe->talk.why);
    } else if (got == 0) {
        err_set(&err, ERR_CONSUMER, "the server hung up before TLS began");
    } else {
        err_errno(&err, ERR_CONSUMER, errno, "the connection broke before TLS began");
    }
    try_next(probe, &err);
    return false;
}

/* One step of the talk before TLS. */
static void talk(struct tls_probe *probe, bool readable)
{
    if (readable && probe->step == STARTTLS_WAITS && probe->talk.out_length == 0 && !hear(probe))
        return;
    if (probe->talk.out_length > 0 && !flush(probe))
        return;
    if (probe->step == STARTTLS_READY)
        start_shaking(probe);
    else
        wait_for(probe, EPOLLIN);
}

static void on_connected(struct tls_probe *probe)
{
    socklen_t length = sizeof(int);
    struct err err;
    int errnum = 0;

    getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &errnum, &length);
    if (errnum != 0) {
        err_errno(&err, ERR_CONSUMER, errnum, "cannot connect");
        try_next(probe, &err);
        return;
    }
    probe->answered = true;
    if (probe->order.in_the_clear) {
        ask(probe);
        return;
    }
    probe->phase = TALKING;
    probe->step = starttls_begin(&probe->talk, probe->order.starttls);
    talk(probe, false);
}

/* -- one address after the other ------------------------------------------------------------------
 */

static void drain(struct tls_probe *probe)
{
    unsigned char part[READ_BYTES];
    ssize_t got;

    do
        got = recv(probe->fd, part, sizeof part, 0);
    while (got > 0);
    if (got == 0 || (errno != EAGAIN && errno != EINTR))
        finish(probe, NULL);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    struct tls_probe *probe = arg;

    (void)source;
    (void)fd;
    switch (probe->phase) {
    case CONNECTING:
        on_connected(probe);
        break;
    case TALKING:
        talk(probe, (events & ~(uint32_t)EPOLLOUT) != 0);
        break;
    case SHAKING:
        shake(probe);
        break;
    case LISTENING:
    case ASKING:
        hear_answer(probe);
        break;
    case PARTING:
        drain(probe);
        break;
    }
    return 0;
}

static int on_limit(sd_event_source *source, uint64_t now_us, void *arg)
{
    static const char *const late[] = {
        [CONNECTING] = "no connection comes about in time; is a firewall in between?",
        [TALKING] = "the server does not say in time that TLS may begin",
        [SHAKING] = "the TLS handshake does not end in time",
    };
    struct tls_probe *probe = arg;
    struct err err;

    (void)source;
    (void)now_us;
    if (probe->phase == PARTING) {
        finish(probe, NULL);
        return 0;
    }
    if (probe->phase == LISTENING || probe->phase == ASKING) {
        end_listening(probe);
        return 0;
    }
    err_set(&err, ERR_CONSUMER, "%s", late[probe->phase]);
    try_next(probe, &err);
    return 0;
}

static bool connect_to(struct tls_probe *probe, const struct resolved_address *address,
                       struct err *err)
{
    const struct sockaddr *where = (const struct sockaddr *)&address->address;
    int r;

    probe->phase = CONNECTING;
    probe->fd = socket(where->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe->fd < 0)
        return err_errno(err, ERR_CONSUMER, errno, "cannot make a socket");
    if (connect(probe->fd, where, address->length) != 0 && errno != EINPROGRESS)
        return err_errno(err, ERR_CONSUMER, errno, "cannot connect");
    r = sd_event_add_io(probe->loop, &probe->io, probe->fd, EPOLLOUT, on_io, probe);
    if (r < 0)
        return err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    sd_event_source_set_description(probe->io, "prove");
    return true;
}

/* Goes on with the next address, or ends with why the last one did not do. */
static void try_next(struct tls_probe *probe, const struct err *why)
{
    const struct resolved *addresses = probe->order.addresses;
    uint64_t share_us = probe->order.limit_us / addresses->count;
    struct err err = *why;

    do {
        hang_up(probe);
        *probe->leaf = (struct served_leaf){0};
        if (probe->order.ret_talk != NULL)
            *probe->order.ret_talk = (struct tls_talk){0};
        if (probe->next == addresses->count) {
            finish(probe, &err);
            return;
        }
    } while (!connect_to(probe, &addresses->items[probe->next++], &err));
    sd_event_source_set_time_relative(probe->limit,
                                      share_us < address_least_us ? address_least_us : share_us);
    sd_event_source_set_enabled(probe->limit, SD_EVENT_ONESHOT);
}

struct slot *tls_probe_start(sd_event *loop, const struct tls_probe_order *order,
                             struct served_leaf *ret_leaf, slot_done *on_done, void *arg,
                             struct err *err)
{
    struct tls_probe *probe = calloc(1, sizeof *probe);
    int r;

    if (probe == NULL) {
        err_memory(err);
        return NULL;
    }
    if (!slot_open(&probe->slot, loop, destroy_probe, on_done, arg, err)) {
        free(probe);
        return NULL;
    }
    probe->loop = loop;
    probe->order = *order;
    probe->leaf = ret_leaf;
    probe->fd = -1;
    r = sd_event_add_time_relative(loop, &probe->limit, CLOCK_BOOTTIME, 0, 0, on_limit, probe);
    if (r < 0)
        err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    if (r < 0 || !open_context(probe, err)) {
        destroy_probe(&probe->slot);
        return NULL;
    }
    sd_event_source_set_description(probe->limit, "prove time limit");
    try_next(probe, &(struct err){.kind = ERR_CONSUMER, .text = "there is no address"});
    return &probe->slot;
}
