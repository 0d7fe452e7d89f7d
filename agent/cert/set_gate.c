#include "cert/set_gate.h"

#include <search.h>
#include <stdlib.h>

struct gate_disk {
    uint64_t number; /* of struct lane_key */
    unsigned passes; /* that are in it, or wait */
    struct semaphore places;
};

static int compare(const void *a, const void *b)
{
    const struct gate_disk *first = a, *second = b;

    return (first->number > second->number) - (first->number < second->number);
}

/* NULL if memory ran out. */
static struct gate_disk *find_disk(struct set_gate *gate, uint64_t number)
{
    const struct gate_disk wanted = {.number = number};
    struct gate_disk **found = tfind(&wanted, &gate->disks, compare), *disk;

    if (found != NULL)
        return *found;
    disk = calloc(1, sizeof *disk);
    if (disk == NULL)
        return NULL;
    disk->number = number;
    semaphore_open(&disk->places, SET_GATE_MOST);
    if (tsearch(disk, &gate->disks, compare) != NULL)
        return disk;
    free(disk);
    return NULL;
}

static void leave_disk(struct set_gate *gate, struct gate_disk *disk)
{
    if (--disk->passes > 0)
        return;
    tdelete(disk, &gate->disks, compare);
    free(disk);
}

bool set_gate_enter(struct set_gate *gate, uint64_t disk, permit_granted *on_granted, void *arg,
                    struct set_pass *pass, struct err *err)
{
    struct gate_disk *its = find_disk(gate, disk);
    bool enters;

    if (its == NULL)
        return err_memory(err);
    *pass = (struct set_pass){.gate = gate, .disk = its};
    /* One for this call: whoever is let in may leave at once. */
    its->passes += 2;
    enters = semaphore_acquire(&its->places, 0, on_granted, arg, &pass->permit, err);
    if (!enters)
        *pass = (struct set_pass){0};
    its->passes -= !enters;
    leave_disk(gate, its);
    return enters;
}

void set_gate_leave(struct set_pass *pass)
{
    struct set_gate *gate = pass->gate;
    struct gate_disk *disk = pass->disk;

    if (gate == NULL)
        return;
    semaphore_release(&disk->places, &pass->permit);
    *pass = (struct set_pass){0};
    leave_disk(gate, disk);
}
