/*
 * trust_job - what takes the place of job_vet for a [trust] section
 */
#ifndef LEAFD_CERT_TRUST_JOB_H
#define LEAFD_CERT_TRUST_JOB_H

#include "cert/cert_job.h"

/* job_vet_bundle - verifies the CA's issuers, makes the issued set from them, and compares it with
 * the published one; a job of struct cert_job; fails as bundle_vet */
worker_run job_vet_bundle;

#endif
