#include "base/random.h"

#include "base/clock.h"

#include <sys/random.h>

uint32_t random_draw(void)
{
    uint32_t number;

    /* Before the kernel's pool is ready (first seconds of a boot), the clock is jitter enough. */
    if (getrandom(&number, sizeof number, GRND_NONBLOCK) != (ssize_t)sizeof number)
        number = (uint32_t)clock_boot_us() * 2654435761U;
    return number;
}

uint64_t random_share(uint64_t of, uint32_t random)
{
    return (uint64_t)((__uint128_t)of * random >> 32);
}
