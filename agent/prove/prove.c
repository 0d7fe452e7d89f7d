#include "prove/prove.h"

#include "base/child.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/socket_path.h"
#include "base/text.h"
#include "http/http_call.h"
#include "pki/served.h"

#include <stdlib.h>
#include <string.h>

enum { SAMPLES_NEEDED = 3, VARIABLES_MOST = 16, WHERE_BYTES = 320 };

static const uint64_t second_us = 1000000;
static const uint64_t sample_most_us = 5000000;
static const uint64_t good_pause_us = 50000, bad_pause_us = 100000, pause_most_us = 2000000;

struct proof {
    struct slot slot;
    struct prove_tools tools;
    struct config *config;
    const struct cert_config *cert;
    struct arena arena; /* copies of the request's texts */
    const char *fingerprint, *serial;
    const char *variables[VARIABLES_MOST + 1];
    struct text_list trusted, chain;
    uint64_t deadline_us; /* on the boot clock; extended by the time in the queue */
    uint64_t waited_us;
    bool once; /* the first bad sample ends the proof */

    struct slot *step; /* the sample under way, or the look-up of addresses */
    sd_event_source *pause;
    uint64_t next_pause_us;
    unsigned good, samples, good_of_all; /* good: in a row */
    struct resolved addresses;
    bool holds;  /* it has a share of tools.handshakes */
    bool narrow; /* offer only signature algorithms of our key's type */
    struct served_leaf leaf;
    STACK_OF(X509) * sent;     /* the chain that was served with the leaf */
    STACK_OF(X509) * verified; /* the chain that was verified last; NULL: none was valid */
    struct http_response response;
    struct prove_seen seen;
    struct err why; /* of the last bad sample */
    struct prove_seen *ret_seen;
    struct evidence *ret_evidence;
};

static void destroy_proof(struct slot *slot)
{
    struct proof *proof = (struct proof *)slot;

    slot_drop(proof->step);
    sd_event_source_disable_unref(proof->pause);
    http_response_free(&proof->response);
    sk_X509_pop_free(proof->sent, X509_free);
    sk_X509_pop_free(proof->verified, X509_free);
    resolved_close(&proof->addresses);
    if (proof->holds)
        handshakes_release(proof->tools.handshakes);
    arena_free(&proof->arena);
    config_unref(proof->config);
    slot_free(slot);
}

/* The remaining time. */
static uint64_t left_us(const struct proof *proof)
{
    uint64_t now_us = clock_boot_us(), end_us = proof->deadline_us + proof->waited_us;

    return now_us < end_us ? end_us - now_us : 0;
}

/* -- the end of it --------------------------------------------------------------------------------
 */

/* Describes the target, for texts. */
static void write_where(const struct cert_config *cert, char to[static WHERE_BYTES])
{
    const struct prove_order *order = &cert->prove;
    const char *name = prove_server_name(cert);

    if (order->method == PROVE_HTTP)
        snprintf(to, WHERE_BYTES, "http %s", order->http.label);
    else if (order->method == PROVE_EXEC)
        snprintf(to, WHERE_BYTES, "exec %s", order->argv.items[0]);
    else
        snprintf(to, WHERE_BYTES, "tls %s%s%s%s%s", order->tls.label,
                 name == NULL ? "" : ", server name ", name == NULL ? "" : name,
                 order->tls.starttls == STARTTLS_NONE ? "" : ", starttls ",
                 order->tls.starttls == STARTTLS_NONE ? "" : starttls_words[order->tls.starttls]);
}

static void end(struct proof *proof)
{
    char where[WHERE_BYTES];
    struct err *err = &proof->why;
    size_t used;

    *proof->ret_seen = proof->seen;
    if (proof->seen.finding == PROVE_SERVED) {
        slot_finish(&proof->slot, NULL);
        return;
    }
    if (err->kind != ERR_LOCAL)
        err->kind = ERR_CONSUMER;
    write_where(proof->cert, where);
    err_wrap(err, "prove: %s", where);
    used = strlen(err->text);
    if (proof->good_of_all > 0 && proof->seen.finding == PROVE_BAD_CHAIN)
        snprintf(err->text + used, sizeof err->text - used,
                 " (%u of %u samples showed it with a chain that verifies)", proof->good_of_all,
                 proof->samples);
    else if (proof->good_of_all > 0)
        snprintf(err->text + used, sizeof err->text - used,
                 " (%u of %u samples showed the new one: some processes still serve another)",
                 proof->good_of_all, proof->samples);
    slot_finish(&proof->slot, err);
}

static void wait_and_sample(struct proof *proof, uint64_t pause_us)
{
    sd_event_source_set_time_relative(proof->pause, pause_us);
    sd_event_source_set_enabled(proof->pause, SD_EVENT_ONESHOT);
}

static void take_good(struct proof *proof)
{
    unsigned needed = proof->cert->prove.method == PROVE_EXEC ? 1 : SAMPLES_NEEDED;

    proof->samples++;
    proof->good_of_all++;
    proof->next_pause_us = bad_pause_us;
    if (++proof->good == needed) {
        proof->seen.finding = PROVE_SERVED;
        end(proof);
    } else {
        wait_and_sample(proof, good_pause_us * proof->good);
    }
}

/*
 * A server with a certificate for each key type chooses one. After a bad sample the next one
 * switches between all signature algorithms and those of our key's type; a narrow sample counts
 * only if it gets a leaf. Once a sample has shown our leaf, even with a bad chain, there is no more
 * switching.
 */
static void take_bad(struct proof *proof, enum prove_finding finding, const struct err *why)
{
    uint64_t rest_us = left_us(proof);
    bool tls = proof->cert->prove.method == PROVE_TLS;
    bool look_again = tls && finding == PROVE_OTHER_LEAF && !proof->narrow;

    proof->samples++;
    proof->good = 0;
    if (!proof->narrow || (finding != PROVE_UNREACHABLE && finding != PROVE_NO_TLS) ||
        why->kind == ERR_LOCAL) {
        proof->seen.finding = why->kind == ERR_LOCAL ? PROVE_NOT_LOOKED : finding;
        proof->why = *why;
    }
    if (tls && finding != PROVE_BAD_CHAIN)
        proof->narrow = look_again;
    if (why->kind == ERR_LOCAL || (proof->once ? !look_again : rest_us == 0)) {
        end(proof);
        return;
    }
    wait_and_sample(proof,
                    proof->once || proof->next_pause_us < rest_us ? proof->next_pause_us : rest_us);
    proof->next_pause_us *= 2;
    if (proof->next_pause_us > pause_most_us)
        proof->next_pause_us = pause_most_us;
}

/* -- samples --------------------------------------------------------------------------------------
 */

/* The time limit of a sample: the remaining time, within fixed bounds. */
static uint64_t sample_limit_us(const struct proof *proof)
{
    uint64_t rest_us = left_us(proof);

    if (proof->once || rest_us > sample_most_us)
        return sample_most_us;
    return rest_us < second_us ? second_us : rest_us;
}

/* The worker's own data. */
struct verification {
    struct arena arena;
    STACK_OF(X509) * sent;
    struct text_list trusted, chain;
};

static bool run_verification(void *job, struct err *err)
{
    const struct verification *verification = job;
    const struct served_order order = {
        .sent = verification->sent,
        .trusted = &verification->trusted,
        .chain = &verification->chain,
        .now_s = clock_now_s(),
    };

    return served_verify(&order, err);
}

static void free_verification(void *job)
{
    struct verification *verification = job;

    sk_X509_pop_free(verification->sent, X509_free);
    arena_free(&verification->arena);
    free(verification);
}

static bool copy_texts(struct text_list *to, struct arena *arena, const struct text_list *from)
{
    for (size_t i = 0; i < from->count; i++)
        if (!text_list_add(to, arena, from->items[i], strlen(from->items[i])))
            return false;
    return true;
}

static void forget_verified(struct proof *proof)
{
    sk_X509_pop_free(proof->verified, X509_free);
    proof->verified = NULL;
}

/* Whether the previous sample had the same chain, which was valid: it is not verified again. */
static bool is_verified(const struct proof *proof)
{
    int count = proof->sent == NULL ? 0 : sk_X509_num(proof->sent);

    if (proof->verified == NULL || sk_X509_num(proof->verified) != count)
        return false;
    for (int i = 0; i < count; i++)
        if (X509_cmp(sk_X509_value(proof->sent, i), sk_X509_value(proof->verified, i)) != 0)
            return false;
    return true;
}

static void on_verified(void *arg, const struct err *verify_err)
{
    struct proof *proof = arg;
    const struct err err = *verify_err;

    proof->step = slot_drop(proof->step);
    proof->seen.chain_verified = err.kind == ERR_NONE;
    if (err.kind == ERR_NONE) {
        take_good(proof);
        return;
    }
    forget_verified(proof);
    take_bad(proof, PROVE_BAD_CHAIN, &err);
}

/* A worker verifies the chain: a hostile one may take long. */
static bool verify(struct proof *proof, struct err *err)
{
    struct verification *verification = calloc(1, sizeof *verification);

    if (verification == NULL)
        return err_memory(err);
    forget_verified(proof);
    if (proof->sent != NULL)
        proof->verified = X509_chain_up_ref(proof->sent);
    verification->sent = TAKE(proof->sent);
    if (proof->verified == NULL || verification->sent == NULL ||
        !copy_texts(&verification->trusted, &verification->arena, &proof->trusted) ||
        !copy_texts(&verification->chain, &verification->arena, &proof->chain)) {
        free_verification(verification);
        return err_memory(err);
    }
    proof->step = worker_start(proof->tools.workers, WORK_NEXT, run_verification, verification,
                               free_verification, on_verified, proof, err);
    return proof->step != NULL;
}

static void take_ours(struct proof *proof)
{
    struct err err;

    if (proof->trusted.count == 0) {
        take_good(proof);
        return;
    }
    proof->seen.chain_verified = is_verified(proof);
    if (proof->seen.chain_verified) {
        take_good(proof);
    } else if (!verify(proof, &err)) {
        forget_verified(proof);
        take_bad(proof, PROVE_BAD_CHAIN, &err);
    }
}

/* The path may lead to another socket at the next sample. */
static void forget_socket(struct proof *proof)
{
    if (proof->addresses.is_socket)
        resolved_close(&proof->addresses);
}

static void on_probed(void *arg, const struct err *probe_err)
{
    struct proof *proof = arg;
    struct err err = *probe_err;
    char until[WHEN_TEXT_BYTES];

    proof->step = slot_drop(proof->step);
    forget_socket(proof);
    if (err.kind != ERR_NONE) {
        take_bad(proof, proof->leaf.answered ? PROVE_NO_TLS : PROVE_UNREACHABLE, &err);
        return;
    }
    proof->seen.leaf = proof->leaf;
    proof->seen.chain_verified = false;
    proof->seen.ours = strcmp(proof->leaf.fingerprint, proof->fingerprint) == 0;
    if (proof->seen.ours) {
        take_ours(proof);
        return;
    }
    clock_text(proof->leaf.not_after_s, until);
    err_set(&err, ERR_CONSUMER,
            "the server serves another certificate: serial %s, until %s, and not serial %s; check "
            "that the reload reaches the process that listens there, and that it reads these files",
            proof->leaf.serial, until, proof->serial);
    take_bad(proof, PROVE_OTHER_LEAF, &err);
}

/* The signature algorithms of a client that supports only the requested key type. */
static const char *signatures(enum key_type type)
{
    switch (type) {
    case KEY_ECDSA_P256:
    case KEY_ECDSA_P384:
    case KEY_ECDSA_P521:
        return "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512";
    case KEY_RSA_2048:
    case KEY_RSA_3072:
    case KEY_RSA_4096:
        return "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256:RSA+SHA384:RSA+SHA512";
    case KEY_ED25519:
        return "ed25519";
    case KEY_TYPE_COUNT:
        break;
    }
    return NULL;
}

static bool sample_tls(struct proof *proof, struct err *err)
{
    const struct tls_probe_order order = {
        .addresses = &proof->addresses,
        .tls = {.server_name = prove_server_name(proof->cert),
                .signatures = proof->narrow ? signatures(proof->cert->request.key_type) : NULL,
                .ret_sent = &proof->sent},
        .starttls = proof->cert->prove.tls.starttls,
        .group = prove_group(proof->cert),
        .waited_us = &proof->waited_us,
        .ret_evidence = proof->ret_evidence,
        .limit_us = sample_limit_us(proof),
    };

    if (!proof->holds && !handshakes_hold(proof->tools.handshakes, err))
        return false;
    proof->holds = true;
    proof->step = tls_probe_start(proof->tools.loop, proof->tools.handshakes, &order, &proof->leaf,
                                  on_probed, proof, err);
    return proof->step != NULL;
}

static bool sample_http(struct proof *proof, struct err *err);

static void on_resolved(void *arg, const struct err *resolve_err)
{
    struct proof *proof = arg;
    struct err err = *resolve_err;
    bool started = false;

    proof->step = slot_drop(proof->step);
    if (err.kind == ERR_NONE)
        started = proof->cert->prove.method == PROVE_TLS ? sample_tls(proof, &err)
                                                         : sample_http(proof, &err);
    if (!started)
        take_bad(proof, PROVE_UNREACHABLE, &err);
}

/* Looks up the addresses once, not for every sample. */
static bool resolve(struct proof *proof, const struct tls_target *target, struct err *err)
{
    const struct resolve_tools tools = {proof->tools.loop, proof->tools.lookups,
                                        proof->tools.workers};
    uint64_t limit_us = sample_limit_us(proof), rest_us = left_us(proof);

    if (!proof->once && limit_us < rest_us)
        limit_us = rest_us;
    proof->step =
        resolve_start(&tools, target, limit_us, &proof->addresses, on_resolved, proof, err);
    return proof->step != NULL;
}

static void on_command_done(void *arg, const struct err *child_err)
{
    struct proof *proof = arg;
    const struct err err = *child_err;

    proof->step = slot_drop(proof->step);
    if (err.kind == ERR_NONE)
        take_good(proof);
    else
        take_bad(proof, PROVE_SAYS_NO, &err);
}

static bool sample_exec(struct proof *proof, struct err *err)
{
    const struct cert_config *cert = proof->cert;
    uint64_t limit_s = cert->command_timeout_s, left_s = left_us(proof) / second_us + 1;
    const struct child_order order = {
        .what = "the command",
        .argv = &cert->prove.argv,
        .variables = proof->variables,
        .limit_s = proof->once || limit_s < left_s ? limit_s : left_s,
    };

    proof->step =
        child_start(proof->tools.loop, proof->tools.workers, &order, on_command_done, proof, err);
    return proof->step != NULL;
}

/* -- what an admin interface says -----------------------------------------------------------------
 */

struct wanted {
    const char *serial, *fingerprint;
    unsigned texts; /* texts at the path */
};

static bool is_wanted(const json_t *value, void *arg)
{
    struct wanted *wanted = arg;
    const char *text = json_string_value(value);

    if (text == NULL)
        return false;
    wanted->texts++;
    return hex_same(text, wanted->serial) || hex_same(text, wanted->fingerprint);
}

bool reply_names(const struct bytes *reply, const char *json_path, const char *serial,
                 const char *fingerprint, struct err *err)
{
    struct wanted wanted = {.serial = serial, .fingerprint = fingerprint};
    json_t *document = json_loadb(bytes_text(reply), reply->length, 0, NULL);
    bool found = document != NULL && json_path_any(document, json_path, is_wanted, &wanted);

    if (document == NULL)
        return err_set(err, ERR_CONSUMER, "the reply is no JSON");
    json_decref(document);
    if (found)
        return true;
    if (wanted.texts == 0)
        return err_set(err, ERR_CONSUMER, "the reply has no text at %s", json_path);
    return err_set(err, ERR_CONSUMER,
                   "the reply names other certificates at %s, and not serial %s; check that the "
                   "reload reaches the consumer",
                   json_path, serial);
}

static void on_replied(void *arg, const struct err *call_err)
{
    struct proof *proof = arg;
    const struct http_response *response = &proof->response;
    struct err err = *call_err;

    proof->step = slot_drop(proof->step);
    forget_socket(proof);
    if (err.kind != ERR_NONE) {
        if (err.kind != ERR_LOCAL)
            err.kind = ERR_CONSUMER;
        take_bad(proof, PROVE_UNREACHABLE, &err);
        return;
    }
    if (response->status / 100 != 2) {
        err_set(&err, ERR_CONSUMER, "the answer is status %d", response->status);
        take_bad(proof, PROVE_UNREACHABLE, &err);
        return;
    }
    if (reply_names(&response->body, proof->cert->prove.json_path, proof->serial,
                    proof->fingerprint, &err)) {
        take_good(proof);
        return;
    }
    take_bad(proof, PROVE_OTHER_LEAF, &err);
}

static bool sample_http(struct proof *proof, struct err *err)
{
    const struct http_target *target = &proof->cert->prove.http;
    char socket[SOCKET_PATH_BYTES];
    const struct http_admin_order order = {
        .method = "GET",
        .url = target->url,
        .unix_socket = target->socket == NULL ? NULL : socket,
        .trust_anchor = proof->cert->trust_anchor,
        .limit_s = sample_limit_us(proof) / second_us,
    };

    socket_path_write(proof->addresses.socket_fd, socket);
    proof->step =
        http_admin_start(proof->tools.http, &order, &proof->response, on_replied, proof, err);
    return proof->step != NULL;
}

static bool start_sample(struct proof *proof, struct err *err)
{
    const struct prove_order *order = &proof->cert->prove;
    const struct tls_target admin = {.socket = order->http.socket};

    switch (order->method) {
    case PROVE_TLS:
        return proof->addresses.count == 0 ? resolve(proof, &order->tls, err)
                                           : sample_tls(proof, err);
    case PROVE_EXEC:
        return sample_exec(proof, err);
    case PROVE_HTTP:
        return admin.socket == NULL ? sample_http(proof, err) : resolve(proof, &admin, err);
    case PROVE_NONE:
        break;
    }
    return err_set(err, ERR_LOCAL, "the section has no proof");
}

static int on_pause_over(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct proof *proof = arg;
    struct err err;

    (void)source;
    (void)now_us;
    if (!start_sample(proof, &err))
        take_bad(proof, proof->cert->prove.method == PROVE_EXEC ? PROVE_SAYS_NO : PROVE_UNREACHABLE,
                 &err);
    return 0;
}

/* -- the start ------------------------------------------------------------------------------------
 */

static bool keep_request(struct proof *proof, const struct prove_request *request, struct err *err)
{
    proof->fingerprint = arena_copy(&proof->arena, request->fingerprint);
    proof->serial = arena_copy(&proof->arena, request->serial);
    if (proof->fingerprint == NULL || proof->serial == NULL)
        return err_memory(err);
    for (size_t i = 0; i < VARIABLES_MOST && request->variables[i] != NULL; i++) {
        proof->variables[i] = arena_copy(&proof->arena, request->variables[i]);
        if (proof->variables[i] == NULL)
            return err_memory(err);
    }
    if (!copy_texts(&proof->trusted, &proof->arena, &request->trusted) ||
        !copy_texts(&proof->chain, &proof->arena, &request->chain))
        return err_memory(err);
    proof->once = request->limit_s == 0;
    proof->deadline_us = clock_boot_us() + request->limit_s * second_us;
    proof->next_pause_us = bad_pause_us;
    return true;
}

struct slot *prove_start(const struct prove_tools *tools, struct config *config,
                         const struct cert_config *cert, const struct prove_request *request,
                         struct prove_seen *ret_seen, slot_done *on_done, void *arg,
                         struct err *err)
{
    struct proof *proof = slot_new(sizeof *proof, tools->loop, destroy_proof, on_done, arg, err);
    int r = 0;

    if (proof == NULL)
        return NULL;
    proof->tools = *tools;
    proof->config = config_ref(config);
    proof->cert = cert;
    proof->ret_seen = ret_seen;
    proof->ret_evidence = request->ret_evidence;
    if (keep_request(proof, request, err)) {
        r = sd_event_add_time_relative(tools->loop, &proof->pause, CLOCK_BOOTTIME, 0, 1,
                                       on_pause_over, proof);
        if (r >= 0) {
            sd_event_source_set_description(proof->pause, "prove pause");
            return &proof->slot;
        }
        err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
    }
    destroy_proof(&proof->slot);
    return NULL;
}
