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

static json_t *text_or_null(const char *text)
{
    return text == NULL || text[0] == '\0' ? json_null() : terminal_text(text);
}

static json_t *texts_json(const struct text_list *list)
{
    json_t *array = json_array();

    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(array, terminal_text(list->items[i]));
    return array;
}

static json_t *failure_json(const struct cert_state *state)
{
    const struct trouble *trouble = trouble_of(state);
    const struct err *failure = trouble_err(trouble);

    if (failure->kind == ERR_NONE)
        return json_null();
    return json_pack(
        "{s:s, s:s, s:o, s:i, s:i, s:o, s:o, s:o}", "class", err_kind_name(failure->kind),
        "concerns", trouble == &state->issuing ? "issuance" : "consumer", "error",
        terminal_text(failure->text), "failures", (int)state->issuing.failures, "reload_failures",
        (int)state->consumer.trouble.failures, "since", status_moment(trouble->since_s),
        "failed_at", status_moment(trouble->failed_at_s), "try_again_at",
        status_moment(trouble->try_again_at_s));
}

static json_t *served_json(const struct served_state *served, const char *serial)
{
    if (served->serial[0] == '\0')
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:b, s:b}", "serial", terminal_text(served->serial),
                     "not_after", status_moment(served->not_after_s), "seen_at",
                     status_moment(served->seen_s), "foreign", served->foreign, "matches",
                     strcmp(served->serial, serial) == 0);
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

/* What serves the certificate, as far as the section tells: its template, else what it reloads. */
static const char *service_of(const struct cert_config *section)
{
    const struct reload_action *first = &section->reloads.items[0];
    const char *target = first->verb == RELOAD_EXEC ? first->argv.items[0] : first->target, *slash;

    if (section->template_name != NULL)
        return section->template_name;
    if (first->verb == RELOAD_NONE || first->verb == RELOAD_HTTP || target == NULL)
        return NULL;
    slash = strrchr(target, '/');
    return slash == NULL ? target : slash + 1;
}

/* What the certificate is for: names and issuer of the published one, else what is asked for. */
static json_t *identity_json(const struct status_facts *facts)
{
    const struct cert_config *section = facts->section;
    const struct record *record = facts->record;
    const struct names *names = record == NULL ? &section->request.names : &record->leaf.names;
    enum key_type type =
        record == NULL ? section->request.key_type : record->request.request.key_type;

    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "common_name",
                     text_or_null(names->common_name), "dns_names", texts_json(&names->dns),
                     "ip_addresses", texts_json(&names->ip), "uris", texts_json(&names->uri),
                     "email_addresses", texts_json(&names->email), "issuer",
                     text_or_null(record == NULL ? NULL : record->leaf.issuer), "key_type",
                     key_type_words[type], "pki_mount", text_or_null(section->pki_mount),
                     "pki_role", text_or_null(section->pki_role), "template",
                     text_or_null(section->template_name), "service",
                     text_or_null(service_of(section)), "issued_at",
                     status_moment(record == NULL ? 0 : record->issued_s));
}

/* `is_settled`: nothing is to be done unless something fails. */
static const char *advice_of(const struct cert_state *state, enum status_word word, bool is_settled,
                             bool by_agent)
{
    return is_settled && !status_is_failing(state) ? NULL : status_advice(state, word, by_agent);
}

static json_t *state_json(const struct status_facts *facts, uint64_t now_s)
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
    return json_pack(
        "{s:s, s:s, s:s, s:b, s:b, s:b, s:b, s:b, s:o, s:s?, s:o, s:s, s:s, s:o, s:o, s:o, s:o, "
        "s:s?, s:o, s:o, s:b, s:b, s:o, s:o}",
        "cert", facts->section->name, "state", status_word_name(word), "reload",
        consumer_progress_name(progress), "usable", status_is_usable(facts, now_s), "ready",
        status_is_ready(facts, now_s), "failing", status_is_failing(facts->state), "intact",
        facts->is_intact, "hidden", facts->is_hidden, "detail", terminal_text(detail), "advice",
        advice_of(facts->state, word, facts->revocation == REVOCATION_FINAL, false), "directory",
        terminal_text(facts->section->directory), "serial", facts->serial, "sha256",
        facts->fingerprint, "not_before", status_moment(facts->not_before_s), "not_after",
        status_moment(facts->not_after_s), "end", status_moment(facts->end_s), "renewal",
        status_moment(facts->revocation == REVOCATION_FINAL ? 0 : facts->due_s), "chain", chain,
        "failure", failure_json(facts->state), "served",
        served_json(&consumer->served, facts->serial), "awaited", consumer_is_awaited(consumer),
        "held", facts->state->held[0] != '\0', "held_until",
        status_moment(facts->state->ca.held_until_s), "doing", json_null());
}

/* Adds the members of `more`, which it takes, to the object, which it gives back. */
static json_t *joined(json_t *object, json_t *more)
{
    if (object != NULL && more != NULL && json_object_update(object, more) == 0) {
        json_decref(more);
        return object;
    }
    json_decref(object);
    json_decref(more);
    return NULL;
}

/* -- everything about one -------------------------------------------------------------------------
 */

static json_t *step_json(const char *pem, bool is_for_peers)
{
    struct arena arena = {0};
    struct certificate_facts facts;
    const char *subject = certificate_subject(pem, &arena);
    json_t *step = NULL;
    struct err err;

    if (subject != NULL && certificate_read(pem, &arena, &facts, &err))
        step = json_pack("{s:o, s:o, s:s, s:o, s:o, s:b}", "subject", terminal_text(subject),
                         "issuer", terminal_text(facts.issuer), "serial", facts.serial,
                         "not_before", status_moment(facts.validity.not_before), "not_after",
                         status_moment(facts.validity.not_after), "for_peers", is_for_peers);
    arena_free(&arena);
    return step;
}

/* The intermediates that the consumer sends, then the certificates that peers must trust. */
static json_t *path_json(const struct record *record)
{
    json_t *array = json_array();

    for (size_t i = 0; record != NULL && i < record->chain_pem.count; i++)
        json_array_append_new(array, step_json(record->chain_pem.items[i], false));
    for (size_t i = 0; record != NULL && i < record->ca_pem.count; i++)
        json_array_append_new(array, step_json(record->ca_pem.items[i], true));
    return array;
}

static json_t *files_json(const struct cert_config *section)
{
    json_t *array = json_array();

    for (size_t i = 0; i < section->outputs.count; i++) {
        const struct output *output = &section->outputs.items[i];

        json_array_append_new(array, json_pack("{s:o, s:s}", "name", terminal_text(output->name),
                                               "content", content_words[output->content]));
    }
    return array;
}

static json_t *row_of(const struct status_facts *facts, bool is_whole, uint64_t now_s)
{
    const struct record *record = facts->record;
    json_t *row = joined(state_json(facts, now_s), identity_json(facts));

    if (row == NULL || !is_whole)
        return row;
    return joined(row,
                  json_pack("{s:o, s:o, s:o, s:n}", "path", path_json(record), "files",
                            files_json(facts->section), "request_id",
                            text_or_null(record == NULL ? NULL : record->request_id), "history"));
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

    facts->record = record;
    facts->difference = installed_difference(installed, facts->section);
    facts->serial = record->leaf.serial;
    facts->fingerprint = record->leaf.fingerprint;
    facts->not_before_s = record->leaf.validity.not_before;
    facts->not_after_s = record->leaf.validity.not_after;
    facts->end_s = record->end_s;
    facts->due_s =
        renewal_due_s(&life, record->issued_s, &facts->section->renewal, digest_spread(texts));
    /* A [trust] set is read again at each poll, whatever its age. */
    if (facts->section->is_trust)
        facts->due_s = record->end_s;
    /* The agent learned from the CA that it was revoked. */
    if (facts->serial[0] != '\0' && text_equal(ca->revoked, facts->serial))
        facts->due_s = duration_shorter(facts->due_s, ca->replace_at_s);
}

static json_t *read_row(const struct cert_config *cert, bool is_whole, uint64_t now_s)
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
    return row_of(&facts, is_whole, now_s);
}

json_t *status_read(const struct config *config, size_t first, size_t most, bool is_whole,
                    struct err *err)
{
    uint64_t now_s = clock_now_s();
    json_t *rows = json_array();
    size_t count = 0;

    for (size_t i = first; i < config->cert_count && count < most; i++, count++)
        json_array_append_new(rows, read_row(&config->certs[i], is_whole, now_s));
    if (rows != NULL && json_array_size(rows) == count)
        return rows;
    json_decref(rows);
    err_memory(err);
    return NULL;
}

json_t *status_read_named(const struct config *config, const char *name, struct err *err)
{
    const struct cert_config *cert = config_cert(config, name);

    return cert == NULL ? json_array()
                        : status_read(config, (size_t)(cert - config->certs), 1, true, err);
}

/* -- from the agent's memory ----------------------------------------------------------------------
 */

static enum status_word word_of(const json_t *row)
{
    const char *state = json_string_value(json_object_get(row, "state"));

    for (enum status_word word = 0; word < STATUS_WORD_COUNT; word++)
        if (state != NULL && strcmp(state, status_word_name(word)) == 0)
            return word;
    return STATUS_UNKNOWN;
}

/* What the agent knows is newer than what it saved, and may not have been saved: the disk is full,
 * or read-only. A failure before a certificate that is held is over. */
bool status_remember(json_t *row, const struct cert *cert)
{
    uint64_t held_until_s = cert_held_until_s(cert);
    const struct cert_state *known = cert_known_state(cert);
    const char *doing = cert_doing(cert);
    bool is_settled = held_until_s != 0 || cert_issuance_state(cert) == ISSUANCE_WITHDRAWN;
    struct cert_state state;
    json_t *more;

    if (known == NULL)
        return json_object_set_new(row, "doing",
                                   doing == NULL ? json_null() : json_string(doing)) == 0;
    state = *known;
    if (held_until_s != 0)
        state.issuing = (struct trouble){0};
    more = json_pack("{s:o, s:b, s:s?, s:b, s:b, s:o, s:s?}", "failure", failure_json(&state),
                     "failing", status_is_failing(&state), "advice",
                     advice_of(&state, word_of(row), is_settled, true), "awaited",
                     consumer_is_awaited(&state.consumer), "held", held_until_s != 0, "held_until",
                     status_moment(held_until_s), "doing", doing);
    if (more == NULL)
        return false;
    if (json_object_update(row, more) == 0) {
        json_decref(more);
        return true;
    }
    json_decref(more);
    return false;
}

json_t *status_document(json_t *agent, json_t *rows)
{
    return json_pack("{s:s, s:o, s:o, s:o}", "source", json_is_object(agent) ? "agent" : "disk",
                     "read_at", status_moment(clock_now_s()), "agent", agent, "certs", rows);
}

/* -- questions ------------------------------------------------------------------------------------
 */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text == NULL ? "" : text;
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
