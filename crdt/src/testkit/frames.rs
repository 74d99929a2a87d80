//! The frames of the sync protocol, which nobody else need know, for a fuzz target.

use crate::codec::Reader;
use crate::sync::frame::Frame;

/// Reads frames of the sync protocol, one after the other, from any bytes, as far as they are frames: what is taken is written
/// again and reads as the same. Gives the bytes that are written; of a type that is not known there are none.
///
/// ```
/// crdt::testkit::frames(b"any bytes");
/// assert_eq!(crdt::testkit::frames(&[10, 1, 3]), [[10, 1, 3]]); // prune replica 3
/// ```
pub fn frames(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut message, mut written) = (Reader::new(bytes, &[]), Vec::new());
    while let Ok(frame) = Frame::read(&mut message) {
        let Some(frame) = frame else { continue };
        let bytes = frame.to_bytes();
        let again = Frame::read(&mut Reader::new(&bytes, &[]));
        assert_eq!(again, Ok(Some(frame)), "what is written can be read");
        written.push(bytes);
    }
    written
}
