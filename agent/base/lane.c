#include "base/lane.h"

#include "base/digest.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LANE_BUCKETS = 1024, DISK_BUCKETS = 64 };

/* A member of a circular list. */
struct link {
    struct link *next, *before; /* NULL: in no list */
};

#define HOLDER(type, member, link) ((type *)(void *)((char *)(link)-offsetof(type, member)))

struct disk {
    struct disk *next;                   /* in its bucket */
    struct link links[WORKER_URGENCIES]; /* in lanes.ready */
    struct link ready[WORKER_URGENCIES]; /* heads of the lists of its lanes that may run a job */
    uint64_t number;
    unsigned lanes; /* how many exist */
    unsigned running, stuck;
    bool computes;
};

struct lane {
    struct lane *next; /* in its bucket */
    struct link links[WORKER_URGENCIES];
    struct disk *disk;
    struct lane_place *first[WORKER_URGENCIES], **end[WORKER_URGENCIES];
    unsigned bucket;
    bool is_running;
    char name[];
};

struct lanes {
    unsigned most, waiting;
    struct link ready[WORKER_URGENCIES]; /* heads of the lists of disks that may run a job */
    struct lane *buckets[LANE_BUCKETS];
    struct disk *disks[DISK_BUCKETS];
};

struct lane_key lane_of(const char *asked)
{
    const char *slash = strrchr(asked, '/');
    char directory[PATH_MAX];
    const char *const texts[] = {directory, NULL};

    snprintf(directory, sizeof directory, "%.*s",
             slash == NULL ? (int)strlen(asked) : (int)(slash - asked), asked);
    return (struct lane_key){asked, digest_spread(texts)};
}

static void begin_queue(struct link *head)
{
    *head = (struct link){head, head};
}

static void enqueue(struct link *head, struct link *link)
{
    if (link->next != NULL)
        return;
    *link = (struct link){head, head->before};
    head->before->next = link;
    head->before = link;
}

static void leave_queue(struct link *link)
{
    if (link->next == NULL)
        return;
    link->next->before = link->before;
    link->before->next = link->next;
    *link = (struct link){0};
}

static struct link *dequeue(struct link *head)
{
    struct link *link = head->next;

    if (link == head)
        return NULL;
    leave_queue(link);
    return link;
}

/* -- disks ----------------------------------------------------------------------------------------
 */

static struct disk *find_disk(struct lanes *lanes, const struct lane_key *key)
{
    struct disk **bucket = &lanes->disks[key->disk % DISK_BUCKETS];
    struct disk *disk = *bucket;
    bool computes = key->name == NULL;

    while (disk != NULL && (disk->number != key->disk || disk->computes != computes))
        disk = disk->next;
    if (disk != NULL)
        return disk;
    disk = calloc(1, sizeof *disk);
    if (disk == NULL)
        return NULL;
    disk->number = key->disk;
    disk->computes = computes;
    for (unsigned i = 0; i < WORKER_URGENCIES; i++)
        begin_queue(&disk->ready[i]);
    disk->next = *bucket;
    *bucket = disk;
    return disk;
}

static void forget_disk(struct lanes *lanes, struct disk *disk)
{
    struct disk **at = &lanes->disks[disk->number % DISK_BUCKETS];

    if (disk->lanes > 0)
        return;
    for (unsigned i = 0; i < WORKER_URGENCIES; i++)
        leave_queue(&disk->links[i]);
    while (*at != disk)
        at = &(*at)->next;
    *at = disk->next;
    free(disk);
}

/* Whether the disk may run one more job. */
static bool is_open(const struct lanes *lanes, const struct disk *disk)
{
    unsigned moving = disk->running - disk->stuck;

    if (disk->stuck == 0)
        return moving < lanes->most;
    return moving < (lanes->most + 1) / 2 && disk->stuck + moving < LANE_STUCK_MOST;
}

static void offer_disk(struct lanes *lanes, struct disk *disk)
{
    for (unsigned i = 0; i < WORKER_URGENCIES; i++)
        if (disk->ready[i].next != &disk->ready[i] && is_open(lanes, disk))
            enqueue(&lanes->ready[i], &disk->links[i]);
}

/* -- lanes ----------------------------------------------------------------------------------------
 */

static unsigned bucket_of(const char *name)
{
    uint32_t hash = 2166136261U; /* FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/ */

    for (const char *at = name; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619U;
    return hash % LANE_BUCKETS;
}

static struct lane *new_lane(struct lanes *lanes, const struct lane_key *key)
{
    size_t bytes = key->name == NULL ? 1 : strlen(key->name) + 1;
    struct disk *disk = find_disk(lanes, key);
    struct lane *lane = disk == NULL ? NULL : calloc(1, sizeof *lane + bytes);

    if (lane == NULL) {
        if (disk != NULL)
            forget_disk(lanes, disk);
        return NULL;
    }
    if (key->name != NULL)
        memcpy(lane->name, key->name, bytes);
    for (unsigned i = 0; i < WORKER_URGENCIES; i++)
        lane->end[i] = &lane->first[i];
    lane->disk = disk;
    disk->lanes++;
    if (key->name == NULL)
        return lane;
    lane->bucket = bucket_of(key->name);
    lane->next = lanes->buckets[lane->bucket];
    lanes->buckets[lane->bucket] = lane;
    return lane;
}

/* Each computation has a lane of its own, since it waits for no other job. */
static struct lane *find_lane(struct lanes *lanes, const struct lane_key *key)
{
    struct lane *lane = key->name == NULL ? NULL : lanes->buckets[bucket_of(key->name)];

    while (lane != NULL && (lane->disk->number != key->disk || strcmp(lane->name, key->name) != 0))
        lane = lane->next;
    return lane == NULL ? new_lane(lanes, key) : lane;
}

static bool has_jobs(const struct lane *lane)
{
    for (unsigned i = 0; i < WORKER_URGENCIES; i++)
        if (lane->first[i] != NULL)
            return true;
    return false;
}

static void offer_lane(struct lanes *lanes, struct lane *lane)
{
    for (unsigned i = 0; i < WORKER_URGENCIES; i++)
        if (lane->first[i] != NULL && !lane->is_running)
            enqueue(&lane->disk->ready[i], &lane->links[i]);
    offer_disk(lanes, lane->disk);
}

static void forget_lane(struct lanes *lanes, struct lane *lane)
{
    struct disk *disk = lane->disk;

    if (lane->is_running || has_jobs(lane))
        return;
    for (unsigned i = 0; i < WORKER_URGENCIES; i++)
        leave_queue(&lane->links[i]);
    if (!disk->computes) {
        struct lane **at = &lanes->buckets[lane->bucket];

        while (*at != lane)
            at = &(*at)->next;
        *at = lane->next;
    }
    free(lane);
    disk->lanes--;
    forget_disk(lanes, disk);
}

static struct lane_place *take_first(struct lane *lane, unsigned urgency)
{
    struct lane_place *place = lane->first[urgency];

    lane->first[urgency] = place->next;
    if (lane->first[urgency] == NULL)
        lane->end[urgency] = &lane->first[urgency];
    return place;
}

/* -- the order ------------------------------------------------------------------------------------
 */

struct lanes *lanes_new(unsigned most)
{
    struct lanes *lanes = calloc(1, sizeof *lanes);

    if (lanes == NULL)
        return NULL;
    lanes->most = most;
    for (unsigned i = 0; i < WORKER_URGENCIES; i++)
        begin_queue(&lanes->ready[i]);
    return lanes;
}

void lanes_free(struct lanes *lanes)
{
    free(lanes);
}

bool lanes_push(struct lanes *lanes, struct lane_place *place, const struct lane_key *key,
                enum worker_urgency urgency)
{
    struct lane *lane = find_lane(lanes, key);

    if (lane == NULL)
        return false;
    *place = (struct lane_place){.lane = lane, .urgency = urgency};
    *lane->end[urgency] = place;
    lane->end[urgency] = &place->next;
    lanes->waiting++;
    offer_lane(lanes, lane);
    return true;
}

/* A lane in the list of one urgency may have started a job of another since. It is skipped then,
 * and is listed again when that job has ended. */
static struct lane_place *pop_of_disk(struct disk *disk, unsigned urgency)
{
    struct link *link;

    while ((link = dequeue(&disk->ready[urgency])) != NULL) {
        struct lane *lane = HOLDER(struct lane, links[urgency], link);

        if (lane->is_running || lane->first[urgency] == NULL)
            continue;
        lane->is_running = true;
        return take_first(lane, urgency);
    }
    return NULL;
}

struct lane_place *lanes_pop(struct lanes *lanes)
{
    for (unsigned i = 0; i < WORKER_URGENCIES; i++) {
        struct link *link;

        while ((link = dequeue(&lanes->ready[i])) != NULL) {
            struct disk *disk = HOLDER(struct disk, links[i], link);
            struct lane_place *place = is_open(lanes, disk) ? pop_of_disk(disk, i) : NULL;

            if (place == NULL)
                continue;
            disk->running++;
            lanes->waiting--;
            offer_disk(lanes, disk);
            return place;
        }
    }
    return NULL;
}

void lanes_end(struct lanes *lanes, struct lane_place *place)
{
    struct lane *lane = place->lane;

    lane->is_running = false;
    lane->disk->running--;
    lane->disk->stuck -= place->is_stuck;
    offer_lane(lanes, lane);
    forget_lane(lanes, lane);
}

void lanes_remove(struct lanes *lanes, struct lane_place *place)
{
    struct lane *lane = place->lane;
    struct lane_place **at = &lane->first[place->urgency];

    while (*at != place)
        at = &(*at)->next;
    *at = place->next;
    if (lane->end[place->urgency] == &place->next)
        lane->end[place->urgency] = at;
    lanes->waiting--;
    forget_lane(lanes, lane);
}

bool lanes_mark_stuck(struct lanes *lanes, struct lane_place *place)
{
    struct disk *disk = place->lane->disk;

    if (disk->computes || place->is_stuck)
        return place->is_stuck;
    place->is_stuck = true;
    disk->stuck++;
    offer_disk(lanes, disk);
    return true;
}

unsigned lanes_waiting(const struct lanes *lanes)
{
    return lanes->waiting;
}

const char *lane_name(const struct lane_place *place)
{
    return place->lane->name;
}
