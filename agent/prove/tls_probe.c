#include "prove/tls_probe.h"

#include "base/clock.h"
#include "prove/starttls.h"

#include <openssl/err.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { READ_BYTES = 1024 };

static const uint64_t address_least_us = 1000000, parting_us = 200000, listening_us = 500000,
                      asking_us = 2000000;

enum phase { WAITING, CONNECTING, TALKING, SHAKING, LISTENING, ASKING, PARTING };

struct tls_probe {
    struct slot slot;
    sd_event *loop;
    struct handshakes *handshakes;
    struct permit permit;
    uint64_t asked_us; /* when the permit was requested, on the boot clock */
    struct tls_probe_order order;
    size_t next; /* index of the next address */
    enum phase phase;
    sd_event_source *io, *limit;
    int fd;
    struct handshake handshake;
    struct starttls_talk talk;
    enum starttls_step step;
    struct served_leaf *leaf;
    bool answered; /* as in struct served_leaf, over all addresses */
};

static void hang_up(struct tls_probe *probe)
{
    probe->io = sd_event_source_disable_unref(probe->io);
    handshake_end(&probe->handshake);
    if (probe->fd >= 0)
        close(probe->fd);
    probe->fd = -1;
}

static void destroy_probe(struct slot *slot)
{
    struct tls_probe *probe = (struct tls_probe *)slot;

    hang_up(probe);
    semaphore_release(&probe->handshakes->permits, &probe->permit);
    sd_event_source_disable_unref(probe->limit);
    slot_free(slot);
}

static void finish(struct tls_probe *probe, const struct err *err)
{
    *probe->leaf = probe->handshake.leaf;
    probe->leaf->answered = probe->answered;
    if (probe->order.ret_talk != NULL)
        probe->order.ret_talk->asked = probe->handshake.asked;
    if (probe->order.ret_evidence != NULL && probe->next > 0)
        evidence_note(probe->order.ret_evidence, &probe->order.addresses->items[probe->next - 1],
                      probe->handshake.ssl);
    hang_up(probe);
    semaphore_release(&probe->handshakes->permits, &probe->permit);
    sd_event_source_set_enabled(probe->limit, SD_EVENT_OFF);
    slot_finish(&probe->slot, err);
}

static void try_next(struct tls_probe *probe, const struct err *why);

static void wait_for(struct tls_probe *probe, uint32_t events)
{
    sd_event_source_set_io_events(probe->io, events);
}

/* -- parting --------------------------------------------------------------------------------------
 */

/* Sends close_notify and waits a moment for the server's: closing a socket with unread bytes would
 * reset the connection. */
static void part(struct tls_probe *probe)
{
    probe->phase = PARTING;
    handshake_part(&probe->handshake);
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
    if (probe->handshake.ssl == NULL || talk->answer == TLS_ANSWER_REFUSAL ||
        talk->answer == TLS_ANSWER_END)
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

/* Reads a part of the answer: the number of bytes; 0: none now; -1: the end, and *ret_code has the
 * alert. */
static ssize_t receive(struct tls_probe *probe, char *to, size_t room, unsigned long *ret_code)
{
    ssize_t got;

    *ret_code = 0;
    if (probe->handshake.ssl != NULL)
        return handshake_read(&probe->handshake, to, room, ret_code);
    got = recv(probe->fd, to, room, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return got > 0 ? got : -1;
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

/* Waits for data of the server if the order asks for it: with TLS 1.3 a server refuses a missing
 * certificate only after the handshake. */
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
    /* A failed write shows when the answer is read. */
    if (probe->handshake.ssl == NULL)
        (void)!send(probe->fd, order->request, order->request_bytes, MSG_NOSIGNAL);
    else
        handshake_write(&probe->handshake, order->request, order->request_bytes);
}

/* Called when the time to listen, or to wait for an answer, is over. */
static void end_listening(struct tls_probe *probe)
{
    if (probe->phase == LISTENING && probe->order.request != NULL &&
        probe->order.ret_talk->length == 0)
        ask(probe);
    else
        conclude(probe, TLS_ANSWER_NONE);
}

/* -- the handshake --------------------------------------------------------------------------------
 */

static void shake(struct tls_probe *probe)
{
    struct err err;
    unsigned long alert;

    switch (handshake_go_on(&probe->handshake, &alert, &err)) {
    case HANDSHAKE_READS:
        wait_for(probe, EPOLLIN);
        break;
    case HANDSHAKE_WRITES:
        wait_for(probe, EPOLLOUT);
        break;
    case HANDSHAKE_DONE:
        listen_to(probe);
        break;
    case HANDSHAKE_REFUSED:
        take_refusal(probe, alert);
        break;
    case HANDSHAKE_FAILED:
        try_next(probe, &err);
        break;
    }
}

static void start_shaking(struct tls_probe *probe)
{
    struct err err;

    probe->phase = SHAKING;
    if (handshake_begin(&probe->handshake, probe->handshakes, &probe->order.tls, probe->fd, &err))
        shake(probe);
    else
        finish(probe, &err);
}

/* -- what comes before ----------------------------------------------------------------------------
 */

/* Sends the dialogue's output; false if some of it is left, or the address is given up. */
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

/* Reads the available input; false if the address is given up. */
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
        err_set(&err, ERR_CONSUMER, "the server closed the connection before TLS began");
    } else {
        err_errno(&err, ERR_CONSUMER, errno, "the connection broke before TLS began");
    }
    try_next(probe, &err);
    return false;
}

/* One step of the dialogue before TLS. */
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
    case WAITING:
        break;
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
        [WAITING] = "there is no address",
        [CONNECTING] = "no connection within the time limit; check for a firewall in between",
        [TALKING] = "the server did not answer STARTTLS within the time limit",
        [SHAKING] = "the TLS handshake did not end within the time limit",
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

/* Tries the next address, or ends with the failure of the last one. */
static void try_next(struct tls_probe *probe, const struct err *why)
{
    const struct resolved *addresses = probe->order.addresses;
    uint64_t share_us = probe->order.limit_us / addresses->count;
    struct err err = *why;

    do {
        hang_up(probe);
        probe->handshake = (struct handshake){0};
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

/* Connects in the next iteration of the loop: no connection starts while a caller drops its slots.
 */
static void on_permitted(void *arg)
{
    struct tls_probe *probe = arg;

    if (probe->order.waited_us != NULL)
        *probe->order.waited_us += clock_boot_us() - probe->asked_us;
    sd_event_source_set_time_relative(probe->limit, 0);
    sd_event_source_set_enabled(probe->limit, SD_EVENT_ONESHOT);
}

struct slot *tls_probe_start(sd_event *loop, struct handshakes *handshakes,
                             const struct tls_probe_order *order, struct served_leaf *ret_leaf,
                             slot_done *on_done, void *arg, struct err *err)
{
    struct tls_probe *probe = slot_new(sizeof *probe, loop, destroy_probe, on_done, arg, err);
    int r;

    if (probe == NULL)
        return NULL;
    probe->loop = loop;
    probe->handshakes = handshakes;
    probe->order = *order;
    probe->leaf = ret_leaf;
    probe->fd = -1;
    probe->asked_us = clock_boot_us();
    r = sd_event_add_time_relative(loop, &probe->limit, CLOCK_BOOTTIME, 0, 1, on_limit, probe);
    if (r < 0)
        err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    if (r >= 0) {
        sd_event_source_set_enabled(probe->limit, SD_EVENT_OFF);
        sd_event_source_set_description(probe->limit, "prove time limit");
        if (semaphore_acquire(&handshakes->permits, order->group, on_permitted, probe,
                              &probe->permit, err))
            return &probe->slot;
    }
    destroy_probe(&probe->slot);
    return NULL;
}
