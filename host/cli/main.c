#include <stdio.h>

int main(void)
{
    puts("retort");
    return 0;
}
