//! Registers: [`LwwRegister`], [`MvRegister`], [`MaxRegister`], [`MinRegister`].

mod extreme;
mod lww;
mod mv;

pub use extreme::{MaxRegister, MinRegister};
pub use lww::LwwRegister;
pub use mv::MvRegister;
