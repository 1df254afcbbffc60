//! Whether the heap adds up: for `check`, under the lock.

use super::{class, get32, get64, rounded, Heap, USED};
use crate::error::Result;
use crate::shm::layout::NONE;

impl Heap<'_> {
    /// Walks every extent and every list; says what is wrong. `used` are the objects' (offset, size, extent), sorted by offset.
    pub fn check(&self, used: &[(u64, u64, u32)], wrong: &mut Vec<String>) -> Result<()> {
        let mut free_extents = 0u64;
        let mut objects = used.iter().peekable();
        for (name, pool) in [("small", &self.control().small), ("large", &self.control().large)] {
            let mut at = get32(&pool.last);
            let mut chain = Vec::new();
            while at != NONE && chain.len() <= self.segment.extents_reserved() as usize {
                chain.push(at);
                at = get32(&self.extent(at)?.before);
            }
            let mut expected = self.start(pool);
            let mut previous_free = false;
            let mut sum = 0;
            for &index in chain.iter().rev() {
                let extent = self.extent(index)?;
                let (offset, size) = (get64(&extent.offset), get64(&extent.size));
                if offset != expected {
                    wrong.push(format!("{name} heap: extent {index} begins at {offset}, not at {expected}"));
                }
                expected = offset + (size & !USED);
                if size & USED == 0 {
                    free_extents += 1;
                    if previous_free {
                        wrong.push(format!(
                            "{name} heap: extents before and at {offset} are free and not joined"
                        ));
                    }
                } else {
                    sum += size & !USED;
                    match objects.next() {
                        Some(&(o, s, e)) if (o, rounded(s), e) == (offset, size & !USED, index) => {}
                        other => wrong.push(format!(
                            "{name} heap: the used extent {index} at {offset} (+{size}) is no object's (next: {other:?})"
                        )),
                    }
                }
                previous_free = size & USED == 0;
            }
            if expected != self.reserved(pool) {
                wrong
                    .push(format!("{name} heap: ends at {expected}, reserved up to {}", self.reserved(pool)));
            }
            if sum != get64(&pool.used) {
                wrong.push(format!(
                    "{name} heap: {} bytes are counted as used, but {sum} are in use",
                    get64(&pool.used)
                ));
            }
        }
        if let Some((offset, ..)) = objects.next() {
            wrong.push(format!("heap: the object at {offset} has no extent"));
        }
        let mut listed = 0u64;
        for pool in [&self.control().small, &self.control().large] {
            for (first, heads) in pool.heads.iter().enumerate() {
                for (second, head) in heads.iter().enumerate() {
                    let mut at = get32(head);
                    let marked = get32(&pool.second_map[first]) >> second & 1 == 1;
                    if marked != (at != NONE) {
                        wrong.push(format!("heap: class {first}/{second} is marked wrongly"));
                    }
                    while at != NONE && listed <= u64::from(self.segment.extents_reserved()) {
                        let extent = self.extent(at)?;
                        if get64(&extent.size) & USED != 0 || class(get64(&extent.size)) != (first, second) {
                            wrong.push(format!("heap: extent {at} is in the wrong list"));
                        }
                        listed += 1;
                        at = get32(&extent.next_free);
                    }
                }
            }
        }
        if listed != free_extents {
            wrong.push(format!("heap: {free_extents} free extents, {listed} of them listed"));
        }
        Ok(())
    }
}
