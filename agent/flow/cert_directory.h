/*
 * cert_directory - what happens in a set's directory beside the stages
 *
 * The previous generation goes some seconds after the new one was published: readers between two
 * opens need it that long, and those who watch a file instead of its directory see the change only
 * when it goes. And a mark that `leafd revoke` leaves is noticed at once.
 */
#ifndef LEAFD_FLOW_CERT_DIRECTORY_H
#define LEAFD_FLOW_CERT_DIRECTORY_H

#include "flow/cert_work.h"

/* cert_directory_plan_removal - removes work->previous when the section's keep_previous is over */
void cert_directory_plan_removal(struct cert_work *work);

/* cert_directory_remove_previous - removes it now, if there is one */
void cert_directory_remove_previous(struct cert_work *work);

/* cert_directory_watch - delivers REVOKED when the published generation is marked; for daemons */
void cert_directory_watch(struct cert_work *work);

#endif
