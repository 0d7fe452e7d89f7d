/*
 * cert_directory - housekeeping in a set's directory, beside the two machines
 *
 * The previous generation is removed some seconds after the consumer accepted the new one. Until
 * then a rollback may need it, a reader may have opened only some of the files, and a program that
 * watches a file instead of its directory sees the change when the file is removed. inotify reports
 * at once a mark by `leafd revoke`, and names that were removed or replaced; one instance serves
 * all sets. For everything else, and if inotify is not available, the files are checked every few
 * minutes. A check is a few calls of stat(2) on a worker; it reads files only if their attributes
 * have changed.
 */
#ifndef LEAFD_CERT_CERT_DIRECTORY_H
#define LEAFD_CERT_CERT_DIRECTORY_H

#include "cert/cert_work.h"

/*
 * cert_directory_note_previous - stores `replaced`, which was published until now, as
 * work->previous
 *
 * If the consumer never accepted `replaced`, and accepted the older generation in work->previous,
 * that one stays and `replaced` is removed.
 */
void cert_directory_note_previous(struct cert_work *work, const char *replaced);

/* cert_directory_plan_removal - removes work->previous after the section's keep_previous */
void cert_directory_plan_removal(struct cert_work *work);

/* cert_directory_remove_previous - removes work->previous now */
void cert_directory_remove_previous(struct cert_work *work);

/*
 * cert_directory_watch - starts to watch the directory and to check its files; for daemons
 *
 * Calls work->found when the published generation is damaged, or marked as revoked. A first change
 * is reported within a second; while changes continue, checks become less frequent.
 */
void cert_directory_watch(struct cert_work *work);

/*
 * cert_directory_expect_swap - the caller is about to change what is published
 *
 * A check under way is stopped and starts again later, and none starts before the change has ended:
 * it would compare the new files with the old generation.
 */
void cert_directory_expect_swap(struct cert_work *work);

/*
 * cert_directory_look - checks the files soon, before the next regular check
 *
 * At once for a single set. If there are many sets, the caller asks for all of them, and the checks
 * are spread over 10 ms for each set of the configuration.
 */
void cert_directory_look(struct cert_work *work);

#endif
