/*
 * issuance_meaning - what the result of a stage means for issuance
 *
 * The same result means something else for a try that an operator asked for, during a wait for the
 * CA, for a held generation, and for a CA that peers may not trust.
 */
#ifndef LEAFD_CERT_ISSUANCE_MEANING_H
#define LEAFD_CERT_ISSUANCE_MEANING_H

#include "cert/issuance_states.h"

/* The reason of a try that an operator asked for. */
extern const char issuance_asked_reason[];

/* issuance_meaning - translates the result of the stage that has just ended */
enum issuance_event issuance_meaning(struct issuance *issuance, enum issuance_event event);

#endif
