/*
 * name_service - groups of a large house, for one process
 *
 * A library to preload. The group "crowd" has so many members that they fill 200 kB; the server
 * that knows the group "away" does not answer; the one that knows "hung" hangs for as long as the
 * file is there that $HUNG names; all others are the machine's own.
 */
#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CROWD_BYTES = 200 * 1024, CROWD_NUMBER = 4242, LOOK_EVERY_US = 10000 };

typedef int lookup(const char *, struct group *, char *, size_t, struct group **);

static char hung[PATH_MAX];

/* leafd takes variables away. */
__attribute__((constructor)) static void remember(void)
{
    const char *path = getenv("HUNG");

    snprintf(hung, sizeof hung, "%s", path == NULL ? "" : path);
}

int getgrnam_r(const char *name, struct group *entry, char *room, size_t room_bytes,
               struct group **found)
{
    static char crowd[] = "crowd", secret[] = "x", *members[] = {NULL};
    lookup *next;

    if (strcmp(name, "away") == 0) {
        *found = NULL;
        return EIO;
    }
    while (strcmp(name, "hung") == 0 && access(hung, F_OK) == 0)
        usleep(LOOK_EVERY_US);
    if (strcmp(name, "crowd") == 0 || strcmp(name, "hung") == 0) {
        *found = room_bytes < CROWD_BYTES ? NULL : entry;
        *entry = (struct group){
            .gr_name = crowd, .gr_passwd = secret, .gr_gid = CROWD_NUMBER, .gr_mem = members};
        return *found == NULL ? ERANGE : 0;
    }
    *(void **)&next = dlsym(RTLD_NEXT, "getgrnam_r");
    return next(name, entry, room, room_bytes, found);
}
