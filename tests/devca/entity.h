/*
 * entity - who is behind a token, as templates of roles name it
 *
 * Vault keeps an entity for each login, with an alias for each mount that it came by and what the
 * mount says of it. Here a token has the one alias of its login, and the accessor of a mount is
 * auth_MOUNT_devca.
 */
#ifndef DEVCA_ENTITY_H
#define DEVCA_ENTITY_H

#include "devca.h"
#include "reply.h"
#include "request.h"

/*
 * entity_role - the role as it stands for the holder of a token
 *
 * Where the role says that its names are templates, {{identity.entity.id}} and, of the alias,
 * {{identity.entity.aliases.ACCESSOR.name}} and {{...ACCESSOR.metadata.KEY}} are filled in. What
 * asks for something else allows nothing. The copy is in the arena.
 */
const struct pki_role *entity_role(const struct devca *devca, const struct token *token,
                                   struct arena *arena, const struct pki_role *role);

/* entity_read - GET identity/entity/id/ID: its own, to every token */
void entity_read(struct devca *devca, struct request *request, struct reply *reply);

#endif
