#include "ca/credentials.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LOOK_EVERY_S = 3 };

struct credential_watch {
    sd_event_source *timer;
    struct config *config;
    credentials_seen *on_seen;
    void *arg;
    char stamp[DIGEST_HEX_BYTES];
};

static void add_file(struct digest *digest, const char *path)
{
    struct stat about;
    uint64_t facts[7] = {0};

    if (path != NULL && stat(path, &about) == 0) {
        facts[0] = (uint64_t)about.st_dev;
        facts[1] = (uint64_t)about.st_ino;
        facts[2] = (uint64_t)about.st_size;
        facts[3] = (uint64_t)about.st_mtim.tv_sec;
        facts[4] = (uint64_t)about.st_mtim.tv_nsec;
        facts[5] = (uint64_t)about.st_ctim.tv_sec;
        facts[6] = (uint64_t)about.st_ctim.tv_nsec;
    }
    digest_add(digest, facts, sizeof facts);
}

void credential_stamp(const struct config *config, char to[static DIGEST_HEX_BYTES])
{
    const struct vault_config *vault = &config->vault;
    const struct auth_config *auth = &config->auth;
    const char *const files[] = {
        auth->token_file,  auth->role_id_file, auth->secret_id_file, vault->client_certificate,
        vault->client_key, vault->ca_file,     vault->ca_path,
    };
    struct digest digest = {0};
    struct err err;

    digest_add(&digest, config->session_digest, strlen(config->session_digest));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        add_file(&digest, files[i]);
    if (!digest_hex(&digest, to, &err))
        to[0] = '\0';
}

static void arm(struct credential_watch *watch)
{
    sd_event_source_set_time_relative(watch->timer, LOOK_EVERY_S * 1000000ULL);
    sd_event_source_set_enabled(watch->timer, SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct credential_watch *watch = arg;
    char stamp[DIGEST_HEX_BYTES];
    bool changed;

    (void)source;
    (void)now_us;
    credential_stamp(watch->config, stamp);
    changed = strcmp(stamp, watch->stamp) != 0;
    memcpy(watch->stamp, stamp, sizeof stamp);
    if (watch->on_seen(watch->arg, changed))
        arm(watch);
    return 0;
}

bool credential_watch_open(sd_event *loop, credentials_seen *on_seen, void *arg,
                           struct credential_watch **ret_watch, struct err *err)
{
    struct credential_watch *watch = calloc(1, sizeof *watch);
    int r;

    if (watch == NULL)
        return err_memory(err);
    watch->on_seen = on_seen;
    watch->arg = arg;
    r = sd_event_add_time_relative(loop, &watch->timer, CLOCK_BOOTTIME, 0, 0, on_timer, watch);
    if (r < 0) {
        free(watch);
        return err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    }
    sd_event_source_set_enabled(watch->timer, SD_EVENT_OFF);
    sd_event_source_set_description(watch->timer, "credentials");
    *ret_watch = watch;
    return true;
}

void credential_watch_arm(struct credential_watch *watch, const struct config *config,
                          const char *asked_with)
{
    int enabled = SD_EVENT_OFF;

    if (watch == NULL)
        return;
    if (watch->config != config) {
        config_unref(watch->config);
        watch->config = config_ref((struct config *)config);
    } else if (sd_event_source_get_enabled(watch->timer, &enabled) > 0) {
        /* Somebody asked before a change, and somebody after it: the next look tells it. */
        if (strcmp(watch->stamp, asked_with) != 0)
            watch->stamp[0] = '\0';
        return;
    }
    snprintf(watch->stamp, sizeof watch->stamp, "%s", asked_with);
    arm(watch);
}

void credential_watch_close(struct credential_watch *watch)
{
    if (watch == NULL)
        return;
    sd_event_source_disable_unref(watch->timer);
    config_unref(watch->config);
    free(watch);
}
