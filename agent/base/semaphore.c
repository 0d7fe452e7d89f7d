#include "base/semaphore.h"

#include <search.h>
#include <stdlib.h>

struct permit_group {
    uint32_t id;
    unsigned granted;
    TAILQ_HEAD(permit_line, permit) waiting;
    TAILQ_ENTRY(permit_group) entry; /* in `line`, while somebody waits */
};

static int compare(const void *a, const void *b)
{
    const struct permit_group *one = a, *other = b;

    return (one->id > other->id) - (one->id < other->id);
}

static struct permit_group *find_group(struct semaphore *semaphore, uint32_t id)
{
    struct permit_group *group = calloc(1, sizeof *group);
    struct permit_group **found;

    if (group == NULL)
        return NULL;
    group->id = id;
    TAILQ_INIT(&group->waiting);
    found = tsearch(group, &semaphore->groups, compare);
    if (found == NULL || *found != group)
        free(group);
    return found == NULL ? NULL : *found;
}

static void forget_unused(struct semaphore *semaphore, struct permit_group *group)
{
    if (group->granted > 0 || !TAILQ_EMPTY(&group->waiting))
        return;
    tdelete(group, &semaphore->groups, compare);
    free(group);
}

/*
 * The first waiting group with less than half of the permits, else the first one. At most two
 * groups can have half of them, so at most three are examined.
 */
static struct permit_group *next_group(struct semaphore *semaphore)
{
    for (struct permit_group *group = TAILQ_FIRST(&semaphore->line); group != NULL;
         group = TAILQ_NEXT(group, entry)) {
        semaphore->steps++;
        if (group->granted < (semaphore->most + 1) / 2)
            return group;
    }
    return TAILQ_FIRST(&semaphore->line);
}

static void leave_line(struct semaphore *semaphore, struct permit *permit)
{
    struct permit_group *group = permit->group;

    TAILQ_REMOVE(&group->waiting, permit, entry);
    if (TAILQ_EMPTY(&group->waiting))
        TAILQ_REMOVE(&semaphore->line, group, entry);
}

/* A callback may release its permit at once: that call leaves the next grant to the loop that is
 * under way, so the stack does not grow with those that wait. */
static void grant_free(struct semaphore *semaphore)
{
    if (semaphore->is_granting)
        return;
    semaphore->is_granting = true;
    while (semaphore->taken < semaphore->most && !TAILQ_EMPTY(&semaphore->line)) {
        struct permit_group *group = next_group(semaphore);
        struct permit *permit = TAILQ_FIRST(&group->waiting);

        leave_line(semaphore, permit);
        if (!TAILQ_EMPTY(&group->waiting)) {
            TAILQ_REMOVE(&semaphore->line, group, entry);
            TAILQ_INSERT_TAIL(&semaphore->line, group, entry);
        }
        group->granted++;
        semaphore->taken++;
        permit->granted = true;
        permit->on_granted(permit->arg);
    }
    semaphore->is_granting = false;
}

void semaphore_open(struct semaphore *semaphore, unsigned most)
{
    *semaphore = (struct semaphore){.most = most};
    TAILQ_INIT(&semaphore->line);
}

void semaphore_limit(struct semaphore *semaphore, unsigned most)
{
    semaphore->most = most;
    grant_free(semaphore);
}

bool semaphore_acquire(struct semaphore *semaphore, uint32_t group, permit_granted *on_granted,
                       void *arg, struct permit *permit, struct err *err)
{
    *permit = (struct permit){
        .group = find_group(semaphore, group), .on_granted = on_granted, .arg = arg};
    if (permit->group == NULL)
        return err_memory(err);
    if (TAILQ_EMPTY(&permit->group->waiting))
        TAILQ_INSERT_TAIL(&semaphore->line, permit->group, entry);
    TAILQ_INSERT_TAIL(&permit->group->waiting, permit, entry);
    grant_free(semaphore);
    return true;
}

void semaphore_release(struct semaphore *semaphore, struct permit *permit)
{
    struct permit_group *group = permit->group;

    if (group == NULL)
        return;
    if (permit->granted) {
        group->granted--;
        semaphore->taken--;
    } else {
        leave_line(semaphore, permit);
    }
    *permit = (struct permit){0};
    forget_unused(semaphore, group);
    grant_free(semaphore);
}
