#include "ca/credentials.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum { LOOK_EVERY_S = 3, FRESH_S = 1, PATIENCE_S = 1 };

/* A caller that waits for a check. */
struct onlooker {
    struct slot slot;
    struct credentials *credentials;
    TAILQ_ENTRY(onlooker) entry;
};

struct look {
    struct config *config;
    char stamp[DIGEST_HEX_BYTES];
};

struct credentials {
    sd_event *loop;
    struct workers *workers;
    struct config *config;
    credentials_seen *on_seen;
    void *arg;
    sd_event_source *next_look;  /* armed while changes are to be reported */
    sd_event_source *impatience; /* armed while a caller waits for a check */
    struct slot *slot;           /* the check under way */
    struct look *look;           /* its job; borrowed */
    uint64_t began_us,
        seen_us;      /* when that check began, and when the last one ended; on the boot clock */
    bool is_outdated; /* the configuration has changed since that check began */
    bool tells;       /* the check under way reports to credentials_seen */
    TAILQ_HEAD(onlooker_list, onlooker) onlookers;
    char stamp[DIGEST_HEX_BYTES];      /* of the last check */
    char asked_with[DIGEST_HEX_BYTES]; /* the next check compares its stamp with this one */
};

/* -- a look ---------------------------------------------------------------------------------------
 */

enum { FILES = 7 };

static void list_files(const struct config *config, const char *files[static FILES])
{
    const struct vault_config *vault = &config->vault;
    const struct auth_config *auth = &config->auth;
    const char *const all[FILES] = {
        auth->token_file,  auth->role_id_file, auth->secret_id_file, vault->client_certificate,
        vault->client_key, vault->ca_file,     vault->ca_path,
    };

    memcpy(files, all, sizeof all);
}

struct lane_key credentials_lane(const struct config *config)
{
    const char *files[FILES];

    list_files(config, files);
    for (size_t i = 0; i < FILES; i++)
        if (files[i] != NULL)
            return lane_of(files[i]);
    return (struct lane_key){0};
}

static void make_stamp(const struct config *config, char to[static DIGEST_HEX_BYTES])
{
    const char *files[FILES];
    struct digest digest = {0};
    struct err err;

    list_files(config, files);
    digest_add(&digest, config->session_digest, strlen(config->session_digest));
    for (size_t i = 0; i < FILES; i++)
        file_stamp_at(&digest, AT_FDCWD, files[i]);
    if (!digest_hex(&digest, to, &err))
        to[0] = '\0';
}

static bool run_look(void *job, struct err *err)
{
    struct look *look = job;

    (void)err;
    make_stamp(look->config, look->stamp);
    return true;
}

static void free_look(void *job)
{
    struct look *look = job;

    config_unref(look->config);
    free(look);
}

static void arm(sd_event_source *timer, uint64_t after_s)
{
    sd_event_source_set_time_relative(timer, after_s * 1000000ULL);
    sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

static void release_onlookers(struct credentials *credentials)
{
    struct onlooker *onlooker;

    sd_event_source_set_enabled(credentials->impatience, SD_EVENT_OFF);
    while ((onlooker = TAILQ_FIRST(&credentials->onlookers)) != NULL) {
        TAILQ_REMOVE(&credentials->onlookers, onlooker, entry);
        onlooker->credentials = NULL;
        slot_finish(&onlooker->slot, NULL);
    }
}

static void tell(struct credentials *credentials)
{
    bool changed = strcmp(credentials->stamp, credentials->asked_with) != 0;

    credentials->tells = false;
    memcpy(credentials->asked_with, credentials->stamp, sizeof credentials->asked_with);
    if (credentials->on_seen(credentials->arg, changed))
        arm(credentials->next_look, LOOK_EVERY_S);
}

static void on_looked(void *arg, const struct err *err)
{
    struct credentials *credentials = arg;

    if (err->kind == ERR_NONE) {
        memcpy(credentials->stamp, credentials->look->stamp, sizeof credentials->stamp);
        credentials->seen_us = credentials->is_outdated ? 0 : credentials->began_us;
    }
    credentials->look = NULL;
    credentials->slot = slot_drop(credentials->slot);
    release_onlookers(credentials);
    if (credentials->tells)
        tell(credentials);
}

/* False if memory ran out; then no check is under way. */
static bool begin_look(struct credentials *credentials, struct err *err)
{
    const struct lane_key lane = credentials_lane(credentials->config);
    struct look *look;

    if (credentials->slot != NULL)
        return true;
    look = calloc(1, sizeof *look);
    if (look == NULL)
        return err_memory(err);
    look->config = config_ref(credentials->config);
    credentials->look = look;
    credentials->began_us = clock_boot_us();
    credentials->is_outdated = false;
    credentials->slot = worker_start_in(credentials->workers, &lane, WORK_NEXT, run_look, look,
                                        free_look, on_looked, credentials, err);
    return credentials->slot != NULL;
}

static int on_next_look(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct credentials *credentials = arg;
    struct err err;

    (void)now_us;
    credentials->tells = true;
    if (!begin_look(credentials, &err)) {
        credentials->tells = false;
        arm(source, LOOK_EVERY_S);
    }
    return 0;
}

static int on_impatience(sd_event_source *source, uint64_t now_us, void *arg)
{
    (void)source;
    (void)now_us;
    release_onlookers(arg);
    return 0;
}

static void destroy_onlooker(struct slot *slot)
{
    struct onlooker *onlooker = (struct onlooker *)slot;

    if (onlooker->credentials != NULL)
        TAILQ_REMOVE(&onlooker->credentials->onlookers, onlooker, entry);
    slot_free(slot);
}

struct slot *credentials_look_start(struct credentials *credentials, slot_done *on_done, void *arg,
                                    struct err *err)
{
    struct onlooker *onlooker =
        slot_new(sizeof *onlooker, credentials->loop, destroy_onlooker, on_done, arg, err);
    uint64_t fresh_us = credentials->seen_us + FRESH_S * 1000000ULL;
    int armed = SD_EVENT_OFF;

    if (onlooker == NULL)
        return NULL;
    if (credentials->seen_us != 0 && clock_boot_us() < fresh_us) {
        slot_finish(&onlooker->slot, NULL);
    } else if (!begin_look(credentials, err)) {
        slot_finish(&onlooker->slot, NULL);
    } else {
        onlooker->credentials = credentials;
        TAILQ_INSERT_TAIL(&credentials->onlookers, onlooker, entry);
        sd_event_source_get_enabled(credentials->impatience, &armed);
        if (armed == SD_EVENT_OFF)
            arm(credentials->impatience, PATIENCE_S);
    }
    return &onlooker->slot;
}

/* -- all of them ----------------------------------------------------------------------------------
 */

static bool add_timer(sd_event *loop, const char *name, sd_event_time_handler_t on_timer,
                      struct credentials *credentials, sd_event_source **ret_timer, struct err *err)
{
    int r =
        sd_event_add_time_relative(loop, ret_timer, CLOCK_BOOTTIME, 0, 0, on_timer, credentials);

    if (r < 0)
        return err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    sd_event_source_set_enabled(*ret_timer, SD_EVENT_OFF);
    sd_event_source_set_description(*ret_timer, name);
    return true;
}

bool credentials_open(sd_event *loop, struct workers *workers, struct config *config,
                      credentials_seen *on_seen, void *arg, struct credentials **ret_credentials,
                      struct err *err)
{
    struct credentials *credentials = calloc(1, sizeof *credentials);

    if (credentials == NULL)
        return err_memory(err);
    *credentials = (struct credentials){.loop = loop,
                                        .workers = workers,
                                        .config = config_ref(config),
                                        .on_seen = on_seen,
                                        .arg = arg};
    TAILQ_INIT(&credentials->onlookers);
    if (!add_timer(loop, "credentials", on_next_look, credentials, &credentials->next_look, err) ||
        !add_timer(loop, "look at credentials", on_impatience, credentials,
                   &credentials->impatience, err) ||
        !begin_look(credentials, err)) {
        credentials_close(credentials);
        return false;
    }
    *ret_credentials = credentials;
    return true;
}

void credentials_close(struct credentials *credentials)
{
    if (credentials == NULL)
        return;
    slot_drop(credentials->slot);
    sd_event_source_disable_unref(credentials->next_look);
    sd_event_source_disable_unref(credentials->impatience);
    config_unref(credentials->config);
    free(credentials);
}

/* Starts a new check: the files of the one under way are outdated and may hang for ever. */
static void look_anew(struct credentials *credentials)
{
    struct err err;

    credentials->look = NULL;
    credentials->slot = slot_drop(credentials->slot);
    if (begin_look(credentials, &err))
        return;
    release_onlookers(credentials);
    if (credentials->tells)
        arm(credentials->next_look, LOOK_EVERY_S);
    credentials->tells = false;
}

void credentials_use(struct credentials *credentials, struct config *config)
{
    bool changed = strcmp(credentials->config->session_digest, config->session_digest) != 0;

    config_ref(config);
    config_unref(credentials->config);
    credentials->config = config;
    credentials->seen_us = 0;
    credentials->is_outdated = true;
    if (changed && credentials->slot != NULL)
        look_anew(credentials);
}

const char *credentials_stamp(const struct credentials *credentials)
{
    return credentials->stamp;
}

void credentials_watch(struct credentials *credentials, const char *asked_with)
{
    int enabled = SD_EVENT_OFF;

    sd_event_source_get_enabled(credentials->next_look, &enabled);
    if (enabled == SD_EVENT_OFF && !credentials->tells) {
        snprintf(credentials->asked_with, sizeof credentials->asked_with, "%s", asked_with);
        arm(credentials->next_look, LOOK_EVERY_S);
    } else if (strcmp(credentials->asked_with, asked_with) != 0) {
        /* The callers used different stamps, so a change lies between them: the next check reports
         * it. */
        credentials->asked_with[0] = '\0';
    }
}
