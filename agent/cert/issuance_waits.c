#include "cert/issuance_waits.h"

#include "base/clock.h"
#include "base/random.h"

/* The wait may be a timer, or in force while files are rewritten. */
static void hasten(struct issuance *issuance, uint64_t wait_ms)
{
    uint64_t until_us = clock_boot_us() + wait_ms * 1000;

    if (issuance->next_try_us > until_us)
        issuance->next_try_us = until_us;
    wall_timer_hasten(&issuance->timer, wait_ms);
}

/* After a refusal by the consumer, no event but the age of the published set ends the wait. */
static bool waits_for_ca(const struct issuance *issuance)
{
    return (issuance->state == ISSUANCE_BACKING_OFF || issuance->next_try_us != 0) &&
           !cert_work_is_refused(issuance->work);
}

bool issuance_try_within(struct issuance *issuance, uint64_t most_ms)
{
    if (waits_for_ca(issuance))
        hasten(issuance, random_share(most_ms, random_draw()));
    return waits_for_ca(issuance) || !issuance_rests(issuance);
}

void issuance_ca_is_back(struct issuance *issuance)
{
    uint64_t most_ms = cert_work_back_ms(issuance->work);

    if (most_ms != UINT64_MAX && waits_for_ca(issuance) &&
        trouble_err(&issuance->work->state.issuing)->kind == ERR_TRANSIENT)
        hasten(issuance, random_share(most_ms, random_draw()));
}

void issuance_recompute(struct issuance *issuance, bool sooner)
{
    struct cert_work *work = issuance->work;

    if (sooner && waits_for_ca(issuance) && cert_work_blames_clock(work))
        hasten(issuance, cert_work_note_sooner(work));
    if (waits_for_ca(issuance))
        hasten(issuance, cert_work_shorter_wait_ms(work));
    wall_timer_recompute(&issuance->timer);
}
