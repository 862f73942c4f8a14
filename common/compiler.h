// SPDX-License-Identifier: BSD-2-Clause
// The compiler attributes that the project spells, and the cache line they align to.
#pragma once

#define RR_CACHE_LINE 64

#define RR_ALIGNED(n) __attribute__((aligned(n)))
#define RR_CACHE_ALIGNED RR_ALIGNED(RR_CACHE_LINE)
#define RR_PACKED __attribute__((packed))
#define RR_UNUSED __attribute__((unused))
#define RR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define RR_WARN_UNUSED __attribute__((warn_unused_result))
#define RR_LIKELY(x) __builtin_expect(!!(x), 1)
#define RR_UNLIKELY(x) __builtin_expect(!!(x), 0)

#ifdef __cplusplus
#define RR_STATIC_ASSERT(cond, what) static_assert(cond, what)
#define RR_BEGIN_DECLS extern "C" {
#define RR_END_DECLS }
#else
#define RR_STATIC_ASSERT(cond, what) _Static_assert(cond, what)
#define RR_BEGIN_DECLS
#define RR_END_DECLS
#endif

#define RR_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
