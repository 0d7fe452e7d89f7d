/*
 * trust_process - who a process is: its user, its name, its program, its PID namespace
 *
 * Anybody may give a process any name, and a /proc shows those of containers as well. So a name
 * alone says nothing: whose process it is decides, and whether our pids are its pids. All of it is
 * read from /proc: proc(5). Who wants to act on what was read holds the process by a pidfd that was
 * opened before, so that a pid which the kernel gives to somebody else in between does no harm.
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
     * The real uid: who started it, also where its program is set-user-id root. It is the user who
     * may signal the process without leafd's help: kill(2).
     */
    uid_t user;
    gid_t group; /* the real one as well */
    char name[32];
    uint64_t started_ticks; /* since boot, in clock ticks */
};

/*
 * trust_process_read - looks at a process
 *
 * False if there is none, if it cannot be seen (hidepid), or if it has ended and its parent has not
 * fetched it: that one can be signalled still, and to no effect.
 */
bool trust_process_read(pid_t pid, struct trust_process *ret_process);

/*
 * trust_process_is_in_our_namespace - whether the process is of our PID namespace
 *
 * By /proc/PID/ns/pid where both can be read, which takes the right to ptrace; else by how deep it
 * is nested (NSpid), where ours is the outermost that this /proc shows. True where the kernel tells
 * neither: it knows no PID namespaces.
 */
bool trust_process_is_in_our_namespace(pid_t pid);

/* How the program that a process runs is called. */
enum trust_program {
    TRUST_PROGRAM_UNKNOWN, /* /proc/PID/exe cannot be read */
    TRUST_PROGRAM_NAMED,   /* as the process is */
    TRUST_PROGRAM_OTHER    /* otherwise: an interpreter, or a process that renamed itself */
};

/* trust_process_program - compares the name of the process with the name of what it executes */
enum trust_program trust_process_program(const struct trust_process *process);

#endif
