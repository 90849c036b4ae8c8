/* The weights before training: He, Zhang, Ren, Sun, "Delving deep into rectifiers", arXiv
 * 1502.01852: normal with deviation sqrt(2 / fan_in). */
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/random.h"
#include "model/internal.h"

void rt_model_initialise(const struct rt_graph *graph, uint64_t seed, float *values)
{
    size_t count;
    const struct rt_graph_parameter *parameters = rt_graph_parameters(graph, &count);
    for (size_t i = 0; i < count; i++) {
        const struct rt_parameter *p = &parameters[i].parameter;
        /* A stream of its own, so that the values depend on the seed and the name alone. */
        const char *name = parameters[i].name;
        struct rt_random random = rt_random_start(seed, rt_hash(name, strlen(name)));
        float deviation = p->fan_in > 0 ? sqrtf(2 / (float)p->fan_in) : 0;
        for (size_t j = 0; j < rt_shape_size(p->shape); j++)
            values[parameters[i].offset + j] =
                p->fan_in > 0 ? deviation * rt_random_normal(&random) : p->value;
    }
}
