/* What a role of the CA allows, and what of a section does not fit it. */
#include "unit.h"

#include "base/clock.h"
#include "plan/fit_identity.h"
#include "plan/fit_name.h"
#include "plan/fit_posture.h"

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
    struct cert_request wanted;
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
        .wanted = {.names = {.dns = {names, 1}}, .key_type = KEY_ECDSA_P256, .ttl_s = 3600},
        .request = {.pki_mount = "pki", .pki_role = "web", .issuer = "default", .now_s = NOW},
        .mount = {.known = TERMS_KNOWN, .type = "pki"},
        .role = role_with(HOSTS | BELOW, (struct text_list){domains, 1}),
        .issuer = {.known = TERMS_KNOWN, .not_after_s = NOW + 86400},
    };
    scene->request.wanted = &scene->wanted;
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
    scene.wanted.names.dns = (struct text_list)LIST("a_b.d.test");
    expect(&scene, FIT_REFUSED, "drops the DNS name a_b.d.test", "use_csr_sans=true");
    scene.role.enforce_hostnames = false;
    scene.wanted.names.dns = (struct text_list)LIST("a_b.d.test");
    expect(&scene, FIT_REFUSED, NULL, NULL);
    scene.role.require_cn = true;
    expect(&scene, FIT_REFUSED, "require_cn is true", "require_cn=false");
    scene.role.use_csr_common_name = false;
    scene.wanted.names.common_name = "a.d.test";
    expect(&scene, FIT_REFUSED, "use_csr_common_name is false", "request_names = yes");
    scene.wanted.names.common_name = "a.d.test";
    scene.role.cn_validations = (struct text_list)LIST("email");
    expect(&scene, FIT_REFUSED, "cn_validations is email", "cn_validations=email,hostname");
    scene.wanted.names.common_name = "No Host";
    scene.role.cn_validations = (struct text_list)LIST("disabled");
    expect(&scene, FIT_REFUSED, NULL, NULL);
    /* It becomes a DNS name as well, and those are looked at. */
    scene.wanted.names.common_name = "a.e.test";
    scene.role.cn_validations = (struct text_list)LIST("disabled");
    expect(&scene, FIT_REFUSED, "the common name a.e.test", "allowed_domains=d.test,a.e.test");
    scene.wanted.names.ip = (struct text_list)LIST("10.0.0.1");
    scene.role.allow_ip_sans = false;
    expect(&scene, FIT_REFUSED, "10.0.0.1", "allow_ip_sans=true");
    scene.wanted.names.ip = (struct text_list)LIST("10.0.0.1");
    scene.role.allowed_ip_sans_cidr = (struct text_list)LIST("192.0.2.0/24");
    expect(&scene, FIT_REFUSED, "10.0.0.1", "192.0.2.0/24,10.0.0.1/32");
    scene.wanted.names.uri = (struct text_list)LIST("urn:a");
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
        scene.wanted.key_type = cases[i].sent;
        scene.request.key_from_ca = cases[i].from_ca;
        expect(&scene, FIT_REFUSED, cases[i].words, cases[i].remedy);
    }
    scene.role.client_flag = false;
    scene.wanted.usage = USAGE_SERVER | USAGE_CLIENT;
    expect(&scene, FIT_REFUSED, "usage asks for client", "client_flag=true");
    scene.role.client_flag = false;
    scene.role.ext_key_usage = (struct text_list)LIST("clientauth");
    scene.wanted.usage = USAGE_CLIENT;
    expect(&scene, FIT_REFUSED, NULL, NULL);
    /* No flag and no usage: no extension, and then everything is allowed. */
    scene.role.client_flag = scene.role.server_flag = false;
    scene.wanted.usage = USAGE_CLIENT;
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
    scene.wanted.ttl_s = 0;
    scene.role.ttl_s = 300;
    expect(&scene, FIT_REFUSED, NULL, NULL);
    scene.role.generate_lease = true;
    expect(&scene, FIT_ADVICE, "when the token", "generate_lease=false");
    scene.role.no_store = true;
    expect(&scene, FIT_ADVICE, "serial number", "no_store=false");
}

/* -- names of others ------------------------------------------------------------------------------
 */

#define ALIAS     "identity.entity.aliases.a1."
#define NAMESPACE "{{" ALIAS "metadata.service_account_namespace}}"
#define ACCOUNT   "{{ " ALIAS "metadata.service_account_name }}"

static const char *identity_names[] = {"identity.entity.id", ALIAS "name",
                                       ALIAS "metadata.service_account_namespace",
                                       ALIAS "metadata.service_account_name"};
static const char *identity_values[] = {"1234", "uid", "shop", "web"};
static const struct identity_terms pod = {
    TERMS_KNOWN, {identity_names, 4}, {identity_values, 4}, "a1"};

static void templates_are_filled_in_as_the_engine_does(void **state)
{
    static const struct {
        const char *pattern, *filled;
    } cases[] = {
        {"a.test", "a.test"},
        {ACCOUNT "." NAMESPACE ".svc", "web.shop.svc"},
        {"*." NAMESPACE, "*.shop"},
        {"x{{identity.entity.id}}", "x1234"},
        {"{{identity.entity.name}}.test", ""},
        {"{{identity.entity.aliases.a2.name}}.test", ""},
        {"{{identity.groups.names.ops.id}}.test", "{{identity.groups.names.ops.id}}.test"},
        {"{{identity.entity.id", "{{identity.entity.id"},
        {"{{}}", "{{}}"},
    };
    struct identity_terms unknown = pod;

    (void)state;
    unknown.known = TERMS_NOT_ASKED;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct role_terms filled,
            role = role_with(TEMPLATE, (struct text_list)LIST(cases[i].pattern));
        struct arena arena = {0};

        assert_true(fit_name_fill(&role, &pod, &arena, &filled));
        assert_string_equal(filled.allowed_domains.items[0], cases[i].filled);
        assert_true(fit_name_fill(&role, &unknown, &arena, &filled));
        assert_string_equal(filled.allowed_domains.items[0], cases[i].pattern);
        role.allowed_domains_template = false;
        assert_true(fit_name_fill(&role, &pod, &arena, &filled));
        assert_string_equal(filled.allowed_domains.items[0], cases[i].pattern);
        arena_free(&arena);
    }
}

/* As of a kind of CA that cannot describe itself. */
static void terms_that_the_ca_does_not_describe_are_not_decided(void **state)
{
    struct arena arena = {0};
    struct fit_findings findings = {0};
    struct scene scene;

    (void)state;
    set(&scene);
    assert_true(fit_find(&scene.request, NULL, NULL, NULL, &arena, &findings));
    assert_int_equal(findings.count, 1);
    assert_int_equal(findings.items[0].grade, FIT_OPEN);
    assert_non_null(strstr(findings.items[0].text, "does not describe"));
    arena_free(&arena);
}

/* Finds what is wrong with a role for our names; NULL words: nothing. */
static void expect_strangers(const struct role_terms *role, const struct names *names,
                             const struct identity_terms *identity, const char *words,
                             const char *remedy)
{
    const struct fit_use use = {.pki_mount = "pki", .pki_role = "r", .names = *names};
    struct arena arena = {0};
    struct fit_findings findings = {0};

    assert_true(fit_identity_find(&use, role, identity, &arena, &findings));
    if (findings.count != (words != NULL))
        fail_msg("%s: %s", words == NULL ? "nothing" : words,
                 findings.count == 0 ? "nothing" : findings.items[0].text);
    if (words != NULL && strstr(findings.items[0].text, words) == NULL)
        fail_msg("%s, not: %s", findings.items[0].text, words);
    if (remedy != NULL && strstr(findings.items[0].remedy, remedy) == NULL)
        fail_msg("%s, not: %s", findings.items[0].remedy, remedy);
    arena_free(&arena);
}

static void hosts_of_others_are_found(void **state)
{
    static const struct {
        unsigned flags;
        const char *domain, *own, *words, *remedy; /* NULL words: no danger */
    } cases[] = {
        {BARE, "web.shop.svc", "web.shop.svc", NULL, NULL},
        {BARE | BELOW, "web.shop.svc", "web.shop.svc", NULL, NULL},
        {BELOW, "shop.svc", "web.shop.svc", "somebody-else.shop.svc",
         "allowed_domains='{{" ALIAS "metadata.service_account_name}}." NAMESPACE
         ".svc' allow_bare_domains=true allow_subdomains=false"},
        {BELOW, "example.com", "api.example.com", "somebody-else.example.com",
         "allowed_domains='api.example.com' allow_bare_domains=true allow_subdomains=false; "
         "other logins"},
        {BELOW, "svc", "web.shop.svc", "somebody-else.shop.svc", NULL},
        {BELOW | WILD, "shop.svc", "*.shop.svc", "somebody-else.shop.svc",
         "allowed_domains='*.shop.svc' allow_bare_domains=true"},
        {BARE, "api.shop.svc", "web.shop.svc", "such as api.shop.svc", NULL},
        {0, "api.shop.svc", "web.shop.svc", NULL, NULL}, /* allows nothing at all */
        {BARE, "", "web.shop.svc", NULL, NULL},
        {GLOB, "*.svc", "web.shop.svc", "somebody-else.shop.svc", "allow_glob_domains=false"},
        {GLOB, "web.*", "web.shop.svc", "web.somebody-else.svc", NULL},
        {GLOB, "*.elsewhere", "web.shop.svc", "such as *.elsewhere", NULL},
        {BELOW, "elsewhere", "web.shop.svc", "somebody-else.elsewhere", NULL},
        {ANY, "", "web.shop.svc", "every DNS name",
         "allow_any_name=false allowed_domains_template"},
        {BARE | TEMPLATE, ACCOUNT "." NAMESPACE ".svc", "web.shop.svc", NULL, NULL},
        {BELOW | TEMPLATE, ACCOUNT "." NAMESPACE ".svc", "a.web.shop.svc", NULL, NULL},
        {BELOW | TEMPLATE, NAMESPACE ".svc", "web.shop.svc", "somebody-else.shop.svc", NULL},
        {BELOW | TEMPLATE, NAMESPACE ".svc", "api.shop.svc", "somebody-else.shop.svc", NULL},
        {BARE | TEMPLATE, "{{identity.groups.names.g.name}}.svc", "web.shop.svc", NULL, NULL},
        {BARE | TEMPLATE, "{{identity.entity.aliases.other.name}}.svc", "web.svc", NULL, NULL},
        {DISPLAY, "", "kubernetes-shop-web", NULL, NULL},
        {LOCAL, "", "localhost", NULL, NULL},
        {BARE, "shop.svc", "web@shop.svc", "such as shop.svc", "allowed_domains='web@shop.svc'"},
        {BELOW, "svc", "web@shop.svc", "somebody-else@shop.svc", NULL},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct role_terms role = role_with(cases[i].flags, (struct text_list)LIST(cases[i].domain));
        const struct names names = {.dns = LIST(cases[i].own)};

        role.allow_ip_sans = false;
        expect_strangers(&role, &names, &pod, cases[i].words, cases[i].remedy);
    }
}

static void other_names_of_others_are_found(void **state)
{
    static const struct {
        const char *pattern, *own, *words, *remedy;
    } uris[] = {
        {"spiffe://td/ns/shop/sa/*", "spiffe://td/ns/shop/sa/web", "/ns/shop/sa/somebody-else",
         "allowed_uri_sans_template=true allowed_uri_sans='spiffe://td/ns/" NAMESPACE "/sa/{{"},
        {"spiffe://td/ns/shop/sa/web", "spiffe://td/ns/shop/sa/web", NULL, NULL},
        {"spiffe://td/ns/*/sa/web", "spiffe://td/ns/shop/sa/web", "/ns/somebody-else/sa/web", NULL},
        {"spiffe://td/ns/shop/sa/web/*", "spiffe://td/ns/shop/sa/web/a", NULL, NULL},
        {"spiffe://td/ns/" NAMESPACE "/sa/" ACCOUNT, "spiffe://td/ns/shop/sa/web", NULL, NULL},
        {"spiffe://td/ns/" NAMESPACE "/sa/" ACCOUNT "/*", "spiffe://td/ns/shop/sa/web/a", NULL,
         NULL},
        {"spiffe://td/ns/" NAMESPACE "/sa/*", "spiffe://td/ns/shop/sa/web", "sa/somebody-else",
         NULL},
        {"*", "urn:web", "urn:websomebody-else", "allowed_uri_sans='urn:web'; other logins"},
        {"spiffe://td/api", "spiffe://td/web", "such as spiffe://td/api", NULL},
        {"spiffe://td/" NAMESPACE, "spiffe://td/web", NULL, NULL},
    };
    const struct names nothing = {0}, addresses = {.ip = LIST("10.0.0.1", "::1")};
    struct role_terms role = {.allow_ip_sans = true};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(uris); i++) {
        const struct names names = {.uri = LIST(uris[i].own)};
        const struct role_terms by_uri = {.allowed_uri_sans = LIST(uris[i].pattern),
                                          .allowed_uri_sans_template = true};

        expect_strangers(&by_uri, &names, &pod, uris[i].words, uris[i].remedy);
    }
    expect_strangers(&role, &nothing, &pod, "every IP address", "allow_ip_sans=false");
    expect_strangers(&role, &addresses, &pod, NULL, NULL);
    role.knows_networks = true;
    expect_strangers(&role, &addresses, &pod, "every IP address",
                     "allowed_ip_sans_cidr=10.0.0.1/32,::1/128; other logins");
    role.allowed_ip_sans_cidr = (struct text_list)LIST("10.0.0.0/8");
    expect_strangers(&role, &addresses, &pod, NULL, NULL);
    role = (struct role_terms){.cn_validations = LIST("disabled")};
    expect_strangers(&role, &nothing, &pod, "every common name", "cn_validations=email,hostname");
    role = (struct role_terms){.allowed_other_sans = LIST("1.2.3;utf8:a", "1.2.3;utf8:*@a")};
    expect_strangers(&role, &nothing, &pod, "has 1.2.3;utf8:*@a", "allowed_other_sans=''");
}

/* By approle, or with an identity that may not be read, there is no ServiceAccount to go by. */
static void a_login_that_is_no_pod_is_judged_by_its_names(void **state)
{
    const struct identity_terms host = {
        TERMS_KNOWN, {identity_names, 2}, {identity_values, 2}, "a1"};
    const struct names names = {.dns = LIST("web.uid.example.com")};
    struct role_terms role = role_with(
        BELOW | TEMPLATE, (struct text_list)LIST("{{" ALIAS "name}}.example.com", "other.net"));

    (void)state;
    role.allow_ip_sans = false;
    expect_strangers(&role, &names, &host, "somebody-else.other.net",
                     "allowed_domains='{{" ALIAS "name}}.example.com,web.uid.example.com'");
    role.allowed_domains.count = 1;
    expect_strangers(&role, &names, &host, NULL, NULL);
    expect_strangers(&role, &names, NULL, NULL, NULL);
    role.allowed_domains = (struct text_list)LIST("example.com");
    expect_strangers(&role, &names, NULL, "somebody-else.uid.example.com",
                     "allowed_domains='web.uid.example.com' allow_bare_domains=true");
}

/* -- fit_posture ----------------------------------------------------------------------------------
 */

enum { HOUR = 3600, NOTHING = -1 };

static void a_role_is_too_wide_if_it_gives_ten_times_what_is_asked_and_more_than_a_day(void **state)
{
    static const struct {
        uint64_t asked_s, role_ttl_s, role_max_s, mount_max_s;
        int found;
    } cases[] = {
        {24 * HOUR, 0, 240 * HOUR, 0, NOTHING},
        {24 * HOUR, 0, 240 * HOUR + 1, 0, POSTURE_ROLE_TTL},
        {HOUR, 0, 24 * HOUR, 0, NOTHING},
        {HOUR, 0, 24 * HOUR + 1, 0, POSTURE_ROLE_TTL},
        /* the mount's, where the role has none; the server's, where the mount has none */
        {24 * HOUR, 0, 0, 240 * HOUR, NOTHING},
        {24 * HOUR, 0, 0, 241 * HOUR, POSTURE_ROLE_TTL},
        {24 * HOUR, 0, 0, 0, POSTURE_ROLE_TTL},
        {7 * 24 * HOUR + 1, 0, 0, 0, NOTHING},
        /* what the role gives where nothing is asked */
        {0, 24 * HOUR, 241 * HOUR, 0, POSTURE_ROLE_TTL},
        {0, 0, 241 * HOUR, 0, NOTHING},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct fit_use use = {"pki", "r", .ttl_s = cases[i].asked_s};
        const struct mount_terms mount = {.known = TERMS_KNOWN, .max_ttl_s = cases[i].mount_max_s};
        struct role_terms role = {.known = TERMS_KNOWN,
                                  .ttl_s = cases[i].role_ttl_s,
                                  .max_ttl_s = cases[i].role_max_s,
                                  .not_after = ""};
        struct fit_findings findings = {0};
        struct arena arena = {0};

        assert_true(fit_posture_role(&use, &mount, &role, &arena, &findings));
        if ((int)findings.count != (cases[i].found != NOTHING))
            fail_msg("case %zu: %zu findings", i, findings.count);
        if (findings.count > 0)
            assert_int_equal(findings.items[0].id, cases[i].found);
        findings = (struct fit_findings){0};
        role.known = TERMS_NOT_ASKED;
        assert_true(fit_posture_role(&use, &mount, &role, &arena, &findings));
        role.known = TERMS_KNOWN;
        role.not_after = "2030-01-01T00:00:00Z";
        assert_true(fit_posture_role(&use, &mount, &role, &arena, &findings));
        assert_int_equal(findings.count, 0);
        arena_free(&arena);
    }
}

static void the_remedy_for_a_wide_role_keeps_the_longest_ttl(void **state)
{
    const struct fit_use use = {"pki_int", "web", .ttl_s = 36 * HOUR};
    const struct mount_terms mount = {.known = TERMS_KNOWN};
    const struct role_terms role = {
        .known = TERMS_KNOWN, .max_ttl_s = 90 * 24 * HOUR, .not_after = ""};
    struct fit_findings findings = {0};
    struct arena arena = {0};

    (void)state;
    assert_true(fit_posture_role(&use, &mount, &role, &arena, &findings));
    assert_int_equal(findings.count, 1);
    assert_string_equal(findings.items[0].remedy,
                        "on the CA: vault patch pki_int/roles/web max_ttl=129600");
    arena_free(&arena);
}

static void each_limit_that_an_issuer_lacks_is_found(void **state)
{
    static const struct {
        struct issuer_terms issuer;
        int found[3];
    } cases[] = {
        {{.known = TERMS_NOT_ASKED}, {NOTHING, NOTHING, NOTHING}},
        {{.known = TERMS_KNOWN,
          .limits_names = true,
          .limits_path = true,
          .key_strength_bits = 128},
         {NOTHING, NOTHING, NOTHING}},
        {{.known = TERMS_KNOWN, .limits_path = true}, {POSTURE_ISSUER_NAMES, NOTHING, NOTHING}},
        {{.known = TERMS_KNOWN, .limits_names = true}, {POSTURE_ISSUER_PATH, NOTHING, NOTHING}},
        {{.known = TERMS_KNOWN, .key_strength_bits = 80},
         {POSTURE_ISSUER_KEY, POSTURE_ISSUER_NAMES, POSTURE_ISSUER_PATH}},
        {{.known = TERMS_KNOWN, .key_strength_bits = 112, .is_root = true},
         {POSTURE_ISSUER_ROOT, NOTHING, NOTHING}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fit_findings findings = {0};
        struct arena arena = {0};
        size_t count = 0;

        assert_true(fit_posture_issuer("pki/i", &cases[i].issuer, &arena, &findings));
        while (count < COUNT_OF(cases[i].found) && cases[i].found[count] != NOTHING)
            count++;
        assert_int_equal(findings.count, count);
        for (size_t j = 0; j < count; j++)
            assert_int_equal(findings.items[j].id, cases[i].found[j]);
        arena_free(&arena);
    }
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
        cmocka_unit_test(terms_that_the_ca_does_not_describe_are_not_decided),
        cmocka_unit_test(templates_are_filled_in_as_the_engine_does),
        cmocka_unit_test(hosts_of_others_are_found),
        cmocka_unit_test(other_names_of_others_are_found),
        cmocka_unit_test(a_login_that_is_no_pod_is_judged_by_its_names),
        cmocka_unit_test(
            a_role_is_too_wide_if_it_gives_ten_times_what_is_asked_and_more_than_a_day),
        cmocka_unit_test(the_remedy_for_a_wide_role_keeps_the_longest_ttl),
        cmocka_unit_test(each_limit_that_an_issuer_lacks_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
