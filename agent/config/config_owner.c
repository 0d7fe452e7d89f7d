#include "config/config_owner.h"

#include "base/text.h"
#include "config/config_values.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_LEAST_BYTES = 4096, ROOM_MOST_BYTES = 4 << 20 };

/* Gets a user's or a group's number; returns an errno, ENOENT if there is none of that name. */
typedef int name_service(const char *name, char *room, size_t room_bytes, int64_t *ret_number);

static int user_number(const char *name, char *room, size_t room_bytes, int64_t *ret_number)
{
    struct passwd entry, *found = NULL;
    int r = getpwnam_r(name, &entry, room, room_bytes, &found);

    if (found == NULL)
        return r == 0 ? ENOENT : r;
    *ret_number = found->pw_uid;
    return 0;
}

static int group_number(const char *name, char *room, size_t room_bytes, int64_t *ret_number)
{
    struct group entry, *found = NULL;
    int r = getgrnam_r(name, &entry, room, room_bytes, &found);

    if (found == NULL)
        return r == 0 ? ENOENT : r;
    *ret_number = found->gr_gid;
    return 0;
}

static int look_up_within(name_service *service, const char *name, size_t room_bytes,
                          int64_t *ret_number)
{
    char *room = malloc(room_bytes);
    int r = room == NULL ? ENOMEM : service(name, room, room_bytes, ret_number);

    free(room);
    return r;
}

/* A group's members stand in the room as well, all of them. */
static int look_up(name_service *service, const char *name, int64_t *ret_number)
{
    int r = ERANGE;

    for (size_t bytes = ROOM_LEAST_BYTES; r == ERANGE && bytes <= ROOM_MOST_BYTES; bytes *= 2)
        r = look_up_within(service, name, bytes, ret_number);
    return r;
}

static const char *number_of(struct config_scope *scope, name_service *service, const char *what,
                             const char *name, int64_t *ret_number)
{
    const char *why;
    uint64_t number;
    int r;

    if (text_number(name, UINT32_MAX - 1, &number)) {
        *ret_number = (int64_t)number;
        return NULL;
    }
    r = look_up(service, name, ret_number);
    if (r == 0)
        return NULL;
    /* All four mean that there is none of that name: getpwnam(3). */
    if (r == ENOENT || r == ESRCH || r == EBADF || r == EPERM)
        why = arena_format(scope->arena, "names %s that this machine does not know", what);
    else
        why = arena_format(scope->arena,
                           "names %s that cannot be looked up now: %s; a number needs no looking "
                           "up",
                           what, strerrordesc_np(r));
    return why == NULL ? config_no_memory : why;
}

const char *config_owner(struct config_scope *scope, const char *name, int64_t *ret_owner)
{
    return number_of(scope, user_number, "an owner", name, ret_owner);
}

const char *config_user(struct config_scope *scope, const char *name, int64_t *ret_user)
{
    return number_of(scope, user_number, "a user", name, ret_user);
}

const char *config_group(struct config_scope *scope, const char *name, int64_t *ret_group)
{
    return number_of(scope, group_number, "a group", name, ret_group);
}
