/* What is shown by HTTP: which format of metrics, how texts of others are escaped, the page's
 * policy. */
#include "unit.h"

#include "app/metrics_text.h"
#include "app/page.h"

#include <openssl/evp.h>

static void openmetrics_is_for_who_prefers_it(void **state)
{
    static const struct {
        const char *accept;
        bool wants;
    } cases[] = {
        {NULL, false},
        {"", false},
        {"*/*", false},
        {"text/plain", false},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false},
        {"application/openmetrics-text", true},
        {"Application/OpenMetrics-Text; version=1.0.0; charset=utf-8", true},
        {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
         "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.3,"
         "text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
         true},
        {"application/openmetrics-text;q=0", false},
        {"application/openmetrics-text; q=0.1, text/plain; q=0.9", false},
        {"text/plain;q=0.5 , application/openmetrics-text;q=0.5", true},
        {"application/openmetrics-textual", false},
        {",,;q=,application/openmetrics-text;q", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (metrics_wants_open(cases[i].accept) != cases[i].wants)
            fail_msg("Accept: %s", cases[i].accept);
}

static void the_end_of_a_request_is_one_of_few_words(void **state)
{
    static const struct {
        CURLcode how;
        int status;
        const char *code;
    } cases[] = {
        {CURLE_OK, 200, "200"},
        {CURLE_OK, 503, "503"},
        {CURLE_OK, 99, "other"},
        {CURLE_OK, 600, "other"},
        {CURLE_OPERATION_TIMEDOUT, 0, "timeout"},
        {CURLE_COULDNT_RESOLVE_HOST, 0, "dns"},
        {CURLE_COULDNT_CONNECT, 0, "connect"},
        {CURLE_PEER_FAILED_VERIFICATION, 0, "tls"},
        {CURLE_GOT_NOTHING, 0, "failed"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct http_spent spent = {
            .operation = "sign", .how = cases[i].how, .status = cases[i].status};
        char code[METRICS_CODE_BYTES];

        metrics_code(&spent, code);
        assert_string_equal(code, cases[i].code);
    }
}

/* The texts of one certificate that an enemy could have named. */
static json_t *rows(void)
{
    return json_pack("[{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:s, s:{s:s, s:s, s:i, s:n}}]",
                     "cert", "a\"b\\c\nd", "state", "fresh", "detail",
                     "<script>alert('&\"')</script>", "serial", "01", "reload", "none", "ready", 1,
                     "usable", 1, "failing", 1, "advice", "", "failure", "class", "consumer",
                     "error", "<img src=x onerror=y>", "failures", 1, "try_again_at");
}

static void a_label_is_escaped(void **state)
{
    struct cert_config section = {.name = "x", .pki_mount = "m\"", .pki_role = "r\\"};
    struct config config = {.certs = &section, .cert_count = 1};
    json_auto_t *agent = json_pack("{s:n}", "problem"), *page = rows();
    struct metrics_text *text;
    struct metrics *metrics;
    struct serve_text *made;
    struct err err;

    (void)state;
    assert_true(metrics_open(&metrics, &err));
    event_emit(&(struct event){.kind = EVENT_ISSUED, .cert = "a\"b\\c\nd"}, "issued");
    for (int is_open = 0; is_open < 2; is_open++) {
        text = metrics_text_new(is_open, metrics, &config, agent);
        assert_non_null(text);
        metrics_text_note(text, metrics, page);
        assert_true(metrics_text_add(text, &config, page, 0));
        made = metrics_text_end(text);
        assert_non_null(made);
        assert_int_equal(made->length, strlen(made->content));
        assert_non_null(
            strstr(made->content, "leafd_certificate_ready{cert=\"a\\\"b\\\\c\\nd\"} 1\n"));
        assert_non_null(strstr(made->content, "pki_mount=\"m\\\"\",pki_role=\"r\\\\\","));
        assert_int_equal(strstr(made->content, "# EOF\n") != NULL, is_open);
        serve_text_unref(made);
        metrics_text_free(text);
    }
    metrics_close(metrics);
}

static void counts_of_a_removed_certificate_are_forgotten(void **state)
{
    struct metrics *metrics;
    struct err err;

    (void)state;
    assert_true(metrics_open(&metrics, &err));
    for (int i = 0; i < 3; i++)
        event_emit(&(struct event){.kind = EVENT_FAILED, .cert = "web", .failure = ERR_DENIED},
                   "failed");
    event_emit(&(struct event){.kind = EVENT_ROLLED_BACK, .cert = "web"}, "rolled back");
    event_emit(&(struct event){.kind = EVENT_DETAIL, .cert = "never"}, "detail");
    assert_int_equal(metrics_cert_of(metrics, "web")->failures[ERR_DENIED], 3);
    assert_int_equal(metrics_cert_of(metrics, "web")->rollbacks, 1);
    assert_int_equal(metrics->events[EVENT_FAILED], 3);
    event_emit(&(struct event){.kind = EVENT_FORGOTTEN, .cert = "web"}, "forgotten");
    assert_int_equal(metrics_cert_of(metrics, "web")->rollbacks, 0);
    assert_null(metrics->certs);
    metrics_close(metrics);
}

static void what_others_write_is_text_on_the_page(void **state)
{
    struct page *page =
        page_new(json_pack("{s:s, s:s}", "configuration",
                           "/<b>\033[31m\n\177\xc2\x9b\xc2\xa9\xc3\xbc", "problem", "<i>"));
    json_auto_t *shown = rows();
    struct serve_text *made;

    (void)state;
    assert_non_null(page);
    assert_true(page_add(page, shown));
    made = page_end(page);
    assert_non_null(made);
    assert_null(strstr(made->content, "<script"));
    assert_null(strstr(made->content, "<img"));
    assert_null(strstr(made->content, "<b>"));
    assert_null(strstr(made->content, "<i>"));
    assert_non_null(strstr(made->content, "&lt;script&gt;alert(&#39;&amp;&quot;&#39;)"));
    assert_non_null(strstr(made->content, "a&quot;b\\c"));
    assert_non_null(strstr(made->content, "/&lt;b&gt;\\x1b[31m\\x0a\\x7f\\x9b\xc2\xa9\xc3\xbc."));
    serve_text_unref(made);
    page_free(page);
}

static void the_page_is_bounded(void **state)
{
    struct page *page = page_new(json_object());
    json_auto_t *shown = rows();
    struct serve_text *made;

    (void)state;
    for (int i = 0; i < 20000; i++)
        assert_true(page_add(page, shown));
    made = page_end(page);
    assert_non_null(made);
    assert_true(made->length < 1024 * 1024);
    assert_non_null(strstr(made->content, "and 19500 more"));
    assert_non_null(strstr(made->content, "20000 failing"));
    serve_text_unref(made);
    page_free(page);
}

static void the_policy_names_the_style(void **state)
{
    unsigned char digest[EVP_MAX_MD_SIZE], hash[2 * EVP_MAX_MD_SIZE];
    unsigned length;

    (void)state;
    assert_int_equal(
        EVP_Digest(page_style, strlen(page_style), digest, &length, EVP_sha256(), NULL), 1);
    EVP_EncodeBlock(hash, digest, (int)length);
    assert_string_equal((const char *)hash, page_style_hash);
}

static void a_print_fills_up_to_the_limit_and_no_further(void **state)
{
    struct bytes bytes = {.limit = 2000};
    char expected[2001] = "";

    (void)state;
    while (bytes_print(&bytes, "%s", "0123456789abcdef"))
        strcat(expected, "0123456789abcdef");
    assert_int_equal(bytes.length, 2000);
    assert_string_equal(bytes_text(&bytes), expected);
    assert_true(bytes_print(&bytes, "%s", ""));
    bytes_free(&bytes);
    bytes.limit = 3;
    assert_false(bytes_print(&bytes, "%d", 1234));
    assert_string_equal(bytes_text(&bytes), "");
    assert_true(bytes_print(&bytes, "%d", 123));
    assert_string_equal(bytes_text(&bytes), "123");
    bytes_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openmetrics_is_for_who_prefers_it),
        cmocka_unit_test(the_end_of_a_request_is_one_of_few_words),
        cmocka_unit_test(a_label_is_escaped),
        cmocka_unit_test(counts_of_a_removed_certificate_are_forgotten),
        cmocka_unit_test(what_others_write_is_text_on_the_page),
        cmocka_unit_test(the_page_is_bounded),
        cmocka_unit_test(the_policy_names_the_style),
        cmocka_unit_test(a_print_fills_up_to_the_limit_and_no_further),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
