/*
 * config_values - from the text of a value to what it means
 *
 * One parser for every kind of value. A parser writes into the field that the key table names and
 * returns NULL, or returns what is wrong in words that follow the value: "is not a duration". Where
 * they hold a semicolon a remedy stands behind it; else the key's example becomes the remedy.
 * Repeating keys call their parser once an occurrence; it appends.
 */
#ifndef LEAFD_CONFIG_CONFIG_VALUES_H
#define LEAFD_CONFIG_CONFIG_VALUES_H

#include "base/text.h"
#include "config/config_expand.h"

typedef const char *config_parser(struct config_scope *scope, const char *value, void *field);

/* What a parser returns when memory ran out. */
extern const char *const config_no_memory;

/* parse_text - `const char *`: any text, trimmed, not empty */
config_parser parse_text;

/* parse_path - `const char *`: an absolute path without . or .. in it */
config_parser parse_path;

/* check_path - what is wrong with a path that is to be written so, or NULL */
const char *check_path(const char *path);

/* parse_directory - `const char *`: as parse_path, and not the root of all */
config_parser parse_directory;

/* parse_readable_file - `const char *`: an absolute path of a file that can be read now, and that
 * others cannot write */
config_parser parse_readable_file;

/* parse_credential_file - the same, but it may come later */
config_parser parse_credential_file;

/* parse_ca_directory - `const char *`: an absolute path of a directory in which others can write
 * nothing; it may come later */
config_parser parse_ca_directory;

/* parse_password_file - `const char *`: as parse_readable_file, and what it holds can be a password
 */
config_parser parse_password_file;

/* parse_api_path - `const char *`: a path of the CA's API, such as a mount; outer slashes dropped
 */
config_parser parse_api_path;

/* is_api_path - whether what comes from elsewhere is such a path as well */
bool is_api_path(const char *text);

/* parse_api_name - `const char *`: one segment of such a path, such as a role */
config_parser parse_api_name;

/* parse_duration - `uint64_t` seconds, at least one */
config_parser parse_duration;

/* parse_duration_or_auto - `uint64_t` seconds, at least one; UINT64_MAX for the word auto */
config_parser parse_duration_or_auto;

/* parse_poll - the same, or 0, which turns off what the key is about */
config_parser parse_poll;

/* parse_duration_or_0 - `uint64_t` seconds; 0 turns off what the key is about */
config_parser parse_duration_or_0;

/* parse_yes_no - `bool` */
config_parser parse_yes_no;

/* parse_in_flight - `unsigned`, 1 to 64 */
config_parser parse_in_flight;

/* parse_window - the percentages of a `struct renewal_rule` */
config_parser parse_window;

/* parse_directory_mode - `mode_t`, without write for group and others */
config_parser parse_directory_mode;

/* The parsers of one word out of a few: */
config_parser parse_auth_method, parse_log_format, parse_log_level, parse_ready_when,
    parse_key_type, parse_key_rotation, parse_key_source, parse_key_encoding,
    parse_keystore_encryption, parse_usage;

/*
 * Values of several words. Words stand apart by blanks; "double quotes" keep blanks in a word. A
 * value is taken apart first and expanded word by word, so that nothing in the environment becomes
 * a further argument.
 */

/*
 * words_split_raw - appends the words of `value`, quotes removed, not expanded
 *
 * What is written for a shell (single quotes, in exec also | > && $NAME) is refused: there is none.
 * Returns what is wrong, or NULL.
 */
const char *words_split_raw(struct config_scope *scope, const char *value, struct text_list *words);

/* words_split - appends the words of `value`, expanded; returns what is wrong, or NULL */
const char *words_split(struct config_scope *scope, const char *value, struct text_list *words);

/*
 * words_argv - appends the arguments of exec PROGRAM [ARGUMENT...]
 *
 * The program must be an absolute path that can be executed, and that others cannot write. Returns
 * what is wrong, or NULL.
 */
const char *words_argv(struct config_scope *scope, const struct text_list *words,
                       struct text_list *argv);

#endif
