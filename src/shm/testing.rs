//! What tests beside the code share: a segment of their own.

use std::path::PathBuf;

use super::place::{find, Found, Place};
use super::segment::{Plan, Segment};

/// A folder on a tmpfs for files of a test.
pub fn folder() -> tempfile::TempDir {
    // Whose it is, if this process is killed.
    let mine = format!("-{}", std::process::id());
    tempfile::Builder::new().prefix("sdp-dal-test-").suffix(&mine).tempdir_in("/dev/shm").unwrap()
}

/// A segment that nobody else uses, whose lock is thus ours.
pub struct Fresh {
    pub segment: Segment,
    place: Place,
}

impl Fresh {
    pub fn new(name: &str, size: u64) -> Fresh {
        Fresh::with_objects(name, size, 1024)
    }

    pub fn with_objects(name: &str, size: u64, max_objects: u32) -> Fresh {
        let plan = Plan { size, max_objects, max_clients: 64, group: None, eviction: false, reserve: false };
        Fresh::with_plan(name, &plan)
    }

    pub fn with_plan(name: &str, plan: &Plan) -> Fresh {
        let path = PathBuf::from(format!("/dev/shm/sdp-dal-test-segment-{name}-{}", std::process::id()));
        let Found::Nothing(place) = find(&path, None).unwrap() else { panic!("{} is there", path.display()) };
        assert!(Segment::make(&place, plan).unwrap().is_some());
        Fresh { segment: Segment::open(&place, None, false).unwrap(), place }
    }

    pub fn place(&self) -> &Place {
        &self.place
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        self.place.remove(self.segment.file());
    }
}
