#include "base/shortage.h"

#include <errno.h>

/* Of the thread, not of the program: jobs of several certs run side by side. */
static _Thread_local int noted;

void shortage_note(int errnum)
{
    if (errnum == ENOMEM || errnum == EMFILE || errnum == ENFILE)
        noted = errnum;
}

void shortage_forget(void)
{
    noted = 0;
}

int shortage_noted(void)
{
    return noted;
}
