/* What base/ promises: numbers whole or not at all, foreign text made printable, ceilings kept. */
#include "unit.h"

#include "base/arena.h"
#include "base/bytes.h"
#include "base/cert_request.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/event.h"
#include "base/event_choice.h"
#include "base/event_json.h"
#include "base/hide.h"
#include "base/json.h"
#include "base/json_scan.h"
#include "base/random.h"
#include "base/text.h"
#include "http/http_loop.h"

#include <curl/curl.h>
#include <jansson.h>

#include <openssl/crypto.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
enum { HAS_OWN_FREE = true };
#else
enum { HAS_OWN_FREE = false };
#endif

static const char canary[] = "s.a-token-that-nobody-may-find-in-freed-memory";

/* Whether the canary's second half is where it was; the allocator keeps links in the first. */
static bool is_left(const char *where)
{
    const size_t half = sizeof canary / 2;
    char now[sizeof canary] = "";
    int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, now, half, (off_t)(uintptr_t)(where + half)), half);
    close(fd);
    return memcmp(now, canary + half, half) == 0;
}

static void what_is_freed_is_wiped_whoever_frees_it(void **state)
{
    const char *volatile seen; /* an address, for is_left: what is there is freed */
    struct curl_slist *list;
    struct err err;
    char *text, *moved, *line = NULL;
    size_t room = 0;
    json_t *json;
    FILE *file;

    (void)state;
    if (HAS_OWN_FREE || unit_has_valgrind())
        skip(); /* theirs does not wipe */
    seen = text = strdup(canary);
    assert_true(is_left(seen));
    moved = realloc(text, 65536);
    assert_string_equal(moved, canary);
    assert_false(is_left(seen));
    seen = moved;
    moved = realloc(moved, 100);
    assert_string_equal(moved, canary);
    assert_false(is_left(seen));
    seen = moved;
    free(moved);
    assert_false(is_left(seen));

    seen = text = OPENSSL_strdup(canary);
    moved = OPENSSL_realloc(text, 65536);
    assert_false(is_left(seen));
    seen = moved;
    OPENSSL_free(moved);
    assert_false(is_left(seen));

    json = json_string(canary);
    seen = json_string_value(json);
    json_decref(json);
    assert_false(is_left(seen));

    assert_true(http_library_open(&err));
    list = curl_slist_append(NULL, canary);
    assert_non_null(list);
    seen = list->data;
    curl_slist_free_all(list);
    curl_global_cleanup();
    assert_false(is_left(seen));

    /* The C library's own: the buffer of a stream. */
    file = fmemopen((void *)canary, sizeof canary - 1, "r");
    assert_non_null(file);
    assert_true(getline(&line, &room, file) > 0);
    seen = line;
    fclose(file);
    free(line);
    assert_false(is_left(seen));
}

static void err_texts_are_cut_not_overrun(void **state)
{
    struct err err;
    char longer[2 * ERR_TEXT_BYTES];

    (void)state;
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_false(err_set(&err, ERR_LOCAL, "%s", longer));
    assert_int_equal(strlen(err.text), ERR_TEXT_BYTES - 1);
    assert_false(err_wrap(&err, "before"));
    assert_memory_equal(err.text, "before: xxx", 11);
    assert_int_equal(err.kind, ERR_LOCAL);
}

static void err_may_be_filled_from_its_own_text(void **state)
{
    struct err err;

    (void)state;
    err_set(&err, ERR_LOCAL, "inner");
    err_set(&err, ERR_DENIED, "outer %s", err.text);
    assert_string_equal(err.text, "outer inner");
    assert_int_equal(err.kind, ERR_DENIED);
}

static void every_errno_has_its_class(void **state)
{
    static const int shortages[] = {ENOMEM, ENOBUFS, EMFILE, ENFILE, ENOSPC, EDQUOT, EROFS, EIO};

    (void)state;
    for (int errnum = 1; errnum < 134; errnum++) {
        bool is_shortage = false;
        struct err err;

        for (size_t i = 0; i < COUNT_OF(shortages); i++)
            is_shortage |= shortages[i] == errnum;
        assert_false(err_errno(&err, ERR_LOCAL, errnum, "cannot write"));
        assert_int_equal(err.kind, ERR_LOCAL);
        assert_false(err_errno(&err, ERR_CONSUMER, errnum, "cannot connect"));
        assert_int_equal(err.kind, is_shortage ? ERR_LOCAL : ERR_CONSUMER);
        assert_int_equal(err.errnum, errnum);
    }
}

static void arena_hands_out_zeroed_memory_of_any_size(void **state)
{
    struct arena arena = {0};
    unsigned char *large = arena_take(&arena, 100000);

    (void)state;
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(large[i], 0);
    for (size_t i = 0; i < 10000; i++)
        assert_non_null(arena_take(&arena, i % 100));
    assert_null(arena_take(&arena, SIZE_MAX));
    assert_string_equal(arena_format(&arena, "%s-%d", "a", 7), "a-7");
    arena_free(&arena);
    assert_null(arena.newest);
}

static void bytes_keep_their_ceiling(void **state)
{
    struct bytes bytes = {.limit = 10};

    (void)state;
    assert_string_equal(bytes_text(&bytes), "");
    assert_true(bytes_add(&bytes, "12345", 5));
    assert_true(bytes_add(&bytes, "67890", 5));
    assert_false(bytes_add(&bytes, "x", 1));
    assert_string_equal(bytes_text(&bytes), "1234567890");
    bytes_free(&bytes);
    assert_true(bytes_add(&bytes, "again", 5));
    bytes_free(&bytes);
}

static void numbers_are_whole_or_not_at_all(void **state)
{
    static const struct {
        const char *text;
        uint64_t most;
        bool good;
        uint64_t number;
    } cases[] = {
        {"0", 10, true, 0},
        {"10", 10, true, 10},
        {"11", 10, false, 0},
        {"", 10, false, 0},
        {" 1", 10, false, 0},
        {"1 ", 10, false, 0},
        {"-1", 10, false, 0},
        {"0x1", 100, false, 0},
        {"99999999999999999999999", UINT64_MAX, false, 0},
        {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, false, 0},
        {"5", 3, false, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t number = 77;

        assert_int_equal(text_number(cases[i].text, cases[i].most, &number), cases[i].good);
        assert_int_equal(number, cases[i].good ? cases[i].number : 77);
    }
}

static void foreign_text_is_made_printable(void **state)
{
    char to[16];

    (void)state;
    text_printable(to, sizeof to, "1 error:\n\t* no\n\n");
    assert_string_equal(to, "1 error: * no");
    text_printable(to, sizeof to, "\x1b[31mred\xc3\xa9");
    assert_string_equal(to, "[31mred??");
    text_printable(to, sizeof to, "a text that does not fit");
    assert_string_equal(to, "a text that ...");
    text_printable(to, sizeof to, "");
    assert_string_equal(to, "");
}

static void lists_are_split_and_compared_as_sets(void **state)
{
    struct arena arena = {0};
    struct text_list a = {0}, b = {0};
    bool empty = false;

    (void)state;
    assert_true(text_list_split(&a, &arena, " one, two ,three", ",", &empty));
    assert_false(empty);
    assert_int_equal(a.count, 3);
    assert_string_equal(a.items[1], "two");
    assert_true(text_list_split(&b, &arena, "three,two,one", ",", &empty));
    assert_true(text_list_equal(&a, &b));
    assert_true(text_list_add(&b, &arena, "four", 4));
    assert_false(text_list_equal(&a, &b));
    assert_true(text_list_split(&a, &arena, "five,,six,", ",", &empty));
    assert_true(empty);
    assert_int_equal(a.count, 5);
    arena_free(&arena);
}

static void the_near_names_are_suggested_the_nearest_first(void **state)
{
    static const char *const names[] = {"dns_names", "pki_role", "pki_mount",
                                        "role_id",   "role",     "redis"};
    static const struct row {
        const char *typed, *near;
    } rows[] = {
        {"dns_name", "dns_names"},
        {"pki_rloe", "pki_role"},
        {"PKI_MOUNT", "pki_mount"},
        {"role_i", "role_id or role"},
        {"certificate", NULL},
        {"rodi", NULL},
        {"", NULL},
        {"a name that is longer than any key of ours could ever be, by far", NULL},
    };
    struct arena arena = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_true(
            text_equal(text_near(&arena, rows[i].typed, names, COUNT_OF(names)), rows[i].near));
    arena_free(&arena);
}

static void durations_are_read_strictly(void **state)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t seconds;
    } cases[] = {
        {"45s", true, 45},
        {"90m", true, 5400},
        {"24h", true, 86400},
        {"7d", true, 604800},
        {"2w", true, 1209600},
        {"1h30m", true, 5400},
        {"1d12h", true, 129600},
        {"0s", true, 0},
        {"", false, 0},
        {"24", false, 0},
        {"h", false, 0},
        {"-1h", false, 0},
        {"1.5h", false, 0},
        {"30m1h", false, 0},
        {"1h1h", false, 0},
        {"1 h", false, 0},
        {"1y", false, 0},
        {"99999d", false, 0},
        {"99999999999999999999s", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t seconds = 77;

        assert_int_equal(duration_parse(cases[i].text, &seconds), cases[i].good);
        assert_int_equal(seconds, cases[i].good ? cases[i].seconds : 77);
    }
}

static void durations_are_written_in_two_units(void **state)
{
    static const struct {
        uint64_t seconds;
        const char *text;
    } cases[] = {{0, "0s"},         {59, "59s"},      {60, "1m"},    {3599, "59m59s"},
                 {3600, "1h"},      {18720, "5h12m"}, {86400, "1d"}, {86399, "23h59m"},
                 {601200, "6d23h"}, {8640000, "100d"}};
    char text[DURATION_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        duration_text(cases[i].seconds, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void moments_are_written_in_utc(void **state)
{
    char text[WHEN_TEXT_BYTES];

    (void)state;
    clock_text(1795210118, text);
    assert_string_equal(text, "2026-11-20T21:28:38Z");
    clock_text(UINT64_MAX, text);
    assert_true(strlen(text) > 0);
}

static void moments_that_were_written_are_read_again(void **state)
{
    static const uint64_t moments[] = {0, 1, 1795210118, 4102444800};
    static const char *const wrong[] = {"",
                                        "@",
                                        "@1x",
                                        "2026-11-20",
                                        "2026-11-20T21:28:38",
                                        "2026-11-20T21:28:38Zx",
                                        "2026-13-20T21:28:38Z",
                                        "1969-12-31T23:59:58Z"};
    char text[WHEN_TEXT_BYTES];
    uint64_t moment_s;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(moments); i++) {
        clock_text(moments[i], text);
        assert_true(clock_read_text(text, &moment_s));
        assert_true(moment_s == moments[i]);
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_false(clock_read_text(wrong[i], &moment_s));
}

static void digests_of_parts_equal_those_of_the_whole(void **state)
{
    struct digest digest = {0};
    char hex[DIGEST_HEX_BYTES];
    struct err err;

    (void)state;
    digest_add(&digest, "ab", 2);
    digest_add(&digest, "c", 1);
    assert_true(digest_hex(&digest, hex, &err));
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_true(digest_hex(&digest, hex, &err));
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void the_spread_is_stable_and_even(void **state)
{
    unsigned buckets[16] = {0};

    (void)state;
    assert_int_equal(digest_spread((const char *const[]){"web", "39:dd", NULL}),
                     digest_spread((const char *const[]){"web", "39:dd", NULL}));
    assert_int_not_equal(digest_spread((const char *const[]){"ab", "c", NULL}),
                         digest_spread((const char *const[]){"a", "bc", NULL}));
    for (unsigned i = 0; i < 16000; i++) {
        char name[32];

        snprintf(name, sizeof name, "pod-%u", i);
        buckets[digest_spread((const char *const[]){name, NULL}) >> 28]++;
    }
    for (size_t i = 0; i < COUNT_OF(buckets); i++)
        assert_in_range(buckets[i], 850, 1150);
}

static void json_text_is_what_json_dumps_gives(void **state)
{
    json_auto_t *json =
        json_pack("{s:s, s:[i, n], s:{}}", "text", "\"\n\xc3\xa4", "list", 7, "none");
    char *ours = json_text(json, JSON_COMPACT), *theirs = json_dumps(json, JSON_COMPACT);

    (void)state;
    assert_string_equal(ours, theirs);
    free(ours);
    free(theirs);
    assert_null(json_text(NULL, 0));
}

static void a_share_of_any_length_of_time_is_within_it(void **state)
{
    const uint64_t ten_years_us = 3652ULL * 86400 * 1000000;

    (void)state;
    assert_int_equal(random_share(ten_years_us, 0), 0);
    assert_int_equal(random_share(ten_years_us, 1U << 31), ten_years_us / 2);
    assert_int_equal(random_share(UINT64_MAX, UINT32_MAX) >> 32, UINT32_MAX - 1);
    assert_int_equal(random_share(1, UINT32_MAX), 0);
}

/* -- events ---------------------------------------------------------------------------------------
 */

struct heard {
    struct event *last; /* kept */
    unsigned count;
};

static void keep_event(void *arg, const struct event *event)
{
    struct heard *heard = arg;

    event_free(heard->last);
    heard->last = event_keep(event);
    heard->count++;
}

static void an_event_reaches_every_listener_once_and_can_be_kept(void **state)
{
    struct heard a = {0}, b = {0};
    struct event_listener first = {.on_event = keep_event, .arg = &a};
    struct event_listener second = {.on_event = keep_event, .arg = &b};
    char cert[] = "web";
    uint64_t number;

    (void)state;
    event_listen(&first);
    event_listen(&second);
    event_listen(&second);
    event_emit(&(struct event){.kind = EVENT_FAILED,
                               .cert = cert,
                               .failure = ERR_DENIED,
                               .end_s = 1795384800,
                               .next_try_ms = EVENT_NUMBER(0)},
               "said %s", "no");
    memset(cert, 'x', sizeof cert - 1);
    assert_int_equal(a.count, 1);
    assert_int_equal(b.count, 1);
    assert_string_equal(a.last->cert, "web");
    assert_string_equal(a.last->message, "said no");
    assert_int_equal(a.last->level, LOG_LEVEL_ERR);
    assert_int_not_equal(a.last->at_ms, 0);
    number = a.last->number;
    event_ignore(&first);
    event_emit(&(struct event){.kind = EVENT_FAILED, .level = LOG_LEVEL_DEBUG}, "again");
    assert_int_equal(a.count, 1);
    assert_int_equal(b.last->number, number + 1);
    assert_int_equal(b.last->level, LOG_LEVEL_DEBUG);
    event_ignore(&second);
    event_ignore(&second);
    event_emit(&(struct event){.kind = EVENT_FAILED}, "to nobody");
    assert_int_equal(b.count, 2);
    event_free(a.last);
    event_free(b.last);
}

static void the_fields_of_an_event_are_named_and_those_it_lacks_left_out(void **state)
{
    static const struct event_field wanted[] = {{"CERT", "web"},
                                                {"CLASS", "denied"},
                                                {"END", "2026-11-22T22:00:00Z"},
                                                {"NEXT_TRY_MS", "0"}};
    const struct event event = {.kind = EVENT_FAILED,
                                .cert = "web",
                                .message = "beside them",
                                .failure = ERR_DENIED,
                                .end_s = 1795384800,
                                .next_try_ms = EVENT_NUMBER(0)};
    struct event_field field;
    size_t at = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        assert_true(event_next_field(&event, &at, &field));
        assert_string_equal(field.name, wanted[i].name);
        assert_string_equal(field.value, wanted[i].value);
    }
    assert_false(event_next_field(&event, &at, &field));
}

static void no_listener_gets_a_credential_or_a_second_line(void **state)
{
    struct heard heard = {0};
    struct event_listener listener = {.on_event = keep_event, .arg = &heard};

    (void)state;
    hide_learn(canary, strlen(canary));
    event_listen(&listener);
    event_emit(&(struct event){.kind = EVENT_ADVICE, .reason = canary, .directory = "a\nb"},
               "took %s\x1b[2J", canary);
    event_ignore(&listener);
    assert_null(strstr(heard.last->message, "token"));
    assert_null(strstr(heard.last->reason, "token"));
    assert_null(strchr(heard.last->message, '\x1b'));
    assert_string_equal(heard.last->directory, "a b");
    event_free(heard.last);
}

static void the_words_of_operators_choose_events(void **state)
{
    static const struct {
        const char *words[3];
        struct event event;
        bool chosen;
    } cases[] = {
        {{"issued"}, {.kind = EVENT_ISSUED, .level = LOG_LEVEL_DEBUG}, true},
        {{"issued"}, {.kind = EVENT_PUBLISHED, .level = LOG_LEVEL_NOTICE}, false},
        {{"issued", "published"}, {.kind = EVENT_PUBLISHED, .level = LOG_LEVEL_NOTICE}, true},
        {{"failing"}, {.kind = EVENT_FAILED, .level = LOG_LEVEL_NOTICE}, true},
        {{"failing"}, {.kind = EVENT_FAILED, .level = LOG_LEVEL_INFO}, true},
        {{"failing"}, {.kind = EVENT_FAILED, .level = LOG_LEVEL_DEBUG}, false},
        {{"failed"}, {.kind = EVENT_FAILED, .level = LOG_LEVEL_DEBUG}, false},
        {{"failing"}, {.kind = EVENT_CA_AWAY, .level = LOG_LEVEL_WARNING}, true},
        {{"failing"}, {.kind = EVENT_RELOAD_FAILED, .level = LOG_LEVEL_WARNING}, true},
        {{"refused-by-consumer"}, {.kind = EVENT_RELOAD_FAILED, .level = LOG_LEVEL_WARNING}, true},
        {{"refused-by-consumer"}, {.kind = EVENT_ROLLED_BACK, .level = LOG_LEVEL_ERR}, true},
        {{"refused-by-consumer"}, {.kind = EVENT_FAILED, .level = LOG_LEVEL_NOTICE}, false},
        {{"denied"},
         {.kind = EVENT_FAILED, .level = LOG_LEVEL_WARNING, .failure = ERR_DENIED},
         true},
        {{"denied"},
         {.kind = EVENT_LOGIN_FAILED, .level = LOG_LEVEL_WARNING, .failure = ERR_DENIED},
         true},
        {{"denied"},
         {.kind = EVENT_FAILED, .level = LOG_LEVEL_WARNING, .failure = ERR_REFUSED},
         false},
        /* Every token ends so. */
        {{"denied"},
         {.kind = EVENT_TOKEN_LOST, .level = LOG_LEVEL_NOTICE, .failure = ERR_DENIED},
         false},
        {{"expiring", "expired"}, {.kind = EVENT_EXPIRED, .level = LOG_LEVEL_INFO}, true},
        {{"ca-changed"}, {.kind = EVENT_CA_CHANGED, .level = LOG_LEVEL_NOTICE}, true},
        {{"token-renewed"}, {.kind = EVENT_TOKEN_RENEWED, .level = LOG_LEVEL_DEBUG}, true},
    };
    static const char *const unknown[] = {"",       "Issued",   "hook-failed", "hook-dropped",
                                          "detail", "log-lost", "failing ",    "warning"};
    struct arena arena = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct event_choice choice = {0};

        for (size_t j = 0; j < COUNT_OF(cases[i].words) && cases[i].words[j] != NULL; j++)
            assert_true(event_choice_add(&choice, cases[i].words[j]));
        if (event_choice_has(&choice, &cases[i].event) != cases[i].chosen)
            fail_msg("case %zu", i);
    }
    for (size_t i = 0; i < COUNT_OF(unknown); i++)
        assert_false(event_choice_add(&(struct event_choice){0}, unknown[i]));
    assert_string_equal(event_choice_near(&arena, "expird"), "expired");
    assert_non_null(text_starts(event_choice_words(&arena),
                                "issued, failing, expiring, expired, denied, refused-by-consumer, "
                                "ca-changed, started, "));
    arena_free(&arena);
}

static void an_event_is_one_json_object(void **state)
{
    char many[3 * EVENT_FIELD_BYTES];
    struct heard heard = {0};
    struct event_listener listener = {.on_event = keep_event, .arg = &heard};
    json_t *json;

    (void)state;
    memset(many, 'a', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    event_listen(&listener);
    event_emit(&(struct event){.kind = EVENT_ISSUED,
                               .cert = "web",
                               .reason = many,
                               .names = many,
                               .pki_role = many,
                               .not_after_s = 1795384800},
               "issued");
    event_ignore(&listener);
    json = event_json(heard.last);
    assert_string_equal(json_string_value(json_object_get(json, "event")), "issued");
    assert_string_equal(json_string_value(json_object_get(json, "level")), "debug");
    assert_string_equal(json_string_value(json_object_get(json, "cert")), "web");
    assert_string_equal(json_string_value(json_object_get(json, "not_after")),
                        "2026-11-22T22:00:00Z");
    /* Long texts are cut, and left out where no room is left. */
    assert_int_equal(strlen(json_string_value(json_object_get(json, "reason"))),
                     EVENT_FIELD_BYTES - 1);
    assert_true(strlen(json_string_value(json_object_get(json, "names"))) < EVENT_FIELD_BYTES);
    assert_null(json_object_get(json, "pki_role"));
    assert_null(json_object_get(json, "serial"));
    json_decref(json);
    event_free(heard.last);
}

static void the_names_of_a_certificate_are_one_text(void **state)
{
    const char *dns[] = {"a.example.test", "b.example.test"}, *ip[] = {"192.0.2.7"};
    struct names names = {.common_name = "a.example.test", .dns = {dns, 2}, .ip = {ip, 1}};
    struct arena arena = {0};

    (void)state;
    assert_string_equal(names_text(&(struct names){0}, &arena), "");
    assert_string_equal(names_text(&(struct names){.common_name = "db"}, &arena), "db");
    assert_string_equal(names_text(&names, &arena), "a.example.test b.example.test 192.0.2.7");
    names.common_name = "db";
    assert_string_equal(names_text(&names, &arena), "db a.example.test b.example.test 192.0.2.7");
    arena_free(&arena);
}

static void every_kind_of_event_has_a_name_an_id_and_a_severity_of_its_own(void **state)
{
    (void)state;
    for (enum event_kind i = 0; i < EVENT_KIND_COUNT; i++) {
        assert_non_null(event_name(i));
        assert_int_equal(strlen(event_message_id(i)), 32);
        assert_in_range(event_level(i), LOG_LEVEL_ERR, LOG_LEVEL_DEBUG);
        for (enum event_kind j = 0; j < i; j++) {
            assert_string_not_equal(event_name(i), event_name(j));
            assert_string_not_equal(event_message_id(i), event_message_id(j));
        }
    }
}

/* -- JSON without a tree --------------------------------------------------------------------------
 */

struct scanned {
    const char *text;
    struct text_list list;
    int64_t number;
    bool truth;
    char chars[4];
};

#define SCANNED(kind, field, needed)                                                               \
    {                                                                                              \
#field, JSON_MEMBER_##kind, needed, offsetof(struct scanned, field),                       \
            sizeof((struct scanned *)NULL)->field, NULL                                            \
    }

static const struct json_member scanned_members[] = {
    SCANNED(TEXT, text, true),    SCANNED(TEXTS, list, false),  SCANNED(INT64, number, false),
    SCANNED(TRUTH, truth, false), SCANNED(CHARS, chars, false), {0},
};

static bool scan(const char *text, struct arena *arena, struct scanned *ret_scanned)
{
    struct json_scan scan = json_scan_begin(text, strlen(text), arena);

    *ret_scanned = (struct scanned){0};
    return json_scan_object(&scan, scanned_members, ret_scanned) && json_scan_ended(&scan);
}

static void a_scan_takes_what_it_knows_and_passes_the_rest(void **state)
{
    struct arena arena = {0};
    struct scanned scanned;

    (void)state;
    assert_true(scan(" {\"odd\": [{\"a\": [1.5e3, \"\\u00e4\\\\\"]}, null], \"number\": -17,\n"
                     "\"text\" : \"a\\n\\\"\\u00e4\\ud83d\\ude00\xc3\xbc\", \"truth\":true, "
                     "\"list\":[\"x\", \"\"], \"chars\": \"abc\"} ",
                     &arena, &scanned));
    assert_string_equal(scanned.text, "a\n\"\xc3\xa4\xf0\x9f\x98\x80\xc3\xbc");
    assert_int_equal(scanned.number, -17);
    assert_true(scanned.truth);
    assert_int_equal(scanned.list.count, 2);
    assert_string_equal(scanned.list.items[0], "x");
    assert_string_equal(scanned.chars, "abc");
    assert_true(scan("{\"text\": null, \"number\": 1.5, \"truth\": 1}", &arena, &scanned));
    assert_null(scanned.text);
    assert_int_equal(scanned.number, 0);
    assert_false(scanned.truth);
    arena_free(&arena);
}

static void a_scan_refuses_what_is_not_as_it_should_be(void **state)
{
    static const char *const wrong[] = {
        "",
        "[]",
        "{}",
        "{\"text\": 1}",
        "{\"text\": \"a\"",
        "{\"text\": \"a\"} x",
        "{\"text\": \"a\", \"text\": \"b\"}",
        "{\"text\": \"a\", \"chars\": \"abcd\"}",
        "{\"text\": \"a\", \"list\": [\"a\", null]}",
        "{\"text\": \"a\", \"list\": \"a\"}",
        "{\"text\": \"\\ud83d\"}",
        "{\"text\": \"\\u0000\"}",
        "{\"text\": \"\\x\"}",
        "{\"text\": \"\xff\"}",
        "{\"text\": \"\xed\xa0\x80\"}",
        "{\"text\": \"\n\"}",
        "{\"text\": \"a\",}",
        "{\"text\": \"a\" \"number\": 1}",
        "{\"text\": \"a\", \"x\": 01}",
        "{\"text\": \"a\", \"x\": nul}",
        "{\"text\": \"a\", \"x\": [1, 2}}",
        ("{\"text\": \"a\", \"x\": "
         "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}"),
    };
    struct arena arena = {0};
    struct scanned scanned;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (scan(wrong[i], &arena, &scanned))
            fail_msg("taken: %s", wrong[i]);
    arena_free(&arena);
}

/* Of jansson's judgement: a text with bytes exchanged is one or is none for both. */
static void a_scan_agrees_with_a_parser_on_what_is_json(void **state)
{
    static const char text[] = "{\"a\": [1, -2.5e+1, \"x\\u00e4\\n\xc3\xa4\xe2\x82\xac\"], "
                               "\"b\": {\"c\": null, \"d\": [true, false, {}]}}";
    static const char bytes[] = "\"\\{}[],:01-.eu \n\xc3\xa4\x80tn";
    static const struct json_member none[] = {{0}};
    struct arena arena = {0};
    unsigned taken = 0;

    (void)state;
    srandom(1);
    for (unsigned i = 0; i < 100000; i++) {
        char changed[sizeof text];
        struct json_scan scan;
        json_t *json;
        bool ours;

        memcpy(changed, text, sizeof text);
        for (long n = random() % 3; n >= 0; n--)
            changed[random() % (long)(sizeof text - 1)] =
                bytes[random() % (long)(sizeof bytes - 1)];
        scan = json_scan_begin(changed, sizeof text - 1, &arena);
        ours = json_scan_object(&scan, none, NULL) && json_scan_ended(&scan);
        json = json_loadb(changed, sizeof text - 1, 0, NULL);
        if (ours != json_is_object(json))
            fail_msg("%s: %s", ours ? "taken" : "refused", changed);
        taken += ours;
        json_decref(json);
    }
    assert_in_range(taken, 1000, 90000);
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scan_takes_what_it_knows_and_passes_the_rest),
        cmocka_unit_test(a_scan_refuses_what_is_not_as_it_should_be),
        cmocka_unit_test(a_scan_agrees_with_a_parser_on_what_is_json),
        cmocka_unit_test(what_is_freed_is_wiped_whoever_frees_it),
        cmocka_unit_test(json_text_is_what_json_dumps_gives),
        cmocka_unit_test(err_texts_are_cut_not_overrun),
        cmocka_unit_test(err_may_be_filled_from_its_own_text),
        cmocka_unit_test(every_errno_has_its_class),
        cmocka_unit_test(arena_hands_out_zeroed_memory_of_any_size),
        cmocka_unit_test(bytes_keep_their_ceiling),
        cmocka_unit_test(numbers_are_whole_or_not_at_all),
        cmocka_unit_test(foreign_text_is_made_printable),
        cmocka_unit_test(lists_are_split_and_compared_as_sets),
        cmocka_unit_test(the_near_names_are_suggested_the_nearest_first),
        cmocka_unit_test(durations_are_read_strictly),
        cmocka_unit_test(durations_are_written_in_two_units),
        cmocka_unit_test(moments_are_written_in_utc),
        cmocka_unit_test(moments_that_were_written_are_read_again),
        cmocka_unit_test(digests_of_parts_equal_those_of_the_whole),
        cmocka_unit_test(the_spread_is_stable_and_even),
        cmocka_unit_test(a_share_of_any_length_of_time_is_within_it),
        cmocka_unit_test(an_event_reaches_every_listener_once_and_can_be_kept),
        cmocka_unit_test(the_fields_of_an_event_are_named_and_those_it_lacks_left_out),
        cmocka_unit_test(no_listener_gets_a_credential_or_a_second_line),
        cmocka_unit_test(the_words_of_operators_choose_events),
        cmocka_unit_test(an_event_is_one_json_object),
        cmocka_unit_test(the_names_of_a_certificate_are_one_text),
        cmocka_unit_test(every_kind_of_event_has_a_name_an_id_and_a_severity_of_its_own),
    };

    /* As main() does it, before OpenSSL takes its first block. */
    if (!shortage_watch_libraries())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
