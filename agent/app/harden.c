#include "app/harden.h"

#include "base/environment.h"
#include "base/event.h"
#include "base/hide.h"
#include "base/secret.h"
#include "install/set_claim.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SECURE_BYTES_APART = 128 * 1024, /* tokens, JWTs, passwords, a keystore being encrypted */
    SECURE_HEAP_LEAST_BYTES = 256 * 1024,
    SECURE_HEAP_MOST_BYTES = 16 * 1024 * 1024,
    KEYS_PER_TURN =
        4, /* four times as many certificates as requests in flight hold a key: see ca.c */
    KEYS_BEING_WORKED =
        32, /* on the workers' threads: generated, encoded, read back, used in a proof */
    /* Enough for concurrent connections, proofs, commands and workers' files. Not more, since
     * commands inherit the limit, and a consumer may use select(2). */
    FILES_WANTED = 512
};

/* Bytes of a key as libcrypto's bignums and as PEM, each allocation rounded up to a power of two.
 */
static const size_t bytes_of_key[KEY_TYPE_COUNT] = {
    [KEY_ECDSA_P256] = 2 * 1024, [KEY_ECDSA_P384] = 2 * 1024, [KEY_ECDSA_P521] = 2 * 1024,
    [KEY_ED25519] = 2 * 1024,    [KEY_RSA_2048] = 6 * 1024,   [KEY_RSA_3072] = 10 * 1024,
    [KEY_RSA_4096] = 12 * 1024,
};

/* The signals that the event loop reads from a signalfd. */
static void mask_signals(int how)
{
    sigset_t ours;

    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGHUP);
    sigaddset(&ours, SIGCHLD);
    sigprocmask(how, &ours, NULL);
}

/* If one of the descriptors 0 to 2 is closed, the next open(2) gets its number, and output would go
 * to that file. */
static void open_standard_files(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        /* cppcheck-suppress leakReturnValNotUsed ; it stays open */
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) < 0)
            _exit(1);
}

/* Only the soft limit: every command, and every process that a command starts, would inherit the
 * hard one. */
static void leave_no_core(void)
{
    struct rlimit limit;

    prctl(PR_SET_DUMPABLE, 0);
    if (getrlimit(RLIMIT_CORE, &limit) == 0) {
        limit.rlim_cur = 0;
        setrlimit(RLIMIT_CORE, &limit);
    }
}

/*
 * Raises the soft limit of open files, up to the hard one, but not above FILES_WANTED. An idle set
 * needs none.
 */
static void allow_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_cur < FILES_WANTED && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = FILES_WANTED < limit.rlim_max ? FILES_WANTED : limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur < SET_FILES_LEFT)
        event_emit(&(struct event){.kind = EVENT_ADVICE},
                   "only %llu files may be open at once, and leafd may need %d; raise LimitNOFILE= "
                   "of the unit, ulimit -n or the container's nofile; until then operations that "
                   "find no free descriptor are retried later",
                   (unsigned long long)limit.rlim_cur, SET_FILES_LEFT);
}

/*
 * Room for the keys in flight: a key is in memory from its generation until its set is staged; an
 * idle certificate has none. An allocation that finds no room is retried later. OpenSSL requires a
 * power of two.
 */
static size_t secure_heap_bytes(const struct config *config)
{
    size_t keys = KEYS_PER_TURN * (size_t)config->agent.max_in_flight + KEYS_BEING_WORKED;
    size_t longest = 0, bytes = SECURE_HEAP_LEAST_BYTES;

    for (size_t i = 0; i < config->cert_count; i++) {
        size_t its = bytes_of_key[config->certs[i].request.key_type];

        longest = its > longest ? its : longest;
    }
    while (bytes < SECURE_HEAP_MOST_BYTES && bytes < SECURE_BYTES_APART + keys * longest)
        bytes *= 2;
    return bytes;
}

void harden_begin(void)
{
    umask(077);
    mask_signals(SIG_BLOCK);
    leave_no_core();
    environment_narrow();
    open_standard_files();
}

void harden_relax(void)
{
    environment_forget_token();
    mask_signals(SIG_UNBLOCK);
}

bool harden_enter(const struct config *config, struct err *err)
{
    bool locked = false;

    mask_signals(SIG_BLOCK);
    signal(SIGPIPE, SIG_IGN);
    allow_files();
    hide_make_room(config->cert_count);
    if (!secret_heap_open(secure_heap_bytes(config), &locked, err) || !environment_take_token(err))
        return false;
    if (!locked)
        event_emit(&(struct event){.kind = EVENT_ADVICE},
                   "keys and tokens may reach swap: the memory lock limit is too low; raise "
                   "LimitMEMLOCK= or ulimit -l");
    return true;
}
