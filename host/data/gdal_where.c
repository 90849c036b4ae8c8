/* Prints the file that GDAL's functions come from: meson runs it, linked with GDAL, to know what
 * retort has to load. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include <gdal.h>

int main(void)
{
    void (*volatile used)(void) = GDALAllRegister; /* or the linker would leave GDAL out */
    void *function = dlsym(RTLD_DEFAULT, "GDALAllRegister");
    Dl_info info;
    if (!used || !function || !dladdr(function, &info) || !strstr(info.dli_fname, "gdal"))
        return 1; /* within this program, maybe: then there is nothing to load */
    return puts(info.dli_fname) < 0;
}
