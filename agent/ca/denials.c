#include "ca/denials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct denial *find(const struct denials *denials, uint32_t path)
{
    for (size_t i = 0; i < denials->count; i++)
        if (denials->items[i].path == path)
            return &denials->items[i];
    return NULL;
}

void denials_note(struct denials *denials, const char *stamp, uint32_t path, uint64_t at_us)
{
    struct denial *denial, *grown;

    if (strcmp(denials->stamp, stamp) != 0)
        denials_forget_all(denials);
    snprintf(denials->stamp, sizeof denials->stamp, "%s", stamp);
    denial = find(denials, path);
    if (denial == NULL) {
        grown = reallocarray(denials->items, denials->count + 1, sizeof *grown);
        if (grown == NULL)
            return;
        denials->items = grown;
        denial = &grown[denials->count++];
    }
    *denial = (struct denial){path, at_us};
}

uint64_t denials_last_us(const struct denials *denials, const char *stamp, uint32_t path)
{
    const struct denial *denial = find(denials, path);

    return denial == NULL || strcmp(denials->stamp, stamp) != 0 ? 0 : denial->at_us;
}

void denials_forget(struct denials *denials, uint32_t path)
{
    struct denial *denial = find(denials, path);

    if (denial != NULL)
        *denial = denials->items[--denials->count];
}

void denials_forget_all(struct denials *denials)
{
    free(denials->items);
    *denials = (struct denials){0};
}
