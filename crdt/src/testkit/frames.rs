//! The frames of the sync protocol, which nobody else need know, for a fuzz target.

use crate::codec::Reader;
use crate::sync::frame::Frame;

/// Reads frames of the sync protocol, one after the other, from any bytes: what is taken is written again and reads as the same.
///
/// ```
/// crdt::testkit::frames(b"any bytes");
/// ```
pub fn frames(bytes: &[u8]) {
    let mut message = Reader::new(bytes, &[]);
    while let Ok(frame) = Frame::read(&mut message) {
        let Some(frame) = frame else { continue };
        let again = Frame::read(&mut Reader::new(&frame.to_bytes(), &[]));
        assert_eq!(again, Ok(Some(frame)), "what is written can be read");
    }
}
