#include "install/foreign.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "install/cert_state.h"
#include "install/publish.h"
#include "install/set_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static bool tells_something(const char *name)
{
    return strcmp(name, publish_data_name) == 0 || strcmp(name, cert_state_name) == 0 ||
           strcmp(name, revoked_mark_name) == 0 || generation_is_name(name);
}

static bool is_foreign(struct trust *trust, int set_fd, const char *name, struct err *ret_what)
{
    CLEANUP(close_fd) int fd = openat(set_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        shortage_note(errno);
    return fd >= 0 && !trust_check_fd(trust, fd, name, ret_what) && ret_what->errnum == EPERM;
}

static void remove_one(int set_fd, const char *name)
{
    struct err err;

    if (strcmp(name, publish_data_name) == 0)
        return;
    if (generation_is_name(name))
        generation_remove(set_fd, name);
    (void)file_make_way(set_fd, name, &err);
}

static bool find(int set_fd, bool remove, struct err *ret_what)
{
    CLEANUP(close_directory) DIR *entries = file_list_at(set_fd, ".");
    struct trust trust = set_file_trust(set_fd);
    const struct dirent *entry;
    bool found = false;

    if (entries == NULL) {
        shortage_note(errno);
        return false;
    }
    while ((entry = readdir(entries)) != NULL) {
        struct err what;

        if (!tells_something(entry->d_name) || !is_foreign(&trust, set_fd, entry->d_name, &what))
            continue;
        /* ..data is the one to report: it decides which certificate is published. */
        if (!found || strcmp(entry->d_name, publish_data_name) == 0)
            *ret_what = what;
        found = true;
        if (remove)
            remove_one(set_fd, entry->d_name);
    }
    return found;
}

bool foreign_find(int set_fd, struct err *ret_what)
{
    return find(set_fd, false, ret_what);
}

bool foreign_remove(int set_fd, struct err *ret_what)
{
    return find(set_fd, true, ret_what);
}
