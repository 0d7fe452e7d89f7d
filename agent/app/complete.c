#include "app/complete.h"

#include "app/init.h"
#include "base/terminal.h"
#include "base/text.h"
#include "config/config_load.h"

#include <stdio.h>
#include <string.h>

/* The line as far as it was typed. */
struct line {
    const struct command *commands, *command; /* NULL: not typed yet */
    const char *file;                         /* of -c */
    const char *word;                         /* under the cursor */
    const char *const *operands;              /* words of the line; options are among them */
    size_t operand_count;
    bool wants_value; /* the word is the value of the option before it */
    bool only_operands;
};

static void print(const struct line *line, const char *candidate, const char *description)
{
    if (text_starts(candidate, line->word) != NULL)
        terminal_line(stdout, "%s%s%.*s", candidate, description == NULL ? "" : ":",
                      description == NULL ? 0 : (int)strcspn(description, "\n"),
                      description == NULL ? "" : description);
}

/* -- the line -------------------------------------------------------------------------------------
 */

/* The option that a word is; OPTION_END if it is none. A word such as --json=x has its value. */
static enum option_id option_of(const char *word)
{
    for (enum option_id id = OPTION_END + 1; id < OPTION_COUNT; id++) {
        const struct option_form *form = &option_forms[id];

        if (word[1] == '-' ? strcmp(word + 2, form->name) == 0
                           : word[1] != '\0' && word[1] == form->letter && word[2] == '\0')
            return id;
    }
    return OPTION_END;
}

static void read_line(struct line *line, const char *const *words, size_t count)
{
    line->word = words[count - 1];
    for (size_t i = 0; i + 1 < count; i++) {
        enum option_id id = line->only_operands ? OPTION_END : option_of(words[i]);

        if (option_forms[id].value != NULL) {
            i++;
            line->wants_value = i + 1 == count;
            if (id == OPTION_CONFIG && !line->wants_value)
                line->file = words[i];
        } else if (!line->only_operands && words[i][0] == '-') {
            line->only_operands = strcmp(words[i], "--") == 0;
        } else if (line->command == NULL) {
            line->command = command_find(line->commands, words[i]);
            if (line->command == NULL)
                line->wants_value = true; /* no such command: nothing fits */
            line->operands = words + i + 1;
            line->operand_count = count - i - 2;
        }
    }
}

/* -- what fits ------------------------------------------------------------------------------------
 */

static void print_option(const struct line *line, enum option_id id, const char *help)
{
    char name[64];

    snprintf(name, sizeof name, "--%s", option_forms[id].name);
    print(line, name, help);
}

static void print_options(const struct line *line)
{
    static const struct option_use anywhere[] = {
        {OPTION_CONFIG, NULL}, {OPTION_VERSION, NULL}, {OPTION_END, NULL}};
    const struct option_use *at = line->command == NULL ? anywhere : line->command->options;

    for (; at != NULL && at->id != OPTION_END; at++)
        print_option(line, at->id, at->help);
    print_option(line, OPTION_HELP, NULL);
}

static void print_commands(const struct line *line)
{
    for (const struct command *at = line->commands; at->name != NULL; at++)
        if (at->summary != NULL)
            print(line, at->name, at->summary);
}

static bool is_typed(const struct line *line, const char *name)
{
    for (size_t i = 0; i < line->operand_count; i++)
        if (strcmp(line->operands[i], name) == 0)
            return true;
    return false;
}

static void print_certs(const struct line *line)
{
    struct config_problems problems = {0};
    struct config *config = config_load(line->file, true, &problems);

    for (size_t i = 0; config != NULL && i < config->cert_count; i++)
        if (!is_typed(line, config->certs[i].name))
            print(line, config->certs[i].name, NULL);
    config_unref(config);
    config_problems_free(&problems);
}

static void print_templates(const struct line *line)
{
    struct text_list names = {0};
    struct arena arena = {0};

    init_list_templates(&arena, &names);
    for (size_t i = 0; i < names.count; i++)
        print(line, names.items[i], NULL);
    arena_free(&arena);
}

void complete_print(const struct command *commands, const char *const *words, size_t count)
{
    struct line line = {.commands = commands, .file = CONFIGURATION_FILE};

    if (count == 0)
        return;
    read_line(&line, words, count);
    if (line.wants_value)
        return;
    if (line.word[0] == '-' && !line.only_operands)
        print_options(&line);
    else if (line.command == NULL ||
             (line.command->operands == OPERANDS_COMMAND && line.operand_count == 0))
        print_commands(&line);
    else if (line.command->operands == OPERANDS_CERTS)
        print_certs(&line);
    else if (line.command->operands == OPERANDS_TEMPLATE && line.operand_count == 0)
        print_templates(&line);
}
