#include "app/status.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/terminal.h"
#include "install/installed.h"
#include "install/publish.h"
#include "install/set_directory.h"
#include "plan/renewal.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum { FIRST_PAUSE_US = 50000, PAUSE_MOST_US = 1000000, GLANCES_MOST = 3 };

/* The agent learned it from the CA. */
static bool is_found_revoked(const struct status_row *row)
{
    return row->serial[0] != '\0' && text_equal(row->state.ca.revoked, row->serial);
}

/* The first condition that holds gives the word; leafd(8), STATES has the same order. */
static enum status_word judge(const struct status_row *row, const struct installed *installed,
                              const struct cert_config *cert, enum revocation revocation,
                              uint64_t now_s, const char **ret_detail)
{
    const struct consumer_state *consumer = &row->state.consumer;
    const char *difference;

    *ret_detail = installed->why;
    if (installed->health == INSTALLED_NOTHING)
        return row->is_hidden ? STATUS_UNKNOWN : STATUS_MISSING;
    *ret_detail = "it is not replaced until `leafd revoke` or `leafd once` names the certificate";
    if (revocation == REVOCATION_FINAL)
        return STATUS_REVOKED;
    *ret_detail = "";
    if (now_s >= row->end_s)
        return STATUS_EXPIRED;
    *ret_detail = "it is not valid yet; check this machine's clock";
    if (now_s < row->not_before_s)
        return STATUS_EARLY;
    *ret_detail = "";
    if (revocation == REVOCATION_REPLACED || is_found_revoked(row))
        return STATUS_REVOKED;
    *ret_detail = "the consumer refused a newer certificate";
    if (consumer->refused[0] != '\0')
        return STATUS_ROLLED_BACK;
    difference = installed_difference(installed, cert);
    *ret_detail = difference == NULL ? installed->why : difference;
    if (installed->health == INSTALLED_DAMAGED)
        return STATUS_DAMAGED;
    if (difference != NULL || installed->health == INSTALLED_UNWANTED)
        return STATUS_CHANGED;
    if (now_s >= row->due_s)
        return STATUS_DUE;
    *ret_detail = "only root and the set's owner may read the agent's state";
    if (row->is_hidden)
        return STATUS_UNKNOWN;
    *ret_detail = "";
    if (consumer_is_verified(consumer, cert, installed->generation))
        return STATUS_FRESH;
    return consumer_is_notified(consumer, cert, installed->generation) ? STATUS_NOT_PROVEN
                                                                       : STATUS_NOT_RELOADED;
}

/* Reads the set again if it was replaced meanwhile: the files of the old generation may be gone. */
static void glance(int set_fd, const struct cert_config *cert, struct installed *installed)
{
    char current[GENERATION_NAME_BYTES];
    struct err err;

    for (unsigned tries = 1; tries <= GLANCES_MOST; tries++) {
        installed_free(installed);
        installed_glance(set_fd, cert, installed);
        if (!publish_current(set_fd, current, &err) || strcmp(current, installed->generation) == 0)
            return;
    }
}

/* Whether each file exists under its name with the content that was written. */
static bool is_intact(int set_fd, const struct installed *installed)
{
    struct err err;

    if (installed->health == INSTALLED_NOTHING || installed->is_spoiled)
        return false;
    for (size_t i = 0; i < installed->record.file_count; i++)
        if (!publish_name_stands(set_fd, installed->record.files[i].output.name, &err))
            return false;
    return true;
}

static bool fill(struct status *status, struct status_row *row, const struct installed *installed,
                 const struct cert_config *cert, enum revocation revocation)
{
    const struct certificate_facts *leaf = &installed->record.leaf;
    char served[SERVED_TEXT_BYTES];
    const char *detail;

    if (installed->health != INSTALLED_NOTHING) {
        const struct validity life = {leaf->validity.not_before, installed->record.end_s};
        const char *const texts[] = {cert->name, leaf->serial, NULL};

        row->not_before_s = leaf->validity.not_before;
        row->not_after_s = leaf->validity.not_after;
        row->end_s = installed->record.end_s;
        row->due_s =
            renewal_due_s(&life, installed->record.issued_s, &cert->renewal, digest_spread(texts));
        row->serial = arena_copy(&status->arena, leaf->serial);
        row->fingerprint = arena_copy(&status->arena, leaf->fingerprint);
        if (row->serial == NULL || row->fingerprint == NULL)
            return false;
        if (is_found_revoked(row))
            row->due_s = duration_shorter(row->due_s, row->state.ca.replace_at_s);
        row->usable =
            row->is_intact && status->now_s >= row->not_before_s && status->now_s < row->end_s;
        row->reload = row->is_hidden
                          ? PROGRESS_COUNT
                          : consumer_progress_of(&row->state.consumer, cert, installed->generation);
        if (row->reload == PROGRESS_PROVEN)
            row->chain = row->state.consumer.served.chain_verified ? "verified" : "not seen";
    }
    row->serves_bad =
        served_is_bad(&row->state.consumer, cert, installed->generation, status->now_s);
    row->word = judge(row, installed, cert, revocation, status->now_s, &detail);
    served_text(&row->state.consumer.served, row->serial, status->now_s, served);
    if (detail[0] == '\0' && cert->prove.method != PROVE_NONE)
        detail = served;
    row->detail = arena_copy(&status->arena, detail);
    return row->detail != NULL;
}

static bool read_row(struct status *status, const struct cert_config *cert, struct status_row *row)
{
    CLEANUP(installed_free) struct installed installed = {0};
    CLEANUP(close_fd) int set_fd = -1;
    enum revocation revocation = REVOCATION_NONE;
    struct err err;

    *row = (struct status_row){.serial = "", .fingerprint = ""};
    row->name = arena_copy(&status->arena, cert->name);
    row->directory = arena_copy(&status->arena, cert->directory);
    if (!set_directory_look(cert->directory, &set_fd, &err)) {
        installed.health = INSTALLED_NOTHING;
        row->is_hidden = err.errnum == EACCES;
        snprintf(installed.why, sizeof installed.why, "%.200s", err.text);
    } else {
        glance(set_fd, cert, &installed);
        row->is_intact = is_intact(set_fd, &installed);
        installed_judge_names(set_fd, cert, &installed);
        if (installed.health < INSTALLED_DAMAGED &&
            !set_directory_is_private(cert->directory, set_fd, &err)) {
            installed.health = INSTALLED_DAMAGED;
            snprintf(installed.why, sizeof installed.why, "%.255s", err.text);
        }
        row->is_hidden = !cert_state_read(set_fd, &row->state);
        revocation = revoked_mark_read(set_fd, installed.generation);
    }
    return row->name != NULL && row->directory != NULL &&
           fill(status, row, &installed, cert, revocation);
}

bool status_read(const struct config *config, const char *const *names, size_t count,
                 struct status *ret_status, struct err *err)
{
    *ret_status = (struct status){.now_s = clock_now_s()};
    ret_status->rows =
        arena_take(&ret_status->arena, (config->cert_count + 1) * sizeof *ret_status->rows);
    if (ret_status->rows == NULL)
        return err_memory(err);
    for (size_t i = 0; i < config->cert_count; i++) {
        bool wanted = count == 0;

        for (size_t j = 0; j < count; j++)
            wanted |= strcmp(names[j], config->certs[i].name) == 0;
        if (wanted &&
            !read_row(ret_status, &config->certs[i], &ret_status->rows[ret_status->count++])) {
            status_free(ret_status);
            return err_memory(err);
        }
    }
    return true;
}

bool status_is_hidden(const struct status *status)
{
    for (size_t i = 0; i < status->count; i++)
        if (status->rows[i].is_hidden)
            return true;
    return false;
}

bool status_all_fresh(const struct status *status)
{
    for (size_t i = 0; i < status->count; i++)
        if (status->rows[i].word != STATUS_FRESH)
            return false;
    return true;
}

bool status_is_ready(const struct status *status)
{
    for (size_t i = 0; i < status->count; i++)
        if (!status->rows[i].usable || status->rows[i].serves_bad)
            return false;
    return true;
}

bool status_wait_ready(const struct config *config, uint64_t wait_s, bool *ret_ready,
                       bool *ret_hidden, struct err *err)
{
    uint64_t now_us = clock_boot_us(), end_us = now_us + wait_s * 1000000;
    uint64_t pause_us = FIRST_PAUSE_US;

    for (;;) {
        struct status status;

        if (!status_read(config, NULL, 0, &status, err))
            return false;
        *ret_ready = status_is_ready(&status);
        *ret_hidden = status_is_hidden(&status);
        status_free(&status);
        now_us = clock_boot_us();
        if (*ret_ready || now_us >= end_us)
            return true;
        pause_us = duration_shorter(pause_us, end_us - now_us);
        nanosleep(&(struct timespec){.tv_sec = (time_t)(pause_us / 1000000),
                                     .tv_nsec = (long)(pause_us % 1000000) * 1000},
                  NULL);
        pause_us = duration_shorter(pause_us * 2, PAUSE_MOST_US);
    }
}

void status_free(struct status *status)
{
    for (size_t i = 0; i < status->count; i++)
        cert_state_free(&status->rows[i].state);
    arena_free(&status->arena);
    *status = (struct status){0};
}

static const char *const words[STATUS_WORD_COUNT] = {
    [STATUS_FRESH] = "fresh",
    [STATUS_DUE] = "due",
    [STATUS_NOT_RELOADED] = "not-reloaded",
    [STATUS_NOT_PROVEN] = "not-proven",
    [STATUS_ROLLED_BACK] = "rolled-back",
    [STATUS_CHANGED] = "changed",
    [STATUS_DAMAGED] = "damaged",
    [STATUS_REVOKED] = "revoked",
    [STATUS_EARLY] = "early",
    [STATUS_EXPIRED] = "expired",
    [STATUS_MISSING] = "missing",
    [STATUS_UNKNOWN] = "unknown",
};

/* "in 5h12m", "3m ago", or "-" for an unknown time. */
static void relative(uint64_t moment_s, uint64_t now_s, char to[static DURATION_TEXT_BYTES + 8])
{
    char text[DURATION_TEXT_BYTES];

    duration_text(moment_s > now_s ? moment_s - now_s : now_s - moment_s, text);
    if (moment_s == 0)
        snprintf(to, DURATION_TEXT_BYTES + 8, "-");
    else if (moment_s > now_s)
        snprintf(to, DURATION_TEXT_BYTES + 8, "in %s", text);
    else
        snprintf(to, DURATION_TEXT_BYTES + 8, "%s ago", text);
}

/* Prints the lines below a row: why the certificate is not fresh, and the last failure. */
static void print_details(const struct status_row *row, uint64_t now_s, FILE *to)
{
    const struct trouble *trouble = trouble_of(&row->state);
    const struct err *failure = trouble_err(trouble);
    char failed[DURATION_TEXT_BYTES + 8], again[DURATION_TEXT_BYTES + 8];

    if (row->detail[0] != '\0')
        terminal_line(to, "    %s", row->detail);
    if (failure->kind == ERR_NONE)
        return;
    relative(trouble->failed_at_s, now_s, failed);
    relative(trouble->try_again_at_s, now_s, again);
    terminal_line(to, "    failed %s (%u in a row, next try %s): %s: %s", failed, trouble->failures,
                  again, err_kind_name(failure->kind), failure->text);
}

void status_print_table(const struct status *status, FILE *to)
{
    int widest = (int)strlen("CERT");

    for (size_t i = 0; i < status->count; i++)
        if ((int)strlen(status->rows[i].name) > widest)
            widest = (int)strlen(status->rows[i].name);
    terminal_line(to, "%-*s  %-12s  %-14s  %-14s  %s", widest, "CERT", "STATE", "EXPIRES",
                  "RENEWAL", "SERIAL");
    for (size_t i = 0; i < status->count; i++) {
        const struct status_row *row = &status->rows[i];
        char expires[DURATION_TEXT_BYTES + 8], due[DURATION_TEXT_BYTES + 8];

        relative(row->end_s, status->now_s, expires);
        relative(row->due_s, status->now_s, due);
        terminal_line(to, "%-*s  %-12s  %-14s  %-14s  %s", widest, row->name, words[row->word],
                      expires, due, row->serial[0] == '\0' ? "-" : row->serial);
        print_details(row, status->now_s, to);
    }
}

static json_t *moment_json(uint64_t moment_s)
{
    char text[WHEN_TEXT_BYTES];

    if (moment_s == 0)
        return json_null();
    clock_text(moment_s, text);
    return json_string(text);
}

static json_t *failure_json(const struct cert_state *state)
{
    const struct trouble *trouble = trouble_of(state);
    const struct err *failure = trouble_err(trouble);

    if (failure->kind == ERR_NONE)
        return json_null();
    return json_pack(
        "{s:s, s:o, s:i, s:i, s:o, s:o}", "class", err_kind_name(failure->kind), "error",
        terminal_text(failure->text), "failures", (int)state->issuing.failures, "reload_failures",
        (int)state->consumer.trouble.failures, "failed_at", moment_json(trouble->failed_at_s),
        "try_again_at", moment_json(trouble->try_again_at_s));
}

static json_t *served_json(const struct served_state *served)
{
    if (served->serial[0] == '\0')
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:b}", "serial", terminal_text(served->serial), "not_after",
                     moment_json(served->not_after_s), "seen_at", moment_json(served->seen_s),
                     "foreign", served->foreign);
}

static json_t *row_json(const struct status_row *row)
{
    return json_pack(
        "{s:s, s:s, s:s, s:b, s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:s?, s:o, s:o}", "cert",
        row->name, "state", words[row->word], "reload", consumer_progress_name(row->reload),
        "usable", row->usable, "detail", terminal_text(row->detail), "directory",
        terminal_text(row->directory), "serial", row->serial, "sha256", row->fingerprint,
        "not_before", moment_json(row->not_before_s), "not_after", moment_json(row->not_after_s),
        "end", moment_json(row->end_s), "renewal", moment_json(row->due_s), "chain", row->chain,
        "failure", failure_json(&row->state), "served", served_json(&row->state.consumer.served));
}

bool status_print_json(const struct status *status, FILE *to)
{
    json_auto_t *array = json_array();

    for (size_t i = 0; i < status->count; i++)
        json_array_append_new(array, row_json(&status->rows[i]));
    return json_array_size(array) == status->count && terminal_json(to, array);
}
