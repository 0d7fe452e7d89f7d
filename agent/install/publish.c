#include "install/publish.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "base/trust.h"
#include "install/set_directory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

const char publish_data_name[] = "..data";
static const char data_new[] = "..data_tmp";
static const char below_data[] = "..data/";
static const char link_new_suffix[] = ".leafd-new";

enum what_is_there { NOTHING, OUR_LINK, OTHER_LINK, NO_LINK };

/* What kind of entry has the name; the target of a link is written to `target`. */
static enum what_is_there look(int dir_fd, const char *name, char target[static PATH_MAX])
{
    ssize_t length = readlinkat(dir_fd, name, target, PATH_MAX - 1);

    target[length < 0 ? 0 : length] = '\0';
    if (length < 0) {
        shortage_note(errno);
        return errno == ENOENT ? NOTHING : NO_LINK;
    }
    return text_starts(target, below_data) != NULL ? OUR_LINK : OTHER_LINK;
}

bool publish_current(int set_fd, char ret_name[static GENERATION_NAME_BYTES], struct err *err)
{
    char target[PATH_MAX];

    if (!set_file_read_link(set_fd, publish_data_name, target, err))
        return err->errnum == ENOENT ? err_set(err, ERR_LOCAL, "nothing is published yet") : false;
    if (!generation_is_name(target))
        return err_set(err, ERR_LOCAL, "%s does not lead to a generation", publish_data_name);
    memcpy(ret_name, target, strlen(target) + 1);
    return true;
}

bool publish_may_be(int set_fd, const char *generation)
{
    char target[PATH_MAX];

    switch (look(set_fd, publish_data_name, target)) {
    case NOTHING:
        return false;
    case OTHER_LINK:
        return strcmp(target, generation) == 0;
    case OUR_LINK:
    case NO_LINK:
        break;
    }
    return true;
}

void publish_leave_only(int set_fd)
{
    char current[GENERATION_NAME_BYTES] = "";
    struct err err;

    if (publish_current(set_fd, current, &err) || !publish_may_be(set_fd, ""))
        generation_sweep(set_fd, current, "", "");
}

/* Some file systems do not support flags: rename(2), EINVAL. */
static bool rename_with(int dir_fd, const char *fresh, const char *name, unsigned flags)
{
    return renameat2(dir_fd, fresh, dir_fd, name, flags) == 0 ||
           (flags != 0 && (errno == EINVAL || errno == ENOSYS) &&
            renameat(dir_fd, fresh, dir_fd, name) == 0);
}

static bool replace_link(int dir_fd, const char *name, const char *fresh, const char *target,
                         unsigned flags, struct err *err)
{
    /* A crash may have left a link of that name. Kubernetes' AtomicWriter fails on it for ever. */
    if (!file_make_way(dir_fd, fresh, err))
        return false;
    if (symlinkat(target, dir_fd, fresh) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot make the link %s", fresh);
    if (rename_with(dir_fd, fresh, name, flags))
        return true;
    err_errno(err, ERR_LOCAL, errno, "cannot rename %s to %s", fresh, name);
    unlinkat(dir_fd, fresh, 0);
    return false;
}

/* -- names inside the set's directory -------------------------------------------------------------
 */

static bool check_name(int set_fd, const char *directory, const char *name,
                       char ret_target[static PATH_MAX], struct err *err)
{
    enum what_is_there there = look(set_fd, name, ret_target);

    if (there == NOTHING || there == OUR_LINK)
        return true;
    return err_set(err, ERR_LOCAL,
                   "%s/%s was not made by leafd and is not replaced; move it away, or name another "
                   "file or directory",
                   directory, name);
}

static void target_of(const char *name, char to[static PATH_MAX])
{
    snprintf(to, PATH_MAX, "%s%s", below_data, name);
}

/* Checks every name before the first is made. *ret_missing: at least one must be made. */
static bool check_names(int set_fd, const struct cert_config *cert, bool *ret_missing,
                        struct err *err)
{
    char target[PATH_MAX], wanted[PATH_MAX];
    struct stat about;

    *ret_missing = false;
    for (size_t i = 0; i < cert->outputs.count; i++) {
        const char *name = cert->outputs.items[i].name;

        if (!check_name(set_fd, cert->directory, name, target, err))
            return false;
        target_of(name, wanted);
        *ret_missing = *ret_missing || strcmp(target, wanted) != 0;
    }
    if (fstatat(set_fd, publish_data_name, &about, AT_SYMLINK_NOFOLLOW) == 0 &&
        !S_ISLNK(about.st_mode))
        return err_set(err, ERR_LOCAL, "%s/%s is not a symbolic link; move it away",
                       cert->directory, publish_data_name);
    return true;
}

bool publish_check(int set_fd, const struct cert_config *cert, struct err *err)
{
    bool missing;

    return check_names(set_fd, cert, &missing, err);
}

static bool make_name(int set_fd, const char *directory, const char *name, bool *ret_made,
                      struct err *err)
{
    char target[PATH_MAX], wanted[PATH_MAX], fresh[NAME_MAX + 1];

    if (!check_name(set_fd, directory, name, target, err))
        return false;
    target_of(name, wanted);
    if (strcmp(target, wanted) == 0)
        return true;
    snprintf(fresh, sizeof fresh, "%.200s%s", name, link_new_suffix);
    *ret_made = true;
    return replace_link(set_fd, name, fresh, wanted, 0, err);
}

static bool is_output(const struct cert_config *cert, const char *name)
{
    for (size_t i = 0; i < cert->outputs.count; i++)
        if (strcmp(cert->outputs.items[i].name, name) == 0)
            return true;
    return false;
}

/* Removes visible names that lead into ..data and belong to no file line any more. */
static void remove_stale_names(int set_fd, const struct cert_config *cert, bool *ret_changed)
{
    CLEANUP(close_directory) DIR *entries = file_list_at(set_fd, ".");
    const struct dirent *entry;
    char target[PATH_MAX];

    if (entries == NULL)
        return;
    while ((entry = readdir(entries)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && text_starts(entry->d_name, "..") == NULL &&
            !is_output(cert, entry->d_name) && look(set_fd, entry->d_name, target) == OUR_LINK) {
            unlinkat(set_fd, entry->d_name, 0);
            *ret_changed = true;
        }
    }
}

/* -- links outside the set ------------------------------------------------------------------------
 */

/* Whether the link exists already (*ret_made), or may be made or replaced. */
static bool check_link(int dir_fd, const char *name, const struct cert_config *cert,
                       const struct outside_link *link, const char *wanted, bool *ret_made,
                       struct err *err)
{
    char target[PATH_MAX];
    enum what_is_there there = look(dir_fd, name, target);
    const char *rest = text_starts(target, cert->directory);

    *ret_made = there == OTHER_LINK && strcmp(target, wanted) == 0;
    if (*ret_made || there == NOTHING || (there == OTHER_LINK && rest != NULL && rest[0] == '/'))
        return true;
    return err_set(
        err, ERR_LOCAL,
        "%s was not made by leafd and is not replaced; move it away, or change the link line",
        link->path);
}

/* Refuses a path that other users could redirect. */
static bool place_link(const struct cert_config *cert, const struct outside_link *link,
                       const char *wanted, bool only_check, struct err *err)
{
    struct trust trust = {.user = geteuid()};
    CLEANUP(close_fd) int dir_fd = -1;
    char fresh[NAME_MAX + 1], target[PATH_MAX];
    const char *name;
    unsigned flags;
    bool made;

    if (!trust_open_parent(&trust, link->path, &dir_fd, &name, err))
        return (only_check && err->errnum == ENOENT) || err_wrap(err, "the link %s", link->path);
    snprintf(fresh, sizeof fresh, "%.200s%s", name, link_new_suffix);
    /* Others may add files there, so an entry that appears from now on is not replaced either. */
    flags = look(dir_fd, name, target) == NOTHING ? RENAME_NOREPLACE : 0;
    return check_link(dir_fd, name, cert, link, wanted, &made, err) &&
           (made || only_check || replace_link(dir_fd, name, fresh, wanted, flags, err));
}

bool publish_may_link(const struct outside_link *link, uid_t user, struct err *err)
{
    struct trust trust = {.user = user};
    CLEANUP(close_fd) int dir_fd = -1;
    const char *name;

    return trust_open_parent(&trust, link->path, &dir_fd, &name, err) || err->errnum != EPERM ||
           err_wrap(err, "the link %s", link->path);
}

static bool make_link(const struct cert_config *cert, const struct outside_link *link,
                      bool only_check, struct err *err)
{
    char wanted[PATH_MAX];
    bool made;

    if ((size_t)snprintf(wanted, sizeof wanted, "%s/%s", cert->directory, link->name) >=
        sizeof wanted)
        return err_set(err, ERR_LOCAL, "the path of a link is too long");
    return check_link(AT_FDCWD, link->path, cert, link, wanted, &made, err) &&
           (made || place_link(cert, link, wanted, only_check, err));
}

bool publish_check_links(const struct cert_config *cert, struct err *err)
{
    for (size_t i = 0; i < cert->links.count; i++)
        if (!make_link(cert, &cert->links.items[i], true, err))
            return false;
    return true;
}

bool publish_links(const struct cert_config *cert, struct err *err)
{
    bool made = true;

    /* A failure does not prevent the other links; the first failure is returned. */
    for (size_t i = 0; i < cert->links.count; i++) {
        struct err why;

        if (!make_link(cert, &cert->links.items[i], false, made ? err : &why))
            made = false;
    }
    return made;
}

/* -- checking -------------------------------------------------------------------------------------
 */

static bool leads_to(int dir_fd, const char *path, const char *wanted)
{
    char target[PATH_MAX];
    enum what_is_there there = look(dir_fd, path, target);

    return (there == NO_LINK && errno == EACCES) ||
           ((there == OUR_LINK || there == OTHER_LINK) && strcmp(target, wanted) == 0);
}

bool publish_name_stands(int set_fd, const char *name, struct err *err)
{
    char wanted[PATH_MAX];

    target_of(name, wanted);
    return leads_to(set_fd, name, wanted) ||
           err_set(err, ERR_LOCAL, "%s was removed or replaced", name);
}

bool publish_stands(int set_fd, const struct cert_config *cert, struct err *err)
{
    char wanted[PATH_MAX];

    for (size_t i = 0; i < cert->outputs.count; i++)
        if (!publish_name_stands(set_fd, cert->outputs.items[i].name, err))
            return false;
    for (size_t i = 0; i < cert->links.count; i++) {
        const struct outside_link *link = &cert->links.items[i];

        snprintf(wanted, sizeof wanted, "%s/%s", cert->directory, link->name);
        if (!leads_to(AT_FDCWD, link->path, wanted))
            return err_set(err, ERR_LOCAL, "the link %s does not lead to %s", link->path,
                           link->name);
    }
    return true;
}

/* -- publishing -----------------------------------------------------------------------------------
 */

static bool sync_directory(int set_fd, const struct cert_config *cert, struct err *err)
{
    return fsync(set_fd) == 0 ||
           err_errno(err, ERR_LOCAL, errno, "cannot sync %s", cert->directory);
}

/* *ret_lost is the first name that was missing or led elsewhere; NULL: none. */
static bool make_names(int set_fd, const struct cert_config *cert, const char **ret_lost,
                       struct err *err)
{
    *ret_lost = NULL;
    for (size_t i = 0; i < cert->outputs.count; i++) {
        const char *name = cert->outputs.items[i].name;
        bool made = false;

        if (!make_name(set_fd, cert->directory, name, &made, err))
            return false;
        if (made && *ret_lost == NULL)
            *ret_lost = name;
    }
    return *ret_lost == NULL || sync_directory(set_fd, cert, err);
}

/* Work that can wait until the generation is published. */
static bool tidy_names(int set_fd, const struct cert_config *cert, struct err *err)
{
    bool changed = false;

    remove_stale_names(set_fd, cert, &changed);
    return !changed || sync_directory(set_fd, cert, err);
}

bool publish_names(int set_fd, const struct cert_config *cert, const char **ret_lost,
                   struct err *err)
{
    return make_names(set_fd, cert, ret_lost, err) && tidy_names(set_fd, cert, err);
}

bool publish_swap(int set_fd, const struct cert_config *cert, const char *generation,
                  char ret_previous[static GENERATION_NAME_BYTES], struct err *err)
{
    const char *lost;
    struct err why;
    bool missing;

    if (!check_names(set_fd, cert, &missing, err))
        return false;
    if (!publish_current(set_fd, ret_previous, &why))
        ret_previous[0] = '\0';
    /* New names lead nowhere until ..data is renamed, so that all files of a first generation
     * appear at once. */
    if (missing && !make_names(set_fd, cert, &lost, err))
        return false;
    if (!replace_link(set_fd, publish_data_name, data_new, generation, 0, err))
        return err_wrap(err, "%s", cert->directory);
    return sync_directory(set_fd, cert, err) && tidy_names(set_fd, cert, err);
}

/* -- the mark of a revoked generation -------------------------------------------------------------
 */

enum { MARK_MOST_BYTES = 128 };

const char revoked_mark_name[] = "..revoked";
static const char final_line[] = "\nno-reissue\n";

bool revoked_mark_write(int set_fd, const char *generation, enum revocation revocation,
                        struct err *err)
{
    char text[MARK_MOST_BYTES];

    snprintf(text, sizeof text, "%s%s", generation,
             revocation == REVOCATION_FINAL ? final_line : "");
    return file_replace_at(set_fd, revoked_mark_name, 0644, text, strlen(text), err);
}

enum revocation revoked_mark_read(int set_fd, const char *generation)
{
    CLEANUP(bytes_free) struct bytes bytes = {.limit = MARK_MOST_BYTES};
    const char *rest = NULL;
    struct trust trust = set_file_trust(set_fd);
    struct err err;

    if (generation[0] != '\0' && set_file_read(&trust, set_fd, revoked_mark_name, &bytes, &err))
        rest = text_starts(bytes_text(&bytes), generation);
    if (rest == NULL)
        return REVOCATION_NONE;
    if (strcmp(rest, final_line) == 0)
        return REVOCATION_FINAL;
    return rest[0] == '\0' ? REVOCATION_REPLACED : REVOCATION_NONE;
}

void revoked_mark_clear(int set_fd)
{
    unlinkat(set_fd, revoked_mark_name, 0);
}
