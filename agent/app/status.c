#include "app/status.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/terminal.h"
#include "cert/cert_status.h"
#include "install/set_directory.h"
#include "plan/renewal.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum { GLANCES_MOST = 3 };

/* -- one certificate ------------------------------------------------------------------------------
 */

json_t *status_moment(uint64_t moment_s)
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
        (int)state->consumer.trouble.failures, "failed_at", status_moment(trouble->failed_at_s),
        "try_again_at", status_moment(trouble->try_again_at_s));
}

static json_t *served_json(const struct served_state *served)
{
    if (served->serial[0] == '\0')
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:b}", "serial", terminal_text(served->serial), "not_after",
                     status_moment(served->not_after_s), "seen_at", status_moment(served->seen_s),
                     "foreign", served->foreign);
}

/* The progress is not known to a user who may not read the state. */
static enum consumer_progress progress_of(const struct status_facts *facts)
{
    if (facts->health == INSTALLED_NOTHING)
        return PROGRESS_NONE;
    return facts->is_hidden
               ? PROGRESS_COUNT
               : consumer_progress_of(&facts->state->consumer, facts->section, facts->generation);
}

static json_t *row_of(const struct status_facts *facts, uint64_t now_s)
{
    const struct consumer_state *consumer = &facts->state->consumer;
    enum consumer_progress progress = progress_of(facts);
    const char *detail, *chain = NULL;
    enum status_word word = status_judge(facts, now_s, &detail);
    char served[SERVED_TEXT_BYTES];

    served_text(&consumer->served, facts->serial, now_s, served);
    if (detail[0] == '\0' && facts->section->prove.method != PROVE_NONE)
        detail = served;
    if (progress == PROGRESS_PROVEN)
        chain = consumer->served.chain_verified ? "verified" : "not seen";
    return json_pack("{s:s, s:s, s:s, s:b, s:b, s:b, s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:s?, "
                     "s:o, s:o}",
                     "cert", facts->section->name, "state", status_word_name(word), "reload",
                     consumer_progress_name(progress), "usable", status_is_usable(facts, now_s),
                     "ready", status_is_ready(facts, now_s), "hidden", facts->is_hidden, "detail",
                     terminal_text(detail), "directory", terminal_text(facts->section->directory),
                     "serial", facts->serial, "sha256", facts->fingerprint, "not_before",
                     status_moment(facts->not_before_s), "not_after",
                     status_moment(facts->not_after_s), "end", status_moment(facts->end_s),
                     "renewal", status_moment(facts->due_s), "chain", chain, "failure",
                     failure_json(facts->state), "served", served_json(&consumer->served));
}

/* -- from disk ------------------------------------------------------------------------------------
 */

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

/* Completes the facts with what the record says. */
static void add_record(struct status_facts *facts, const struct installed *installed)
{
    const struct record *record = &installed->record;
    const struct validity life = {record->leaf.validity.not_before, record->end_s};
    const struct ca_state *ca = &facts->state->ca;
    const char *const texts[] = {facts->section->name, record->leaf.serial, NULL};

    facts->difference = installed_difference(installed, facts->section);
    facts->serial = record->leaf.serial;
    facts->fingerprint = record->leaf.fingerprint;
    facts->not_before_s = record->leaf.validity.not_before;
    facts->not_after_s = record->leaf.validity.not_after;
    facts->end_s = record->end_s;
    facts->due_s =
        renewal_due_s(&life, record->issued_s, &facts->section->renewal, digest_spread(texts));
    /* The agent learned from the CA that it was revoked. */
    if (facts->serial[0] != '\0' && text_equal(ca->revoked, facts->serial))
        facts->due_s = duration_shorter(facts->due_s, ca->replace_at_s);
}

static json_t *read_row(const struct cert_config *cert, uint64_t now_s)
{
    CLEANUP(installed_free) struct installed installed = {0};
    CLEANUP(cert_state_free) struct cert_state state = {0};
    CLEANUP(close_fd) int set_fd = -1;
    struct status_facts facts = {.section = cert, .state = &state, .serial = "", .fingerprint = ""};
    struct err err;

    if (!set_directory_look(cert->directory, &set_fd, &err)) {
        installed.health = INSTALLED_NOTHING;
        facts.is_hidden = err.errnum == EACCES;
        snprintf(installed.why, sizeof installed.why, "%.200s", err.text);
    } else {
        glance(set_fd, cert, &installed);
        facts.is_intact = is_intact(set_fd, &installed);
        installed_judge_names(set_fd, cert, &installed);
        if (installed.health < INSTALLED_DAMAGED &&
            !set_directory_is_private(cert->directory, set_fd, &err)) {
            installed.health = INSTALLED_DAMAGED;
            snprintf(installed.why, sizeof installed.why, "%.255s", err.text);
        }
        facts.is_hidden = !cert_state_read(set_fd, &state);
        facts.revocation = revoked_mark_read(set_fd, installed.generation);
    }
    facts.health = installed.health;
    facts.why = installed.why;
    facts.generation = installed.generation;
    if (installed.health != INSTALLED_NOTHING)
        add_record(&facts, &installed);
    return row_of(&facts, now_s);
}

json_t *status_read(const struct config *config, size_t first, size_t most, struct err *err)
{
    uint64_t now_s = clock_now_s();
    json_t *rows = json_array();
    size_t count = 0;

    for (size_t i = first; i < config->cert_count && count < most; i++, count++)
        json_array_append_new(rows, read_row(&config->certs[i], now_s));
    if (rows != NULL && json_array_size(rows) == count)
        return rows;
    json_decref(rows);
    err_memory(err);
    return NULL;
}

json_t *status_from_disk(const struct config *config, const char *why, struct err *err)
{
    json_t *rows = status_read(config, 0, config->cert_count, err), *document = NULL;

    if (rows != NULL)
        document = json_pack("{s:s, s:n, s:o, s:o}", "source", "disk", "agent", "agent_error",
                             terminal_text(why), "certs", rows);
    if (document == NULL)
        err_memory(err);
    return document;
}

/* -- questions ------------------------------------------------------------------------------------
 */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text == NULL ? "" : text;
}

static bool is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

const char *status_select(json_t *document, const char *const *names, size_t count)
{
    json_t *rows = json_object_get(document, "certs");

    for (size_t i = 0; i < count; i++) {
        bool found = false;

        for (size_t j = 0; j < json_array_size(rows) && !found; j++)
            found = strcmp(text_of(json_array_get(rows, j), "cert"), names[i]) == 0;
        if (!found)
            return names[i];
    }
    for (size_t i = json_array_size(rows); count > 0 && i-- > 0;)
        if (!is_among(text_of(json_array_get(rows, i), "cert"), names, count))
            json_array_remove(rows, i);
    return NULL;
}

bool status_is_hidden(const json_t *document)
{
    const json_t *row;
    size_t i;

    json_array_foreach (json_object_get(document, "certs"), i, row)
        if (json_is_true(json_object_get(row, "hidden")))
            return true;
    return false;
}

bool status_all_fresh(const json_t *document)
{
    const json_t *rows = json_object_get(document, "certs"), *row;
    size_t i;

    json_array_foreach (rows, i, row)
        if (strcmp(text_of(row, "state"), status_word_name(STATUS_FRESH)) != 0)
            return false;
    return json_array_size(rows) > 0;
}

bool status_all_ready(const json_t *document)
{
    const json_t *rows = json_object_get(document, "certs"), *row;
    size_t i;

    json_array_foreach (rows, i, row)
        if (!json_is_true(json_object_get(row, "ready")))
            return false;
    return json_array_size(rows) > 0;
}

/* -- views ----------------------------------------------------------------------------------------
 */

enum { RELATIVE_TEXT_BYTES = DURATION_TEXT_BYTES + 8 };

/* "in 5h12m", "3m ago", or "-" for an unknown time. */
static void relative(const json_t *object, const char *key, uint64_t now_s,
                     char to[static RELATIVE_TEXT_BYTES])
{
    char text[DURATION_TEXT_BYTES];
    uint64_t moment_s;

    if (!clock_read_text(text_of(object, key), &moment_s)) {
        snprintf(to, RELATIVE_TEXT_BYTES, "-");
        return;
    }
    duration_text(moment_s > now_s ? moment_s - now_s : now_s - moment_s, text);
    if (moment_s > now_s)
        snprintf(to, RELATIVE_TEXT_BYTES, "in %s", text);
    else
        snprintf(to, RELATIVE_TEXT_BYTES, "%s ago", text);
}

/* Prints the lines below a row: why the certificate is not fresh, and the last failure. */
static void print_details(const json_t *row, uint64_t now_s, FILE *to)
{
    const json_t *failure = json_object_get(row, "failure");
    char failed[RELATIVE_TEXT_BYTES], again[RELATIVE_TEXT_BYTES];
    json_int_t issuing, reloads;

    if (text_of(row, "detail")[0] != '\0')
        terminal_line(to, "    %s", text_of(row, "detail"));
    if (!json_is_object(failure))
        return;
    issuing = json_integer_value(json_object_get(failure, "failures"));
    reloads = json_integer_value(json_object_get(failure, "reload_failures"));
    relative(failure, "failed_at", now_s, failed);
    relative(failure, "try_again_at", now_s, again);
    terminal_line(to, "    failed %s (%d in a row, next try %s): %s: %s", failed,
                  (int)(issuing > 0 ? issuing : reloads), again, text_of(failure, "class"),
                  text_of(failure, "error"));
}

static void print_source(const json_t *document, FILE *to)
{
    const json_t *agent = json_object_get(document, "agent");
    const char *away = text_of(agent, "ca_away_since"), *problem = text_of(agent, "problem");
    char since[RELATIVE_TEXT_BYTES];

    if (!json_is_object(agent)) {
        terminal_line(to, "No agent answers, so this is what is on disk: %s",
                      text_of(document, "agent_error"));
        return;
    }
    relative(agent, "started_at", clock_now_s(), since);
    terminal_line(to, "The agent runs as process %d, started %s.",
                  (int)json_integer_value(json_object_get(agent, "pid")), since);
    if (away[0] != '\0')
        terminal_line(to, "The CA has been issuing no certificates since %s.", away);
    if (problem[0] != '\0')
        terminal_line(to,
                      "The agent refused the configuration on disk and keeps the previous one: %s",
                      problem);
}

void status_print_table(const json_t *document, FILE *to)
{
    const json_t *rows = json_object_get(document, "certs"), *row;
    uint64_t now_s = clock_now_s();
    int widest = (int)strlen("CERT");
    size_t i;

    json_array_foreach (rows, i, row)
        if ((int)strlen(text_of(row, "cert")) > widest)
            widest = (int)strlen(text_of(row, "cert"));
    terminal_line(to, "%-*s  %-12s  %-14s  %-14s  %s", widest, "CERT", "STATE", "EXPIRES",
                  "RENEWAL", "SERIAL");
    json_array_foreach (rows, i, row) {
        const char *serial = text_of(row, "serial");
        char expires[RELATIVE_TEXT_BYTES], due[RELATIVE_TEXT_BYTES];

        relative(row, "end", now_s, expires);
        relative(row, "renewal", now_s, due);
        terminal_line(to, "%-*s  %-12s  %-14s  %-14s  %s", widest, text_of(row, "cert"),
                      text_of(row, "state"), expires, due, serial[0] == '\0' ? "-" : serial);
        print_details(row, now_s, to);
    }
    print_source(document, to);
}

bool status_print_json(const json_t *document, FILE *to)
{
    return terminal_json(to, document);
}
