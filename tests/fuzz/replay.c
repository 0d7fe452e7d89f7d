/* Feeds a target the files of its corpus, or of the directories that are named, without clang's
 * fuzzer. The corpus of fuzz_NAME is $srcdir/tests/fuzz/corpus/NAME. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_MOST_BYTES = 1024 * 1024 };

static size_t replay(const char *directory)
{
    DIR *entries = opendir(directory);
    size_t count = 0;

    if (entries == NULL)
        return 0;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        char path[4096];
        uint8_t *data = malloc(INPUT_MOST_BYTES);
        FILE *file;

        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        file = entry->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (file != NULL && data != NULL) {
            size_t size = fread(data, 1, INPUT_MOST_BYTES, file);
            /* Exactly as large as the input is, so that reading past its end is noticed. */
            uint8_t *input = malloc(size == 0 ? 1 : size);

            memcpy(input, data, size);
            LLVMFuzzerTestOneInput(input, size);
            free(input);
            count++;
        }
        if (file != NULL)
            fclose(file);
        free(data);
    }
    closedir(entries);
    return count;
}

int main(int argc, char **argv)
{
    const char *source = getenv("srcdir"), *name = strstr(argv[0], "fuzz_");
    char corpus[4096];
    size_t count = 0;

    snprintf(corpus, sizeof corpus, "%s/tests/fuzz/corpus/%s", source == NULL ? "." : source,
             name == NULL ? "" : name + strlen("fuzz_"));
    if (argc == 1)
        count = replay(corpus);
    for (int i = 1; i < argc; i++)
        count += replay(argv[i]);
    printf("%zu inputs\n", count);
    return count > 0 ? 0 : 1; /* a corpus that is not found is no test */
}
