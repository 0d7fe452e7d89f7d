#include "install/trust_bundle.h"

#include "base/when.h"
#include "install/installed.h"
#include "install/trust_overlap.h"
#include "pki/top_certificates.h"

#include <string.h>

/* What was announced, what was current until now, then what was before, latest first. */
static bool gather(const struct record *record, const struct issued *issued, uint64_t now_s,
                   struct arena *arena, struct old_ca **ret_old, size_t *ret_count, struct err *err)
{
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

        /* One that cannot be read any more vouches for nobody. */
        if (certificate_read(record->ca_pem.items[i], arena, &facts, err))
            old[count++] =
                (struct old_ca){record->ca_pem.items[i], now_s, facts.validity.not_after};
    }
    for (size_t i = 0; i < record->old_ca_count; i++)
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

    /* As long as a generation that hangs on it may still be read, its CA is not old. */
    return overlap_s > cert->keep_previous_s ? overlap_s : cert->keep_previous_s;
}

bool trust_bundle_fill(int set_fd, const struct cert_config *cert, struct issued *issued,
                       struct err *err)
{
    struct old_ca kept[TRUST_OVERLAP_MOST], *old = NULL;
    uint64_t now_s = when_now_s();
    struct arena arena = {0};
    struct record record;
    size_t count = 0;
    bool filled = true;

    if (cert->trust_anchor == NULL && installed_record(set_fd, &arena, &record, err))
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

bool trust_bundle_has(int set_fd, const struct issued *issued)
{
    struct arena arena = {0};
    struct record record;
    struct err err;
    bool trusted = true;

    if (installed_record(set_fd, &arena, &record, &err))
        for (size_t i = 0; i < issued->ca_pem.count; i++)
            trusted = trusted && is_trusted(&record, issued->ca_pem.items[i]);
    arena_free(&arena);
    return trusted;
}

bool trust_bundle_announce(int set_fd, const char *chain_pem, struct issued *issued, bool *ret_news,
                           struct err *err)
{
    struct text_list tops = {0};
    struct arena arena = {0};
    struct record record;
    bool done = installed_record(set_fd, &arena, &record, err) &&
                top_certificates(chain_pem, &issued->arena, &tops, err);

    *ret_news = false;
    if (done)
        issued->old_cas = arena_take(&issued->arena, (tops.count + 1) * sizeof *issued->old_cas);
    for (size_t i = 0; done && issued->old_cas != NULL && i < tops.count; i++) {
        struct certificate_facts facts;

        if (!certificate_read(tops.items[i], &issued->arena, &facts, err))
            continue;
        *ret_news |= !is_trusted(&record, tops.items[i]);
        issued->old_cas[issued->old_ca_count++] =
            (struct old_ca){tops.items[i], when_now_s(), facts.validity.not_after};
    }
    arena_free(&arena);
    return done && (issued->old_cas != NULL || err_memory(err));
}
