/* Who else may write a path: every component counts, links are judged as what they lead through. */
#include "unit.h"

#include "base/cleanup.h"
#include "base/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OTHER_UID = 4242 };

static char top[64];

/* Good until the next but one. */
static const char *place(const char *name)
{
    static char paths[2][PATH_MAX];
    static unsigned turn;
    char *path = paths[turn++ % 2];

    snprintf(path, PATH_MAX, "%s/%s", top, name);
    return path;
}

static void make_directory(const char *name, mode_t mode, uid_t owner)
{
    assert_int_equal(mkdir(place(name), 0700), 0);
    assert_int_equal(chown(place(name), owner, (gid_t)-1), 0);
    assert_int_equal(chmod(place(name), mode), 0);
}

static void make_file(const char *name, mode_t mode, uid_t owner)
{
    int fd = open(place(name), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(fchown(fd, owner, (gid_t)-1), 0);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void make_link(const char *name, const char *target, uid_t owner)
{
    assert_int_equal(symlink(target, place(name)), 0);
    assert_int_equal(lchown(place(name), owner, (gid_t)-1), 0);
}

static int make_top(void **state)
{
    (void)state;
    strcpy(top, "/tmp/trust-XXXXXX");
    return mkdtemp(top) == NULL ? -1 : 0;
}

static int remove_top(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", top);
    return system(command);
}

static bool opens_file(const char *name, char ret_text[ERR_TEXT_BYTES])
{
    CLEANUP(close_fd) int fd = -1;
    struct trust trust = {.user = geteuid()};
    struct err err = {.kind = ERR_NONE};
    bool opened = trust_open_file(&trust, place(name), &fd, &err);

    assert_true(opened == (fd >= 0));
    assert_true(opened == (err.kind == ERR_NONE));
    memcpy(ret_text, err.text, ERR_TEXT_BYTES);
    return opened;
}

static void assert_opens(const char *name)
{
    char text[ERR_TEXT_BYTES];

    if (!opens_file(name, text))
        fail_msg("%s: %s", name, text);
}

/* The text names the component and says what to do. */
static void assert_refused(const char *name, const char *component, const char *remedy)
{
    char text[ERR_TEXT_BYTES], named[PATH_MAX + 8];

    if (opens_file(name, text))
        fail_msg("%s was opened", name);
    snprintf(named, sizeof named, "%s ", place(component));
    if (strncmp(text, named, strlen(named)) != 0 || strstr(text, remedy) == NULL)
        fail_msg("%s: %s", name, text);
}

static void what_nobody_else_may_write_is_opened(void **state)
{
    (void)state;
    make_directory("a", 0755, geteuid());
    make_directory("a/b", 0711, geteuid());
    make_directory("a/sticky", 01777, geteuid());
    make_file("a/b/file", 0644, geteuid());
    make_file("a/sticky/file", 0640, geteuid());
    make_link("a/relative", "b/../b/./file", geteuid());
    make_link("a/absolute", place("a/b"), geteuid());
    assert_opens("a/b/file");
    assert_opens("a//b/../b/./file");
    assert_opens("a/sticky/file");
    assert_opens("a/relative");
    assert_opens("a/absolute/file");
}

static void a_kubernetes_volume_is_followed(void **state)
{
    (void)state;
    make_directory("v", 01777, geteuid());
    make_directory("v/..2026", 0755, geteuid());
    make_file("v/..2026/token", 0600, geteuid());
    make_link("v/..data", "..2026", geteuid());
    make_link("v/token", "..data/token", geteuid());
    assert_opens("v/token");
}

static void each_component_that_others_may_write_is_named(void **state)
{
    (void)state;
    make_directory("g", 0775, geteuid());
    make_directory("g/in", 0755, geteuid());
    make_file("g/in/file", 0644, geteuid());
    make_directory("o", 0757, geteuid());
    make_file("o/file", 0644, geteuid());
    make_directory("f", 0755, geteuid());
    make_file("f/group", 0664, geteuid());
    make_file("f/everybody", 0646, geteuid());
    make_file("f/file", 0600, geteuid());
    make_link("f/through", place("o/file"), geteuid());
    assert_refused("g/in/file", "g", "chmod g-w");
    assert_refused("o/file", "o", "chmod o-w");
    assert_refused("f/through", "o", "chmod o-w");
    assert_refused("f/group", "f/group", "chmod g-w");
    assert_refused("f/everybody", "f/everybody", "chmod o-w");
    assert_refused("f/../g/../f/file", "g", "chmod g-w");
}

static void what_belongs_to_another_user_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    make_directory("d", 0755, 0);
    make_directory("d/theirs", 0700, OTHER_UID);
    make_file("d/theirs/file", 0600, 0);
    make_file("d/file", 0600, OTHER_UID);
    make_directory("d/sticky", 01777, 0);
    make_file("d/sticky/ours", 0600, 0);
    make_link("d/sticky/link", "ours", OTHER_UID);
    assert_refused("d/theirs/file", "d/theirs", "run leafd as uid 4242");
    assert_refused("d/file", "d/file", "chown root:GROUP");
    assert_refused("d/sticky/link", "d/sticky/link", "directories all belong to root");
    assert_opens("d/sticky/ours");
}

static void the_user_who_is_trusted_may_own_it(void **state)
{
    struct trust trust = {.user = OTHER_UID};
    CLEANUP(close_fd) int fd = -1;
    struct err err;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(top, 0755), 0);
    make_directory("u", 0755, OTHER_UID);
    make_file("u/file", 0600, OTHER_UID);
    assert_true(trust_open_file(&trust, place("u/file"), &fd, &err));
}

static void a_program_is_judged_and_need_not_be_readable(void **state)
{
    struct trust trust = {.user = geteuid()};
    struct err err;

    (void)state;
    make_directory("x", 0755, geteuid());
    make_file("x/program", 0111, geteuid());
    make_file("x/text", 0400, geteuid());
    make_file("x/open", 0777, geteuid());
    assert_true(trust_check_file(&trust, place("x/program"), X_OK, &err));
    assert_true(trust_check_file(&trust, place("x/text"), R_OK, &err));
    assert_false(trust_check_file(&trust, place("x/text"), X_OK, &err));
    assert_int_equal(err.errnum, EACCES);
    assert_false(trust_check_file(&trust, place("x/open"), X_OK, &err));
    assert_int_equal(err.errnum, EPERM);
    assert_false(trust_check_file(&trust, place("x/none"), X_OK, &err));
    assert_int_equal(err.errnum, ENOENT);
    assert_false(trust_check_file(&trust, place("x"), X_OK, &err));
    assert_int_equal(err.errnum, 0);
}

static enum trust_readers readers_of(const char *name)
{
    struct trust trust = {.user = geteuid()};
    CLEANUP(close_fd) int fd = -1;
    struct err err;

    assert_true(trust_open_file(&trust, place(name), &fd, &err));
    return trust_readers(&trust, fd, place(name));
}

static void who_may_read_is_told(void **state)
{
    (void)state;
    make_directory("r", 0755, geteuid());
    make_directory("r/..2026", 0755, geteuid());
    make_file("r/..2026/token", 0644, geteuid());
    make_link("r/..data", "..2026", geteuid());
    make_link("r/token", "..data/token", geteuid());
    make_file("r/own", 0640, geteuid());
    make_file("r/open", 0644, geteuid());
    assert_int_equal(readers_of("r/own"), TRUST_NOBODY_ELSE);
    assert_int_equal(readers_of("r/open"), TRUST_EVERYBODY);
    assert_int_equal(readers_of("r/..data/token"), TRUST_EVERYBODY);
    assert_int_equal(readers_of("r/token"), geteuid() == 0 ? TRUST_POD : TRUST_EVERYBODY);
}

static void a_group_that_is_trusted_may_write_directories_on_the_way(void **state)
{
    struct trust trust = {.user = OTHER_UID, .group = OTHER_UID};
    CLEANUP(close_fd) int fd = -1;
    struct err err;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(top, 0755), 0);
    make_directory("g", 02775, OTHER_UID);
    make_file("g/file", 0600, OTHER_UID);
    make_file("g/wide", 0660, OTHER_UID);
    assert_false(trust_open_file(&trust, place("g/file"), &fd, &err));
    assert_int_equal(chown(place("g"), OTHER_UID, OTHER_UID), 0);
    assert_int_equal(chown(place("g/wide"), OTHER_UID, OTHER_UID), 0);
    assert_int_equal(chmod(place("g"), 02775), 0);
    assert_int_equal(chmod(place("g/wide"), 0660), 0);
    assert_true(trust_open_file(&trust, place("g/file"), &fd, &err));
    close_fd(&fd);
    assert_false(trust_open_file(&trust, place("g/wide"), &fd, &err));
    assert_int_equal(chmod(place("g"), 02777), 0);
    assert_false(trust_open_file(&trust, place("g/file"), &fd, &err));
}

static void what_is_no_file_is_not_opened(void **state)
{
    char text[ERR_TEXT_BYTES];

    (void)state;
    make_directory("n", 0755, geteuid());
    assert_int_equal(mkfifo(place("n/fifo"), 0600), 0);
    make_file("n/file", 0600, geteuid());
    make_link("n/round", "round", geteuid());
    assert_false(opens_file("n/fifo", text));
    assert_non_null(strstr(text, "not a regular file"));
    assert_false(opens_file("n", text));
    assert_non_null(strstr(text, "not a regular file"));
    assert_false(opens_file("n/file/below", text));
    assert_non_null(strstr(text, "Not a directory"));
    assert_false(opens_file("n/round", text));
    assert_non_null(strstr(text, "symbolic links"));
    assert_false(opens_file("n/none", text));
    assert_non_null(strstr(text, "No such file"));
}

static void the_parent_of_what_is_to_be_made_is_judged(void **state)
{
    struct trust trust = {.user = geteuid()};
    CLEANUP(close_fd) int fd = -1;
    const char *name;
    struct err err;

    (void)state;
    make_directory("p", 0755, geteuid());
    make_directory("p/open", 0777, geteuid());
    assert_true(trust_open_parent(&trust, place("p/new"), &fd, &name, &err));
    assert_string_equal(name, "new");
    assert_int_equal(mkdirat(fd, name, 0700), 0);
    assert_int_equal(access(place("p/new"), F_OK), 0);
    close_fd(&fd);
    assert_false(trust_open_parent(&trust, place("p/open/new"), &fd, &name, &err));
    assert_int_equal(err.errnum, EPERM);
    assert_false(trust_open_parent(&trust, place("p/none/new"), &fd, &name, &err));
    assert_int_equal(err.errnum, ENOENT);
    assert_false(trust_open_parent(&trust, "/", &fd, &name, &err));
    assert_false(trust_open_parent(&trust, place("p/.."), &fd, &name, &err));
}

static void a_relative_path_is_judged_from_the_root(void **state)
{
    struct trust trust = {.user = geteuid()};
    CLEANUP(close_fd) int fd = -1, back = open(".", O_PATH | O_CLOEXEC);
    struct err err;
    bool opened;

    (void)state;
    make_directory("w", 0777, geteuid());
    make_directory("w/here", 0755, geteuid());
    make_file("w/here/file", 0644, geteuid());
    assert_int_equal(chdir(place("w/here")), 0);
    opened = trust_open_file(&trust, "file", &fd, &err);
    assert_int_equal(fchdir(back), 0);
    assert_false(opened);
    assert_non_null(strstr(err.text, "/w may be written by everybody"));
}

static void a_directory_whose_content_counts_must_not_be_sticky_alone(void **state)
{
    struct trust trust = {.user = geteuid()};
    CLEANUP(close_fd) int fd = -1;
    struct err err;

    (void)state;
    make_directory("s", 01777, geteuid());
    assert_true(trust_open_directory(&trust, place("s"), &fd, &err));
    assert_false(trust_check_fd(&trust, fd, place("s"), &err));
    assert_int_equal(err.errnum, EPERM);
}

static void who_listens_is_told_by_the_kernel(void **state)
{
    int pair[2];
    struct err err;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_true(trust_peer(pair[0], geteuid(), "here", &err));
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
#define TRUST_TEST(name) cmocka_unit_test_setup_teardown(name, make_top, remove_top)
    const struct CMUnitTest tests[] = {
        TRUST_TEST(what_nobody_else_may_write_is_opened),
        TRUST_TEST(a_kubernetes_volume_is_followed),
        TRUST_TEST(each_component_that_others_may_write_is_named),
        TRUST_TEST(what_belongs_to_another_user_is_refused),
        TRUST_TEST(the_user_who_is_trusted_may_own_it),
        TRUST_TEST(a_program_is_judged_and_need_not_be_readable),
        TRUST_TEST(who_may_read_is_told),
        TRUST_TEST(a_group_that_is_trusted_may_write_directories_on_the_way),
        TRUST_TEST(what_is_no_file_is_not_opened),
        TRUST_TEST(the_parent_of_what_is_to_be_made_is_judged),
        TRUST_TEST(a_relative_path_is_judged_from_the_root),
        TRUST_TEST(a_directory_whose_content_counts_must_not_be_sticky_alone),
        cmocka_unit_test(who_listens_is_told_by_the_kernel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
