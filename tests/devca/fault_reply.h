/*
 * fault_reply - faults of the reply around a certificate or token that is right
 */
#ifndef DEVCA_FAULT_REPLY_H
#define DEVCA_FAULT_REPLY_H

#include "faults.h"

/* fault_foreign_issuer - issuing_ca and ca_chain of a CA that has nothing to do with it */
fault_function fault_foreign_issuer;

/* fault_cross_signed - in the chain stand an expired old root and what it had cross-signed, too */
fault_function fault_cross_signed;

/* fault_no_chain - neither issuing_ca nor ca_chain */
fault_function fault_no_chain;

/* fault_two_certificates - the issuing CA behind the certificate in one text */
fault_function fault_two_certificates;

/* fault_no_certificate - no certificate */
fault_function fault_no_certificate;

/* fault_garbage_certificate - noise between the lines of PEM */
fault_function fault_garbage_certificate;

/* fault_replay - what was answered to that path last time, if anything was */
fault_function fault_replay;

/* fault_no_private_key - issue: no private key */
fault_function fault_no_private_key;

/* fault_no_token - a login that succeeds with an empty token, as when a second factor is wanted */
fault_function fault_no_token;

/* fault_no_uses - a login does not say for how many calls its token is good */
fault_function fault_no_uses;

/* fault_alternating_issuers - the one before the newest issuer is the default one, and the newest
 * again at the next such request: two nodes that are out of step */
fault_function fault_alternating_issuers;

/* fault_foreign_list - a revocation list that lists everything, signed by somebody else's root */
fault_function fault_foreign_list;

/*
 * fault_echo - "status" with an error that quotes the credential that came: token, JWT or secret id
 *
 * "form": "base64" or "base64url" of it, or a "part" of sixteen bytes; else it is quoted whole.
 */
fault_function fault_echo;

/* fault_echo_beside - a good reply whose request id and warning quote it likewise */
fault_function fault_echo_beside;

/* fault_wrapped - the reply is wrapped, and not there */
fault_function fault_wrapped;

#endif
