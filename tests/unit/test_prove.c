/* What a consumer serves is found out, whatever else it does. */
#include "unit.h"

#include "base/keeper.h"
#include "certs.h"
#include "http/http_call.h"
#include "pki/certificate.h"
#include "prove/mutual.h"
#include "prove/prove.h"
#include "prove/tls_probe.h"
#include "reload/reload.h"
#include "servers.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct stage {
    sd_event *loop;
    struct workers *workers;
    struct http_loop *http;
    struct handshakes handshakes;
    struct config *config;
    struct cert_config cert;
    struct prove_request request;
    EVP_PKEY *key, *other_key;
    X509 *leaf, *other; /* A is the published one */
    char serial[SERIAL_TEXT_BYTES], other_serial[SERIAL_TEXT_BYTES];
    char fingerprint[DIGEST_HEX_BYTES];
    struct server server;
    unsigned times, ticks;
    struct err err;
    struct prove_seen seen;
};

static const char *const no_variables[] = {NULL};

static void hear(void *arg, const struct err *err)
{
    struct stage *stage = arg;

    stage->times++;
    stage->err = *err;
}

static void facts_of(X509 *certificate, char serial[static SERIAL_TEXT_BYTES],
                     char fingerprint[static DIGEST_HEX_BYTES])
{
    struct certificate_facts facts;
    struct arena arena = {0};
    struct err err;

    assert_true(certificate_facts_of(certificate, &arena, &facts, &err));
    memcpy(serial, facts.serial, sizeof facts.serial);
    memcpy(fingerprint, facts.fingerprint, sizeof facts.fingerprint);
    arena_free(&arena);
}

static int open_stage(void **state)
{
    struct stage *stage = calloc(1, sizeof *stage);
    char unused[DIGEST_HEX_BYTES];
    struct err err;

    stage->config = calloc(1, sizeof *stage->config);
    stage->config->references = 1;
    stage->key = certs_key(0);
    stage->other_key = certs_key(0);
    stage->leaf = certs_make(
        &(struct cert_order){.common_name = "a", .san = "DNS:a.example.test,IP:127.0.0.1"},
        stage->key, NULL, NULL);
    stage->other =
        certs_make(&(struct cert_order){.san = "DNS:a.example.test"}, stage->other_key, NULL, NULL);
    facts_of(stage->leaf, stage->serial, stage->fingerprint);
    facts_of(stage->other, stage->other_serial, unused);
    stage->request = (struct prove_request){.fingerprint = stage->fingerprint,
                                            .serial = stage->serial,
                                            .variables = no_variables,
                                            .limit_s = 20};
    stage->cert.command_timeout_s = 20;
    *state = stage;
    return sd_event_new(&stage->loop) < 0 || !workers_open(stage->loop, 2, &stage->workers, &err) ||
           !http_loop_open(stage->loop, stage->workers, 4, 0, &stage->http, &err);
}

static int close_stage(void **state)
{
    struct stage *stage = *state;

    http_loop_close(stage->http);
    assert_true(workers_close(stage->workers, 10));
    sd_event_unref(stage->loop);
    config_unref(stage->config);
    X509_free(stage->leaf);
    X509_free(stage->other);
    EVP_PKEY_free(stage->key);
    EVP_PKEY_free(stage->other_key);
    free(stage);
    return 0;
}

static struct server_order order_of(const struct stage *stage, const char *script)
{
    return (struct server_order){.script = script,
                                 .leaves = {stage->leaf, stage->other},
                                 .keys = {stage->key, stage->other_key}};
}

static void aim_at(struct stage *stage, const char *port)
{
    stage->cert.prove = (struct prove_order){
        .method = PROVE_TLS, .tls = {.host = "127.0.0.1", .port = port, .label = "127.0.0.1:PORT"}};
}

static void serve(struct stage *stage, const struct server_order *order)
{
    server_start(&stage->server, order);
    aim_at(stage, stage->server.port);
}

static struct slot *begin(struct stage *stage)
{
    const struct prove_tools tools = {stage->loop, stage->workers, stage->workers, stage->http,
                                      &stage->handshakes};
    struct slot *slot;
    struct err err;

    stage->times = 0;
    slot = prove_start(&tools, stage->config, &stage->cert, &stage->request, &stage->seen, hear,
                       stage, &err);
    assert_non_null(slot);
    assert_int_equal(stage->times, 0);
    return slot;
}

/* Proves until it ends; whether it went well. */
static bool prove(struct stage *stage)
{
    struct slot *slot = begin(stage);

    while (stage->times == 0)
        assert_true(sd_event_run(stage->loop, UINT64_MAX) >= 0);
    assert_true(stage->err.kind == ERR_NONE || stage->err.kind == ERR_CONSUMER);
    assert_int_equal(stage->err.kind == ERR_NONE, stage->seen.finding == PROVE_SERVED);
    slot_drop(slot);
    return stage->err.kind == ERR_NONE;
}

static bool prove_against(struct stage *stage, const struct server_order *order)
{
    bool is_proven;

    serve(stage, order);
    is_proven = prove(stage);
    server_stop(&stage->server);
    return is_proven;
}

/* -- tls ------------------------------------------------------------------------------------------
 */

static void three_handshakes_with_the_leaf_prove_it(void **state)
{
    struct stage *stage = *state;
    const char *names[] = {"*.example.test", "a.example.test"};
    const struct server_order order = order_of(stage, "A");

    serve(stage, &order);
    stage->cert.request.names.dns = (struct text_list){names, 2};
    assert_true(prove(stage));
    server_stop(&stage->server);
    assert_int_equal(stage->server.connections, 3);
    assert_int_equal(stage->server.farewells, 3);
    assert_int_equal(stage->server.resets, 0);
    assert_string_equal(stage->server.name, "a.example.test");
    assert_true(stage->seen.ours);
    assert_string_equal(stage->seen.leaf.serial, stage->serial);
    assert_string_equal(stage->seen.leaf.fingerprint, stage->fingerprint);
}

static void the_configured_server_name_goes_first(void **state)
{
    struct stage *stage = *state;
    const char *names[] = {"a.example.test"};
    const struct server_order order = order_of(stage, "A");

    serve(stage, &order);
    stage->cert.request.names.dns = (struct text_list){names, 1};
    stage->cert.prove.tls.server_name = "b.example.test";
    assert_true(prove(stage));
    server_stop(&stage->server);
    assert_string_equal(stage->server.name, "b.example.test");
}

static void another_leaf_is_waited_out(void **state)
{
    struct stage *stage = *state;
    const struct server_order order = order_of(stage, "BBA");

    assert_true(prove_against(stage, &order));
    assert_int_equal(stage->server.connections, 5);
}

static void three_good_samples_must_stand_in_a_row(void **state)
{
    struct stage *stage = *state;
    const struct server_order order = order_of(stage, "ABAABA");

    assert_true(prove_against(stage, &order));
    assert_int_equal(stage->server.connections, 8);
}

static void another_leaf_is_told_with_serial_and_end(void **state)
{
    struct stage *stage = *state;
    const struct server_order order = order_of(stage, "B");

    /* A busy machine may take longer than that for so many. */
    for (unsigned limit_s = 1; limit_s <= 32 && stage->server.connections <= 3; limit_s *= 2) {
        stage->request.limit_s = limit_s;
        assert_false(prove_against(stage, &order));
        assert_int_equal(stage->seen.finding, PROVE_OTHER_LEAF);
    }
    assert_true(stage->server.connections > 3);
    assert_non_null(strstr(stage->err.text,
                           "prove: tls 127.0.0.1:PORT: the server serves another certificate"));
    assert_non_null(strstr(stage->err.text, stage->other_serial));
    assert_non_null(strstr(stage->err.text, stage->serial));
    assert_non_null(strstr(stage->err.text, ", until 20"));
    assert_null(strstr(stage->err.text, "samples showed"));
    assert_true(stage->seen.leaf.seen);
    assert_false(stage->seen.ours);
    assert_string_equal(stage->seen.leaf.serial, stage->other_serial);
    assert_true(stage->seen.leaf.not_after_s > (uint64_t)time(NULL));
}

static void a_mix_of_old_and_new_is_told_as_such(void **state)
{
    struct stage *stage = *state;
    const struct server_order order = order_of(stage, "AB");

    /* A busy machine may take longer than that for so many. */
    for (unsigned limit_s = 1; limit_s <= 32 && stage->server.connections <= 2; limit_s *= 2) {
        stage->request.limit_s = limit_s;
        assert_false(prove_against(stage, &order));
    }
    assert_int_equal(stage->seen.finding, PROVE_OTHER_LEAF);
    assert_non_null(strstr(stage->err.text, "samples showed the new one"));
}

static void one_round_ends_with_the_first_that_is_bad(void **state)
{
    struct stage *stage = *state;
    const struct server_order order = order_of(stage, "B");

    stage->request.limit_s = 0;
    assert_false(prove_against(stage, &order));
    assert_int_equal(stage->seen.finding, PROVE_OTHER_LEAF);
    /* The second asks for our type of key alone. */
    assert_int_equal(stage->server.connections, 2);
}

static void one_round_is_enough_where_all_is_well(void **state)
{
    struct stage *stage = *state;
    const struct server_order order = order_of(stage, "A");

    stage->request.limit_s = 0;
    assert_true(prove_against(stage, &order));
    assert_int_equal(stage->server.connections, 3);
}

/* The one of two identities that the server likes better is not ours. */
static void check_two_identities(struct stage *stage, int version, uint64_t limit_s)
{
    EVP_PKEY *key = certs_key(2048);
    X509 *leaf = certs_make(&(struct cert_order){.san = "DNS:a.example.test"}, key, NULL, NULL);
    struct server_order order = order_of(stage, "A");

    order.leaves[0] = stage->other;
    order.keys[0] = stage->other_key;
    order.more = leaf;
    order.more_key = key;
    order.version = version;
    serve(stage, &order);
    facts_of(leaf, stage->serial, stage->fingerprint);
    stage->cert.request.key_type = KEY_RSA_2048;
    stage->request.limit_s = limit_s;
    assert_true(prove(stage));
    server_stop(&stage->server);
    assert_int_equal(stage->server.connections, 4);
    X509_free(leaf);
    EVP_PKEY_free(key);
}

static void a_server_with_two_leaves_is_asked_for_ours(void **state)
{
    check_two_identities(*state, 0, 20);
}

static void a_server_with_two_leaves_is_asked_for_ours_by_tls_1_2(void **state)
{
    check_two_identities(*state, TLS1_2_VERSION, 0);
}

static void tls_1_2_is_spoken(void **state)
{
    struct stage *stage = *state;
    struct server_order order = order_of(stage, "A");

    order.version = TLS1_2_VERSION;
    assert_true(prove_against(stage, &order));
    assert_int_equal(stage->server.farewells, 3);
}

static void no_client_certificate_is_needed(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct stage *stage = *state;
    struct server_order order = order_of(stage, "BA");

    order.demand_client = 1;
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        order.version = versions[i];
        assert_true(prove_against(stage, &order));
        assert_int_equal(stage->server.connections, 4);
        assert_int_equal(stage->server.farewells, 0);
    }
}

/* -- the chain that comes with it -----------------------------------------------------------------
 */

/* A root, what it signed, and a leaf below that, which takes the place of the stage's. */
struct hierarchy {
    EVP_PKEY *root_key, *issuing_key;
    X509 *root, *issuing;
    char *root_pem, *issuing_pem;
};

static void open_hierarchy(struct stage *stage, struct hierarchy *all, long issuing_ends_s)
{
    const struct cert_order issuing = {
        .common_name = "Issuing CA 7", .is_ca = 1, .from_s = -3600, .to_s = issuing_ends_s};

    all->root_key = certs_key(0);
    all->issuing_key = certs_key(0);
    all->root = certs_make(&(struct cert_order){.common_name = "Root", .is_ca = 1}, all->root_key,
                           NULL, NULL);
    all->issuing = certs_make(&issuing, all->issuing_key, all->root, all->root_key);
    all->root_pem = certs_pem(all->root);
    all->issuing_pem = certs_pem(all->issuing);
    X509_free(stage->leaf);
    stage->leaf = certs_make(&(struct cert_order){.san = "DNS:a.example.test"}, stage->key,
                             all->issuing, all->issuing_key);
    facts_of(stage->leaf, stage->serial, stage->fingerprint);
    stage->request.trusted = (struct text_list){(const char **)&all->root_pem, 1};
    stage->request.chain = (struct text_list){(const char **)&all->issuing_pem, 1};
}

static void close_hierarchy(struct hierarchy *all)
{
    X509_free(all->root);
    X509_free(all->issuing);
    EVP_PKEY_free(all->root_key);
    EVP_PKEY_free(all->issuing_key);
    free(all->root_pem);
    free(all->issuing_pem);
}

static void a_leaf_that_is_served_without_its_intermediate_is_not_proven(void **state)
{
    struct stage *stage = *state;
    struct hierarchy all;
    struct server_order order;

    open_hierarchy(stage, &all, 3600);
    order = order_of(stage, "A");
    stage->request.limit_s = 0;
    assert_false(prove_against(stage, &order));
    assert_int_equal(stage->seen.finding, PROVE_BAD_CHAIN);
    assert_true(stage->seen.ours);
    assert_non_null(strstr(stage->err.text, "without its intermediate CN=Issuing CA 7, so that"));
    assert_non_null(strstr(stage->err.text, "fullchain"));
    assert_int_equal(stage->server.connections, 1);
    order.intermediate = all.issuing;
    assert_true(prove_against(stage, &order));
    assert_int_equal(stage->server.connections, 3);
    close_hierarchy(&all);
}

static void an_intermediate_that_peers_trust_need_not_be_served(void **state)
{
    struct stage *stage = *state;
    struct hierarchy all;
    struct server_order order;

    open_hierarchy(stage, &all, 3600);
    order = order_of(stage, "A");
    stage->request.trusted = stage->request.chain;
    assert_true(prove_against(stage, &order));
    close_hierarchy(&all);
}

/* OpenSSL takes what it trusts for the issuer before what was sent, and goes on to a root. */
static void a_trusted_top_below_no_root_is_a_dead_end_where_a_root_is_reached(void **state)
{
    struct stage *stage = *state;
    struct hierarchy all, other;
    struct server_order order;
    const struct cert_order issuing = {.common_name = "Issuing CA 7", .is_ca = 1, .to_s = 3600};
    X509 *crossed;
    char *trusted[2];

    open_hierarchy(stage, &other, 3600);
    open_hierarchy(stage, &all, 3600);
    crossed = certs_make(&issuing, all.issuing_key, other.root, other.root_key);
    order = order_of(stage, "A");
    stage->request.limit_s = 0;
    stage->request.trusted = (struct text_list){(const char **)trusted, 2};
    trusted[0] = certs_pem(crossed);
    trusted[1] = all.root_pem;
    assert_false(prove_against(stage, &order));
    assert_int_equal(stage->seen.finding, PROVE_BAD_CHAIN);
    /* What is published reaches no root: what was trusted of an older CA changes nothing. */
    stage->request.chain = (struct text_list){0};
    order = order_of(stage, "A");
    free(trusted[0]);
    trusted[0] = all.issuing_pem;
    trusted[1] = other.root_pem;
    assert_true(prove_against(stage, &order));
    X509_free(crossed);
    close_hierarchy(&all);
    close_hierarchy(&other);
}

static void a_chain_that_does_not_hold_is_told_with_its_fault(void **state)
{
    static const struct row {
        long issuing_ends_s;
        bool other_root;
        const char *text;
    } rows[] = {
        {-60, false, "certificate has expired"},
        {3600, true, "unable to get"},
    };
    struct stage *stage = *state;

    stage->request.limit_s = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct server_order order;
        struct hierarchy all, other;

        if (rows[i].other_root)
            open_hierarchy(stage, &other, 3600);
        open_hierarchy(stage, &all, rows[i].issuing_ends_s);
        if (rows[i].other_root)
            stage->request.trusted = (struct text_list){(const char **)&other.root_pem, 1};
        order = order_of(stage, "A");
        order.intermediate = all.issuing;
        assert_false(prove_against(stage, &order));
        assert_int_equal(stage->seen.finding, PROVE_BAD_CHAIN);
        assert_non_null(strstr(stage->err.text, "with a chain that its peers refuse: "));
        assert_non_null(strstr(stage->err.text, rows[i].text));
        close_hierarchy(&all);
        if (rows[i].other_root)
            close_hierarchy(&other);
    }
}

static void a_dropped_proof_leaves_its_verification_behind(void **state)
{
    struct stage *stage = *state;
    struct hierarchy all;
    struct server_order order;
    struct slot *slot;

    open_hierarchy(stage, &all, 3600);
    order = order_of(stage, "A");
    order.intermediate = all.issuing;
    serve(stage, &order);
    slot = begin(stage);
    while (stage->server.farewells == 0)
        sd_event_run(stage->loop, 1000);
    slot_drop(slot);
    server_stop(&stage->server);
    assert_int_equal(stage->times, 0);
    close_hierarchy(&all);
}

/* -- what a hostile server makes us compute -------------------------------------------------------
 */

static void a_server_that_offers_dhe_alone_is_refused_at_once(void **state)
{
    struct stage *stage = *state;
    struct server_order order;
    EVP_PKEY *key = certs_key(2048);
    X509 *leaf = certs_make(&(struct cert_order){.san = "DNS:a.example.test"}, key, NULL, NULL);

    order = order_of(stage, "A");
    order.leaves[0] = leaf;
    order.keys[0] = key;
    order.version = TLS1_2_VERSION;
    order.ciphers = "DHE-RSA-AES128-GCM-SHA256";
    stage->request.limit_s = 0;
    assert_false(prove_against(stage, &order));
    assert_int_equal(stage->seen.finding, PROVE_NO_TLS);
    assert_non_null(strstr(stage->err.text, "leafd offers key exchange by ECDHE only"));
    X509_free(leaf);
    EVP_PKEY_free(key);
}

/* No true key: a number of that length, which signs wrongly and at once. */
static EVP_PKEY *long_key(int bits, int exponent_bits)
{
    BIGNUM *modulus = BN_new(), *exponent = BN_new(), *private = BN_new();
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    OSSL_PARAM *parameters;
    EVP_PKEY *key = NULL;

    BN_rand(modulus, bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD);
    BN_rand(exponent, exponent_bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD);
    BN_set_word(private, 3);
    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus);
    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent);
    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_D, private);
    parameters = OSSL_PARAM_BLD_to_param(build);
    assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
    assert_int_equal(EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, parameters), 1);
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(context);
    BN_free(modulus);
    BN_free(exponent);
    BN_free(private);
    return key;
}

static void a_key_that_takes_long_to_verify_is_not_verified(void **state)
{
    static const struct row {
        int bits, exponent_bits;
        const char *text;
    } rows[] = {
        {8200, 17, "with an RSA key of more than 8192 bits"},
        {3072, 3000, "an exponent of more than 64"},
        {4096, 17, "the TLS handshake failed"}, /* is verified, and wrong */
    };
    struct stage *stage = *state;

    stage->request.limit_s = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        EVP_PKEY *key = long_key(rows[i].bits, rows[i].exponent_bits), *issuer_key = certs_key(0);
        X509 *issuer = certs_make(&(struct cert_order){.common_name = "x", .is_ca = 1}, issuer_key,
                                  NULL, NULL);
        X509 *leaf = certs_make(&(struct cert_order){0}, key, issuer, issuer_key);
        struct server_order order = order_of(stage, "A");

        order.leaves[0] = leaf;
        order.keys[0] = key;
        assert_false(prove_against(stage, &order));
        assert_int_equal(stage->seen.finding, PROVE_NO_TLS);
        assert_non_null(strstr(stage->err.text, rows[i].text));
        X509_free(leaf);
        X509_free(issuer);
        EVP_PKEY_free(issuer_key);
        EVP_PKEY_free(key);
    }
}

static void a_unix_socket_is_asked(void **state)
{
    struct stage *stage = *state;
    char folder[] = "/tmp/leafd-unit-XXXXXX", path[64];
    struct server_order order = order_of(stage, "A");

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/s", folder);
    order.path = path;
    server_start(&stage->server, &order);
    stage->cert.prove =
        (struct prove_order){.method = PROVE_TLS, .tls = {.socket = path, .label = "unix:PATH"}};
    assert_true(prove(stage));
    server_stop(&stage->server);
    stage->request.limit_s = 0;
    assert_false(prove(stage));
    assert_int_equal(stage->seen.finding, PROVE_UNREACHABLE);
    assert_non_null(strstr(stage->err.text, "cannot connect: No such file"));
    rmdir(folder);
}

static void a_name_is_looked_up_and_each_address_tried(void **state)
{
    struct stage *stage = *state;
    const struct server_order order = order_of(stage, "A");

    serve(stage, &order);
    /* Where there is IPv6, ::1 comes first, and nobody listens there. */
    stage->cert.prove.tls.host = "localhost";
    assert_true(prove(stage));
    server_stop(&stage->server);
}

static void a_name_without_address_is_told(void **state)
{
    struct stage *stage = *state;

    aim_at(stage, "1");
    stage->cert.prove.tls.host = "no..such";
    stage->request.limit_s = 0;
    assert_false(prove(stage));
    assert_int_equal(stage->seen.finding, PROVE_UNREACHABLE);
    assert_non_null(strstr(stage->err.text, "cannot find the address"));
}

/* A port where nobody listens, or somebody who says nothing. */
static int take_port(bool listens, char port[static 8])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    if (listens)
        assert_int_equal(listen(fd, 16), 0);
    getsockname(fd, (struct sockaddr *)&address, &length);
    snprintf(port, 8, "%u", ntohs(address.sin_port));
    return fd;
}

static void nobody_listening_is_told(void **state)
{
    struct stage *stage = *state;
    char port[8];
    int fd = take_port(false, port);

    aim_at(stage, port);
    stage->request.limit_s = 1;
    assert_false(prove(stage));
    close(fd);
    assert_int_equal(stage->seen.finding, PROVE_UNREACHABLE);
    assert_non_null(strstr(stage->err.text, "cannot connect: Connection refused"));
}

static void plain_text_is_told_as_such(void **state)
{
    struct stage *stage = *state;
    struct server_order order = order_of(stage, "A");

    order.preamble = preamble_smtp;
    stage->request.limit_s = 0;
    assert_false(prove_against(stage, &order));
    assert_int_equal(stage->seen.finding, PROVE_NO_TLS);
    assert_non_null(strstr(stage->err.text, "check that the port speaks TLS, or set starttls"));
}

static int on_tick(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct stage *stage = arg;

    (void)now_us;
    stage->ticks++;
    sd_event_source_set_time_relative(source, 10000);
    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
    return 0;
}

static void a_black_hole_does_not_hold_the_loop(void **state)
{
    struct stage *stage = *state;
    sd_event_source *tick;
    char port[8];
    int fd = take_port(true, port);

    aim_at(stage, port);
    sd_event_add_time_relative(stage->loop, &tick, CLOCK_BOOTTIME, 0, 1, on_tick, stage);
    /* A loop that is held has one tick a try; a busy machine may have few. */
    for (unsigned limit_s = 1; limit_s <= 4 && stage->ticks <= 10; limit_s *= 2) {
        stage->request.limit_s = limit_s;
        assert_false(prove(stage));
    }
    sd_event_source_disable_unref(tick);
    close(fd);
    assert_int_equal(stage->seen.finding, PROVE_NO_TLS);
    assert_non_null(strstr(stage->err.text, "did not end within the time limit"));
    assert_true(stage->ticks > 10);
}

static void a_dropped_proof_is_not_heard_of(void **state)
{
    struct stage *stage = *state;
    struct slot *slot;
    char port[8];
    int fd = take_port(true, port);

    aim_at(stage, port);
    slot = begin(stage);
    for (unsigned i = 0; i < 5; i++)
        sd_event_run(stage->loop, 1000);
    slot_drop(slot);
    while (sd_event_run(stage->loop, 1000) > 0)
        ;
    assert_int_equal(stage->times, 0);
    assert_int_equal(stage->config->references, 1);
    close(fd);
}

static void every_protocol_reaches_its_tls(void **state)
{
    static server_preamble *const preambles[STARTTLS_COUNT] = {
        [STARTTLS_POSTGRES] = preamble_postgres, [STARTTLS_MYSQL] = preamble_mysql,
        [STARTTLS_SMTP] = preamble_smtp,         [STARTTLS_IMAP] = preamble_imap,
        [STARTTLS_LDAP] = preamble_ldap,
    };
    struct stage *stage = *state;

    for (unsigned kind = STARTTLS_NONE + 1; kind < STARTTLS_COUNT; kind++) {
        struct server_order order = order_of(stage, "BA");

        order.preamble = preambles[kind];
        serve(stage, &order);
        stage->cert.prove.tls.starttls = (enum starttls)kind;
        assert_true(prove(stage));
        server_stop(&stage->server);
        assert_int_equal(stage->server.broken, 0);
        assert_int_equal(stage->server.farewells, 4);
    }
}

/* -- how many at once -----------------------------------------------------------------------------
 */

/* A listener that takes connections and says nothing. */
static int listen_silently(char port[static 8])
{
    int fd = take_port(true, port);

    assert_int_equal(listen(fd, 256), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

/* Those that have connected by now. */
static unsigned take_clients(struct stage *stage, int listener, int clients[static 128])
{
    unsigned count = 0;

    while (sd_event_run(stage->loop, 20000) > 0)
        ;
    while ((clients[count] = accept(listener, NULL, NULL)) >= 0)
        count++;
    return count;
}

static void so_many_connections_are_open_at_once(void **state)
{
    enum { PROOFS = 60 };
    struct stage *stage = *state;
    struct slot *slots[PROOFS + 1];
    char port[8], other_port[8];
    int clients[128], fd = listen_silently(port), other_fd = listen_silently(other_port);
    unsigned count;
    struct cert_config silent, other;

    aim_at(stage, port);
    silent = stage->cert;
    for (size_t i = 0; i < PROOFS; i++)
        slots[i] = begin(stage);
    count = take_clients(stage, fd, clients);
    assert_int_equal(count, HANDSHAKES_AT_ONCE);
    aim_at(stage, other_port);
    other = stage->cert;
    other.prove.tls.label = "other";
    stage->cert = other;
    slots[PROOFS] = begin(stage);
    assert_int_equal(take_clients(stage, other_fd, clients + count), 0);
    /* The first of the line is another's, who has fewer. */
    stage->cert = silent;
    slots[0] = slot_drop(slots[0]);
    assert_int_equal(take_clients(stage, fd, clients + count), 0);
    stage->cert = other;
    assert_int_equal(take_clients(stage, other_fd, clients + count), 1);
    for (size_t i = 0; i <= PROOFS; i++)
        slot_drop(slots[i]);
    assert_int_equal(stage->handshakes.permits.taken, 0);
    assert_null(stage->handshakes.context);
    for (size_t i = 0; i <= count; i++)
        close(clients[i]);
    close(fd);
    close(other_fd);
}

static int on_second_over(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct stage *stage = arg;

    (void)source;
    (void)now_us;
    stage->ticks++;
    return 0;
}

static void take_permit(void *arg)
{
    ++*(unsigned *)arg;
}

static void what_a_proof_waits_for_others_is_not_its_time(void **state)
{
    struct stage *stage = *state;
    const struct server_order order = order_of(stage, "BA");
    struct permit permits[HANDSHAKES_AT_ONCE];
    sd_event_source *second;
    unsigned granted = 0;
    struct slot *slot;
    struct err err;

    assert_true(handshakes_hold(&stage->handshakes, &err));
    for (size_t i = 0; i < HANDSHAKES_AT_ONCE; i++)
        assert_true(semaphore_acquire(&stage->handshakes.permits, 0, take_permit, &granted,
                                      &permits[i], &err));
    assert_int_equal(granted, HANDSHAKES_AT_ONCE);
    serve(stage, &order);
    stage->request.limit_s = 1;
    slot = begin(stage);
    sd_event_add_time_relative(stage->loop, &second, CLOCK_BOOTTIME, 1100000, 1, on_second_over,
                               stage);
    while (stage->ticks == 0)
        assert_true(sd_event_run(stage->loop, UINT64_MAX) >= 0);
    assert_int_equal(stage->times, 0);
    for (size_t i = 0; i < HANDSHAKES_AT_ONCE; i++)
        semaphore_release(&stage->handshakes.permits, &permits[i]);
    while (stage->times == 0)
        assert_true(sd_event_run(stage->loop, UINT64_MAX) >= 0);
    assert_int_equal(stage->err.kind, ERR_NONE); /* it had time for another try */
    slot_drop(slot);
    server_stop(&stage->server);
    sd_event_source_unref(second);
    handshakes_release(&stage->handshakes);
    assert_null(stage->handshakes.context);
}

static void a_server_without_starttls_is_told(void **state)
{
    struct stage *stage = *state;
    struct server_order order = order_of(stage, "A");

    order.preamble = preamble_smtp;
    serve(stage, &order);
    stage->cert.prove.tls.starttls = STARTTLS_IMAP;
    stage->request.limit_s = 0;
    assert_false(prove(stage));
    server_stop(&stage->server);
    assert_int_equal(stage->seen.finding, PROVE_NO_TLS);
    assert_non_null(strstr(stage->err.text, "starttls imap: the server says no: 220-mail"));
}

static void a_silent_address_leaves_time_for_the_next(void **state)
{
    struct stage *stage = *state;
    const struct server_order order = order_of(stage, "A");
    struct resolved addresses = {.count = 2};
    const struct tls_probe_order probe = {.addresses = &addresses, .limit_us = 6000000};
    struct served_leaf leaf = {0};
    struct slot *slot;
    struct err err;
    char port[8];
    int fd = take_port(true, port);

    serve(stage, &order);
    for (size_t i = 0; i < 2; i++) {
        struct sockaddr_in *address = (struct sockaddr_in *)&addresses.items[i].address;

        address->sin_family = AF_INET;
        address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address->sin_port = htons((uint16_t)atoi(i == 0 ? port : stage->server.port));
        addresses.items[i].length = sizeof *address;
    }
    assert_true(handshakes_hold(&stage->handshakes, &err));
    slot = tls_probe_start(stage->loop, &stage->handshakes, &probe, &leaf, hear, stage, &err);
    assert_non_null(slot);
    while (stage->times == 0)
        assert_true(sd_event_run(stage->loop, UINT64_MAX) >= 0);
    slot_drop(slot);
    handshakes_release(&stage->handshakes);
    assert_null(stage->handshakes.context);
    server_stop(&stage->server);
    close(fd);
    assert_int_equal(stage->err.kind, ERR_NONE);
    assert_true(leaf.seen);
    assert_string_equal(leaf.fingerprint, stage->fingerprint);
    assert_string_equal(leaf.serial, stage->serial);
}

/* -- mutual ---------------------------------------------------------------------------------------
 */

/* Sends the three peers; "" if all is as it should be, else what is wrong. */
static const char *ask_for_mutual(struct stage *stage, const struct hierarchy *all, bool is_client)
{
    const struct prove_tools tools = {stage->loop, stage->workers, stage->workers, stage->http,
                                      &stage->handshakes};
    const struct text_list chain = {(const char **)&all->issuing_pem, 1};
    struct identity identity = {0};
    char *pem = certs_pem(stage->leaf);
    bool permitted;
    struct slot *slot;
    struct err err;

    assert_true(identity_read(pem, &chain, &identity, &permitted, &err));
    free(pem);
    assert_true(permitted);
    if (is_client) {
        identity.key = stage->key;
        EVP_PKEY_up_ref(stage->key);
    }
    stage->times = 0;
    slot = mutual_start(&tools, stage->config, &stage->cert, &identity, &stage->seen.finding, hear,
                        stage, &err);
    assert_non_null(slot);
    assert_null(identity.leaf);
    while (stage->times == 0)
        assert_true(sd_event_run(stage->loop, UINT64_MAX) >= 0);
    slot_drop(slot);
    server_stop(&stage->server);
    return stage->err.kind == ERR_NONE ? "" : stage->err.text;
}

static void a_server_that_demands_our_certificate_is_mutual(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct stage *stage = *state;
    struct hierarchy all;
    struct server_order order;

    open_hierarchy(stage, &all, 3600);
    order = order_of(stage, "A");
    order.intermediate = all.issuing;
    order.demand_client = 1;
    order.client_ca = all.root;
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        order.version = versions[i];
        serve(stage, &order);
        assert_string_equal(ask_for_mutual(stage, &all, true), "");
        assert_int_equal(stage->server.connections, 3);
        serve(stage, &order);
        assert_string_equal(ask_for_mutual(stage, &all, false), "");
        assert_int_equal(stage->server.connections, 2);
    }
    close_hierarchy(&all);
}

static void a_server_that_is_not_mutual_is_told_how(void **state)
{
    static const char answer[] = "HTTP/1.0 200 OK\r\n\r\nhello\n";
    static const char shop[] = "HTTP/1.0 403 Forbidden\r\n\r\nthis certificate shop is closed\n";
    static const struct row {
        bool demands, trusts, plain;
        const char *http, *text;
    } rows[] = {
        {false, false, false, answer,
         "mutual: answers a peer without a client certificate and does not ask for one"},
        {false, false, false, NULL,
         "closes the connection after the request of a peer without a client certificate; nothing "
         "shows"},
        {false, false, false, shop, "the server does not ask for one"},
        {true, true, true, answer, "mutual: answers plaintext"},
        {true, false, false, answer, "refuses a peer that shows the set's own certificate (tls"},
    };
    struct stage *stage = *state;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct hierarchy all;
        struct server_order order;

        open_hierarchy(stage, &all, 3600);
        order = order_of(stage, "A");
        order.demand_client = rows[i].demands;
        order.client_ca = rows[i].trusts ? all.root : NULL;
        order.also_plain = rows[i].plain;
        order.http = rows[i].http;
        serve(stage, &order);
        assert_non_null(strstr(ask_for_mutual(stage, &all, true), rows[i].text));
        assert_int_equal(stage->err.kind, ERR_CONSUMER);
        assert_int_equal(stage->seen.finding, PROVE_NOT_MUTUAL);
        close_hierarchy(&all);
    }
}

/* PostgreSQL's ErrorResponse. */
static void put_error(struct tls_talk *talk, const char *state, const char *message)
{
    int length = snprintf(talk->text, sizeof talk->text, "E....SFATAL%cVFATAL%cC%s%cM%s%c", 0, 0,
                          state, 0, message, 0);

    talk->answer = TLS_ANSWER_DATA;
    talk->length = (size_t)length + 1;
}

static void a_refusal_of_postgresql_speaks_of_the_certificate(void **state)
{
    static const struct row {
        const char *state, *message;
        enum peer_fate fate;
    } rows[] = {
        {"28000", "connection requires a valid client certificate", PEER_REFUSED},
        {"28000", "certificate authentication failed for user \"leafd\"", PEER_TURNED_AWAY},
        {"28000", "no pg_hba.conf entry for host \"::1\", user \"leafd\"", PEER_TURNED_AWAY},
        {"57P03", "the database system is starting up", PEER_TAKEN},
    };
    struct tls_talk talk = {.answer = TLS_ANSWER_DATA, .text = "R\0\0\0\x08", .length = 9};

    (void)state;
    assert_int_equal(peer_fate(&talk, STARTTLS_POSTGRES), PEER_TAKEN);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        put_error(&talk, rows[i].state, rows[i].message);
        assert_int_equal(peer_fate(&talk, STARTTLS_POSTGRES), rows[i].fate);
    }
    /* Cut off, in a field and in front of them. */
    talk.length = 3;
    assert_int_equal(peer_fate(&talk, STARTTLS_POSTGRES), PEER_TAKEN);
    memset(talk.text, 'E', TLS_ANSWER_BYTES);
    talk.length = TLS_ANSWER_BYTES;
    assert_int_equal(peer_fate(&talk, STARTTLS_POSTGRES), PEER_TAKEN);
}

static void mutual_tls_that_cannot_be_asked_for_leaves_the_finding_alone(void **state)
{
    struct stage *stage = *state;
    const struct server_order order = order_of(stage, "-");
    struct hierarchy all;

    open_hierarchy(stage, &all, 3600);
    serve(stage, &order);
    stage->seen.finding = PROVE_SERVED;
    assert_non_null(strstr(ask_for_mutual(stage, &all, true), "mutual: the TLS handshake failed"));
    assert_int_equal(stage->err.kind, ERR_CONSUMER);
    assert_int_equal(stage->seen.finding, PROVE_SERVED);
    close_hierarchy(&all);
}

static void a_refusal_is_known_by_what_is_said(void **state)
{
    static const struct row {
        enum tls_answer answer;
        const char *text;
        enum peer_fate fate;
        bool refuses_plaintext;
    } rows[] = {
        {TLS_ANSWER_NONE, "", PEER_TAKEN, true},
        {TLS_ANSWER_REFUSAL, "tlsv13 alert certificate required", PEER_REFUSED, true},
        {TLS_ANSWER_END, "", PEER_CLOSED, true},
        {TLS_ANSWER_DATA, "HTTP/1.1 400 Bad Request\r\n\r\nNo required SSL certificate was sent",
         PEER_REFUSED, true},
        {TLS_ANSWER_DATA,
         "HTTP/1.1 400 Bad Request\r\n\r\nThe plain HTTP request was sent to HTTPS port",
         PEER_TURNED_AWAY, true},
        {TLS_ANSWER_DATA, "HTTP/1.1 400 Bad Request\r\n\r\n", PEER_TURNED_AWAY, false},
        {TLS_ANSWER_DATA, "HTTP/1.1 496 \r\n\r\n", PEER_REFUSED, false},
        {TLS_ANSWER_DATA, "HTTP/1.1 403 No\r\n\r\nthis certificate shop", PEER_TURNED_AWAY, false},
        {TLS_ANSWER_DATA, "HTTP/1.1 404 No\r\n\r\na gift certificate", PEER_TURNED_AWAY, false},
        {TLS_ANSWER_DATA, "HTTP/1.1 4", PEER_TAKEN, false},
        {TLS_ANSWER_DATA, "HTTP/1.1 200 OK\r\n\r\nSSL certificate", PEER_TAKEN, false},
        {TLS_ANSWER_DATA, "HTTP/1.1 301 Moved\r\nLocation: https://TLS/", PEER_TAKEN, false},
        {TLS_ANSWER_DATA, "\x15\x03\x01", PEER_TAKEN, true},
        {TLS_ANSWER_DATA, "-ERR certificate", PEER_TAKEN, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct tls_talk talk = {.answer = rows[i].answer, .length = strlen(rows[i].text)};

        strcpy(talk.text, rows[i].text);
        assert_int_equal(peer_fate(&talk, STARTTLS_NONE), rows[i].fate);
        assert_int_equal(peer_in_the_clear_is_refused(&talk), rows[i].refuses_plaintext);
    }
}

/* -- exec -----------------------------------------------------------------------------------------
 */

static void run_command(struct stage *stage, const char *command)
{
    static const char *argv[] = {"/bin/sh", "-c", NULL};

    argv[2] = command;
    stage->cert.prove = (struct prove_order){.method = PROVE_EXEC, .argv = {argv, 3}};
}

static void a_command_is_believed_at_once(void **state)
{
    static const char *const variables[] = {"PATH=/bin:/usr/bin", "LEAFD_SERIAL=39:dd", NULL};
    struct stage *stage = *state;

    stage->request.variables = variables;
    run_command(stage, "test \"$LEAFD_SERIAL\" = 39:dd");
    assert_true(prove(stage));
}

static void a_command_is_asked_again(void **state)
{
    struct stage *stage = *state;
    char command[128], folder[] = "/tmp/leafd-unit-XXXXXX";

    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof command, "/bin/rmdir %s/x || { /bin/mkdir %s/x; exit 4; }", folder,
             folder);
    run_command(stage, command);
    assert_true(prove(stage));
    rmdir(folder);
}

static void what_the_command_says_is_told(void **state)
{
    struct stage *stage = *state;

    stage->request.limit_s = 0;
    run_command(stage, "echo old certificate; exit 3");
    assert_false(prove(stage));
    assert_int_equal(stage->seen.finding, PROVE_SAYS_NO);
    assert_non_null(strstr(stage->err.text, "prove: exec /bin/sh: "));
    assert_non_null(strstr(stage->err.text, "exited with status 3: old certificate"));
}

/* -- http -----------------------------------------------------------------------------------------
 */

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"

static void serve_http(struct stage *stage, struct server_order *order, const char *response,
                       char url[static 64])
{
    order->http = response;
    server_start(&stage->server, order);
    snprintf(url, 64, "%s://127.0.0.1:%s/certs?x=secret", order->plain ? "http" : "https",
             stage->server.port);
    stage->cert.prove =
        (struct prove_order){.method = PROVE_HTTP,
                             .http = {.url = url, .label = "http://ADMIN/certs"},
                             .json_path = "certificates[*].cert_chain[0].serial_number"};
}

static void write_reply(const struct stage *stage, char to[static 512])
{
    char digits[SERIAL_TEXT_BYTES];
    size_t count = 0;

    for (const char *at = stage->serial; *at != '\0'; at++)
        if (*at != ':')
            digits[count++] = *at;
    digits[count] = '\0';
    snprintf(to, 512,
             OK_HEAD "{\"certificates\":[{\"cert_chain\":[{\"serial_number\":\"01\"}]},"
                     "{\"cert_chain\":[{\"serial_number\":\"%s\"}]}]}",
             digits);
}

static void an_admin_interface_that_names_the_serial_proves_it(void **state)
{
    struct stage *stage = *state;
    struct server_order order = {.plain = 1};
    char url[64], reply[512];

    write_reply(stage, reply);
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    serve_http(stage, &order, reply, url);
    assert_true(prove(stage));
    server_stop(&stage->server);
    unsetenv("http_proxy");
    assert_int_equal(stage->server.connections, 3);
    assert_non_null(strstr(stage->server.heard, "GET /certs?x=secret HTTP/1.1\r\n"));
    assert_null(strstr(stage->server.heard, "X-Vault"));
}

static void what_the_admin_interface_says_instead_is_told(void **state)
{
    static const struct row {
        const char *response, *text;
        enum prove_finding finding;
    } rows[] = {
        {OK_HEAD "{\"certificates\":[{\"cert_chain\":[{\"serial_number\":\"01\"}]}]}",
         "names other certificates", PROVE_OTHER_LEAF},
        {OK_HEAD "{\"certificates\":[]}", "has no text at", PROVE_OTHER_LEAF},
        {OK_HEAD "ok", "is no JSON", PROVE_OTHER_LEAF},
        {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nConnection: close\r\n\r\n",
         "the answer is status 302", PROVE_UNREACHABLE},
    };
    struct stage *stage = *state;

    stage->request.limit_s = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct server_order order = {.plain = 1};
        char url[64];

        serve_http(stage, &order, rows[i].response, url);
        assert_false(prove(stage));
        server_stop(&stage->server);
        assert_int_equal(stage->seen.finding, rows[i].finding);
        assert_non_null(strstr(stage->err.text, rows[i].text));
        assert_non_null(strstr(stage->err.text, "prove: http http://ADMIN/certs: "));
        assert_null(strstr(stage->err.text, "secret"));
    }
}

static void an_admin_interface_by_https_must_be_trusted(void **state)
{
    struct stage *stage = *state;
    struct server_order order = order_of(stage, "A");
    char url[64], reply[512], path[] = "/tmp/leafd-unit-XXXXXX", *pem = certs_pem(stage->leaf);
    int fd = mkstemp(path);

    assert_true(write(fd, pem, strlen(pem)) > 0);
    write_reply(stage, reply);
    serve_http(stage, &order, reply, url);
    stage->cert.trust_anchor = path;
    assert_true(prove(stage));
    stage->cert.trust_anchor = NULL;
    stage->err.text[0] = '\0';
    /* A busy machine may not come that far within one round. */
    for (unsigned limit_s = 0; limit_s < 32 && strstr(stage->err.text, "certificate") == NULL;
         limit_s = 2 * limit_s + 1) {
        stage->request.limit_s = limit_s;
        assert_false(prove(stage));
        assert_int_equal(stage->seen.finding, PROVE_UNREACHABLE);
    }
    assert_non_null(strstr(stage->err.text, "certificate"));
    server_stop(&stage->server);
    free(pem);
    close(fd);
    unlink(path);
}

/* -- reload by http -------------------------------------------------------------------------------
 */

static void reload(struct stage *stage, const char *method, const char *url, const char *socket)
{
    struct reload_batches batches = {0};
    const struct reload_tools tools = {stage->loop, stage->workers, stage->http, &batches};
    struct reload_action actions[] = {
        {.verb = RELOAD_HTTP, .method = method, .http = {url, socket, "ADMIN"}}};
    struct slot *slot;
    struct err err;

    stage->times = 0;
    stage->cert.reloads = (struct reload_list){actions, 1};
    slot = reload_start(&tools, stage->config, &stage->cert, no_variables, hear, stage, &err);
    assert_non_null(slot);
    while (stage->times == 0)
        assert_true(sd_event_run(stage->loop, UINT64_MAX) >= 0);
    slot_drop(slot);
}

static void a_reload_by_http_goes_well_with_any_2xx(void **state)
{
    struct stage *stage = *state;
    char folder[] = "/tmp/leafd-unit-XXXXXX", path[64];
    struct server_order order = {
        .plain = 1, .path = path, .http = "HTTP/1.1 204 No Content\r\n\r\n"};

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/s", folder);
    server_start(&stage->server, &order);
    reload(stage, "POST", "http://localhost/v1/reload", path);
    server_stop(&stage->server);
    rmdir(folder);
    assert_int_equal(stage->err.kind, ERR_NONE);
    assert_non_null(strstr(stage->server.heard, "POST /v1/reload HTTP/1.1\r\n"));
    assert_non_null(strstr(stage->server.heard, "\r\nContent-Length: 0\r\n"));
    assert_null(strstr(stage->server.heard, "X-Vault"));
}

static void a_reload_that_is_refused_by_http_tells_status_and_first_line(void **state)
{
    struct stage *stage = *state;
    struct server_order order = {
        .plain = 1,
        .http = "HTTP/1.1 400 Bad\r\nConnection: close\r\n\r\n\nkey does\tnot fit\nsecond line\n"};
    char url[64];

    server_start(&stage->server, &order);
    snprintf(url, sizeof url, "http://127.0.0.1:%s/x?token=secret", stage->server.port);
    reload(stage, "PUT", url, NULL);
    server_stop(&stage->server);
    assert_int_equal(stage->err.kind, ERR_CONSUMER);
    assert_string_equal(stage->err.text,
                        "reload: PUT ADMIN: the answer is status 400: key does not fit");
    reload(stage, "PUT", url, NULL);
    assert_int_equal(stage->err.kind, ERR_CONSUMER);
    assert_null(strstr(stage->err.text, "secret"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(three_handshakes_with_the_leaf_prove_it),
        TEST(the_configured_server_name_goes_first),
        TEST(another_leaf_is_waited_out),
        TEST(three_good_samples_must_stand_in_a_row),
        TEST(another_leaf_is_told_with_serial_and_end),
        TEST(a_mix_of_old_and_new_is_told_as_such),
        TEST(one_round_ends_with_the_first_that_is_bad),
        TEST(one_round_is_enough_where_all_is_well),
        TEST(a_server_with_two_leaves_is_asked_for_ours),
        TEST(a_server_with_two_leaves_is_asked_for_ours_by_tls_1_2),
        TEST(tls_1_2_is_spoken),
        TEST(no_client_certificate_is_needed),
        TEST(a_leaf_that_is_served_without_its_intermediate_is_not_proven),
        TEST(an_intermediate_that_peers_trust_need_not_be_served),
        TEST(a_trusted_top_below_no_root_is_a_dead_end_where_a_root_is_reached),
        TEST(a_chain_that_does_not_hold_is_told_with_its_fault),
        TEST(a_dropped_proof_leaves_its_verification_behind),
        TEST(a_server_that_offers_dhe_alone_is_refused_at_once),
        TEST(a_key_that_takes_long_to_verify_is_not_verified),
        TEST(a_server_that_demands_our_certificate_is_mutual),
        TEST(a_server_that_is_not_mutual_is_told_how),
        TEST(a_refusal_of_postgresql_speaks_of_the_certificate),
        TEST(mutual_tls_that_cannot_be_asked_for_leaves_the_finding_alone),
        TEST(a_refusal_is_known_by_what_is_said),
        TEST(a_unix_socket_is_asked),
        TEST(a_name_is_looked_up_and_each_address_tried),
        TEST(a_name_without_address_is_told),
        TEST(nobody_listening_is_told),
        TEST(plain_text_is_told_as_such),
        TEST(a_black_hole_does_not_hold_the_loop),
        TEST(a_dropped_proof_is_not_heard_of),
        TEST(a_silent_address_leaves_time_for_the_next),
        TEST(every_protocol_reaches_its_tls),
        TEST(so_many_connections_are_open_at_once),
        TEST(what_a_proof_waits_for_others_is_not_its_time),
        TEST(a_server_without_starttls_is_told),
        TEST(a_command_is_believed_at_once),
        TEST(a_command_is_asked_again),
        TEST(what_the_command_says_is_told),
        TEST(an_admin_interface_that_names_the_serial_proves_it),
        TEST(what_the_admin_interface_says_instead_is_told),
        TEST(an_admin_interface_by_https_must_be_trusted),
        TEST(a_reload_by_http_goes_well_with_any_2xx),
        TEST(a_reload_that_is_refused_by_http_tells_status_and_first_line),
    };
    sigset_t child;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (keeper_is_wanted(argc, argv))
        return keeper_run(argv);
    return cmocka_run_group_tests_name("prove", tests, NULL, NULL);
}
