#include "cert/cert_variables.h"

void cert_variables_add(struct cert_variables *variables, const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = arena_vformat(&variables->arena, format, args);
    va_end(args);
    if (text == NULL || variables->count == CERT_VARIABLES_MOST)
        variables->complete = false;
    else
        variables->items[variables->count++] = text;
}

void cert_variables_of(struct cert_variables *ret_variables, const struct cert_config *cert)
{
    *ret_variables = (struct cert_variables){.complete = true};
    cert_variables_add(ret_variables,
                       "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    cert_variables_add(ret_variables, "LEAFD_CERT=%s", cert->name);
    cert_variables_add(ret_variables, "LEAFD_DIRECTORY=%s", cert->directory);
}

void cert_variables_of_published(struct cert_variables *ret_variables, const struct cert_work *work)
{
    const struct cert_published *published = &work->published;

    cert_variables_of(ret_variables, work->cert);
    cert_variables_add(ret_variables, "LEAFD_GENERATION=%s/%s", work->cert->directory,
                       published->generation);
    cert_variables_add(ret_variables, "LEAFD_SERIAL=%s", published->serial);
    cert_variables_add(ret_variables, "LEAFD_SHA256=%s", published->fingerprint);
}

void cert_variables_free(struct cert_variables *variables)
{
    arena_free(&variables->arena);
}
