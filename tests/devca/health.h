/*
 * health - how the server is
 */
#ifndef DEVCA_HEALTH_H
#define DEVCA_HEALTH_H

#include "request.h"

/* health - GET and HEAD sys/health: always initialised, unsealed and active */
handler health;

#endif
