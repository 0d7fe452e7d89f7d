#include "cert/trust_job.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "pki/bundle.h"

#include <string.h>

static bool same_list(const struct text_list *a, const struct text_list *b)
{
    for (size_t i = 0; a->count == b->count && i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return a->count == b->count;
}

/* Whether the set on disk is intact, as the section asks, and holds these certificates. */
static bool is_published(const struct cert_job *job, const struct issued *issued)
{
    CLEANUP(installed_free) struct installed installed = {0};
    const struct record *record = &installed.record;

    installed_read(job->set_fd, job->cert, &installed);
    installed_judge_names(job->set_fd, job->cert, &installed);
    return installed.health == INSTALLED_WHOLE &&
           installed_difference(&installed, job->cert) == NULL &&
           strcmp(record->leaf_pem, issued->leaf_pem) == 0 && record->end_s == issued->end_s &&
           same_list(&record->ca_pem, &issued->ca_pem);
}

static bool vet_bundle(struct cert_job *job, struct err *err)
{
    struct cert_draft *draft = job->draft;
    const struct bundle_order order = {
        .trust_anchor = job->cert->trust_anchor, .now_s = clock_now_s(), .cache = job->cache};

    if (!cert_job_open(job, err) || !bundle_vet(&order, &draft->reply.issuers, &draft->issued, err))
        return false;
    draft->issued.issued_s = order.now_s;
    ca_signed_free(&draft->reply);
    job->is_unchanged = is_published(job, &draft->issued);
    return !err_shortage(err);
}

bool job_vet_bundle(void *arg, struct err *err)
{
    return cert_job_leave(arg, vet_bundle(arg, err));
}
