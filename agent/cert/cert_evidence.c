#include "cert/cert_evidence.h"

const char *cert_evidence_or_none(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

void cert_evidence_of_proof(const struct cert_work *work, struct event *event)
{
    const struct evidence *evidence = work->evidence;

    event->serial = work->published.serial;
    if (evidence == NULL)
        return;
    event->address = cert_evidence_or_none(evidence->address);
    event->tls_version = cert_evidence_or_none(evidence->tls_version);
    event->top = cert_evidence_or_none(evidence->top);
    event->mutual = work->cert->prove.tls.mutual ? "yes" : "no";
}

void cert_evidence_of_request(const struct cert_work *work, struct event *event)
{
    const struct cert_draft *draft = work->draft;
    const char *request_id = draft == NULL ? NULL : draft->reply.request_id;

    if (draft != NULL && request_id == NULL)
        request_id = draft->issued.request_id;
    event->request_id = request_id == NULL ? NULL : cert_evidence_or_none(request_id);
    event->pki_mount = work->cert->pki_mount;
    event->pki_role = work->cert->pki_role;
}
