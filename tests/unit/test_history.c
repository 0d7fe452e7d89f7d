#include "unit.h"

#include "app/history.h"
#include "base/event.h"

#include <malloc.h>

enum { CERTS = 10000, HEALTHY_BYTES_MOST = 600, ILL_BYTES_MOST = 3072 };

static json_t *only(const struct history *history, const char *cert, size_t index)
{
    json_auto_t *list = history_of(history, cert);

    return json_incref(json_array_get(list, index));
}

static const char *text(const json_t *object, const char *key)
{
    const char *found = json_string_value(json_object_get(object, key));

    return found == NULL ? "" : found;
}

static void publish(const char *cert, const char *serial)
{
    event_emit(
        &(struct event){.kind = EVENT_PUBLISHED, .cert = cert, .serial = serial, .end_s = 99},
        "published");
}

static void note_failure(const char *cert, enum err_kind class, const char *reason)
{
    event_emit(&(struct event){.kind = EVENT_FAILED,
                               .cert = cert,
                               .failure = class,
                               .reason = reason,
                               .next_try_ms = EVENT_NUMBER(5000)},
               "failed");
}

static struct history *opened(void)
{
    struct history *history;
    struct err err;

    assert_true(history_open(&history, &err));
    return history;
}

static void failures_that_repeat_themselves_are_one(void **state)
{
    struct history *history = opened();
    json_t *entry, *list;

    (void)state;
    note_failure("web", ERR_TRANSIENT, "no answer within 10s");
    note_failure("web", ERR_TRANSIENT, "no answer within 12s");
    note_failure("web", ERR_DENIED, "no answer within 12s");
    note_failure("other", ERR_DENIED, "no");
    list = history_of(history, "web");
    assert_int_equal(json_array_size(list), 2);
    json_decref(list);
    entry = only(history, "web", 0);
    assert_int_equal(json_integer_value(json_object_get(entry, "count")), 2);
    assert_string_equal(text(entry, "class"), "transient");
    assert_string_equal(text(entry, "reason"), "no answer within 12s");
    assert_string_not_equal(text(entry, "next_try_at"), "");
    json_decref(entry);
    history_close(history);
}

static void a_generation_has_its_reload_and_proof(void **state)
{
    struct history *history = opened();
    json_t *entry;

    (void)state;
    publish("web", "01");
    publish("web", "02");
    event_emit(&(struct event){.kind = EVENT_RELOADED, .cert = "web", .serial = "01"}, "late");
    entry = only(history, "web", 1);
    assert_true(json_is_null(json_object_get(entry, "reloaded_at")));
    json_decref(entry);
    event_emit(&(struct event){.kind = EVENT_RELOADED, .cert = "web", .serial = "02"}, "now");
    event_emit(&(struct event){.kind = EVENT_PROVEN, .cert = "web", .serial = "02"}, "now");
    event_emit(&(struct event){.kind = EVENT_FOUND, .cert = "web", .serial = "02"}, "read again");
    entry = only(history, "web", 1);
    assert_true(json_is_string(json_object_get(entry, "reloaded_at")));
    assert_true(json_is_string(json_object_get(entry, "proven_at")));
    json_decref(entry);
    assert_null(only(history, "web", 2));
    event_emit(&(struct event){.kind = EVENT_FORGOTTEN, .cert = "web"}, "forgotten");
    assert_null(only(history, "web", 0));
    history_close(history);
}

static void only_the_last_ones_are_kept(void **state)
{
    struct history *history = opened();
    char serial[8], reason[1000];
    json_t *list, *newest;

    (void)state;
    memset(reason, 'x', sizeof reason - 1);
    reason[sizeof reason - 1] = '\0';
    for (int i = 0; i < 100; i++) {
        snprintf(serial, sizeof serial, "%02d", i);
        reason[0] = (char)('a' + i % 26);
        publish("web", serial);
        note_failure("web", ERR_LOCAL, reason);
    }
    list = history_of(history, "web");
    assert_in_range(json_array_size(list), 2, 16);
    newest = json_array_get(list, json_array_size(list) - 1);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *seen = text(json_array_get(list, i), "serial");

        assert_true(seen[0] == '\0' || strcmp(seen, "95") > 0);
        assert_true(strlen(text(json_array_get(list, i), "reason")) < 200);
    }
    assert_non_null(newest);
    json_decref(list);
    history_close(history);
}

/* What each certificate costs: at rest, and if everything that can go wrong does, again and again.
 * A sanitizer's or valgrind's malloc has no such figures: then nothing is measured. */
static void ten_thousand_certificates_cost_little(void **state)
{
    static const char serial[] = "3c:96:9f:71:54:83:11:a9:2a:0c:c4:43:3c:be:c8:67:db:0c:ef:c7";
    struct history *history = opened();
    size_t before = mallinfo2().uordblks, healthy, ill;
    char name[32], reason[300];

    (void)state;
    for (int i = 0; i < CERTS; i++) {
        snprintf(name, sizeof name, "certificate-%05d", i);
        publish(name, serial);
    }
    healthy = (mallinfo2().uordblks - before) / CERTS;
    for (int round = 0; round < 20; round++)
        for (int i = 0; i < CERTS; i++) {
            snprintf(name, sizeof name, "certificate-%05d", i);
            memset(reason, 'a' + round, sizeof reason - 1);
            reason[sizeof reason - 1] = '\0';
            publish(name, serial);
            note_failure(name, round % 2 == 0 ? ERR_DENIED : ERR_REFUSED, reason);
        }
    ill = (mallinfo2().uordblks - before) / CERTS;
    print_message("a certificate costs %zu bytes, at most %zu\n", healthy, ill);
    assert_in_range(healthy, 0, HEALTHY_BYTES_MOST);
    assert_in_range(ill, 0, ILL_BYTES_MOST);
    history_close(history);
}

static void the_agent_has_its_last_login_and_outage(void **state)
{
    struct history *history = opened();
    json_auto_t *agent = json_object();
    const json_t *login;

    (void)state;
    assert_true(history_add_agent(history, agent));
    assert_true(json_is_null(json_object_get(agent, "login")));
    event_emit(
        &(struct event){.kind = EVENT_LOGGED_IN, .method = "jwt", .lease_s = EVENT_NUMBER(60)},
        "in");
    event_emit(&(struct event){.kind = EVENT_CA_AWAY, .reason = "no route"}, "away");
    event_emit(&(struct event){.kind = EVENT_CONFIG_BROKEN}, "broken");
    assert_true(history_add_agent(history, agent));
    login = json_object_get(agent, "login");
    assert_true(json_is_true(json_object_get(login, "ok")));
    assert_string_equal(text(login, "method"), "jwt");
    assert_true(strcmp(text(agent, "token_expires_at"), text(login, "at")) > 0);
    assert_string_equal(text(agent, "ca_away_reason"), "no route");
    assert_true(json_is_string(json_object_get(agent, "problem_at")));
    event_emit(&(struct event){.kind = EVENT_TOKEN_RENEWED, .lease_s = EVENT_NUMBER(0)}, "ever");
    event_emit(
        &(struct event){
            .kind = EVENT_LOGIN_FAILED, .method = "jwt", .failure = ERR_DENIED, .reason = "no"},
        "not in");
    event_emit(&(struct event){.kind = EVENT_CA_BACK}, "back");
    event_emit(&(struct event){.kind = EVENT_CONFIG_GOOD}, "good");
    assert_true(history_add_agent(history, agent));
    login = json_object_get(agent, "login");
    assert_false(json_is_true(json_object_get(login, "ok")));
    assert_string_equal(text(login, "error"), "no");
    assert_true(json_is_null(json_object_get(agent, "token_expires_at")));
    assert_true(json_is_null(json_object_get(agent, "ca_away_reason")));
    assert_true(json_is_null(json_object_get(agent, "problem_at")));
    history_close(history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_that_repeat_themselves_are_one),
        cmocka_unit_test(a_generation_has_its_reload_and_proof),
        cmocka_unit_test(only_the_last_ones_are_kept),
        cmocka_unit_test(ten_thousand_certificates_cost_little),
        cmocka_unit_test(the_agent_has_its_last_login_and_outage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
