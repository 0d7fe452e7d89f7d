/*
 * keeper - a process between leafd and a command, so that what the command started ends with it
 *
 * What leaves the command's process group or session (setsid, daemons) has one tie left, its
 * parents, and loses that when they end. The keeper is the nearest reaper for all of them
 * (PR_SET_CHILD_SUBREAPER): what loses its parent becomes its child, and nothing else does. So it
 * ends what the command started and nothing that somebody else did, however many commands run at
 * once and whatever else is leafd's child. It is this program, executed anew under another name: it
 * shares no memory with leafd, and has its capabilities no more than the command.
 */
#ifndef LEAFD_BASE_KEEPER_H
#define LEAFD_BASE_KEEPER_H

#include <stdbool.h>
#include <sys/types.h>

#define KEEPER_PROGRAM "/proc/self/exe" /* what to execute */
#define KEEPER_NAME    "leafd-keeper"   /* as argv[0] */

/* As argv[1], before the argv of the command: what becomes of what it left behind. */
#define KEEPER_ENDS_ALL        "end-all"
#define KEEPER_LEAVES_SERVICES "leave-services" /* it stays if the command exited with status 0 */

enum {
    KEEPER_REPORT_FD = 3,   /* where it writes its report */
    KEEPER_PROGRAM_FD = 4,  /* the command's program, if it is not to be run by its path */
    KEEPER_KILL_AFTER_S = 2 /* between SIGTERM and SIGKILL */
};

/* How the command ended. */
struct keeper_report {
    int errnum;       /* why it could not be started; 0: it was */
    int code, status; /* si_code and si_status of its end: waitid(2) */
};

/*
 * keeper_is_wanted - whether this process was executed to be a keeper
 *
 * For the first line of main, before anything is set up.
 */
bool keeper_is_wanted(int argc, char *const *argv);

/*
 * keeper_run - runs the command of argv[2...] and stays until it and all that it started has ended
 *
 * Whoever executes it blocks SIGTERM and SIGINT before, or one that comes early ends it: at SIGTERM
 * the command's process group gets the same and two seconds for it, at SIGINT none. Writes its
 * report as the last thing. Returns the exit code for main.
 */
int keeper_run(char *const *argv);

#endif
