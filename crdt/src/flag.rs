//! Flags: [`EwFlag`], [`DwFlag`].

mod dw;
mod ew;

pub use dw::DwFlag;
pub use ew::EwFlag;
