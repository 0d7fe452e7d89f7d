/* A configuration file of any bytes: taken whole, or every problem told. */
#include "fuzz.h"

#include "config/config_load.h"

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_problems problems = {0};
    struct config *config;

    /* A pattern could lead anywhere on the machine that fuzzes. */
    if (memmem(data, size, "include", strlen("include")) != NULL)
        return 0;
    config = config_load(fuzz_file("leafd.ini", data, size), false, &problems);
    fuzz_promise((config == NULL) == (problems.count > 0), "a configuration or problems");
    fuzz_promise((problems.count > 0) == (config_problems_first(&problems)[0] != '\0'),
                 "a problem has words");
    config_unref(config);
    config_problems_free(&problems);
    return 0;
}
