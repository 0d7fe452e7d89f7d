#include "install/trust_overlap.h"

#include <string.h>

static bool is_kept(const struct old_ca *kept, size_t count, const char *pem)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(kept[i].pem, pem) == 0)
            return true;
    return false;
}

size_t trust_overlap(const struct text_list *current, const struct old_ca *old, size_t count,
                     uint64_t overlap_s, uint64_t now_s,
                     struct old_ca ret_kept[static TRUST_OVERLAP_MOST])
{
    size_t kept = 0;

    for (size_t i = 0; i < count && kept < TRUST_OVERLAP_MOST; i++) {
        struct old_ca one = old[i];

        if (one.last_current_s > now_s)
            one.last_current_s = now_s;
        if (now_s - one.last_current_s < overlap_s && now_s <= one.not_after_s &&
            !text_list_has(current, one.pem) && !is_kept(ret_kept, kept, one.pem))
            ret_kept[kept++] = one;
    }
    return kept;
}
