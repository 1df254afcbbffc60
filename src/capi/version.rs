//! The library's version.

/// major << 24 | minor << 12 | patch.
const VERSION: u32 = number(env!("CARGO_PKG_VERSION_MAJOR")) << 24
    | number(env!("CARGO_PKG_VERSION_MINOR")) << 12
    | number(env!("CARGO_PKG_VERSION_PATCH"));

const fn number(digits: &str) -> u32 {
    let digits = digits.as_bytes();
    let mut value = 0;
    let mut i = 0;
    while i < digits.len() {
        assert!(digits[i].is_ascii_digit());
        value = value * 10 + (digits[i] - b'0') as u32;
        i += 1;
    }
    assert!(value < 1 << 12);
    value
}

/// Returns the version of the library at run time: major << 24 | minor << 12 | patch.
///
/// SDP_DAL_VERSION is the version of this header. Major and minor must be the same before 1.0, afterwards only major.
#[no_mangle]
pub extern "C" fn sdp_dal_version() -> u32 {
    VERSION
}
