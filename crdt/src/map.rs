//! Maps: [`OrMap`], [`GMap`], [`LwwMap`].

mod grow;
mod lww;
mod or;

pub use grow::GMap;
pub use lww::LwwMap;
pub use or::OrMap;
