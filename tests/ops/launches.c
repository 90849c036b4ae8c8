/* Where kernels are interpreted, which of them run: a line `launched NAME` for each, once. The
 * linker leads the library's calls here. Oclgrind's own --inst-counts says it, too, but writes past
 * the end of its counts where the groups of a launch call different functions, as CLBlast's do
 * (21.10, InstructionCounter::workGroupComplete: m_instructionCounts is as long as one group's
 * counts). */
#include "ops/check.h"

#include <stdio.h>
#include <string.h>

#include <CL/cl.h>

cl_int __real_clEnqueueNDRangeKernel(cl_command_queue, cl_kernel, cl_uint, const size_t *,
                                     const size_t *, const size_t *, cl_uint, const cl_event *,
                                     cl_event *);
cl_int __wrap_clEnqueueNDRangeKernel(cl_command_queue, cl_kernel, cl_uint, const size_t *,
                                     const size_t *, const size_t *, cl_uint, const cl_event *,
                                     cl_event *);

static void tell(cl_kernel kernel)
{
    static char told[4096] = " ";
    const size_t length = strlen(told);
    char name[128], word[sizeof name + 2];
    if (clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof name, name, NULL) != CL_SUCCESS)
        return;
    snprintf(word, sizeof word, " %s ", name);
    if (strstr(told, word))
        return;
    snprintf(told + length, sizeof told - length, "%s ", name);
    printf("launched %s\n", name);
}

cl_int __wrap_clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dimensions,
                                     const size_t *from, const size_t *global, const size_t *local,
                                     cl_uint count, const cl_event *events, cl_event *event)
{
    if (check_small())
        tell(kernel);
    return __real_clEnqueueNDRangeKernel(queue, kernel, dimensions, from, global, local, count,
                                         events, event);
}
