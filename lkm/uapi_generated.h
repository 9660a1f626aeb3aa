#include "/work/main/include/uapi/simrupt.h"
const unsigned int UAPI_SIMRUPT_GET_STATS = SIMRUPT_GET_STATS;
