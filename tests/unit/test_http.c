/* A request ends, whatever runs out meanwhile: nobody waits for a call that nothing drives any
 * more. */
#include "certs.h"
#include "unit.h"

#include "base/clock.h"
#include "http/http_call.h"
#include "http/http_origin.h"
#include "http/tls_files.h"
#include "servers.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A server that takes connections and says nothing, and a loop to ask it from. */
struct fixture {
    sd_event *loop;
    struct http_loop *http;
    struct workers *workers;
    int listener;
    char url[64];
    char ca_file[32]; /* one, since a test must not need those of the system */
    unsigned heard;
    struct err err;
};

/* How many of the next calls of sd_event_add_io fail, as they do without memory. */
static unsigned refused_sources;

int sd_event_add_io(sd_event *e, sd_event_source **s, int fd, uint32_t events,
                    sd_event_io_handler_t callback, void *userdata)
{
    typedef int add_io(sd_event *, sd_event_source **, int, uint32_t, sd_event_io_handler_t,
                       void *);
    add_io *real = NULL;
    void *found = dlsym(RTLD_NEXT, "sd_event_add_io");

    if (refused_sources > 0) {
        refused_sources--;
        return -ENOMEM;
    }
    memcpy(&real, &found, sizeof real);
    return real(e, s, fd, events, callback, userdata);
}

/* Which of the next texts that libcurl copies fails; 0: none. */
static unsigned refused_text;
static bool text_was_refused;

static char *copy_text(const char *text)
{
    if (refused_text > 0 && --refused_text == 0) {
        text_was_refused = true;
        return NULL;
    }
    return strdup(text);
}

/* From which of libcurl's next entries into its tables on there is no memory; 0: there is. */
static unsigned refused_block;
static bool block_was_refused;

static void *take_block(size_t count, size_t size)
{
    if (refused_block > 1)
        refused_block--;
    else if (refused_block == 1) {
        block_was_refused = true;
        return NULL;
    }
    return calloc(count, size);
}

/* What libcurl was told to trust; the system's until it is told otherwise. */
static const char *trusted_file, *trusted_path;

#undef curl_easy_setopt
CURLcode curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
    typedef CURLcode set_option(CURL *, CURLoption, ...);
    set_option *real = NULL;
    void *found = dlsym(RTLD_NEXT, "curl_easy_setopt");
    va_list args;
    CURLcode code;

    memcpy(&real, &found, sizeof real);
    va_start(args, option);
    if (option == CURLOPT_CAINFO || option == CURLOPT_CAPATH) {
        const char *text = va_arg(args, const char *);

        *(option == CURLOPT_CAINFO ? &trusted_file : &trusted_path) = text;
        code = real(easy, option, text);
    } else if (option < CURLOPTTYPE_OBJECTPOINT) {
        code = real(easy, option, va_arg(args, long));
    } else if (option >= CURLOPTTYPE_OFF_T && option < CURLOPTTYPE_BLOB) {
        code = real(easy, option, va_arg(args, curl_off_t));
    } else {
        code = real(easy, option, va_arg(args, void *));
    }
    va_end(args);
    return code;
}

/* The first to set libcurl up decides where its memory comes from. */
static int open_library(void **state)
{
    (void)state;
    return curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, free, realloc, copy_text,
                                take_block) != CURLE_OK;
}

static void write_ca(const char *path, const char *name)
{
    const struct cert_order order = {.common_name = name};
    EVP_PKEY *key = certs_key(0);
    X509 *ca = certs_make(&order, key, NULL, NULL);
    char *pem = certs_pem(ca);
    char other[64];
    FILE *file;

    snprintf(other, sizeof other, "%s.new", path);
    file = fopen(other, "w");
    assert_non_null(file);
    assert_true(fputs(pem, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(other, path), 0);
    free(pem);
    X509_free(ca);
    EVP_PKEY_free(key);
}

static int open_fixture(void **state)
{
    static struct fixture fixture;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    struct err err;

    fixture = (struct fixture){.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (bind(fixture.listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(fixture.listener, 8) != 0 ||
        getsockname(fixture.listener, (struct sockaddr *)&at, &size) != 0 ||
        sd_event_new(&fixture.loop) < 0 || !workers_open(fixture.loop, 1, &fixture.workers, &err) ||
        !http_loop_open(fixture.loop, fixture.workers, 1, 1, &fixture.http, &err))
        return -1;
    snprintf(fixture.url, sizeof fixture.url, "https://127.0.0.1:%d/", ntohs(at.sin_port));
    snprintf(fixture.ca_file, sizeof fixture.ca_file, "/tmp/ca-XXXXXX");
    close(mkstemp(fixture.ca_file));
    write_ca(fixture.ca_file, "one");
    *state = &fixture;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *fixture = *state;

    http_loop_close(fixture->http);
    assert_true(workers_close(fixture->workers, 10));
    sd_event_unref(fixture->loop);
    close(fixture->listener);
    unlink(fixture->ca_file);
    return 0;
}

static void hear(void *arg, const struct err *err)
{
    struct fixture *fixture = arg;

    fixture->heard++;
    fixture->err = *err;
}

static struct slot *ask(struct fixture *fixture, struct http_response *response, uint64_t timeout_s)
{
    const struct http_peer peer = {
        .ca_file = fixture->ca_file, .timeout_s = timeout_s, .connect_timeout_s = timeout_s};
    const struct http_request request = {.peer = &peer, .method = "GET", .url = fixture->url};
    struct err err;
    struct slot *slot = http_call_start(fixture->http, &request, response, hear, fixture, &err);

    assert_non_null(slot);
    return slot;
}

static void turn_until_heard(struct fixture *fixture, unsigned times)
{
    enum { PATIENCE_US = 60 * 1000000 };

    while (fixture->heard < times && sd_event_run(fixture->loop, PATIENCE_US) > 0)
        ;
}

static void a_socket_that_cannot_be_watched_fails_the_call_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct http_response first = {0}, queued = {0};
    struct slot *slots[2];

    slots[0] = ask(fixture, &first, 3600);
    slots[1] = ask(fixture, &queued, 3600);
    refused_sources = 2;
    turn_until_heard(fixture, 2);
    refused_sources = 0;
    assert_int_equal(fixture->heard, 2);
    assert_int_equal(fixture->err.kind, ERR_LOCAL);
    slot_drop(slots[0]);
    slot_drop(slots[1]);
}

static void a_call_ends_whatever_block_libcurl_does_not_get(void **state)
{
    struct fixture *fixture = *state;
    unsigned blocks = 0, heard = 0;

    do {
        struct http_response response = {0};
        struct slot *slot = ask(fixture, &response, 1);

        block_was_refused = false;
        refused_block = ++blocks;
        turn_until_heard(fixture, ++heard);
        refused_block = 0;
        slot_drop(slot);
        assert_int_equal(fixture->heard, heard);
    } while (block_was_refused);
    assert_true(blocks > 3);
}

static void the_call_after_it_is_driven_again(void **state)
{
    struct fixture *fixture = *state;
    struct http_response response = {0};
    struct slot *slot = ask(fixture, &response, 3600);

    refused_sources = 1;
    turn_until_heard(fixture, 1);
    slot_drop(slot);
    slot = ask(fixture, &response, 1);
    turn_until_heard(fixture, 2);
    assert_int_equal(fixture->heard, 2);
    assert_int_equal(fixture->err.kind, ERR_TRANSIENT);
    slot_drop(slot);
}

/* A request without its ca_file would trust the system's CAs, without its proxy "" the environment.
 */
static void a_request_never_starts_without_one_of_its_options(void **state)
{
    struct fixture *fixture = *state;
    struct http_response response = {0};
    const struct http_peer peer = {.ca_file = "/nonexistent/ca.pem",
                                   .client_certificate = "/nonexistent/tls.crt",
                                   .client_key = "/nonexistent/tls.key",
                                   .timeout_s = 1,
                                   .connect_timeout_s = 1};
    const struct http_request request = {.peer = &peer, .method = "GET", .url = fixture->url};
    unsigned texts = 0;

    for (;;) {
        struct err err;
        struct slot *slot;

        text_was_refused = false;
        refused_text = ++texts;
        slot = http_call_start(fixture->http, &request, &response, hear, fixture, &err);
        refused_text = 0;
        slot_drop(slot);
        if (!text_was_refused)
            break;
        assert_null(slot);
        assert_int_equal(err.kind, ERR_LOCAL);
    }
    assert_true(texts > 6);
}

static void every_code_of_libcurl_has_its_class(void **state)
{
    static const CURLcode untrusted[] = {
        CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_PINNEDPUBKEYNOTMATCH,
        CURLE_SSL_INVALIDCERTSTATUS,    CURLE_WRITE_ERROR,      CURLE_FILESIZE_EXCEEDED,
    };
    static const CURLcode local[] = {
        CURLE_OUT_OF_MEMORY,        CURLE_FAILED_INIT,
        CURLE_NOT_BUILT_IN,         CURLE_BAD_FUNCTION_ARGUMENT,
        CURLE_UNKNOWN_OPTION,       CURLE_READ_ERROR,
        CURLE_ABORTED_BY_CALLBACK,  CURLE_SSL_CERTPROBLEM,
        CURLE_SSL_CACERT_BADFILE,   CURLE_SSL_CRL_BADFILE,
        CURLE_SSL_CIPHER,           CURLE_SSL_ENGINE_NOTFOUND,
        CURLE_SSL_ENGINE_SETFAILED, CURLE_SSL_ENGINE_INITFAILED,
    };
    enum err_kind wanted[CURL_LAST];

    (void)state;
    for (int code = 0; code < CURL_LAST; code++)
        wanted[code] = ERR_TRANSIENT;
    wanted[CURLE_OK] = ERR_NONE;
    for (size_t i = 0; i < COUNT_OF(untrusted); i++)
        wanted[untrusted[i]] = ERR_UNTRUSTED;
    for (size_t i = 0; i < COUNT_OF(local); i++)
        wanted[local[i]] = ERR_LOCAL;
    wanted[CURLE_URL_MALFORMAT] = wanted[CURLE_UNSUPPORTED_PROTOCOL] = ERR_REFUSED;
    for (int code = 0; code < CURL_LAST; code++)
        if (http_class_of((CURLcode)code) != wanted[code])
            fail_msg("code %d is %s", code, err_kind_name(http_class_of((CURLcode)code)));
}

static void a_retry_after_is_obeyed_within_bounds_or_ignored(void **state)
{
    enum { NOW = 784111777 }; /* Sun, 06 Nov 1994 08:49:37 GMT */
    static const struct {
        const char *value;
        uint32_t seconds;
    } cases[] = {
        {"0", 0},
        {"120", 120},
        {"20380101", 20380101}, /* no day */
        {"4294967295", UINT32_MAX},
        {"4294967296", UINT32_MAX},
        {"9223372036854775808", UINT32_MAX},
        {"99999999999999999999999999", UINT32_MAX},
        {"-5", 0},
        {"-9223372036854775808", 0},
        {"+5", 0},
        {"5 minutes", 0},
        {"5.5", 0},
        {"", 0},
        {"soon", 0},
        {"Sun, 06 Nov 1994 08:50:37 GMT", 60},
        {"Sunday, 06-Nov-94 08:50:37 GMT", 60},
        {"Sun Nov  6 08:50:37 1994", 60},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
        {"Sun, 06 Nov 1994 08:48:37 GMT", 0},
        {"Sat, 06 Nov 2300 08:49:37 GMT", UINT32_MAX},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (http_retry_after_s(cases[i].value, NOW) != cases[i].seconds)
            fail_msg("%s is %u", cases[i].value, http_retry_after_s(cases[i].value, NOW));
}

static void note_date(void *arg, const struct http_dated *dated)
{
    *(struct http_dated *)arg = *dated;
}

/* What a reply with these headers tells of the time; all 0: nothing. */
static struct http_dated dated_reply(struct fixture *fixture, const char *headers,
                                     uint32_t *ret_retry_after_s)
{
    const struct http_peer peer = {.timeout_s = 20, .connect_timeout_s = 20, .plain = true};
    char url[64], reply[512];
    const struct http_request request = {.peer = &peer, .method = "GET", .url = url};
    struct http_response response = {0};
    struct http_dated dated = {0};
    struct server server;
    struct slot *slot;
    struct err err;

    snprintf(reply, sizeof reply, "HTTP/1.1 204 No Content\r\n%sConnection: close\r\n\r\n",
             headers);
    server_start(&server, &(struct server_order){.plain = 1, .http = reply});
    snprintf(url, sizeof url, "http://127.0.0.1:%s/", server.port);
    http_loop_watch_dates(fixture->http, note_date, &dated);
    slot = http_call_start(fixture->http, &request, &response, hear, fixture, &err);
    assert_non_null(slot);
    turn_until_heard(fixture, fixture->heard + 1);
    assert_int_equal(fixture->err.kind, ERR_NONE);
    slot_drop(slot);
    *ret_retry_after_s = response.retry_after_s;
    http_response_free(&response);
    server_stop(&server);
    return dated;
}

static void the_date_of_a_reply_is_read_in_each_of_https_three_ways(void **state)
{
    static const struct {
        const char *headers;
        uint64_t date_s;
    } cases[] = {
        {"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 784111777},
        {"Date: Sunday, 06-Nov-94 08:49:37 GMT\r\n", 784111777},
        {"Date: Sun Nov  6 08:49:37 1994\r\n", 784111777},
        {"date: Fri, 20 Nov 2026 21:28:38 GMT\r\n", 1795210118},
        {"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n", 0},
        {"Date: Sat, 06 Nov 2106 08:49:37 GMT\r\n", 4318476577},
        {"", 0},
        {"Date:\r\n", 0},
        {"Date: soon\r\n", 0},
        {"Date: 99999999999999999999\r\n", 0},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t before_ms = clock_now_ms();
        uint32_t retry_after_s;
        struct http_dated dated = dated_reply(*state, cases[i].headers, &retry_after_s);

        assert_int_equal(retry_after_s, 0);

        assert_int_equal(dated.date_s, cases[i].date_s);
        if (dated.date_s == 0)
            continue;
        /* libcurl rounds its times to milliseconds here and there. */
        assert_in_range(dated.received_ms + 2, before_ms, clock_now_ms() + 2);
        assert_in_range(dated.took_ms, 0, clock_now_ms() - before_ms + 1);
    }
}

static void a_retry_after_by_date_is_held_against_the_replys_own_date(void **state)
{
    static const struct {
        const char *headers;
        uint32_t seconds;
    } cases[] = {
        {"Retry-After: 7\r\n", 7},
        {"Retry-After: -7\r\n", 0},
        {"Retry-After: 99999999999999999999\r\n", UINT32_MAX},
        /* By our own clock this was over long ago. */
        {"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n",
         30},
        {"Retry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n", 0},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint32_t seconds;

        dated_reply(*state, cases[i].headers, &seconds);
        assert_int_equal(seconds, cases[i].seconds);
    }
}

/* libcurl would open a path on the event loop, and its own default stays where none is set. */
static void libcurl_is_told_no_path_of_a_ca(void **state)
{
    static const struct http_peer peers[] = {
        {.timeout_s = 1, .connect_timeout_s = 1, .ca_file = "/nowhere/ca.pem"},
        {.timeout_s = 1, .connect_timeout_s = 1, .ca_path = "/nowhere"},
        {.timeout_s = 1, .connect_timeout_s = 1},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(peers); i++) {
        const struct http_request request = {
            .peer = &peers[i], .method = "GET", .url = fixture->url};
        struct http_response response = {0};
        struct slot *slot;
        struct err err;

        trusted_file = trusted_path = "the system's";
        slot = http_call_start(fixture->http, &request, &response, hear, fixture, &err);
        assert_non_null(slot);
        assert_null(trusted_file);
        assert_null(trusted_path);
        slot_drop(slot);
    }
}

static void ask_peer(struct fixture *fixture, const struct http_peer *peer)
{
    const struct http_request request = {.peer = peer, .method = "GET", .url = fixture->url};
    struct http_response response = {0};
    struct slot *slot;
    struct err err;

    fixture->heard = 0;
    slot = http_call_start(fixture->http, &request, &response, hear, fixture, &err);
    assert_non_null(slot);
    turn_until_heard(fixture, 1);
    assert_int_equal(fixture->heard, 1);
    slot_drop(slot);
}

static void a_file_of_tls_that_cannot_be_read_is_named(void **state)
{
    static const struct {
        struct http_peer peer;
        const char *says;
    } cases[] = {
        {{.ca_file = "/nowhere/ca.pem"}, "cannot read ca_file /nowhere/ca.pem: "},
        {{.ca_file = "/etc/hostname"},
         "cannot read ca_file /etc/hostname: it holds no certificate"},
        {{.ca_path = "/nowhere"}, "cannot read ca_path /nowhere: "},
        {{.ca_path = "/proc/self"}, "run openssl rehash on it"},
        {{.client_certificate = "/nowhere/tls.crt"}, "cannot read client_certificate /nowhere/"},
        {{.client_key = "/nowhere/tls.key"}, "cannot read client_key /nowhere/tls.key: "},
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct http_peer peer = cases[i].peer;

        peer.timeout_s = peer.connect_timeout_s = 4;
        ask_peer(fixture, &peer);
        assert_int_equal(fixture->err.kind, ERR_LOCAL);
        if (strstr(fixture->err.text, cases[i].says) == NULL)
            fail_msg("%s: %s", cases[i].says, fixture->err.text);
    }
}

static void an_anchor_that_cannot_be_read_is_named_as_the_operator_wrote_it(void **state)
{
    struct fixture *fixture = *state;
    const struct http_admin_order order = {
        .method = "GET", .url = fixture->url, .trust_anchor = "/nowhere/anchor.pem", .limit_s = 4};
    struct http_response response = {0};
    struct slot *slot;
    struct err err;

    slot = http_admin_start(fixture->http, &order, &response, hear, fixture, &err);
    assert_non_null(slot);
    turn_until_heard(fixture, 1);
    assert_int_equal(fixture->err.kind, ERR_LOCAL);
    if (strstr(fixture->err.text, "cannot read trust_anchor /nowhere/anchor.pem: ") == NULL)
        fail_msg("%s", fixture->err.text);
    slot_drop(slot);
}

/* Reads the files by a worker, not from what was read a moment ago. */
static struct tls_files *read_anew(struct fixture *fixture, const char *ca_file)
{
    enum { READ_A_MOMENT_AGO_US = 300000 };
    const struct tls_names names = {.ca_file = ca_file, .ca_key = "ca_file"};
    const uint64_t since_us = clock_boot_us();
    struct tls_files *files = NULL;

    do {
        struct slot *slot;
        struct err err;

        tls_files_unref(files);
        fixture->heard = 0;
        slot = tls_files_start(http_loop_tls(fixture->http), &names, 4, hear, fixture, &err);
        assert_non_null(slot);
        turn_until_heard(fixture, 1);
        assert_int_equal(fixture->err.kind, ERR_NONE);
        files = tls_files_take(slot);
        slot_drop(slot);
    } while (clock_boot_us() - since_us < READ_A_MOMENT_AGO_US);
    return files;
}

static void cas_are_parsed_again_when_their_file_changes_and_only_then(void **state)
{
    struct fixture *fixture = *state;
    struct tls_files *first, *second, *third;

    first = read_anew(fixture, fixture->ca_file);
    second = read_anew(fixture, fixture->ca_file);
    assert_ptr_equal(first, second);
    assert_int_equal(sk_X509_OBJECT_num(X509_STORE_get0_objects(first->cas)), 1);
    write_ca(fixture->ca_file, "two");
    third = read_anew(fixture, fixture->ca_file);
    assert_ptr_not_equal(first, third);
    assert_string_not_equal(bytes_text(&first->ca_text), bytes_text(&third->ca_text));
    tls_files_unref(first);
    tls_files_unref(second);
    tls_files_unref(third);
}

static bool run_until_closed(void *job, struct err *err)
{
    char c;

    (void)err;
    return read(*(int *)job, &c, 1) <= 0;
}

static void keep_job(void *job)
{
    (void)job;
}

/* The only thread stands for one on a file system that hangs. */
static void a_call_waits_no_longer_for_its_files_than_for_its_server(void **state)
{
    const struct http_peer peer = {
        .ca_file = "/nowhere/other.pem", .timeout_s = 1, .connect_timeout_s = 1};
    struct fixture *fixture = *state;
    struct slot *hang;
    struct err err;
    int until[2];

    assert_int_equal(pipe(until), 0);
    hang = worker_start(fixture->workers, WORK_NEXT, run_until_closed, &until[0], keep_job, hear,
                        fixture, &err);
    assert_non_null(hang);
    ask_peer(fixture, &peer);
    assert_int_equal(fixture->err.kind, ERR_LOCAL);
    assert_non_null(
        strstr(fixture->err.text, "cannot read ca_file /nowhere/other.pem within 1s; check"));
    close(until[1]);
    turn_until_heard(fixture, 2);
    slot_drop(hang);
    close(until[0]);
}

static void a_url_leads_where_libcurl_would_go(void **state)
{
    static const struct {
        const char *url, *host; /* NULL: nowhere */
        bool tls, user;
        unsigned port;
        const char *same, *other;
    } cases[] = {
        {"https://ca.example.test/v1/x", "ca.example.test", true, false, 443, "CA.example.test.",
         "example.test"},
        {"HTTPS://CA.Example.TEST.:8200/", "ca.example.test", true, false, 8200, "ca.example.test",
         "ca.example.test.org"},
        {"http://ca.example.test:8200", "ca.example.test", false, false, 8200, "ca.example.test",
         "a.example.test"},
        {"https://ca.example.test@evil.test:8200/", "evil.test", true, true, 8200, "evil.test",
         "ca.example.test"},
        {"https://ca.example.test:8200@evil.test/", "evil.test", true, true, 443, "evil.test",
         "ca.example.test"},
        {"https://evil.test/@ca.example.test:8200", "evil.test", true, false, 443, "evil.test",
         "ca.example.test"},
        {"https://evil.test?ca.example.test:8200/", "evil.test", true, false, 443, "evil.test",
         "ca.example.test"},
        {"https://evil.test#@ca.example.test/", "evil.test", true, false, 443, "evil.test",
         "ca.example.test"},
        {"https://evil.test\\@ca.example.test/", "ca.example.test", true, true, 443,
         "ca.example.test", "evil.test"},
        {"https://%63a.example.test/", "ca.example.test", true, false, 443, "ca.example.test",
         "example.test"},
        {"https://[2001:DB8::1]:8200/", "2001:db8::1", true, false, 8200, "2001:0db8:0:0::1",
         "2001:db8::2"},
        {"https://192.0.2.1/", "192.0.2.1", true, false, 443, "192.0.2.1", "192.0.2.10"},
        {"https://127.1/", "127.0.0.1", true, false, 443, "127.0.0.1", "127.1"},
        {"ftp://ca.example.test/", "ca.example.test", false, false, 21, "ca.example.test", "x"},
        {"/v1", NULL, false, false, 0, NULL, NULL},
        {"https://ca.example.test:99999/", NULL, false, false, 0, NULL, NULL},
        {"", NULL, false, false, 0, NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_origin origin;
        bool read = http_origin_of(cases[i].url, &origin);

        if (cases[i].host == NULL && !read)
            continue;
        if (!read || cases[i].host == NULL || strcmp(origin.host, cases[i].host) != 0 ||
            origin.tls != cases[i].tls || origin.user != cases[i].user ||
            origin.port != cases[i].port || !http_origin_is_at(&origin, cases[i].same) ||
            http_origin_is_at(&origin, cases[i].other))
            fail_msg("%s leads to %s:%u", cases[i].url, origin.host, (unsigned)origin.port);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_request_never_starts_without_one_of_its_options,
                                        open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(a_socket_that_cannot_be_watched_fails_the_call_at_once,
                                        open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(a_call_ends_whatever_block_libcurl_does_not_get,
                                        open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(the_call_after_it_is_driven_again, open_fixture,
                                        close_fixture),
        cmocka_unit_test(a_url_leads_where_libcurl_would_go),
        cmocka_unit_test(every_code_of_libcurl_has_its_class),
        cmocka_unit_test(a_retry_after_is_obeyed_within_bounds_or_ignored),
        cmocka_unit_test_setup_teardown(a_retry_after_by_date_is_held_against_the_replys_own_date,
                                        open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(libcurl_is_told_no_path_of_a_ca, open_fixture,
                                        close_fixture),
        cmocka_unit_test_setup_teardown(a_file_of_tls_that_cannot_be_read_is_named, open_fixture,
                                        close_fixture),
        cmocka_unit_test_setup_teardown(
            an_anchor_that_cannot_be_read_is_named_as_the_operator_wrote_it, open_fixture,
            close_fixture),
        cmocka_unit_test_setup_teardown(cas_are_parsed_again_when_their_file_changes_and_only_then,
                                        open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(a_call_waits_no_longer_for_its_files_than_for_its_server,
                                        open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(the_date_of_a_reply_is_read_in_each_of_https_three_ways,
                                        open_fixture, close_fixture),
    };

    return cmocka_run_group_tests(tests, open_library, NULL);
}
