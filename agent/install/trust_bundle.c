#include "install/trust_bundle.h"

#include "base/clock.h"
#include "install/installed.h"

#include <string.h>

/* Collects the announced CA certificates, then the ones that were current until now, then older
 * ones, the latest first. */
static bool gather(const struct record *record, const struct issued *issued, uint64_t now_s,
                   struct arena *arena, struct old_ca **ret_old, size_t *ret_count, struct err *err)
{
    /* A CA that was announced for another leaf has signed none of ours. */
    bool same_leaf = strcmp(record->leaf.serial, issued->leaf.serial) == 0;
    size_t count = 0;
    struct old_ca *old =
        arena_take(arena, (issued->old_ca_count + record->ca_pem.count + record->old_ca_count + 1) *
                              sizeof *old);

    if (old == NULL)
        return err_memory(err);
    for (size_t i = 0; i < issued->old_ca_count; i++)
        old[count++] = issued->old_cas[i];
    for (size_t i = 0; i < record->ca_pem.count; i++) {
        struct certificate_facts facts;

        /* A certificate that cannot be read is dropped. */
        if (certificate_read(record->ca_pem.items[i], arena, &facts, err))
            old[count++] = (struct old_ca){.pem = record->ca_pem.items[i],
                                           .last_current_s = now_s,
                                           .not_after_s = facts.validity.not_after};
    }
    for (size_t i = 0; i < record->old_ca_count; i++)
        if (!record->old_cas[i].is_announced || same_leaf)
            old[count++] = record->old_cas[i];
    *ret_old = old;
    *ret_count = count;
    return true;
}

static bool keep(const struct old_ca *kept, size_t count, struct issued *issued, struct err *err)
{
    struct old_ca *own = arena_take(&issued->arena, (count + 1) * sizeof *own);

    if (own == NULL)
        return err_memory(err);
    for (size_t i = 0; i < count; i++) {
        own[i] = kept[i];
        own[i].pem = arena_copy(&issued->arena, kept[i].pem);
        if (own[i].pem == NULL)
            return err_memory(err);
    }
    issued->old_cas = own;
    issued->old_ca_count = count;
    return true;
}

static uint64_t overlap_of(const struct cert_config *cert, const struct issued *issued)
{
    const struct validity *life = &issued->leaf.validity;
    uint64_t overlap_s =
        cert->ca_overlap_s != 0 ? cert->ca_overlap_s : 2 * (life->not_after - life->not_before);

    /* The previous generation may be read for that long, so its CA stays as well. */
    return overlap_s > cert->keep_previous_s ? overlap_s : cert->keep_previous_s;
}

/* Reads the published record, if it belongs to this section: it was made for it, or for a section
 * of another name with the same request. */
static bool read_own(int set_fd, const struct cert_config *cert, struct arena *arena,
                     struct record *ret_record, struct err *err)
{
    return installed_record(set_fd, arena, ret_record, err) &&
           (record_is_of(ret_record, cert) || record_difference(ret_record, cert) == NULL);
}

bool trust_bundle_fill(int set_fd, const struct cert_config *cert, struct issued *issued,
                       struct err *err)
{
    struct old_ca kept[TRUST_OVERLAP_MOST], *old = NULL;
    uint64_t now_s = clock_now_s();
    struct arena arena = {0};
    struct record record;
    size_t count = 0;
    bool filled = true;

    if (cert->trust_anchor == NULL && read_own(set_fd, cert, &arena, &record, err))
        filled = gather(&record, issued, now_s, &arena, &old, &count, err);
    if (filled) {
        count = trust_overlap(&issued->ca_pem, old, count, overlap_of(cert, issued), now_s, kept);
        filled = keep(kept, count, issued, err);
    }
    arena_free(&arena);
    return filled;
}

static bool is_trusted(const struct record *record, const char *pem)
{
    for (size_t i = 0; i < record->old_ca_count; i++)
        if (strcmp(record->old_cas[i].pem, pem) == 0)
            return true;
    return text_list_has(&record->ca_pem, pem);
}

bool trust_bundle_has(int set_fd, const struct cert_config *cert, const struct issued *issued)
{
    struct arena arena = {0};
    struct record record;
    struct err err;
    bool trusted = true;

    if (read_own(set_fd, cert, &arena, &record, &err))
        for (size_t i = 0; i < issued->ca_pem.count; i++)
            trusted = trusted && is_trusted(&record, issued->ca_pem.items[i]);
    arena_free(&arena);
    return trusted;
}

bool trust_bundle_announce(const struct text_list *tops, struct issued *issued, struct err *err)
{
    struct old_ca *old = arena_take(&issued->arena, (tops->count + 1) * sizeof *old);

    if (old == NULL)
        return err_memory(err);
    issued->old_cas = old;
    issued->old_ca_count = 0;
    for (size_t i = 0; i < tops->count; i++) {
        struct certificate_facts facts;
        const char *pem = arena_copy(&issued->arena, tops->items[i]);

        if (pem == NULL)
            return err_memory(err);
        if (!certificate_read(pem, &issued->arena, &facts, err))
            return false;
        old[issued->old_ca_count++] = (struct old_ca){.pem = pem,
                                                      .last_current_s = clock_now_s(),
                                                      .not_after_s = facts.validity.not_after,
                                                      .is_announced = true};
    }
    return true;
}

/* -- the overlap ----------------------------------------------------------------------------------
 */

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
