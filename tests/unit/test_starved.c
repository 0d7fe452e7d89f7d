/* Each allocation fails once: what cannot be found out is not taken for found out. */
#include "unit.h"

#include "certs.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/keeper.h"
#include "base/secret.h"
#include "cert/issuance.h"
#include "cert/stage.h"
#include "pki/chain.h"
#include "pki/vet.h"

#include <stdlib.h>

/* The allocation that fails, counted down; 0: none does. */
static unsigned long until_failure;

static bool fails(void)
{
    return until_failure > 0 && --until_failure == 0;
}

/* The linker leads what the agent allocates, for itself and for libcrypto, here (ld --wrap). */
void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);

void *__wrap_malloc(size_t bytes)
{
    return fails() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : __real_calloc(count, bytes);
}

/* libcrypto's own failure paths leak (openssl#21723); what comes from elsewhere is still told. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:shortage_malloc";
}

struct scene {
    EVP_PKEY *root_key, *middle_key, *key;
    X509 *root, *middle, *leaf;
    char *root_pem, *middle_pem, *leaf_pem;
    struct arena arena;
    struct cert_request request;
    struct vet_reply reply;
};

static void set_scene(struct scene *scene)
{
    const struct cert_order root = {.common_name = "root", .is_ca = 1, .to_s = 90000};
    const struct cert_order middle = {.common_name = "middle", .is_ca = 1, .to_s = 90000};

    scene->root_key = certs_key(0);
    scene->middle_key = certs_key(0);
    scene->key = certs_key(0);
    scene->root = certs_make(&root, scene->root_key, NULL, NULL);
    scene->middle = certs_make(&middle, scene->middle_key, scene->root, scene->root_key);
    scene->leaf = certs_make(&(struct cert_order){.san = "DNS:a.example.com"}, scene->key,
                             scene->middle, scene->middle_key);
    scene->root_pem = certs_pem(scene->root);
    scene->middle_pem = certs_pem(scene->middle);
    scene->leaf_pem = certs_pem(scene->leaf);
    assert_true(text_list_add(&scene->request.names.dns, &scene->arena, "a.example.com", 13));
    scene->reply =
        (struct vet_reply){.certificate = scene->leaf_pem, .issuing_ca = scene->middle_pem};
    assert_true(text_list_add(&scene->reply.ca_chain, &scene->arena, scene->root_pem,
                              strlen(scene->root_pem)));
}

static void end_scene(struct scene *scene)
{
    EVP_PKEY_free(scene->root_key);
    EVP_PKEY_free(scene->middle_key);
    EVP_PKEY_free(scene->key);
    X509_free(scene->root);
    X509_free(scene->middle);
    X509_free(scene->leaf);
    free(scene->root_pem);
    free(scene->middle_pem);
    free(scene->leaf_pem);
    arena_free(&scene->arena);
}

static bool vet_scene(struct scene *scene, struct ca_cache *cache, unsigned long fail_at,
                      struct issued *issued, struct err *err)
{
    const struct vet_order order = {
        .request = &scene->request, .key = scene->key, .cache = cache, .now_s = clock_now_s()};
    bool passed;

    until_failure = fail_at;
    passed = vet(&order, &scene->reply, issued, err);
    return passed;
}

static void assert_is_whole(struct scene *scene, struct issued *issued)
{
    assert_int_equal(issued->chain_pem.count, 1);
    assert_memory_equal(issued->chain_pem.items[0], scene->middle_pem, strlen(scene->middle_pem));
    assert_int_equal(issued->ca_pem.count, 1);
    assert_memory_equal(issued->ca_pem.items[0], scene->root_pem, strlen(scene->root_pem));
    assert_true(issued->key_pem.length > 0);
    issued_free(issued);
}

/* A set without its intermediate would be served to peers that refuse it. */
static void a_starved_vetting_fails_as_local_or_passes_whole(void **state)
{
    struct scene scene = {0};
    bool is_fed = false;

    (void)state;
    set_scene(&scene);
    for (unsigned long at = 1; !is_fed; at++) {
        struct ca_cache *cache = ca_cache_new();
        struct issued issued;
        struct err err;

        if (vet_scene(&scene, cache, at, &issued, &err))
            assert_is_whole(&scene, &issued);
        else
            assert_int_equal(err.kind, ERR_LOCAL);
        is_fed = until_failure > 0;
        if (!vet_scene(&scene, cache, 0, &issued, &err))
            fail_msg("after the failure of allocation %lu: %s", at, err.text);
        assert_is_whole(&scene, &issued);
        ca_cache_free(cache);
    }
    end_scene(&scene);
}

/* -- the set to itself ----------------------------------------------------------------------------
 */

static unsigned ends;

static void on_end(struct issuance *issuance, enum issuance_event event, const struct err *err)
{
    assert_null(issuance->slot);
    assert_null(issuance->job);
    assert_int_equal(event, ISSUANCE_ON_FAILED);
    assert_int_equal(err->kind, ERR_LOCAL);
    ends++;
}

/* Two certificates begin to read what no directory holds, and allocation `at` of it fails. */
static void a_turn_that_cannot_begin_leaves_its_job_to_nobody(void **state)
{
    struct cert_config section = {.name = "web", .directory = "/proc/nowhere/web"};
    struct config *config = calloc(1, sizeof *config);
    struct cert_tools tools = {0};
    struct cert_work works[2];
    struct issuance issuances[2];
    bool is_fed = false;
    struct err err;

    (void)state;
    config->references = 1;
    sd_event_new(&tools.loop);
    assert_true(workers_open(tools.loop, 1, &tools.workers, &err));
    assert_true(stage_reserve(&tools, &err));
    for (size_t i = 0; i < 2; i++) {
        assert_true(cert_work_open(&works[i], &tools, config, &section, &err));
        assert_true(issuance_open(&issuances[i], &works[i], NULL, &err));
        issuances[i].end = on_end;
    }
    for (unsigned long at = 1; !is_fed; at++) {
        ends = 0;
        until_failure = at;
        for (size_t i = 0; i < 2; i++)
            stage_read(&issuances[i]);
        is_fed = until_failure > 0;
        until_failure = 0;
        while (ends < 2)
            sd_event_run(tools.loop, 100000);
    }
    for (size_t i = 0; i < 2; i++) {
        issuance_close(&issuances[i]);
        cert_work_close(&works[i]);
    }
    workers_close(tools.workers, 10);
    stage_release(&tools);
    sd_event_unref(tools.loop);
    config_unref(config);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_starved_vetting_fails_as_local_or_passes_whole),
        cmocka_unit_test(a_turn_that_cannot_begin_leaves_its_job_to_nobody),
    };

    if (keeper_is_wanted(argc, argv))
        return keeper_run(argv);
    if (!shortage_watch_libraries())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
