/* What others say, before anybody reads it: our credentials hidden, the rest printable. */
#include "unit.h"

#include "base/terminal.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <stdlib.h>

static bool no_memory;

static void *scarce_calloc(size_t count, size_t bytes)
{
    return no_memory ? NULL : calloc(count, bytes);
}

#define calloc scarce_calloc
#include "base/hide.c"
#undef calloc

static const char token[] = "hvs.CAESIJzR8Fq0tXWc3mP7yQ2uVb9KdLsN4aEoGhTi6k_-";
static const char stars[] = "************************************************";

static void forget(void)
{
    free(known.newer.prints);
    free(known.older.prints);
    known.newer = known.older = (struct table){0};
    known.windows = WINDOWS_LEAST;
    known.short_lengths = 0;
    known.is_blind = false;
}

static int set_up(void **state)
{
    (void)state;
    forget();
    return 0;
}

static void fingerprints_are_siphash(void **state)
{
    unsigned char key[16];
    uint64_t words[2], ours, theirs;
    size_t size = 8, length;
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
                                     OSSL_PARAM_construct_end()};

    (void)state;
    for (unsigned char i = 0; i < sizeof key; i++)
        key[i] = (unsigned char)(i * 37 + 5);
    memcpy(words, key, sizeof words);
    for (size_t bytes = HIDE_WHOLE_BYTES; bytes <= HIDE_PIECE_BYTES; bytes++) {
        EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
        EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);

        assert_int_equal(EVP_MAC_init(context, key, sizeof key, parameters), 1);
        assert_int_equal(EVP_MAC_update(context, (const unsigned char *)token, bytes), 1);
        assert_int_equal(EVP_MAC_final(context, (unsigned char *)&theirs, &length, sizeof theirs),
                         1);
        ours = print_of(words, token, bytes);
        assert_int_equal(ours, theirs);
        EVP_MAC_CTX_free(context);
        EVP_MAC_free(mac);
    }
}

static void every_piece_of_eight_bytes_is_hidden_and_none_of_seven(void **state)
{
    char text[128], to[128], wanted[128];

    (void)state;
    hide_learn(token, strlen(token));
    for (size_t length = 7; length <= strlen(token); length++)
        for (size_t at = 0; at + length <= strlen(token); at++) {
            snprintf(text, sizeof text, "no %.*s here", (int)length, token + at);
            snprintf(wanted, sizeof wanted, "no %.*s here", (int)length,
                     length == 7 ? token + at : stars);
            hide_foreign(to, sizeof to, text);
            assert_string_equal(to, wanted);
            hide_known(text);
            assert_string_equal(text, wanted);
        }
}

/* Whether nothing is left of the word between "<" and ">" but its first character: a byte of which
 * not all was written may begin in it. */
static bool is_gone(const char *shown)
{
    size_t length = strlen(shown);

    assert_true(length > 4);
    return strspn(shown + 2, "*") == length - 3;
}

static void encoded_credentials_are_hidden_at_any_place_of_a_stream(void **state)
{
    char plain[128], encoded[256], text[300], to[300];

    (void)state;
    hide_learn(token, strlen(token));
    for (int before = 0; before < 6; before++)
        for (int url = 0; url < 2; url++) {
            snprintf(plain, sizeof plain, "%.*s%.20s", before, "\x01\x02\x03\x04\x05\x06", token);
            EVP_EncodeBlock((unsigned char *)encoded, (unsigned char *)plain, (int)strlen(plain));
            for (char *at = encoded; url != 0 && *at != '\0'; at++)
                *at = *at == '+' ? '-' : *at == '/' ? '_' : *at;
            encoded[strcspn(encoded, "=")] = '\0';
            snprintf(text, sizeof text, "<%s>", encoded + (before * 4 + 2) / 3);
            hide_foreign(to, sizeof to, text);
            assert_true(is_gone(to));
        }
}

static void escaped_credentials_are_hidden(void **state)
{
    static const char odd[] = "pa+ss/wo\"rd\\1";
    static const struct {
        const char *said, *shown;
    } cases[] = {
        {"<pa+ss/wo\"rd\\1>", "<*************>"},
        {"<pa+ss\\/wo\\\"rd\\\\1>", "<****************>"},
        {"<pa%2Bss%2Fwo%22rd%5c1>", "<*********************>"},
        {"<pa\\u002bss\\u002Fwo>", "<******************>"},
        {"<\\x70a+ss/wo>", "<***********>"},
        {"100% of \\ and %zz \\", "100% of \\ and %zz \\"},
        {"<a\\", "<a\\"},
        {"<%2", "<%2"},
        {"<\\u00", "<\\u00"},
    };
    char to[64];

    (void)state;
    hide_learn(odd, strlen(odd));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        hide_foreign(to, sizeof to, cases[i].said);
        assert_string_equal(to, cases[i].shown);
    }
}

static void a_short_password_is_hidden_where_it_is_whole(void **state)
{
    char to[64], text[] = "no hunter2 here, nor hunter";

    (void)state;
    hide_learn("hunter2", 7);
    hide_learn("abc", 3);
    hide_foreign(to, sizeof to, "wrong: hunter2, not hunter");
    assert_string_equal(to, "wrong: *******, not hunter");
    hide_foreign(to, sizeof to, "<aHVudGVyMg==> abc");
    assert_string_equal(to, "<**********==> abc");
    hide_known(text);
    assert_string_equal(text, "no ******* here, nor hunter");
}

static const char key_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgVRjkhXk9a0ZbJ3iQ\n"
                              "w5cYqk1mT7uNfKxvLrD8oEhSg2M=\n"
                              "-----END PRIVATE KEY-----\n";
static const char certificate_pem[] = "-----BEGIN CERTIFICATE-----\n"
                                      "MIIBtjCCAVugAwIBAgITBmyf1XSXNmY\n"
                                      "-----END CERTIFICATE-----\n";

static void of_pem_the_body_is_secret_and_what_it_is_is_not(void **state)
{
    char to[256], payload[512];

    (void)state;
    hide_learn(key_pem, strlen(key_pem));
    hide_foreign(to, sizeof to, "no BEGIN PRIVATE KEY found, but w5cYqk1m and hXk9a0ZbJ3iQw5cYqk");
    assert_string_equal(to, "no BEGIN PRIVATE KEY found, but ******** and ******************");
    forget();
    snprintf(payload, sizeof payload, "%s%s%s", certificate_pem, key_pem, certificate_pem);
    hide_learn_keys(payload);
    hide_foreign(to, sizeof to, "MIIBtjCCAVugAwIB and w5cYqk1mT7uN");
    assert_string_equal(to, "MIIBtjCCAVugAwIB and ************");
    hide_learn_keys("tickets, and no PEM");
    hide_foreign(to, sizeof to, "bad: tickets, and");
    assert_string_equal(to, "bad: ************");
}

static void what_looks_like_a_credential_is_hidden_and_what_does_not_is_shown(void **state)
{
    static const struct {
        const char *said;
        bool is_shown;
    } cases[] = {
        {"eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9eyJhdWQ", false},
        {"MHcCAQEEIGhZ3/8pJ+5sPZ1mB8dX0qk7vYtR2nWcLf", false},
        {"f3a91c0b7d5e4a2f8c6b1d0e9f7a5c3b2e4d6f8a0c1b3d5e7f9a0b2c4d6e8f0a", true},
        {"/srv/Web2/a/b/c/Secrets/of/nobody/At/all/in/here", true},
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZ", true},
        {"deployment-7d9f8b6c5d-x2x4z-of-the-shop-in-cluster-number-17", true},
        {"2a:f1:90:77:5c:30:4e:0a:2a:f1:90:77:5c:30:4e:0a:2a:f1:90:77", true},
    };
    char to[128];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        hide_foreign(to, sizeof to, cases[i].said);
        assert_int_equal(strcmp(to, cases[i].said) == 0, cases[i].is_shown);
    }
}

static void a_text_without_end_is_cut_and_hides_all_the_same(void **state)
{
    static char text[3 * FOREIGN_MOST_BYTES];
    char to[64];

    (void)state;
    hide_learn(token, strlen(token));
    memset(text, ' ', sizeof text - 1);
    memcpy(text + FOREIGN_MOST_BYTES - 20, token, strlen(token));
    hide_foreign(to, sizeof to, text);
    assert_string_equal(to, "********************");
    hide_line(to, 8, token);
    assert_string_equal(to, "****...");
}

static void the_oldest_are_forgotten_and_the_newest_never(void **state)
{
    char one[64], first[64] = "", shown[64];

    (void)state;
    hide_make_room(10);
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(one, sizeof one, "%08x-%08x-%08x", i * 2654435761U, i * 40503U + 77, ~i);
        if (i == 0)
            memcpy(first, one, sizeof one);
        hide_learn(one, strlen(one));
        hide_foreign(shown, sizeof shown, one);
        assert_int_equal(strspn(shown, "*"), strlen(one));
    }
    hide_foreign(shown, sizeof shown, first);
    assert_string_equal(shown, first);
    assert_in_range(known.newer.slots + known.older.slots, 1, 40000);
    /* One that is larger than all the room there was. */
    for (size_t i = 0; i < 1000; i++) {
        char long_one[20001];

        for (size_t at = 0; at < sizeof long_one - 1; at++)
            long_one[at] = (char)('!' + (at * at * 7 + at / 93 + i) % 93);
        long_one[sizeof long_one - 1] = '\0';
        hide_learn(long_one, sizeof long_one - 1);
        memcpy(shown, long_one, 60);
        shown[60] = '\0';
        hide_known(shown);
        assert_int_equal(strspn(shown, "*"), 60);
        i += 499;
    }
}

static void without_memory_to_learn_nothing_foreign_is_shown(void **state)
{
    char to[128];

    (void)state;
    no_memory = true;
    hide_learn(token, strlen(token));
    no_memory = false;
    hide_foreign(to, sizeof to, token);
    assert_string_equal(to, "(not shown: there is no memory to look for credentials in it)");
}

static void a_terminal_is_told_nothing_that_it_obeys(void **state)
{
    char text[512] = "";
    json_auto_t *json = NULL;
    FILE *to = fmemopen(text, sizeof text, "w");

    (void)state;
    hide_learn(token, strlen(token));
    assert_true(terminal_line(to, "%-6s|%s", "web", "\x1b[2J\rfresh\nother  fresh\x7f\xc2\x9b\t"));
    assert_true(terminal_line(to, "token %s", token));
    json = json_pack("{s:o, s:o, s:o}", "a", terminal_text("\x1b]0;\xc2\x9b\xc3\xa4"), "b",
                     terminal_text("del\x7f"), "c", terminal_text("bad\xff"));
    assert_true(terminal_json(to, json));
    assert_false(terminal_json(to, NULL));
    fclose(to);
    assert_string_equal(
        text,
        "web   |\\x1b[2J\\x0dfresh\\x0aother  fresh\\x7f\\xc2\\x9b\\x09\n"
        "token ************************************************\n"
        "{\n  \"a\": \"\\u001B]0;\\u009B\\u00E4\",\n  \"b\": \"del \",\n  \"c\": \"bad?\"\n}\n");
}

#define HIDE_TEST(test) cmocka_unit_test_setup(test, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HIDE_TEST(fingerprints_are_siphash),
        HIDE_TEST(every_piece_of_eight_bytes_is_hidden_and_none_of_seven),
        HIDE_TEST(encoded_credentials_are_hidden_at_any_place_of_a_stream),
        HIDE_TEST(escaped_credentials_are_hidden),
        HIDE_TEST(a_short_password_is_hidden_where_it_is_whole),
        HIDE_TEST(of_pem_the_body_is_secret_and_what_it_is_is_not),
        HIDE_TEST(what_looks_like_a_credential_is_hidden_and_what_does_not_is_shown),
        HIDE_TEST(a_text_without_end_is_cut_and_hides_all_the_same),
        HIDE_TEST(the_oldest_are_forgotten_and_the_newest_never),
        HIDE_TEST(without_memory_to_learn_nothing_foreign_is_shown),
        HIDE_TEST(a_terminal_is_told_nothing_that_it_obeys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
