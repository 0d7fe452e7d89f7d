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
    SECURE_HEAP_LEAST_BYTES = 256 * 1024,
    SECURE_HEAP_MOST_BYTES = 16 * 1024 * 1024,
    SECURE_BYTES_PER_CERT =
        512,            /* a P-256 key as PEM, with room: for those that wait for notBefore */
    FILES_WANTED = 1024 /* what works at once: connections, proofs, commands, workers' files */
};

/* The signals that the event loop takes from a descriptor; sigprocmask(2) takes any set. */
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

/* A file that is opened while one of them is closed becomes it, and gets what is printed. */
static void open_standard_files(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        /* cppcheck-suppress leakReturnValNotUsed ; it stays open */
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) < 0)
            _exit(1);
}

/* Only the soft limit: the hard one would go to every command, and to what a command starts. */
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
 * Raises the soft limit of open files, up to the hard one. No further than is of use, since
 * commands inherit it and a consumer may use select(2). A set at rest takes none.
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
                   "of the unit, ulimit -n or the container's nofile; until then what finds none "
                   "free is tried again later",
                   (unsigned long long)limit.rlim_cur, SET_FILES_LEFT);
}

/* OpenSSL wants a power of two. */
static size_t secure_heap_bytes(size_t certs)
{
    size_t bytes = SECURE_HEAP_LEAST_BYTES;

    while (bytes < SECURE_HEAP_MOST_BYTES && bytes < certs * SECURE_BYTES_PER_CERT)
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

bool harden_enter(size_t certs, struct err *err)
{
    bool locked = false;

    mask_signals(SIG_BLOCK);
    signal(SIGPIPE, SIG_IGN);
    allow_files();
    hide_make_room(certs);
    if (!secret_heap_open(secure_heap_bytes(certs), &locked, err) || !environment_take_token(err))
        return false;
    if (!locked)
        event_emit(&(struct event){.kind = EVENT_ADVICE},
                   "keys and tokens may reach swap: the memory lock limit is too low; raise "
                   "LimitMEMLOCK= or ulimit -l");
    return true;
}
