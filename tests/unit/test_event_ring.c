/*
 * The last events of an agent: bounded in bytes, and told in pages without a gap or a repetition.
 */
#include "unit.h"

#include "app/event_ring.h"
#include "base/event.h"
#include "base/keeper.h"

static unsigned grew;

static void on_grew(void *arg)
{
    assert_null(arg);
    grew++;
}

static struct event_ring *open_ring(void)
{
    struct event_ring *ring;
    struct err err;

    grew = 0;
    assert_true(event_ring_open(on_grew, NULL, &ring, &err));
    return ring;
}

static void emit(unsigned count, const char *text)
{
    for (unsigned i = 0; i < count; i++)
        event_emit(&(struct event){.kind = EVENT_ADVICE, .cert = "web"}, "%u %s", i, text);
}

static json_int_t number_at(const json_t *told, const char *key)
{
    return json_integer_value(json_object_get(told, key));
}

static void what_is_told_continues_where_the_last_page_ended(void **state)
{
    struct event_ring *ring = open_ring();
    char stream[64] = "";
    json_int_t after = 0;
    size_t told = 0;

    (void)state;
    emit(EVENT_RING_PAGE + 7, "short");
    assert_int_equal(grew, EVENT_RING_PAGE + 7);
    while (event_ring_has(ring, stream, (uint64_t)after)) {
        json_t *page = event_ring_tell(ring, stream, (uint64_t)after);
        json_t *events = json_object_get(page, "events");

        assert_int_equal(number_at(page, "lost"), 0);
        assert_in_range(json_array_size(events), 1, EVENT_RING_PAGE);
        assert_string_equal(
            json_string_value(json_object_get(json_array_get(events, 0), "message")),
            told == 0 ? "0 short" : "100 short");
        told += json_array_size(events);
        after = number_at(page, "after");
        snprintf(stream, sizeof stream, "%s", json_string_value(json_object_get(page, "stream")));
        json_decref(page);
    }
    assert_int_equal(told, EVENT_RING_PAGE + 7);
    /* A number of another process says nothing about the events of this one. */
    assert_true(event_ring_has(ring, "1.2", (uint64_t)after));
    assert_false(event_ring_has(ring, stream, (uint64_t)after));
    event_ring_close(ring);
}

static void the_oldest_give_way_and_their_number_is_told(void **state)
{
    struct event_ring *ring = open_ring();
    char text[600];
    json_t *page;
    size_t kept = 0;
    json_int_t after = 0, lost = 0;
    char stream[64] = "";

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    emit(5000, text);
    while (event_ring_has(ring, stream, (uint64_t)after)) {
        page = event_ring_tell(ring, stream, (uint64_t)after);
        kept += json_array_size(json_object_get(page, "events"));
        lost += number_at(page, "lost");
        after = number_at(page, "after");
        snprintf(stream, sizeof stream, "%s", json_string_value(json_object_get(page, "stream")));
        json_decref(page);
    }
    assert_int_equal(kept + (size_t)lost, 5000);
    assert_in_range(kept, 20, EVENT_RING_BYTES / sizeof text);
    event_ring_close(ring);
}

static void debug_events_are_not_kept(void **state)
{
    struct event_ring *ring = open_ring();

    (void)state;
    event_emit(&(struct event){.kind = EVENT_DETAIL}, "a detail");
    event_emit(&(struct event){.kind = EVENT_FAILED, .level = LOG_LEVEL_DEBUG}, "again");
    assert_false(event_ring_has(ring, "", 0));
    assert_int_equal(grew, 0);
    event_ring_close(ring);
    /* Nobody listens any more. */
    emit(1, "short");
    assert_int_equal(grew, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_told_continues_where_the_last_page_ended),
        cmocka_unit_test(the_oldest_give_way_and_their_number_is_told),
        cmocka_unit_test(debug_events_are_not_kept),
    };

    if (keeper_is_wanted(argc, argv))
        return keeper_run(argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
