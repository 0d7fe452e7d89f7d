#include "entity.h"

#include "must.h"

#include <string.h>

/* The mount of a token's login: "kubernetes" of "auth/kubernetes/login". */
static const char *mount_of(const struct token *token, struct arena *arena)
{
    const char *rest = text_starts(token->path, "auth/");
    const char *mount = rest == NULL ? "" : arena_copy_part(arena, rest, strcspn(rest, "/"));

    MUST(mount != NULL);
    return mount;
}

/* The rest of a name behind the token's accessor, or NULL. */
static const char *behind_accessor(const struct token *token, struct arena *arena, const char *name)
{
    const char *prefix =
        arena_format(arena, "identity.entity.aliases.auth_%s_devca.", mount_of(token, arena));

    MUST(prefix != NULL);
    return text_starts(name, prefix);
}

static const char *value_of(const struct devca *devca, const struct token *token,
                            struct arena *arena, const char *name)
{
    const char *of_alias = behind_accessor(token, arena, name);
    const char *key = of_alias == NULL ? NULL : text_starts(of_alias, "metadata.");

    if (strcmp(name, "identity.entity.id") == 0)
        return devca->entity_id;
    if (of_alias != NULL && strcmp(of_alias, "name") == 0)
        return token->display_name;
    return key == NULL ? NULL : json_string_value(json_object_get(token->metadata, key));
}

/* NULL: it asks for what the entity does not have, and allows nothing. */
static const char *fill(const struct devca *devca, const struct token *token, struct arena *arena,
                        const char *pattern)
{
    const char *filled = "", *open, *close, *value;

    for (; (open = strstr(pattern, "{{")) != NULL; pattern = close + 2) {
        close = strstr(open, "}}");
        if (close == NULL)
            break;
        value = arena_copy_part(arena, open + 2, (size_t)(close - open - 2));
        MUST(value != NULL);
        value = value_of(devca, token, arena, text_trim((char *)value));
        if (value == NULL)
            return NULL;
        filled = arena_format(arena, "%s%.*s%s", filled, (int)(open - pattern), pattern, value);
        MUST(filled != NULL);
    }
    filled = arena_format(arena, "%s%s", filled, pattern);
    MUST(filled != NULL);
    return filled;
}

static void fill_all(const struct devca *devca, const struct token *token, struct arena *arena,
                     struct text_list *list)
{
    const struct text_list from = *list;

    *list = (struct text_list){0};
    for (size_t i = 0; i < from.count; i++) {
        const char *filled = fill(devca, token, arena, from.items[i]);

        if (filled != NULL)
            MUST(text_list_add(list, arena, filled, strlen(filled)));
    }
}

const struct pki_role *entity_role(const struct devca *devca, const struct token *token,
                                   struct arena *arena, const struct pki_role *role)
{
    struct pki_role *filled = arena_take(arena, sizeof *filled);

    MUST(filled != NULL);
    *filled = *role;
    if (role->allowed_domains_template)
        fill_all(devca, token, arena, &filled->allowed_domains);
    if (role->allowed_uri_sans_template)
        fill_all(devca, token, arena, &filled->allowed_uri_sans);
    return filled;
}

void entity_read(struct devca *devca, struct request *request, struct reply *reply)
{
    const struct token *token = request->holder;
    const char *mount = mount_of(token, &request->arena);

    if (strcmp(request->captured[0], devca->entity_id) != 0) {
        reply_error(reply, 403, "1 error occurred:\n\t* permission denied\n\n");
        return;
    }
    reply_data(reply,
               json_pack("{s:s, s:s, s:n, s:[{s:s, s:s++, s:s++, s:s, s:s, s:O, s:n}]}", "id",
                         devca->entity_id, "name", "entity_devca", "metadata", "aliases", "id",
                         devca->entity_id, "mount_accessor", "auth_", mount, "_devca", "mount_path",
                         "auth/", mount, "/", "mount_type", mount, "name", token->display_name,
                         "metadata", token->metadata, "custom_metadata"),
               "identity");
}
