#include "cert/key_job.h"

#include "base/cleanup.h"
#include "install/key_file.h"
#include "pki/key.h"

#include <string.h>

/* Reads the published key for key_rotation = never. It is no failure if there is none. */
static bool take_published_key(struct cert_job *job, struct err *err)
{
    CLEANUP(installed_free) struct installed installed = {0};
    CLEANUP(issued_free) struct issued issued = {0};

    shortage_forget();
    installed_read(job->set_fd, job->cert, &installed);
    if (err_shortage(err))
        return false;
    if (installed.health == INSTALLED_NOTHING)
        return true;
    if (!record_is_of(&installed.record, job->cert)) {
        snprintf(job->damage, sizeof job->damage,
                 "the published one was made for [cert %.60s], and no other section gets its key",
                 installed.record.cert);
        return true;
    }
    return installed_recover(job->set_fd, job->cert, &installed, &issued, err) &&
           key_from_pem(secret_expose(&issued.key_pem), issued.key_pem.length, &job->draft->key,
                        err);
}

/* Somebody else keeps this key, so that leafd makes none in its place. */
static bool take_file_key(struct cert_job *job, struct err *err)
{
    const char *path = job->cert->key_origin.file;
    enum key_type type = job->cert->request.key_type;

    if (!key_file_read(path, &job->draft->key, err))
        return false;
    return key_is_type(job->draft->key, type) ||
           err_set(err, ERR_LOCAL,
                   "key_source: the key in %s is not %s; set key_type to what it is", path,
                   key_type_words[type]);
}

static bool make_key(struct cert_job *job, struct err *err)
{
    struct cert_draft *draft = job->draft;
    const struct cert_request *request = &job->cert->request;

    if ((job->rehearse || job->keep_key) && !cert_job_open(job, err))
        return false;
    if (job->rehearse && !generation_rehearse(job->set_fd, job->cert, err))
        return false;
    if (job->cert->key_origin.source == KEY_FROM_VAULT || job->cert->is_trust)
        return true;
    if (job->cert->key_origin.source == KEY_FROM_FILE && !take_file_key(job, err))
        return false;
    if (job->keep_key && !take_published_key(job, err))
        return false;
    if (draft->key != NULL && !key_is_type(draft->key, request->key_type)) {
        key_free(draft->key);
        draft->key = NULL;
    }
    if (draft->key == NULL && !key_generate(request->key_type, &draft->key, err))
        return false;
    return csr_build(draft->key, &request->names, &draft->csr, err);
}

bool job_make_key(void *arg, struct err *err)
{
    return cert_job_leave(arg, make_key(arg, err));
}
