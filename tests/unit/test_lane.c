/* Which job runs next, how many sets are read at once, and which disk a path lies on. */
#include "unit.h"

#include "base/lane.h"
#include "base/mounts.h"
#include "cert/set_owner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- lanes ----------------------------------------------------------------------------------------
 */

enum { THREADS = 4 };

static struct lanes *begin(void)
{
    struct lanes *lanes = lanes_new(THREADS);

    assert_non_null(lanes);
    return lanes;
}

static void put(struct lanes *lanes, struct lane_place *place, const char *name, uint64_t disk,
                enum worker_urgency urgency)
{
    assert_true(lanes_push(lanes, place, &(struct lane_key){name, disk}, urgency));
}

static void end_all(struct lanes *lanes)
{
    struct lane_place *place;

    while ((place = lanes_pop(lanes)) != NULL)
        lanes_end(lanes, place);
    assert_int_equal(lanes_waiting(lanes), 0);
    lanes_free(lanes);
}

static void jobs_of_a_lane_run_one_after_the_other_in_order(void **state)
{
    struct lane_place a[3], b[1];
    struct lanes *lanes = begin();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(a); i++)
        put(lanes, &a[i], "/a", 1, WORK_NEXT);
    put(lanes, &b[0], "/b", 1, WORK_NEXT);
    assert_string_equal(lane_name(&a[0]), "/a");
    assert_ptr_equal(lanes_pop(lanes), &a[0]);
    assert_ptr_equal(lanes_pop(lanes), &b[0]);
    assert_null(lanes_pop(lanes));
    lanes_end(lanes, &a[0]);
    assert_ptr_equal(lanes_pop(lanes), &a[1]);
    lanes_end(lanes, &b[0]);
    assert_null(lanes_pop(lanes));
    lanes_end(lanes, &a[1]);
    assert_int_equal(lanes_waiting(lanes), 1);
    end_all(lanes);
}

static void what_is_urgent_goes_first_in_its_lane_and_before_others(void **state)
{
    struct lane_place idle[2], urgent, computes;
    struct lanes *lanes = begin();

    (void)state;
    put(lanes, &idle[0], "/a", 1, WORK_WHEN_IDLE);
    put(lanes, &idle[1], "/b", 1, WORK_WHEN_IDLE);
    put(lanes, &urgent, "/b", 1, WORK_NEXT);
    put(lanes, &computes, NULL, 0, WORK_NEXT);
    assert_ptr_equal(lanes_pop(lanes), &urgent);
    assert_ptr_equal(lanes_pop(lanes), &computes);
    assert_ptr_equal(lanes_pop(lanes), &idle[0]);
    assert_null(lanes_pop(lanes));
    lanes_end(lanes, &urgent);
    assert_ptr_equal(lanes_pop(lanes), &idle[1]);
    lanes_end(lanes, &idle[1]);
    lanes_end(lanes, &computes);
    lanes_end(lanes, &idle[0]);
    end_all(lanes);
}

static void disks_take_turns(void **state)
{
    struct lane_place a[3], b[3];
    struct lanes *lanes = begin();
    char name[8];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(a); i++) {
        snprintf(name, sizeof name, "/a/%zu", i);
        put(lanes, &a[i], name, 1, WORK_NEXT);
    }
    for (size_t i = 0; i < COUNT_OF(b); i++) {
        snprintf(name, sizeof name, "/b/%zu", i);
        put(lanes, &b[i], name, 2, WORK_NEXT);
    }
    for (size_t i = 0; i < COUNT_OF(a); i++) {
        assert_ptr_equal(lanes_pop(lanes), &a[i]);
        assert_ptr_equal(lanes_pop(lanes), &b[i]);
    }
    for (size_t i = 0; i < COUNT_OF(a); i++) {
        lanes_end(lanes, &a[i]);
        lanes_end(lanes, &b[i]);
    }
    end_all(lanes);
}

/* Sixty-four lanes of a disk that never answers: one by one they are tried, until enough hang. */
static void a_disk_that_hangs_takes_no_more_than_its_share(void **state)
{
    struct lane_place hung[64], other, *running[64];
    struct lanes *lanes = begin();
    size_t count = 0;
    char name[16];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(hung); i++) {
        snprintf(name, sizeof name, "/hung/%zu", i);
        put(lanes, &hung[i], name, 1, WORK_NEXT);
    }
    while ((running[count] = lanes_pop(lanes)) != NULL)
        count++;
    assert_int_equal(count, THREADS);
    for (size_t i = 0; i < count; i++) {
        assert_true(lanes_mark_stuck(lanes, running[i]));
        while ((running[count] = lanes_pop(lanes)) != NULL)
            count++;
    }
    assert_int_equal(count, LANE_STUCK_MOST);
    put(lanes, &other, "/other", 2, WORK_NEXT);
    assert_ptr_equal(lanes_pop(lanes), &other);
    lanes_end(lanes, &other);
    /* It answers again. */
    for (size_t i = 0; i < count; i++)
        lanes_end(lanes, running[i]);
    for (count = 0; (running[count] = lanes_pop(lanes)) != NULL; count++)
        ;
    assert_int_equal(count, THREADS);
    for (size_t i = 0; i < count; i++)
        lanes_end(lanes, running[i]);
    end_all(lanes);
}

static void what_computes_never_hangs(void **state)
{
    struct lane_place jobs[6];
    struct lanes *lanes = begin();

    (void)state;
    for (size_t i = 0; i < COUNT_OF(jobs); i++)
        put(lanes, &jobs[i], NULL, 0, WORK_NEXT);
    for (size_t i = 0; i < THREADS; i++) {
        assert_ptr_equal(lanes_pop(lanes), &jobs[i]);
        assert_false(lanes_mark_stuck(lanes, &jobs[i]));
    }
    assert_null(lanes_pop(lanes));
    for (size_t i = 0; i < THREADS; i++)
        lanes_end(lanes, &jobs[i]);
    end_all(lanes);
}

static void a_job_that_is_removed_does_not_run(void **state)
{
    struct lane_place jobs[4];
    struct lanes *lanes = begin();

    (void)state;
    for (size_t i = 0; i < 3; i++)
        put(lanes, &jobs[i], "/a", 1, WORK_NEXT);
    put(lanes, &jobs[3], "/b", 1, WORK_WHEN_IDLE);
    lanes_remove(lanes, &jobs[1]);
    lanes_remove(lanes, &jobs[3]);
    assert_int_equal(lanes_waiting(lanes), 2);
    assert_ptr_equal(lanes_pop(lanes), &jobs[0]);
    lanes_remove(lanes, &jobs[2]);
    assert_null(lanes_pop(lanes));
    lanes_end(lanes, &jobs[0]);
    end_all(lanes);
}

/* -- mounts ---------------------------------------------------------------------------------------
 */

static const char table[] = "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
                            "22 21 0:21 / /proc rw - proc proc rw\n"
                            "31 21 0:40 / /mnt/nfs rw - nfs4 server:/export rw\n"
                            "32 31 7:3 / /mnt/nfs/deep rw - ext4 /dev/loop3 rw\n"
                            "33 21 8:1 /var/lib /srv rw - ext4 /dev/sda1 rw\n"
                            "34 21 7:4 / /mnt/with\\040space rw - ext4 /dev/loop4 rw\n"
                            "35 21 7:5 / /mnt/twice rw - ext4 /dev/loop5 rw\n"
                            "36 35 7:6 / /mnt/twice rw - ext4 /dev/loop6 rw\n"
                            "not a line\n"
                            "40 21 x:y / /mnt/odd rw - ext4 /dev/loop9 rw\n";

static void the_longest_mount_point_tells_the_disk(void **state)
{
    static const struct {
        const char *path;
        unsigned major, minor;
    } cases[] = {
        {"/etc/tls", 8, 1},
        {"/", 8, 1},
        {"/mnt", 8, 1},
        {"/mnt/nfs", 0, 40},
        {"/mnt/nfs/tls", 0, 40},
        {"/mnt/nfsx/tls", 8, 1},
        {"/mnt/nfs/deep/a", 7, 3},
        {"/mnt/nfs/deeper", 0, 40},
        {"/srv/tls", 8, 1},
        {"/mnt/with space/tls", 7, 4},
        {"/mnt/twice/tls", 7, 6},
        {"/mnt/odd/tls", 8, 1},
    };
    struct bytes text = {.limit = sizeof table};
    struct mounts mounts = {0};

    (void)state;
    assert_true(bytes_add(&text, table, strlen(table)));
    mounts_parse(&mounts, &text);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t disk = (uint64_t)cases[i].major << 32 | cases[i].minor;

        if (mounts_find(&mounts, cases[i].path) != disk)
            fail_msg("%s is on the wrong disk", cases[i].path);
    }
    mounts_close(&mounts);
    assert_int_equal(mounts_find(&mounts, "/etc/tls"), 0);
}

static void this_machine_has_its_disks(void **state)
{
    struct mounts mounts = {0};

    (void)state;
    assert_int_not_equal(mounts_disk(&mounts, "/proc/self"), mounts_disk(&mounts, "/tmp"));
    assert_int_equal(mounts_disk(&mounts, "/proc/self"), mounts_disk(&mounts, "/proc/1"));
    mounts_close(&mounts);
}

/* -- the gate of the sets -------------------------------------------------------------------------
 */

struct reader {
    struct set_pass pass;
    unsigned entered;
    bool leaves_at_once;
};

static void let_in(void *arg)
{
    struct reader *reader = arg;

    reader->entered++;
    if (reader->leaves_at_once)
        set_gate_leave(&reader->pass);
}

static void enter(struct set_gate *gate, uint64_t disk, struct reader *reader)
{
    struct err err;

    assert_true(set_gate_enter(gate, disk, let_in, reader, &reader->pass, &err));
}

static void a_disk_that_is_full_keeps_its_own_sets_waiting_in_order(void **state)
{
    struct reader first[SET_GATE_MOST] = {0}, waiting[3] = {0}, other = {0};
    struct set_gate gate = {0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(first); i++)
        enter(&gate, 1, &first[i]);
    for (size_t i = 0; i < COUNT_OF(waiting); i++)
        enter(&gate, 1, &waiting[i]);
    enter(&gate, 2, &other);
    assert_int_equal(first[SET_GATE_MOST - 1].entered, 1);
    assert_int_equal(waiting[0].entered, 0);
    assert_int_equal(other.entered, 1);
    set_gate_leave(&other.pass);
    set_gate_leave(&waiting[0].pass); /* waits no more */
    set_gate_leave(&first[7].pass);
    assert_int_equal(waiting[0].entered, 0);
    assert_int_equal(waiting[1].entered, 1);
    assert_int_equal(waiting[2].entered, 0);
    set_gate_leave(&waiting[1].pass);
    assert_int_equal(waiting[2].entered, 1);
    set_gate_leave(&waiting[2].pass);
    for (size_t i = 0; i < COUNT_OF(first); i++)
        set_gate_leave(&first[i].pass);
    assert_null(gate.disks);
}

static void who_is_let_in_may_leave_at_once(void **state)
{
    struct reader first[SET_GATE_MOST] = {0}, waiting[3] = {0}, alone = {.leaves_at_once = true};
    struct set_gate gate = {0};

    (void)state;
    enter(&gate, 1, &alone);
    assert_int_equal(alone.entered, 1);
    assert_null(gate.disks);
    for (size_t i = 0; i < COUNT_OF(first); i++)
        enter(&gate, 1, &first[i]);
    for (size_t i = 0; i < COUNT_OF(waiting); i++) {
        waiting[i].leaves_at_once = true;
        enter(&gate, 1, &waiting[i]);
    }
    for (size_t i = 0; i < COUNT_OF(first); i++)
        set_gate_leave(&first[i].pass);
    for (size_t i = 0; i < COUNT_OF(waiting); i++)
        assert_int_equal(waiting[i].entered, 1);
    assert_null(gate.disks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_of_a_lane_run_one_after_the_other_in_order),
        cmocka_unit_test(what_is_urgent_goes_first_in_its_lane_and_before_others),
        cmocka_unit_test(disks_take_turns),
        cmocka_unit_test(a_disk_that_hangs_takes_no_more_than_its_share),
        cmocka_unit_test(what_computes_never_hangs),
        cmocka_unit_test(a_job_that_is_removed_does_not_run),
        cmocka_unit_test(the_longest_mount_point_tells_the_disk),
        cmocka_unit_test(this_machine_has_its_disks),
        cmocka_unit_test(a_disk_that_is_full_keeps_its_own_sets_waiting_in_order),
        cmocka_unit_test(who_is_let_in_may_leave_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
