/*
 * status_print - the status as a table for people and as JSON for machines
 */
#ifndef LEAFD_APP_STATUS_PRINT_H
#define LEAFD_APP_STATUS_PRINT_H

#include "app/status.h"

#include <stdio.h>

/* status_print_table - a line for each certificate, and below it what keeps it from being fresh */
void status_print_table(const struct status *status, FILE *to);

/* status_print_json - an array of objects, whose fields leafd(8) lists; false if memory ran out */
bool status_print_json(const struct status *status, FILE *to);

#endif
