/*
 * cert_directory - what happens in a set's directory beside the machines
 *
 * The previous generation goes some seconds after the consumer took the new one: until then it may
 * have to be gone back to, readers between two opens need it a little longer, and those who watch a
 * file instead of its directory see the change only when it goes. A mark that `leafd revoke` leaves
 * is noticed at once, and so is a name that somebody removes or replaces: by inotify, with one
 * instance for all sets. Where there is none to be had, and for what it does not tell, the files
 * are held against what was written every few minutes. A look costs a few stat(2) on a worker;
 * files are read only if something about them has changed.
 */
#ifndef LEAFD_CERT_CERT_DIRECTORY_H
#define LEAFD_CERT_CERT_DIRECTORY_H

#include "cert/cert_work.h"

/*
 * cert_directory_note_previous - `replaced` was published until a moment ago
 *
 * It becomes work->previous, unless the consumer never took it while an older one, which it took,
 * is still there: then that one stays and `replaced` goes.
 */
void cert_directory_note_previous(struct cert_work *work, const char *replaced);

/* cert_directory_plan_removal - removes work->previous when the section's keep_previous is over */
void cert_directory_plan_removal(struct cert_work *work);

/* cert_directory_remove_previous - removes it now, if there is one */
void cert_directory_remove_previous(struct cert_work *work);

/*
 * cert_directory_watch - watches the set's directory from now on, and looks at its files; for
 * daemons
 *
 * Tells when the published generation is marked as revoked or withdrawn, and when it is not
 * as it was written. One change is seen to within a second; the more follow one another, the longer
 * the next look is put off.
 */
void cert_directory_watch(struct cert_work *work);

/*
 * cert_directory_expect_swap - what is published may be changing from now on, by who has the set
 *
 * A look under way is thrown away and begun again, and none begins before that has ended: it
 * would hold what is on disk against what was published before.
 */
void cert_directory_expect_swap(struct cert_work *work);

/*
 * cert_directory_look - looks at the files soon, before the next regular look
 *
 * That of a single set is at once. Where there are many, whoever asks for one asks for all, and
 * they are spread over 10 ms for each set of the configuration.
 */
void cert_directory_look(struct cert_work *work);

#endif
