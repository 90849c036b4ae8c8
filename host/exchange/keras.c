/* Keras HDF5. */
#include "exchange/exchange.h"

static bool recognise(const char *path)
{
    return rt_file_begins(path, "\x89HDF\r\n\x1a\n", 8);
}

const struct rt_format rt_format_keras = {
    .name = "keras",
    .title = "Keras HDF5",
    .recognise = recognise,
};
