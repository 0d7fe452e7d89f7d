/* What is said before TLS, and what replies mean: pure, so told by tables. */
#include "unit.h"

#include "base/json.h"
#include "base/text.h"
#include "prove/prove.h"
#include "prove/starttls.h"

#include <stdlib.h>

enum { TURNS_MOST = 3 };

struct said {
    const char *bytes;
    size_t length;
};

#define SAID(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

#define MYSQL_REST(low)                                                                            \
    "8.0.36\0\x2a\0\0\0saltsalt\0\xff" low "\x2d\x02\0\xff\xdf\x15"                                \
    "\0\0\0\0\0\0\0\0\0\0saltsaltsalt\0native\0\0\0\0\0"
#define MYSQL_REQUEST                                                                              \
    "\x20\0\0\x01\0\x8a\0\0\0\0\0\x01\x2d"                                                         \
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define LDAP_REQUEST                                                                               \
    "\x30\x1d\x02\x01\x01\x77\x18\x80\x16"                                                         \
    "1.3.6.1.4.1.1466.20037"
#define POSTGRES_REQUEST "\0\0\0\x08\x04\xd2\x16\x2f"

/* The server's turns, and what we say before each and after the last. */
struct talk_row {
    enum starttls kind;
    struct said server[TURNS_MOST], ours[TURNS_MOST + 1];
    enum starttls_step end;
    const char *why;
};

static const struct talk_row talks[] = {
    {STARTTLS_POSTGRES, {SAID("S")}, {SAID(POSTGRES_REQUEST)}, STARTTLS_READY, ""},
    {STARTTLS_POSTGRES, {SAID("N")}, {SAID(POSTGRES_REQUEST)}, STARTTLS_FAILED, "set ssl = on"},
    {STARTTLS_POSTGRES, {SAID("H")}, {SAID(POSTGRES_REQUEST)}, STARTTLS_FAILED, "does not speak"},
    {STARTTLS_MYSQL,
     {SAID("\x3f\0\0\0\x0a" MYSQL_REST("\xff"))},
     {{0}, SAID(MYSQL_REQUEST)},
     STARTTLS_READY,
     ""},
    {STARTTLS_MYSQL,
     {SAID("\x3f\0\0\0\x0a" MYSQL_REST("\xf7"))},
     {{0}},
     STARTTLS_FAILED,
     "ssl_cert and ssl_key"},
    {STARTTLS_MYSQL,
     {SAID("\x3f\0\0\0\x09" MYSQL_REST("\xff"))},
     {{0}},
     STARTTLS_FAILED,
     "protocol 10"},
    {STARTTLS_MYSQL,
     {SAID("\x05\0\0\0\x0a"
           "8.0\0")},
     {{0}},
     STARTTLS_FAILED,
     "protocol 10"},
    {STARTTLS_MYSQL,
     {SAID("\x05\0\0\0\x0a"
           "8.0.")},
     {{0}},
     STARTTLS_FAILED,
     "protocol 10"},
    {STARTTLS_MYSQL,
     {SAID("\x11\0\0\0\xff\x69\x04"
           "Host is blocked")},
     {{0}},
     STARTTLS_FAILED,
     "refuses the connection: Host is blocke"},
    {STARTTLS_MYSQL, {SAID("\0\0\0\0")}, {{0}}, STARTTLS_FAILED, "does not speak"},
    {STARTTLS_MYSQL, {SAID("HTTP/1.1 400")}, {{0}}, STARTTLS_FAILED, "does not speak"},
    {STARTTLS_SMTP,
     {SAID("220-a\r\n220 b\r\n"), SAID("250-a\r\n250-SIZE 1\r\n250-STARTTLS\r\n250 HELP\r\n"),
      SAID("220 go\r\n")},
     {{0}, SAID("EHLO [127.0.0.1]\r\n"), SAID("STARTTLS\r\n")},
     STARTTLS_READY,
     ""},
    {STARTTLS_SMTP,
     {SAID("220\n"), SAID("250 StartTls\n"), SAID("220\n")},
     {{0}, SAID("EHLO [127.0.0.1]\r\n"), SAID("STARTTLS\r\n")},
     STARTTLS_READY,
     ""},
    {STARTTLS_SMTP,
     {SAID("220 a\r\n"), SAID("250-STARTTLSX\r\n250 HELP\r\n")},
     {{0}, SAID("EHLO [127.0.0.1]\r\n")},
     STARTTLS_FAILED,
     "offers no STARTTLS"},
    {STARTTLS_SMTP,
     {SAID("220 a\r\n"), SAID("250 STARTTLS\r\n"), SAID("454 4.7.0 no\1TLS\r\n")},
     {{0}, SAID("EHLO [127.0.0.1]\r\n"), SAID("STARTTLS\r\n")},
     STARTTLS_FAILED,
     "says no: 454 4.7.0 no TLS"},
    {STARTTLS_SMTP, {SAID("554 go away\r\n")}, {{0}}, STARTTLS_FAILED, "says no: 554 go away"},
    {STARTTLS_SMTP, {SAID("2200 a\r\n")}, {{0}}, STARTTLS_FAILED, "says no: 2200 a"},
    {STARTTLS_SMTP, {SAID("\0\0\0\n")}, {{0}}, STARTTLS_FAILED, "says no: "},
    {STARTTLS_IMAP,
     {SAID("* OK hi\r\n"), SAID("* CAPABILITY X\r\na001 OK go\r\n")},
     {{0}, SAID("a001 STARTTLS\r\n")},
     STARTTLS_READY,
     ""},
    {STARTTLS_IMAP, {SAID("* PREAUTH hi\r\n")}, {{0}}, STARTTLS_FAILED, "says no: * PREAUTH hi"},
    {STARTTLS_IMAP,
     {SAID("* ok hi\r\n"), SAID("a001 BAD what\r\n")},
     {{0}, SAID("a001 STARTTLS\r\n")},
     STARTTLS_FAILED,
     "says no: a001 BAD what"},
    {STARTTLS_LDAP,
     {SAID("\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\0\x04\0\x04\0")},
     {SAID(LDAP_REQUEST)},
     STARTTLS_READY,
     ""},
    {STARTTLS_LDAP,
     {SAID("\x30\x84\0\0\0\x10\x02\x01\x01\x78\x84\0\0\0\x07\x0a\x01\0\x04\0\x04\0")},
     {SAID(LDAP_REQUEST)},
     STARTTLS_READY,
     ""},
    {STARTTLS_LDAP,
     {SAID("\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x34\x04\0\x04\0")},
     {SAID(LDAP_REQUEST)},
     STARTTLS_FAILED,
     "result code 52"},
    {STARTTLS_LDAP,
     {SAID("\x30\x0c\x02\x01\0\x78\x07\x0a\x01\x34\x04\0\x04\0")},
     {SAID(LDAP_REQUEST)},
     STARTTLS_FAILED,
     "does not speak LDAP"},
    {STARTTLS_LDAP, {SAID("\x30\0")}, {SAID(LDAP_REQUEST)}, STARTTLS_FAILED, "not speak LDAP"},
    {STARTTLS_LDAP, {SAID("\x30\x02\x02\x01")}, {SAID(LDAP_REQUEST)}, STARTTLS_FAILED, "LDAP"},
    {STARTTLS_LDAP, {SAID("\x30\x80")}, {SAID(LDAP_REQUEST)}, STARTTLS_FAILED, "not speak LDAP"},
    {STARTTLS_LDAP, {SAID("\x30\x85")}, {SAID(LDAP_REQUEST)}, STARTTLS_FAILED, "not speak LDAP"},
    {STARTTLS_LDAP,
     {SAID("\x30\x84\xff\xff\xff\xff")},
     {SAID(LDAP_REQUEST)},
     STARTTLS_FAILED,
     "not speak LDAP"},
    {STARTTLS_LDAP, {SAID("HTTP")}, {SAID(LDAP_REQUEST)}, STARTTLS_FAILED, "not speak LDAP"},
};

/* Takes what is to be said, which must be `ours`. */
static void check_ours(struct starttls_talk *talk, const struct said *ours)
{
    assert_int_equal(talk->out_length, ours->length);
    if (ours->length > 0)
        assert_memory_equal(talk->out, ours->bytes, ours->length);
    talk->out_length = 0;
}

static void run_talk(const struct talk_row *row, size_t chunk)
{
    struct starttls_talk *talk = malloc(sizeof *talk);
    enum starttls_step step = starttls_begin(talk, row->kind);

    check_ours(talk, &row->ours[0]);
    for (size_t turn = 0; turn < TURNS_MOST && row->server[turn].bytes != NULL; turn++) {
        const struct said *server = &row->server[turn];

        assert_int_equal(step, STARTTLS_WAITS);
        for (size_t at = 0; at < server->length && step == STARTTLS_WAITS; at += chunk)
            step = starttls_hear(talk, server->bytes + at,
                                 at + chunk < server->length ? chunk : server->length - at);
        if (step != STARTTLS_FAILED)
            check_ours(talk, &row->ours[turn + 1]);
    }
    assert_int_equal(step, row->end);
    if (step == STARTTLS_FAILED)
        assert_non_null(strstr(talk->why, row->why));
    free(talk);
}

static void talks_end_as_they_should_however_they_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(talks); i++)
        for (size_t chunk = 1; chunk < 80; chunk++)
            run_talk(&talks[i], chunk);
}

static void what_stands_behind_the_last_word_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(talks); i++) {
        struct talk_row row = talks[i];
        char more[256];
        size_t last = 0;

        if (row.end != STARTTLS_READY)
            continue;
        while (last + 1 < TURNS_MOST && row.server[last + 1].bytes != NULL)
            last++;
        memcpy(more, row.server[last].bytes, row.server[last].length);
        more[row.server[last].length] = '\x16';
        row.server[last] = (struct said){more, row.server[last].length + 1};
        row.end = STARTTLS_FAILED;
        row.why = "in the clear where TLS begins";
        run_talk(&row, sizeof more);
    }
}

static void an_answer_before_the_question_is_refused(void **state)
{
    struct starttls_talk talk;

    (void)state;
    starttls_begin(&talk, STARTTLS_SMTP);
    assert_int_equal(starttls_hear(&talk, "220 a\r\n250 STARTTLS\r\n", 21), STARTTLS_FAILED);
    assert_non_null(strstr(talk.why, "before the request"));
}

static void a_line_without_end_is_given_up(void **state)
{
    static const enum starttls kinds[] = {STARTTLS_SMTP, STARTTLS_IMAP};
    struct starttls_talk talk;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        enum starttls_step step = starttls_begin(&talk, kinds[i]);
        size_t heard = 0;

        for (; step == STARTTLS_WAITS; heard++)
            step = starttls_hear(&talk, "2", 1);
        assert_int_equal(step, STARTTLS_FAILED);
        assert_int_equal(heard, STARTTLS_IN_BYTES);
    }
}

static void lines_without_end_are_given_up(void **state)
{
    struct starttls_talk talk;
    enum starttls_step step;

    (void)state;
    starttls_begin(&talk, STARTTLS_SMTP);
    do
        step = starttls_hear(&talk, "220-still there\r\n", 17);
    while (step == STARTTLS_WAITS);
    assert_int_equal(step, STARTTLS_FAILED);
    assert_non_null(strstr(talk.why, "too much data before TLS"));
    assert_true(talk.in_total <= STARTTLS_IN_MOST_BYTES + 17);
}

static void garbage_never_gets_through(void **state)
{
    static const unsigned char starts[] = {'S', 'N', '2', '*', 0x30, 0x3f};
    static unsigned char garbage[STARTTLS_IN_MOST_BYTES + 1];
    struct starttls_talk talk;
    uint32_t number = 1;

    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        for (size_t i = 0; i < sizeof garbage; i++) {
            number = number * 1664525 + 1013904223;
            garbage[i] = (unsigned char)(number >> 24);
        }
        /* Half of it starts as it should. */
        if (round % 2 == 0)
            garbage[0] = starts[round / 2 % COUNT_OF(starts)];
        for (unsigned kind = STARTTLS_NONE + 1; kind < STARTTLS_COUNT; kind++) {
            starttls_begin(&talk, (enum starttls)kind);
            talk.out_length = 0;
            assert_int_equal(starttls_hear(&talk, garbage, sizeof garbage - round % 7),
                             STARTTLS_FAILED);
        }
    }
}

static void no_protocol_needs_no_talk(void **state)
{
    struct starttls_talk talk;

    (void)state;
    assert_int_equal(starttls_begin(&talk, STARTTLS_NONE), STARTTLS_READY);
    assert_int_equal(talk.out_length, 0);
}

/* -- paths in JSON --------------------------------------------------------------------------------
 */

static void paths_are_told_from_what_is_none(void **state)
{
    static const char *const right[] = {
        "a", "a.b", "a[0]", "a[*].b[12][*]", "[*].a", "[0][1]", "serial-number_1", "*"};
    static const char *const wrong[] = {
        "",   ".",     "a.",  ".a",   "a..b",  "a[",    "a[]",        "a[x]",
        "a]", "a[-1]", "a[*", "[*]a", "a.[0]", "a[0]b", "a[1000000]", "a[99999999999999999999]"};
    char longest[300];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(right); i++)
        assert_true(json_path_valid(right[i]));
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_false(json_path_valid(wrong[i]));
    memset(longest, 'a', sizeof longest);
    longest[255] = '\0';
    assert_true(json_path_valid(longest));
    longest[255] = 'a';
    longest[256] = '\0';
    assert_false(json_path_valid(longest));
}

static void replies_name_the_certificate_however_they_write_it(void **state)
{
    static const struct row {
        const char *reply, *path;
        const char *why; /* NULL: it is named */
    } rows[] = {
        {"{\"a\":\"39:dd:01\"}", "a", NULL},
        {"{\"a\":\"39DD01\"}", "a", NULL},
        {"{\"a\":\"0x39dd01\"}", "a", NULL},
        {"{\"a\":\"00:39:DD:01\"}", "a", NULL},
        {"{\"a\":\"AB:CD:EF\"}", "a", NULL},
        {"{\"a\":[{\"b\":[\"1\"]},{\"b\":[\"2\",\"39dd01\"]}]}", "a[*].b[1]", NULL},
        {"{\"a\":[{\"b\":[\"1\"]},{\"b\":[\"2\",\"39dd01\"]}]}", "a[*].b[*]", NULL},
        {"[[\"39dd01\"]]", "[0][0]", NULL},
        {"{\"a\":{\"b\":{\"c\":\"39dd01\"}}}", "a.b.c", NULL},
        {"{\"a\":\"39dd0\"}", "a", "names other certificates at a"},
        {"{\"a\":\"39dd010\"}", "a", "names other certificates"},
        {"{\"a\":\"\"}", "a", "names other certificates"},
        {"{\"a\":\"39dd01 \"}", "a", "names other certificates"},
        {"{\"a\":39}", "a", "has no text at a"},
        {"{\"a\":\"39dd01\"}", "b", "has no text at b"},
        {"{\"a\":\"39dd01\"}", "a[*]", "has no text at a[*]"},
        {"{\"a\":[\"39dd01\"]}", "a[1]", "has no text"},
        {"{\"a\":[\"39dd01\"]}", "a.b", "has no text"},
        {"{\"a\":\"39dd01\"", "a", "is no JSON"},
        {"", "a", "is no JSON"},
        {"\"39dd01\"", "a", "is no JSON"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct bytes reply = {.limit = 1024};
        struct err err;

        assert_true(json_path_valid(rows[i].path));
        assert_true(bytes_add(&reply, rows[i].reply, strlen(rows[i].reply)));
        assert_int_equal(reply_names(&reply, rows[i].path, "39:dd:01", "00abcdef", &err),
                         rows[i].why == NULL);
        if (rows[i].why != NULL) {
            assert_int_equal(err.kind, ERR_CONSUMER);
            assert_non_null(strstr(err.text, rows[i].why));
        }
        bytes_free(&reply);
    }
    assert_false(hex_same("xy", "xy"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(talks_end_as_they_should_however_they_are_cut),
        cmocka_unit_test(what_stands_behind_the_last_word_is_refused),
        cmocka_unit_test(an_answer_before_the_question_is_refused),
        cmocka_unit_test(a_line_without_end_is_given_up),
        cmocka_unit_test(lines_without_end_are_given_up),
        cmocka_unit_test(garbage_never_gets_through),
        cmocka_unit_test(no_protocol_needs_no_talk),
        cmocka_unit_test(paths_are_told_from_what_is_none),
        cmocka_unit_test(replies_name_the_certificate_however_they_write_it),
    };

    return cmocka_run_group_tests_name("starttls", tests, NULL, NULL);
}
