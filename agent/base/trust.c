#include "base/trust.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { LINKS_MOST = 40 /* the kernel's limit: path_resolution(7) */, NUMBERS_BYTES = 256 };

/* What a path component is used for. */
enum place {
    ON_THE_WAY, /* a directory in which one name is looked up */
    THE_END     /* the last component, whose content counts */
};

/* -- checks ---------------------------------------------------------------------------------------
 */

static bool read_numbers(const char *path, char text[NUMBERS_BYTES])
{
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t got = fd < 0 ? -1 : read(fd, text, NUMBERS_BYTES - 1);

    if (fd < 0)
        shortage_note(errno);
    text[got < 0 ? 0 : got] = '\0';
    return got > 0;
}

/* Whether the uid stands for all users that the user namespace does not map. */
static bool is_overflow(uid_t uid)
{
    char text[NUMBERS_BYTES];
    char *rest = text;
    unsigned long count = 0;

    if (!read_numbers("/proc/sys/kernel/overflowuid", text) ||
        strtoul(text, NULL, 10) != (unsigned long)uid || !read_numbers("/proc/self/uid_map", text))
        return false;
    /* The first line: first uid inside, first uid outside, and count. */
    for (unsigned i = 0; i < 3; i++)
        count = strtoul(rest, &rest, 10);
    return *rest == '\n' && count < UINT32_MAX;
}

static bool is_read_only(int fd)
{
    struct statvfs about;

    return fstatvfs(fd, &about) == 0 && (about.f_flag & ST_RDONLY) != 0 &&
           access("/run/systemd/system", F_OK) != 0; /* sd_booted(3) */
}

static bool refuse(struct err *err)
{
    err->errnum = EPERM;
    return false;
}

static const char *harm(mode_t mode)
{
    return S_ISDIR(mode) ? "can exchange what lies in it" : "can change it";
}

static bool refuse_owner(const struct trust *trust, const char *path, const struct statx *about,
                         struct err *err)
{
    unsigned owner = about->stx_uid, user = (unsigned)trust->user;

    err_set(err, ERR_LOCAL, "%s belongs to uid %u, who %s", path, owner, harm(about->stx_mode));
    if (trust->who != NULL)
        err_append(err, "; it must belong to root or to %s (uid %u)", trust->who, user);
    else if (user != 0)
        err_append(err, ", and leafd trusts root and uid %u here", user);
    /* Only a file: a directory that belongs to the consumer must stay writable for it. */
    if (trust->who == NULL && S_ISREG(about->stx_mode))
        err_append(err,
                   "; run leafd as uid %u, or give the file to root and to a group that may read "
                   "it (chown root:GROUP)",
                   owner);
    else if (trust->who == NULL)
        err_append(err,
                   "; run leafd as uid %u, or name a path whose directories all belong to root",
                   owner);
    return refuse(err);
}

static bool refuse_mode(const char *path, const struct statx *about, struct err *err)
{
    if ((about->stx_mode & S_IWOTH) != 0)
        err_set(err, ERR_LOCAL, "%s may be written by everybody, who %s; chmod o-w it", path,
                harm(about->stx_mode));
    else
        err_set(err, ERR_LOCAL,
                "%s may be written by its group, or through an access control list: they %s; chmod "
                "g-w it",
                path, harm(about->stx_mode));
    return refuse(err);
}

static bool has_access_list(int fd)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return getxattr(path, "system.posix_acl_access", NULL, 0) >= 0 || errno != ENODATA;
}

/* Whether other users can replace or change it. */
static bool is_writable(const struct trust *trust, int fd, const struct statx *about,
                        enum place place)
{
    mode_t others = about->stx_mode & (S_IWGRP | S_IWOTH);

    if (S_ISLNK(about->stx_mode) || others == 0)
        return false;
    if (place == THE_END)
        return true;
    return (about->stx_mode & S_ISVTX) == 0 &&
           (others != S_IWGRP || trust->group == 0 || about->stx_gid != trust->group ||
            has_access_list(fd));
}

static bool look_at(int fd, const char *path, struct statx *ret_about, struct err *err)
{
    return statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, ret_about) == 0 ||
           err_errno(err, ERR_LOCAL, errno, "cannot read the attributes of %s", path);
}

static bool judge(struct trust *trust, int fd, const struct statx *about, const char *path,
                  enum place place, struct err *err)
{
    bool of_root = about->stx_uid == 0 || is_overflow(about->stx_uid);

    if ((of_root || about->stx_uid == trust->user) && !is_writable(trust, fd, about, place))
        return true;
    if (is_read_only(fd))
        return true;
    if (!of_root && about->stx_uid != trust->user)
        return refuse_owner(trust, path, about, err);
    if (!of_root || !S_ISDIR(about->stx_mode) ||
        (about->stx_attributes & STATX_ATTR_MOUNT_ROOT) == 0)
        return refuse_mode(path, about, err);
    if (trust->advice[0] == '\0')
        snprintf(trust->advice, sizeof trust->advice,
                 "%s is a mount that others may write: every container that mounts it can exchange "
                 "what lies in it",
                 path);
    return true;
}

bool trust_check_fd(struct trust *trust, int fd, const char *path, struct err *err)
{
    struct statx about;

    trust->advice[0] = '\0';
    return look_at(fd, path, &about, err) && judge(trust, fd, &about, path, THE_END, err);
}

/* -- walking the path -----------------------------------------------------------------------------
 */

struct walk {
    struct trust *trust;
    int fd;     /* the current directory, already checked */
    int end_fd; /* the file at the end (O_PATH); -1: the path ends in a directory, or is not done */
    struct statx end;    /* its attributes */
    char here[PATH_MAX]; /* its path without links, for texts */
    char rest[PATH_MAX]; /* the rest of the path */
    unsigned links;
};

static bool is_too_long(struct err *err)
{
    return err_errno(err, ERR_LOCAL, ENAMETOOLONG, "cannot follow the path");
}

static bool start_at_root(struct walk *walk, struct err *err)
{
    struct statx about;

    close_fd(&walk->fd);
    strcpy(walk->here, "/");
    walk->fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (walk->fd < 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot open /");
    return look_at(walk->fd, "/", &about, err) &&
           judge(walk->trust, walk->fd, &about, "/", ON_THE_WAY, err);
}

static bool start(struct walk *walk, struct trust *trust, const char *path, struct err *err)
{
    char here[PATH_MAX] = "";
    int length;

    *walk = (struct walk){.trust = trust, .fd = -1, .end_fd = -1};
    trust->advice[0] = '\0';
    trust->through_volume = false;
    if (path[0] != '/' && getcwd(here, sizeof here) == NULL)
        return err_errno(err, ERR_LOCAL, errno, "cannot find the working directory");
    length = snprintf(walk->rest, sizeof walk->rest, "%s/%s", here, path);
    if (length < 0 || (size_t)length >= sizeof walk->rest)
        return is_too_long(err);
    return start_at_root(walk, err);
}

static void end_walk(struct walk *walk)
{
    close_fd(&walk->end_fd);
    close_fd(&walk->fd);
}

/* Takes the next component; false if there is none. *ret_is_last: only slashes follow. */
static bool next_name(struct walk *walk, char name[NAME_MAX + 1], bool *ret_is_last, bool *ret_fits)
{
    const char *from = walk->rest + strspn(walk->rest, "/");
    size_t length = strcspn(from, "/"), after;

    *ret_fits = length <= NAME_MAX;
    if (length == 0 || !*ret_fits)
        return false;
    memcpy(name, from, length);
    name[length] = '\0';
    after = strspn(from + length, "/");
    *ret_is_last = from[length + after] == '\0';
    memmove(walk->rest, from + length, strlen(from + length) + 1);
    return true;
}

/* The path of `name` in the current directory. */
static bool path_of(const struct walk *walk, const char *name, char path[PATH_MAX])
{
    int length = snprintf(path, PATH_MAX, "%s%s%s", walk->here,
                          strcmp(walk->here, "/") == 0 ? "" : "/", name);

    return length >= 0 && length < PATH_MAX;
}

static void cut_last(char *path)
{
    char *slash = strrchr(path, '/');

    slash[slash == path ? 1 : 0] = '\0';
}

/* Opens a component without following or blocking. O_DIRECTORY comes first, because only that
 * triggers an automount: open(2), O_PATH. */
static int look_up(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
        fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    return fd;
}

/* Puts the target of the link before the rest of the path. */
static bool follow(struct walk *walk, int link_fd, uid_t owner, const char *path, struct err *err)
{
    char target[PATH_MAX], rest[PATH_MAX];
    ssize_t length = readlinkat(link_fd, "", target, sizeof target - 1);
    int used;

    if (length <= 0)
        return err_errno(err, ERR_LOCAL, length == 0 ? ENOENT : errno, "cannot read the link %s",
                         path);
    target[length] = '\0';
    if (++walk->links > LINKS_MOST)
        return err_errno(err, ERR_LOCAL, ELOOP, "cannot follow %s", path);
    if (text_starts(target, "..data/") != NULL && (owner == 0 || is_overflow(owner)))
        walk->trust->through_volume = true;
    memcpy(rest, walk->rest, sizeof rest);
    used = snprintf(walk->rest, sizeof walk->rest, "%s/%s", target, rest);
    if (used < 0 || (size_t)used >= sizeof walk->rest)
        return is_too_long(err);
    return target[0] != '/' || start_at_root(walk, err);
}

static bool enter(struct walk *walk, int *fd, const struct statx *about, const char *name,
                  const char *path, struct err *err)
{
    close_fd(&walk->fd);
    walk->fd = take_fd(fd);
    if (strcmp(name, "..") == 0)
        cut_last(walk->here);
    else
        memmove(walk->here, path, strlen(path) + 1);
    return judge(walk->trust, walk->fd, about, walk->here, ON_THE_WAY, err);
}

/*
 * Processes one component: enters a directory, resolves a link, or ends at anything else, which
 * stays open and whose name is written to `ret_end`.
 */
static bool step(struct walk *walk, const char *name, bool is_last, char ret_end[NAME_MAX + 1],
                 struct err *err)
{
    char path[PATH_MAX];
    CLEANUP(close_fd) int fd = look_up(walk->fd, name);
    int failure = fd < 0 ? errno : 0;
    struct statx about;

    if (!path_of(walk, name, path))
        return is_too_long(err);
    if (fd < 0)
        return err_errno(err, ERR_LOCAL, failure, "cannot open %s", path);
    if (!look_at(fd, path, &about, err))
        return false;
    if (S_ISDIR(about.stx_mode))
        return enter(walk, &fd, &about, name, path, err);
    if (S_ISLNK(about.stx_mode))
        return judge(walk->trust, fd, &about, path, ON_THE_WAY, err) &&
               follow(walk, fd, about.stx_uid, path, err);
    if (!is_last)
        return err_errno(err, ERR_LOCAL, ENOTDIR, "cannot open %s", path);
    memcpy(ret_end, name, strlen(name) + 1);
    walk->end_fd = take_fd(&fd);
    walk->end = about;
    return true;
}

/* Walks to the end. `ret_end` is "" if the path ends in a directory, else the name of the last
 * entry. */
static bool walk_on(struct walk *walk, char ret_end[NAME_MAX + 1], struct err *err)
{
    char name[NAME_MAX + 1];
    bool is_last = false, fits = true;

    ret_end[0] = '\0';
    while (ret_end[0] == '\0' && next_name(walk, name, &is_last, &fits))
        if (strcmp(name, ".") != 0 && !step(walk, name, is_last, ret_end, err))
            return false;
    return fits || is_too_long(err);
}

/* Walks to a directory. *ret_fd is an O_PATH descriptor. */
static bool walk_to_directory(struct trust *trust, const char *path, int *ret_fd, struct err *err)
{
    struct walk walk;
    char end[NAME_MAX + 1] = "";
    bool opened = start(&walk, trust, path, err) && walk_on(&walk, end, err);

    if (opened && end[0] != '\0')
        opened = err_errno(err, ERR_LOCAL, ENOTDIR, "cannot open the directory %s", path);
    if (opened)
        *ret_fd = take_fd(&walk.fd);
    end_walk(&walk);
    return opened;
}

bool trust_open_directory(struct trust *trust, const char *path, int *ret_fd, struct err *err)
{
    CLEANUP(close_fd) int fd = -1;

    if (!walk_to_directory(trust, path, &fd, err))
        return false;
    *ret_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret_fd >= 0 || err_errno(err, ERR_LOCAL, errno, "cannot open the directory %s", path);
}

static bool is_regular(const struct statx *about, const char *path, struct err *err)
{
    return S_ISREG(about->stx_mode) || err_set(err, ERR_LOCAL, "%s is not a regular file", path);
}

static bool judge_end(const struct walk *walk, const char *name, int fd, const struct statx *about,
                      struct err *err)
{
    char whole[PATH_MAX];

    return path_of(walk, name, whole) ? judge(walk->trust, fd, about, whole, THE_END, err)
                                      : is_too_long(err);
}

/* Opens the file at the end of the path for reading, and checks what it opened. */
static bool open_end(const struct walk *walk, const char *name, const char *path, int *ret_fd,
                     struct err *err)
{
    CLEANUP(close_fd) int fd = -1;
    struct statx about;

    if (!is_regular(&walk->end, path, err))
        return false;
    /* O_NONBLOCK: a FIFO may have replaced the file, and opening it must not block. */
    fd = openat(walk->fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot open %s", path);
    if (!look_at(fd, path, &about, err) || !is_regular(&about, path, err) ||
        !judge_end(walk, name, fd, &about, err))
        return false;
    *ret_fd = take_fd(&fd);
    return true;
}

bool trust_open_file(struct trust *trust, const char *path, int *ret_fd, struct err *err)
{
    struct walk walk;
    char end[NAME_MAX + 1];
    bool opened = start(&walk, trust, path, err) && walk_on(&walk, end, err) &&
                  open_end(&walk, end, path, ret_fd, err);

    end_walk(&walk);
    return opened;
}

/* Checks the file at the end of the path, and gives its O_PATH descriptor. */
static bool look_at_file(struct trust *trust, const char *path, int how, int *ret_fd,
                         struct err *err)
{
    struct walk walk;
    char end[NAME_MAX + 1];
    bool good = start(&walk, trust, path, err) && walk_on(&walk, end, err) &&
                is_regular(&walk.end, path, err) &&
                judge_end(&walk, end, walk.end_fd, &walk.end, err);

    if (good && faccessat(walk.fd, end, how, 0) != 0)
        good = err_errno(err, ERR_LOCAL, errno, "cannot use %s", path);
    if (good)
        *ret_fd = take_fd(&walk.end_fd);
    end_walk(&walk);
    return good;
}

bool trust_check_file(struct trust *trust, const char *path, int how, struct err *err)
{
    CLEANUP(close_fd) int fd = -1;

    return look_at_file(trust, path, how, &fd, err);
}

bool trust_open_program(struct trust *trust, const char *path, int *ret_fd, struct err *err)
{
    CLEANUP(close_fd) int fd = -1;

    if (!look_at_file(trust, path, X_OK, &fd, err))
        return false;
    *ret_fd = take_fd(&fd);
    return true;
}

enum trust_readers trust_readers(const struct trust *trust, int fd, const char *path)
{
    struct stat about;

    if (fstat(fd, &about) != 0 || (about.st_mode & S_IROTH) == 0)
        return TRUST_NOBODY_ELSE;
    if (trust->through_volume && (about.st_uid == 0 || is_overflow(about.st_uid)))
        return TRUST_POD;
    return is_read_only(fd) || text_starts(path, "/run/secrets/") != NULL ||
                   text_starts(path, "/var/run/secrets/") != NULL
               ? TRUST_MOUNT
               : TRUST_EVERYBODY;
}

bool trust_open_parent(struct trust *trust, const char *path, int *ret_fd, const char **ret_name,
                       struct err *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    char parent[PATH_MAX];
    int length = snprintf(parent, sizeof parent, "%.*s", (int)(name - path), path);

    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return err_set(err, ERR_LOCAL, "%s does not end in a name", path);
    if (length < 0 || (size_t)length >= sizeof parent)
        return is_too_long(err);
    *ret_name = name;
    return walk_to_directory(trust, parent[0] == '\0' ? "." : parent, ret_fd, err);
}

/* -- peers of sockets -----------------------------------------------------------------------------
 */

bool trust_peer(int socket_fd, uid_t user, const char *path, struct err *err)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot find out who listens at %s", path);
    if (peer.uid == 0 || peer.uid == geteuid() || peer.uid == user)
        return true;
    err_set(err, ERR_LOCAL, "uid %u listens at %s, and neither root nor uid %u", (unsigned)peer.uid,
            path, (unsigned)user);
    return refuse(err);
}
