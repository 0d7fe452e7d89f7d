/* What a configuration means when it is right; what is wrong is told by the scenario tests' table.
 */
#include "unit.h"

#include "config/config_keys.h"
#include "config/config_load.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

struct files {
    char folder[64];
};

static int make_folder(void **state)
{
    struct files *files = calloc(1, sizeof *files);

    snprintf(files->folder, sizeof files->folder, "/tmp/leafd-unit-XXXXXX");
    *state = files;
    unsetenv("VAULT_ADDR");
    unsetenv("BAO_ADDR");
    return mkdtemp(files->folder) == NULL;
}

static int remove_folder(void **state)
{
    struct files *files = *state;
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", files->folder);
    free(files);
    return system(command);
}

static const char *put(const struct files *files, const char *name, const char *text)
{
    static char path[192];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", files->folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return path;
}

static struct config *load(const struct files *files, const char *text)
{
    char path[192];
    struct config_problems problems = {0};
    struct config *config;

    snprintf(path, sizeof path, "%s", put(files, "leafd.ini", text));
    config = config_load(path, false, &problems);
    if (config == NULL)
        config_problems_print(&problems, stderr);
    config_problems_free(&problems);
    return config;
}

static const char head[] = "[vault]\naddress = https://vault.example.com:8200/\n"
                           "[auth]\nrole = leafd\n";

static struct config *load_cert(const struct files *files, const char *lines)
{
    char text[4096];

    snprintf(text, sizeof text,
             "%s[agent]\ntemplate_directory = %s\n[cert web]\npki_role = web\ndirectory = /run/x\n"
             "%s",
             head, files->folder, lines);
    return load(files, text);
}

static void what_is_not_given_has_its_default(void **state)
{
    struct config *config = load_cert(*state, "dns_names = a.b\nfile = k key\n");
    const struct cert_config *cert;

    assert_non_null(config);
    cert = config_cert(config, "web");
    assert_string_equal(config->vault.address, "https://vault.example.com:8200");
    assert_int_equal(config->vault.timeout_s, 30);
    assert_int_equal(config->auth.method, AUTH_KUBERNETES);
    assert_string_equal(config->auth.mount, "kubernetes");
    assert_string_equal(config->auth.token_file,
                        "/var/run/secrets/kubernetes.io/serviceaccount/token");
    assert_int_equal(config->agent.max_in_flight, 16);
    assert_int_equal(config->agent.listen.count, 1);
    assert_string_equal(config->agent.listen.items[0].host, "127.0.0.1");
    assert_int_equal(config->agent.listen.items[0].port, 9465);
    assert_string_equal(cert->pki_mount, "pki");
    assert_int_equal(cert->request.key_type, KEY_ECDSA_P256);
    assert_int_equal(cert->key_rotation, KEY_ROTATE_ALWAYS);
    assert_int_equal(cert->directory_mode, 0755);
    assert_int_equal(cert->outputs.items[0].mode, 0600);
    assert_int_equal(cert->reloads.count, 1);
    assert_int_equal(cert->reloads.items[0].verb, RELOAD_NONE);
    assert_int_equal(cert->prove.method, PROVE_NONE);
    assert_int_equal(cert->prove_timeout_s, 60);
    assert_int_equal(cert->prove_every_s, 300);
    assert_true(cert->rollback);
    assert_null(config_cert(config, "db"));
    config_unref(config);
}

static void names_are_brought_into_one_form(void **state)
{
    struct config *config =
        load_cert(*state, "dns_names = A.Example.COM, *.b.example.com, _acme_1.x.example\n"
                          "dns_names = b\xc3\xbc"
                          "cher.example\n"
                          "ip_addresses = 2001:0DB8:0::7, 192.0.2.7, ::ffff:192.0.2.1\n"
                          "uris = spiffe://example.org/a, URN:a:B, HTTPS://X.Example:443/A?b=C#D\n"
                          "uris = ldap://[2001:DB8::7]/c=GB?objectClass?one\n"
                          "email_addresses = Ops@EXAMPLE.com\nfile = k key\n");
    const struct names *names;

    assert_non_null(config);
    names = &config->certs[0].request.names;
    assert_int_equal(names->dns.count, 4);
    assert_string_equal(names->dns.items[0], "a.example.com");
    assert_string_equal(names->dns.items[1], "*.b.example.com");
    assert_string_equal(names->dns.items[2], "_acme_1.x.example");
    assert_string_equal(names->dns.items[3], "xn--bcher-kva.example");
    assert_string_equal(names->ip.items[0], "2001:db8::7");
    assert_string_equal(names->ip.items[2], "192.0.2.1");
    assert_string_equal(names->uri.items[0], "spiffe://example.org/a");
    assert_string_equal(names->uri.items[1], "urn:a:B");
    assert_string_equal(names->uri.items[2], "https://X.Example:443/A?b=C#D");
    assert_string_equal(names->uri.items[3], "ldap://[2001:DB8::7]/c=GB?objectClass?one");
    assert_string_equal(names->email.items[0], "Ops@example.com");
    config_unref(config);
}

/* A list of items of an environment's making obtained names that nobody wrote. */
static void an_expansion_is_one_item_of_a_list(void **state)
{
    struct config *config;

    setenv("LEAFD_HOST", "a.example.com", 1);
    config = load_cert(*state, "dns_names = b.example, ${env.LEAFD_HOST}, x.${env.LEAFD_HOST}\n"
                               "file = k key\n");
    assert_non_null(config);
    assert_int_equal(config->certs[0].request.names.dns.count, 3);
    assert_string_equal(config->certs[0].request.names.dns.items[2], "x.a.example.com");
    config_unref(config);
    setenv("LEAFD_HOST", "admin.example.com,a", 1);
    assert_null(load_cert(*state, "dns_names = ${env.LEAFD_HOST}\nfile = k key\n"));
    assert_null(load_cert(*state, "uris = https://x.example/${env.LEAFD_HOST}\nfile = k key\n"));
    assert_null(load_cert(*state, "email_addresses = a@${env.LEAFD_HOST}\nfile = k key\n"));
}

/* inih splits such lines and takes what is behind a blank and ; away; ours are 4096 bytes. */
static void a_subject_is_taken_apart_as_names_are_written(void **state)
{
    static const char *const wrong[] = {
        "CN=a.b",
        "cn=a.b",
        "O",
        "O=",
        "O=a,,OU=b",
        "X=a",
        "O=a, O=a",
        "O=a\xc3",
        "O=a\xed\xa0\x80",
        "O=a\xc2\x85",
        "O=a\x07",
        "C=GER",
        "C=X",
        "C=!!",
        "C=1a",
        "C=\xc3\xbc",
        "serialNumber=a_b",
        "serialNumber=a\xc3\xbc",
        "=a",
        "O=a\\, Inc,",
        "OU",
        ",",
        "O = a",
        "O=a,1.2.3=b",
        "O=a,DC=b",
        "O=${env.NO_SUCH_NAME}",
    };
    struct config *config =
        load_cert(*state, "dns_names = a.b\nfile = k key\n"
                          "subject = o=Example\\, Inc, ou=Team A ,C=DE\nsubject = OU=Team B\\\\C, "
                          "L=M\xc3\xbcnchen\n");
    const struct text_list *subject;

    assert_non_null(config);
    subject = &config->certs[0].request.names.subject;
    assert_int_equal(subject->count, 5);
    assert_string_equal(subject->items[0], "O=Example, Inc");
    assert_string_equal(subject->items[1], "OU=Team A");
    assert_string_equal(subject->items[2], "C=DE");
    assert_string_equal(subject->items[3], "OU=Team B\\C");
    assert_string_equal(subject->items[4], "L=M\xc3\xbcnchen");
    config_unref(config);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        char text[256];

        snprintf(text, sizeof text, "dns_names = a.b\nfile = k key\nsubject = %s\n", wrong[i]);
        if (load_cert(*state, text) != NULL)
            fail_msg("accepted: %s", wrong[i]);
    }
}

static void a_long_value_is_read_whole(void **state)
{
    char lines[3000], word[2001];
    struct config *config;

    memset(word, 'x', 2000);
    word[2000] = '\0';
    snprintf(lines, sizeof lines,
             "uris = spiffe://example.org/%s\ndns_names = a.b\nfile = k key\n"
             "reload = exec /bin/echo %.300s a;b #c\n",
             word, word);
    assert_null(load_cert(*state, lines)); /* the last word starts like a comment */
    *strstr(lines, " #c") = '\0';
    config = load_cert(*state, lines);
    assert_non_null(config);
    assert_int_equal(strlen(config->certs[0].request.names.uri.items[0]), 2000 + 21);
    assert_int_equal(config->certs[0].reloads.items[0].argv.count, 3);
    assert_string_equal(config->certs[0].reloads.items[0].argv.items[2], "a;b");
    config_unref(config);
}

static void a_section_goes_before_its_template_and_that_before_defaults(void **state)
{
    struct files *files = *state;
    struct config *config;
    const struct cert_config *web;
    char text[2048];

    put(files, "site.ini",
        "[template]\nfile = t.crt fullchain\nfile = t.key key\nkey_type = rsa-2048\n"
        "reload = signal HUP pidfile ${cert.directory}/t.pid\nusage = server\n");
    snprintf(text, sizeof text,
             "%s[agent]\ntemplate_directory = %s\n"
             "[defaults]\nttl = 24h\nkey_type = ed25519\nusage = client\nreload = none\n"
             "directory = /run/${cert.name}\npki_role = all\ndns_names = ${cert.name}.example\n"
             "[cert web]\ntemplate = site\nusage = both\nfile = w.pem combined\n"
             "[cert db]\nfile = k key\n",
             head, files->folder);
    config = load(files, text);
    assert_non_null(config);
    web = config_cert(config, "web");
    assert_int_equal(web->request.usage, USAGE_SERVER | USAGE_CLIENT);
    assert_int_equal(web->request.key_type, KEY_RSA_2048);
    assert_int_equal(web->request.ttl_s, 86400);
    assert_string_equal(web->directory, "/run/web");
    assert_string_equal(web->request.names.dns.items[0], "web.example");
    assert_int_equal(web->outputs.count, 1);
    assert_string_equal(web->outputs.items[0].name, "w.pem");
    assert_int_equal(web->reloads.items[0].verb, RELOAD_SIGNAL_PIDFILE);
    assert_string_equal(web->reloads.items[0].target, "/run/web/t.pid");
    assert_int_equal(config_cert(config, "db")->request.key_type, KEY_ED25519);
    config_unref(config);
}

static void commands_are_split_before_they_are_expanded(void **state)
{
    struct config *config;
    const struct text_list *argv;

    setenv("LEAFD_UNIT", "two words; rm -rf /", 1);
    config = load_cert(*state, "dns_names = a.b\nfile = k key\n"
                               "reload = exec /bin/echo ${env.LEAFD_UNIT} \"a b\" $${x} c\n");
    assert_non_null(config);
    argv = &config->certs[0].reloads.items[0].argv;
    assert_int_equal(argv->count, 5);
    assert_string_equal(argv->items[1], "two words; rm -rf /");
    assert_string_equal(argv->items[2], "a b");
    assert_string_equal(argv->items[3], "${x}");
    config_unref(config);
}

static void the_service_account_token_tells_namespace_and_account(void **state)
{
    struct files *files = *state;
    char text[2048], path[192];
    struct config *config;

    /* {"kubernetes.io":{"namespace":"demo","serviceaccount":{"name":"app"},"pod":{"name":"p-1"}}}
     */
    snprintf(path, sizeof path, "%s",
             put(files, "token",
                 "e30.eyJrdWJlcm5ldGVzLmlvIjp7Im5hbWVzcGFjZSI6ImRlbW8iLCJzZXJ2aWNlYWNjb3VudCI6eyJu"
                 "YW1lIjoiYXBwIn0sInBvZCI6eyJuYW1lIjoicC0xIn19fQ.c2ln\n"));
    snprintf(text, sizeof text,
             "[vault]\naddress = https://v\nnamespace = teams/${k8s.namespace}\n"
             "[auth]\nrole = ${k8s.service_account}\ntoken_file = %s\n"
             "[cert web]\npki_role = web\ndirectory = /run/x\nfile = k key\n"
             "uris = spiffe://td/ns/${k8s.namespace}/sa/${k8s.service_account}/${k8s.pod}\n",
             path);
    config = load(files, text);
    assert_non_null(config);
    assert_string_equal(config->certs[0].request.names.uri.items[0],
                        "spiffe://td/ns/demo/sa/app/p-1");
    assert_string_equal(config->vault.namespace, "teams/demo");
    assert_string_equal(config->auth.role, "app");
    config_unref(config);
}

static void the_environment_stands_in_for_what_is_not_given(void **state)
{
    struct files *files = *state;
    static const char rest[] = "[auth]\nrole = r\n[cert web]\npki_role = web\ndirectory = /run/x\n"
                               "dns_names = a.b\nfile = k key\n";
    struct config *config;

    setenv("VAULT_ADDR", "https://vault:8200", 1);
    config = load(files, rest);
    assert_string_equal(config->vault.address, "https://vault:8200");
    config_unref(config);
    setenv("BAO_ADDR", "https://bao:8200", 1);
    config = load(files, rest);
    assert_string_equal(config->vault.address, "https://bao:8200");
    config_unref(config);
    setenv("BAO_ADDR", "", 1); /* set but empty: it wins, and says nothing */
    assert_null(load(files, rest));
}

static void includes_add_sections(void **state)
{
    struct files *files = *state;
    char text[1024];
    struct config *config;

    put(files, "one.conf",
        "[cert one]\npki_role = r\ndirectory = /run/1\ndns_names = a.b\n"
        "file = k key\n");
    put(files, "two.conf",
        "[cert two]\npki_role = r\ndirectory = /run/2\ndns_names = a.b\n"
        "file = k key\n");
    snprintf(text, sizeof text, "%s[agent]\ninclude = *.conf\ninclude = nowhere/*.conf\n", head);
    config = load(files, text);
    assert_non_null(config);
    assert_int_equal(config->cert_count, 2);
    assert_non_null(config_cert(config, "one"));
    config_unref(config);
}

static void equal_sections_have_equal_digests_and_changed_ones_do_not(void **state)
{
    struct config *a = load_cert(*state, "dns_names = a.b\nfile = k key\n");
    struct config *b = load_cert(*state, "file = k key\n# a comment\ndns_names =  a.b\n");
    struct config *c = load_cert(*state, "dns_names = a.b\nfile = k key 0640\n");

    assert_string_equal(a->certs[0].digest, b->certs[0].digest);
    assert_string_not_equal(a->certs[0].digest, c->certs[0].digest);
    assert_string_equal(a->session_digest, c->session_digest);
    config_unref(a);
    config_unref(b);
    config_unref(c);
}

/* Writes so many sections of one template, loads them, and gives the processor time of each. */
static double load_many(const struct files *files, unsigned count)
{
    struct config *config;
    char path[192], name[32];
    struct config_problems problems = {0};
    clock_t begin;
    FILE *file;

    put(files, "many.ini", "[template]\nfile = tls.crt fullchain\nfile = tls.key key\n");
    snprintf(path, sizeof path, "%s", put(files, "leafd.ini", head));
    file = fopen(path, "a");
    assert_non_null(file);
    fprintf(file, "[agent]\ntemplate_directory = %s\n[defaults]\npki_role = web\n", files->folder);
    for (unsigned i = 0; i < count; i++)
        fprintf(file,
                "[cert c%u]\ntemplate = many\ndns_names = c%u.example.com\n"
                "directory = /run/x/c%u\n",
                i, i, i);
    fclose(file);
    begin = clock();
    config = config_load(path, false, &problems);
    begin = clock() - begin;
    assert_non_null(config);
    config_forget_source(config);
    for (unsigned i = 0; i < count; i += count / 10) {
        snprintf(name, sizeof name, "c%u", i);
        assert_string_equal(config_cert(config, name)->name, name);
        assert_int_equal(config_cert(config, name)->outputs.count, 2);
    }
    assert_null(config_cert(config, "c"));
    config_unref(config);
    return (double)begin / CLOCKS_PER_SEC / count;
}

/* What is quadratic takes eight times as long for each of eight times as many. */
static void ten_thousand_sections_cost_no_more_each_than_a_few(void **state)
{
    const struct files *files = *state;
    double few = load_many(files, 1250), many = load_many(files, 10000);

    assert_true(many < few * 3);
}

static void windows_and_owners_are_understood(void **state)
{
    struct config *config = load_cert(
        *state, "dns_names = a.b\nrenew_at = 60%..70%\nfile = k key 0640 root:0\n"
                "file = c certificate 0444 :0\nlink = /etc/ssl/k k\ndirectory_mode = 2750\n");
    const struct cert_config *cert;

    assert_non_null(config);
    cert = &config->certs[0];
    assert_int_equal(cert->renewal.from_percent, 60);
    assert_int_equal(cert->renewal.to_percent, 70);
    assert_int_equal(cert->outputs.items[0].owner, 0);
    assert_int_equal(cert->outputs.items[0].group, 0);
    assert_int_equal(cert->outputs.items[1].owner, OWNER_UNCHANGED);
    assert_int_equal(cert->outputs.items[1].group, 0);
    assert_string_equal(cert->links.items[0].path, "/etc/ssl/k");
    assert_int_equal(cert->directory_mode, 02750);
    config_unref(config);
}

/* What is the same for all is kept once; a section with a key of its own has that one alone. */
static void what_a_default_means_is_kept_once_for_all_sections(void **state)
{
    char text[1024];
    struct config *config;
    const struct cert_config *a, *b, *c;

    snprintf(text, sizeof text,
             "%s[defaults]\npki_role = web\ndns_names = ${cert.name}.x\nfile = k key\n"
             "file = c certificate\ndirectory = /run/${cert.name}/\nttl = 1h\nkey_type = rsa-2048\n"
             "validate = exec /bin/true a\n[cert a]\n[cert b]\nfile = only key\nttl = 2h\n"
             "key_type = ed25519\nvalidate = exec /bin/true\n[cert c]\n",
             head);
    config = load(*state, text);
    assert_non_null(config);
    a = config_cert(config, "a");
    b = config_cert(config, "b");
    c = config_cert(config, "c");
    assert_ptr_equal(a->outputs.items, c->outputs.items);
    assert_ptr_equal(a->pki_role, b->pki_role);
    assert_int_equal(a->outputs.count, 2);
    assert_int_equal(b->outputs.count, 1);
    assert_string_equal(b->outputs.items[0].name, "only");
    assert_int_equal(a->validate.count, 2);
    assert_int_equal(b->validate.count, 1);
    assert_int_equal(b->request.key_type, KEY_ED25519);
    assert_int_equal(b->request.ttl_s, 7200);
    assert_int_equal(c->request.key_type, KEY_RSA_2048);
    assert_int_equal(c->request.ttl_s, 3600);
    assert_string_equal(c->directory, "/run/c");
    assert_string_equal(c->request.names.dns.items[0], "c.x");
    assert_string_equal(c->sds_ca_name, "c-ca");
    assert_true(config_uses_directory(config, "/run/b"));
    assert_false(config_uses_directory(config, "/run"));
    config_unref(config);
}

/* Which layer a value stands in makes no other section. */
static void equal_settings_have_equal_digests_wherever_they_stand(void **state)
{
    static const char *const texts[] = {
        "[defaults]\nttl = 1h\nrenew_before = 9m\n[cert web]\n",
        "[defaults]\nttl = 2h\n[cert web]\nttl = 1h\nrenew_before = 9m\n",
        "[cert web]\nrenew_before = 9m\nttl = 1h\n",
        "[cert web]\nrenew_before = 9m\nttl = 2h\n",
    };
    char first[DIGEST_HEX_BYTES] = "";

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        char text[1024];
        struct config *config;

        snprintf(text, sizeof text,
                 "%s%spki_role = web\ndirectory = /run/x\ndns_names = a.b\nfile = k key\n", head,
                 texts[i]);
        config = load(*state, text);
        assert_non_null(config);
        if (i == 0)
            memcpy(first, config->certs[0].digest, sizeof first);
        assert_int_equal(strcmp(first, config->certs[0].digest) == 0, i < 3);
        config_unref(config);
    }
}

/* A default that nobody takes is nobody's problem, and one that many take is told once. */
static void a_wrong_default_is_told_once_if_somebody_takes_it(void **state)
{
    static const struct row {
        const char *own;
        size_t problems;
    } rows[] = {{"ttl = 1h\n", 0}, {"", 1}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct config_problems problems = {0};
        const struct files *files = *state;
        struct config *config;
        char text[1024];

        snprintf(text, sizeof text,
                 "%s[defaults]\nttl = soon\npki_role = web\ndns_names = a.b\nfile = k key\n"
                 "[cert a]\ndirectory = /run/a\n%s[cert b]\ndirectory = /run/b\n%s",
                 head, rows[i].own, rows[i].own);
        config = config_load(put(files, "leafd.ini", text), false, &problems);
        assert_int_equal(problems.count, rows[i].problems);
        config_problems_free(&problems);
        config_unref(config);
    }
}

static void the_certificates_own_renewal_goes_before_the_defaults(void **state)
{
    static const struct row {
        const char *common, *own;
        unsigned to_percent;
        uint64_t before_s;
    } rows[] = {
        {"renew_at = 60%..70%", "renew_before = 10m", 0, 600},
        {"renew_before = 10m", "renew_at = 60%..70%", 70, 0},
        {"renew_before = 10m", "key_type = rsa-2048", 0, 600},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct config *config;
        char text[1024];

        snprintf(text, sizeof text,
                 "%s[defaults]\n%s\n[cert web]\npki_role = web\ndirectory = /run/x\n"
                 "dns_names = a.b\nfile = k key\n%s\n",
                 head, rows[i].common, rows[i].own);
        config = load(*state, text);
        assert_non_null(config);
        assert_int_equal(config->certs[0].renewal.to_percent, rows[i].to_percent);
        assert_int_equal(config->certs[0].renewal.before_s, rows[i].before_s);
        config_unref(config);
    }
}

static void who_proves_is_understood(void **state)
{
    static const struct row {
        const char *value, *host, *port, *socket, *server_name;
        enum starttls starttls;
        bool mutual;
    } rows[] = {
        {"db:5432", "db", "5432", NULL, NULL, STARTTLS_NONE, false},
        {"127.0.0.1:1 sni a.b", "127.0.0.1", "1", NULL, "a.b", STARTTLS_NONE, false},
        {"a.b:8443 mutual sni c.d", "a.b", "8443", NULL, "c.d", STARTTLS_NONE, true},
        {"[2001:db8::7]:443 starttls ldap sni a.b", "2001:db8::7", "443", NULL, "a.b",
         STARTTLS_LDAP, false},
        {"unix:/run/s/.s.PGSQL.5432 sni a.b starttls postgres", NULL, NULL, "/run/s/.s.PGSQL.5432",
         "a.b", STARTTLS_POSTGRES, false},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct config *config;
        const struct tls_target *tls;
        char text[512];

        snprintf(text, sizeof text, "dns_names = a.b\nfile = k key\nprove = tls %s\n",
                 rows[i].value);
        config = load_cert(*state, text);
        assert_non_null(config);
        assert_int_equal(config->certs[0].prove.method, PROVE_TLS);
        tls = &config->certs[0].prove.tls;
        assert_true(text_equal(tls->host, rows[i].host));
        assert_true(text_equal(tls->port, rows[i].port));
        assert_true(text_equal(tls->socket, rows[i].socket));
        assert_true(text_equal(tls->server_name, rows[i].server_name));
        assert_int_equal(tls->starttls, rows[i].starttls);
        assert_int_equal(tls->mutual, rows[i].mutual);
        config_unref(config);
    }
}

static void admin_interfaces_are_understood(void **state)
{
    static const struct row {
        const char *url, *asked, *socket, *label;
    } rows[] = {
        {"https://a.b/c?d=e", "https://a.b/c?d=e", NULL, "https://a.b/c"},
        {"http://localhost:2019/load", "http://localhost:2019/load", NULL,
         "http://localhost:2019/load"},
        {"http://127.8.9.1/", "http://127.8.9.1/", NULL, "http://127.8.9.1/"},
        {"http://[::1]:9901", "http://[::1]:9901", NULL, "http://[::1]:9901"},
        {"unix:/run/a.sock:/b?c", "http://localhost/b?c", "/run/a.sock", "unix:/run/a.sock:/b"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct config *config;
        const struct cert_config *cert;
        char text[512];

        snprintf(text, sizeof text,
                 "dns_names = a.b\nfile = k key\nreload = http PATCH %s\n"
                 "prove = http %s a[*].b\nprove_every = 0\nrollback = no\n",
                 rows[i].url, rows[i].url);
        config = load_cert(*state, text);
        assert_non_null(config);
        cert = &config->certs[0];
        assert_string_equal(cert->reloads.items[0].method, "PATCH");
        assert_string_equal(cert->reloads.items[0].http.url, rows[i].asked);
        assert_true(text_equal(cert->prove.http.socket, rows[i].socket));
        assert_string_equal(cert->prove.http.label, rows[i].label);
        assert_string_equal(cert->prove.json_path, "a[*].b");
        assert_int_equal(cert->prove_every_s, 0);
        assert_false(cert->rollback);
        config_unref(config);
    }
}

static void every_key_says_what_it_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_key_count; i++) {
        assert_non_null(config_keys[i].type);
        assert_non_null(config_keys[i].example);
        for (size_t j = 0; j < i; j++)
            if (strcmp(config_keys[i].name, config_keys[j].name) == 0)
                assert_int_equal(config_keys[i].sections & config_keys[j].sections, 0);
    }
}

int main(void)
{
#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        FILE_TEST(what_is_not_given_has_its_default),
        FILE_TEST(names_are_brought_into_one_form),
        FILE_TEST(an_expansion_is_one_item_of_a_list),
        FILE_TEST(a_long_value_is_read_whole),
        FILE_TEST(a_subject_is_taken_apart_as_names_are_written),
        FILE_TEST(a_section_goes_before_its_template_and_that_before_defaults),
        FILE_TEST(commands_are_split_before_they_are_expanded),
        FILE_TEST(the_service_account_token_tells_namespace_and_account),
        FILE_TEST(the_environment_stands_in_for_what_is_not_given),
        FILE_TEST(includes_add_sections),
        FILE_TEST(equal_sections_have_equal_digests_and_changed_ones_do_not),
        FILE_TEST(ten_thousand_sections_cost_no_more_each_than_a_few),
        FILE_TEST(windows_and_owners_are_understood),
        FILE_TEST(what_a_default_means_is_kept_once_for_all_sections),
        FILE_TEST(equal_settings_have_equal_digests_wherever_they_stand),
        FILE_TEST(a_wrong_default_is_told_once_if_somebody_takes_it),
        FILE_TEST(the_certificates_own_renewal_goes_before_the_defaults),
        FILE_TEST(who_proves_is_understood),
        FILE_TEST(admin_interfaces_are_understood),
        cmocka_unit_test(every_key_says_what_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
