//! The simulator's atomics: the standard library's, each of whose operations is a step of the simulated world.

use std::sync::atomic::Ordering;

use super::sim;

macro_rules! watched {
    ($name:ident, $of:ty) => {
        /// An atomic at which others may go first.
        #[repr(transparent)]
        #[derive(Debug, Default)]
        pub struct $name(std::sync::atomic::$name);

        #[allow(missing_docs, reason = "as the standard library's")]
        impl $name {
            pub const fn new(value: $of) -> $name {
                $name(std::sync::atomic::$name::new(value))
            }

            pub const fn as_ptr(&self) -> *mut $of {
                self.0.as_ptr()
            }

            pub fn get_mut(&mut self) -> &mut $of {
                self.0.get_mut()
            }

            #[track_caller]
            #[inline]
            pub fn load(&self, order: Ordering) -> $of {
                sim::step();
                self.0.load(order)
            }

            #[track_caller]
            #[inline]
            pub fn store(&self, value: $of, order: Ordering) {
                sim::change(self);
                self.0.store(value, order);
            }

            #[track_caller]
            #[inline]
            pub fn swap(&self, value: $of, order: Ordering) -> $of {
                sim::change(self);
                self.0.swap(value, order)
            }

            #[track_caller]
            #[inline]
            pub fn compare_exchange(
                &self,
                current: $of,
                new: $of,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$of, $of> {
                sim::change(self);
                self.0.compare_exchange(current, new, success, failure)
            }

            #[track_caller]
            #[inline]
            pub fn compare_exchange_weak(
                &self,
                current: $of,
                new: $of,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$of, $of> {
                self.compare_exchange(current, new, success, failure)
            }

            #[track_caller]
            #[inline]
            pub fn fetch_add(&self, value: $of, order: Ordering) -> $of {
                sim::change(self);
                self.0.fetch_add(value, order)
            }

            #[track_caller]
            #[inline]
            pub fn fetch_sub(&self, value: $of, order: Ordering) -> $of {
                sim::change(self);
                self.0.fetch_sub(value, order)
            }

            #[track_caller]
            #[inline]
            pub fn fetch_or(&self, value: $of, order: Ordering) -> $of {
                sim::change(self);
                self.0.fetch_or(value, order)
            }

            #[track_caller]
            #[inline]
            pub fn fetch_and(&self, value: $of, order: Ordering) -> $of {
                sim::change(self);
                self.0.fetch_and(value, order)
            }

            #[track_caller]
            #[inline]
            pub fn fetch_max(&self, value: $of, order: Ordering) -> $of {
                sim::change(self);
                self.0.fetch_max(value, order)
            }

            #[track_caller]
            #[inline]
            pub fn fetch_update(
                &self,
                set: Ordering,
                fetch: Ordering,
                mut next: impl FnMut($of) -> Option<$of>,
            ) -> Result<$of, $of> {
                let mut now = self.load(fetch);
                while let Some(new) = next(now) {
                    match self.compare_exchange(now, new, set, fetch) {
                        Ok(before) => return Ok(before),
                        Err(seen) => now = seen,
                    }
                }
                Err(now)
            }
        }
    };
}

watched!(AtomicU32, u32);
watched!(AtomicU64, u64);
