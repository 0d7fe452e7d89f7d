/*
 * trust_process - reads the user, name, program and PID namespace of a process
 *
 * Any user may give a process any name, and /proc also shows the processes of containers. So a name
 * alone is no evidence: the user of the process and its PID namespace decide. All of it is read
 * from /proc: proc(5). A caller that acts on the result opens a pidfd before reading, so that a
 * reused pid does no harm.
 */
#ifndef LEAFD_BASE_TRUST_PROCESS_H
#define LEAFD_BASE_TRUST_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { PROCESS_NAME_MOST_BYTES = 15 /* TASK_COMM_LEN without its end */ };

struct trust_process {
    pid_t pid, parent;
    /*
     * The real uid: the user who started it, also for a set-user-id program. This user may signal
     * the process without leafd's help: kill(2).
     */
    uid_t user;
    gid_t group; /* the real one as well */
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
 * trust_process_is_in_our_namespace - whether the process is of our PID namespace
 *
 * Compares /proc/PID/ns/pid if both can be read, which needs the right to ptrace; else the nesting
 * depth (NSpid), where ours is the outermost that this /proc shows. True if the kernel shows
 * neither: then it has no PID namespaces.
 */
bool trust_process_is_in_our_namespace(pid_t pid);

/* How the name of a process relates to its program. */
enum trust_program {
    TRUST_PROGRAM_UNKNOWN, /* /proc/PID/exe cannot be read */
    TRUST_PROGRAM_NAMED,   /* as the process is */
    TRUST_PROGRAM_OTHER    /* otherwise: an interpreter, or a process that renamed itself */
};

/* trust_process_program - compares the name of the process with the name of what it executes */
enum trust_program trust_process_program(const struct trust_process *process);

#endif
