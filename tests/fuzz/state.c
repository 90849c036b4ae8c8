/* The state of a run: safetensors, and in their metadata the place that the run has reached. */
#include "fuzz.h"

#include <math.h>

#include "learn/state.h"
#include "model/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rt_safetensors file;
    struct rt_place place;
    if (rt_safetensors_read(&file, fuzz_file("state", data, size)) != RT_OK)
        return 0;
    if (rt_place_read(&place, rt_safetensors_text(&file, "place"), "state") == RT_OK)
        fuzz_refuse(place.epoch < 0 || place.step < 0 || !isfinite(place.loss_sum), "a place");
    rt_safetensors_finish(&file);
    return 0;
}
