#include "app/metrics_text.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PAGE_MOST = 200, FAMILY_MOST_BYTES = 64 * 1024 * 1024, LABEL_BYTES = 1024 };

/* -- the families ---------------------------------------------------------------------------------
 */

enum family {
    NOT_BEFORE,
    NOT_AFTER,
    END,
    DUE,
    SERVED_NOT_AFTER,
    SERVED_MATCHES,
    CERT_READY,
    FRESH,
    FAILING,
    FAILING_SINCE,
    NEXT_TRY,
    CERT_INFO,
    ISSUANCES,
    FAILURES,
    RELOADS,
    PROOFS,
    ROLLBACKS,
    LOGINS,
    EVENTS,
    LOG_LOST,
    CA_REQUESTS,
    CA_UNREACHABLE,
    CA_CONTACT,
    TOKEN_EXPIRY,
    SKEW,
    BUILD,
    CERTIFICATES,
    CONFIG_GOOD,
    CONFIG_APPLIED,
    CPU,
    MEMORY_RESIDENT,
    MEMORY_VIRTUAL,
    PROCESS_START,
    FILES_OPEN,
    FILES_MOST,
    FAMILY_COUNT
};

enum type { GAUGE, COUNTER, INFO, HISTOGRAM };

static const struct {
    const char *name; /* without _total and _info */
    enum type type;
    const char *unit; /* "" if it has none */
    const char *help;
} families[FAMILY_COUNT] = {
    [NOT_BEFORE] = {"leafd_certificate_not_before_timestamp_seconds", GAUGE, "seconds",
                    "notBefore of the published certificate."},
    [NOT_AFTER] = {"leafd_certificate_not_after_timestamp_seconds", GAUGE, "seconds",
                   "notAfter of the published certificate."},
    [END] = {"leafd_certificate_end_timestamp_seconds", GAUGE, "seconds",
             "Earliest notAfter on the path of the published certificate."},
    [DUE] = {"leafd_certificate_due_timestamp_seconds", GAUGE, "seconds",
             "When the renewal of the published certificate is due."},
    [SERVED_NOT_AFTER] = {"leafd_certificate_served_not_after_timestamp_seconds", GAUGE, "seconds",
                          "notAfter of what the last finished proof saw, if it saw any."},
    [SERVED_MATCHES] = {"leafd_certificate_served_matches", GAUGE, "",
                        "Whether that is the published certificate."},
    [CERT_READY] = {"leafd_certificate_ready", GAUGE, "",
                    "Whether the certificate is ready, as leafd ready has it."},
    [FRESH] = {"leafd_certificate_fresh", GAUGE, "",
               "Whether the state of the certificate is fresh, as leafd status has it."},
    [FAILING] = {"leafd_certificate_failing", GAUGE, "",
                 "1 while the last try failed, with the class of the failure; else absent."},
    [FAILING_SINCE] = {"leafd_certificate_failing_since_timestamp_seconds", GAUGE, "seconds",
                       "When the first of the tries in a row failed."},
    [NEXT_TRY] = {"leafd_certificate_next_try_timestamp_seconds", GAUGE, "seconds",
                  "When the next try after a failure is due."},
    [CERT_INFO] = {"leafd_certificate", INFO, "", "What the configuration asks for."},
    [ISSUANCES] = {"leafd_issuances", COUNTER, "", "Certificates that the CA issued."},
    [FAILURES] = {"leafd_failures", COUNTER, "",
                  "Tries to issue, reload or prove that failed, by class."},
    [RELOADS] = {"leafd_reloads", COUNTER, "", "Reloads of the consumer, by result."},
    [PROOFS] = {"leafd_proofs", COUNTER, "", "Proofs that the consumer serves it, by result."},
    [ROLLBACKS] = {"leafd_rollbacks", COUNTER, "", "Rollbacks to the previous certificate."},
    [LOGINS] = {"leafd_logins", COUNTER, "", "Logins at the CA, by method and result."},
    [EVENTS] = {"leafd_events", COUNTER, "", "Events, by name; leafd(8) explains them."},
    [LOG_LOST] = {"leafd_log_lost", COUNTER, "",
                  "Log lines lost because the reader of the log was too slow."},
    [CA_REQUESTS] = {"leafd_ca_request_duration_seconds", HISTOGRAM, "seconds",
                     "Duration of requests to the CA, by operation and HTTP status or failure."},
    [CA_UNREACHABLE] = {"leafd_ca_unreachable_seconds", GAUGE, "seconds",
                        "How long the CA has not answered; 0 while it does."},
    [CA_CONTACT] = {"leafd_ca_last_contact_timestamp_seconds", GAUGE, "seconds",
                    "When the CA last answered a request."},
    [TOKEN_EXPIRY] = {"leafd_token_expiry_timestamp_seconds", GAUGE, "seconds",
                      "When the token for the CA expires."},
    [SKEW] = {"leafd_clock_skew_seconds", GAUGE, "seconds",
              "Seconds that this clock is behind the CA's, if that is certain; else 0."},
    [BUILD] = {"leafd_build", INFO, "", "The version of leafd."},
    [CERTIFICATES] = {"leafd_certificates", GAUGE, "", "Certificates in the configuration."},
    [CONFIG_GOOD] = {"leafd_configuration_good", GAUGE, "",
                     "Whether the configuration on disk is in use; 0 after it was refused."},
    [CONFIG_APPLIED] = {"leafd_configuration_applied_timestamp_seconds", GAUGE, "seconds",
                        "When the configuration in use was applied."},
    [CPU] = {"process_cpu_seconds", COUNTER, "seconds", "CPU time of the process."},
    [MEMORY_RESIDENT] = {"process_resident_memory_bytes", GAUGE, "bytes", "Resident memory."},
    [MEMORY_VIRTUAL] = {"process_virtual_memory_bytes", GAUGE, "bytes", "Virtual memory."},
    [PROCESS_START] = {"process_start_time_seconds", GAUGE, "seconds", "When the process started."},
    [FILES_OPEN] = {"process_open_fds", GAUGE, "", "Open file descriptors."},
    [FILES_MOST] = {"process_max_fds", GAUGE, "", "Limit of open file descriptors."},
};

struct metrics_text {
    bool is_open;  /* OpenMetrics */
    bool is_short; /* of memory */
    struct bytes families[FAMILY_COUNT];
    struct metrics_cert counts[PAGE_MOST]; /* of the page; the names are not kept */
};

static const struct serve_kind open_kind = {
    .type = "application/openmetrics-text; version=1.0.0; charset=utf-8"};
static const struct serve_kind prometheus_kind = {.type =
                                                      "text/plain; version=0.0.4; charset=utf-8"};

static const char *suffix_of(enum family family)
{
    return families[family].type == COUNTER ? "_total"
           : families[family].type == INFO  ? "_info"
                                            : "";
}

/* A family begins with what it is; of OpenMetrics that is told for the name without suffix. */
static bool begin_family(struct metrics_text *text, enum family family)
{
    static const char *const types[] = {"gauge", "counter", "info", "histogram"};
    enum type type = families[family].type;
    const char *suffix = text->is_open ? "" : suffix_of(family), *name = families[family].name;
    struct bytes *to = &text->families[family];

    if (!bytes_print(to, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, families[family].help,
                     name, suffix, types[!text->is_open && type == INFO ? GAUGE : type]))
        return false;
    return !text->is_open || families[family].unit[0] == '\0' ||
           bytes_print(to, "# UNIT %s %s\n", name, families[family].unit);
}

/* -- samples --------------------------------------------------------------------------------------
 */

/* Adds a sample; `labels` is "" or has its braces. */
static void put(struct metrics_text *text, enum family family, const char *labels, double value)
{
    struct bytes *to = &text->families[family];
    /* Without the fraction of a whole number; times have more digits than %g shows. */
    bool is_whole = value > -1e15 && value < 1e15 && value == (double)(int64_t)value;
    bool is_put = is_whole ? bytes_print(to, "%s%s%s %lld\n", families[family].name,
                                         suffix_of(family), labels, (long long)value)
                           : bytes_print(to, "%s%s%s %.6f\n", families[family].name,
                                         suffix_of(family), labels, value);

    text->is_short |= !is_put;
}

/* Adds the moment that the document has under that key, if it has one. */
static void put_moment(struct metrics_text *text, enum family family, const char *labels,
                       const json_t *object, const char *key)
{
    const char *written = json_string_value(json_object_get(object, key));
    uint64_t moment_s;

    if (written != NULL && clock_read_text(written, &moment_s))
        put(text, family, labels, (double)moment_s);
}

/* Escapes a label's value. One that is too long is cut, between two characters of UTF-8. */
static const char *escape(const char *value, char to[static LABEL_BYTES])
{
    size_t length = 0;

    for (; value != NULL && *value != '\0' && length < LABEL_BYTES - 8; value++) {
        if (*value == '\\' || *value == '"' || *value == '\n')
            to[length++] = '\\';
        to[length++] = *value == '\n' ? 'n' : *value;
    }
    while (value != NULL && ((unsigned char)*value & 0xc0) == 0x80 && length > 0)
        if (((unsigned char)to[--length] & 0xc0) == 0xc0)
            break;
    to[length] = '\0';
    return to;
}

/* -- of the agent as a whole ----------------------------------------------------------------------
 */

static void put_logins(struct metrics_text *text, const struct metrics *metrics,
                       enum auth_method in_use)
{
    char labels[LABEL_BYTES];

    for (size_t i = 0; i < AUTH_METHOD_COUNT; i++) {
        if (i != in_use && metrics->logins_ok[i] + metrics->logins_failed[i] == 0)
            continue;
        snprintf(labels, sizeof labels, "{method=\"%s\",result=\"ok\"}", auth_method_words[i]);
        put(text, LOGINS, labels, (double)metrics->logins_ok[i]);
        snprintf(labels, sizeof labels, "{method=\"%s\",result=\"failed\"}", auth_method_words[i]);
        put(text, LOGINS, labels, (double)metrics->logins_failed[i]);
    }
}

static void put_events(struct metrics_text *text, const struct metrics *metrics)
{
    char labels[LABEL_BYTES];

    for (size_t kind = 0; kind < EVENT_KIND_COUNT; kind++) {
        if (kind == EVENT_DETAIL)
            continue;
        snprintf(labels, sizeof labels, "{event=\"%s\"}", event_name((enum event_kind)kind));
        put(text, EVENTS, labels, (double)metrics->events[kind]);
    }
}

static void put_calls(struct metrics_text *text, const struct metrics_calls *calls)
{
    struct bytes *to = &text->families[CA_REQUESTS];
    const char *name = families[CA_REQUESTS].name;
    unsigned long long count = 0;
    char labels[LABEL_BYTES], bound[32];
    bool is_put = true;

    snprintf(labels, sizeof labels, "operation=\"%s\",code=\"%s\"", calls->operation, calls->code);
    for (size_t i = 0; i <= METRICS_BOUNDS; i++) {
        count += calls->buckets[i];
        /* As OpenMetrics writes a number, in either format: the same series. */
        if (i < METRICS_BOUNDS)
            snprintf(bound, sizeof bound,
                     metrics_bounds[i] == (double)(int)metrics_bounds[i] ? "%.1f" : "%g",
                     metrics_bounds[i]);
        is_put &= bytes_print(to, "%s_bucket{%s,le=\"%s\"} %llu\n", name, labels,
                              i < METRICS_BOUNDS ? bound : "+Inf", count);
    }
    is_put &= bytes_print(to, "%s_sum{%s} %.6f\n%s_count{%s} %llu\n", name, labels,
                          (double)calls->sum_us / 1e6, name, labels, count);
    text->is_short |= !is_put;
}

static void put_agent(struct metrics_text *text, const struct config *config, const json_t *agent)
{
    const char *away = json_string_value(json_object_get(agent, "ca_unreachable_since"));
    uint64_t away_since_s = 0, now_s = clock_now_s();
    char labels[LABEL_BYTES];

    if (away == NULL || !clock_read_text(away, &away_since_s) || away_since_s > now_s)
        away_since_s = now_s;
    put(text, CA_UNREACHABLE, "", (double)(now_s - away_since_s));
    put_moment(text, CA_CONTACT, "", agent, "ca_contact_at");
    put_moment(text, TOKEN_EXPIRY, "", agent, "token_expires_at");
    put(text, SKEW, "", (double)json_integer_value(json_object_get(agent, "clock_skew_s")));
    snprintf(labels, sizeof labels, "{version=\"%s\"}", LEAFD_VERSION);
    put(text, BUILD, labels, 1);
    put(text, CERTIFICATES, "", (double)config->cert_count);
    put(text, CONFIG_GOOD, "", json_is_null(json_object_get(agent, "problem")));
    put_moment(text, CONFIG_APPLIED, "", agent, "applied_at");
    put_moment(text, PROCESS_START, "", agent, "started_at");
}

struct metrics_text *metrics_text_new(bool is_open, const struct metrics *metrics,
                                      const struct config *config, const json_t *agent)
{
    struct metrics_text *text = calloc(1, sizeof *text);

    if (text == NULL || agent == NULL) {
        free(text);
        return NULL;
    }
    text->is_open = is_open;
    for (enum family family = 0; family < FAMILY_COUNT; family++) {
        text->families[family].limit = FAMILY_MOST_BYTES;
        text->is_short |= !begin_family(text, family);
    }
    put_logins(text, metrics, config->auth.method);
    put_events(text, metrics);
    put(text, LOG_LOST, "", (double)log_lost());
    for (size_t i = 0; i < metrics->call_count; i++)
        put_calls(text, &metrics->calls[i]);
    put_agent(text, config, agent);
    return text;
}

/* -- of each certificate --------------------------------------------------------------------------
 */

void metrics_text_note(struct metrics_text *text, const struct metrics *metrics, const json_t *rows)
{
    const json_t *row;
    size_t i;

    json_array_foreach (rows, i, row)
        if (i < PAGE_MOST)
            text->counts[i] =
                *metrics_cert_of(metrics, json_string_value(json_object_get(row, "cert")));
}

static void put_state(struct metrics_text *text, const char *cert, const json_t *row)
{
    const json_t *served = json_object_get(row, "served");
    const char *state = json_string_value(json_object_get(row, "state"));

    put_moment(text, NOT_BEFORE, cert, row, "not_before");
    put_moment(text, NOT_AFTER, cert, row, "not_after");
    put_moment(text, END, cert, row, "end");
    put_moment(text, DUE, cert, row, "renewal");
    put(text, CERT_READY, cert, json_is_true(json_object_get(row, "ready")));
    put(text, FRESH, cert, state != NULL && strcmp(state, "fresh") == 0);
    if (!json_is_object(served))
        return;
    put_moment(text, SERVED_NOT_AFTER, cert, served, "not_after");
    put(text, SERVED_MATCHES, cert,
        json_equal(json_object_get(served, "serial"), json_object_get(row, "serial")));
}

static void put_failure(struct metrics_text *text, const char *name, const char *cert,
                        const json_t *row)
{
    const json_t *failure = json_object_get(row, "failure");
    char labels[2 * LABEL_BYTES];

    /* A consumer that was never there is only awaited. */
    if (!json_is_true(json_object_get(row, "failing")))
        return;
    snprintf(labels, sizeof labels, "{cert=\"%s\",class=\"%s\"}", name,
             json_string_value(json_object_get(failure, "class")));
    put(text, FAILING, labels, 1);
    put_moment(text, FAILING_SINCE, cert, failure, "since");
    put_moment(text, NEXT_TRY, cert, failure, "try_again_at");
}

static void put_asked(struct metrics_text *text, const char *name,
                      const struct cert_config *section)
{
    char labels[6 * LABEL_BYTES], mount[LABEL_BYTES], role[LABEL_BYTES], template[LABEL_BYTES];

    snprintf(labels, sizeof labels,
             "{cert=\"%s\",pki_mount=\"%s\",pki_role=\"%s\",key_type=\"%s\",template=\"%s\"}", name,
             escape(section->pki_mount, mount), escape(section->pki_role, role),
             key_type_words[section->request.key_type], escape(section->template_name, template));
    put(text, CERT_INFO, labels, 1);
}

static void put_result(struct metrics_text *text, enum family family, const char *name,
                       const char *result, uint32_t count)
{
    char labels[2 * LABEL_BYTES];

    snprintf(labels, sizeof labels, "{cert=\"%s\",result=\"%s\"}", name, result);
    put(text, family, labels, count);
}

static void put_counts(struct metrics_text *text, const char *name, const char *cert,
                       const struct metrics_cert *counts)
{
    char labels[2 * LABEL_BYTES];

    put(text, ISSUANCES, cert, counts->issuances);
    for (enum err_kind class = ERR_TRANSIENT; class < ERR_CONFIG; class ++) {
        snprintf(labels, sizeof labels, "{cert=\"%s\",class=\"%s\"}", name, err_kind_name(class));
        put(text, FAILURES, labels, counts->failures[class]);
    }
    put_result(text, RELOADS, name, "ok", counts->reloads_ok);
    put_result(text, RELOADS, name, "failed", counts->reloads_failed);
    put_result(text, PROOFS, name, "proven", counts->proofs_proven);
    put_result(text, PROOFS, name, "failed", counts->proofs_failed);
    put_result(text, PROOFS, name, "lost", counts->proofs_lost);
    put(text, ROLLBACKS, cert, counts->rollbacks);
}

bool metrics_text_add(struct metrics_text *text, const struct config *config, const json_t *rows,
                      size_t first)
{
    char name[LABEL_BYTES], cert[LABEL_BYTES + 16];
    const json_t *row;
    size_t i;

    json_array_foreach (rows, i, row) {
        escape(json_string_value(json_object_get(row, "cert")), name);
        snprintf(cert, sizeof cert, "{cert=\"%s\"}", name);
        put_state(text, cert, row);
        put_failure(text, name, cert, row);
        put_asked(text, name, &config->certs[first + i]);
        put_counts(text, name, cert, &text->counts[i]);
    }
    return !text->is_short;
}

/* -- the process, and the end ---------------------------------------------------------------------
 */

static size_t count_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t count = 0;

    while (folder != NULL && readdir(folder) != NULL)
        count++;
    if (folder != NULL)
        closedir(folder);
    /* Without ".", ".." and the descriptor of the directory itself. */
    return count < 3 ? 0 : count - 3;
}

static void put_process(struct metrics_text *text)
{
    const double page_bytes = (double)sysconf(_SC_PAGESIZE);
    struct rlimit files = {0};
    struct rusage used = {0};
    FILE *statm = fopen("/proc/self/statm", "re");
    char line[128], *rest;

    if (statm != NULL && fgets(line, sizeof line, statm) != NULL) {
        put(text, MEMORY_VIRTUAL, "", (double)strtoul(line, &rest, 10) * page_bytes);
        put(text, MEMORY_RESIDENT, "", (double)strtoul(rest, NULL, 10) * page_bytes);
    }
    if (statm != NULL)
        fclose(statm);
    getrusage(RUSAGE_SELF, &used);
    put(text, CPU, "",
        (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
            (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
    put(text, FILES_OPEN, "", (double)count_files());
    getrlimit(RLIMIT_NOFILE, &files);
    put(text, FILES_MOST, "", (double)files.rlim_cur);
}

struct serve_text *metrics_text_end(struct metrics_text *text)
{
    struct bytes *last = &text->families[FAMILY_COUNT - 1];

    put_process(text);
    if (text->is_short || (text->is_open && !bytes_print(last, "# EOF\n")))
        return NULL;
    return serve_text_join(200, text->is_open ? &open_kind : &prometheus_kind, text->families,
                           FAMILY_COUNT);
}

void metrics_text_free(struct metrics_text *text)
{
    for (size_t i = 0; text != NULL && i < FAMILY_COUNT; i++)
        bytes_free(&text->families[i]);
    free(text);
}

/* -- which format ---------------------------------------------------------------------------------
 */

/* The q of a media range, in thousandths (RFC 9110 section 12.4.2). */
static int weight_of(const char *range, size_t length)
{
    for (const char *at = range; at < range + length; at++) {
        if (*at != ';')
            continue;
        at += 1 + strspn(at + 1, " \t");
        if (strncasecmp(at, "q=", 2) == 0)
            return (int)(strtod(at + 2, NULL) * 1000);
        at--;
    }
    return 1000;
}

bool metrics_wants_open(const char *accept)
{
    static const char wanted[] = "application/openmetrics-text", text[] = "text/plain";
    int wants = 0, other = 0;

    while (accept != NULL && *accept != '\0') {
        size_t length, type;
        int weight;

        accept += strspn(accept, " \t,");
        length = strcspn(accept, ",");
        type = strcspn(accept, ";, \t");
        weight = weight_of(accept, length);
        if (type == sizeof wanted - 1 && strncasecmp(accept, wanted, type) == 0)
            wants = weight > wants ? weight : wants;
        else if (type == sizeof text - 1 && strncasecmp(accept, text, type) == 0)
            other = weight > other ? weight : other;
        accept += length;
    }
    return wants > 0 && wants >= other;
}
