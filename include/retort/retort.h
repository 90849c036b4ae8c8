/* All of libretort. */
#ifndef RETORT_RETORT_H
#define RETORT_RETORT_H

#include "retort/data.h"
#include "retort/device.h"
#include "retort/learn.h"
#include "retort/loss.h"
#include "retort/model.h"
#include "retort/raster.h"
#include "retort/report.h"
#include "retort/status.h"

#endif
