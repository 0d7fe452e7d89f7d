/* What a role of the CA allows, and what of a section does not fit it. */
#include "unit.h"

#include "base/when.h"
#include "plan/fit.h"
#include "plan/fit_name.h"

#include <string.h>

enum { NOW = 1800000000 };

#define LIST(...)                                                                                  \
    {                                                                                              \
        (const char *[]){__VA_ARGS__},                                                             \
            sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *)                           \
    }

enum {
    ANY = 1,
    BARE = 2,
    GLOB = 4,
    LOCAL = 8,
    BELOW = 16,
    WILD = 32,
    HOSTS = 64,
    DISPLAY = 128,
    TEMPLATE = 256
};

static struct role_terms role_with(unsigned flags, struct text_list domains)
{
    return (struct role_terms){
        .known = TERMS_KNOWN,
        .allowed_domains = domains,
        .allow_any_name = flags & ANY,
        .allow_bare_domains = flags & BARE,
        .allow_glob_domains = flags & GLOB,
        .allow_localhost = flags & LOCAL,
        .allow_subdomains = flags & BELOW,
        .allow_wildcard_certificates = flags & WILD,
        .enforce_hostnames = flags & HOSTS,
        .allow_token_displayname = flags & DISPLAY,
        .allowed_domains_template = flags & TEMPLATE,
        .key_type = "any",
        .not_after = "",
        .issuer_ref = "default",
        .allow_ip_sans = true,
        .client_flag = true,
        .server_flag = true,
        .use_csr_common_name = true,
        .use_csr_sans = true,
    };
}

static void names_are_judged_as_the_engine_does(void **state)
{
    static const struct {
        unsigned flags;
        const char *domain, *name;
        enum name_verdict verdict;
    } cases[] = {
        {ANY | HOSTS, "", "a.b.c", NAME_ALLOWED},
        {ANY | HOSTS, "", "a_b.c", NAME_NO_HOSTNAME},
        {ANY, "", "a_b.c", NAME_ALLOWED},
        {ANY | HOSTS, "", "-a.c", NAME_NO_HOSTNAME},
        {ANY | HOSTS, "", "*.c.d", NAME_WILDCARD},
        {ANY | HOSTS | WILD, "", "*.c.d", NAME_ALLOWED},
        {ANY | HOSTS | WILD, "", "a*b.c.d", NAME_ALLOWED},
        {ANY | HOSTS | WILD, "", "a.*.d", NAME_WILDCARD_FORM},
        {ANY | HOSTS | WILD, "", "*.*.d", NAME_WILDCARD_FORM},
        {ANY | HOSTS | WILD, "", "u@*.d", NAME_WILDCARD_FORM},
        {ANY | HOSTS | WILD, "", "-*.d", NAME_WILDCARD_FORM},
        {HOSTS | BARE, "d.test", "d.test", NAME_ALLOWED},
        {HOSTS | BARE, "d.test", "D.test", NAME_ALLOWED},
        {HOSTS, "d.test", "d.test", NAME_BARE},
        {HOSTS | BELOW, "d.test", "d.test", NAME_BARE},
        {HOSTS | BELOW, "d.test", "a.d.test", NAME_ALLOWED},
        {HOSTS | BELOW, "d.test", "a.b.d.test", NAME_ALLOWED},
        {HOSTS | BELOW, "D.test", "a.d.test", NAME_DOMAIN}, /* a suffix counts letter by letter */
        {HOSTS | BARE, "d.test", "a.d.test", NAME_SUBDOMAIN},
        {HOSTS | BARE | BELOW, "d.test", "ad.test", NAME_DOMAIN},
        {HOSTS | BELOW | WILD, "d.test", "*.d.test", NAME_ALLOWED},
        {HOSTS | BELOW | WILD, "d.test", "*.a.d.test", NAME_ALLOWED},
        {HOSTS | BARE | WILD, "d.test", "*.d.test", NAME_SUBDOMAIN},
        {HOSTS, "*.d.test", "a.d.test", NAME_GLOB},
        {HOSTS | GLOB, "*.d.test", "a.d.test", NAME_ALLOWED},
        {HOSTS | GLOB, "a*-*.test", "a1-2.test", NAME_ALLOWED},
        {HOSTS | GLOB, "a*-*.test", "a1.test", NAME_DOMAIN},
        {HOSTS | GLOB, "*", "anything.test", NAME_ALLOWED},
        {HOSTS | LOCAL, "d.test", "localhost", NAME_ALLOWED},
        {HOSTS, "d.test", "localhost", NAME_LOCALHOST},
        {HOSTS | LOCAL, "d.test", "a.localhost", NAME_SUBDOMAIN},
        {HOSTS | LOCAL | BELOW, "d.test", "a.localdomain", NAME_ALLOWED},
        {HOSTS | BARE, "d.test", "me@d.test", NAME_ALLOWED},
        {HOSTS | BELOW, "d.test", "me@d.test", NAME_BARE},
        {HOSTS | BELOW, "d.test", "me@a.d.test", NAME_ALLOWED},
        {HOSTS | BARE, "me@d.test", "me@d.test", NAME_ALLOWED},
        {HOSTS | BARE, "me@d.test", "you@d.test", NAME_DOMAIN},
        {HOSTS | BARE, "", "", NAME_DOMAIN},
        {HOSTS | BARE, "", "a.test", NAME_DOMAIN},
        {HOSTS | BARE | TEMPLATE, "{{identity.entity.name}}.test", "a.test", NAME_UNDECIDED},
        {HOSTS | BARE, "{{identity.entity.name}}.test", "a.test", NAME_DOMAIN},
        {HOSTS | DISPLAY, "d.test", "a.test", NAME_UNDECIDED},
        {HOSTS | DISPLAY | BARE, "d.test", "d.test", NAME_ALLOWED},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct role_terms role = role_with(cases[i].flags, (struct text_list)LIST(cases[i].domain));

        if (fit_name(&role, cases[i].name) != cases[i].verdict)
            fail_msg("case %zu, %s: %d", i, cases[i].name, (int)fit_name(&role, cases[i].name));
    }
}

static void uris_and_addresses_are_judged_as_the_engine_does(void **state)
{
    static const struct {
        const char *pattern, *uri;
        enum name_verdict verdict;
    } uris[] = {
        {"spiffe://a/*", "spiffe://a/b/c", NAME_ALLOWED},
        {"spiffe://a/*", "spiffe://b/c", NAME_DOMAIN},
        {"spiffe://*/x/*", "spiffe://a/x/", NAME_ALLOWED},
        {"*", "urn:a", NAME_ALLOWED},
        {"spiffe://a", "spiffe://a/", NAME_DOMAIN},
        {"spiffe://a/{{identity.entity.name}}", "spiffe://a/b", NAME_UNDECIDED},
    };
    static const struct {
        const char *network, *address;
        enum name_verdict verdict;
    } addresses[] = {
        {"10.0.0.0/8", "10.1.2.3", NAME_ALLOWED},       {"10.0.0.0/8", "11.1.2.3", NAME_DOMAIN},
        {"10.0.0.128/25", "10.0.0.127", NAME_DOMAIN},   {"0.0.0.0/0", "192.0.2.1", NAME_ALLOWED},
        {"2001:db8::/32", "2001:db8::1", NAME_ALLOWED}, {"2001:db8::/32", "10.0.0.1", NAME_DOMAIN},
        {"10.0.0.0/33", "10.0.0.1", NAME_DOMAIN},       {"10.0.0.0", "10.0.0.0", NAME_DOMAIN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(uris); i++) {
        const struct role_terms role = {.allowed_uri_sans_template = true,
                                        .allowed_uri_sans = LIST(uris[i].pattern)};

        assert_int_equal(fit_name_uri(&role, uris[i].uri), uris[i].verdict);
    }
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        const struct role_terms role = {.allowed_ip_sans_cidr = LIST(addresses[i].network)};

        assert_int_equal(fit_name_ip(&role, addresses[i].address), addresses[i].verdict);
    }
    assert_int_equal(fit_name_ip(&(struct role_terms){0}, "10.0.0.1"), NAME_ALLOWED);
}

/* -- a whole section ------------------------------------------------------------------------------
 */

struct scene {
    struct wish wish;
    struct fit_request request;
    struct mount_terms mount;
    struct role_terms role;
    struct issuer_terms issuer;
};

/* One that fits. */
static void set(struct scene *scene)
{
    static const char *names[] = {"a.d.test"}, *domains[] = {"d.test"};

    *scene = (struct scene){
        .wish = {.names = {.dns = {names, 1}}, .key_type = KEY_ECDSA_P256, .ttl_s = 3600},
        .request = {.pki_mount = "pki", .pki_role = "web", .issuer = "default", .now_s = NOW},
        .mount = {.known = TERMS_KNOWN, .type = "pki"},
        .role = role_with(HOSTS | BELOW, (struct text_list){domains, 1}),
        .issuer = {.known = TERMS_KNOWN, .not_after_s = NOW + 86400},
    };
    scene->request.wish = &scene->wish;
}

/* Fits the scene, and wants one finding of that grade with those words; NULL: none. */
static void expect(struct scene *scene, enum fit_grade grade, const char *words, const char *remedy)
{
    struct arena arena = {0};
    struct fit_findings findings = {0};

    assert_true(
        fit_find(&scene->request, &scene->mount, &scene->role, &scene->issuer, &arena, &findings));
    if (words == NULL) {
        if (findings.count != 0)
            fail_msg("found: %s", findings.items[0].text);
    } else {
        assert_int_equal(findings.count, 1);
        assert_int_equal(findings.items[0].grade, grade);
        if (strstr(findings.items[0].text, words) == NULL)
            fail_msg("%s, not: %s", findings.items[0].text, words);
        if (remedy != NULL && strstr(findings.items[0].remedy, remedy) == NULL)
            fail_msg("%s, not: %s", findings.items[0].remedy, remedy);
    }
    arena_free(&arena);
    set(scene);
}

static void what_is_missing_is_all_that_is_said(void **state)
{
    struct scene scene;

    (void)state;
    set(&scene);
    expect(&scene, FIT_REFUSED, NULL, NULL);
    scene.mount.known = TERMS_MISSING;
    expect(&scene, FIT_REFUSED, "no mount pki", "pki_mount");
    scene.mount.type = "kv";
    expect(&scene, FIT_REFUSED, "of type kv", "pki_mount");
    scene.role.known = TERMS_MISSING;
    expect(&scene, FIT_REFUSED, "no role web", "vault list pki/roles");
    scene.role = (struct role_terms){.known = TERMS_NOT_ASKED, .not_asked_why = "403"};
    expect(&scene, FIT_OPEN, "not read", "path \"pki/roles/web\" { capabilities = [\"read\"] }");
    scene.issuer.known = TERMS_MISSING;
    expect(&scene, FIT_REFUSED, "no issuer default", "vault list pki/issuers");
    scene.issuer.cannot_sign = true;
    expect(&scene, FIT_REFUSED, "may not sign", "issuer_ref");
    scene.issuer = (struct issuer_terms){.known = TERMS_NOT_ASKED};
    expect(&scene, FIT_OPEN, "not read", "path \"pki/issuer/default\"");
}

static void names_that_do_not_arrive_are_told(void **state)
{
    struct scene scene;

    (void)state;
    set(&scene);
    scene.role.use_csr_sans = false;
    expect(&scene, FIT_REFUSED, "use_csr_sans is false", "request_names = yes");
    scene.role.use_csr_sans = false;
    scene.request.request_names = true;
    expect(&scene, FIT_REFUSED, NULL, NULL);
    scene.role.use_csr_sans = false;
    scene.role.enforce_hostnames = false;
    scene.request.request_names = true;
    scene.wish.names.dns = (struct text_list)LIST("a_b.d.test");
    expect(&scene, FIT_REFUSED, "drops the DNS name a_b.d.test", "use_csr_sans=true");
    scene.role.enforce_hostnames = false;
    scene.wish.names.dns = (struct text_list)LIST("a_b.d.test");
    expect(&scene, FIT_REFUSED, NULL, NULL);
    scene.role.require_cn = true;
    expect(&scene, FIT_REFUSED, "require_cn is true", "require_cn=false");
    scene.role.use_csr_common_name = false;
    scene.wish.names.common_name = "a.d.test";
    expect(&scene, FIT_REFUSED, "use_csr_common_name is false", "request_names = yes");
    scene.wish.names.common_name = "a.d.test";
    scene.role.cn_validations = (struct text_list)LIST("email");
    expect(&scene, FIT_REFUSED, "cn_validations is email", "cn_validations=email,hostname");
    scene.wish.names.common_name = "No Host";
    scene.role.cn_validations = (struct text_list)LIST("disabled");
    expect(&scene, FIT_REFUSED, NULL, NULL);
    /* It becomes a DNS name as well, and those are looked at. */
    scene.wish.names.common_name = "a.e.test";
    scene.role.cn_validations = (struct text_list)LIST("disabled");
    expect(&scene, FIT_REFUSED, "the common name a.e.test", "allowed_domains=d.test,a.e.test");
    scene.wish.names.ip = (struct text_list)LIST("10.0.0.1");
    scene.role.allow_ip_sans = false;
    expect(&scene, FIT_REFUSED, "10.0.0.1", "allow_ip_sans=true");
    scene.wish.names.ip = (struct text_list)LIST("10.0.0.1");
    scene.role.allowed_ip_sans_cidr = (struct text_list)LIST("192.0.2.0/24");
    expect(&scene, FIT_REFUSED, "10.0.0.1", "192.0.2.0/24,10.0.0.1/32");
    scene.wish.names.uri = (struct text_list)LIST("urn:a");
    expect(&scene, FIT_REFUSED, "urn:a", "allowed_uri_sans=urn:a");
}

static void keys_and_uses_are_held_against_the_role(void **state)
{
    static const struct {
        const char *type;
        uint64_t bits;
        enum key_type sent;
        bool from_ca;
        const char *words, *remedy; /* NULL: it fits */
    } cases[] = {
        {"any", 4096, KEY_RSA_2048, false, NULL, NULL},
        {"any", 0, KEY_ED25519, false, NULL, NULL},
        {"rsa", 2048, KEY_RSA_2048, false, NULL, NULL},
        {"rsa", 3072, KEY_RSA_2048, false, "at least 3072 bits", "key_type = rsa-3072"},
        {"rsa", 8192, KEY_RSA_4096, false, "at least 8192 bits", "on the CA: vault patch"},
        {"rsa", 0, KEY_ECDSA_P256, false, "of type rsa", "key_type = rsa-2048"},
        {"ec", 384, KEY_ECDSA_P256, false, "at least 384 bits", "key_type = ecdsa-p384"},
        {"ec", 256, KEY_ECDSA_P521, false, NULL, NULL},
        {"ed25519", 0, KEY_ED25519, false, NULL, NULL},
        {"any", 0, KEY_ECDSA_P256, true, "makes no key", "key_source = local"},
        {"ec", 0, KEY_ECDSA_P256, true, NULL, NULL},
        {"rsa", 0, KEY_ECDSA_P256, true, "2048 bits", "key_type = rsa-2048"},
        {"ec", 384, KEY_ECDSA_P256, true, "384 bits", "key_type = ecdsa-p384"},
    };
    struct scene scene;

    (void)state;
    set(&scene);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        scene.role.key_type = cases[i].type;
        scene.role.key_bits = cases[i].bits;
        scene.wish.key_type = cases[i].sent;
        scene.request.key_from_ca = cases[i].from_ca;
        expect(&scene, FIT_REFUSED, cases[i].words, cases[i].remedy);
    }
    scene.role.client_flag = false;
    scene.wish.usage = USAGE_SERVER | USAGE_CLIENT;
    expect(&scene, FIT_REFUSED, "usage asks for client", "client_flag=true");
    scene.role.client_flag = false;
    scene.role.ext_key_usage = (struct text_list)LIST("clientauth");
    scene.wish.usage = USAGE_CLIENT;
    expect(&scene, FIT_REFUSED, NULL, NULL);
    /* No flag and no usage: no extension, and then everything is allowed. */
    scene.role.client_flag = scene.role.server_flag = false;
    scene.wish.usage = USAGE_CLIENT;
    expect(&scene, FIT_REFUSED, NULL, NULL);
    scene.role.key_usage = (struct text_list)LIST("KeyAgreement");
    expect(&scene, FIT_REFUSED, "without DigitalSignature", "key_usage=DigitalSignature");
}

static void lives_are_held_against_role_mount_and_issuer(void **state)
{
    struct scene scene;

    (void)state;
    set(&scene);
    scene.role.max_ttl_s = 600;
    expect(&scene, FIT_ADVICE, "600 s in place of the 3600 s", "ttl = 600s");
    scene.mount.max_ttl_s = 600;
    expect(&scene, FIT_ADVICE, "max_lease_ttl of the mount", "-max-lease-ttl=3600s pki");
    scene.role.not_after = "2040-01-01T00:00:00Z";
    expect(&scene, FIT_REFUSED, "2040", "remove ttl");
    scene.issuer.not_after_s = NOW + 600;
    expect(&scene, FIT_REFUSED, "ends in 600 s", "ttl to less than 600s");
    scene.issuer.not_after_s = NOW + 3600;
    expect(&scene, FIT_REFUSED, NULL, NULL);
    scene.issuer.not_after_s = NOW + 600;
    scene.issuer.leaf_not_after = LEAF_TRUNCATE;
    expect(&scene, FIT_ADVICE, "is truncate", NULL);
    /* What the role caps to fits. */
    scene.issuer.not_after_s = NOW + 600;
    scene.wish.ttl_s = 0;
    scene.role.ttl_s = 300;
    expect(&scene, FIT_REFUSED, NULL, NULL);
    scene.role.generate_lease = true;
    expect(&scene, FIT_ADVICE, "when the token", "generate_lease=false");
    scene.role.no_store = true;
    expect(&scene, FIT_ADVICE, "serial number", "no_store=false");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_judged_as_the_engine_does),
        cmocka_unit_test(uris_and_addresses_are_judged_as_the_engine_does),
        cmocka_unit_test(what_is_missing_is_all_that_is_said),
        cmocka_unit_test(names_that_do_not_arrive_are_told),
        cmocka_unit_test(keys_and_uses_are_held_against_the_role),
        cmocka_unit_test(lives_are_held_against_role_mount_and_issuer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
