/*
 * keeper - a process between leafd and a command that ends all processes of the command
 *
 * Only its parents connect a process that left the command's process group or session (setsid,
 * daemons) to the command, until they end. The keeper is the subreaper of all of them
 * (PR_SET_CHILD_SUBREAPER): orphans of the command become its children, and no other processes do.
 * So it kills the processes of its own command and no others, however many commands and other
 * children leafd has. It is this program, executed again under another name: it shares no memory
 * with leafd, and has no more capabilities than the command.
 */
#ifndef LEAFD_BASE_KEEPER_H
#define LEAFD_BASE_KEEPER_H

#include <stdbool.h>
#include <sys/types.h>

#define KEEPER_PROGRAM "/proc/self/exe" /* what to execute */
#define KEEPER_NAME    "leafd-keeper"   /* as argv[0] */

/* As argv[1], before the argv of the command: what to do with processes that the command leaves. */
#define KEEPER_ENDS_ALL "end-all"
#define KEEPER_LEAVES_SERVICES                                                                     \
    "leave-services" /* as end-all, but services stay if the command exited with status 0 */

enum {
    KEEPER_REPORT_FD = 3,   /* where it writes its report */
    KEEPER_PROGRAM_FD = 4,  /* program of the command, if it is not to be run by its path */
    KEEPER_KILL_AFTER_S = 2 /* between SIGTERM and SIGKILL */
};

/* How the command ended. */
struct keeper_report {
    int errnum;       /* why it could not be started; 0: it was */
    int code, status; /* si_code and si_status of its end: waitid(2) */
};

/*
 * keeper_is_wanted - whether this process was executed as a keeper
 *
 * Call it first in main, before any set-up.
 */
bool keeper_is_wanted(int argc, char *const *argv);

/*
 * keeper_run - runs the command of argv[2...] until it and all its processes have ended
 *
 * The caller blocks SIGTERM and SIGINT before executing it, since an early signal would kill it. On
 * SIGTERM the command's process group gets SIGTERM and two seconds later SIGKILL, on SIGINT SIGKILL
 * at once. Writes its report last. Returns the exit code for main.
 */
int keeper_run(char *const *argv);

#endif
