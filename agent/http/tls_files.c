#include "http/tls_files.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "http/ca_store.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum {
    FRESH_US = 250000,
    PATIENCE_US = 1000000,
    FILE_MOST_BYTES = 1024 * 1024,
    ALL_MOST_BYTES = 4 * 1024 * 1024, /* of all CA certificates, for a proxy */
    PATH_BYTES = 4096,
    KEY_MOST_BYTES = 64 * 1024 /* it lies in the secure heap */
};

struct job;
struct reading;

/* A caller. */
struct wait {
    struct slot slot;
    struct reading *reading; /* while it is under way */
    TAILQ_ENTRY(wait) entry;
    sd_event_source *limit;
    uint64_t limit_s;
    struct tls_files *files;
};

/* The files of the same names. */
struct reading {
    struct tls_store *store;
    TAILQ_ENTRY(reading) entry;
    char *names;             /* for texts and for comparing */
    struct slot *work;       /* under way */
    struct job *job;         /* of it; borrowed */
    struct tls_files *files; /* of the last one that went well; NULL: none */
    uint64_t began_us;       /* when the one under way, or the last one, began, on the boot clock;
                                0: the last one failed */
    TAILQ_HEAD(wait_list, wait) waits;
};

struct tls_store {
    sd_event *loop;
    struct workers *workers;
    TAILQ_HEAD(reading_list, reading) readings;
};

/* -- reading, on a worker -------------------------------------------------------------------------
 */

struct job {
    struct tls_files *files;
    char *names; /* of all files, for the stamp */
    char *ca_file, *ca_path, *client_certificate, *client_key;
    struct ca_place cas, proxy_cas; /* the second with has_proxy */
    char known[DIGEST_HEX_BYTES];   /* the stamp of what was read before; "": nothing was */
    bool has_proxy, is_unchanged;
};

/* The proxy gets the certificates as PEM, and so does the server then. */
static bool read_texts(const struct job *job, struct tls_files *files, struct err *err)
{
    X509_STORE *proxy_cas = ca_store_read(&job->proxy_cas, err);
    const bool good = proxy_cas != NULL &&
                      ca_store_write(files->cas, INT_MAX, &files->ca_text, err) &&
                      ca_store_write(proxy_cas, INT_MAX, &files->proxy_text, err);

    X509_STORE_free(proxy_cas);
    X509_STORE_free(files->cas);
    files->cas = NULL;
    return good;
}

static bool read_cas(const struct job *job, struct tls_files *files, struct err *err)
{
    char note[sizeof "stamp \n" + DIGEST_HEX_BYTES];

    snprintf(note, sizeof note, "stamp %s\n", files->stamp);
    if (!bytes_add(&files->ca_text, note, strlen(note)))
        return err_memory(err);
    files->cas = ca_store_read(&job->cas, err);
    return files->cas != NULL &&
           (job->has_proxy ? read_texts(job, files, err)
                           : ca_store_write(files->cas, 1, &files->ca_text, err));
}

/* An encrypted text would make libcrypto ask at the terminal. */
static bool read_own(const char *what, const char *path, struct bytes *text, struct err *err)
{
    if (!file_read_trusted(path, text, err))
        return err_wrap(err, "cannot read %s %s", what, path);
    return strstr(bytes_text(text), "ENCRYPTED") == NULL ||
           err_set(err, ERR_LOCAL,
                   "%s %s is encrypted, and leafd asks for no password; write it without one", what,
                   path);
}

/* How all files look. */
static bool make_stamp(const struct job *job, char to[static DIGEST_HEX_BYTES], struct err *err)
{
    struct digest stamp = {0};

    digest_add(&stamp, job->names, strlen(job->names));
    file_stamp_at(&stamp, AT_FDCWD, job->client_certificate);
    file_stamp_at(&stamp, AT_FDCWD, job->client_key);
    ca_store_stamp(&job->cas, &stamp);
    if (job->has_proxy)
        ca_store_stamp(&job->proxy_cas, &stamp);
    return digest_hex(&stamp, to, err);
}

static bool run_job(void *arg, struct err *err)
{
    CLEANUP(bytes_free) struct bytes key = {.limit = KEY_MOST_BYTES};
    struct job *job = arg;
    struct tls_files *files = job->files;

    if (!make_stamp(job, files->stamp, err))
        return false;
    job->is_unchanged = strcmp(files->stamp, job->known) == 0;
    if (job->is_unchanged)
        return true;
    if (job->client_certificate != NULL &&
        !read_own("client_certificate", job->client_certificate, &files->certificate, err))
        return false;
    if (job->client_key != NULL && (!read_own("client_key", job->client_key, &key, err) ||
                                    !secret_keep(&files->key, bytes_text(&key), key.length, err)))
        return false;
    return read_cas(job, files, err);
}

void tls_files_unref(struct tls_files *files)
{
    if (files == NULL || --files->references > 0)
        return;
    X509_STORE_free(files->cas);
    bytes_free(&files->ca_text);
    bytes_free(&files->proxy_text);
    bytes_free(&files->certificate);
    secret_wipe(&files->key);
    free(files);
}

static void free_job(void *arg)
{
    struct job *job = arg;

    tls_files_unref(job->files);
    free(job->names);
    free(job->ca_file);
    free(job->ca_path);
    free(job->client_certificate);
    free(job->client_key);
    free(job);
}

static bool copy_text(char **to, const char *text)
{
    *to = text == NULL ? NULL : strdup(text);
    return text == NULL || *to != NULL;
}

static void set_places(struct job *job, const char *ca_key)
{
    const struct ca_place named = {
        .file = job->ca_file, .folder = job->ca_path, .file_key = ca_key};

    job->proxy_cas = ca_place_of_system(ca_key);
    job->cas = named.file == NULL && named.folder == NULL ? job->proxy_cas : named;
}

/* NULL if memory ran out. */
static struct job *new_job(const struct reading *reading, const struct tls_names *names)
{
    struct job *job = calloc(1, sizeof *job);

    if (job == NULL)
        return NULL;
    job->has_proxy = names->has_proxy;
    if (reading->files != NULL)
        memcpy(job->known, reading->files->stamp, sizeof job->known);
    job->files = calloc(1, sizeof *job->files);
    if (job->files == NULL) {
        free(job);
        return NULL;
    }
    *job->files = (struct tls_files){
        .references = 1,
        .ca_text.limit = ALL_MOST_BYTES,
        .proxy_text.limit = ALL_MOST_BYTES,
        .certificate.limit = FILE_MOST_BYTES,
    };
    if (copy_text(&job->names, reading->names) && copy_text(&job->ca_file, names->ca_file) &&
        copy_text(&job->ca_path, names->ca_path) &&
        copy_text(&job->client_certificate, names->client_certificate) &&
        copy_text(&job->client_key, names->client_key)) {
        set_places(job, names->ca_key);
        return job;
    }
    free_job(job);
    return NULL;
}

/* -- the store, on the loop -----------------------------------------------------------------------
 */

static void free_reading(struct reading *reading)
{
    TAILQ_REMOVE(&reading->store->readings, reading, entry);
    slot_drop(reading->work);
    tls_files_unref(reading->files);
    free(reading->names);
    free(reading);
}

static bool is_fresh(const struct reading *reading)
{
    return reading->work == NULL && clock_boot_us() - reading->began_us < FRESH_US;
}

/* Keeps the files of `names`, so that a hanging file system does not stop calls to the same CA. */
static void forget_others(struct tls_store *store, const char *names)
{
    struct reading *next;

    for (struct reading *at = TAILQ_FIRST(&store->readings); at != NULL; at = next) {
        next = TAILQ_NEXT(at, entry);
        if (at->work == NULL && !is_fresh(at) && strcmp(at->names, names) != 0)
            free_reading(at);
    }
}

struct tls_store *tls_store_new(sd_event *loop, struct workers *workers)
{
    struct tls_store *store = calloc(1, sizeof *store);

    if (store == NULL)
        return NULL;
    store->loop = loop;
    store->workers = workers;
    TAILQ_INIT(&store->readings);
    return store;
}

void tls_store_free(struct tls_store *store)
{
    if (store == NULL)
        return;
    while (!TAILQ_EMPTY(&store->readings))
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): TAILQ_REMOVE took it out before */
        free_reading(TAILQ_FIRST(&store->readings));
    free(store);
}

static void end_wait(struct wait *wait, const struct err *err)
{
    if (wait->reading != NULL)
        TAILQ_REMOVE(&wait->reading->waits, wait, entry);
    wait->reading = NULL;
    wait->limit = sd_event_source_disable_unref(wait->limit);
    slot_finish(&wait->slot, err);
}

static void destroy_wait(struct slot *slot)
{
    struct wait *wait = (struct wait *)slot;

    if (wait->reading != NULL)
        TAILQ_REMOVE(&wait->reading->waits, wait, entry);
    sd_event_source_disable_unref(wait->limit);
    tls_files_unref(wait->files);
    slot_free(slot);
}

static struct tls_files *take_files(struct tls_files *files)
{
    files->references++;
    return files;
}

static int on_late(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct wait *wait = arg;
    struct err err;

    (void)source;
    (void)now_us;
    if (wait->reading->files != NULL) {
        wait->files = take_files(wait->reading->files);
        end_wait(wait, NULL);
        return 0;
    }
    err_set(&err, ERR_LOCAL, "cannot read %s within %llus; check the file system that it is on",
            wait->reading->names, (unsigned long long)wait->limit_s);
    end_wait(wait, &err);
    return 0;
}

static void on_read(void *arg, const struct err *read_err)
{
    const struct err err = *read_err;
    struct reading *reading = arg;
    struct wait *wait;

    if (err.kind == ERR_NONE && !reading->job->is_unchanged) {
        tls_files_unref(reading->files);
        reading->files = take_files(reading->job->files);
    }
    reading->job = NULL;
    reading->work = slot_drop(reading->work);
    while ((wait = TAILQ_FIRST(&reading->waits)) != NULL) {
        if (err.kind == ERR_NONE)
            wait->files = take_files(reading->files);
        end_wait(wait, err.kind == ERR_NONE ? NULL : &err);
    }
    if (err.kind != ERR_NONE)
        reading->began_us = 0;
    /* An idle agent keeps no key in memory, so no later call can use this one. */
    if (reading->files == NULL || reading->files->key.length > 0)
        free_reading(reading);
}

/* What is read, for texts; two calls for the same files have the same. NULL if memory ran out. */
static char *name_files(const struct tls_names *names)
{
    const struct {
        const char *what, *path;
    } all[] = {
        {names->ca_key, names->ca_file},
        {"ca_path", names->ca_path},
        {"client_certificate", names->client_certificate},
        {"client_key", names->client_key},
    };
    CLEANUP(bytes_free) struct bytes text = {.limit = sizeof all / sizeof *all * 2 * PATH_BYTES};
    bool good = true;

    if (names->ca_file == NULL && names->ca_path == NULL)
        good = bytes_add(&text, "the system's CAs", strlen("the system's CAs"));
    if (names->has_proxy)
        good = good && bytes_add(&text, "the proxy's CAs", strlen("the proxy's CAs"));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i].path == NULL)
            continue;
        good = good && (text.length == 0 || bytes_add(&text, ", ", 2)) &&
               bytes_add(&text, all[i].what, strlen(all[i].what)) && bytes_add(&text, " ", 1) &&
               bytes_add(&text, all[i].path, strlen(all[i].path));
    }
    return good ? strdup(bytes_text(&text)) : NULL;
}

/* The reading of these names, a new one if there is none; NULL if memory ran out. */
static struct reading *find(struct tls_store *store, const struct tls_names *names)
{
    char *text = name_files(names);
    struct reading *reading = NULL;

    if (text == NULL)
        return NULL;
    forget_others(store, text);
    TAILQ_FOREACH(reading, &store->readings, entry)
    {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): likewise */
        if (strcmp(reading->names, text) == 0)
            break;
    }
    if (reading == NULL && (reading = calloc(1, sizeof *reading)) != NULL) {
        *reading = (struct reading){.store = store, .names = text};
        TAILQ_INIT(&reading->waits);
        TAILQ_INSERT_TAIL(&store->readings, reading, entry);
        return reading;
    }
    free(text);
    return reading;
}

/* False with *err filled, and none is under way. */
static bool begin(struct reading *reading, const struct tls_names *names, struct err *err)
{
    struct job *job = new_job(reading, names);
    struct lane_key lane;

    if (job == NULL)
        return err_memory(err);
    lane = lane_of(job->cas.file != NULL ? job->cas.file : job->cas.folder);
    reading->job = job;
    reading->began_us = clock_boot_us();
    reading->work = worker_start_in(reading->store->workers, &lane, WORK_NEXT, run_job, job,
                                    free_job, on_read, reading, err);
    if (reading->work == NULL)
        reading->job = NULL;
    return reading->work != NULL;
}

/* Waits for the one under way: a second since it began where there are older files to use. */
static bool await(struct wait *wait, struct reading *reading, uint64_t limit_s, struct err *err)
{
    uint64_t passed_us = clock_boot_us() - reading->began_us, limit_us = limit_s * 1000000ULL;
    int r;

    if (reading->files != NULL)
        limit_us = passed_us < PATIENCE_US ? PATIENCE_US - passed_us : 0;
    r = sd_event_add_time_relative(reading->store->loop, &wait->limit, CLOCK_BOOTTIME, limit_us, 0,
                                   on_late, wait);
    if (r < 0)
        return err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    sd_event_source_set_description(wait->limit, "time limit of TLS files");
    wait->limit_s = limit_s;
    wait->reading = reading;
    TAILQ_INSERT_TAIL(&reading->waits, wait, entry);
    return true;
}

struct slot *tls_files_start(struct tls_store *store, const struct tls_names *names,
                             uint64_t limit_s, slot_done *on_done, void *arg, struct err *err)
{
    struct wait *wait = slot_new(sizeof *wait, store->loop, destroy_wait, on_done, arg, err);
    struct reading *reading;

    if (wait == NULL)
        return NULL;
    reading = find(store, names);
    if (reading == NULL) {
        err_memory(err);
    } else if (reading->files != NULL && is_fresh(reading)) {
        wait->files = take_files(reading->files);
        slot_finish(&wait->slot, NULL);
        return &wait->slot;
    } else if ((reading->work != NULL || begin(reading, names, err)) &&
               await(wait, reading, limit_s, err)) {
        return &wait->slot;
    } else if (reading->work == NULL && reading->files == NULL) {
        free_reading(reading);
    }
    destroy_wait(&wait->slot);
    return NULL;
}

struct tls_files *tls_files_take(struct slot *slot)
{
    return take_files(((struct wait *)slot)->files);
}
