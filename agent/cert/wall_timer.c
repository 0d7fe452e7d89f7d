#include "cert/wall_timer.h"

#include "base/clock.h"

#include <stdlib.h>

enum {
    LONGEST_SLEEP_S = 60 * 60,
    ACCURACY_US = 1000,
    FIRST_ROOM = 16,
    RINGS_PER_TURN = 64 /* the loop handles its other events in between */
};

/* A binary heap; the earliest timer is at place 1. */
struct heap {
    struct wall_timer **timers;
    uint32_t count;
    bool is_wall;
};

/* The timers of one event loop; freed with the last one. */
struct schedule {
    struct heap wall, boot;
    uint32_t room;                   /* capacity of either heap */
    uint32_t users;                  /* open timers */
    uint64_t armed_wall, armed_boot; /* the earliest of either when the source was armed; 0: none */
    sd_event *loop;
    sd_event_source *source;
    struct schedule *next;
};

/* One per event loop. The program has one loop; tests have several. */
static struct schedule *schedules;

/* -- the heap -------------------------------------------------------------------------------------
 */

static uint64_t key(const struct heap *heap, uint32_t place)
{
    const struct wall_timer *timer = heap->timers[place - 1];

    return heap->is_wall ? timer->moment_s : timer->until_us;
}

static uint32_t *place_of(const struct heap *heap, struct wall_timer *timer)
{
    return heap->is_wall ? &timer->wall_place : &timer->boot_place;
}

static void put(struct heap *heap, uint32_t place, struct wall_timer *timer)
{
    heap->timers[place - 1] = timer;
    *place_of(heap, timer) = place;
}

static void swap(struct heap *heap, uint32_t a, uint32_t b)
{
    struct wall_timer *timer = heap->timers[a - 1];

    put(heap, a, heap->timers[b - 1]);
    put(heap, b, timer);
}

/* Moves the timer at `place` to where it belongs. */
static void sift(struct heap *heap, uint32_t place)
{
    while (place > 1 && key(heap, place) < key(heap, place / 2)) {
        swap(heap, place, place / 2);
        place /= 2;
    }
    for (uint32_t child = 2 * place; child <= heap->count; child = 2 * place) {
        if (child < heap->count && key(heap, child + 1) < key(heap, child))
            child++;
        if (key(heap, place) <= key(heap, child))
            return;
        swap(heap, place, child);
        place = child;
    }
}

static void heap_remove(struct heap *heap, struct wall_timer *timer)
{
    uint32_t place = *place_of(heap, timer);

    if (place == 0)
        return;
    swap(heap, place, heap->count);
    heap->count--;
    *place_of(heap, timer) = 0;
    if (place <= heap->count)
        sift(heap, place);
}

/* Adds, moves or removes the timer after its time has changed. */
static void heap_update(struct heap *heap, struct wall_timer *timer)
{
    if ((heap->is_wall ? timer->moment_s : timer->until_us) == 0) {
        heap_remove(heap, timer);
        return;
    }
    if (*place_of(heap, timer) == 0)
        put(heap, ++heap->count, timer);
    sift(heap, *place_of(heap, timer));
}

static bool heap_make_room(struct heap *heap, uint32_t room)
{
    struct wall_timer **timers = reallocarray(heap->timers, room, sizeof *timers);

    if (timers == NULL)
        return false;
    heap->timers = timers;
    return true;
}

/* -- the schedule ---------------------------------------------------------------------------------
 */

static uint64_t earliest(const struct heap *heap)
{
    return heap->count == 0 ? 0 : key(heap, 1);
}

/* Arms the source for the next timer, or for the next look at the wall clock. */
static void schedule_arm(struct schedule *schedule)
{
    const struct heap *wall = &schedule->wall, *boot = &schedule->boot;
    uint64_t sleep_us = LONGEST_SLEEP_S * 1000000ULL;
    uint64_t now_s = clock_now_s(), now_us = clock_boot_us();

    schedule->armed_wall = earliest(wall);
    schedule->armed_boot = earliest(boot);
    if (wall->count == 0 && boot->count == 0) {
        sd_event_source_set_enabled(schedule->source, SD_EVENT_OFF);
        return;
    }
    if (wall->count > 0) {
        uint64_t left_s = key(wall, 1) > now_s ? key(wall, 1) - now_s : 0;

        sleep_us = duration_shorter(left_s, LONGEST_SLEEP_S) * 1000000ULL;
    }
    if (boot->count > 0)
        sleep_us = duration_shorter(sleep_us, key(boot, 1) > now_us ? key(boot, 1) - now_us : 0);
    sd_event_source_set_time_relative(schedule->source, sleep_us);
    sd_event_source_set_enabled(schedule->source, SD_EVENT_ONESHOT);
}

/* Arms the source only if the earliest timer has changed. */
static void schedule_rearm(struct schedule *schedule)
{
    if (schedule->armed_wall != earliest(&schedule->wall) ||
        schedule->armed_boot != earliest(&schedule->boot))
        schedule_arm(schedule);
}

static void update(struct wall_timer *timer, uint64_t moment_s, uint64_t until_us)
{
    timer->moment_s = moment_s;
    timer->until_us = until_us;
    heap_update(&timer->schedule->wall, timer);
    heap_update(&timer->schedule->boot, timer);
}

/* Rings the earliest timer if it is due. */
static bool ring_one(const struct schedule *schedule)
{
    const struct heap *wall = &schedule->wall, *boot = &schedule->boot;
    bool reached = wall->count > 0 && clock_now_s() >= key(wall, 1);
    struct wall_timer *timer;

    if (!reached && (boot->count == 0 || clock_boot_us() < key(boot, 1)))
        return false;
    timer = reached ? wall->timers[0] : boot->timers[0];
    update(timer, 0, 0);
    timer->rings(timer->arg, reached);
    return true;
}

static void schedule_release(struct schedule *schedule)
{
    if (--schedule->users > 0)
        return;
    for (struct schedule **link = &schedules; *link != NULL; link = &(*link)->next)
        if (*link == schedule) {
            *link = schedule->next;
            break;
        }
    sd_event_source_disable_unref(schedule->source);
    free(schedule->wall.timers);
    free(schedule->boot.timers);
    free(schedule);
}

static int on_timer(sd_event_source *source, uint64_t now_us, void *arg)
{
    struct schedule *schedule = arg;

    (void)source;
    (void)now_us;
    schedule->users++; /* a callback may close the last timer */
    for (size_t i = 0; i < RINGS_PER_TURN && ring_one(schedule); i++)
        ;
    schedule_arm(schedule);
    schedule_release(schedule);
    return 0;
}

static struct schedule *schedule_new(sd_event *loop, struct err *err)
{
    struct schedule *schedule = calloc(1, sizeof *schedule);
    int r;

    if (schedule == NULL) {
        err_memory(err);
        return NULL;
    }
    r = sd_event_add_time_relative(loop, &schedule->source, CLOCK_BOOTTIME, 0, ACCURACY_US,
                                   on_timer, schedule);
    if (r < 0) {
        free(schedule);
        err_errno(err, ERR_LOCAL, -r, "cannot add to the event loop");
        return NULL;
    }
    sd_event_source_set_enabled(schedule->source, SD_EVENT_OFF);
    sd_event_source_set_description(schedule->source, "timers");
    schedule->loop = loop;
    schedule->wall.is_wall = true;
    schedule->next = schedules;
    schedules = schedule;
    return schedule;
}

/* Makes room for one more timer, so that setting it cannot fail. */
static bool schedule_join(struct schedule *schedule)
{
    uint32_t room = schedule->room == 0 ? FIRST_ROOM : 2 * schedule->room;

    schedule->users++;
    if (schedule->users <= schedule->room)
        return true;
    if (!heap_make_room(&schedule->wall, room) || !heap_make_room(&schedule->boot, room))
        return false;
    schedule->room = room;
    return true;
}

/* -- a timer --------------------------------------------------------------------------------------
 */

bool wall_timer_open(struct wall_timer *timer, sd_event *loop, wall_timer_rings *rings, void *arg,
                     struct err *err)
{
    struct schedule *schedule = schedules;

    while (schedule != NULL && schedule->loop != loop)
        schedule = schedule->next;
    if (schedule == NULL)
        schedule = schedule_new(loop, err);
    if (schedule == NULL)
        return false;
    if (!schedule_join(schedule)) {
        schedule_release(schedule);
        return err_memory(err);
    }
    *timer = (struct wall_timer){.schedule = schedule, .rings = rings, .arg = arg};
    return true;
}

void wall_timer_close(struct wall_timer *timer)
{
    if (timer->schedule == NULL)
        return;
    wall_timer_set(timer, 0, 0);
    schedule_release(timer->schedule);
    timer->schedule = NULL;
}

void wall_timer_set(struct wall_timer *timer, uint64_t moment_s, uint64_t wait_ms)
{
    update(timer, moment_s, wait_ms == 0 ? 0 : clock_boot_us() + wait_ms * 1000);
    schedule_rearm(timer->schedule);
}

void wall_timer_hasten(struct wall_timer *timer, uint64_t wait_ms)
{
    if (timer->until_us == 0)
        return;
    update(timer, timer->moment_s,
           duration_shorter(timer->until_us, clock_boot_us() + wait_ms * 1000));
    schedule_rearm(timer->schedule);
}

void wall_timer_recompute(struct wall_timer *timer)
{
    schedule_arm(timer->schedule);
}
