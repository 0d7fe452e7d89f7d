/*
 * control - what a test tells the CA to do, and asks it afterwards
 *
 * Below /devca/, open to everybody on loopback, and never spoilt by a fault.
 */
#ifndef DEVCA_CONTROL_H
#define DEVCA_CONTROL_H

#include "request.h"

/* control_requests - GET devca/requests: {"total": N, "paths": {"POST pki_int/sign/web": N}} */
handler control_requests;

/* control_faults - GET devca/faults: the queue */
handler control_faults;

/* control_add_fault - POST devca/faults: {"fault": NAME, "path": TEXT, "times": N, ...} */
handler control_add_fault;

/* control_clear_faults - DELETE devca/faults */
handler control_clear_faults;

/* control_rotate - POST devca/rotate: a new intermediate, with {"common_name": TEXT} if given,
 * below a new root with {"root": TEXT} */
handler control_rotate;

/* control_lists - POST devca/lists: {"life": SECONDS, "old": BOOL}: how long revocation lists live
 * from now on; old ones are not made anew in time */
handler control_lists;

/* control_pin - POST devca/pin: {"role": NAME} signs by the issuer that is the default one now */
handler control_pin;

/* control_revoke_tokens - POST devca/tokens/revoke-all */
handler control_revoke_tokens;

#endif
