#include "flow/ca_news.h"

#include <string.h>

enum ca_news ca_news_of(const struct ca_look *look)
{
    if (look->revoked)
        return CA_NEWS_REVOKED;
    if (look->signer[0] == '\0' || look->ours[0] == '\0')
        return CA_NEWS_NONE;
    if (strcmp(look->signer, look->ours) == 0 || strcmp(look->signer, look->known) == 0)
        return CA_NEWS_NONE;
    return CA_NEWS_OTHER_ISSUER;
}

uint64_t ca_news_due_s(uint64_t now_s, uint64_t spread_s, uint32_t spread)
{
    uint64_t half_s = spread_s / 2;

    return now_s + half_s + (uint64_t)((__uint128_t)(spread_s - half_s) * spread >> 32);
}
