#include "cert/outage.h"

#include "base/clock.h"
#include "base/event.h"
#include "ca/ca.h"

#include <stdio.h>

/* What kind of outage it is, for people. */
static const char *words_of(const struct err *err)
{
    if (err->kind == ERR_DENIED)
        return "denies the login";
    if (err->kind == ERR_UNTRUSTED)
        return "is not trusted";
    if (err->kind != ERR_TRANSIENT)
        return "opens no session";
    return ca_is_unanswered(err) ? "is unreachable" : "is out of order";
}

void outage_begin(struct cert_tools *tools, const struct err *err)
{
    tools->outage.number++;
    tools->outage.waiting = 0;
    event_emit(&(struct event){.kind = EVENT_CA_AWAY, .failure = err->kind, .reason = err->text},
               "the CA %s, and issues no certificates at present: %s; renewals wait, published "
               "files stay",
               words_of(err), err->text);
}

void outage_end(struct cert_tools *tools, uint64_t after_s)
{
    size_t waiting = tools->outage.waiting;
    char after[DURATION_TEXT_BYTES];

    duration_text(after_s, after);
    event_emit(&(struct event){.kind = EVENT_CA_BACK,
                               .away_s = EVENT_NUMBER(after_s),
                               .waiting = EVENT_NUMBER(waiting)},
               "the CA is back, after %s; %zu certificate%s waited for it", after, waiting,
               waiting == 1 ? "" : "s");
}

bool outage_covers(const struct cert_work *work, const struct err *err)
{
    return err->told || (ca_is_away(work->tools->ca) && ca_is_unanswered(err));
}

bool outage_tells(struct cert_work *work, const struct err *err)
{
    struct outage *outage = &work->tools->outage;
    bool told = outage_covers(work, err);

    if (told && work->told.outage != outage->number) {
        work->told.outage = outage->number;
        outage->waiting++;
    }
    return told;
}

void outage_note(struct cert_work *work, const struct err *err, enum urgency urgency,
                 enum log_level *level, char to[static OUTAGE_MORE_BYTES])
{
    unsigned count;
    bool is_told;

    to[0] = '\0';
    if (!ca_is_away(work->tools->ca) || !ca_is_unanswered(err))
        return;
    is_told = urgency_note_many(&work->tools->outage.told, urgency, clock_now_s(), &count);
    if (!is_told)
        *level = LOG_LEVEL_INFO;
    else if (count == URGENCY_NAMED_MOST)
        snprintf(to, OUTAGE_MORE_BYTES,
                 "; further certificates are logged at info: `leafd status` shows all");
    else if (count > URGENCY_NAMED_MOST)
        snprintf(to, OUTAGE_MORE_BYTES, "; the same goes for %u certificates by now", count);
}
