/*
 * key_job - where the key of a certificate comes from: made here, kept, or made by the CA
 */
#ifndef LEAFD_CERT_KEY_JOB_H
#define LEAFD_CERT_KEY_JOB_H

#include "cert/cert_job.h"

/* job_make_key - makes the key, or reads the published one, and builds the CSR; nothing if the CA
 * makes the key, or none is needed; a job of struct cert_job */
worker_run job_make_key;

#endif
