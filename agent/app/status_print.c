#include "app/status_print.h"

#include "base/clock.h"
#include "base/terminal.h"

#include <string.h>

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

/* "in 5h12m", "3m ago", or "-" for a moment that is not known. */
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

/* What stands below a row: why it is not fresh, and what failed. */
static void print_details(const struct status_row *row, uint64_t now_s, FILE *to)
{
    const struct cert_state *state = &row->state;
    char failed[DURATION_TEXT_BYTES + 8], again[DURATION_TEXT_BYTES + 8];

    if (row->detail[0] != '\0')
        terminal_line(to, "    %s", row->detail);
    if (state->failure.kind == ERR_NONE)
        return;
    relative(state->failed_at_s, now_s, failed);
    relative(state->try_again_at_s, now_s, again);
    terminal_line(to, "    failed %s (%u in a row, next try %s): %s: %s", failed,
                  state->failures > 0 ? state->failures : state->consumer.failures, again,
                  err_kind_name(state->failure.kind), state->failure.text);
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
    if (state->failure.kind == ERR_NONE)
        return json_null();
    return json_pack("{s:s, s:o, s:i, s:i, s:o, s:o}", "class", err_kind_name(state->failure.kind),
                     "error", terminal_text(state->failure.text), "failures", (int)state->failures,
                     "reload_failures", (int)state->consumer.failures, "failed_at",
                     moment_json(state->failed_at_s), "try_again_at",
                     moment_json(state->try_again_at_s));
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
        row->name, "state", words[row->word], "reload", reload_state_name(row->reload), "usable",
        row->usable, "detail", terminal_text(row->detail), "directory",
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
