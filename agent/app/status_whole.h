/*
 * status_whole - everything about a certificate: the view of `leafd status CERT`
 */
#ifndef LEAFD_APP_STATUS_WHOLE_H
#define LEAFD_APP_STATUS_WHOLE_H

#include <jansson.h>

#include <stdio.h>

/* status_whole_print - everything about each certificate of the document, with its history */
void status_whole_print(const json_t *document, FILE *to);

#endif
