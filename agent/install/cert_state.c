#include "install/cert_state.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/hide.h"
#include "base/json.h"
#include "install/set_directory.h"

#include <jansson.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { STATE_VERSION = 2, STATE_MOST_BYTES = 16 * 1024, BEGIN_DIGITS = 16 };

const char cert_state_name[] = "..state";

static const struct err no_failure;
static const struct err lost_failure = {.kind = ERR_LOCAL, .text = "out of memory"};

void trouble_set(struct trouble *trouble, const struct err *err)
{
    if (trouble->failure == NULL)
        trouble->failure = malloc(sizeof *trouble->failure);
    if (trouble->failure != NULL)
        *trouble->failure = *err;
}

void trouble_clear(struct trouble *trouble)
{
    free(trouble->failure);
    *trouble = (struct trouble){0};
}

const struct err *trouble_err(const struct trouble *trouble)
{
    if (trouble->failure != NULL)
        return trouble->failure;
    return trouble->failures > 0 ? &lost_failure : &no_failure;
}

const struct trouble *trouble_of(const struct cert_state *state)
{
    return trouble_err(&state->issuing)->kind != ERR_NONE ? &state->issuing
                                                          : &state->consumer.trouble;
}

static void copy_trouble(struct trouble *to, const struct trouble *from)
{
    *to = *from;
    to->failure = NULL;
    if (from->failure != NULL)
        trouble_set(to, from->failure);
}

void ca_state_forget_issuers(struct ca_state *ca)
{
    for (size_t i = 0; i < CA_KNOWN_MOST; i++) {
        free(ca->known[i]);
        ca->known[i] = NULL;
    }
}

void ca_state_note_revoked(struct ca_state *ca, const char *serial)
{
    free(ca->revoked);
    ca->revoked = strdup(serial);
}

uint64_t fingerprint_begin(const char *fingerprint)
{
    char digits[BEGIN_DIGITS + 1];

    snprintf(digits, sizeof digits, "%s", fingerprint);
    return strspn(digits, "0123456789abcdef") == BEGIN_DIGITS ? strtoull(digits, NULL, 16) : 0;
}

void cert_state_copy(struct cert_state *to, const struct cert_state *from)
{
    *to = *from;
    for (size_t i = 0; i < CA_KNOWN_MOST; i++)
        to->ca.known[i] = from->ca.known[i] == NULL ? NULL : strdup(from->ca.known[i]);
    to->ca.revoked = from->ca.revoked == NULL ? NULL : strdup(from->ca.revoked);
    copy_trouble(&to->issuing, &from->issuing);
    copy_trouble(&to->consumer.trouble, &from->consumer.trouble);
}

void cert_state_free(struct cert_state *state)
{
    trouble_clear(&state->issuing);
    trouble_clear(&state->consumer.trouble);
    ca_state_forget_issuers(&state->ca);
    free(state->ca.revoked);
    *state = (struct cert_state){0};
}

static enum err_kind kind_of(const char *word)
{
    for (enum err_kind kind = ERR_NONE; word != NULL && kind < ERR_KIND_COUNT; kind++)
        if (strcmp(word, err_kind_name(kind)) == 0)
            return kind;
    return ERR_NONE;
}

static uint64_t number(const json_t *json, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(json, name));

    return value < 0 ? 0 : (uint64_t)value;
}

static void read_generation(const json_t *json, const char *name,
                            char to[static GENERATION_NAME_BYTES])
{
    const char *text = json_string_value(json_object_get(json, name));

    if (text != NULL && generation_is_name(text))
        memcpy(to, text, strlen(text) + 1);
}

static void read_served(const json_t *json, struct served_state *ret_served)
{
    const char *serial = json_string_value(json_object_get(json, "serial"));

    if (serial == NULL || serial[0] == '\0')
        return;
    snprintf(ret_served->serial, sizeof ret_served->serial, "%s", serial);
    ret_served->not_after_s = number(json, "not_after");
    ret_served->seen_s = number(json, "seen_at");
    ret_served->foreign = json_is_true(json_object_get(json, "foreign"));
    ret_served->chain_verified = json_is_true(json_object_get(json, "chain_verified"));
}

static void read_known(const json_t *json, struct consumer_state *ret_consumer)
{
    size_t count = 0;

    for (size_t i = 0; i < KNOWN_LEAVES_MOST; i++) {
        const char *leaf = json_string_value(json_array_get(json, i));
        uint64_t begin = leaf == NULL ? 0 : fingerprint_begin(leaf);

        if (begin != 0)
            ret_consumer->known[count++] = begin;
    }
}

static void read_trouble(const json_t *json, struct trouble *ret_trouble)
{
    struct err failure = {.kind = kind_of(json_string_value(json_object_get(json, "class")))};
    const char *text = json_string_value(json_object_get(json, "error"));

    ret_trouble->failures = (unsigned)number(json, "failures");
    ret_trouble->failed_at_s = number(json, "failed_at");
    ret_trouble->since_s = number(json, "failing_since");
    /* States of earlier releases do not have it. */
    if (ret_trouble->since_s == 0)
        ret_trouble->since_s = ret_trouble->failed_at_s;
    ret_trouble->try_again_at_s = number(json, "try_again_at");
    if (text != NULL)
        snprintf(failure.text, sizeof failure.text, "%s", text);
    if (failure.kind != ERR_NONE)
        trouble_set(ret_trouble, &failure);
}

/* The state of the first edition holds one failure for both machines. */
static void part_troubles(struct trouble *issuing, struct trouble *deploying)
{
    unsigned failures = deploying->failures;

    if (failures == 0 || deploying->failure != NULL || issuing->failures > 0)
        return;
    *deploying = *issuing;
    deploying->failures = failures;
    *issuing = (struct trouble){0};
}

static void read_consumer(const json_t *json, struct consumer_state *ret_consumer)
{
    read_generation(json, "accepted", ret_consumer->accepted);
    read_generation(json, "reloaded", ret_consumer->reloaded);
    read_generation(json, "proven", ret_consumer->proven);
    read_generation(json, "refused", ret_consumer->refused);
    read_trouble(json, &ret_consumer->trouble);
    ret_consumer->refusals = (unsigned)number(json, "refusals");
    ret_consumer->missing = json_is_true(json_object_get(json, "missing"));
    ret_consumer->insists = json_is_true(json_object_get(json, "insists"));
    read_served(json_object_get(json, "served"), &ret_consumer->served);
    read_known(json_object_get(json, "known"), ret_consumer);
}

static void read_ca(const json_t *json, struct ca_state *ret_ca)
{
    const json_t *known = json_object_get(json, "known");
    const char *revoked = json_string_value(json_object_get(json, "revoked"));
    size_t count = 0;

    for (size_t i = 0; i < CA_KNOWN_MOST; i++) {
        const char *text = json_string_value(json_array_get(known, i));

        if (text != NULL && text[0] != '\0')
            ret_ca->known[count++] = strndup(text, KEY_IDENTIFIER_BYTES - 1);
    }
    ret_ca->has_baseline = json_is_true(json_object_get(json, "has_baseline"));
    ret_ca->early_at_s = number(json, "early_at");
    if (revoked != NULL && revoked[0] != '\0' && strlen(revoked) < SERIAL_TEXT_BYTES)
        ca_state_note_revoked(ret_ca, revoked);
    ret_ca->revoked_count = (unsigned)number(json, "revoked_count");
    ret_ca->revoked_at_s = number(json, "revoked_at");
    ret_ca->replace_at_s = number(json, "replace_at");
    ret_ca->held_until_s = number(json, "held_until");
}

static void read_restart(const json_t *json, struct restart_state *ret_restart)
{
    const char *text = json_string_value(json_object_get(json, "asked_with"));

    ret_restart->in_order = json_is_true(json_object_get(json, "in_order"));
    ret_restart->count = (unsigned)number(json, "count");
    ret_restart->since_s = number(json, "since");
    if (text != NULL)
        snprintf(ret_restart->asked_with, sizeof ret_restart->asked_with, "%s", text);
}

static void read_refused_request(const json_t *json, struct cert_state *ret_state)
{
    const char *text = json_string_value(json_object_get(json, "refused_request"));

    if (text != NULL)
        snprintf(ret_state->refused_request, sizeof ret_state->refused_request, "%s", text);
}

bool cert_state_read(int set_fd, struct cert_state *ret_state)
{
    CLEANUP(bytes_free) struct bytes bytes = {.limit = STATE_MOST_BYTES};
    struct trust trust = set_file_trust(set_fd);
    json_auto_t *json = NULL;
    struct err err;

    *ret_state = (struct cert_state){0};
    if (!set_file_read(&trust, set_fd, cert_state_name, &bytes, &err))
        return err.errnum != EACCES;
    json = json_loadb(bytes_text(&bytes), bytes.length, JSON_REJECT_DUPLICATES, NULL);
    if (number(json, "version") != STATE_VERSION)
        return true;
    read_trouble(json, &ret_state->issuing);
    read_ca(json_object_get(json, "ca"), &ret_state->ca);
    read_generation(json, "held", ret_state->held);
    read_refused_request(json, ret_state);
    read_consumer(json_object_get(json, "consumer"), &ret_state->consumer);
    read_restart(json_object_get(json, "restart"), &ret_state->restart);
    part_troubles(&ret_state->issuing, &ret_state->consumer.trouble);
    return true;
}

void cert_state_hide(int set_fd)
{
    CLEANUP(close_fd)
    int fd = openat(set_fd, cert_state_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat about;

    if (fd >= 0 && fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && (about.st_mode & 077) != 0)
        (void)!fchmod(fd, 0600);
}

static json_t *served_json(const struct served_state *served)
{
    if (served->serial[0] == '\0')
        return json_null();
    return json_pack("{s:o, s:I, s:I, s:b, s:b}", "serial", json_words(served->serial), "not_after",
                     (json_int_t)served->not_after_s, "seen_at", (json_int_t)served->seen_s,
                     "foreign", served->foreign, "chain_verified", served->chain_verified);
}

static json_t *known_json(const struct consumer_state *consumer)
{
    json_t *json = json_array();

    for (size_t i = 0; i < KNOWN_LEAVES_MOST && consumer->known[i] != 0; i++)
        json_array_append_new(json, json_sprintf("%0*" PRIx64, BEGIN_DIGITS, consumer->known[i]));
    return json;
}

/* Adds the fields of a failure to `json`, which it takes; NULL if memory ran out. */
static json_t *with_trouble(json_t *json, const struct trouble *trouble)
{
    const struct err *failure = trouble_err(trouble);
    char shown[ERR_TEXT_BYTES];
    json_t *kept;

    hide_line(shown, sizeof shown, failure->text);
    kept = json_pack("{s:I, s:I, s:I, s:I, s:s, s:s}", "failures", (json_int_t)trouble->failures,
                     "failing_since", (json_int_t)trouble->since_s, "failed_at",
                     (json_int_t)trouble->failed_at_s, "try_again_at",
                     (json_int_t)trouble->try_again_at_s, "class", err_kind_name(failure->kind),
                     "error", shown);
    if (json_object_update(json, kept) != 0) {
        json_decref(json);
        json = NULL;
    }
    json_decref(kept);
    return json;
}

static json_t *consumer_json(const struct consumer_state *consumer)
{
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:b, s:b, s:o, s:o}", "accepted", consumer->accepted, "reloaded",
        consumer->reloaded, "proven", consumer->proven, "refused", consumer->refused, "refusals",
        (json_int_t)consumer->refusals, "missing", consumer->missing, "insists", consumer->insists,
        "served", served_json(&consumer->served), "known", known_json(consumer));

    return with_trouble(json, &consumer->trouble);
}

static json_t *ca_json(const struct ca_state *ca)
{
    json_t *known = json_array();

    for (size_t i = 0; i < CA_KNOWN_MOST && ca->known[i] != NULL; i++)
        json_array_append_new(known, json_words(ca->known[i]));
    return json_pack("{s:o, s:b, s:I, s:o, s:I, s:I, s:I, s:I}", "known", known, "has_baseline",
                     ca->has_baseline, "early_at", (json_int_t)ca->early_at_s, "revoked",
                     json_words(ca->revoked == NULL ? "" : ca->revoked), "revoked_count",
                     (json_int_t)ca->revoked_count, "revoked_at", (json_int_t)ca->revoked_at_s,
                     "replace_at", (json_int_t)ca->replace_at_s, "held_until",
                     (json_int_t)ca->held_until_s);
}

static json_t *restart_json(const struct restart_state *restart)
{
    return json_pack("{s:b, s:I, s:I, s:o}", "in_order", restart->in_order, "count",
                     (json_int_t)restart->count, "since", (json_int_t)restart->since_s,
                     "asked_with", json_words(restart->asked_with));
}

bool cert_state_write(int set_fd, const struct cert_state *state, struct err *err)
{
    json_auto_t *json = json_pack(
        "{s:i, s:o, s:s, s:o, s:o, s:o}", "version", STATE_VERSION, "ca", ca_json(&state->ca),
        "held", state->held, "refused_request", json_words(state->refused_request), "consumer",
        consumer_json(&state->consumer), "restart", restart_json(&state->restart));
    CLEANUP(free_memory) char *text = NULL;

    json = with_trouble(json, &state->issuing);
    text = json_text(json, JSON_INDENT(1));
    if (text == NULL)
        return err_memory(err);
    return file_replace_at(set_fd, cert_state_name, 0600, text, strlen(text), err);
}
