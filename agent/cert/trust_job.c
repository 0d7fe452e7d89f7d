#include "cert/trust_job.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest.h"
#include "pki/bundle.h"

#include <string.h>

static bool same_list(const struct text_list *a, const struct text_list *b)
{
    for (size_t i = 0; a->count == b->count && i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return a->count == b->count;
}

/* Whether the file with the lists, if there is one, holds these. */
static bool same_lists(const struct record *record, const struct issued *issued)
{
    struct digest digest = {0};
    char hex[DIGEST_HEX_BYTES];
    struct err err;

    for (size_t i = 0; i < issued->crl_pem.count; i++)
        digest_add(&digest, issued->crl_pem.items[i], strlen(issued->crl_pem.items[i]));
    if (!digest_hex(&digest, hex, &err))
        return false;
    for (size_t i = 0; i < record->file_count; i++)
        if (record->files[i].output.content == CONTENT_CRL &&
            strcmp(record->files[i].digest, hex) != 0)
            return false;
    return true;
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
           same_list(&record->ca_pem, &issued->ca_pem) && same_lists(record, issued);
}

static bool vet_bundle(struct cert_job *job, struct err *err)
{
    struct cert_draft *draft = job->draft;
    const struct bundle_order order = {
        .trust_anchor = job->cert->trust_anchor,
        .now_s = clock_now_s(),
        .cache = job->cache,
        .lists = config_output(job->cert, CONTENT_CRL) == NULL ? NULL : &draft->reply.lists,
        .crl_file = job->cert->crl_file,
    };

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
