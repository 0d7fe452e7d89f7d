/*
 * trust_process - reads the user, name, program and PID namespace of a process
 *
 * A user can give a process any name, and /proc also shows the processes of containers. So a name
 * alone proves nothing: the user and the PID namespace of the process decide. Everything is read
 * from /proc: proc(5). A caller that acts on the result opens a pidfd first, so that a reused pid
 * does no harm.
 */
#ifndef LEAFD_BASE_TRUST_PROCESS_H
#define LEAFD_BASE_TRUST_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { PROCESS_NAME_MOST_BYTES = 15 /* TASK_COMM_LEN without the NUL */ };

struct trust_process {
    pid_t pid, parent;
    /*
     * The real uid: the user who started it, also for a set-user-id program. This user may signal
     * the process even without leafd: kill(2).
     */
    uid_t user;
    gid_t group; /* the real gid */
    char name[32];
    uint64_t started_ticks; /* since boot, in clock ticks */
};

/*
 * trust_process_read - reads the facts of a process
 *
 * False if it does not exist, is hidden (hidepid), or is a zombie: a signal to a zombie has no
 * effect.
 */
bool trust_process_read(pid_t pid, struct trust_process *ret_process);

/*
 * trust_process_is_in_our_namespace - whether the process is in our PID namespace
 *
 * Compares /proc/PID/ns/pid if both are readable, which needs the permission to ptrace; else the
 * nesting depth (NSpid), since our namespace is the outermost one that this /proc shows. True if
 * the kernel shows neither: then it has no PID namespaces.
 */
bool trust_process_is_in_our_namespace(pid_t pid);

/* Whether a process has the name of its program. */
enum trust_program {
    TRUST_PROGRAM_UNKNOWN, /* /proc/PID/exe cannot be read */
    TRUST_PROGRAM_NAMED,   /* it has */
    TRUST_PROGRAM_OTHER    /* it has not: an interpreter, or a process that renamed itself */
};

/* trust_process_program - compares the name of the process with the file name of its program */
enum trust_program trust_process_program(const struct trust_process *process);

#endif
