// SPDX-License-Identifier: BSD-2-Clause
// Loads and stores with a named order; the only atomics that code outside this file uses.
//
// Every acquire names its release, and every release its acquire, in a comment at the call.
// Nothing here is a read-modify-write: each shared word has one writer.
#pragma once

// ThreadSanitizer does not model fences. All that stands around them is atomic, so that it has
// nothing to miss there, and gcc's warning about it is in the way.
#if defined(__SANITIZE_THREAD__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wtsan"
#endif

#define rr_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define rr_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define rr_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define rr_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

// Add to a word that only the caller writes: a load and a store, not a locked instruction.
#define rr_add_relaxed(p, n) rr_store_relaxed((p), rr_load_relaxed(p) + (n))

// The two halves of a sequence count. The writer calls rr_fence_release between making the count
// odd and its first data store; the reader calls rr_fence_acquire between its last data load and
// its second look at the count. A release fence also lets every later relaxed store publish what
// was stored before it. On x86 both only hold back the compiler.
#define rr_fence_release() __atomic_thread_fence(__ATOMIC_RELEASE)
#define rr_fence_acquire() __atomic_thread_fence(__ATOMIC_ACQUIRE)

// Two sides that each store a word of their own and then look at the other's: with this between
// store and look on both, at least one sees what the other stored.
#define rr_fence_full() __atomic_thread_fence(__ATOMIC_SEQ_CST)
