#include "install/generation.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"
#include "install/outputs.h"
#include "install/record.h"
#include "install/set_directory.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { REHEARSAL_BYTES = 8192, NAME_TRIES = 16, SYNCED_TOGETHER_MOST = 8 };

static const char name_form[] = "..dddd_dd_dd_dd_dd_dd.xxxxxx";

/* A generation being written. */
struct staging {
    int set_fd, fd;
    const struct cert_config *cert;
    char name[GENERATION_NAME_BYTES];
    char (*digests)[DIGEST_HEX_BYTES];
    struct written {
        int fd;
        const char *name;
    } written[SYNCED_TOGETHER_MOST]; /* not synced yet */
    size_t written_count;
};

bool generation_is_name(const char *name)
{
    if (strlen(name) != sizeof name_form - 1)
        return false;
    for (size_t i = 0; i < sizeof name_form - 1; i++) {
        bool digit = name[i] >= '0' && name[i] <= '9';

        if (name_form[i] == 'd'   ? !digit
            : name_form[i] == 'x' ? !isxdigit((unsigned char)name[i])
                                  : name[i] != name_form[i])
            return false;
    }
    return true;
}

static bool make_directory(struct staging *staging, struct err *err)
{
    for (int tries = 0; tries < NAME_TRIES; tries++) {
        time_t now = (time_t)clock_now_s();
        char moment[GENERATION_NAME_BYTES];
        struct tm parts;

        gmtime_r(&now, &parts);
        strftime(moment, sizeof moment, "%Y_%m_%d_%H_%M_%S", &parts);
        snprintf(staging->name, sizeof staging->name, "..%.19s.%06x", moment,
                 random_draw() & 0xffffff);
        if (mkdirat(staging->set_fd, staging->name, 0700) == 0)
            break;
        if (errno != EEXIST || tries + 1 == NAME_TRIES)
            return err_errno(err, ERR_LOCAL, errno, "cannot make a directory in %s",
                             staging->cert->directory);
    }
    staging->fd =
        openat(staging->set_fd, staging->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (staging->fd >= 0)
        return true;
    err_errno(err, ERR_LOCAL, errno, "cannot open %s/%s", staging->cert->directory, staging->name);
    unlinkat(staging->set_fd, staging->name, AT_REMOVEDIR);
    return false;
}

static bool open_file(const struct staging *staging, const struct output *output, int *ret_fd,
                      struct err *err)
{
    CLEANUP(close_fd)
    int fd = openat(staging->fd, output->name,
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);

    if (fd < 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot create it");
    if (!file_drop_acl(fd, err))
        return false;
    /* Both before the content. The mode comes first: after fchown(2) the file may no longer be ours
     * to chmod. */
    if (fchmod(fd, output->mode) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot set its mode");
    if ((output->owner != OWNER_UNCHANGED || output->group != OWNER_UNCHANGED) &&
        fchown(fd, (uid_t)output->owner, (gid_t)output->group) != 0) {
        err_errno(err, ERR_LOCAL, errno, "cannot set its owner");
        return err->errnum == EPERM &&
               err_append(
                   err, "; leafd needs CAP_CHOWN for that (AmbientCapabilities=CAP_CHOWN "
                        "CAP_DAC_READ_SEARCH); or run an agent as the owner (leafd@USER.service)");
    }
    *ret_fd = take_fd(&fd);
    return true;
}

static bool write_parts(int fd, const struct output_part *parts, size_t count,
                        char digest_to[static DIGEST_HEX_BYTES], struct err *err)
{
    CLEANUP(digest_drop) struct digest digest = {0};

    for (size_t i = 0; i < count; i++) {
        digest_add(&digest, parts[i].bytes, parts[i].length);
        if (!file_write(fd, parts[i].bytes, parts[i].length, err))
            return false;
    }
    return digest_hex(&digest, digest_to, err);
}

/* Puts the file and its directory before the error's text. */
static bool fail_with(const struct staging *staging, const char *name, struct err *err)
{
    return err_wrap(err, "%s in %s", name, staging->cert->directory);
}

/*
 * Syncs and closes the files, when all have their content: most file systems write all of them with
 * the first fsync. After a failed fsync or close the caller drops the generation.
 */
static bool finish_files(struct staging *staging, struct err *err)
{
    for (size_t i = 0; i < staging->written_count; i++)
        if (!file_finish(&staging->written[i].fd, err))
            return fail_with(staging, staging->written[i].name, err);
    staging->written_count = 0;
    return true;
}

static void leave_files(struct staging *staging)
{
    while (staging->written_count > 0)
        close_fd(&staging->written[--staging->written_count].fd);
    close_fd(&staging->fd);
}

/* Creates a file and writes its content; finish_files syncs it. */
static bool write_file(struct staging *staging, const struct output *output,
                       const struct output_part *parts, size_t count,
                       char digest_to[static DIGEST_HEX_BYTES], struct err *err)
{
    CLEANUP(close_fd) int fd = -1;

    if (staging->written_count == SYNCED_TOGETHER_MOST && !finish_files(staging, err))
        return false;
    if (!open_file(staging, output, &fd, err) || !write_parts(fd, parts, count, digest_to, err))
        return fail_with(staging, output->name, err);
    staging->written[staging->written_count++] = (struct written){take_fd(&fd), output->name};
    return true;
}

static bool write_outputs(struct staging *staging, const struct issued *issued, struct err *err)
{
    CLEANUP(output_source_free) struct output_source source = {0};

    if (!output_source_open(staging->cert, issued, &source, err))
        return false;
    for (size_t i = 0; i < staging->cert->outputs.count; i++) {
        const struct output *output = &staging->cert->outputs.items[i];
        struct output_part parts[OUTPUT_PARTS_MOST];
        size_t count = output_parts(&source, output->content, parts);

        if (!write_file(staging, output, parts, count, staging->digests[i], err))
            return false;
    }
    return true;
}

static bool write_record(struct staging *staging, const struct issued *issued, struct err *err)
{
    static const struct output about_record = {
        .name = record_name, .mode = 0644, .owner = OWNER_UNCHANGED, .group = OWNER_UNCHANGED};
    CLEANUP(free_memory)
    char *text =
        record_text(staging->cert, issued, (const char(*)[DIGEST_HEX_BYTES])staging->digests);
    char digest[DIGEST_HEX_BYTES];

    if (text == NULL)
        return err_memory(err);
    return write_file(staging, &about_record, &(struct output_part){text, strlen(text)}, 1, digest,
                      err);
}

/* Makes the generation durable and opens its directory to the consumers, in this order. */
static bool seal(struct staging *staging, struct err *err)
{
    if (!finish_files(staging, err))
        return false;
    if (!set_directory_mode(staging->fd, staging->cert->directory_mode, err))
        return err_wrap(err, "%s/%s", staging->cert->directory, staging->name);
    if (fsync(staging->fd) != 0 || fsync(staging->set_fd) != 0)
        return err_errno(err, ERR_LOCAL, errno, "cannot sync %s", staging->cert->directory);
    return true;
}

bool generation_stage(int set_fd, const struct cert_config *cert, const struct issued *issued,
                      char ret_name[static GENERATION_NAME_BYTES], struct err *err)
{
    struct staging staging = {.set_fd = set_fd, .fd = -1, .cert = cert};
    bool staged, is_made;

    staging.digests = calloc(cert->outputs.count + 1, sizeof *staging.digests);
    if (staging.digests == NULL)
        return err_memory(err);
    staged = make_directory(&staging, err) && write_outputs(&staging, issued, err) &&
             write_record(&staging, issued, err) && seal(&staging, err);
    free(staging.digests);
    is_made = staging.fd >= 0;
    leave_files(&staging);
    if (staged)
        memcpy(ret_name, staging.name, GENERATION_NAME_BYTES);
    else if (is_made)
        generation_remove(set_fd, staging.name);
    return staged;
}

bool generation_rehearse(int set_fd, const struct cert_config *cert, struct err *err)
{
    static const char nothing[REHEARSAL_BYTES];
    CLEANUP(secret_wipe) struct secret password = {0};
    struct staging staging = {.set_fd = set_fd, .fd = -1, .cert = cert};
    bool done = output_password(cert, &password, err) && make_directory(&staging, err);
    bool is_made;

    for (size_t i = 0; done && i < cert->outputs.count; i++) {
        char digest[DIGEST_HEX_BYTES];

        done = write_file(&staging, &cert->outputs.items[i],
                          &(struct output_part){nothing, sizeof nothing}, 1, digest, err);
    }
    done = done && finish_files(&staging, err);
    is_made = staging.fd >= 0;
    leave_files(&staging);
    if (is_made)
        generation_remove(set_fd, staging.name);
    return done;
}

void generation_remove(int set_fd, const char *name)
{
    CLEANUP(close_directory) DIR *entries = file_list_at(set_fd, name);
    const struct dirent *entry;

    if (entries == NULL)
        return;
    while ((entry = readdir(entries)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(entries), entry->d_name, 0);
    unlinkat(set_fd, name, AT_REMOVEDIR);
}

unsigned generation_sweep(int set_fd, const char *current, const char *previous, const char *held)
{
    CLEANUP(close_directory) DIR *entries = file_list_at(set_fd, ".");
    const struct dirent *entry;
    unsigned removed = 0;

    while (entries != NULL && (entry = readdir(entries)) != NULL) {
        if (generation_is_name(entry->d_name) && strcmp(entry->d_name, current) != 0 &&
            strcmp(entry->d_name, previous) != 0 && strcmp(entry->d_name, held) != 0) {
            generation_remove(set_fd, entry->d_name);
            removed++;
        }
    }
    return removed;
}
