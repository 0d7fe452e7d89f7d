#include "app/configuration.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/event.h"
#include "base/log.h"
#include "base/posture.h"
#include "base/trust.h"
#include "config/config_document.h"
#include "config/config_load.h"
#include "pki/chain.h"
#include "pki/pem_file.h"
#include "plan/ca_news.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file that a key names. */
struct named_file {
    const char *kind, *section; /* "cert", "web" */
    const char *key, *path;
};

enum { CREDENTIALS = 4, LOOK_EVERY_S = 2 };

/* The place of the key: in the section, for certificates also in [defaults], or in the environment.
 */
static struct config_place place_of(const struct config *config, const struct named_file *file)
{
    const struct config_document *document = config->document;
    const struct config_section *own = config_section_find(document, file->kind, file->section);

    if (config_entry_find(own, file->key) != NULL)
        return config_place_of(document, file->kind, file->section, file->key);
    if (config_entry_find(config_section_find(document, "defaults", ""), file->key) != NULL)
        return config_place_of(document, "defaults", "", file->key);
    return (struct config_place){"environment", 0, file->kind, file->key};
}

/* Lists the credential files that the configuration names. */
static size_t credentials_of(const struct config *config, struct named_file files[CREDENTIALS])
{
    const struct auth_config *auth = &config->auth;
    const struct named_file all[CREDENTIALS] = {
        {"auth", "", "token_file", auth->token_file},
        {"auth", "", "role_id_file", auth->role_id_file},
        {"auth", "", "secret_id_file", auth->secret_id_file},
        {"vault", "", "client_key", config->vault.client_key},
    };
    size_t count = 0;

    for (size_t i = 0; i < CREDENTIALS; i++)
        if (all[i].path != NULL)
            files[count++] = all[i];
    return count;
}

static int by_path(const void *a, const void *b)
{
    const struct named_file *first = a, *second = b;
    int order = strcmp(first->path, second->path);

    if (order == 0)
        order = strcmp(first->key, second->key);
    return order != 0 ? order : strcmp(first->section, second->section);
}

/* Keeps each pair of file and key once, at the section whose name sorts first. */
static void drop_repeated(struct named_file *files, size_t count)
{
    size_t kept = 0;

    if (count > 0)
        qsort(files, count, sizeof *files, by_path);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || strcmp(files[i].path, files[kept - 1].path) != 0 ||
            strcmp(files[i].key, files[kept - 1].key) != 0)
            files[kept++] = files[i];
    files[kept] = (struct named_file){0};
}

/* Lists every certificate file once, however many sections name it; ends with {0}. */
static const struct named_file *certificates_of(const struct config *config)
{
    struct named_file *files = calloc(config->cert_count + 3, sizeof *files);
    size_t count = 0;

    if (files == NULL)
        return NULL;
    if (config->vault.ca_file != NULL)
        files[count++] = (struct named_file){"vault", "", "ca_file", config->vault.ca_file};
    if (config->vault.client_certificate != NULL)
        files[count++] = (struct named_file){"vault", "", "client_certificate",
                                             config->vault.client_certificate};
    for (size_t i = 0; i < config->cert_count; i++) {
        const struct cert_config *cert = &config->certs[i];

        if (cert->trust_anchor != NULL)
            files[count++] = (struct named_file){config_kind(cert), cert->name, "trust_anchor",
                                                 cert->trust_anchor};
    }
    drop_repeated(files, count);
    return files;
}

/* http/tls_files reads ca_file and also accepts OpenSSL's TRUSTED CERTIFICATE form. */
static enum pem_file_form form_of(const struct named_file *file)
{
    return strcmp(file->key, "ca_file") == 0 ? PEM_FILE_OR_TRUSTED : PEM_FILE_PLAIN;
}

/* False with *err filled; its text follows the file's name in the message. */
static bool is_good(const struct named_file *file, struct err *err)
{
    struct pem_file_facts facts;

    if (!pem_file_certificates(file->path, form_of(file), &facts, err))
        return false;
    if (strcmp(file->key, "trust_anchor") == 0 &&
        (facts.certificates > CHAIN_MOST_CERTIFICATES || facts.bytes > CHAIN_MOST_BYTES))
        return err_set(err, ERR_LOCAL,
                       "holds %zu certificates in %zu bytes, and the limit is %d in %d; name a "
                       "file with only the CA certificates of this certificate",
                       facts.certificates, facts.bytes, CHAIN_MOST_CERTIFICATES, CHAIN_MOST_BYTES);
    return true;
}

/* Looks up the place only for a problem: the search is linear in the number of sections. */
static void check_certificates_in(const struct config *config, const struct named_file *file,
                                  struct config_problems *problems)
{
    struct config_place place;
    struct err err;

    if (is_good(file, &err))
        return;
    place = place_of(config, file);
    config_problem(problems, &place, "\"%s\" %s", file->path, err.text);
}

static void check_certificates(const struct config *config, struct config_problems *problems)
{
    const struct named_file *files = certificates_of(config);

    if (files == NULL)
        config_problem(problems, &(struct config_place){0}, "memory ran out");
    for (const struct named_file *at = files; at != NULL && at->path != NULL; at++)
        check_certificates_in(config, at, problems);
    free((void *)files);
}

/* Finds out who may read a file that no other user may write; false if it cannot be opened. */
static bool may_read(const char *path, enum trust_readers *ret_readers, struct err *err)
{
    CLEANUP(close_fd) int fd = -1;
    struct trust trust = {.user = geteuid()};

    if (!trust_open_file(&trust, path, &fd, err))
        return false;
    *ret_readers = trust_readers(&trust, fd, path);
    return true;
}

static void check_client_key(const struct config *config, struct config_problems *problems)
{
    const struct named_file file = {"vault", "", "client_key", config->vault.client_key};
    enum trust_readers readers;
    struct config_place place;
    struct err err;

    if (file.path == NULL)
        return;
    place = place_of(config, &file);
    if (!pem_file_key(file.path, config->vault.client_certificate, &err))
        config_problem(problems, &place, "\"%s\" %s", file.path, err.text);
    else if (may_read(file.path, &readers, &err) && readers == TRUST_EVERYBODY)
        config_problem(problems, &place,
                       "\"%s\" is a private key that all users may read; chmod o-r it, and replace "
                       "the key if another user could have read it",
                       file.path);
}

struct config *configuration_load(const char *file, struct config_problems *problems)
{
    struct config *config = config_load(file, false, problems);

    if (config == NULL)
        return NULL;
    check_certificates(config, problems);
    check_client_key(config, problems);
    if (problems->count == 0)
        return config;
    config_problems_sort(problems);
    config_unref(config);
    return NULL;
}

/* Waits for the next try; true if SIGTERM or SIGINT came. SIGHUP starts the next try at once. */
static bool sleep_until_look(void)
{
    const struct timespec look = {.tv_sec = LOOK_EVERY_S};
    sigset_t awaited, before;
    int caught;

    sigemptyset(&awaited);
    sigaddset(&awaited, SIGTERM);
    sigaddset(&awaited, SIGINT);
    sigaddset(&awaited, SIGHUP);
    sigprocmask(SIG_BLOCK, &awaited, &before);
    caught = sigtimedwait(&awaited, NULL, &look);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return caught == SIGTERM || caught == SIGINT;
}

struct config *configuration_await(const char *file, uint64_t most_s,
                                   struct config_problems *problems, bool *ret_told_to_end)
{
    uint64_t began_us = clock_boot_us();
    bool told = false;

    for (;;) {
        struct config *config = configuration_load(file, problems);

        if (config != NULL || !problems->awaits_token ||
            (clock_boot_us() - began_us) / 1000000 >= most_s)
            return config;
        if (!told) {
            log_setup(LOG_FORMAT_AUTO, LOG_LEVEL_INFO);
            event_emit(&(struct event){.kind = EVENT_FAILED, .failure = ERR_LOCAL},
                       "waits for the token and tries again every %d s: %s", LOOK_EVERY_S,
                       config_problems_first(problems));
        }
        told = true;
        config_problems_free(problems);
        *ret_told_to_end = sleep_until_look();
        if (*ret_told_to_end)
            return NULL;
    }
}

/* The warnings that the section ignores. */
static uint64_t ignored_by(const struct config *config, const struct named_file *file)
{
    const struct cert_config *cert = config_cert(config, file->section);

    if (strcmp(file->kind, "vault") == 0)
        return config->vault.ignored;
    if (strcmp(file->kind, "auth") == 0)
        return config->auth.ignored;
    return cert != NULL && strcmp(file->kind, config_kind(cert)) == 0 ? cert->ignored
                                                                      : config->agent.ignored;
}

/* Adds a warning on what the section names, unless the section ignores its id. */
static void __attribute__((format(printf, 6, 7)))
warn(const struct config *config, struct config_problems *advice, const struct named_file *file,
     const struct config_place *place, enum posture id, const char *format, ...)
{
    char text[2 * ERR_TEXT_BYTES];
    va_list args;

    if ((ignored_by(config, file) & posture_bit(id)) != 0)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    config_warning(advice, place, id, "%s", text);
}

static void advise_on_credential(const struct config *config, const struct named_file *file,
                                 struct config_problems *advice)
{
    struct config_place place = place_of(config, file);
    const char *key = place.key;
    enum trust_readers readers;
    struct err err;

    /* A default value has no line: then the section is the place. */
    if (place.line == 0)
        place = config_place_of(config->document, file->kind, file->section, file->key);
    if (!may_read(file->path, &readers, &err))
        warn(config, advice, file, &place, POSTURE_CREDENTIAL_MISSING,
             "the file of %s cannot be read now: %s; logins fail until it can be read", key,
             err.errnum == 0 ? "it is no file" : strerrordesc_np(err.errnum));
    else if (strcmp(key, "role_id_file") != 0 && readers >= TRUST_MOUNT)
        warn(config, advice, file, &place, POSTURE_CREDENTIAL_READABLE,
             "all users may read the file of %s; %s", key,
             readers == TRUST_MOUNT
                 ? "chmod o-r it where it is mounted from, or have it mounted so: "
                   "mode: of a Docker or Podman secret, defaultMode: of a volume"
                 : "chmod o-r it");
}

static void advise_on_ends(const struct config *config, struct config_problems *advice)
{
    const struct named_file *files = certificates_of(config);
    char end[WHEN_TEXT_BYTES];
    struct pem_file_facts facts;
    struct err err;

    for (const struct named_file *at = files; at != NULL && at->path != NULL; at++) {
        struct config_place place;

        if (!pem_file_certificates(at->path, form_of(at), &facts, &err) ||
            facts.end_s > clock_now_s())
            continue;
        clock_text(facts.end_s, end);
        place = place_of(config, at);
        warn(config, advice, at, &place, POSTURE_FILE_EXPIRED,
             "all certificates in %s have expired, the last one at %s; replace them by new ones",
             at->key, end);
    }
    free((void *)files);
}

static void advise_on_passwords(const struct config *config, struct config_problems *advice)
{
    for (size_t i = 0; i < config->cert_count; i++) {
        const struct cert_config *cert = &config->certs[i];
        const struct named_file file = {config_kind(cert), cert->name, "keystore_password_file",
                                        cert->keystore_password_file};

        if (file.path != NULL)
            advise_on_credential(config, &file, advice);
    }
}

/* Advice on who may write the files names a directory, not a line. */
static void advise_on_trust(const struct config *config, struct config_problems *advice)
{
    const struct config_section *first = config->document->sections;

    const struct named_file nothing = {"agent", "", NULL, NULL};

    for (size_t i = 0; i < config->advice.count; i++)
        warn(config, advice, &nothing,
             &(struct config_place){.file = first == NULL ? NULL : first->file},
             POSTURE_OTHERS_WRITE, "%s", config->advice.items[i]);
}

/* A ca_spread that suited a shorter ca_poll is raised instead of refused. */
static void advise_on_spread(const struct config *config, struct config_problems *advice)
{
    const struct agent_config *agent = &config->agent;
    bool follows_life = agent->ca_poll_s == CA_NEWS_AUTO;
    char written[DURATION_TEXT_BYTES], counts[DURATION_TEXT_BYTES];

    if (agent->ca_spread_s == CA_NEWS_AUTO)
        return;
    for (size_t i = 0; i < config->cert_count && (i == 0 || follows_life); i++) {
        const struct cert_config *cert = &config->certs[i];
        uint64_t poll_s = ca_news_poll_s(agent->ca_poll_s, cert->request.ttl_s);
        uint64_t spread_s = ca_news_spread_s(agent->ca_spread_s, poll_s);
        struct config_place place;

        if (spread_s == agent->ca_spread_s || cert->is_trust)
            continue;
        place = follows_life ? config_place_of(config->document, "cert", cert->name, "ttl")
                             : config_place_of(config->document, "agent", "", "ca_spread");
        duration_text(agent->ca_spread_s, written);
        duration_text(spread_s, counts);
        warn(config, advice,
             &(struct named_file){follows_life ? "cert" : "agent", follows_life ? cert->name : "",
                                  "ca_spread", NULL},
             &place, POSTURE_CA_SPREAD,
             "ca_spread = %s is less than %d times ca_poll, so leafd uses %s: "
             "all agents must have polled before a certificate of a new CA is published; "
             "write ca_spread = auto",
             written, CA_NEWS_SPREAD_POLLS, counts);
    }
}

void configuration_advise(const struct config *config, struct config_problems *advice)
{
    struct named_file files[CREDENTIALS];
    size_t count = credentials_of(config, files);

    for (size_t i = 0; i < count; i++)
        advise_on_credential(config, &files[i], advice);
    advise_on_passwords(config, advice);
    advise_on_ends(config, advice);
    advise_on_trust(config, advice);
    advise_on_spread(config, advice);
    config_problems_sort(advice);
}
