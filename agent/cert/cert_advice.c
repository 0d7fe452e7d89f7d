#include "cert/cert_advice.h"

#include "base/event.h"
#include "plan/renewal.h"

static void write_end(uint64_t end_s, char end[static WHEN_TEXT_BYTES],
                      char left[static DURATION_TEXT_BYTES])
{
    uint64_t now_s = clock_now_s();

    clock_text(end_s, end);
    duration_text(end_s > now_s ? end_s - now_s : 0, left);
}

static void log_cut_life(const struct cert_work *work, const struct issued *issued,
                         uint64_t given_s)
{
    char given[DURATION_TEXT_BYTES], asked[DURATION_TEXT_BYTES], end[WHEN_TEXT_BYTES];

    duration_text(given_s, given);
    duration_text(work->cert->request.ttl_s, asked);
    clock_text(issued->issuers_end_s, end);
    if (issued->issuers_end_s <= issued->end_s)
        event_emit(
            &(struct event){.kind = EVENT_ADVICE, .cert = work->cert->name},
            "the new certificate is valid for %s instead of the %s that ttl asks for, because its "
            "issuer %s ends at %s; let the CA use an issuer that is valid for longer",
            given, asked, issued->first_to_end, end);
    else
        event_emit(&(struct event){.kind = EVENT_ADVICE, .cert = work->cert->name},
                   "the new certificate is valid for %s instead of the %s that ttl asks for; check "
                   "max_ttl of the role and of the mount",
                   given, asked);
}

static void log_issuer_near_end(const struct cert_work *work, const struct issued *issued)
{
    char end[WHEN_TEXT_BYTES], left[DURATION_TEXT_BYTES];

    write_end(issued->issuers_end_s, end, left);
    event_emit(&(struct event){.kind = EVENT_ADVICE, .cert = work->cert->name},
               "the issuer %s ends at %s, in %s, which is less than three lifetimes of the "
               "certificate; let the CA use an issuer that is valid for longer",
               issued->first_to_end, end, left);
}

static void log_other_path(const struct cert_work *work, const struct issued *issued)
{
    char end[WHEN_TEXT_BYTES], left[DURATION_TEXT_BYTES];

    write_end(issued->soonest_end_s, end, left);
    event_emit(
        &(struct event){.kind = EVENT_ADVICE, .cert = work->cert->name},
        "another path of the new certificate ends at %s, in %s: before the certificate does; "
        "peers that trust only the root of that path refuse it from then on",
        end, left);
}

/* Whether the fact is new, compared with the digest in *last, which is updated; "": no fact. */
static bool is_told_anew(uint32_t *last, const char *fact)
{
    const char *const texts[] = {fact, NULL};
    uint32_t now = fact[0] == '\0' ? 0 : digest_spread(texts) | 1;
    bool anew = now != 0 && now != *last;

    *last = now;
    return anew;
}

void cert_advice_ends(struct cert_work *work, const struct issued *issued)
{
    uint64_t now_s = issued->issued_s, asked_s = work->cert->request.ttl_s;
    uint64_t given_s = issued->end_s > now_s ? issued->end_s - now_s : 0;
    uint64_t left_s = issued->issuers_end_s > now_s ? issued->issuers_end_s - now_s : 0;
    uint64_t life_s = asked_s > given_s ? asked_s : given_s;
    /* If only by our clock, the clock is wrong, which clock-skew reports. */
    bool is_cut = asked_s > 0 && renewal_life_is_cut(asked_s, given_s) &&
                  renewal_life_is_cut(asked_s, issued->end_s - issued->leaf.validity.not_before);
    bool issuer_cuts = is_cut && issued->issuers_end_s <= issued->end_s;
    char cut[128] = "", near[128] = "", other[32] = "";

    /* As tenths of the lifetime and as lifetimes, since exact times differ with each renewal. The
     * tenths are rounded so that no limit lies at a half or a quarter, to which a role may cut
     * lifetimes. */
    if (is_cut)
        snprintf(cut, sizeof cut, "%llu %s",
                 (unsigned long long)((given_s * 10 + asked_s * 3 / 10) / asked_s),
                 issuer_cuts ? issued->first_to_end : "");
    if (!issuer_cuts && life_s > 0 && renewal_is_near_end(left_s, life_s))
        snprintf(near, sizeof near, "%llu %s", (unsigned long long)(left_s / life_s),
                 issued->first_to_end);
    if (issued->soonest_end_s < issued->end_s)
        snprintf(other, sizeof other, "%llu", (unsigned long long)issued->soonest_end_s);
    if (is_told_anew(&work->told_ends.cut, cut))
        log_cut_life(work, issued, given_s);
    if (is_told_anew(&work->told_ends.near, near))
        log_issuer_near_end(work, issued);
    if (is_told_anew(&work->told_ends.other, other))
        log_other_path(work, issued);
}

void cert_advice_subject(struct cert_work *work, const struct issued *issued)
{
    if (is_told_anew(&work->told_subject, issued->odd_subject))
        event_emit(&(struct event){.kind = EVENT_ADVICE, .cert = work->cert->name}, "%s",
                   issued->odd_subject);
}

void cert_advice_left_out(struct cert_work *work, const struct issued *issued)
{
    if (is_told_anew(&work->told_left_out, issued->left_out))
        event_emit(&(struct event){.kind = EVENT_ADVICE, .cert = work->cert->name}, "%s",
                   issued->left_out);
}

void cert_advice_warnings(const struct cert_work *work)
{
    const struct text_list *warnings = &work->draft->reply.warnings;

    for (size_t i = 0; i < warnings->count; i++)
        event_emit(&(struct event){.kind = EVENT_ADVICE, .cert = work->cert->name},
                   "the CA warns: %s", warnings->items[i]);
}

void cert_advice_leased(const struct cert_work *work)
{
    event_emit(&(struct event){.kind = EVENT_ADVICE, .cert = work->cert->name},
               "the role %s has generate_lease = true: the certificate is revoked when the token "
               "that asked for it ends%s; set generate_lease = false in the role",
               work->cert->pki_role,
               work->tools->stays ? ", which is put off as long as the token can be renewed"
                                  : ", and nobody renews that token once this command has ended");
}

void cert_advice_short_hold(const struct cert_work *work, uint64_t shown_s)
{
    char shown[WHEN_TEXT_BYTES], wait[DURATION_TEXT_BYTES];

    write_end(shown_s, shown, wait);
    event_emit(&(struct event){.kind = EVENT_ADVICE,
                               .cert = work->cert->name,
                               .serial = work->draft->issued.leaf.serial},
               "the CA has a new issuer, and its certificate is shown in %s, before all peers can "
               "have learned to trust that issuer: the certificate in place ends too soon to wait "
               "longer; set a longer ttl, an earlier renewal, or a shorter ca_poll and ca_spread",
               wait);
}
