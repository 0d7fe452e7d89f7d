#include "app/config_watch.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/event.h"
#include "base/worker.h"
#include "config/config_document.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
    SETTLE_US = 300 * 1000, /* between the first notice of a change and the read */
    GAP_US = 1000 * 1000,   /* between two reads: limits the load of a writer that does not stop */
    PLACE_US = 30 * 1000 * 1000, /* between two look-ups of the directories by their names */
    EVENTS_BYTES = 16 * 1024,
    THREADS = 1
};

/* The symbolic link that kubelet replaces to update a ConfigMap or Secret, whatever its files are
 * named. */
static const char volume_link[] = "..data";

/* -- which files ----------------------------------------------------------------------------------
 */

static bool add(struct config_sources *sources, const char *directory, const char *pattern)
{
    struct config_source *source;

    for (size_t i = 0; i < sources->count; i++)
        if (strcmp(sources->items[i].directory, directory) == 0 &&
            strcmp(sources->items[i].pattern, pattern) == 0)
            return true;
    source = arena_append(&sources->arena, &sources->items, &sources->count, sizeof *source);
    if (source == NULL)
        return false;
    source->directory = arena_copy(&sources->arena, directory);
    source->pattern = arena_copy(&sources->arena, pattern);
    return source->directory != NULL && source->pattern != NULL;
}

/* Watches the file's directory. Of a pattern over directories, watches the last one before the
 * first wildcard. */
static bool add_path(struct config_sources *sources, const char *path)
{
    size_t open = strcspn(path, "*?["), slash = open;
    char directory[PATH_MAX];
    const char *pattern;

    while (slash > 0 && path[slash - 1] != '/')
        slash--;
    if (path[open] == '\0' || strchr(path + open, '/') == NULL)
        slash = strrchr(path, '/') == NULL ? 0 : (size_t)(strrchr(path, '/') - path) + 1;
    snprintf(directory, sizeof directory, "%.*s", slash == 0 ? 1 : (int)slash,
             slash == 0 ? "." : path);
    pattern = arena_copy_part(&sources->arena, path + slash, strcspn(path + slash, "/"));
    return pattern != NULL && add(sources, directory, pattern);
}

/* A relative pattern starts at the main file's directory. */
static bool add_include(struct config_sources *sources, const char *file, const char *pattern)
{
    const char *slash = strrchr(file, '/');
    const char *path =
        pattern[0] == '/' || slash == NULL
            ? pattern
            : arena_format(&sources->arena, "%.*s/%s", (int)(slash - file), file, pattern);

    return path != NULL && add_path(sources, path);
}

static void digest_text(struct digest *digest, const char *text)
{
    digest_add(digest, text, strlen(text) + 1);
}

static bool add_section(struct config_sources *sources, const char *file,
                        const struct config_section *section, struct digest *digest)
{
    bool is_agent = strcmp(section->kind, "agent") == 0;
    bool added = true;

    digest_text(digest, section->title);
    for (const struct config_entry *at = section->entries; at != NULL && added; at = at->next) {
        digest_text(digest, at->key);
        digest_text(digest, at->value);
        if (is_agent && strcmp(at->key, "include") == 0)
            added = add_include(sources, file, at->value);
    }
    return added;
}

static bool fill(struct config_sources *sources, const struct config *config, const char *file)
{
    CLEANUP(digest_drop) struct digest digest = {0};
    const char *last = file;
    bool filled = add_path(sources, file);
    struct err err;

    for (const struct config_section *at = config->document->sections; at != NULL && filled;
         at = at->next) {
        /* Sections of a file follow one another. */
        if (strcmp(at->file, last) != 0)
            filled = add_path(sources, at->file);
        last = at->file;
        filled = filled && add_section(sources, file, at, &digest);
    }
    for (size_t i = 0; i < config->cert_count; i++)
        digest_text(&digest, config->certs[i].digest);
    return filled && digest_hex(&digest, sources->digest, &err);
}

struct config_sources *config_sources_of(const struct config *config, const char *file)
{
    struct config_sources *sources = calloc(1, sizeof *sources);

    if (sources != NULL && !fill(sources, config, file)) {
        config_sources_free(sources);
        return NULL;
    }
    return sources;
}

void config_sources_free(struct config_sources *sources)
{
    if (sources == NULL || atomic_fetch_sub(&sources->shares, 1) > 0)
        return;
    arena_free(&sources->arena);
    free(sources);
}

/* -- the watch ------------------------------------------------------------------------------------
 */

/* The files, and the inotify watch descriptors of their directories. */
struct places {
    struct config_sources *sources;
    int *watches;     /* of each source; -1: cannot be watched */
    size_t unwatched; /* the first source without a watch; the count: all have one */
    int errnum;       /* why */
};

/* The paths that a thread resolves to watches. */
struct placing {
    struct places *places;
    int fd; /* a duplicate of inotify's */
};

struct config_watch {
    sd_event *loop;
    struct workers *workers;
    config_watch_noticed *on_change;
    void *arg;
    int fd; /* inotify's; -1: not needed yet */
    sd_event_source *source, *timer, *again;
    uint64_t noticed_us; /* of the last notice, on the boot clock */
    struct slot *slot;
    struct placing *placing;     /* under way; the worker's until it ends */
    struct places *places;       /* what is watched; NULL: nothing */
    struct config_sources *next; /* to be watched after the ones under way; NULL: none */
    bool told;                   /* a directory that cannot be watched was logged */
};

static void free_places(struct places *places)
{
    if (places == NULL)
        return;
    config_sources_free(places->sources);
    free(places->watches);
    free(places);
}

static struct places *new_places(struct config_sources *sources)
{
    struct places *places = calloc(1, sizeof *places);
    int *watches = calloc(sources->count + 1, sizeof *watches);

    if (places != NULL && watches != NULL) {
        *places = (struct places){sources, watches, sources->count, 0};
        return places;
    }
    free(places);
    free(watches);
    config_sources_free(sources);
    return NULL;
}

static void free_placing(void *job)
{
    struct placing *placing = job;

    free_places(placing->places);
    close_fd(&placing->fd);
    free(placing);
}

static bool place(void *job, struct err *err)
{
    const uint32_t what = IN_MOVED_TO | IN_MOVED_FROM | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE |
                          IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
    const struct placing *placing = job;
    struct places *places = placing->places;

    (void)err;
    for (size_t i = 0; i < places->sources->count; i++) {
        places->watches[i] =
            inotify_add_watch(placing->fd, places->sources->items[i].directory, what);
        if (places->watches[i] < 0 && places->errnum == 0) {
            places->errnum = errno;
            places->unwatched = i;
        }
    }
    return true;
}

/* -- what is noticed ------------------------------------------------------------------------------
 */

static void notice(struct config_watch *watch)
{
    uint64_t at_us = clock_boot_us() + SETTLE_US;

    if (sd_event_source_get_enabled(watch->timer, NULL) > 0)
        return;
    if (at_us < watch->noticed_us + GAP_US)
        at_us = watch->noticed_us + GAP_US;
    sd_event_source_set_time(watch->timer, at_us);
    sd_event_source_set_enabled(watch->timer, SD_EVENT_ONESHOT);
}

static bool is_of(const struct places *places, const struct inotify_event *event)
{
    const char *name = event->len > 0 ? event->name : "";

    for (size_t i = 0; places != NULL && i < places->sources->count; i++)
        if (places->watches[i] == event->wd &&
            (name[0] == '\0' || strcmp(name, volume_link) == 0 ||
             fnmatch(places->sources->items[i].pattern, name, FNM_PERIOD) == 0))
            return true;
    return false;
}

static int on_events(sd_event_source *source, int fd, uint32_t events, void *arg)
{
    _Alignas(struct inotify_event) char room[EVENTS_BYTES];
    struct config_watch *watch = arg;
    ssize_t length = read(fd, room, sizeof room);

    (void)source;
    (void)events;
    for (ssize_t at = 0; at < length;) {
        const struct inotify_event *event = (const struct inotify_event *)(room + at);

        if ((event->mask & IN_Q_OVERFLOW) != 0 || is_of(watch->places, event))
            notice(watch);
        at += (ssize_t)(sizeof *event + event->len);
    }
    return 0;
}

static int on_settled(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct config_watch *watch = arg;

    (void)source;
    (void)now_us;
    watch->noticed_us = clock_boot_us();
    watch->on_change(watch->arg);
    return 0;
}

/* -- which watches --------------------------------------------------------------------------------
 */

static void tell_unwatched(struct config_watch *watch, const char *what, int errnum)
{
    if (!watch->told)
        event_emit(
            &(struct event){.kind = EVENT_ADVICE},
            "watch_config: cannot watch %s: %s; apply changes there by SIGHUP or `leafd reload`",
            what, strerror(errnum));
    watch->told = true;
}

static bool are_same(const struct config_sources *a, const struct config_sources *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i].directory, b->items[i].directory) != 0 ||
            strcmp(a->items[i].pattern, b->items[i].pattern) != 0)
            return false;
    return true;
}

static bool has_watch(const struct places *places, int number)
{
    for (size_t i = 0; i < places->sources->count; i++)
        if (places->watches[i] == number)
            return true;
    return false;
}

/* Watches that are no longer needed; a thread removes them. */
struct removal {
    int fd; /* a duplicate of inotify's */
    size_t count;
    int watches[];
};

static void free_removal(void *job)
{
    struct removal *removal = job;

    close_fd(&removal->fd);
    free(removal);
}

static bool remove_watches(void *job, struct err *err)
{
    const struct removal *removal = job;

    (void)err;
    for (size_t i = 0; i < removal->count; i++)
        inotify_rm_watch(removal->fd, removal->watches[i]);
    return true;
}

/* If memory runs out, an unneeded watch stays, and its notices are ignored. */
static struct removal *new_removal(const struct places *before, const struct places *places, int fd)
{
    struct removal *removal =
        calloc(1, sizeof *removal + before->sources->count * sizeof *removal->watches);

    if (removal == NULL)
        return NULL;
    for (size_t i = 0; i < before->sources->count; i++)
        if (before->watches[i] >= 0 && !has_watch(places, before->watches[i]))
            removal->watches[removal->count++] = before->watches[i];
    removal->fd = removal->count > 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (removal->fd >= 0)
        return removal;
    free(removal);
    return NULL;
}

/* The single thread removes old watches before it adds new ones, so it does not remove one that was
 * added again. */
static void replace(struct config_watch *watch, struct places *places)
{
    struct places *before = watch->places;
    struct removal *removal = before == NULL ? NULL : new_removal(before, places, watch->fd);
    struct err err;

    watch->places = places;
    free_places(before);
    if (removal != NULL)
        worker_send(watch->workers, &(struct lane_key){0}, remove_watches, removal, free_removal,
                    &err);
}

/* Whether a change may have gone unnoticed between the reading and now. */
static bool is_new(const struct places *before, const struct places *now)
{
    if (before == NULL || !are_same(before->sources, now->sources))
        return true;
    for (size_t i = 0; i < now->sources->count; i++)
        if (now->watches[i] >= 0 && now->watches[i] != before->watches[i])
            return true;
    return false;
}

static void start(struct config_watch *watch, struct config_sources *sources);

/* inotify watches directories, and not their names: a link on the way may be turned to another
 * directory, and a directory that was removed may come back. */
static void place_again_later(struct config_watch *watch)
{
    sd_event_source_set_time_relative(watch->again, PLACE_US);
    sd_event_source_set_enabled(watch->again, SD_EVENT_ONESHOT);
}

static int on_place_again(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct config_watch *watch = arg;

    (void)source;
    (void)now_us;
    if (watch->slot == NULL && watch->places != NULL) {
        atomic_fetch_add(&watch->places->sources->shares, 1);
        start(watch, watch->places->sources);
    }
    return 0;
}

static void on_placed(void *arg, const struct err *err)
{
    struct config_watch *watch = arg;
    struct places *places = TAKE(watch->placing->places);

    (void)err;
    watch->placing = NULL;
    watch->slot = slot_drop(watch->slot);
    if (places->errnum != 0)
        tell_unwatched(watch, places->sources->items[places->unwatched].directory, places->errnum);
    else
        watch->told = false;
    if (is_new(watch->places, places))
        notice(watch);
    replace(watch, places);
    if (watch->next != NULL)
        start(watch, TAKE(watch->next));
    else
        place_again_later(watch);
}

/* Opens one inotify instance for all directories; sets errno on failure. */
static bool open_inotify(struct config_watch *watch)
{
    int r;

    if (watch->fd >= 0)
        return true;
    watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch->fd < 0)
        return false;
    r = sd_event_add_io(watch->loop, &watch->source, watch->fd, EPOLLIN, on_events, watch);
    if (r >= 0)
        return true;
    close_fd(&watch->fd);
    errno = -r;
    return false;
}

static bool start_placing(struct config_watch *watch, struct config_sources *sources)
{
    struct placing *placing = calloc(1, sizeof *placing);
    struct err err;

    if (placing == NULL) {
        config_sources_free(sources);
        return false;
    }
    placing->places = new_places(sources);
    placing->fd = fcntl(watch->fd, F_DUPFD_CLOEXEC, 0);
    if (placing->places == NULL || placing->fd < 0) {
        free_placing(placing);
        return false;
    }
    watch->placing = placing;
    watch->slot = worker_start(watch->workers, WORK_NEXT, place, placing, free_placing, on_placed,
                               watch, &err);
    return watch->slot != NULL;
}

static void start(struct config_watch *watch, struct config_sources *sources)
{
    if (!open_inotify(watch)) {
        tell_unwatched(watch, "any directory", errno);
        config_sources_free(sources);
        return;
    }
    if (!start_placing(watch, sources)) {
        tell_unwatched(watch, "any directory", ENOMEM);
        place_again_later(watch);
    }
}

static void stop(struct config_watch *watch)
{
    watch->slot = slot_drop(watch->slot);
    config_sources_free(TAKE(watch->next));
    free_places(TAKE(watch->places));
    watch->source = sd_event_source_disable_unref(watch->source);
    sd_event_source_set_enabled(watch->timer, SD_EVENT_OFF);
    sd_event_source_set_enabled(watch->again, SD_EVENT_OFF);
    close_fd(&watch->fd);
}

/* -- from the start to the end --------------------------------------------------------------------
 */

bool config_watch_open(sd_event *loop, config_watch_noticed *on_change, void *arg,
                       struct config_watch **ret_watch, struct err *err)
{
    struct config_watch *watch = calloc(1, sizeof *watch);
    int r;

    if (watch == NULL)
        return err_memory(err);
    watch->loop = loop;
    watch->on_change = on_change;
    watch->arg = arg;
    watch->fd = -1;
    *ret_watch = watch;
    if (!workers_open(loop, THREADS, &watch->workers, err))
        return false;
    r = sd_event_add_time(loop, &watch->timer, CLOCK_BOOTTIME, 0, 0, on_settled, watch);
    if (r >= 0)
        r = sd_event_add_time(loop, &watch->again, CLOCK_BOOTTIME, 0, 0, on_place_again, watch);
    if (r < 0)
        return err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    sd_event_source_set_enabled(watch->timer, SD_EVENT_OFF);
    sd_event_source_set_enabled(watch->again, SD_EVENT_OFF);
    return true;
}

void config_watch_use(struct config_watch *watch, struct config_sources *sources)
{
    if (sources == NULL) {
        stop(watch);
    } else if (watch->slot != NULL) {
        config_sources_free(watch->next);
        watch->next = sources;
    } else {
        start(watch, sources);
    }
}

bool config_watch_close(struct config_watch *watch)
{
    bool ended;

    if (watch == NULL)
        return true;
    stop(watch);
    ended = workers_close(watch->workers, 0);
    sd_event_source_disable_unref(watch->timer);
    sd_event_source_disable_unref(watch->again);
    free(watch);
    return ended;
}
