/* What the door to the CA keeps from whoever asks for a certificate: logins, denials, outages. */
#include "unit.h"

#include "ca/ca.h"
#include "certs.h"
#include "servers.h"

#include <openssl/pem.h>

#include <stdatomic.h>
#include <unistd.h>

/* Answers each login and each signing by the next letter, the last of which holds for all more. */
struct script {
    /* '2': well; 'l': well, with a lease; 'w': so, once it may; 'W': well, once it may; 'e': well,
     * without a certificate; '3', '4', '5', 'h': 403, 400, 503, 500; '-': closes */
    const char *logins, *signs;
    const char *uses; /* what a login says of them, in JSON; NULL: nothing */
    atomic_uint login_count, sign_count, look_count, revoke_count;
    atomic_bool may;   /* what 'w' waits for */
    char issuer[2048]; /* the certificate of the issuer that is named, in JSON */
    char answer[4096];
};

static char letter_at(const char *letters, unsigned at)
{
    size_t last = strlen(letters) - 1;

    return letters[at < last ? at : last];
}

static const char *say(struct script *script, const char *status, const char *body)
{
    snprintf(script->answer, sizeof script->answer,
             "HTTP/1.1 %s\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n%s", status,
             body);
    return script->answer;
}

/* What everybody may ask: the issuer, and certificates, each of which was revoked. */
static const char *answer_look(struct script *script, const char *request)
{
    script->look_count++;
    return say(script, "200 OK",
               strstr(request, "/issuer/") != NULL ? script->issuer
                                                   : "{\"data\":{\"revocation_time\":1}}");
}

static const char *say_login(struct script *script)
{
    char body[128];

    snprintf(
        body, sizeof body, "{\"auth\":{\"client_token\":\"t\",\"lease_duration\":600%s%s}}",
        script->uses == NULL ? "" : ",\"num_uses\":", script->uses == NULL ? "" : script->uses);
    return say(script, "200 OK", body);
}

static const char *say_letter(struct script *script, char letter)
{
    static const struct {
        char letter;
        const char *status, *body;
    } answers[] = {
        {'2', "200 OK",
         "{\"data\":{\"certificate\":\"PEM\"},\"lease_id\":\"\",\"warnings\":[\"a\\nb\"]}"},
        {'l', "200 OK", "{\"data\":{\"certificate\":\"PEM\"},\"lease_id\":\"pki/sign/web/1\"}"},
        {'e', "200 OK", "{\"data\":{}}"},
        {'3', "403 Forbidden", "{\"errors\":[\"no\"]}"},
        {'4', "400 Bad Request", "{\"errors\":[\"no\"]}"},
        {'h', "500 Internal Server Error", "{\"errors\":[\"no\"]}"},
        {'5', "503 Service Unavailable", "{\"errors\":[\"no\"]}"},
    };

    for (size_t i = 0; i < COUNT_OF(answers); i++)
        if (answers[i].letter == letter)
            return say(script, answers[i].status, answers[i].body);
    return NULL;
}

static const char *answer(void *arg, const char *request)
{
    struct script *script = arg;
    bool is_login = strstr(request, "/v1/auth/kubernetes/login") != NULL;
    atomic_uint *count = is_login ? &script->login_count : &script->sign_count;
    bool is_look = strncmp(request, "GET ", 4) == 0;
    char letter;

    if (is_look)
        return answer_look(script, request);
    if (strstr(request, "/v1/auth/token/revoke-self") != NULL) {
        script->revoke_count++;
        return say(script, "200 OK", "{}");
    }
    if (strstr(request, "/sign/denied") != NULL)
        return say_letter(script, '3');
    letter = letter_at(is_login ? script->logins : script->signs, (*count)++);
    while ((letter == 'w' || letter == 'W') && !script->may)
        usleep(1000);
    if (letter == 'W')
        letter = '2';
    if (letter == 'w')
        letter = 'l';
    return is_login && letter == '2' ? say_login(script) : say_letter(script, letter);
}

enum { THREADS = 2 };

struct fixture {
    struct script script;
    struct server server;
    struct config config;
    struct cert_config cert;
    sd_event *loop;
    struct http_loop *http;
    struct workers *workers;
    struct ca *ca;
    char directory[32], ca_file[64], token_file[64], address[64];
    unsigned heard, away, back;
    unsigned refused;       /* tokens, as news */
    struct slot *beside[8]; /* what others have signed with each session as soon as it is open */
    struct ca_signed beside_reply;
    unsigned beside_count;
    bool is_beside;
    enum err_kind why;
    uint64_t patience_ms;
    struct err err;
    struct ca_signed reply;
};

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    fputs(text, file);
    fclose(file);
}

static void on_away(void *arg, const struct err *why)
{
    struct fixture *fixture = arg;

    fixture->away++;
    fixture->why = why->kind;
}

static void on_back(void *arg, uint64_t after_s)
{
    struct fixture *fixture = arg;

    assert_true(after_s < 60);
    fixture->back++;
}

static void hear_nothing(void *arg, const struct err *err)
{
    (void)arg;
    (void)err;
}

static void on_session(void *arg, enum ca_session_change change, uint64_t lease_s,
                       const struct err *session_err)
{
    struct fixture *fixture = arg;
    struct err err;

    (void)lease_s;
    fixture->refused += change == CA_SESSION_REFUSED && !session_err->told;
    if (change == CA_SESSION_OPEN && fixture->is_beside) {
        assert_true(fixture->beside_count < COUNT_OF(fixture->beside));
        fixture->beside[fixture->beside_count++] =
            ca_sign_start(fixture->ca, &fixture->cert, 0, "CSR", &fixture->beside_reply,
                          hear_nothing, NULL, &err);
    }
}

static void hear(void *arg, const struct err *err)
{
    struct fixture *fixture = arg;

    fixture->heard++;
    fixture->err = *err;
}

/* -- certificates that hear of their CA ---------------------------------------------------------
 */

struct heard {
    struct ca_interest interest;
    unsigned asked, named, revoked;
    bool is_published;
};

static uint64_t life_of(const void *cert)
{
    (void)cert;
    return 0;
}

static bool hear_issuer(void *cert, const struct ca_named_issuer *named)
{
    struct heard *heard = cert;

    assert_true(named->key[0] != '\0');
    heard->named++;
    return false;
}

static bool give_own(const void *cert, struct ca_own *ret_own)
{
    struct heard *heard = (struct heard *)cert;

    heard->asked++;
    snprintf(ret_own->serial, sizeof ret_own->serial, "aa");
    return heard->is_published;
}

static void hear_revoked(void *cert, const char *serial)
{
    struct heard *heard = cert;

    assert_string_equal(serial, "aa");
    heard->revoked++;
}

/* In JSON, where line breaks are escaped. */
static void describe_issuer(struct script *script, const char *pem)
{
    size_t used =
        (size_t)snprintf(script->issuer, sizeof script->issuer, "{\"data\":{\"certificate\":\"");

    for (; *pem != '\0'; pem++)
        used += (size_t)snprintf(script->issuer + used, sizeof script->issuer - used,
                                 *pem == '\n' ? "\\n" : "%c", *pem);
    snprintf(script->issuer + used, sizeof script->issuer - used, "\"}}");
}

static void serve(struct fixture *fixture)
{
    const struct cert_order order = {.common_name = "ca", .san = "IP:127.0.0.1"};
    EVP_PKEY *key = certs_key(0);
    X509 *leaf = certs_make(&order, key, NULL, NULL);
    char *pem = certs_pem(leaf);

    write_file(fixture->ca_file, pem);
    describe_issuer(&fixture->script, pem);
    free(pem);
    server_start(&fixture->server, &(struct server_order){.leaves = {leaf, NULL},
                                                          .keys = {key, NULL},
                                                          .answer = answer,
                                                          .arg = &fixture->script});
    snprintf(fixture->address, sizeof fixture->address, "https://127.0.0.1:%s",
             fixture->server.port);
}

static int open_door(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    const struct ca_listener listener = {
        .on_session = on_session,
        .on_away = on_away,
        .on_back = on_back,
        .certs = {life_of, hear_issuer, give_own, hear_revoked, NULL},
        .arg = fixture,
    };
    struct err err;

    snprintf(fixture->directory, sizeof fixture->directory, "/tmp/leafd-unit-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    snprintf(fixture->ca_file, sizeof fixture->ca_file, "%s/ca", fixture->directory);
    snprintf(fixture->token_file, sizeof fixture->token_file, "%s/token", fixture->directory);
    write_file(fixture->token_file, "x.e30.y");
    fixture->script.logins = fixture->script.signs = "2";
    fixture->patience_ms = UINT64_MAX / 1000;
    serve(fixture);
    fixture->config = (struct config){
        .references = 1,
        .vault = {.address = fixture->address,
                  .ca_file = fixture->ca_file,
                  .timeout_s = 10,
                  .connect_timeout_s = 10},
        .auth = {.method = AUTH_KUBERNETES,
                 .mount = "kubernetes",
                 .role = "r",
                 .token_file = fixture->token_file},
        .agent = {.max_in_flight = 1, .ca_poll_s = 1},
    };
    fixture->cert = (struct cert_config){.name = "web", .pki_mount = "pki", .pki_role = "web"};
    assert_true(sd_event_new(&fixture->loop) >= 0);
    assert_true(workers_open(fixture->loop, THREADS, &fixture->workers, &err));
    assert_true(http_loop_open(fixture->loop, fixture->workers, 4, 4, &fixture->http, &err));
    assert_true(ca_open(fixture->http, fixture->workers, &fixture->config, true, &listener,
                        &fixture->ca, &err));
    *state = fixture;
    return 0;
}

static int close_door(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned i = 0; i < fixture->beside_count; i++)
        slot_drop(fixture->beside[i]);
    ca_signed_free(&fixture->beside_reply);
    ca_signed_free(&fixture->reply);
    ca_close(fixture->ca);
    http_loop_close(fixture->http);
    assert_true(workers_close(fixture->workers, 10));
    assert_int_equal(fixture->config.references, 1); /* a check of the files has one until then */
    sd_event_unref(fixture->loop);
    server_stop(&fixture->server);
    X509_free(fixture->server.order.leaves[0]);
    EVP_PKEY_free(fixture->server.order.keys[0]);
    unlink(fixture->ca_file);
    unlink(fixture->token_file);
    rmdir(fixture->directory);
    free(fixture);
    return 0;
}

static void await(struct fixture *fixture, unsigned heard)
{
    while (fixture->heard < heard)
        assert_true(sd_event_run(fixture->loop, UINT64_MAX) >= 0);
}

static struct slot *take_turn(struct fixture *fixture)
{
    struct err err;
    struct slot *slot =
        ca_turn_start(fixture->ca, &fixture->cert, fixture->patience_ms, hear, fixture, &err);

    assert_non_null(slot);
    return slot;
}

/* One turn, and one signing in it if there is a session. */
static enum err_kind make_one(struct fixture *fixture)
{
    struct slot *turn = take_turn(fixture), *signing;
    struct err err;

    await(fixture, fixture->heard + 1);
    if (fixture->err.kind == ERR_NONE) {
        signing = ca_sign_start(fixture->ca, &fixture->cert, fixture->patience_ms, "CSR",
                                &fixture->reply, hear, fixture, &err);
        assert_non_null(signing);
        await(fixture, fixture->heard + 1);
        slot_drop(signing);
    }
    slot_drop(turn);
    return fixture->err.kind;
}

static void one_session_serves_all(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < 3; i++)
        assert_int_equal(make_one(fixture), ERR_NONE);
    assert_int_equal(fixture->script.login_count, 1);
    assert_int_equal(fixture->script.sign_count, 3);
    assert_string_equal(fixture->reply.parts.certificate, "PEM");
    assert_int_equal(fixture->reply.warnings.count, 1);
    assert_string_equal(fixture->reply.warnings.items[0], "a b");
    assert_int_equal(fixture->away + fixture->back, 0);
}

static void a_denial_is_one_fresh_login_and_one_more_try(void **state)
{
    struct fixture *fixture = *state;

    fixture->script.signs = "2323333";
    assert_int_equal(make_one(fixture), ERR_NONE);
    assert_int_equal(make_one(fixture), ERR_NONE);
    assert_int_equal(fixture->script.login_count, 2);
    assert_int_equal(fixture->script.sign_count, 3);
    /* A fresh token is refused as well: it is the policy. */
    assert_int_equal(make_one(fixture), ERR_DENIED);
    assert_int_equal(fixture->err.http_status, 403);
    assert_int_equal(fixture->script.login_count, 3);
    assert_int_equal(fixture->script.sign_count, 5);
    assert_false(ca_is_away(fixture->ca));
    assert_int_equal(fixture->away, 0);
}

/* The policy is not the token's fault: others use that well, and each login is a token more. */
static void what_the_policy_denies_is_asked_for_with_the_token_there_is(void **state)
{
    struct fixture *fixture = *state;

    fixture->script.uses = "0";
    fixture->script.signs = "23333333333232";
    assert_int_equal(make_one(fixture), ERR_NONE);
    assert_int_equal(make_one(fixture), ERR_DENIED);
    assert_int_equal(fixture->script.login_count, 2);
    assert_int_equal(fixture->refused, 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(make_one(fixture), ERR_DENIED);
    assert_int_equal(fixture->err.http_status, 403);
    assert_int_equal(fixture->script.login_count, 2);
    assert_int_equal(fixture->script.sign_count, 6);
    /* Whoever sends a hangup wants to see now. */
    ca_end_pause(fixture->ca);
    assert_int_equal(make_one(fixture), ERR_DENIED);
    assert_int_equal(fixture->script.login_count, 3);
    assert_int_equal(fixture->refused, 2);
    /* Whoever has waited long enough has the next token, and tells nothing. */
    fixture->patience_ms = 0;
    assert_int_equal(make_one(fixture), ERR_DENIED);
    assert_int_equal(fixture->script.login_count, 4);
    assert_int_equal(fixture->refused, 2);
    assert_int_equal(make_one(fixture), ERR_NONE);
    assert_int_equal(fixture->script.login_count, 5);
    assert_int_equal(fixture->refused, 2);
    /* What was accepted is not denied any more. */
    fixture->patience_ms = UINT64_MAX / 1000;
    assert_int_equal(make_one(fixture), ERR_NONE);
    assert_int_equal(fixture->script.login_count, 6);
    assert_int_equal(fixture->refused, 3);
}

static void an_outage_is_told_once_when_it_begins_and_once_when_it_ends(void **state)
{
    struct fixture *fixture = *state;

    fixture->script.signs = "255-2";
    assert_int_equal(make_one(fixture), ERR_NONE);
    assert_int_equal(make_one(fixture), ERR_TRANSIENT);
    assert_true(ca_is_away(fixture->ca));
    assert_int_equal(fixture->away, 1);
    assert_int_equal(fixture->why, ERR_TRANSIENT);
    assert_int_not_equal(ca_unreachable_since_s(fixture->ca), 0);
    assert_int_equal(make_one(fixture), ERR_TRANSIENT);
    assert_int_equal(make_one(fixture), ERR_TRANSIENT);
    assert_int_equal(fixture->away, 1);
    assert_int_equal(fixture->back, 0);
    assert_int_equal(make_one(fixture), ERR_NONE);
    assert_false(ca_is_away(fixture->ca));
    assert_int_equal(fixture->away, 1);
    assert_int_equal(fixture->back, 1);
}

static void what_the_ca_refuses_is_an_answer(void **state)
{
    struct fixture *fixture = *state;

    fixture->script.signs = "54";
    assert_int_equal(make_one(fixture), ERR_TRANSIENT);
    assert_int_equal(make_one(fixture), ERR_REFUSED);
    assert_int_equal(fixture->away, 1);
    assert_int_equal(fixture->back, 1);
}

static void without_a_session_the_ca_is_away_and_nobody_asks_again_at_once(void **state)
{
    struct fixture *fixture = *state;

    fixture->script.logins = "32";
    assert_int_equal(make_one(fixture), ERR_DENIED);
    assert_int_equal(make_one(fixture), ERR_DENIED);
    assert_int_equal(fixture->away, 1);
    assert_int_equal(fixture->why, ERR_DENIED);
    assert_true(ca_is_away(fixture->ca));
    assert_int_equal(ca_unreachable_since_s(fixture->ca), 0);
    /* The second turn ends with the failure of the first one. */
    assert_int_equal(fixture->script.login_count, 1);
    assert_int_equal(fixture->script.sign_count, 0);
    ca_end_pause(fixture->ca);
    assert_int_equal(make_one(fixture), ERR_NONE);
    assert_int_equal(fixture->back, 1);
}

static void an_answer_without_a_certificate_is_no_outage(void **state)
{
    struct fixture *fixture = *state;

    fixture->script.signs = "2e";
    assert_int_equal(make_one(fixture), ERR_NONE);
    assert_int_equal(make_one(fixture), ERR_UNTRUSTED);
    assert_false(ca_is_away(fixture->ca));
    assert_int_equal(fixture->away, 0);
}

static void a_ca_that_is_out_of_order_by_its_own_words_answers(void **state)
{
    struct fixture *fixture = *state;

    fixture->script.signs = "5h";
    assert_int_equal(make_one(fixture), ERR_TRANSIENT);
    assert_true(ca_is_away(fixture->ca));
    assert_int_equal(make_one(fixture), ERR_TRANSIENT);
    assert_int_equal(fixture->err.http_status, 500);
    assert_false(ca_is_away(fixture->ca));
    assert_int_equal(fixture->back, 1);
}

/* The configuration with another digest of [vault] and [auth]. */
static void use_other(struct fixture *fixture, struct config *other)
{
    *other = fixture->config;
    other->references = 1;
    snprintf(other->session_digest, sizeof other->session_digest, "other");
    ca_use(fixture->ca, other);
}

static void an_outage_at_another_address_is_told_again_and_ends_once(void **state)
{
    struct fixture *fixture = *state;
    struct config other;

    fixture->script.signs = "5552";
    assert_int_equal(make_one(fixture), ERR_TRANSIENT);
    use_other(fixture, &other);
    assert_int_equal(fixture->away, 1);
    fixture->script.logins = "4";
    assert_int_equal(make_one(fixture), ERR_DENIED);
    assert_int_equal(fixture->away, 2);
    assert_int_equal(fixture->why, ERR_DENIED);
    fixture->script.logins = "2";
    ca_end_pause(fixture->ca);
    assert_int_equal(make_one(fixture), ERR_TRANSIENT);
    assert_int_equal(make_one(fixture), ERR_TRANSIENT);
    assert_int_equal(make_one(fixture), ERR_NONE);
    ca_use(fixture->ca, &fixture->config);
}

static void log_in(struct fixture *fixture)
{
    struct slot *turn = take_turn(fixture);

    await(fixture, fixture->heard + 1);
    assert_int_equal(fixture->err.kind, ERR_NONE);
    slot_drop(turn);
}

/* Who could not wait has logged in: the failure before that is nobody's any more. */
static void a_failed_login_is_over_after_one_that_worked(void **state)
{
    struct fixture *fixture = *state;

    fixture->script.logins = "52";
    fixture->script.signs = "32";
    assert_int_equal(make_one(fixture), ERR_TRANSIENT);
    fixture->patience_ms = 0;
    log_in(fixture);
    fixture->patience_ms = UINT64_MAX / 1000;
    assert_int_equal(make_one(fixture), ERR_NONE);
    assert_int_equal(fixture->script.login_count, 3);
}

/* Others have had each token's first signing before the policy denies this one. */
static unsigned logins_of_one_that_is_denied(struct fixture *fixture)
{
    const struct cert_config denied = {.name = "no", .pki_mount = "pki", .pki_role = "denied"};
    unsigned before = fixture->script.login_count;
    struct slot *signing;
    struct err err;

    signing = ca_sign_start(fixture->ca, &denied, UINT64_MAX / 1000, "CSR", &fixture->reply, hear,
                            fixture, &err);
    assert_non_null(signing);
    await(fixture, fixture->heard + 1);
    slot_drop(signing);
    assert_int_equal(fixture->err.kind, ERR_DENIED);
    return fixture->script.login_count - before;
}

static void who_is_denied_logs_in_more_than_once_only_where_tokens_are_used_up(void **state)
{
    struct fixture *fixture = *state;

    /* One call at a time, in order: what others sign has been answered before the denial comes. */
    http_loop_limit(fixture->http, 1);
    assert_int_equal(make_one(fixture), ERR_NONE); /* by a login that says nothing of uses */
    fixture->is_beside = true;
    assert_int_equal(logins_of_one_that_is_denied(fixture), 4);
    fixture->script.uses = "0";
    assert_int_equal(logins_of_one_that_is_denied(fixture), 1);
}

/* -- certificates that end with the token -------------------------------------------------------
 */

/* The end of the session: how many revocations of the token the CA has seen. */
static unsigned log_out(struct fixture *fixture)
{
    struct err err;
    struct slot *slot = ca_log_out_start(fixture->ca, hear, fixture, &err);

    if (slot != NULL)
        await(fixture, fixture->heard + 1);
    slot_drop(slot);
    return fixture->script.revoke_count;
}

static void a_token_with_leases_is_read_again_and_not_revoked(void **state)
{
    struct fixture *fixture = *state;
    struct config other;

    fixture->config.auth.method = AUTH_TOKEN;
    ca_use(fixture->ca, &fixture->config);
    fixture->script.signs = "l";
    assert_int_equal(make_one(fixture), ERR_NONE);
    assert_true(ca_has_leases(fixture->ca));
    use_other(fixture, &other);
    assert_false(ca_has_leases(fixture->ca)); /* there is no token */
    log_in(fixture);
    assert_true(ca_has_leases(fixture->ca));
    assert_int_equal(log_out(fixture), 0);
    write_file(fixture->token_file, "another");
    ca_use(fixture->ca, &fixture->config);
    log_in(fixture);
    assert_false(ca_has_leases(fixture->ca));
    assert_int_equal(log_out(fixture), 1);
}

/* The CA may make a token at any time from the moment on at which the login is sent. */
static void a_login_that_is_under_way_at_the_end_is_awaited_and_its_token_revoked(void **state)
{
    struct fixture *fixture = *state;
    struct slot *turn, *end;
    struct err err;

    fixture->script.logins = "W";
    turn = take_turn(fixture);
    while (fixture->script.login_count == 0)
        assert_true(sd_event_run(fixture->loop, 10000) >= 0);
    slot_drop(turn);
    end = ca_log_out_start(fixture->ca, hear, fixture, &err);
    assert_non_null(end);
    fixture->script.may = true;
    await(fixture, 1);
    slot_drop(end);
    assert_int_equal(fixture->err.kind, ERR_NONE);
    assert_int_equal(fixture->script.revoke_count, 1);
}

static void the_end_waits_for_a_login_only_so_long(void **state)
{
    struct fixture *fixture = *state;
    struct slot *turn, *end;
    struct err err;

    signal(SIGPIPE, SIG_IGN); /* the server writes to whom nobody reads any more */
    fixture->script.logins = "W";
    turn = take_turn(fixture);
    while (fixture->script.login_count == 0)
        assert_true(sd_event_run(fixture->loop, 10000) >= 0);
    slot_drop(turn);
    fixture->config.vault.timeout_s = 1;
    end = ca_log_out_start(fixture->ca, hear, fixture, &err);
    assert_non_null(end);
    await(fixture, 1);
    slot_drop(end);
    assert_int_equal(fixture->err.kind, ERR_TRANSIENT);
    fixture->script.may = true;
}

static void await_revocation(struct fixture *fixture, unsigned count)
{
    while (fixture->script.revoke_count < count)
        assert_true(sd_event_run(fixture->loop, 10000000) > 0);
}

static void a_token_that_is_replaced_is_revoked_unless_there_are_leases(void **state)
{
    struct fixture *fixture = *state;
    struct config other;

    http_loop_limit(fixture->http, 1);
    fixture->config.auth.revoke_on_exit = true;
    fixture->script.signs = "2322";
    assert_int_equal(make_one(fixture), ERR_NONE);
    assert_int_equal(make_one(fixture), ERR_NONE);
    assert_int_equal(fixture->script.login_count, 2);
    await_revocation(fixture, 1);
    use_other(fixture, &other);
    await_revocation(fixture, 2);
    fixture->script.signs = "l";
    assert_int_equal(make_one(fixture), ERR_NONE);
    assert_true(ca_has_leases(fixture->ca));
    ca_use(fixture->ca, &fixture->config);
    assert_int_equal(make_one(fixture), ERR_NONE); /* behind all that was asked before */
    assert_int_equal(fixture->script.revoke_count, 2);
}

static void a_lease_belongs_to_the_token_that_asked_for_it(void **state)
{
    struct fixture *fixture = *state;
    struct slot *signing;
    struct config other;
    struct err err;

    fixture->config.auth.method = AUTH_TOKEN;
    ca_use(fixture->ca, &fixture->config);
    fixture->script.signs = "w";
    log_in(fixture);
    signing =
        ca_sign_start(fixture->ca, &fixture->cert, 0, "CSR", &fixture->reply, hear, fixture, &err);
    assert_non_null(signing);
    write_file(fixture->token_file, "another");
    use_other(fixture, &other); /* while the CSR is on its way */
    log_in(fixture);
    fixture->script.may = true;
    await(fixture, fixture->heard + 1);
    slot_drop(signing);
    assert_true(fixture->reply.leased);
    assert_false(ca_has_leases(fixture->ca));
    assert_int_equal(log_out(fixture), 1);
    ca_use(fixture->ca, &fixture->config);
}

static void a_turn_is_a_permit_until_it_is_dropped(void **state)
{
    struct fixture *fixture = *state;
    struct slot *turns[4], *late; /* four for each request on the wire, which is one here */

    for (size_t i = 0; i < COUNT_OF(turns); i++)
        turns[i] = take_turn(fixture);
    await(fixture, COUNT_OF(turns));
    late = take_turn(fixture);
    while (sd_event_run(fixture->loop, 10000) > 0)
        ;
    assert_int_equal(fixture->heard, COUNT_OF(turns));
    slot_drop(turns[0]);
    await(fixture, COUNT_OF(turns) + 1);
    for (size_t i = 1; i < COUNT_OF(turns); i++)
        slot_drop(turns[i]);
    slot_drop(late);
    assert_int_equal(fixture->script.login_count, 1);
}

static void a_permit_alone_asks_the_ca_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct err err;
    struct slot *permit = ca_permit_start(fixture->ca, &fixture->cert, hear, fixture, &err);

    fixture->script.logins = "5";
    await(fixture, 1);
    assert_int_equal(fixture->err.kind, ERR_NONE);
    assert_int_equal(fixture->script.login_count, 0);
    slot_drop(permit);
}

/* -- credentials on a file system that hangs ----------------------------------------------------
 */

struct hang {
    int until[2], held[2];
    struct slot *slots[THREADS];
};

static bool run_hang(void *job, struct err *err)
{
    const struct hang *hang = job;
    char c = 0;

    (void)err;
    (void)!write(hang->held[1], &c, 1);
    (void)!read(hang->until[0], &c, 1);
    return true;
}

static void free_hang(void *job)
{
    (void)job;
}

static void ignore(void *arg, const struct err *err)
{
    (void)arg;
    (void)err;
}

/* Every thread is held up until the end of the hang: whoever wants a file read waits. */
static void begin_hang(struct fixture *fixture, struct hang *hang)
{
    struct err err;
    char c;

    assert_int_equal(pipe(hang->until), 0);
    assert_int_equal(pipe(hang->held), 0);
    for (size_t i = 0; i < THREADS; i++) {
        hang->slots[i] = worker_start(fixture->workers, WORK_NEXT, run_hang, hang, free_hang,
                                      ignore, NULL, &err);
        assert_non_null(hang->slots[i]);
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(read(hang->held[0], &c, 1), 1);
}

static void end_hang(struct hang *hang)
{
    close(hang->until[1]);
    for (size_t i = 0; i < THREADS; i++)
        slot_drop(hang->slots[i]);
}

static void whoever_has_a_session_waits_for_no_file_system(void **state)
{
    struct fixture *fixture = *state;
    char before[DIGEST_HEX_BYTES];
    struct hang hang;

    assert_int_equal(make_one(fixture), ERR_NONE);
    snprintf(before, sizeof before, "%s", ca_stamp(fixture->ca));
    ca_use(fixture->ca, &fixture->config); /* so that the next turn looks at the files anew */
    write_file(fixture->token_file, "x.e30.another");
    begin_hang(fixture, &hang);
    assert_int_equal(make_one(fixture), ERR_NONE);
    assert_string_equal(ca_stamp(fixture->ca), before);
    assert_int_equal(fixture->script.login_count, 1);
    end_hang(&hang);
    while (strcmp(ca_stamp(fixture->ca), before) == 0)
        assert_true(sd_event_run(fixture->loop, UINT64_MAX) >= 0);
}

static void a_login_whose_credentials_hang_ends_and_the_next_one_is_well(void **state)
{
    struct fixture *fixture = *state;
    struct hang hang;

    fixture->config.vault.timeout_s = 1;
    begin_hang(fixture, &hang);
    assert_int_equal(make_one(fixture), ERR_LOCAL);
    assert_non_null(strstr(fixture->err.text, "could not be read within 1s"));
    assert_false(ca_is_away(fixture->ca)); /* it was not asked */
    end_hang(&hang);
    fixture->config.vault.timeout_s = 10;
    ca_end_pause(fixture->ca);
    assert_int_equal(make_one(fixture), ERR_NONE);
}

/* What is looked at for one configuration is nobody's matter under another one. */
static void a_look_under_way_ends_with_its_configuration(void **state)
{
    struct fixture *fixture = *state;
    char before[DIGEST_HEX_BYTES];
    struct config other;
    struct hang hang;
    struct slot *turn;

    snprintf(before, sizeof before, "%s", ca_stamp(fixture->ca));
    ca_use(fixture->ca, &fixture->config); /* so that the turn looks at the files anew */
    begin_hang(fixture, &hang);
    turn = take_turn(fixture);
    use_other(fixture, &other);
    end_hang(&hang);
    await(fixture, 1);
    assert_int_equal(fixture->err.kind, ERR_NONE);
    assert_string_not_equal(ca_turn_stamp(turn), before);
    slot_drop(turn);
    ca_use(fixture->ca, &fixture->config);
}

static void turn_until(struct fixture *fixture, const unsigned *count, unsigned wanted)
{
    while (*count < wanted)
        assert_true(sd_event_run(fixture->loop, UINT64_MAX) >= 0);
}

enum { CROWD = 10000 };

static void a_look_asks_the_certificates_of_its_place_once_each(void **state)
{
    struct fixture *fixture = *state;
    struct cert_config elsewhere = {.pki_mount = "pki", .pki_role = "web", .issuer = "other"};
    struct heard *certs = calloc(CROWD, sizeof *certs), other = {.is_published = true};
    struct err err;

    certs[1].is_published = certs[CROWD - 1].is_published = true;
    for (size_t i = 0; i < CROWD; i++)
        assert_true(ca_join(fixture->ca, &fixture->cert, &certs[i], &certs[i].interest, &err));
    assert_true(ca_join(fixture->ca, &elsewhere, &other, &other.interest, &err));
    turn_until(fixture, &certs[CROWD - 1].revoked, 1);
    for (size_t i = 0; i < CROWD; i++) {
        assert_int_equal(certs[i].asked, 1);
        assert_int_equal(certs[i].named, 1);
        assert_int_equal(certs[i].revoked, certs[i].is_published);
    }
    assert_string_not_equal(ca_issuer_key(&certs[0].interest), "");
    for (size_t i = 0; i < CROWD; i++)
        ca_leave(fixture->ca, &certs[i].interest);
    turn_until(fixture, &other.revoked, 1);
    assert_int_equal(other.asked, other.revoked);
    assert_int_equal(certs[0].asked, 1);
    assert_string_equal(ca_issuer_key(&certs[0].interest), "");
    ca_leave(fixture->ca, &other.interest);
    free(certs);
}

static void who_leaves_in_the_midst_of_a_look_is_not_told(void **state)
{
    struct fixture *fixture = *state;
    struct cert_config elsewhere = {.pki_mount = "pki2", .pki_role = "web"};
    struct heard certs[3] = {{.is_published = true}, {.is_published = true}, {.asked = 0}};
    struct err err;

    for (size_t i = 0; i < COUNT_OF(certs); i++)
        assert_true(ca_join(fixture->ca, &fixture->cert, &certs[i], &certs[i].interest, &err));
    turn_until(fixture, &certs[0].asked, 1); /* its question is on the wire */
    assert_int_equal(certs[1].asked, 0);
    ca_leave(fixture->ca, &certs[0].interest);
    assert_true(ca_join(fixture->ca, &elsewhere, &certs[1], &certs[1].interest, &err));
    turn_until(fixture, &certs[2].asked, 1);
    assert_int_equal(certs[0].revoked + certs[1].revoked + certs[1].asked, 0);
    turn_until(fixture, &certs[1].revoked, 1); /* where it is now */
    ca_leave(fixture->ca, &certs[1].interest);
    ca_leave(fixture->ca, &certs[2].interest);
    ca_leave(fixture->ca, &certs[2].interest);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_door, close_door)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_session_serves_all),
        TEST(a_denial_is_one_fresh_login_and_one_more_try),
        TEST(an_outage_is_told_once_when_it_begins_and_once_when_it_ends),
        TEST(what_the_ca_refuses_is_an_answer),
        TEST(without_a_session_the_ca_is_away_and_nobody_asks_again_at_once),
        TEST(an_answer_without_a_certificate_is_no_outage),
        TEST(a_ca_that_is_out_of_order_by_its_own_words_answers),
        TEST(an_outage_at_another_address_is_told_again_and_ends_once),
        TEST(a_failed_login_is_over_after_one_that_worked),
        TEST(what_the_policy_denies_is_asked_for_with_the_token_there_is),
        TEST(who_is_denied_logs_in_more_than_once_only_where_tokens_are_used_up),
        TEST(a_token_with_leases_is_read_again_and_not_revoked),
        TEST(a_login_that_is_under_way_at_the_end_is_awaited_and_its_token_revoked),
        TEST(the_end_waits_for_a_login_only_so_long),
        TEST(a_token_that_is_replaced_is_revoked_unless_there_are_leases),
        TEST(a_lease_belongs_to_the_token_that_asked_for_it),
        TEST(a_turn_is_a_permit_until_it_is_dropped),
        TEST(a_permit_alone_asks_the_ca_nothing),
        TEST(whoever_has_a_session_waits_for_no_file_system),
        TEST(a_login_whose_credentials_hang_ends_and_the_next_one_is_well),
        TEST(a_look_under_way_ends_with_its_configuration),
        TEST(a_look_asks_the_certificates_of_its_place_once_each),
        TEST(who_leaves_in_the_midst_of_a_look_is_not_told),
    };
    struct err err;

    if (!http_library_open(&err))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
