/* A line is said at a Unix socket; what the consumer there answers, or does not, decides. */
#include "unit.h"

#include "reload/reload_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SET    "set ssl cert /tls/site.pem"
#define COMMIT "commit ssl cert /tls/site.pem"

struct bench {
    sd_event *loop;
    struct workers *workers;
    char folder[32], path[64], file[64];
    int listener;
    struct socket_order order;
    struct slot *slot;
    unsigned times;
    struct err err;
    char said[512]; /* heard last on a connection */
};

static int open_bench(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct err err;

    strcpy(bench->folder, "/tmp/leafd-unit-XXXXXX");
    *state = bench;
    if (mkdtemp(bench->folder) == NULL || sd_event_new(&bench->loop) < 0 ||
        !workers_open(bench->loop, 2, &bench->workers, &err))
        return -1;
    snprintf(bench->path, sizeof bench->path, "%s/sock", bench->folder);
    snprintf(bench->file, sizeof bench->file, "%s/site.pem", bench->folder);
    bench->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    strcpy(address.sun_path, bench->path);
    bench->order = (struct socket_order){
        .socket = bench->path, .user = geteuid(), .line = "reload", .limit_s = 60};
    return bind(bench->listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
           listen(bench->listener, 8) != 0;
}

static int close_bench(void **state)
{
    struct bench *bench = *state;

    slot_drop(bench->slot);
    if (bench->listener >= 0)
        close(bench->listener);
    assert_true(workers_close(bench->workers, 10));
    sd_event_unref(bench->loop);
    unlink(bench->path);
    unlink(bench->file);
    rmdir(bench->folder);
    free(bench);
    return 0;
}

static void hear(void *arg, const struct err *err)
{
    struct bench *bench = arg;

    bench->times++;
    bench->err = *err;
}

static void start(struct bench *bench)
{
    struct err err;

    bench->times = 0;
    bench->slot =
        reload_socket_start(bench->loop, bench->workers, &bench->order, hear, bench, &err);
    if (bench->slot == NULL)
        fail_msg("%s", err.text);
}

static void turn(struct bench *bench)
{
    while (sd_event_run(bench->loop, 0) > 0)
        ;
}

/* The next connection, which a worker makes. */
static int take_connection(struct bench *bench)
{
    int fd = -1;

    while (fd < 0) {
        assert_true(sd_event_run(bench->loop, 10000) >= 0);
        fd = accept4(bench->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
    return fd;
}

/* Accepts the connection that was made and reads all that was said there. */
static int hear_line(struct bench *bench)
{
    int fd = take_connection(bench);
    ssize_t got = -1;

    while (got < 0) {
        assert_true(sd_event_run(bench->loop, 10000) >= 0);
        got = recv(fd, bench->said, sizeof bench->said - 1, MSG_DONTWAIT);
    }
    fcntl(fd, F_SETFL, 0);
    turn(bench);
    if (got > 0 && (size_t)got < sizeof bench->said - 1) {
        ssize_t more =
            recv(fd, bench->said + got, sizeof bench->said - 1 - (size_t)got, MSG_DONTWAIT);

        got += more > 0 ? more : 0;
    }
    assert_true(got > 0);
    bench->said[got] = '\0';
    return fd;
}

static void wait_end(struct bench *bench)
{
    while (bench->times == 0)
        assert_true(sd_event_run(bench->loop, UINT64_MAX) >= 0);
}

static void expect_failure(const struct bench *bench, const char *text)
{
    assert_int_equal(bench->err.kind, ERR_CONSUMER);
    if (strstr(bench->err.text, text) == NULL)
        fail_msg("wanted: %s\ngot: %s", text, bench->err.text);
}

static void expect_success(const struct bench *bench)
{
    if (bench->err.kind != ERR_NONE)
        fail_msg("%s", bench->err.text);
}

static void answer(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void write_file(const struct bench *bench, const char *text)
{
    FILE *file = fopen(bench->file, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* -- answers --------------------------------------------------------------------------------------
 */

static void haproxys_answers_are_judged_by_their_words(void **state)
{
    /* As HAProxy 2.6 gives them. */
    static const struct {
        const char *line, *answer;
        bool good;
    } cases[] = {
        {SET, "Transaction created for certificate /tls/site.pem!\n\n", true},
        {SET, "Transaction updated for certificate /tls/site.pem!\n\n", true},
        {SET, "Transaction updated for certificate /tls/other.pem!\n\n", false},
        {SET, "Transaction updated for certificate /tls/site.pe!\n\n", false},
        {SET, "", false},
        {SET, "\n", false},
        {SET, "Permission denied\n\n", false},
        {SET, "Can't replace a certificate which is not referenced by the configuration!\n\n",
         false},
        {SET, "unable to load certificate from file '/tls/site.pem'.\nCan't load the payload\n",
         false},
        {SET ".key", "Transaction created for certificate /tls/site.pem!\n\n", true},
        {"set ssl cert /tls/site.key", "Transaction updated for certificate /tls/site.crt!\n",
         true},
        {"set ssl cert /tls/site.pem.rsa",
         "Transaction updated for certificate /tls/site.pem.ecdsa!\n", false},
        {"@1 " SET, "Transaction created for certificate /tls/site.pem!\n\n", true},
        {"set ssl ca-file /ca.pem", "transaction created for CA /ca.pem!\n\n", true},
        {"set ssl ca-file /ca.pem", "transaction updated for CA /ca.pem!\n\n", true},
        {"set ssl ca-file /ca.pem", "transaction updated for CA /other.pem!\n\n", false},
        {"set ssl crl-file /crl.pem", "transaction created for CRL /crl.pem!\n\n", true},
        {COMMIT, "Committing /tls/site.pem.\nSuccess!\n\n", true},
        {COMMIT, "Committing /tls/site.pem..\n", false},
        {COMMIT, "Committing /tls/site.pem.\nout of memory\nFailed!\n\n", false},
        {COMMIT, "No ongoing transaction! !\nCan't commit /tls/site.pem!\n\n", false},
        {COMMIT, "inconsistencies between private key and certificate loaded '/tls/site.pem'.\n",
         false},
        {"abort ssl cert /tls/site.pem", "Transaction aborted for certificate '/tls/site.pem'!\n",
         true},
        {"abort ssl cert /tls/site.pem", "No ongoing transaction!\n\n", false},
        {"set ssl cert", "'set ssl cert expects a filename and a certificate as a payload\n\n",
         false},
        {"set maxconn global 5", "\n", true},
        {"reload", "Success=1\n--\n", true},
        {"reload", "Success=0\n--\n[ALERT] no\n", false},
        {"reload", "OK\n", true},
        {"reload", "", false},
        {"reload", "-ERR unknown command\r\n", false},
        {"reload", "\nERROR: nothing like it\n", false},
        {"reload", "Unknown command, but maybe one of the following ones\n", false},
        {"set server a/b state ready", "No such backend.\n\n", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if ((reload_answer_problem(cases[i].line, cases[i].answer) == NULL) != cases[i].good)
            fail_msg("%s: %s", cases[i].line, cases[i].answer);
}

static void what_is_undone_is_what_was_begun(void **state)
{
    static const struct {
        const char *line, *answer, *undo;
    } cases[] = {
        {COMMIT, "Can't commit", "abort ssl cert /tls/site.pem"},
        {SET, "", "abort ssl cert /tls/site.pem"},
        {SET ".key", "", "abort ssl cert /tls/site.pem"},
        {SET, "Transaction updated for certificate /tls/other.pem!\n",
         "abort ssl cert /tls/other.pem"},
        {"@1 commit ssl ca-file /ca.pem", "", "@1 abort ssl ca-file /ca.pem"},
        {"abort ssl cert /tls/site.pem", "", NULL},
        {"reload", "error", NULL},
    };
    struct arena arena = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *undo = reload_answer_undo(&arena, cases[i].line, cases[i].answer);

        if (cases[i].undo == NULL)
            assert_null(undo);
        else
            assert_string_equal(undo, cases[i].undo);
    }
    arena_free(&arena);
}

/* HAProxy takes several commands in a line, apart by ';': what it answers is none of them. */
static void a_name_in_the_answer_adds_no_command(void **state)
{
    static const char *const names[] = {"b.pem;shutdown", "b.pem\x1b[2J", "b\\;x",
                                        "b.pem\rquit",    "b.pem\tx",     "b\x7f"};
    struct arena arena = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *answer =
            arena_format(&arena, "Transaction updated for certificate %s!\n", names[i]);

        assert_non_null(reload_answer_problem("set ssl cert a.pem", answer));
        assert_string_equal(reload_answer_undo(&arena, "set ssl cert a.pem", answer),
                            "abort ssl cert a.pem");
    }
    arena_free(&arena);
}

/* -- conversations --------------------------------------------------------------------------------
 */

static void a_line_is_said_and_its_answer_read_in_pieces(void **state)
{
    static const char text[] = "Committing /tls/site.pem.\nSuccess!\n";
    struct bench *bench = *state;
    int fd;

    bench->order.line = COMMIT;
    start(bench);
    fd = hear_line(bench);
    assert_string_equal(bench->said, COMMIT "\n");
    for (size_t i = 0; text[i] != '\0'; i++) {
        assert_int_equal(write(fd, text + i, 1), 1);
        turn(bench);
        assert_int_equal(bench->times, 0);
    }
    close(fd);
    wait_end(bench);
    expect_success(bench);
}

static void an_empty_line_ends_an_answer_on_an_open_connection(void **state)
{
    struct bench *bench = *state;
    int fd;

    start(bench);
    fd = hear_line(bench);
    answer(fd, "fine\n\n");
    wait_end(bench);
    expect_success(bench);
    close(fd);
}

static void a_payload_is_sent_without_its_empty_lines(void **state)
{
    struct bench *bench = *state;
    int fd;

    write_file(bench, "\n-----BEGIN X-----\r\nabc\n\n\ndef\n-----END X-----\n\n-----BEGIN Y-----");
    bench->order.line = SET;
    bench->order.payload = bench->file;
    start(bench);
    fd = hear_line(bench);
    assert_string_equal(bench->said, SET
                        " <<\n-----BEGIN X-----\nabc\ndef\n-----END X-----\n-----BEGIN Y-----\n\n");
    answer(fd, "Transaction created for certificate /tls/site.pem!\n\n");
    wait_end(bench);
    expect_success(bench);
    close(fd);
}

static void a_long_payload_goes_out_as_the_consumer_reads(void **state)
{
    struct bench *bench = *state;
    char line[65], buffer[4096];
    size_t total = 0, wanted;
    FILE *file;
    int fd;

    memset(line, 'k', 64);
    line[64] = '\0';
    file = fopen(bench->file, "w");
    for (int i = 0; i < 1900; i++)
        fprintf(file, "%s\n", line);
    fclose(file);
    wanted = strlen(SET " <<\n") + 1900U * 65 + 1;
    bench->order.line = SET;
    bench->order.payload = bench->file;
    start(bench);
    fd = take_connection(bench);
    while (total < wanted) {
        ssize_t got;

        assert_true(sd_event_run(bench->loop, 10000) >= 0);
        got = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
        assert_true(got != 0);
        total += got > 0 ? (size_t)got : 0;
    }
    assert_int_equal(total, wanted);
    answer(fd, "Transaction created for certificate /tls/site.pem!\n\n");
    wait_end(bench);
    expect_success(bench);
    close(fd);
}

static void a_consumer_that_refuses_and_closes_early_is_still_heard(void **state)
{
    struct bench *bench = *state;
    int fd;

    write_file(bench, "secret\n");
    bench->order.line = SET;
    bench->order.payload = bench->file;
    start(bench);
    fd = take_connection(bench);
    answer(fd, "Permission denied\n\n");
    close(fd);
    /* The abort, which is of no use, but cannot be known to be. */
    close(take_connection(bench));
    wait_end(bench);
    expect_failure(bench, "set ssl cert: the consumer refused the line; its stats socket "
                          "needs level admin: Permission denied");
}

static void a_commit_that_failed_is_aborted(void **state)
{
    struct bench *bench = *state;
    int fd;

    bench->order.line = COMMIT;
    start(bench);
    fd = hear_line(bench);
    answer(fd, "inconsistencies between private key and certificate loaded '/tls/site.pem'.\n\n");
    close(fd);
    turn(bench);
    assert_int_equal(bench->times, 0);
    fd = hear_line(bench);
    assert_string_equal(bench->said, "abort ssl cert /tls/site.pem\n");
    answer(fd, "Transaction aborted for certificate '/tls/site.pem'!\n\n");
    close(fd);
    wait_end(bench);
    expect_failure(bench, "commit ssl cert: the consumer refused it: inconsistencies");
}

static void a_transaction_of_another_certificate_is_aborted(void **state)
{
    struct bench *bench = *state;
    int fd;

    write_file(bench, "secret\n");
    bench->order.line = SET;
    bench->order.payload = bench->file;
    start(bench);
    fd = hear_line(bench);
    answer(fd, "Transaction updated for certificate /tls/other.pem!\n\n");
    close(fd);
    turn(bench);
    fd = hear_line(bench);
    assert_string_equal(bench->said, "abort ssl cert /tls/other.pem\n");
    close(fd);
    wait_end(bench);
    expect_failure(bench, "put the file into the open transaction of another certificate");
}

static void what_is_sent_back_of_the_payload_is_not_told(void **state)
{
    struct bench *bench = *state;
    int fd;

    write_file(bench, "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49\nAwEHBG0wawIBAQQgCANARYCANARY\n");
    bench->order.line = "load";
    bench->order.payload = bench->file;
    start(bench);
    fd = hear_line(bench);
    answer(fd, "Unknown command: 'AwEHBG0wawIBAQQgCANARYCANARY' in load\n\n");
    close(fd);
    wait_end(bench);
    expect_failure(bench, "Unknown command: '****");
    expect_failure(bench, "' in load");
    assert_null(strstr(bench->err.text, "CANARY"));
    assert_null(strstr(bench->err.text, "AwEH"));
}

static void a_consumer_that_never_answers_meets_the_time_limit(void **state)
{
    struct bench *bench = *state;
    int fd;

    bench->order.limit_s = 1;
    start(bench);
    fd = hear_line(bench);
    wait_end(bench);
    expect_failure(bench, "the line: the consumer did not answer within 1s");
    close(fd);
}

static void a_consumer_that_disappears_is_told(void **state)
{
    struct bench *bench = *state;

    start(bench);
    close(hear_line(bench));
    wait_end(bench);
    expect_failure(bench, "closed the connection without an answer");
}

static void a_consumer_that_never_stops_is_cut_off(void **state)
{
    struct bench *bench = *state;
    char noise[4096];
    int fd;

    memset(noise, 'x', sizeof noise);
    start(bench);
    fd = hear_line(bench);
    while (bench->times == 0) {
        (void)!send(fd, noise, sizeof noise, MSG_DONTWAIT | MSG_NOSIGNAL);
        turn(bench);
    }
    expect_failure(bench, "answer is longer than 65536 bytes");
    close(fd);
}

static void a_socket_where_nobody_listens_fails_at_once(void **state)
{
    struct bench *bench = *state;

    close(bench->listener);
    bench->listener = -1;
    start(bench);
    wait_end(bench);
    expect_failure(bench, bench->path);
    assert_true(bench->err.nobody);
    slot_drop(bench->slot);
    unlink(bench->path);
    start(bench);
    wait_end(bench);
    expect_failure(bench, bench->path);
    assert_true(bench->err.nobody);
}

static void a_payload_that_cannot_be_read_is_told(void **state)
{
    struct bench *bench = *state;

    bench->order.payload = "/no/such/site.pem";
    start(bench);
    wait_end(bench);
    expect_failure(bench, "/no/such/site.pem");
}

static void a_full_queue_is_waited_for(void **state)
{
    struct bench *bench = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int waiting[64], count = 0, fd;

    /* Linux takes one connection more than the backlog says. */
    assert_int_equal(listen(bench->listener, 0), 0);
    strcpy(address.sun_path, bench->path);
    do {
        waiting[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    } while (connect(waiting[count++], (const struct sockaddr *)&address, sizeof address) == 0 &&
             count < 64);
    assert_true(count < 64);
    start(bench);
    /* A worker has found it full, and the loop has heard of that. */
    assert_true(sd_event_run(bench->loop, UINT64_MAX) > 0);
    turn(bench);
    assert_int_equal(bench->times, 0);
    while (count > 0)
        close(waiting[--count]);
    while ((fd = accept(bench->listener, NULL, NULL)) >= 0)
        close(fd);
    fd = hear_line(bench);
    assert_string_equal(bench->said, "reload\n");
    answer(fd, "\n");
    wait_end(bench);
    expect_success(bench);
    close(fd);
}

static void a_dropped_conversation_is_unheard(void **state)
{
    struct bench *bench = *state;
    int fd;

    start(bench);
    fd = hear_line(bench);
    bench->slot = slot_drop(bench->slot);
    assert_int_equal(read(fd, bench->said, sizeof bench->said), 0);
    turn(bench);
    assert_int_equal(bench->times, 0);
    close(fd);
}

int main(void)
{
#define SOCKET_TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(haproxys_answers_are_judged_by_their_words),
        cmocka_unit_test(what_is_undone_is_what_was_begun),
        cmocka_unit_test(a_name_in_the_answer_adds_no_command),
        SOCKET_TEST(a_line_is_said_and_its_answer_read_in_pieces),
        SOCKET_TEST(an_empty_line_ends_an_answer_on_an_open_connection),
        SOCKET_TEST(a_payload_is_sent_without_its_empty_lines),
        SOCKET_TEST(a_long_payload_goes_out_as_the_consumer_reads),
        SOCKET_TEST(a_consumer_that_refuses_and_closes_early_is_still_heard),
        SOCKET_TEST(a_commit_that_failed_is_aborted),
        SOCKET_TEST(a_transaction_of_another_certificate_is_aborted),
        SOCKET_TEST(what_is_sent_back_of_the_payload_is_not_told),
        SOCKET_TEST(a_consumer_that_never_answers_meets_the_time_limit),
        SOCKET_TEST(a_consumer_that_disappears_is_told),
        SOCKET_TEST(a_consumer_that_never_stops_is_cut_off),
        SOCKET_TEST(a_socket_where_nobody_listens_fails_at_once),
        SOCKET_TEST(a_payload_that_cannot_be_read_is_told),
        SOCKET_TEST(a_full_queue_is_waited_for),
        SOCKET_TEST(a_dropped_conversation_is_unheard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
