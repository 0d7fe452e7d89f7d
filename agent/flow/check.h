/*
 * check - `leafd check`: what the configuration means, what is unwise, what the CA would refuse
 */
#ifndef LEAFD_FLOW_CHECK_H
#define LEAFD_FLOW_CHECK_H

#include "config/config.h"

/* check_print - prints what templates gave, each certificate's advice and a closing line; borrows
 * `config` */
void check_print(const struct config *config);

/*
 * check_online - logs in and asks whether the token may sign each certificate
 *
 * Issues nothing. Takes no reference. Prints a line for each certificate; returns the exit code: 0,
 * 1 if the CA could not be asked, 3 if it refuses.
 */
int check_online(struct config *config);

#endif
